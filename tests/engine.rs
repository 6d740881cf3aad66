//! The engine against `transformers`' generate, and against itself under every way of batching.

mod support;

use burn_flex::Flex;
use osler::engine::{Engine, EngineOptions, Output, Request, RequestError, SamplingParams, StopReason};
use proptest::prelude::*;
use support::{TINY_MODELS, decoder, expected, max_diff};

fn engine(model: &str, options: EngineOptions) -> Engine<Flex> {
    Engine::new(decoder(model), 0, None, options).unwrap()
}

fn options(cache_tokens: usize, batch_tokens: usize) -> EngineOptions {
    EngineOptions { cache_tokens, batch_tokens, memory_limit: None, ..EngineOptions::default() }
}

fn run(engine: &mut Engine<Flex>, requests: Vec<Request>) -> Vec<Vec<Output>> {
    let ids: Vec<_> = requests.into_iter().map(|r| engine.submit(r).unwrap()).collect();
    engine.run(&ids)
}

#[test]
fn greedy_tokens_and_log_probs_match_transformers_in_one_batch() {
    for model in TINY_MODELS {
        let prompts = expected(model);
        let mut engine = engine(model, options(1024, 16));
        let requests = prompts.iter().map(|p| Request::greedy(p.ids.clone(), p.greedy_ids.len())).collect();
        for (outputs, prompt) in run(&mut engine, requests).iter().zip(&prompts) {
            assert_eq!(outputs[0].ids, prompt.greedy_ids, "{model}, {} prompt tokens", prompt.ids.len());
            assert!(max_diff(&outputs[0].logprobs, &prompt.greedy_logprobs) < 1e-4, "{model}");
            assert_eq!(outputs[0].stop, StopReason::Length);
        }
    }
}

#[test]
fn samples_of_one_prompt_match_separate_runs_and_differ_from_each_other() {
    let prompt = expected("qwen3_tiny").swap_remove(2).ids;
    let sampling = SamplingParams { seed: 11, ..SamplingParams::default() };
    let request = |samples| Request { samples, sampling, ..Request::greedy(prompt.clone(), 40) };
    let mut engine = engine("qwen3_tiny", options(2048, 8));
    let together = run(&mut engine, vec![request(5)]).remove(0);
    // Sample i is the same whatever the number of samples.
    assert_eq!(together[0], run(&mut engine, vec![request(1)])[0][0]);
    assert_eq!(together[..3], run(&mut engine, vec![request(3)])[0]);
    for i in 1..5 {
        assert_ne!(together[0].ids, together[i].ids);
    }
    for output in &together {
        assert_eq!(output.ids.len(), output.logprobs.len());
        // At temperature 1 without filters the two distributions are one.
        assert!(max_diff(&output.logprobs, &output.sampling_logprobs) < 1e-5);
    }
}

#[test]
fn stop_ids_end_a_continuation_and_are_part_of_it() {
    let prompt = &expected("qwen3_tiny")[2];
    let stop = prompt.greedy_ids[9];
    let first = prompt.greedy_ids.iter().position(|&id| id == stop).unwrap();
    let request = Request { stop_ids: vec![stop], ..Request::greedy(prompt.ids.clone(), 64) };
    let output = run(&mut engine("qwen3_tiny", options(256, 64)), vec![request]).remove(0).remove(0);
    assert_eq!(output.ids, prompt.greedy_ids[..=first]);
    assert_eq!(output.stop, StopReason::Eos);
}

