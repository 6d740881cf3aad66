use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn builder(prompt: &[u32]) -> TraceBuilder {
    TraceBuilder::new(prompt, 3).unwrap()
}

fn simple(prompt: &[u32], ids: &[u32], version: u64) -> Trace {
    let mut builder = TraceBuilder::new(prompt, version).unwrap();
    builder.sampled(ids, &vec![-0.5; ids.len()]).unwrap();
    builder.finish(StopReason::Eos).unwrap()
}

#[test]
fn only_sampled_tokens_train() {
    let mut b = builder(&[1, 2, 3]);
    b.sampled(&[10, 11], &[-0.1, -0.2]).unwrap().context(&[20]).context(&[21]);
    b.sampled(&[12], &[-0.3]).unwrap();
    let trace = b.finish(StopReason::Length).unwrap();
    assert_eq!(trace.ids().collect::<Vec<_>>(), [1, 2, 3, 10, 11, 20, 21, 12]);
    assert_eq!(trace.len(), 8);
    let mask: Vec<bool> = trace.loss_mask().collect();
    assert_eq!(mask, [false, false, false, true, true, false, false, true]);
    let trained: Vec<_> = trace.trainable().map(|t| (t.position, t.id, t.log_prob)).collect();
    assert_eq!(trained, [(3, 10, -0.1), (4, 11, -0.2), (7, 12, -0.3)]);
    let segments: Vec<_> = trace.segments().map(|s| (s.origin, s.start, s.ids.to_vec())).collect();
    let (context, policy) = (Origin::Context, Origin::Policy);
    assert_eq!(
        segments,
        [
            (context, 0, vec![1, 2, 3]),
            (policy, 3, vec![10, 11]),
            (context, 5, vec![20, 21]),
            (policy, 7, vec![12])
        ]
    );
    assert_eq!((trace.trainable_len(), trace.policy_version()), (3, 3));
    assert!(trace.is_truncated() && trace.stop() == StopReason::Length);
}

#[test]
fn what_cannot_be_trained_is_refused() {
    assert_eq!(TraceBuilder::new(&[][..], 0).unwrap_err(), TraceError::EmptyPrompt);
    let mut b = builder(&[1]);
    assert_eq!(b.sampled(&[1, 2], &[-1.0]).unwrap_err(), TraceError::Lengths { ids: 2, log_probs: 1 });
    b.sampled(&[5], &[-1.0]).unwrap();
    for found in [f32::NEG_INFINITY, 0.5] {
        let error = b.sampled(&[6, 7], &[-1.0, found]).unwrap_err();
        assert_eq!(error, TraceError::LogProb { index: 2, id: 7, found });
    }
    assert!(b.sampled(&[6], &[f32::NAN]).unwrap_err().to_string().contains("sampled token 1 (id 6) is NaN"));
    // What was refused left no mark.
    assert_eq!(b.clone().finish(StopReason::Eos).unwrap().ids().collect::<Vec<_>>(), [1, 5]);
    b.context(&[9, 9]);
    assert_eq!(b.finish(StopReason::Eos).unwrap_err(), TraceError::EndsWithContext { tokens: 2 });
    assert_eq!(builder(&[1]).finish(StopReason::Eos).unwrap_err(), TraceError::NothingSampled);
    let mut b = builder(&[1]);
    b.context(&[2]);
    b.sampled(&[], &[]).unwrap();
    assert_eq!(b.finish(StopReason::Eos).unwrap_err(), TraceError::NothingSampled);
}

#[test]
fn a_group_is_one_prompt_and_one_policy() {
    let group = Group::new(vec![simple(&[1, 2], &[3], 5), simple(&[1, 2], &[4, 5], 5)]).unwrap();
    assert_eq!((group.prompt(), group.len(), group.policy_version()), (&[1, 2][..], 2, 5));
    assert!(Arc::ptr_eq(&group.traces[0].prompt, &group.traces[1].prompt));
    assert_eq!(Group::new(vec![]), Err(GroupError::Empty));
    assert_eq!(
        Group::new(vec![simple(&[1, 2], &[3], 5), simple(&[1, 2, 3], &[3], 5)]),
        Err(GroupError::OtherPrompt { index: 1, found: 3, expected: 2, parts_at: 2 })
    );
    assert_eq!(
        Group::new(vec![simple(&[1, 2], &[3], 5), simple(&[1, 2], &[3], 4)]),
        Err(GroupError::OtherPolicy { index: 1, found: 4, expected: 5 })
    );
}

#[test]
fn files_hold_only_what_could_be_made() {
    let text = r#"{"prompt":[1],"runs":[{"sampled":{"ids":[2],"log_probs":[-0.25]}}],"policy_version":7,"stop":"eos"}"#;
    let trace: Trace = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&trace).unwrap(), text);
    for (from, to, says) in [
        ("[-0.25]", "[]", "1 sampled tokens came with 0"),
        ("[-0.25]", "[0.25]", "at most 0"),
        ("\"prompt\":[1]", "\"prompt\":[]", "prompt is empty"),
        ("\"sampled\"", "\"context\"", "no sampled token"),
        ("\"policy_version\"", "\"loss_mask\":[true],\"policy_version\"", "unknown field"),
    ] {
        let damaged = text.replace(from, to);
        assert_ne!(damaged, text);
        let error = serde_json::from_str::<Trace>(&damaged).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let two = format!("[{text},{}]", text.replace("\"policy_version\":7", "\"policy_version\":8"));
    assert!(serde_json::from_str::<Group>(&two).unwrap_err().to_string().contains("policy version 8"));
}

