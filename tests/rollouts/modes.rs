//! Patients without initiative, and what only the doctor finds said.

use std::sync::Mutex;

use osler::data::Consultation;
use osler::data::case::Case;
use osler::rubric::{Check, Judge, Judgement, Rubric};
use osler::sim::played::Interruption;
use osler::sim::played::mode::Place;

use super::*;

fn pool<'a>(school: &'a School, judge: &'a RuleJudge<'static>, mode: Initiative) -> Fragments<'a> {
    let options = FragmentOptions { mode, ..pool_options() };
    Fragments::new(&school.split.train, Generator::bundled(LIMITS.turns), judge, options)
}

#[test]
fn only_the_doctor_finds_what_interrupts_and_no_other_draw_shifts() {
    let (school, judge) = (school(), RuleJudge::bundled());
    let mut policy = school.policy();
    let (plain, _) = pool(&school, &judge, Initiative::Interactive).round(&mut policy).unwrap();
    let mut interrupted = pool(&school, &judge, Initiative::Interrupted);
    let (found, _) = interrupted.round(&mut policy).unwrap();
    let state = serde_json::to_string(&interrupted.state()).unwrap();
    assert_eq!((plain.len(), found.len()), (4, 4));
    for (plain, found) in plain.iter().zip(&found) {
        assert_eq!((&plain.case, plain.turn, &plain.mode), (&found.case, 0, &Mode::Proactive));
        let Mode::Interrupted(it) = &found.mode else { panic!("{:?}", found.mode) };
        assert_eq!(found.heard, it.patient);
        let prompt = found.group.traces()[0].prompt();
        let read = school.format.tokenizer().decode(prompt, true).unwrap();
        let places = [&plain.heard, &it.doctor, &it.patient].map(|text| read.find(text.as_str()));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {read}");
        // What is sampled begins after it, so none of it is trained.
        assert_eq!(found.group.traces()[0].ids().take(prompt.len()).collect::<Vec<_>>(), prompt);
        for words in [&it.doctor, &it.patient] {
            assert!(!state.contains(words.as_str()), "a patient could read it");
        }
    }
}

#[test]
fn a_pool_that_goes_on_has_the_same_patients() {
    let (school, judge) = (school(), RuleJudge::bundled());
    let mut policy = school.policy();
    let mut pool_of = |state: Option<&str>| {
        let mut pool = pool(&school, &judge, Initiative::Drawn);
        match state {
            Some(state) => pool.restore(serde_json::from_str(state).unwrap(), &school.format),
            None => drop(pool.round(&mut policy).unwrap()),
        }
        let state = serde_json::to_string(&pool.state()).unwrap();
        let (groups, _) = pool.round(&mut policy).unwrap();
        let modes: Vec<Mode> = groups.iter().map(|group| group.mode.clone()).collect();
        (state, modes, texts(&[groups]))
    };
    let (state, modes, said) = pool_of(None);
    assert_eq!(pool_of(Some(&state)), (state, modes, said));
}

#[test]
fn held_out_consultations_hold_nothing_that_only_the_doctor_found() {
    let school = school();
    let held_out = HeldOut::of_split(&school.split, LIMITS, 5).unwrap().in_mode(Initiative::Interrupted);
    let sampling = ReplySampling { samples: 1, ..SAMPLING };
    let played = heldout::play(&mut school.policy(), &held_out, sampling, &mut |_| true).unwrap();
    assert_eq!(played.len(), held_out.cases().len());
    let said = serde_json::to_string(&played).unwrap();
    for case in held_out.cases() {
        let Mode::Interrupted(it) = &case.mode else { panic!("{:?}", case.mode) };
        assert!(!said.contains(&it.doctor) && !said.contains(&it.patient));
    }
}

/// Notes the conversations that it is given, and judges as the rules do.
struct Noting {
    rules: RuleJudge<'static>,
    read: Mutex<Vec<Consultation>>,
}

impl Judge for Noting {
    fn judge_reply(
        &self,
        case: &Case,
        so_far: &Consultation,
        reply: &str,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        self.read.lock().unwrap().push(so_far.clone());
        self.rules.judge_reply(case, so_far, reply, rubric)
    }

    fn judge_consultation(&self, case: &Case, whole: &Consultation, rubric: &Rubric) -> Vec<Judgement> {
        self.read.lock().unwrap().push(whole.clone());
        self.rules.judge_consultation(case, whole, rubric)
    }
}

#[test]
fn judges_read_what_the_doctor_found() {
    let school = school();
    let judge = Noting { rules: RuleJudge::bundled(), read: Mutex::default() };
    let among = [
        Interruption {
            place: Place::EndOfTurn,
            doctor: "I see.".into(),
            patient: "I am so afraid. Is it bad?".into(),
        },
        Interruption {
            place: Place::MidTurn,
            doctor: "Well -".into(),
            patient: "I am so afraid. Is it bad?".into(),
        },
    ];
    let options = FragmentOptions { mode: Initiative::Interrupted, ..pool_options() };
    let generator = Generator::bundled(LIMITS.turns);
    let mut pool = Fragments::new(&school.split.train, generator, &judge, options).interrupted_by(&among);
    let (groups, _) = pool.round(&mut school.policy()).unwrap();
    for group in &groups {
        assert!(matches!(&group.mode, Mode::Interrupted(it) if among.contains(it)), "{:?}", group.mode);
        assert_eq!(group.heard, among[0].patient);
    }
    let read = judge.read.lock().unwrap();
    // Each reply, and what it makes of the whole.
    assert_eq!(read.len(), 2 * groups.iter().map(|group| group.replies.len()).sum::<usize>());
    let found = |it: &Consultation| it.found.as_ref().is_some_and(|found| found.patient == among[0].patient);
    assert!(read.iter().all(found));
    // Its distress is there to be noticed, by the rubric of the reply too.
    let begun = read.iter().find(|it| it.turns.is_empty()).unwrap();
    let case = school.split.train.iter().find(|case| case.id == begun.case_id).unwrap();
    let notices = |so_far: &Consultation| {
        let rubric = generator.for_reply(case, so_far);
        rubric.criteria.iter().any(|it| it.check == Some(Check::Empathy))
    };
    let plain = Consultation { opening: "My knee hurts.".into(), ..begun.clone() };
    assert!(notices(&plain));
    assert!(!notices(&Consultation { found: None, ..plain }));
}
