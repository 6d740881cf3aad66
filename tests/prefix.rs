//! Prompts that begin alike: what is computed once for all of them gives the bits that each would have computed.

mod support;

use std::slice;

use burn_flex::Flex;
use osler::engine::affinity::{Questions, ask, compare};
use osler::engine::{Engine, EngineOptions, Output, Request, RequestId, SamplingParams};
use proptest::prelude::*;
use support::decoder;

fn engine(cache_tokens: usize, batch_tokens: usize, prefix_reuse: bool) -> Engine<Flex> {
    let options = EngineOptions { cache_tokens, batch_tokens, memory_limit: None, prefix_reuse };
    Engine::new(decoder("qwen2_tiny"), 0, None, options).unwrap()
}

/// Steps until nothing is left to do, and how many those were.
fn steps(engine: &mut Engine<Flex>) -> usize {
    let mut steps = 0;
    while !engine.is_idle() {
        engine.step();
        steps += 1;
        assert!(steps < 10_000, "the engine does not come to an end");
    }
    steps
}

/// The outputs of each request, and its cached tokens.
fn finish(engine: &mut Engine<Flex>, ids: &[RequestId]) -> Vec<(Vec<Output>, usize)> {
    steps(engine);
    ids.iter()
        .map(|id| (engine.cached_tokens(*id), engine.take(*id).unwrap()))
        .map(|(n, it)| (it, n))
        .collect()
}

fn run(engine: &mut Engine<Flex>, requests: &[Request]) -> Vec<(Vec<Output>, usize)> {
    let ids: Vec<_> = requests.iter().map(|it| engine.submit(it.clone()).unwrap()).collect();
    finish(engine, &ids)
}

/// Each by itself on an engine that shares nothing.
fn alone(requests: &[Request]) -> Vec<Vec<Output>> {
    let of_one = |it: &Request| run(&mut engine(1024, 512, false), slice::from_ref(it)).remove(0);
    requests
        .iter()
        .map(|it| {
            let (outputs, cached) = of_one(it);
            assert_eq!(cached, 0);
            outputs
        })
        .collect()
}

fn cached(found: &[(Vec<Output>, usize)]) -> Vec<usize> {
    found.iter().map(|(_, cached)| *cached).collect()
}

fn outputs(found: Vec<(Vec<Output>, usize)>) -> Vec<Vec<Output>> {
    found.into_iter().map(|(outputs, _)| outputs).collect()
}

/// `len` tokens, other ones for each `which` below 3.
fn tokens(which: u32, len: usize) -> Vec<u32> {
    (0..len as u32).map(|i| (i * 7 + which * 50) % 160).collect()
}

/// 32 tokens that all have, and 8 of its own.
fn question(number: u32, new: usize) -> Request {
    let own = (0..8).map(|i| (number * 11 + i + 3) % 160);
    Request::greedy(tokens(0, 32).into_iter().chain(own).collect(), new)
}

/// That every block of the cache can be had: each of the samples takes one.
fn all_blocks_are_free(engine: &mut Engine<Flex>, blocks: usize) {
    let request = Request { samples: blocks, ..Request::greedy(vec![1], 16) };
    assert_eq!(run(engine, &[request])[0].0.len(), blocks);
}

#[test]
fn a_common_beginning_is_computed_once_and_gives_the_same_bits() {
    let requests: Vec<Request> = (0..4).map(|number| question(number, 12)).collect();
    let expected = alone(&requests);
    // From steps that end within a block to one that takes all prompts at once.
    for batch_tokens in [1, 5, 16, 50, 512] {
        let mut engine = engine(1024, batch_tokens, true);
        let found = run(&mut engine, &requests);
        assert_eq!(cached(&found), [0, 32, 32, 32], "steps of {batch_tokens}");
        assert_eq!(outputs(found), expected, "steps of {batch_tokens}");
        // What has ended is used, too.
        let found = run(&mut engine, &requests);
        assert_eq!(cached(&found), [32; 4]);
        assert_eq!(outputs(found), expected);
        all_blocks_are_free(&mut engine, 64);
    }
}

#[test]
fn the_last_token_is_always_computed() {
    // Whole blocks to the end: the last one is computed again for its logits.
    let prompt = tokens(1, 48);
    let requests = [48, 32, 16, 47].map(|len| Request::greedy(prompt[..len].to_vec(), 5));
    let mut engine = engine(1024, 512, true);
    let found = run(&mut engine, &requests);
    assert_eq!(cached(&found), [0, 16, 0, 32]);
    assert_eq!(outputs(found), alone(&requests));
    let again = run(&mut engine, &requests);
    assert_eq!(cached(&again), [32, 16, 0, 32]);
    assert_eq!(outputs(again), alone(&requests));
    all_blocks_are_free(&mut engine, 64);
}

