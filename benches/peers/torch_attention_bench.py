#!/usr/bin/env python3
"""Causal attention in PyTorch, forward and backward: scaled_dot_product_attention on the fastest kernel that it picks.

    python benches/peers/torch_attention_bench.py --device cuda --dtype bfloat16 --tokens 4096 16384 --heads 16 --head-dim 128

Prints one JSON line a size. Flops are counted as osler counts them: 2 heads head_dim n (n + 1) forward, 2.5 times that
backward. Time is the median of five rounds of repeats, between synchronisations of the device.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--tokens", type=int, nargs="+", default=[4096, 16384])
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--kv-heads", type=int)
    parser.add_argument("--head-dim", type=int, default=128)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def median(device: str, work) -> float:
    """Seconds of one call of `work`."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
    for _ in range(2):
        work()
    wait()
    start = time.perf_counter()
    work()
    wait()
    repeats = max(1, min(100, int(0.15 / (time.perf_counter() - start))))
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        wait()
        rounds.append((time.perf_counter() - start) / repeats)
    return statistics.median(rounds)


def main() -> None:
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    dtype = getattr(torch, args.dtype)
    kv_heads = args.kv_heads or args.heads
    for n in args.tokens:

        def make(heads: int) -> torch.Tensor:
            return torch.randn(1, heads, n, args.head_dim, device=args.device, dtype=dtype, requires_grad=True)

        q, k, v = make(args.heads), make(kv_heads), make(kv_heads)
        grouped = {"enable_gqa": True} if kv_heads != args.heads else {}

        def forward() -> torch.Tensor:
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, **grouped)

        out = forward()
        upstream = torch.randn_like(out)

        def backward() -> None:
            torch.autograd.grad(out, (q, k, v), upstream, retain_graph=True)

        with torch.no_grad():
            forward_s = median(args.device, forward)
        backward_s = median(args.device, backward)
        flops = 2 * args.heads * args.head_dim * n * (n + 1)
        print(
            json.dumps(
                {
                    "torch": torch.__version__,
                    "device": torch.cuda.get_device_name() if args.device.startswith("cuda") else "cpu",
                    "threads": torch.get_num_threads(),
                    "dtype": args.dtype,
                    "tokens": n,
                    "heads": args.heads,
                    "kv_heads": kv_heads,
                    "head_dim": args.head_dim,
                    "forward_ms": forward_s * 1e3,
                    "backward_ms": backward_s * 1e3,
                    "forward_tflops": flops / forward_s / 1e12,
                    "backward_tflops": 2.5 * flops / backward_s / 1e12,
                    "both_tflops": 3.5 * flops / (forward_s + backward_s) / 1e12,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
