//! Criteria that come and go.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::flaws::Flaw;
use super::frozen::FrozenRubric;
use super::thresholds::{ThresholdError, Thresholds};
use crate::rubric::criterion::{Criterion, Rubric, Verdict};
use crate::rubric::text::plain;

/// Retired criteria that are remembered. Beyond it the one that was first put on trial is forgotten.
const REMEMBERED: usize = 256;

/// Where a criterion of the dynamic set stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is judged and earns nothing yet.
    OnTrial,
    /// It is part of the rubric.
    Admitted,
    /// It told nobody apart; it comes back on trial when it is mined again.
    Retired,
}

/// The answer that a criterion was mined from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The case.
    pub case: String,
    /// Exchanges before it.
    pub turn: usize,
    /// The model that found the flaw; `None` where a rule did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A criterion of the dynamic set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tracked {
    /// The criterion.
    pub criterion: Criterion,
    /// The rule that decides it; without one a judge does.
    pub flaw: Option<Flaw>,
    /// Where it stands.
    pub state: State,
    /// Spreads within the latest groups, oldest first.
    pub spreads: VecDeque<f64>,
    /// How often it was mined.
    pub mined: u32,
    /// The answer that put it on trial, the latest where several did.
    pub origin: Origin,
}

impl Tracked {
    /// The mean spread; `None` where no group was judged.
    pub fn mean_spread(&self) -> Option<f64> {
        let count = self.spreads.len();
        (count > 0).then(|| self.spreads.iter().sum::<f64>() / count as f64)
    }
}

/// The dynamic set: what is on trial, admitted and retired. It can be written and read back at any point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicSet {
    tracked: Vec<Tracked>,
    thresholds: Thresholds,
}

impl DynamicSet {
    /// An empty one.
    ///
    /// # Errors
    /// Thresholds that cannot be.
    pub fn new(thresholds: Thresholds) -> Result<Self, ThresholdError> {
        thresholds.check()?;
        Ok(Self { tracked: Vec::new(), thresholds })
    }

    /// Its criteria, with what was retired, in the order in which they were first put on trial.
    pub fn tracked(&self) -> &[Tracked] {
        &self.tracked
    }

    /// When they come and go.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// How many criteria are in a state.
    pub fn count(&self, state: State) -> usize {
        self.tracked.iter().filter(|it| it.state == state).count()
    }

    /// The rubric of one group: `core`, what is admitted, what is on trial. What the core says already is left out.
    pub fn frozen(&self, core: Rubric) -> FrozenRubric {
        let places = |state: State| {
            let of = move |(_, it): &(usize, &Tracked)| it.state == state;
            self.tracked.iter().enumerate().filter(of)
        };
        let new = |(_, it): &(usize, &Tracked)| !says(&core, &it.criterion);
        let criterion = |(at, it): (usize, &Tracked)| (at, it.criterion.clone());
        let admitted: Vec<_> = places(State::Admitted).filter(new).map(criterion).collect();
        let on_trial: Vec<_> = places(State::OnTrial).filter(new).map(criterion).collect();
        FrozenRubric::new(core, admitted, on_trial)
    }

    /// Puts a criterion on trial. Says what became of it; `None` where it is there already, says what the `core` does, or there are as
    /// many as can be.
    pub fn propose(
        &mut self,
        core: &Rubric,
        criterion: Criterion,
        flaw: Option<Flaw>,
        origin: Origin,
    ) -> Option<&Tracked> {
        let text = plain(&criterion.text);
        if says(core, &criterion) || text.is_empty() || criterion.points == 0 {
            return None;
        }
        let active = self.count(State::OnTrial) + self.count(State::Admitted);
        let full = active >= self.thresholds.most;
        match self.tracked.iter().position(|it| plain(&it.criterion.text) == text) {
            Some(at) => {
                let there = self.tracked.get_mut(at)?;
                there.mined = there.mined.saturating_add(1);
                if there.state != State::Retired || full {
                    return None;
                }
                there.state = State::OnTrial;
                there.spreads.clear();
                there.origin = origin;
                Some(there)
            }
            None if full => None,
            None => {
                self.forget();
                let (state, spreads) = (State::OnTrial, VecDeque::new());
                self.tracked.push(Tracked { criterion, flaw, state, spreads, mined: 1, origin });
                self.tracked.last()
            }
        }
    }

