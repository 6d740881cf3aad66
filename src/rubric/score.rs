//! From verdicts to numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::criterion::{Axis, Criterion, Judgement, Verdict};

/// Why there is no score.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ScoreError {
    /// There is not one judgement an item.
    #[error("{judgements} judgements for {criteria} criteria, there must be one for each")]
    Count {
        /// Items of the rubric.
        criteria: usize,
        /// Judgements given.
        judgements: usize,
    },
    /// No item was judged. That is not a reward of 0: the reply may be good, and the sample has to be left out.
    #[error("none of the {criteria} criteria was judged, at least one must be; leave this sample out")]
    NothingJudged {
        /// Items of the rubric.
        criteria: usize,
    },
}

/// The reward of one axis, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Part {
    /// Sum of the points of items that were met, less the sum of the negative points of judged items.
    pub gained: f64,
    /// Sum of the absolute points of judged items.
    pub possible: f64,
    /// Items judged.
    pub judged: usize,
}

impl Part {
    /// `gained / possible`, in [0, 1]; `None` where nothing was judged.
    pub fn value(&self) -> Option<f64> {
        (self.possible > 0.0).then(|| self.gained / self.possible)
    }

    fn add(&mut self, points: i8, met: bool) {
        let points = f64::from(points);
        // `w a` for every item, and `-w` for negative ones: a negative item gives its points when it is not met.
        self.gained += if met { points } else { 0.0 } - points.min(0.0);
        self.possible += points.abs();
        self.judged += 1;
    }
}

/// A reward with its named parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reward {
    /// `(sum w_i a_i - sum_{w_i<0} w_i) / sum |w_i|` over judged items (Baichuan-M3 report, eq. 1): 0 when every
    /// negative item and no positive one is met, 1 when every positive and no negative one is.
    pub value: f64,
    /// The same sums for each axis; they add up to those of `value`.
    pub axes: BTreeMap<Axis, Part>,
    /// Items judged.
    pub judged: usize,
    /// Items nobody could judge; they are in neither sum.
    pub not_judged: usize,
}

impl Reward {
    /// The reward of `judgements`, one for each of `criteria`. Items that are `NotJudged` are left out of both sums.
    pub fn of(criteria: &[Criterion], judgements: &[Judgement]) -> Result<Self, ScoreError> {
        let mut axes: BTreeMap<Axis, Part> = BTreeMap::new();
        let mut whole = Part::default();
        for (criterion, met) in decided(criteria, judgements)? {
            axes.entry(criterion.axis).or_default().add(criterion.points, met);
            whole.add(criterion.points, met);
        }
        let value = whole.value().ok_or(ScoreError::NothingJudged { criteria: criteria.len() })?;
        Ok(Self { value, axes, judged: whole.judged, not_judged: criteria.len() - whole.judged })
    }
}

/// HealthBench's score for evaluation: points met, negative ones too, over the positive points there are (OpenAI
/// HealthBench, 2025). It is not clipped and can be below 0; `None` where no positive item was judged.
pub fn healthbench(criteria: &[Criterion], judgements: &[Judgement]) -> Result<Option<f64>, ScoreError> {
    let (mut gained, mut possible) = (0.0, 0.0);
    for (criterion, met) in decided(criteria, judgements)? {
        let points = f64::from(criterion.points);
        gained += if met { points } else { 0.0 };
        possible += points.max(0.0);
    }
    Ok((possible > 0.0).then(|| gained / possible))
}

