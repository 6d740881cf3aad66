//! A rubric as it stands for one group of answers.

use crate::rubric::criterion::{Criterion, Judgement, Rubric, Verdict};

/// What all answers of one group are judged by: the core, criteria of a dynamic set that are admitted, and criteria on trial, which earn
/// nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct FrozenRubric {
    rubric: Rubric,
    /// How many of its criteria earn.
    earning: usize,
    /// Where those after the core are in their set.
    places: Vec<usize>,
}

impl From<Rubric> for FrozenRubric {
    /// The core alone.
    fn from(core: Rubric) -> Self {
        Self::new(core, Vec::new(), Vec::new())
    }
}

impl FrozenRubric {
    /// `core` with criteria of a set, each with its place there.
    pub(super) fn new(
        core: Rubric,
        admitted: Vec<(usize, Criterion)>,
        on_trial: Vec<(usize, Criterion)>,
    ) -> Self {
        let earning = core.criteria.len() + admitted.len();
        let (mut rubric, mut places) = (core, Vec::new());
        for (place, criterion) in admitted.into_iter().chain(on_trial) {
            places.push(place);
            rubric.criteria.push(criterion);
        }
        Self { rubric, earning, places }
    }

    /// All criteria that answers are to be judged by.
    pub fn rubric(&self) -> &Rubric {
        &self.rubric
    }

    /// Those that earn.
    pub fn earning(&self) -> &[Criterion] {
        self.rubric.criteria.get(..self.earning).unwrap_or(&self.rubric.criteria)
    }

    /// How many are on trial, the last of all.
    pub fn on_trial(&self) -> usize {
        self.rubric.criteria.len() - self.earning().len()
    }

    /// Where those after the core are in [`DynamicSet::tracked`](super::DynamicSet::tracked), in their order.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// The core alone.
    pub fn core(&self) -> Rubric {
        let core = self.rubric.criteria.len() - self.places.len();
        Rubric {
            scope: self.rubric.scope,
            criteria: self.rubric.criteria.iter().take(core).cloned().collect(),
        }
    }

    /// Of one answer's judgements, those of the criteria that earn. Where there is not one a criterion, all of them: they fit nothing.
    pub fn earned<'j>(&self, judgements: &'j [Judgement]) -> &'j [Judgement] {
        match judgements.len() == self.rubric.criteria.len() {
            true => judgements.get(..self.earning).unwrap_or(judgements),
            false => judgements,
        }
    }

    /// Of one answer's judgements, what was said of the criteria after the core: one verdict for each of [`FrozenRubric::places`], not
    /// judged where nothing was said.
    pub fn dynamic(&self, judgements: &[Judgement]) -> Vec<Verdict> {
        let core = self.rubric.criteria.len() - self.places.len();
        let of = |at: usize| judgements.get(core + at).map_or(Verdict::NotJudged, |it| it.verdict);
        (0..self.places.len()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rubric::criterion::{Axis, Provenance, Scope};

    #[test]
    fn judgements_are_parted_by_what_they_are_for() {
        let criterion = |text: &str| Criterion {
            text: text.into(),
            points: -1,
            axis: Axis::Safety,
            provenance: Provenance::General,
            check: None,
        };
        let core = Rubric { scope: Scope::Reply, criteria: vec![criterion("a"), criterion("b")] };
        let frozen = FrozenRubric::new(
            core.clone(),
            vec![(4, criterion("c"))],
            vec![(0, criterion("d")), (2, criterion("e"))],
        );
        assert_eq!(
            (frozen.earning().len(), frozen.places(), frozen.core()),
            (3, &[4, 0, 2][..], core.clone())
        );
        assert_eq!(frozen.on_trial(), 2);
        let judgements = [
            Judgement::met(None, ""),
            Judgement::met(None, ""),
            Judgement::not_met(""),
            Judgement::met(None, ""),
            Judgement::not_judged("lost"),
        ];
        assert_eq!(frozen.earned(&judgements), &judgements[..3]);
        assert_eq!(frozen.dynamic(&judgements), [Verdict::NotMet, Verdict::Met, Verdict::NotJudged]);
        // A judge that left some out said nothing of them.
        assert_eq!(frozen.earned(&judgements[..4]).len(), 4);
        assert_eq!(
            frozen.dynamic(&judgements[..3]),
            [Verdict::NotMet, Verdict::NotJudged, Verdict::NotJudged]
        );
        let fixed = FrozenRubric::from(core.clone());
        assert_eq!((fixed.rubric(), fixed.earning()), (&core, &core.criteria[..]));
        assert_eq!(fixed.on_trial(), 0);
        assert!(fixed.dynamic(&judgements).is_empty());
    }
}
