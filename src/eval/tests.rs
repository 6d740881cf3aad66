//! The room on patients of the bundled bank.

use proptest::prelude::*;

use crate::data::bank::{Bank, SplitOptions};
use crate::data::case::Case;
use crate::data::consultation::{Consultation, Ending};
use crate::rubric::{Criterion, Generator, Judge, Judgement, Rubric, RuleJudge, marks};
use crate::sim::doctor::{Baseline, Doctor, DoctorQuality, ScriptedDoctor, Tier};
use crate::sim::{Limits, Patient, consult};

use super::compare::{CompareError, Comparison};
use super::evaluation::EvaluationError;
use super::*;

const LIMITS: Limits = Limits { turns: 10, patience: 3 };

/// `count` patients of each part.
fn held_out(count: usize, seed: u64) -> HeldOut {
    let options = SplitOptions {
        train: 60,
        heldout_patients: count,
        heldout_presentations: count,
        ..SplitOptions::default()
    };
    HeldOut::of_split(&Bank::bundled().split(3, &options).unwrap(), LIMITS, seed).unwrap()
}

fn scripted(tier: Tier) -> impl Fn(&Case, u64) -> Box<dyn Doctor> {
    move |case, seed| Yardstick::Scripted(tier).doctor(case, LIMITS.turns, seed)
}

fn measured(name: &str, held_out: &HeldOut, tier: Tier) -> Evaluated {
    measure(name, held_out, &Generator::bundled(LIMITS.turns), &RuleJudge::bundled(), scripted(tier)).unwrap()
}

#[test]
fn a_batch_is_the_same_as_one_consultation_after_the_other() {
    let held_out = held_out(6, 1);
    let together = held_out.play(scripted(Tier::Middling)).unwrap();
    let (generator, judge) = (Generator::bundled(LIMITS.turns), RuleJudge::bundled());
    let evaluated = evaluate("x", &held_out, together.clone(), &generator, &judge).unwrap();
    for (at, held) in held_out.cases().iter().enumerate() {
        let patient = Patient::new(&held.script, LIMITS);
        let quality = DoctorQuality::of(Tier::Middling);
        let mut doctor = ScriptedDoctor::new(&held.case, quality, LIMITS.turns, held.doctor_seed);
        let alone = consult(&mut doctor, &patient, LIMITS.turns);
        assert_eq!(alone, together[at]);
        let marked = marks(&held.case, &alone, &generator, &judge);
        let result = &evaluated.evaluation.cases[at];
        assert_eq!(marked, evaluated.marks[at]);
        assert_eq!((result.reward, result.reply_reward), (marked.whole.value(), marked.mean_reply()));
        assert_eq!((result.turns, result.ending), (alone.turns.len(), alone.ending));
    }
}

