//! Which reply a consultation goes on with, what patients that models play say to it, and how rubrics change between two rounds.

use std::sync::atomic::{AtomicBool, Ordering};

use super::asking::Found;
use super::*;
use crate::chat::stalled::until_stopped;
use crate::chat::{ChatError, ChatModel, ChatOptions, Halting, Listener, Message, Reply, SharedModel};
use crate::data::bank::{Bank, SynthOptions};
use crate::data::bpe::{BpeOptions, train};
use crate::data::lexicon::Lexicon;
use crate::engine::request::StopReason;
use crate::rubric::authoring::Templates;
use crate::rubric::authoring::dynamic::{DynamicSet, Flaw, FlawJudge, State, Thresholds, Tracked};
use crate::rubric::{Axis, Criterion, Provenance, RuleJudge};
use crate::sim::played::{Addressed, PlayedReply, Settings, SharedUnits};
use crate::sim::{Patient, PatientScript, Persona, Prompts};

const LIMITS: Limits = Limits { turns: 10, patience: 3 };

fn options(best: bool, outcome: f64) -> FragmentOptions {
    FragmentOptions {
        consultations: 1,
        sampling: ReplySampling { samples: 4, max_new_tokens: 8, temperature: 1.0 },
        best,
        limits: LIMITS,
        mode: Initiative::Interactive,
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
        mode: Mode::Proactive,
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

/// What the patient of a case answers to `doctor` first, as a company plays it.
fn played(doctor: &str) -> (Consultation, PlayedReply) {
    let case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
    let script = PatientScript::of_case(&case, Lexicon::bundled(), Persona::draw(2), 3);
    let so_far = Patient::new(&script, LIMITS).open();
    let (units, halt) = (SharedUnits::default(), AtomicBool::new(false));
    let company = Company::new(&units, Prompts::bundled(), Settings::default(), LIMITS, 1, &halt);
    let reply = company
        .reply(&Addressed { script: &script, mode: &Mode::Proactive, so_far: &so_far, doctor })
        .unwrap();
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
        reply.reply.clone().carry_on(&mut so_far);
        assert_eq!((so_far.turns.last(), so_far.ending), (Some(&reply.reply.turn), ending));
    }
    assert!(so_far.ending.is_some());
}

/// How consultations are written, with a vocabulary that is small.
fn format() -> DialogueFormat {
    let text = "I have a cough. When did it start? You will be fine.";
    let options = BpeOptions { vocab_size: 300, min_frequency: 2, system: None };
    let tokenizer = train(&[text; 3], &options).unwrap();
    let template = tokenizer.compile_chat_template().unwrap().unwrap();
    DialogueFormat::new(&tokenizer, &template, None).unwrap()
}

/// A pool of one consultation at its opening, whose rubrics change.
fn evolving<'a>(
    cases: &'a [Case],
    judge: &'a FlawJudge<'static>,
    format: &DialogueFormat,
    finder: Option<FlawFinder<'a>>,
) -> Fragments<'a> {
    let thresholds = Thresholds { high: 0.0, window: 2, least: 1, admit: 0.04, retire: 0.01, most: 8 };
    let set = DynamicSet::new(thresholds).unwrap();
    let pool = Fragments::new(cases, Generator::bundled(LIMITS.turns), judge, options(false, 0.0));
    let mut pool = pool.evolving(RubricEvolution::new(set, finder));
    let script = pool.script(0);
    let mut consultation = Patient::new(&script, LIMITS).open();
    // Without anything that was examined, and without distress.
    consultation.opening = "I have a cough.".to_owned();
    let history = History::new(format);
    pool.scenes.push(Scene {
        number: 0,
        script,
        mode: Mode::Proactive,
        consultation,
        history,
        worth: Vec::new(),
    });
    pool
}

/// A round in which these replies are sampled, of which the last is cut off, and a model has found this. Their rewards come back.
fn round(pool: &mut Fragments<'_>, texts: [&str; 5], found: Vec<Found>) -> Vec<Option<f64>> {
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
    let marked = Marked {
        outputs,
        texts,
        marks,
        answers: Vec::new(),
        rollout: 0.0,
        sampled: Instant::now(),
        verdicts: 0.0,
    };
    pool.evolve(&marked, found);
    rewards
}