#[test]
fn a_reply_is_part_of_what_the_next_prompt_begins_with() {
    let mut engine = engine(1024, 512, true);
    let first = Request::greedy(tokens(0, 20), 30);
    let (replies, _) = run(&mut engine, slice::from_ref(&first)).remove(0);
    // 49 of these 50 tokens were computed: three whole blocks.
    let next = [&first.prompt[..], &replies[0].ids[..], &[5, 6, 7]].concat();
    let next = Request::greedy(next, 9);
    let found = run(&mut engine, slice::from_ref(&next));
    assert_eq!(cached(&found), [48]);
    assert_eq!(outputs(found), alone(&[next]));
    all_blocks_are_free(&mut engine, 64);
}

#[test]
fn whoever_comes_while_the_beginning_is_computed_waits_for_it() {
    let [one, other] = [question(0, 1), question(1, 1)];
    // 40 tokens, 8 a step: five steps for the first, and one more for what the second has of its own.
    let mut separate = engine(1024, 8, false);
    for request in [&one, &other] {
        separate.submit(request.clone()).unwrap();
    }
    assert_eq!(steps(&mut separate), 10);
    for late in [0, 2] {
        let mut engine = engine(1024, 8, true);
        let first = engine.submit(one.clone()).unwrap();
        for _ in 0..late {
            engine.step();
        }
        let second = engine.submit(other.clone()).unwrap();
        assert_eq!(late + steps(&mut engine), 6);
        let found = finish(&mut engine, &[first, second]);
        assert_eq!(cached(&found), [0, 32]);
        assert_eq!(outputs(found), alone(&[one.clone(), other.clone()]));
    }
    // In one step, where the second reads what the first has just stored.
    let mut engine = engine(1024, 512, true);
    let ids = [&one, &other].map(|it| engine.submit(it.clone()).unwrap());
    assert_eq!(steps(&mut engine), 1);
    assert_eq!(outputs(finish(&mut engine, &ids)), alone(&[one, other]));
}

#[test]
fn when_the_first_is_cancelled_the_next_goes_on() {
    let requests: Vec<Request> = (0..3).map(|number| question(number, 6)).collect();
    let expected = alone(&requests[1..]);
    // Cancelled before its first whole block, at the end of it, within the second, and within its own tokens.
    for (done, found_by_next) in [(0, 0), (1, 0), (2, 16), (3, 16), (4, 32)] {
        let mut engine = engine(1024, 8, true);
        let ids: Vec<_> = requests.iter().map(|it| engine.submit(it.clone()).unwrap()).collect();
        for _ in 0..done {
            engine.step();
        }
        engine.cancel(ids[0]);
        let found = finish(&mut engine, &ids[1..]);
        assert_eq!(cached(&found), [found_by_next, 32], "after {done} steps");
        assert_eq!(outputs(found), expected);
        all_blocks_are_free(&mut engine, 64);
    }
    // One that waits is cancelled: it is nothing to the others.
    let mut engine = engine(1024, 8, true);
    let ids: Vec<_> = requests.iter().map(|it| engine.submit(it.clone()).unwrap()).collect();
    engine.step();
    engine.cancel(ids[1]);
    let found = finish(&mut engine, &[ids[0], ids[2]]);
    assert_eq!(cached(&found), [0, 32]);
    assert_eq!(outputs(found), alone(&[requests[0].clone(), requests[2].clone()]));
    all_blocks_are_free(&mut engine, 64);
}

#[test]
fn what_was_used_longest_ago_goes_when_blocks_are_needed() {
    // Four blocks. A prompt of 33 tokens takes three and leaves two that are whole.
    let mut engine = engine(64, 512, true);
    let [one, other] = [0, 1].map(|which| Request::greedy(tokens(which, 33), 1));
    let expected = alone(&[one.clone(), other.clone()]);
    // Of the first only the block it begins with is left after the second, and the other way round.
    for (request, found_by_it) in [(0, 0), (1, 0), (0, 16), (1, 16), (1, 32)] {
        let found = run(&mut engine, slice::from_ref([&one, &other][request]));
        assert_eq!(cached(&found), [found_by_it]);
        assert_eq!(found[0].0, expected[request]);
    }
    all_blocks_are_free(&mut engine, 4);
    // Nothing is left after a request that takes all.
    assert_eq!(cached(&run(&mut engine, &[one])), [0]);
}

#[test]
fn a_request_gets_in_where_only_its_own_part_finds_room() {
    // Six blocks: the second has three of four in common with the first, which still writes.
    let prompt = tokens(0, 50);
    let requests = [Request::greedy(prompt.clone(), 14), Request::greedy([&prompt[..49], &[9]].concat(), 14)];
    let mut engine = engine(96, 512, true);
    let ids = requests.clone().map(|it| engine.submit(it).unwrap());
    engine.step();
    assert_eq!(engine.cached_tokens(ids[1]), 48, "it is not running yet");
    assert_eq!(outputs(finish(&mut engine, &ids)), alone(&requests));
    all_blocks_are_free(&mut engine, 6);
}

/// Halves every weight.
fn halve(engine: &mut Engine<Flex>) {
    engine.decoder_mut().visit_parameters(&mut |_, mut parameter| parameter.update(|values| values * 0.5));
}

