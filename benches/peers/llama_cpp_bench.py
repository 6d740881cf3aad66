"""How fast llama.cpp runs a GGUF model on this CPU, by the same measure as torch_bench.py.

    CMAKE_ARGS=-DGGML_NATIVE=ON pip install llama-cpp-python      # builds from source
    python llama_cpp_bench.py MODEL.gguf [--threads 2] [--repeats 5] [--label TEXT]

Calls llama_decode itself, so no Python stands between the steps but the argmax
of the logits.  Prints one JSON line: prefill_tok_s (one 512-token prompt, logits
of the last token only) and decode_tok_s by batch size (greedy tokens after
128-token prompts, over all rows), as {"median", "fastest"} of the repeats after one warm-up.
"""

import argparse
import ctypes
import json
import os
import statistics
import time
from importlib.metadata import version

import llama_cpp as lib
import numpy as np


def summed_up(rates):
    return {"median": round(statistics.median(rates), 2), "fastest": round(max(rates), 2)}


class Runner:
    def __init__(self, path, threads, sequences, cells):
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = lib.llama_model_load_from_file(path.encode(), params)
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = cells
        params.n_ubatch = 512
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True  # n_ctx counts the cells of all sequences together
        self.context = lib.llama_init_from_model(self.model, params)
        if not self.model or not self.context:
            raise SystemExit("cannot load " + path)
        self.vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.batch = lib.llama_batch_init(cells, 0, 1)

    def clear(self):
        lib.llama_memory_clear(lib.llama_get_memory(self.context), True)

    def feed(self, rows, start):
        """Runs rows[sequence] at positions start.. and gives the best next token of each."""
        batch, n, last = self.batch, 0, []
        for sequence, row in enumerate(rows):
            for j, token in enumerate(row):
                batch.token[n], batch.pos[n], batch.n_seq_id[n] = token, start + j, 1
                batch.seq_id[n][0], batch.logits[n] = sequence, j == len(row) - 1
                n += 1
            last.append(n - 1)
        batch.n_tokens = n
        if lib.llama_decode(self.context, batch):
            raise SystemExit("llama_decode failed")
        return [int(self.logits(i).argmax()) for i in last]

    def logits(self, i):
        pointer = ctypes.cast(lib.llama_get_logits_ith(self.context, i), ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(pointer, shape=(self.vocab,))


def prefill_rate(runner, tokens, repeats, rng):
    rates = []
    for _ in range(repeats + 1):
        runner.clear()
        ids = rng.integers(0, runner.vocab, tokens).tolist()
        start = time.perf_counter()
        runner.feed([ids], 0)
        rates.append(tokens / (time.perf_counter() - start))
    return summed_up(rates[1:])


def decode_rate(runner, batch, prompt, steps, repeats, rng):
    rates = []
    for _ in range(repeats + 1):
        runner.clear()
        best = runner.feed(rng.integers(0, runner.vocab, (batch, prompt)).tolist(), 0)
        start = time.perf_counter()
        for step in range(steps):
            best = runner.feed([[token] for token in best], prompt + step)
        rates.append(batch * steps / (time.perf_counter() - start))
    return summed_up(rates[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--label", default="")
    args = parser.parse_args()
    before = os.getloadavg()[0]
    quiet = lib.llama_log_callback(lambda level, text, data: None)
    lib.llama_log_set(quiet, ctypes.c_void_p(0))
    rng = np.random.default_rng(0)
    rows = max(args.batches)
    cells = max(args.prefill, rows * (args.prompt + args.steps + 1))
    runner = Runner(args.model, args.threads, rows, cells)
    print(json.dumps({
        "peer": "llama.cpp", "llama_cpp_python": version("llama-cpp-python"), "model": os.path.basename(args.model),
        "label": args.label, "threads": args.threads, "repeats": args.repeats,
        "prefill_tokens": args.prefill, "prompt_tokens": args.prompt, "decode_steps": args.steps,
        "prefill_tok_s": prefill_rate(runner, args.prefill, args.repeats, rng),
        "decode_tok_s": {b: decode_rate(runner, b, args.prompt, args.steps, args.repeats, rng) for b in args.batches},
        "system": lib.llama_print_system_info().decode().strip(),
        "load_before": before, "load_after": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