const BAD: &str = "You will be fine. When did it start?";
const GOOD: &str = "When did it start?";
/// One of four replies comforts, and so does the one that is cut off.
const MIXED: [&str; 5] = [BAD, GOOD, GOOD, GOOD, BAD];
/// None of four does.
const CLEAN: [&str; 5] = [GOOD, GOOD, GOOD, GOOD, BAD];

#[test]
fn a_flaw_of_high_scorers_counts_in_rewards_while_it_tells_replies_apart() {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap();
    let judge = FlawJudge::bundled();
    let format = format();
    let mut pool = evolving(&cases, &judge, &format, None);
    // Where the flaw stands after a round, and what was news of it.
    let flaw = |pool: &mut Fragments<'_>| {
        let news = pool.take_rubric_news().unwrap();
        let of = |it: &&Tracked| it.flaw == Some(Flaw::EmptyReassurance);
        news.changes.iter().filter(of).map(|it| (it.state, it.mean_spread())).collect::<Vec<_>>()
    };
    let first = round(&mut pool, MIXED, Vec::new());
    assert_eq!(flaw(&mut pool), [(State::OnTrial, None)], "the group it is mined from decides nothing");
    assert_eq!(first[4], Some(0.0), "cut off");
    // On trial it changes no reward. One of four has it: 3/16.
    assert_eq!(round(&mut pool, MIXED, Vec::new()), first);
    assert_eq!(flaw(&mut pool), [(State::Admitted, Some(0.1875))]);
    let third = round(&mut pool, CLEAN, Vec::new());
    assert!(flaw(&mut pool).is_empty(), "the mean is 3/32");
    // Now it counts: who does not do it gains its three points.
    assert!(third[0] > first[1], "{third:?} {first:?}");
    // What a checkpoint holds goes on in the same way.
    let state = serde_json::to_string(&pool.state()).unwrap();
    let mut again = evolving(&cases, &judge, &format, None);
    again
        .evolution
        .as_mut()
        .unwrap()
        .restore(serde_json::from_str::<FragmentsState>(&state).unwrap().evolution.unwrap());
    assert_eq!(again.evolution.as_ref().unwrap().state, pool.evolution.as_ref().unwrap().state);
    assert_eq!(round(&mut pool, CLEAN, Vec::new()), third);
    assert_eq!(flaw(&mut pool), [(State::Retired, Some(0.0))], "nobody does it any more");
    assert!(round(&mut pool, CLEAN, Vec::new())[0] < third[0]);
}

#[test]
fn what_is_asked_by_criteria_on_trial_is_counted_apart() {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap();
    let (judge, format) = (FlawJudge::bundled(), format());
    let mut pool = evolving(&cases, &judge, &format, None);
    round(&mut pool, MIXED, Vec::new());
    let first = pool.take_rubric_news().unwrap();
    assert!(first.on_trial > 0 && first.active == 0 && first.tried == 0, "{first:?}");
    // Of the one that says nothing nobody is asked, nor of the one that is cut off.
    round(&mut pool, ["..", GOOD, GOOD, GOOD, BAD], Vec::new());
    let second = pool.take_rubric_news().unwrap();
    assert_eq!(second.tried, 3 * first.on_trial as u64);
    assert!(second.tried_in_vain <= second.tried);
}

#[test]
fn rubrics_that_do_not_change_leave_no_trace() {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap();
    let judge = RuleJudge::bundled();
    let mut pool = Fragments::new(&cases, Generator::bundled(LIMITS.turns), &judge, options(false, 0.0));
    assert_eq!(pool.take_rubric_news(), None);
    assert!(!serde_json::to_string(&pool.state()).unwrap().contains("evolution"));
}

/// Says nothing until it is told to stop.
struct Hangs;

impl ChatModel for Hangs {
    fn name(&self) -> &str {
        "hangs"
    }

    fn reply(&self, _: &[Message], _: &ChatOptions, listener: &mut dyn Listener) -> Result<Reply, ChatError> {
        until_stopped(listener);
        Err(ChatError::Stopped)
    }
}