    /// Records what was said of the criterion at `at` of [`DynamicSet::tracked`] for one group, and admits or retires it, which it says
    /// where that is news. Verdicts that were not judged count for nothing, and a group with fewer than two others shows no spread. A
    /// retired criterion stays as it is.
    pub fn record(&mut self, at: usize, verdicts: &[Verdict]) -> Option<&Tracked> {
        let thresholds = self.thresholds;
        let it = self.tracked.get_mut(at).filter(|it| it.state != State::Retired)?;
        it.spreads.push_back(spread(verdicts)?);
        while it.spreads.len() > thresholds.window {
            it.spreads.pop_front();
        }
        if it.spreads.len() < thresholds.least {
            return None;
        }
        let (mean, before) = (it.mean_spread().unwrap_or(0.0), it.state);
        if mean >= thresholds.admit {
            it.state = State::Admitted;
        } else if mean < thresholds.retire {
            it.state = State::Retired;
        }
        (it.state != before).then_some(&*it)
    }

    /// Makes room for a criterion that is new.
    fn forget(&mut self) {
        if self.count(State::Retired) >= REMEMBERED
            && let Some(oldest) = self.tracked.iter().position(|it| it.state == State::Retired)
        {
            self.tracked.remove(oldest);
        }
    }
}

/// Whether a rubric has a criterion of the same words, or the same check.
fn says(rubric: &Rubric, criterion: &Criterion) -> bool {
    let text = plain(&criterion.text);
    let same = |it: &Criterion| {
        plain(&it.text) == text || (criterion.check.is_some() && it.check == criterion.check)
    };
    rubric.criteria.iter().any(same)
}

