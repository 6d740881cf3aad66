"""How fast PyTorch and transformers run the shape of SmolLM2-135M on this CPU.

    pip install torch transformers numpy
    python torch_bench.py [--threads 2] [--dtype float32|bfloat16] [--attention sdpa|eager] [--repeats 5] [--label TEXT]

Random weights, inference mode.  Prints one JSON line:
    prefill_tok_s      a 512-token prompt, logits of the last token only, cache filled
    decode_tok_s       by batch size: greedy tokens after 128-token prompts, over all rows;
                       by transformers' dynamic and static cache, and `better`, the one to compare with
    matmul_gflops      2048 x 2048 x 2048 in the dtype      } what the machine
    read_gb_s          reading 1 GiB, the best of sum, dot and matrix-vector in f32 } can do
    load_before/after  the one-minute load average: others' work spoils the numbers
Rates are {"median", "fastest"} of the repeats, after one warm-up; ceilings are the fastest.
With others' work on the machine the batch-1 decode rate was seen to fall several times
over, `fastest` included: compare only runs made while it was quiet.
"""

import argparse
import json
import os
import statistics
import time

import torch
import transformers
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, StaticCache

SHAPE = dict(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
             num_key_value_heads=3, max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=True,
             rope_parameters={"rope_type": "default", "rope_theta": 100000.0})


def summed_up(rates):
    return {"median": round(statistics.median(rates), 2), "fastest": round(max(rates), 2)}


def seconds(work, repeats):
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def decode_rate(model, batch, prompt, steps, static, repeats):
    rates = []
    for _ in range(repeats + 1):
        ids = torch.randint(model.config.vocab_size, (batch, prompt))
        cache = (StaticCache(config=model.config, max_cache_len=prompt + steps + 1) if static
                 else DynamicCache(config=model.config))
        best = lambda tokens, **more: model(tokens, past_key_values=cache, use_cache=True, logits_to_keep=1,
                                            **more).logits[:, -1].argmax(-1, keepdim=True)
        token = best(ids)
        start = time.perf_counter()
        for step in range(steps):
            token = best(token, position_ids=torch.full((batch, 1), prompt + step))
        rates.append(batch * steps / (time.perf_counter() - start))
    return summed_up(rates[1:])


def matmul_gflops(dtype, repeats, n=2048):
    a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
    return round(2 * n**3 / min(seconds(lambda: a @ b, repeats)) / 1e9, 1)


def read_gb_s(repeats, size=1 << 30):
    x = torch.ones(size // 4)
    rows, vector = x.view(-1, 4096), torch.ones(4096)
    best = min(min(seconds(work, repeats)) for work in (x.sum, lambda: torch.dot(x, x), lambda: rows @ vector))
    return round(size / best / 1e9, 2)


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--label", default="")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dtype = getattr(torch, args.dtype)
    before = os.getloadavg()[0]

    model = LlamaForCausalLM._from_config(LlamaConfig(**SHAPE), dtype=dtype, attn_implementation=args.attention).eval()
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32
    ids = torch.randint(SHAPE["vocab_size"], (1, args.prefill))
    prefill = seconds(lambda: model(ids, use_cache=True, logits_to_keep=1), args.repeats)
    decode = {}
    for batch in args.batches:
        rates = {name: decode_rate(model, batch, args.prompt, args.steps, name == "static", args.repeats)
                 for name in ("dynamic", "static")}
        decode[batch] = rates | {"better": max(rates, key=lambda name: rates[name]["median"])}
    print(json.dumps({
        "peer": "torch", "torch": torch.__version__, "transformers": transformers.__version__, "label": args.label,
        "threads": args.threads, "dtype": args.dtype, "attention": args.attention, "repeats": args.repeats,
        "prefill_tokens": args.prefill, "prompt_tokens": args.prompt, "decode_steps": args.steps,
        "prefill_tok_s": summed_up([args.prefill / t for t in prefill]), "decode_tok_s": decode,
        "matmul_gflops": matmul_gflops(dtype, args.repeats), "read_gb_s": read_gb_s(args.repeats),
        "cpu": torch.backends.cpu.get_cpu_capability(), "load_before": before, "load_after": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
