//! Patients without initiative, and what only the doctor finds said.

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
            assert!(!state.contains(words.as_str()), "a patient or a judge could read it");
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
