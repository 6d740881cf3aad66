//! Which reply a consultation goes on with.

use super::*;
use crate::data::bank::{Bank, SynthOptions};
use crate::engine::request::StopReason;
use crate::rubric::RuleJudge;

const LIMITS: Limits = Limits { turns: 10, patience: 3 };

/// A group of replies, each with its reward and what detectors found.
fn group(replies: &[(f64, &[Detector])]) -> Fragment {
    let trace = || {
        let mut trace = TraceBuilder::new(&[1, 2, 3][..], 0).unwrap();
        trace.sampled(&[5, 6, 7], &[-1.0; 3]).unwrap();
        trace.finish(StopReason::Eos).unwrap()
    };
    let marked = |(reward, noise): &(f64, &[Detector])| MarkedReply {
        reward: Some(*reward),
        noise: noise.to_vec(),
        ..MarkedReply::default()
    };
    Fragment {
        case: String::new(),
        turn: 0,
        heard: String::new(),
        group: Group::new(replies.iter().map(|_| trace()).collect()).unwrap(),
        replies: replies.iter().map(marked).collect(),
    }
}

#[test]
fn no_consultation_goes_on_with_a_reply_that_a_detector_fires_on() {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap();
    let judge = RuleJudge::bundled();
    let fired: &[Detector] = &[Detector::OverLong];
    let some = group(&[(0.9, fired), (0.2, &[]), (0.4, &[]), (0.1, fired)]);
    let all = group(&[(0.9, fired), (0.2, fired)]);
    for best in [false, true] {
        let options = FragmentOptions {
            consultations: 1,
            sampling: ReplySampling { samples: 4, max_new_tokens: 8, temperature: 1.0 },
            best,
            limits: LIMITS,
            outcome: 0.5,
            noise: NoiseFilter::default(),
            length_reward: None,
            advantage: AdvantageScale::Mean,
            seed: 1,
        };
        let pool = Fragments::new(&cases, Generator::bundled(LIMITS.turns), &judge, options);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let chosen: std::collections::BTreeSet<usize> =
            (0..50).filter_map(|_| pool.choose(&some, &mut rng)).collect();
        let wanted: &[usize] = if best { &[2] } else { &[1, 2] };
        assert_eq!(chosen.into_iter().collect::<Vec<_>>(), wanted);
        assert_eq!(pool.choose(&all, &mut rng), None);
    }
}