/// `p (1 - p)` of the verdicts that were given; `None` of fewer than two.
fn spread(verdicts: &[Verdict]) -> Option<f64> {
    let met = verdicts.iter().filter(|it| **it == Verdict::Met).count();
    let judged = met + verdicts.iter().filter(|it| **it == Verdict::NotMet).count();
    let share = met as f64 / judged as f64;
    (judged > 1).then_some(share * (1.0 - share))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rubric::criterion::{Axis, Provenance, Scope};

    fn written(text: &str) -> Criterion {
        Criterion {
            text: text.into(),
            points: -3,
            axis: Axis::Safety,
            provenance: Provenance::Written,
            check: None,
        }
    }

    fn core() -> Rubric {
        Rubric { scope: Scope::Reply, criteria: vec![written("Is rude")] }
    }

    /// Puts a criterion on trial; says whether it was news.
    fn propose(set: &mut DynamicSet, text: &str) -> bool {
        set.propose(&core(), written(text), None, Origin::default()).is_some()
    }

    use Verdict::{Met, NotJudged, NotMet};

    #[test]
    fn a_group_is_judged_by_the_core_then_the_admitted_then_those_on_trial() {
        let thresholds = Thresholds { window: 2, least: 1, ..Thresholds::default() };
        let mut set = DynamicSet::new(thresholds).unwrap();
        for text in ["Lectures", "Interrupts", "Is rude."] {
            assert_eq!(propose(&mut set, text), text != "Is rude.", "{text}");
        }
        // A spread of 1/4, then the second is admitted and stands before the first.
        assert_eq!(set.record(1, &[Met, NotMet]).map(|it| it.state), Some(State::Admitted));
        assert!(set.record(1, &[Met, NotMet]).is_none(), "no news");
        let frozen = set.frozen(core());
        let texts: Vec<&str> = frozen.rubric().criteria.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["Is rude", "Interrupts", "Lectures"]);
        assert_eq!((frozen.earning().len(), frozen.places()), (2, &[1, 0][..]));
        // A core that says the same takes its place.
        let other = Rubric { scope: Scope::Reply, criteria: vec![written("Interrupts")] };
        let frozen = set.frozen(other.clone());
        assert_eq!((frozen.earning(), frozen.places()), (&other.criteria[..], &[0][..]));
    }

    #[test]
    fn retired_criteria_are_remembered_up_to_a_number() {
        let thresholds = Thresholds { window: 1, least: 1, most: 1, ..Thresholds::default() };
        let mut set = DynamicSet::new(thresholds).unwrap();
        for number in 0..=REMEMBERED {
            assert!(propose(&mut set, &format!("Fault {number}")));
            assert_eq!(
                set.record(set.tracked().len() - 1, &[Met, Met]).map(|it| it.state),
                Some(State::Retired)
            );
        }
        assert_eq!((set.count(State::Retired), set.tracked().len()), (REMEMBERED, REMEMBERED));
        assert_eq!(set.tracked()[0].criterion.text, "Fault 1");
        // One that comes back is the same one; one that was forgotten is new.
        assert!(propose(&mut set, "Fault 5"));
        assert_eq!(set.tracked()[4].mined, 2);
        assert!(set.record(4, &[Met, Met]).is_some());
        assert!(propose(&mut set, "Fault 0"));
        assert_eq!(set.tracked().last().map(|it| it.mined), Some(1));
    }

    /// What happens to a set: a criterion is mined, or a group is judged.
    #[derive(Debug, Clone)]
    enum Event {
        Mined(usize),
        Judged(usize, Vec<Verdict>),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let verdict = prop_oneof![Just(Met), Just(NotMet), Just(NotJudged)];
        let judged = (0usize..6, prop::collection::vec(verdict, 0..6));
        let event = prop_oneof![
            (0usize..6).prop_map(Event::Mined),
            judged.prop_map(|(at, verdicts)| Event::Judged(at, verdicts)),
        ];
        prop::collection::vec(event, 0..120)
    }

    proptest! {
        /// Whoever hears all news knows where each criterion stands; there are never more than so many at once, each once, and what is
        /// admitted has told answers apart.
        #[test]
        fn the_books_are_kept(events in events(), most in 1usize..5, window in 1usize..5) {
            let thresholds = Thresholds { window, least: 1 + window / 2, most, ..Thresholds::default() };
            let mut set = DynamicSet::new(thresholds).unwrap();
            let mut heard: std::collections::BTreeMap<String, State> = std::collections::BTreeMap::new();
            for event in events {
                let news = match event {
                    Event::Mined(which) => set.propose(
                        &core(), written(&format!("Fault {which}")), None, Origin::default(),
                    ),
                    Event::Judged(at, verdicts) => set.record(at, &verdicts),
                };
                if let Some(it) = news.cloned() {
                    let before = heard.insert(it.criterion.text.clone(), it.state);
                    prop_assert_ne!(before, Some(it.state));
                    let begins = matches!(before, None | Some(State::Retired));
                    prop_assert_eq!(it.state == State::OnTrial, begins);
                }
                prop_assert!(set.count(State::OnTrial) + set.count(State::Admitted) <= most);
                for it in set.tracked() {
                    prop_assert_eq!(heard.get(&it.criterion.text), Some(&it.state));
                    prop_assert!(it.spreads.len() <= window);
                    if it.state == State::Admitted {
                        prop_assert!(it.spreads.len() >= thresholds.least);
                        prop_assert!(it.mean_spread().unwrap() >= thresholds.retire);
                    }
                }
                prop_assert_eq!(heard.len(), set.tracked().len());
                let frozen = set.frozen(core());
                prop_assert_eq!(frozen.earning().len(), 1 + set.count(State::Admitted));
                prop_assert_eq!(frozen.places().len(), set.tracked().len() - set.count(State::Retired));
            }
            let text = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(serde_json::from_str::<DynamicSet>(&text).unwrap(), set);
        }
    }
}
