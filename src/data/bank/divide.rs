//! Cases that were read, not drawn, divided as [`super::Bank::split`] divides drawn ones.

use std::collections::{BTreeMap, BTreeSet};

use super::dice::Dice;
use super::split::{Split, SplitOptions};
use crate::data::case::Case;

/// Divides `cases`: some presentations are never trained on, and of the others some patients are not. `None` where too few
/// are left to train on or to measure with.
///
/// Where there is only one presentation, none is held out. Where there are fewer patients than `options` asks for, every
/// part gets fewer; of one presentation at most a fifth is held out, and nobody who is its only patient.
pub fn divide(cases: Vec<Case>, seed: u64, options: &SplitOptions) -> Option<Split> {
    let mut dice = Dice::new(seed, 0);
    let mut by_presentation: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases {
        by_presentation.entry(case.presentation.clone()).or_default().push(case);
    }
    let mut groups: Vec<Vec<Case>> = by_presentation.into_values().collect();
    dice.shuffle(&mut groups);
    let held = match groups.len() {
        0 | 1 => 0,
        _ if options.heldout_presentations == 0 => 0,
        all => ((all as f64 * options.holdout).round() as usize).clamp(1, all - 1),
    };
    let seen = groups.split_off(held);
    let mut heldout_presentations: Vec<Case> = groups.into_iter().flatten().collect();
    heldout_presentations.truncate(options.heldout_presentations);
    let (mut train, mut heldout_patients) = (Vec::new(), Vec::new());
    for mut group in seen {
        dice.shuffle(&mut group);
        let room = options.heldout_patients - heldout_patients.len();
        let share = group.len().div_ceil(5).min(group.len() / 2).min(room);
        heldout_patients.extend(group.drain(..share));
        train.extend(group);
    }
    dice.shuffle(&mut train);
    train.truncate(options.train);
    // A small training set may leave presentations out; those are then none that it has seen.
    let trained: BTreeSet<&str> = train.iter().map(|case| case.presentation.as_str()).collect();
    heldout_patients.retain(|case| trained.contains(case.presentation.as_str()));
    let measurable = !heldout_patients.is_empty() || !heldout_presentations.is_empty();
    (measurable && !train.is_empty()).then_some(Split { train, heldout_patients, heldout_presentations })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::bank::{Bank, SynthOptions};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_patient_is_in_two_parts_and_no_held_out_presentation_is_trained_on(
            count in 0usize..60,
            seed: u64,
            train in 1usize..60,
            patients in 0usize..20,
            presentations in 0usize..20,
        ) {
            let all = Bank::bundled().synth(5, &SynthOptions::any(60)).unwrap();
            let cases: Vec<Case> = all.into_iter().take(count).collect();
            let options = SplitOptions {
                train, heldout_patients: patients, heldout_presentations: presentations, holdout: 0.2,
            };
            let split = divide(cases.clone(), seed, &options);
            prop_assert_eq!(&split, &divide(cases, seed, &options));
            if let Some(split) = split {
                prop_assert!(!split.train.is_empty() && split.train.len() <= train);
                prop_assert!(split.heldout_patients.len() <= patients);
                prop_assert!(split.heldout_presentations.len() <= presentations);
                let ids: Vec<&str> = [&split.train, &split.heldout_patients, &split.heldout_presentations]
                    .into_iter().flatten().map(|case| case.id.as_str()).collect();
                let distinct: BTreeSet<&str> = ids.iter().copied().collect();
                prop_assert_eq!(ids.len(), distinct.len());
                let trained: BTreeSet<&str> = split.train.iter().map(|case| case.presentation.as_str()).collect();
                prop_assert!(split.heldout_patients.iter().all(|case| trained.contains(case.presentation.as_str())));
                prop_assert!(split.heldout_presentations.iter().all(|case| !trained.contains(case.presentation.as_str())));
            }
        }
    }

    #[test]
    fn one_presentation_still_gives_patients_to_measure_with() {
        let presentation = Bank::bundled().presentations()[0].id.clone();
        let options = SynthOptions { presentations: vec![presentation], ..SynthOptions::any(10) };
        let cases = Bank::bundled().synth(5, &options).unwrap();
        let split = divide(cases, 1, &SplitOptions::default()).unwrap();
        assert_eq!((split.train.len(), split.heldout_patients.len()), (8, 2));
        assert!(split.heldout_presentations.is_empty());
        assert_eq!(divide(Vec::new(), 1, &SplitOptions::default()), None);
    }
}