#[test]
fn weights_that_may_have_changed_leave_nothing_to_be_found() {
    let requests = [question(0, 10)];
    let mut changed = engine(1024, 512, true);
    let before = outputs(run(&mut changed, &requests));
    halve(&mut changed);
    let after = run(&mut changed, &requests);
    assert_eq!(cached(&after), [0]);
    assert_ne!(outputs(after.clone()), before);
    let mut fresh = engine(1024, 512, false);
    halve(&mut fresh);
    assert_eq!(outputs(run(&mut fresh, &requests)), outputs(after));
    all_blocks_are_free(&mut changed, 64);
}

#[test]
fn weights_that_change_midway_are_those_of_every_request_that_had_not_begun() {
    let requests = [question(0, 20), question(1, 10), question(2, 10)];
    let mut fresh = engine(1024, 512, false);
    halve(&mut fresh);
    let expected = outputs(run(&mut fresh, &requests[1..2]));
    let mut engine = engine(1024, 40, true);
    let [first, second] = [0, 1].map(|i| engine.submit(requests[i].clone()).unwrap());
    // The first takes the whole step, and the second waits for what it computes.
    engine.step();
    halve(&mut engine);
    let found = finish(&mut engine, &[first, second]);
    let begun = &found[0].0[0].ids;
    assert_eq!((begun.len(), cached(&found)), (20, vec![0, 0]));
    assert_eq!(found[1].0, expected[0]);
    // The first has ended after the change. Of what it computed before nothing is found: two blocks are the second's.
    let more = [requests[2].clone(), Request::greedy([&requests[0].prompt[..], &begun[..]].concat(), 4)];
    let expected = outputs(run(&mut fresh, &more));
    let found = run(&mut engine, &more);
    assert_eq!(cached(&found), [32, 32]);
    assert_eq!(outputs(found), expected);
    all_blocks_are_free(&mut engine, 64);
}

#[test]
fn a_judges_questions_about_one_conversation_share_it() {
    let questions = Questions { criteria: 5, tokens: 70, criterion_tokens: 9, new_tokens: 3 };
    let [separate, shared] = [false, true].map(|reuse| {
        let mut engine = engine(questions.cache_tokens(), 32, reuse);
        ask(&mut engine, &questions, 2, &mut |_| {}).unwrap()
    });
    assert_eq!((separate.len(), shared.len()), (2, 2));
    for (separate, shared) in separate.iter().zip(&shared) {
        assert_eq!((separate.prompt_tokens, separate.cached_tokens), (5 * 79, 0));
        assert_eq!((shared.prompt_tokens, shared.cached_tokens), (5 * 79, 4 * 64));
        assert_eq!(compare(&separate.verdicts, &shared.verdicts), (true, 0.0));
        assert_eq!(separate.verdicts.len(), 5);
    }
    let mut other = separate[0].verdicts.clone();
    other[1].logprobs[0] += 0.5;
    other[2].ids[1] ^= 1;
    let (same, largest) = compare(&separate[0].verdicts, &other);
    assert!(!same && (largest - 0.5).abs() < 1e-5, "{largest}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever prompts have in common, whoever is cancelled, in steps of any size and a cache that makes requests wait: a request's
    /// tokens and log-probs are the bits that it has alone without reuse, and no block is lost.
    #[test]
    fn reuse_changes_no_bit(
        prompts in proptest::collection::vec(
            (
                proptest::collection::vec((0u32..3, 1usize..40), 1..4),
                1usize..20,
                1usize..4,
                any::<u64>(),
                0usize..4,
                prop_oneof![4 => Just(false), 1 => Just(true)],
            ),
            2..8,
        ),
        batch_tokens in 1usize..64,
        blocks in 16usize..40,
        temperature in prop_oneof![Just(0.0f32), Just(0.8)],
    ) {
        let requests: Vec<Request> = prompts
            .iter()
            .map(|(parts, new, samples, seed, ..)| Request {
                prompt: parts.iter().flat_map(|&(which, len)| tokens(which, len)).collect(),
                samples: *samples,
                sampling: SamplingParams { temperature, top_k: 40, seed: *seed, ..Default::default() },
                max_new_tokens: *new,
                stop_ids: vec![3],
                stop_strings: vec![],
            })
            .collect();
        let expected = alone(&requests);
        let mut engine = engine(blocks * 16, batch_tokens, true);
        // Twice: the second time much is there already.
        for _ in 0..2 {
            let mut ids = Vec::new();
            for (request, (.., pause, _)) in requests.iter().zip(&prompts) {
                ids.push(engine.submit(request.clone()).unwrap());
                for _ in 0..*pause {
                    engine.step();
                }
            }
            for (id, (.., cancelled)) in ids.iter().zip(&prompts) {
                if *cancelled {
                    engine.cancel(*id);
                }
            }
            steps(&mut engine);
            for ((id, (.., cancelled)), expected) in ids.iter().zip(&prompts).zip(&expected) {
                let found = engine.take(*id);
                // One that was finished before it was cancelled is finished.
                if found.is_some() || !cancelled {
                    prop_assert_eq!(&found.unwrap(), expected);
                }
            }
        }
        all_blocks_are_free(&mut engine, blocks);
    }
}