/// Judged items, each with whether it is met.
fn decided<'a>(
    criteria: &'a [Criterion],
    judgements: &'a [Judgement],
) -> Result<impl Iterator<Item = (&'a Criterion, bool)>, ScoreError> {
    if criteria.len() != judgements.len() {
        return Err(ScoreError::Count { criteria: criteria.len(), judgements: judgements.len() });
    }
    Ok(criteria.iter().zip(judgements).filter_map(|(criterion, judgement)| match judgement.verdict {
        Verdict::Met => Some((criterion, true)),
        Verdict::NotMet => Some((criterion, false)),
        Verdict::NotJudged => None,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rubric::criterion::Provenance;

    fn items(given: &[(i8, Verdict)]) -> (Vec<Criterion>, Vec<Judgement>) {
        let axes = [Axis::Inquiry, Axis::Diagnosis, Axis::Treatment, Axis::Communication, Axis::Safety];
        given
            .iter()
            .zip(axes.iter().cycle())
            .map(|(&(points, verdict), &axis)| {
                let criterion = Criterion {
                    text: "x".into(),
                    points,
                    axis,
                    provenance: Provenance::General,
                    check: None,
                };
                (criterion, Judgement { verdict, ..Judgement::not_met("") })
            })
            .unzip()
    }

    fn reward(given: &[(i8, Verdict)]) -> Result<Reward, ScoreError> {
        let (criteria, judgements) = items(given);
        Reward::of(&criteria, &judgements)
    }

    use Verdict::{Met, NotJudged, NotMet};

    #[test]
    fn the_ends_of_the_scale() {
        assert_eq!(reward(&[(7, NotMet), (-4, Met), (-6, Met)]).unwrap().value, 0.0);
        assert_eq!(reward(&[(7, Met), (3, Met), (-6, NotMet)]).unwrap().value, 1.0);
        // 7 of 7, 0 of 5, and the 6 of a negative item that is not met, over 18.
        assert_eq!(reward(&[(7, Met), (5, NotMet), (-6, NotMet)]).unwrap().value, 13.0 / 18.0);
    }

    #[test]
    fn what_was_not_judged_counts_nowhere() {
        let with = reward(&[(7, Met), (5, NotMet), (9, NotJudged), (-6, NotMet), (-10, NotJudged)]).unwrap();
        let without = reward(&[(7, Met), (5, NotMet), (-6, NotMet)]).unwrap();
        assert_eq!(with.value, without.value);
        assert_eq!((with.judged, with.not_judged), (3, 2));
        assert_eq!(reward(&[(7, NotJudged)]), Err(ScoreError::NothingJudged { criteria: 1 }));
        assert_eq!(reward(&[]), Err(ScoreError::NothingJudged { criteria: 0 }));
        let (criteria, _) = items(&[(7, Met)]);
        assert_eq!(Reward::of(&criteria, &[]), Err(ScoreError::Count { criteria: 1, judgements: 0 }));
    }

    #[test]
    fn healthbench_is_not_clipped() {
        // The case of HealthBench's own unit test: 7 + 10 - 6 over 22.
        let (criteria, judgements) = items(&[(7, Met), (5, NotMet), (10, Met), (-6, Met)]);
        assert_eq!(healthbench(&criteria, &judgements), Ok(Some(0.5)));
        let (criteria, judgements) = items(&[(5, NotMet), (-10, Met)]);
        assert_eq!(healthbench(&criteria, &judgements), Ok(Some(-2.0)));
        let (criteria, judgements) = items(&[(5, NotJudged), (-10, Met)]);
        assert_eq!(healthbench(&criteria, &judgements), Ok(None));
    }

    fn any_items() -> impl Strategy<Value = Vec<(i8, Verdict)>> {
        let points = prop_oneof![1i8..=10, -10i8..=-1];
        prop::collection::vec((points, prop_oneof![Just(Met), Just(NotMet), Just(NotJudged)]), 0..40)
    }

    proptest! {
        #[test]
        fn a_reward_is_a_share_and_its_axes_add_up(given in any_items()) {
            match reward(&given) {
                Ok(reward) => {
                    prop_assert!((0.0..=1.0).contains(&reward.value));
                    let gained: f64 = reward.axes.values().map(|part| part.gained).sum();
                    let possible: f64 = reward.axes.values().map(|part| part.possible).sum();
                    prop_assert!((gained / possible - reward.value).abs() < 1e-12);
                    prop_assert_eq!(reward.judged + reward.not_judged, given.len());
                }
                Err(error) => {
                    prop_assert!(given.iter().all(|item| item.1 == NotJudged));
                    prop_assert_eq!(error, ScoreError::NothingJudged { criteria: given.len() });
                }
            }
        }

        #[test]
        fn meeting_a_good_item_helps_and_a_bad_one_hurts(given in any_items(), at in any::<prop::sample::Index>()) {
            prop_assume!(!given.is_empty());
            let at = at.index(given.len());
            let (mut met, mut not) = (given.clone(), given);
            met[at].1 = Met;
            not[at].1 = NotMet;
            let gain = reward(&met).unwrap().value - reward(&not).unwrap().value;
            prop_assert!(gain * f64::from(met[at].0) > 0.0);
        }
    }
}