#[test]
fn means_are_those_of_the_cases_and_repeat_by_seed() {
    let held_out = held_out(12, 5);
    let first = measured("good", &held_out, Tier::Good);
    assert_eq!(first, measured("good", &held_out, Tier::Good));
    let found = &first.evaluation;
    assert_eq!((found.cases.len(), found.not_judged, found.seed), (24, 0, 5));
    let mean = |part: Option<Part>| {
        let of: Vec<f64> = found
            .cases
            .iter()
            .filter(|case| part.is_none_or(|part| case.part == part))
            .filter_map(|case| case.reward)
            .collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    assert!((found.reward.unwrap() - mean(None)).abs() < 1e-12);
    for part in [Part::Patients, Part::Presentations] {
        assert!((found.parts[&part] - mean(Some(part))).abs() < 1e-12);
    }
    assert_eq!(found.endings.values().sum::<usize>(), 24);
    assert_eq!(found.axes.len(), 5);
    // Another seed gives the patients other personas.
    let other = super::HeldOut::new(
        held_out.cases().iter().map(|it| (it.part, it.case.clone())).collect(),
        LIMITS,
        6,
    )
    .unwrap();
    let differ = |(left, right): (&HeldOutCase, &HeldOutCase)| left.script.persona != right.script.persona;
    assert!(held_out.cases().iter().zip(other.cases()).any(differ));
    // The file form holds everything; its reader may round the last bit of a number.
    let read: Evaluation = serde_json::from_str(&serde_json::to_string(found).unwrap()).unwrap();
    assert!((read.reward.unwrap() - found.reward.unwrap()).abs() < 1e-12);
    let key = |case: &CaseResult| (case.case_id.clone(), case.part, case.turns, case.ending);
    assert_eq!(
        read.cases.iter().map(key).collect::<Vec<_>>(),
        found.cases.iter().map(key).collect::<Vec<_>>()
    );
}

#[test]
fn a_case_plays_the_same_alone_as_among_others() {
    let all = held_out(5, 2);
    let third = &all.cases()[2];
    let alone = HeldOut::new(vec![(third.part, third.case.clone())], LIMITS, 2).unwrap();
    assert_eq!(alone.cases()[0], *third);
    assert_eq!(alone.play(scripted(Tier::Poor)).unwrap()[0], all.play(scripted(Tier::Poor)).unwrap()[2]);
}

#[test]
fn better_doctors_earn_more_than_baselines_and_than_worse_doctors() {
    let held_out = held_out(24, 7);
    let (generator, judge) = (Generator::bundled(LIMITS.turns), RuleJudge::bundled());
    let found = baselines(&Yardstick::all(), &held_out, &generator, &judge).unwrap();
    let reward = |name: &str| {
        let of = found.iter().find(|(yardstick, _)| yardstick.name() == name).unwrap();
        of.1.evaluation.reward.unwrap()
    };
    for (yardstick, evaluated) in &found {
        eprintln!("{:20} {:.3}", yardstick.name(), evaluated.evaluation.reward.unwrap());
        assert_eq!(evaluated.evaluation.name, yardstick.name());
    }
    assert_eq!(found.iter().filter(|(yardstick, _)| yardstick.is_baseline()).count(), Baseline::ALL.len());
    assert!(reward("scripted_poor") < reward("scripted_middling"));
    assert!(reward("scripted_middling") < reward("scripted_good"));
    for baseline in Baseline::ALL {
        assert!(reward(baseline.name()) < reward("scripted_good"), "{}", baseline.name());
    }
    let of = |name: &str| found.iter().find(|it| it.0.name() == name).unwrap().1.evaluation.clone();
    let bootstrap = Bootstrap { resamples: 2000, seed: 1 };
    let comparison = Comparison::new(&of("scripted_poor"), &of("scripted_good"), bootstrap).unwrap();
    let overall = &comparison.overall;
    assert!(overall.gain.is_above_zero(), "{overall:?}");
    assert!((overall.after.mean - overall.before.mean - overall.gain.mean).abs() < 1e-12);
    assert!((overall.after.mean - reward("scripted_good")).abs() < 1e-12);
    assert_eq!((comparison.parts.len(), comparison.axes.len(), comparison.left_out), (2, 5, 0));
    assert_eq!(comparison.specialties.iter().map(|row| row.gain.count).sum::<usize>(), 48);
    let back = Comparison::new(&of("scripted_good"), &of("scripted_poor"), bootstrap).unwrap();
    assert!(back.overall.gain.is_below_zero());
    // Nobody gains on themselves.
    let same = Comparison::new(&of("scripted_good"), &of("scripted_good"), bootstrap).unwrap();
    assert_eq!((same.overall.gain.mean, same.overall.gain.ci95), (0.0, Some([0.0, 0.0])));
}

/// Judges nothing in cases of one presentation, and gives everybody else everything.
struct Blind(String);

impl Judge for Blind {
    fn judge_reply(&self, case: &Case, _: &Consultation, _: &str, rubric: &Rubric) -> Vec<Judgement> {
        self.all(case, rubric)
    }

    fn judge_consultation(&self, case: &Case, _: &Consultation, rubric: &Rubric) -> Vec<Judgement> {
        self.all(case, rubric)
    }
}

impl Blind {
    fn all(&self, case: &Case, rubric: &Rubric) -> Vec<Judgement> {
        let blind = case.presentation == self.0;
        let judge = |it: &Criterion| match (blind, it.points > 0) {
            (true, _) => Judgement::not_judged("no answer"),
            (false, true) => Judgement::met(None, "yes"),
            (false, false) => Judgement::not_met("no"),
        };
        rubric.criteria.iter().map(judge).collect()
    }
}

#[test]
fn what_nobody_could_judge_is_in_no_mean() {
    let held_out = held_out(8, 4);
    let generator = Generator::bundled(LIMITS.turns);
    let first = held_out.cases()[0].case.presentation.clone();
    let judge = Blind(first.clone());
    let of = measure("blind", &held_out, &generator, &judge, scripted(Tier::Good)).unwrap().evaluation;
    let blind = held_out.cases().iter().filter(|it| it.case.presentation == first).count();
    assert!(blind > 0 && blind < 16);
    assert_eq!((of.not_judged, of.reward), (blind, Some(1.0)));
    assert_eq!(of.cases[0].reward, None);
    let full = measured("full", &held_out, Tier::Good).evaluation;
    let comparison = Comparison::new(&of, &full, Bootstrap::default()).unwrap();
    assert_eq!((comparison.left_out, comparison.overall.gain.count), (blind, 16 - blind));
    // Nothing judged at all.
    let cases: Vec<_> = held_out.cases().iter().take(1).map(|it| (it.part, it.case.clone())).collect();
    let one = HeldOut::new(cases, LIMITS, 4).unwrap();
    let nothing = measure("none", &one, &generator, &judge, scripted(Tier::Good)).unwrap().evaluation;
    assert_eq!(nothing.reward, None);
    let error = Comparison::new(&nothing, &nothing, Bootstrap::default());
    assert!(matches!(error, Err(CompareError::NothingJudged { .. })), "{error:?}");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    assert_eq!(HeldOut::new(Vec::new(), LIMITS, 0), Err(HeldOutError::Empty));
    let held_out = held_out(3, 1);
    let case = held_out.cases()[0].case.clone();
    let twice = vec![(Part::Imported, case.clone()), (Part::Imported, case.clone())];
    assert_eq!(HeldOut::new(twice, LIMITS, 0), Err(HeldOutError::Duplicate { id: case.id.clone() }));
    let none = Limits { turns: 0, patience: 1 };
    assert_eq!(HeldOut::new(vec![(Part::Imported, case)], none, 0), Err(HeldOutError::NoTurns));

    let mut batch = held_out.open();
    assert_eq!(batch.answer(6, "Hello."), Err(BatchError::Unknown { index: 6, count: 6 }));
    while batch.answer(0, "Please go to the emergency department now.").unwrap() {}
    assert_eq!(batch.consultations()[0].ending, Some(Ending::Emergency));
    assert!(matches!(batch.answer(0, "Hello."), Err(BatchError::Over { index: 0, .. })));
    assert_eq!(batch.open_histories().len(), 5);

    let (generator, judge) = (Generator::bundled(LIMITS.turns), RuleJudge::bundled());
    let mut played = held_out.play(scripted(Tier::Good)).unwrap();
    let short = evaluate("x", &held_out, played[1..].to_vec(), &generator, &judge);
    assert_eq!(short, Err(EvaluationError::Count { found: 5, wanted: 6 }));
    played.swap(0, 1);
    let swapped = evaluate("x", &held_out, played, &generator, &judge);
    assert!(matches!(swapped, Err(EvaluationError::Case { index: 0, .. })));

    let full = measured("full", &held_out, Tier::Good).evaluation;
    let mut other = full.clone();
    other.cases.pop();
    assert!(matches!(Comparison::new(&full, &other, Bootstrap::default()), Err(CompareError::Cases { .. })));
    other = full.clone();
    other.cases.swap(0, 1);
    let error = Comparison::new(&full, &other, Bootstrap::default()).unwrap_err().to_string();
    assert!(error.contains(&full.cases[0].case_id), "{error}");
}

#[test]
fn a_gate_that_never_ends_is_cut_off() {
    let held_out = held_out(1, 1);
    let patients = held_out.cases().iter().map(|it| Patient::new(&it.script, Limits::default())).collect();
    let mut batch = BatchedConsultations::new(patients, 2);
    assert_eq!(batch.answer(0, "When did it start?"), Ok(true));
    assert_eq!(batch.answer(0, "How bad is it?"), Ok(false));
    assert_eq!(batch.consultations()[0].ending, None);
    let consultations = batch.into_consultations();
    let (generator, judge) = (Generator::bundled(LIMITS.turns), RuleJudge::bundled());
    let found = evaluate("cut", &held_out, consultations, &generator, &judge).unwrap().evaluation;
    assert_eq!(found.endings["cut_off"], 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a doctor says and in whatever order the batch is answered, each patient hears only their own doctor.
    #[test]
    fn the_order_of_answers_changes_nothing(
        messages in prop::collection::vec("\\PC{0,40}|When did it start\\?|Do you have any allergies\\?|Goodbye\\.", 1..12),
        backwards in any::<bool>(),
    ) {
        let held_out = held_out(2, 9);
        let mut batch = held_out.open();
        for message in &messages {
            let mut open: Vec<usize> = batch.open_histories().iter().map(|it| it.0).collect();
            if backwards {
                open.reverse();
            }
            for index in open {
                batch.answer(index, message).unwrap();
            }
        }
        for (held, consultation) in held_out.cases().iter().zip(batch.consultations()) {
            let patient = Patient::new(&held.script, LIMITS);
            let mut alone = patient.open();
            for message in &messages {
                patient.answer(&mut alone, message);
            }
            prop_assert_eq!(&alone, consultation);
        }
    }
}

#[test]
fn what_is_read_once_is_marked_as_what_is_read_again_for_every_message() {
    use crate::rubric::marks::before;
    use crate::rubric::{Marks, Verdict};
    let held_out = held_out(12, 4);
    let (generator, judge) = (Generator::bundled(LIMITS.turns), RuleJudge::bundled());
    let consultations = held_out.play(scripted(Tier::Middling)).unwrap();
    let mut met = 0;
    for (it, consultation) in held_out.cases().iter().zip(&consultations) {
        let all = marks(&it.case, consultation, &generator, &judge);
        assert_eq!(all.turns.len(), consultation.turns.len());
        for (at, (turn, found)) in consultation.turns.iter().zip(&all.turns).enumerate() {
            let so_far = before(consultation, at);
            let rubric = generator.for_reply(&it.case, &so_far);
            let judgements = judge.judge_reply(&it.case, &so_far, &turn.doctor, &rubric);
            assert_eq!(*found, Marks::new(rubric, judgements));
            met += found.items.iter().filter(|item| item.judgement.verdict == Verdict::Met).count();
        }
    }
    assert!(met > consultations.len());
}

#[test]
fn marks_are_made_with_what_the_doctor_found() {
    use crate::rubric::Check;
    use crate::sim::Initiative;
    use crate::sim::played::Interruption;
    use crate::sim::played::mode::Place;
    let among = [Place::EndOfTurn, Place::MidTurn].map(|place| Interruption {
        place,
        doctor: "Let us see.".into(),
        patient: "I am so afraid. Is it bad?".into(),
    });
    let held_out = held_out(4, 2).in_mode_among(Initiative::Interrupted, &among);
    let found = measured("good", &held_out, Tier::Good);
    let (generator, judge) = (Generator::bundled(LIMITS.turns), RuleJudge::bundled());
    for ((held, consultation), marked) in held_out.cases().iter().zip(&found.consultations).zip(&found.marks)
    {
        assert!(consultation.found.is_none(), "no patient reads it");
        let seen = held.mode.seen(consultation);
        assert!(seen.found.as_ref().is_some_and(|it| it.patient == among[0].patient));
        assert_eq!(*marked, marks(&held.case, &seen, &generator, &judge));
        // Its distress waits for an answer, and what was found is no message of the doctor's.
        assert!(marked.turns[0].items.iter().any(|it| it.criterion.check == Some(Check::Empathy)));
        assert_eq!(marked.turns.len(), consultation.turns.len());
    }
}
