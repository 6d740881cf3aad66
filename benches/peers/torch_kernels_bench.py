#!/usr/bin/env python3
"""Attention and the unfused log-prob loss in PyTorch, forward and backward: the shapes of `osler bench kernels`.

    pip install torch numpy
    python benches/peers/torch_kernels_bench.py [--threads 2] [--repeats 5] [--label TEXT] [--only attention head]

Prints one JSON line a measurement:
    on the CPU   scaled_dot_product_attention, causal, [1, 8, 1024, 64], f32
                 linear, log_softmax, gather and backward, 1024 rows of 576 to 49152, f32
    on CUDA, if it is there, bf16
                 the same attention; 16 heads of 128 at 4096, 8192 and 16384 tokens
                 the same loss; 4096 rows of 5120 to 152064, with `peak_bytes_above_inputs`, gradients among them
`seconds` is the median of the repeats after two that are not counted, with `fastest` and `slowest`; between synchronisations
of the device. `plain` is attention with materialised scores (CPU only). Flops are counted as osler counts them: attention
7 heads head_dim n (n + 1), the loss 6 rows width vocab. Gradients go to the inputs and the head, as in training. The log-softmax is in
f32, products are in the type of the inputs. On CUDA f32 is not measured.
`load_before` and `load_after` are the one-minute load average: others' work spoils the numbers.
"""

import argparse
import json
import os
import statistics
import time

import torch
import torch.nn.functional as F


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=("attention", "head"), default=["attention", "head"])
    parser.add_argument("--label", default="")
    return parser.parse_args()


def measured(work, device: str, repeats: int) -> dict:
    """Seconds of one call of `work`, and the most that one call allocates on a CUDA device."""
    cuda = device == "cuda"
    wait = torch.cuda.synchronize if cuda else (lambda: None)
    for _ in range(2):
        work()
    wait()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - start)
    found = {"seconds": statistics.median(times), "fastest": min(times), "slowest": max(times)}
    if cuda:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        wait()
        found["peak_bytes_above_inputs"] = torch.cuda.max_memory_allocated() - before
    return found


def attention(device: str, dtype: torch.dtype, tokens: int, heads: int, head_dim: int, plain: bool):
    """Work that computes the output and the gradients of queries, keys and values; and its flops."""
    q, k, v = (torch.randn(1, heads, tokens, head_dim, device=device, dtype=dtype, requires_grad=True) for _ in range(3))
    upstream = torch.randn(1, heads, tokens, head_dim, device=device, dtype=dtype)
    hidden = torch.ones(tokens, tokens, device=device, dtype=torch.bool).triu(1) if plain else None

    def work() -> None:
        if plain:
            scores = (q @ k.transpose(2, 3)) * head_dim**-0.5
            out = scores.masked_fill(hidden, float("-inf")).softmax(-1) @ v
        else:
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        torch.autograd.grad(out, (q, k, v), upstream)

    return work, 7 * heads * head_dim * tokens * (tokens + 1)


def head(device: str, dtype: torch.dtype, rows: int, width: int, vocab: int):
    """Work that computes log-probs of the targets and the gradients of hidden rows and head; and its flops."""
    hidden = torch.randn(rows, width, device=device, dtype=dtype).mul_(0.5).requires_grad_()
    weight = torch.randn(vocab, width, device=device, dtype=dtype).mul_(0.05).requires_grad_()
    targets = torch.arange(rows, device=device).mul_(7919).remainder_(vocab)[:, None]

    def work() -> None:
        logits = F.linear(hidden, weight)
        log_probs = F.log_softmax(logits, -1, dtype=torch.float32).gather(1, targets)
        torch.autograd.grad(log_probs.sum(), (hidden, weight))

    return work, 6 * rows * width * vocab


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    cases = [
        ("attention", "cpu", torch.float32, dict(tokens=1024, heads=8, head_dim=64, plain=False)),
        ("attention", "cpu", torch.float32, dict(tokens=1024, heads=8, head_dim=64, plain=True)),
        ("head", "cpu", torch.float32, dict(rows=1024, width=576, vocab=49152)),
    ]
    if torch.cuda.is_available():
        sizes = [(1024, 8, 64), (4096, 16, 128), (8192, 16, 128), (16384, 16, 128)]
        cases += [("attention", "cuda", torch.bfloat16, dict(tokens=n, heads=h, head_dim=d, plain=False)) for n, h, d in sizes]
        shapes = [(1024, 576, 49152), (4096, 5120, 152064)]
        cases += [("head", "cuda", torch.bfloat16, dict(rows=n, width=d, vocab=v)) for n, d, v in shapes]
    for what, device, dtype, shape in cases:
        if what not in args.only:
            continue
        before = os.getloadavg()[0]
        line = {
            "peer": "torch", "torch": torch.__version__, "cuda": torch.version.cuda if device == "cuda" else None,
            "label": args.label, "what": what, "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
            "threads": args.threads, "repeats": args.repeats, "dtype": str(dtype).removeprefix("torch."), **shape}
        try:
            work, flops = {"attention": attention, "head": head}[what](device, dtype, **shape)
            found = measured(work, device, args.repeats)
            line |= found | {"tflops": flops / found["seconds"] / 1e12}
        except torch.OutOfMemoryError as error:
            line |= {"seconds": None, "problem": str(error).splitlines()[0]}
        cpu = torch.backends.cpu.get_cpu_capability()
        print(json.dumps(line | {"cpu": cpu, "load_before": before, "load_after": os.getloadavg()[0]}), flush=True)
        work = None
        if device == "cuda":
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
