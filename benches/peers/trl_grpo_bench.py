"""How long TRL takes for one GRPO step of the shape that `osler bench grpo` measures.

    pip install torch transformers datasets trl==1.16.0
    python trl_grpo_bench.py [--threads 2] [--prompts 8] [--group-size 8] [--prompt-tokens 64] [--new-tokens 64]
                             [--micro-batch 64] [--repeats 5]

A Qwen2 model of 7.0M parameters with random weights, f32, on the CPU. The whole batch is sampled at once by transformers'
own generation and trained in one optimizer step with loss_type="dr_grpo", scale_rewards=False, beta=0, epsilon_high=0.28
and AdamW. Rewards are given by lot. `--micro-batch` replies go through forward and backward at a time. Prints one JSON line; seconds
are those between the ends of steps, the first step left out:
    median, fastest, steps     seconds of a step
    generation                 median seconds inside generation
    reply_tokens               mean length of replies, since a few may end by chance
    peak_rss_mb                of the whole process
    load_before                the one-minute load average: others' work spoils the numbers
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import torch
import transformers
import trl
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

VOCAB = 4096


class Clock(TrainerCallback):
    def __init__(self):
        self.ends = []

    def on_step_end(self, args, state, control, **more):
        self.ends.append(time.perf_counter())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in [("threads", 2), ("prompts", 8), ("group-size", 8), ("prompt-tokens", 64), ("new-tokens", 64),
                        ("micro-batch", 64), ("repeats", 5)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    load = os.getloadavg()[0]
    config = Qwen2Config(vocab_size=VOCAB, hidden_size=256, intermediate_size=1024, num_hidden_layers=6, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=1024, tie_word_embeddings=True,
                         bos_token_id=0, eos_token_id=1, pad_token_id=0)
    model = Qwen2ForCausalLM(config).float()
    tokenizer = Tokenizer(WordLevel({f"w{i}": i for i in range(VOCAB)}, unk_token="w0"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="w0", eos_token="w1", unk_token="w0")
    replies = args.prompts * args.group_size
    steps = args.repeats + 1
    words = torch.randint(2, VOCAB, (args.prompts * steps, args.prompt_tokens)).tolist()
    data = Dataset.from_dict({"prompt": [" ".join(f"w{i}" for i in row) for row in words]})
    lengths = []

    def reward(completion_ids, **more):
        lengths.extend(len(ids) for ids in completion_ids)
        return [float((i * i) % 13) for i in range(len(completion_ids))]

    with tempfile.TemporaryDirectory() as folder:
        options = GRPOConfig(
            output_dir=folder, use_cpu=True, bf16=False, fp16=False, max_steps=steps, report_to=[], save_strategy="no",
            logging_strategy="no", disable_tqdm=True, per_device_train_batch_size=args.micro_batch,
            gradient_accumulation_steps=replies // args.micro_batch, num_generations=args.group_size,
            max_completion_length=args.new_tokens, temperature=1.0, loss_type="dr_grpo", scale_rewards=False, beta=0.0,
            epsilon=0.2, epsilon_high=0.28, learning_rate=1e-6, gradient_checkpointing=False, use_vllm=False,
            num_iterations=1)
        trainer = GRPOTrainer(model=model, reward_funcs=reward, args=options, train_dataset=data,
                              processing_class=tokenizer)
        clock = Clock()
        trainer.add_callback(clock)
        generation = []
        generate = model.generate

        def timed(*a, **k):
            start = time.perf_counter()
            out = generate(*a, **k)
            generation.append(time.perf_counter() - start)
            return out

        model.generate = timed
        trainer.train()
    seconds = [b - a for a, b in zip(clock.ends, clock.ends[1:])]
    print(json.dumps({
        "what": "TRL GRPO step", "parameters": model.num_parameters(), "threads": args.threads,
        "shape": [args.prompts, args.group_size, args.prompt_tokens, args.new_tokens], "micro_batch": args.micro_batch,
        "median": round(statistics.median(seconds), 3), "fastest": round(min(seconds), 3),
        "steps": [round(s, 3) for s in seconds],
        "generation": round(statistics.median(generation[1:]), 3) if len(generation) > 1 else None,
        "reply_tokens": round(sum(lengths) / len(lengths), 1),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "load_before": round(load, 2),
        "versions": {"trl": trl.__version__, "torch": torch.__version__, "transformers": transformers.__version__}}))


if __name__ == "__main__":
    main()