/// TRL's loss follows from groups of traces and the current log-probs alone, so what a trace calls trainable is what
/// TRL trains.
#[test]
fn the_loss_of_trl_is_a_sum_over_trainable_tokens() {
    let file: Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/grpo_expected.json")).unwrap();
    let floats = |v: &Value| -> Vec<f32> {
        v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
    };
    let ids = |v: &Value| -> Vec<u32> {
        v.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
    };
    let mut cases = 0;
    for case in file["cases"].as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let (low, high) = (1.0 - number("epsilon_low"), 1.0 + number("epsilon_high"));
        let size = number("group_size") as usize;
        let records = case["traces"].as_array().unwrap();
        let (mut sum, mut tokens, mut clipped_low, mut clipped_high) = (0.0, 0u32, 0u32, 0u32);
        for group in records.chunks(size) {
            let traces = group.iter().map(|record| {
                let mut b = TraceBuilder::new(ids(&record["prompt"]), 0).unwrap();
                let (completion, old) = (ids(&record["completion"]), floats(&record["old_log_probs"]));
                for (i, mask) in ids(&record["mask"]).into_iter().enumerate() {
                    match mask {
                        1 => b.sampled(&completion[i..=i], &old[i..=i]).unwrap(),
                        _ => b.context(&completion[i..=i]),
                    };
                }
                b.finish(StopReason::Eos).unwrap()
            });
            let group_of_traces = Group::new(traces.collect()).unwrap();
            for (trace, record) in group_of_traces.traces().iter().zip(group) {
                let advantage = record["advantage"].as_f64().unwrap();
                let current = floats(&record["log_probs"]);
                for token in trace.trainable() {
                    let log_prob = current[token.position - trace.prompt().len()];
                    let ratio = f64::from(log_prob - token.log_prob).exp();
                    sum -= (ratio * advantage).min(ratio.clamp(low, high) * advantage);
                    tokens += 1;
                    clipped_low += u32::from(ratio < low && advantage < 0.0);
                    clipped_high += u32::from(ratio > high && advantage > 0.0);
                }
            }
        }
        let loss = sum / (records.len() as f64 * number("l_max"));
        assert!((loss - number("loss")).abs() < 1e-6, "{}: {loss}", case["name"]);
        assert!((f64::from(clipped_low) / f64::from(tokens) - number("clip_low")).abs() < 1e-6);
        assert!((f64::from(clipped_high) / f64::from(tokens) - number("clip_high")).abs() < 1e-6);
        cases += 1;
    }
    assert!(cases >= 7);
}

/// Pieces of a trace, sampled or not; the last is sampled.
fn pieces() -> impl Strategy<Value = Vec<(bool, Vec<(u32, f32)>)>> {
    let tokens = prop::collection::vec((0u32..1000, -20.0f32..=0.0), 0..6);
    let last = prop::collection::vec((0u32..1000, -20.0f32..=0.0), 1..6);
    (prop::collection::vec((any::<bool>(), tokens), 0..8), last).prop_map(|(mut pieces, last)| {
        pieces.push((true, last));
        pieces
    })
}

proptest! {
    #[test]
    fn a_trace_is_its_pieces(prompt in prop::collection::vec(0u32..1000, 1..6), pieces in pieces()) {
        let mut b = TraceBuilder::new(prompt.clone(), 1).unwrap();
        let mut want: Vec<(u32, Option<f32>)> = prompt.iter().map(|&id| (id, None)).collect();
        for (sampled, tokens) in &pieces {
            let (ids, log_probs): (Vec<u32>, Vec<f32>) = tokens.iter().copied().unzip();
            if *sampled {
                b.sampled(&ids, &log_probs).unwrap();
            } else {
                b.context(&ids);
            }
            want.extend(tokens.iter().map(|&(id, lp)| (id, sampled.then_some(lp))));
        }
        let trace = b.finish(StopReason::Stop).unwrap();
        prop_assert_eq!(trace.len(), want.len());
        prop_assert!(trace.ids().eq(want.iter().map(|t| t.0)));
        prop_assert!(trace.loss_mask().eq(want.iter().map(|t| t.1.is_some())));
        let trained = want.iter().enumerate().filter_map(|(position, &(id, lp))| {
            lp.map(|log_prob| Trained { position, id, log_prob })
        });
        prop_assert!(trace.trainable().eq(trained));
        prop_assert_eq!(trace.trainable_len(), want.iter().filter(|t| t.1.is_some()).count());
        // Segments tile the sequence, change origin each time, and none is empty.
        let segments: Vec<_> = trace.segments().collect();
        let mut start = 0;
        for (i, segment) in segments.iter().enumerate() {
            prop_assert_eq!(segment.start, start);
            prop_assert!(!segment.ids.is_empty());
            prop_assert!(i < 2 || segment.origin != segments[i - 1].origin);
            start += segment.ids.len();
        }
        prop_assert_eq!(start, trace.len());
        // Bit for bit through a file.
        let back: Trace = serde_json::from_str(&serde_json::to_string(&trace).unwrap()).unwrap();
        prop_assert!(back.trainable().zip(trace.trainable()).all(|(a, b)| a.log_prob.to_bits() == b.log_prob.to_bits()));
        prop_assert_eq!(back, trace);
    }
}
