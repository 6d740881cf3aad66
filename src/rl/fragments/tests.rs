//! Which reply a consultation goes on with.

use super::*;
use crate::data::bank::{Bank, SynthOptions};
use crate::engine::request::StopReason;
use crate::rubric::RuleJudge;
use crate::sim::Prompts;
use crate::sim::played::{Addressed, PlayedReply, Settings, SharedUnits};

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
        turns: Vec::new(),
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

/// What the patient of a case answers to `doctor` first, as a company plays it.
fn played(doctor: &str) -> (Consultation, PlayedReply) {
    let case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
    let script = PatientScript::of_case(&case, Lexicon::bundled(), Persona::draw(2), 3);
    let so_far = Patient::new(&script, LIMITS).open();
    let (units, halt) = (SharedUnits::default(), std::sync::atomic::AtomicBool::new(false));
    let company = Company::new(&units, Prompts::bundled(), Settings::default(), LIMITS, 1, &halt);
    let reply = company.reply(&Addressed { script: &script, so_far: &so_far, doctor }).unwrap();
    (so_far, reply)
}

#[test]
fn the_turns_of_a_group_are_those_of_the_replies_that_were_answered() {
    let (mut so_far, first) = played("When did it start?");
    let (_, last) = played("Goodbye.");
    let answers = vec![vec![None, Some(first.clone()), Some(last.clone())], Vec::new()];
    let turns = turns::of(&answers[0], Some(2));
    let kept: Vec<(usize, bool)> = turns.iter().map(|turn| (turn.reply, turn.kept)).collect();
    assert_eq!(kept, [(1, false), (2, true)]);
    assert_eq!(turns::of(&answers[1], None), []);
    let line = serde_json::to_string(&turns[1]).unwrap();
    assert!(line.starts_with("{\"reply\":2,\"kept\":true,\"case_id\":"), "{line}");
    for (reply, found) in [(0, None), (1, Some(&first)), (2, Some(&last)), (3, None)] {
        assert_eq!(turns::answer(&answers, 0, reply), found);
    }
    assert_eq!((turns::answer(&answers, 1, 0), turns::answer(&Vec::new(), 0, 0)), (None, None));
    for (reply, ending) in [(&first, None), (&last, last.reply.ending)] {
        turns::carry_on(&mut so_far, &reply.reply);
        assert_eq!((so_far.turns.last(), so_far.ending), (Some(&reply.reply.turn), ending));
    }
    assert!(so_far.ending.is_some());
}