#[test]
fn what_can_never_run_is_refused_with_the_reason() {
    let mut engine = engine("qwen2_tiny", options(64, 16));
    let refused = |engine: &mut Engine<Flex>, request: Request| engine.submit(request).unwrap_err();
    assert_eq!(refused(&mut engine, Request::greedy(vec![], 1)), RequestError::EmptyPrompt);
    assert!(matches!(
        refused(&mut engine, Request::greedy(vec![1, 160], 1)),
        RequestError::UnknownToken { index: 1, id: 160, vocab_size: 160 }
    ));
    assert!(matches!(
        refused(&mut engine, Request::greedy(vec![1; 60], 20)),
        RequestError::CacheTooSmall { needed: 80, capacity: 64, .. }
    ));
    assert!(matches!(
        refused(&mut engine, Request::greedy(vec![1], 256)),
        RequestError::BeyondContext { prompt: 1, new: 256, context: 256 }
    ));
    assert!(matches!(refused(&mut engine, Request::greedy(vec![1], 0)), RequestError::Zero { .. }));
    let zero = Request { samples: 0, ..Request::greedy(vec![1], 1) };
    assert!(matches!(refused(&mut engine, zero), RequestError::Zero { what: "samples" }));
    let huge = Request { samples: usize::MAX, ..Request::greedy(vec![1], 1) };
    assert!(matches!(refused(&mut engine, huge), RequestError::CacheTooSmall { .. }));
    assert!(matches!(
        refused(&mut engine, Request::greedy(vec![1], usize::MAX)),
        RequestError::BeyondContext { .. }
    ));
    let stops = Request { stop_strings: vec!["x".into()], ..Request::greedy(vec![1], 1) };
    assert_eq!(refused(&mut engine, stops), RequestError::StopWithoutTokenizer);
    // Exactly what fits runs: the last token drawn is never cached.
    assert_eq!(run(&mut engine, vec![Request::greedy(vec![1; 60], 5)])[0][0].ids.len(), 5);
}

#[test]
fn too_little_memory_is_refused_before_anything_is_allocated() {
    let huge = EngineOptions {
        cache_tokens: 1 << 40,
        batch_tokens: 16,
        memory_limit: Some(1 << 30),
        ..EngineOptions::default()
    };
    let message = Engine::new(decoder("qwen2_tiny"), 0, None, huge).unwrap_err().to_string();
    assert!(message.contains("the limit is 1024 MiB"), "{message}");
}

#[test]
fn cancelled_requests_give_their_blocks_back() {
    let mut engine = engine("llama_tiny", options(64, 16));
    let id = engine.submit(Request::greedy(vec![1; 20], 40)).unwrap();
    engine.step();
    engine.step();
    engine.cancel(id);
    assert!(engine.is_idle());
    assert_eq!(run(&mut engine, vec![Request::greedy(vec![1; 20], 40)])[0][0].ids.len(), 40);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// A request's tokens and log-probs are the same bits alone, beside others, in steps of any size, and in a
    /// cache that makes it wait.
    #[test]
    fn a_request_does_not_depend_on_what_else_is_in_the_batch(
        lengths in proptest::collection::vec((1usize..40, 1usize..24, 1usize..4, any::<u64>()), 2..5),
        batch_tokens in 1usize..48,
        cache_tokens in 224usize..600,
        temperature in prop_oneof![Just(0.0f32), Just(0.7), Just(1.3)],
    ) {
        let requests: Vec<Request> = lengths
            .iter()
            .map(|&(prompt, new, samples, seed)| Request {
                prompt: (0..prompt as u32).map(|i| (i * 37 + seed as u32 % 101) % 160).collect(),
                samples,
                sampling: SamplingParams {
                    temperature, top_k: 30, top_p: 0.95, repetition_penalty: 1.1, seed, ..Default::default()
                },
                max_new_tokens: new,
                stop_ids: vec![3],
                stop_strings: vec![],
            })
            .collect();
        let together = run(&mut engine("qwen2_tiny", options(cache_tokens, batch_tokens)), requests.clone());
        for (request, outputs) in requests.into_iter().zip(together) {
            let alone = run(&mut engine("qwen2_tiny", options(1024, 512)), vec![request]).remove(0);
            prop_assert_eq!(alone, outputs);
        }
    }
}
