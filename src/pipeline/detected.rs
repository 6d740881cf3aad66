//! What detectors of noise found in a run, for its report.

use std::collections::BTreeMap;

use crate::eval::report::DetectorRow;
use crate::train::config::Detector;
use crate::train::run::StepMetrics;

/// Each detector that was on in any of `steps`, with the replies of the steps that it was on in.
pub(super) fn detected(steps: &[StepMetrics]) -> Vec<DetectorRow> {
    let mut found: BTreeMap<Detector, (u64, u64)> = BTreeMap::new();
    for rl in steps.iter().filter_map(|step| step.rl.as_ref()) {
        for (detector, fired) in &rl.noise {
            let (refused, replies) = found.entry(*detector).or_default();
            *refused += fired;
            *replies += rl.reply_tokens.count;
        }
    }
    let row = |(detector, (refused, replies)): (Detector, (u64, u64))| DetectorRow {
        name: detector.name().to_owned(),
        refused,
        replies,
    };
    found.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::run::{RlMetrics, Spread};

    #[test]
    fn a_detector_counts_the_replies_of_the_steps_that_it_was_on_in() {
        let step = |noise: &[(Detector, u64)], replies: usize| StepMetrics {
            rl: Some(RlMetrics {
                noise: noise.iter().copied().collect(),
                reply_tokens: Spread::of(vec![7.0; replies]),
                ..RlMetrics::default()
            }),
            ..StepMetrics::default()
        };
        let supervised = StepMetrics::default();
        assert_eq!(detected(&[supervised.clone(), step(&[], 8)]), []);
        let (long, again) = (Detector::OverLong, Detector::Repetition);
        let steps = [supervised, step(&[(long, 2), (again, 0)], 8), step(&[(long, 1)], 8), step(&[], 8)];
        let found: Vec<(String, u64, u64)> =
            detected(&steps).into_iter().map(|row| (row.name, row.refused, row.replies)).collect();
        assert_eq!(found, [("repetition".to_owned(), 0, 8), ("over_long".to_owned(), 3, 16)]);
    }
}
