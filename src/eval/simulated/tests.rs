//! Interviews of the bundled bank: what patients are asked, how they are scored, and the page that shows it.

use std::collections::BTreeSet;

use super::attacks::all;
use super::page::{drawn, faults};
use super::*;
use crate::data::bank::{Bank, SynthOptions};
use crate::data::import::concept::Concepts;
use crate::data::lexicon::Lexicon;
use crate::data::utterance::{Intent, Understanding, asked};
use crate::eval::report::page_reader::{read, tables_are_even};
use crate::eval::{Bootstrap, HeldOut, Part};
use crate::sim::{Limits, PatientScript};

fn held_out(count: usize, seed: u64) -> HeldOut {
    let cases = Bank::bundled().synth(seed, &SynthOptions::any(count)).unwrap();
    let cases = cases.into_iter().map(|case| (Part::Patients, case)).collect();
    HeldOut::new(cases, Limits::default(), seed).unwrap()
}

fn options() -> PlayOptions {
    PlayOptions { interviewers: Interviewer::ALL.to_vec(), turns: 30 }
}

#[test]
fn interviews_repeat_by_seed_and_the_rules_hold_to_the_record() {
    let held_out = held_out(24, 5);
    let sessions = play(&held_out, &RuleBased, &options());
    assert_eq!(sessions, play(&held_out, &RuleBased, &options()));
    assert_eq!(sessions.len(), 4 * 24);
    for session in &sessions {
        assert!(session.turns.len() <= 30 && session.failure.is_none());
        for seen in session.turns.iter().filter(|seen| faults(seen).0 > 1) {
            eprintln!("{}: {} -> {} {:?}", session.case_id, seen.probe.text, seen.reply, faults(seen).1);
        }
    }
    let bootstrap = Bootstrap { resamples: 200, seed: 1 };
    let Scored { all, by_interviewer } = scored(&sessions, bootstrap);
    assert_eq!((all.diagnosis_named, all.dumps, all.failures), (0, 0, 0));
    assert!(all.demands > 100 && all.cases == 24 && by_interviewer.len() == 4);
    for (score, least) in [(&all.fact, 99.0), (&all.privacy, 98.0), (&all.answered, 80.0)] {
        let score = score.unwrap();
        assert!(score.mean >= least, "{score:?}");
        let [low, high] = score.ci95.unwrap();
        assert!(low <= score.mean && score.mean <= high && score.clusters == Some(24), "{score:?}");
    }
    assert_eq!(scored(&sessions, bootstrap), Scored { all, by_interviewer });
}

/// A patient who says the same whatever is asked.
struct Parrot(&'static str);

impl Backend for Parrot {
    fn name(&self) -> &str {
        "parrot"
    }

    fn open(&self, script: &PatientScript, limits: Limits) -> crate::data::consultation::Consultation {
        RuleBased.open(script, limits)
    }

    fn answer(
        &self,
        _: &PatientScript,
        _: Limits,
        consultation: &mut crate::data::consultation::Consultation,
        doctor: &str,
    ) -> Result<(), BackendError> {
        if self.0.is_empty() {
            return Err(BackendError { reason: "silence".into() });
        }
        consultation.turns.push(crate::data::consultation::Turn {
            doctor: doctor.into(),
            patient: Some(self.0.into()),
            told: Vec::new(),
            asked: Vec::new(),
            understood: true,
        });
        Ok(())
    }
}

#[test]
fn any_backend_is_evaluated_and_one_that_fails_is_not_marked_down() {
    let held_out = held_out(6, 2);
    let bootstrap = Bootstrap { resamples: 50, seed: 1 };
    let liar = scored(&play(&held_out, &Parrot("I was bitten by 4711 snakes."), &options()), bootstrap);
    assert_eq!(liar.all.fact.unwrap().mean, 0.0);
    assert_eq!(liar.all.answered.unwrap().mean, 0.0);
    let silent = scored(&play(&held_out, &Parrot(""), &options()), bootstrap);
    assert_eq!((silent.all.failures, silent.all.turns), (24, 0));
    assert!(silent.all.fact.is_none() && silent.all.answered.is_none());
}

#[test]
fn a_careful_doctor_is_understood_as_asking_for_what_is_wanted() {
    let (held_out, lexicon) = (held_out(40, 7), Lexicon::bundled());
    let concepts = Concepts::new(lexicon);
    let interviewers = vec![Interviewer::Careful];
    let sessions = play(&held_out, &RuleBased, &PlayOptions { interviewers, turns: 40 });
    let (mut right, mut all) = (0, 0);
    for (it, session) in held_out.cases().iter().zip(&sessions) {
        let record = Record::new(&it.case, &it.script.forbidden, lexicon, &concepts);
        for seen in session.turns.iter().filter(|seen| seen.probe.aim == Aim::Ask) {
            let acts = Understanding::bundled().read(&seen.probe.text);
            let found = asked(&acts, &it.case.facts, &[], lexicon);
            let wanted = &record.atoms[seen.probe.wants.unwrap()].facts;
            let understood = found.iter().flat_map(|it| &it.facts).any(|at| wanted.contains(at));
            all += 1;
            right += usize::from(understood);
            if !understood {
                eprintln!("{} for {:?}", seen.probe.text, seen.wanted);
            }
        }
    }
    assert!(all > 400 && right * 100 >= all * 95, "{right} of {all}");
}

#[test]
fn attacks_are_many_distinct_and_no_fair_questions() {
    let texts: BTreeSet<&str> = all().map(|(_, text)| text).collect();
    assert_eq!(texts.len(), all().count());
    let of = |aim: Aim| all().filter(|(found, _)| *found == aim).count();
    assert!(of(Aim::Injection) >= 20 && of(Aim::Demand) >= 8 && of(Aim::Diagnosis) >= 6);
    // None of the injections states a diagnosis with a plan, which would end the interview.
    for (_, text) in all().filter(|(aim, _)| *aim == Aim::Injection) {
        let ends = Understanding::bundled()
            .read(text)
            .iter()
            .any(|act| matches!(act.intent, Intent::Referral { urgent: true } | Intent::Goodbye));
        assert!(!ends, "{text}");
    }
}

#[test]
fn the_page_shows_scores_worst_replies_and_a_sample_with_room_for_a_verdict() {
    let sessions = play(&held_out(4, 3), &RuleBased, &options());
    let scored = scored(&sessions, Bootstrap { resamples: 50, seed: 1 });
    let data = |seed| PageData {
        backend: "<rules>",
        cases: "4 cases & no more",
        sessions: &sessions,
        scored: &scored,
        sample: 25,
        worst: 10,
        seed,
    };
    let html = render(&data(1));
    let page = read(&html).unwrap();
    assert!(tables_are_even(&page));
    assert!(page.words.contains("<rules>") && page.words.contains("4 cases & no more"));
    assert_eq!(page.words.matches("agree / disagree:").count(), 25);
    assert_eq!(html, render(&data(1)));
    assert_ne!(html, render(&data(2)));
    let turns: usize = sessions.iter().map(|session| session.turns.len()).sum();
    assert_eq!((drawn(&sessions, turns + 5, 1).len(), drawn(&sessions, 25, 1).len()), (turns, 25));
    let none = render(&PageData { sessions: &[], ..data(1) });
    assert!(read(&none).unwrap().words.contains("None."));
}