#[test]
fn patients_of_chosen_replies_are_waited_for_to_an_end() {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap();
    let (judge, format) = (FlawJudge::bundled(), format());
    let pool = evolving(&cases, &judge, &format, None);
    let (units, halt) =
        (SharedUnits { voice: Some(Arc::new(Hangs)), ..SharedUnits::default() }, AtomicBool::new(false));
    let company = Company::new(&units, Prompts::bundled(), Settings::default(), LIMITS, 1, &halt);
    let texts = [vec![GOOD.to_owned(), BAD.to_owned()]];
    let ask = |patience, goes_on: bool| {
        pool.ask(&company, patience, &texts, &[Some(1)], &mut Vec::new(), &mut |_| goes_on)
    };
    let late = ask(Duration::ZERO, true).unwrap_err();
    assert!(matches!(&late, FragmentError::NoAnswer { patients: 1, .. }), "{late}");
    assert!(late.to_string().contains("within 0ns"), "{late}");
    // Whoever does not want it any more is told nothing of time.
    for patience in [Duration::ZERO, Duration::from_secs(600)] {
        assert!(matches!(ask(patience, false), Err(FragmentError::Interrupted)));
    }
    assert!(pool.ask(&company, Duration::ZERO, &texts, &[None], &mut Vec::new(), &mut |_| true).is_ok());
}

#[test]
fn nobody_waits_long_for_a_model_that_looks_for_flaws() {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap();
    let (judge, format, templates) = (FlawJudge::bundled(), format(), Templates::bundled());
    let halt = AtomicBool::new(false);
    let halted = || halt.load(Ordering::SeqCst);
    let model: SharedModel = Arc::new(Hangs);
    let halting = Halting::new(&model, &halted, 2);
    let (patience, every, at_once) = (Duration::ZERO, 2, 2);
    let finder =
        FlawFinder { model: &halting, templates: &templates, seed: 0, every, at_once, patience, halt: &halt };
    let mut pool = evolving(&cases, &judge, &format, Some(finder));
    let waiting = |pool: &Fragments<'_>| pool.evolution.as_ref().unwrap().state.questions.len();
    round(&mut pool, MIXED, Vec::new());
    assert_eq!(waiting(&pool), 0, "one group in two");
    let (done, found) = pool.while_asked(&mut |_| true, |_| Ok(7)).unwrap();
    assert_eq!((done, found), (7, Vec::new()));
    round(&mut pool, MIXED, Vec::new());
    assert_eq!(waiting(&pool), 1);
    // Whoever is tired of waiting, or has no round, keeps the question.
    let tired = pool.while_asked(&mut |_| false, |_| Ok(7));
    assert!(matches!(tired, Err(FragmentError::Interrupted)));
    let broken = pool.while_asked(&mut |_| true, |_| Err::<(), _>(FragmentError::Interrupted));
    assert!(broken.is_err() && waiting(&pool) == 1);
    let (done, found) = pool.while_asked(&mut |_| true, |_| Ok(7)).unwrap();
    assert_eq!((done, found.len(), found[0].is_err()), (7, 1, true));
    // What failed is counted; it is no criterion, and the question is not asked again.
    pool.take_rubric_news();
    round(&mut pool, CLEAN, found);
    let news = pool.take_rubric_news().unwrap();
    assert_eq!((news.asked, news.failed, waiting(&pool)), (1, 1, 0));
    assert!(news.why.unwrap().contains("stopped"));
    // What is found is put on trial, unless it is about one patient.
    round(&mut pool, CLEAN, Vec::new());
    assert_eq!(waiting(&pool), 1);
    let written = |text: &str| Criterion {
        text: text.to_owned(),
        points: -3,
        axis: Axis::Safety,
        provenance: Provenance::Written,
        check: None,
    };
    let name = pool.scenes[0].script.forbidden[0].clone();
    round(&mut pool, CLEAN, vec![Ok(vec![written("Promises a cure"), written(&format!("Misses {name}"))])]);
    let news = pool.take_rubric_news().unwrap();
    assert_eq!((news.asked, news.failed, news.refused), (1, 0, 1));
    let by_model: Vec<&Tracked> = news.changes.iter().filter(|it| it.origin.model.is_some()).collect();
    assert_eq!(by_model.len(), 1, "{by_model:?}");
    assert_eq!((by_model[0].criterion.text.as_str(), by_model[0].state), ("Promises a cure", State::OnTrial));
}
