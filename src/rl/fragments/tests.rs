//! Which reply a consultation goes on with, and how rubrics change between two rounds.

use super::*;
use crate::data::bank::{Bank, SynthOptions};
use crate::data::bpe::{BpeOptions, train};
use crate::engine::request::StopReason;
use crate::rubric::RuleJudge;
use crate::rubric::authoring::dynamic::{DynamicSet, Flaw, FlawJudge, State, Thresholds, Tracked};

const LIMITS: Limits = Limits { turns: 10, patience: 3 };

fn options(best: bool, outcome: f64) -> FragmentOptions {
    FragmentOptions {
        consultations: 1,
        sampling: ReplySampling { samples: 4, max_new_tokens: 8, temperature: 1.0 },
        best,
        limits: LIMITS,
        outcome,
        noise: NoiseFilter::default(),
        length_reward: None,
        advantage: AdvantageScale::Mean,
        seed: 1,
    }
}

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
        let options = options(best, 0.5);
        let pool = Fragments::new(&cases, Generator::bundled(LIMITS.turns), &judge, options);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let chosen: std::collections::BTreeSet<usize> =
            (0..50).filter_map(|_| pool.choose(&some, &mut rng)).collect();
        let wanted: &[usize] = if best { &[2] } else { &[1, 2] };
        assert_eq!(chosen.into_iter().collect::<Vec<_>>(), wanted);
        assert_eq!(pool.choose(&all, &mut rng), None);
    }
}

/// A pool of one consultation at its opening, whose rubrics change.
fn evolving<'a>(cases: &'a [Case], judge: &'a FlawJudge<'static>, format: &DialogueFormat) -> Fragments<'a> {
    let thresholds = Thresholds { high: 0.0, window: 2, least: 1, admit: 0.04, retire: 0.01, most: 8 };
    let set = DynamicSet::new(thresholds).unwrap();
    let pool = Fragments::new(cases, Generator::bundled(LIMITS.turns), judge, options(false, 0.0));
    let mut pool = pool.evolving(RubricEvolution::new(set, None));
    let script = pool.script(0);
    let mut consultation = Patient::new(&script, LIMITS).open();
    // Without anything that was examined, and without distress.
    consultation.opening = "I have a cough.".to_owned();
    let history = History::new(format);
    pool.scenes.push(Scene { number: 0, script, consultation, history, worth: Vec::new() });
    pool
}

/// A round in which these replies are sampled; the last is cut off. Their rewards come back.
fn round(pool: &mut Fragments<'_>, texts: [&str; 5]) -> Vec<Option<f64>> {
    let output = |stop| Output {
        ids: vec![1],
        text: String::new(),
        logprobs: vec![-1.0],
        sampling_logprobs: vec![-1.0],
        stop,
    };
    let stops = [StopReason::Eos, StopReason::Eos, StopReason::Eos, StopReason::Eos, StopReason::Length];
    let (texts, outputs) = (vec![texts.map(str::to_owned).to_vec()], vec![stops.map(output).to_vec()]);
    let marks = vec![pool.marks(&pool.scenes[0], &texts[0], &outputs[0])];
    let rewards = marks[0].iter().map(|mark| mark.reward).collect();
    let marked = Marked { outputs, texts, marks, rollout: 0.0, sampled: Instant::now(), verdicts: 0.0 };
    pool.evolve(&marked, Vec::new());
    rewards
}

#[test]
fn a_flaw_of_high_scorers_counts_in_rewards_while_it_tells_replies_apart() {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap();
    let judge = FlawJudge::bundled();
    let text = "I have a cough. When did it start? You will be fine.";
    let options = BpeOptions { vocab_size: 300, min_frequency: 2, system: None };
    let tokenizer = train(&[text; 3], &options).unwrap();
    let template = tokenizer.compile_chat_template().unwrap().unwrap();
    let format = DialogueFormat::new(&tokenizer, &template, None).unwrap();
    let mut pool = evolving(&cases, &judge, &format);
    let (bad, good) = ("You will be fine. When did it start?", "When did it start?");
    let (mixed, clean) = ([bad, good, good, good, bad], [good, good, good, good, bad]);
    // Where the flaw stands after a round, and what was news of it.
    let flaw = |pool: &mut Fragments<'_>| {
        let news = pool.take_rubric_news().unwrap();
        let of = |it: &&Tracked| it.flaw == Some(Flaw::EmptyReassurance);
        news.changes.iter().filter(of).map(|it| (it.state, it.mean_spread())).collect::<Vec<_>>()
    };
    let first = round(&mut pool, mixed);
    assert_eq!(flaw(&mut pool), [(State::OnTrial, None)], "the group it is mined from decides nothing");
    assert_eq!(first[4], Some(0.0), "cut off");
    // On trial it changes no reward. One of four has it: 3/16.
    assert_eq!(round(&mut pool, mixed), first);
    assert_eq!(flaw(&mut pool), [(State::Admitted, Some(0.1875))]);
    let third = round(&mut pool, clean);
    assert!(flaw(&mut pool).is_empty(), "the mean is 3/32");
    // Now it counts: who does not do it gains its three points.
    assert!(third[0] > first[1], "{third:?} {first:?}");
    // What a checkpoint holds goes on in the same way.
    let state = serde_json::to_string(&pool.state()).unwrap();
    let mut again = evolving(&cases, &judge, &format);
    again
        .evolution
        .as_mut()
        .unwrap()
        .restore(serde_json::from_str::<FragmentsState>(&state).unwrap().evolution.unwrap());
    assert_eq!(again.evolution.as_ref().unwrap().state, pool.evolution.as_ref().unwrap().state);
    assert_eq!(round(&mut pool, clean), third);
    assert_eq!(flaw(&mut pool), [(State::Retired, Some(0.0))], "nobody does it any more");
    assert!(round(&mut pool, clean)[0] < third[0]);
}

#[test]
fn rubrics_that_do_not_change_leave_no_trace() {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap();
    let judge = RuleJudge::bundled();
    let mut pool = Fragments::new(&cases, Generator::bundled(LIMITS.turns), &judge, options(false, 0.0));
    assert_eq!(pool.take_rubric_news(), None);
    assert!(!serde_json::to_string(&pool.state()).unwrap().contains("evolution"));
}
