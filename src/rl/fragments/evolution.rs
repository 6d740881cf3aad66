//! Rubrics of a pool that change with what they mark (Baichuan-M3 report, section 3: dynamic rubric evolution).
//!
//! One dynamic set stands beside the cores of all cases, so that its criteria are decided on by many groups. While a round is sampled and
//! judged it stays as it is: all rewards of a group are by the same criteria. At the round's end, in the order of the consultations, what was
//! said of its criteria is recorded, which admits and retires them; then what a model has found (`asking.rs`) is put on trial, and last the flaws
//! that rules find in replies that scored high.

use serde::{Deserialize, Serialize};

use super::asking::{FlawFinder, Found, Question};
use super::marks::{Mark, Marked};
use super::{Fragments, Scene};
use crate::engine::request::StopReason;
use crate::rubric::authoring::dynamic::{
    Answer, DynamicSet, FrozenRubric, Needs, Origin, Scene as Seen, State, Thresholds, Tracked, core_rubric,
    flaws_of_high_scorers,
};
use crate::rubric::{Language, Verdict};

/// What makes a pool's rubrics change.
pub struct RubricEvolution<'a> {
    pub(super) finder: Option<FlawFinder<'a>>,
    pub(super) state: EvolutionState,
    news: RubricNews,
}

/// It between two rounds, as a checkpoint keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvolutionState {
    set: DynamicSet,
    /// Groups since a reply was last chosen for the model.
    groups: u64,
    /// What the model is asked in the next round.
    pub(super) questions: Vec<Question>,
}

/// How a pool's rubrics changed since this was last asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RubricNews {
    /// Each criterion that was put on trial, admitted or retired, as it stood then.
    pub changes: Vec<Tracked>,
    /// Criteria that are admitted now.
    pub active: usize,
    /// Criteria that are on trial now.
    pub on_trial: usize,
    /// Criteria on trial that replies were judged by, each of them for one reply.
    pub tried: u64,
    /// Those of them that were not judged.
    pub tried_in_vain: u64,
    /// Replies that the model was asked about.
    pub asked: u64,
    /// Those of them for which it gave no criteria that could be read.
    pub failed: u64,
    /// Criteria that it wrote about one patient.
    pub refused: u64,
    /// Why the first of the failed ones failed.
    pub why: Option<String>,
}

impl<'a> RubricEvolution<'a> {
    /// One that begins with `set`; rules look for flaws, and `finder` where there is one.
    pub fn new(set: DynamicSet, finder: Option<FlawFinder<'a>>) -> Self {
        let state = EvolutionState { set, groups: 0, questions: Vec::new() };
        Self { finder, state, news: RubricNews::default() }
    }

    /// Puts it back as it stood at `state`; what was news since is none.
    pub(super) fn restore(&mut self, state: EvolutionState) {
        self.state = state;
        self.news = RubricNews::default();
    }

    /// What is new since this was last called.
    fn take_news(&mut self) -> RubricNews {
        let set = &self.state.set;
        let (active, on_trial) = (set.count(State::Admitted), set.count(State::OnTrial));
        RubricNews { active, on_trial, ..std::mem::take(&mut self.news) }
    }

    fn thresholds(&self) -> Thresholds {
        self.state.set.thresholds()
    }

    /// Records what was said of a group's replies.
    fn record(&mut self, frozen: &FrozenRubric, marks: &[Mark]) {
        for (nth, &place) in frozen.places().iter().enumerate() {
            let of = |mark: &Mark| mark.dynamic.get(nth).copied().unwrap_or(Verdict::NotJudged);
            let verdicts: Vec<Verdict> = marks.iter().map(of).collect();
            self.news.changes.extend(self.state.set.record(place, &verdicts).cloned());
        }
    }

    /// Counts what was asked of a group's replies by criteria on trial. Of a reply that says nothing nobody is asked, nor of one that was cut
    /// off.
    fn count_tried(&mut self, frozen: &FrozenRubric, marks: &[Mark], texts: &[String]) {
        let admitted = frozen.places().len() - frozen.on_trial();
        for (mark, text) in marks.iter().zip(texts) {
            let Some(verdicts) = mark.dynamic.get(admitted..) else { continue };
            if text.contains(char::is_alphanumeric) {
                let open = verdicts.iter().filter(|verdict| **verdict == Verdict::NotJudged).count();
                self.news.tried += verdicts.len() as u64;
                self.news.tried_in_vain += open as u64;
            }
        }
    }

    /// Puts on trial what rules find wrong with the high scorers of a group.
    fn mine(&mut self, scene: &Seen, frozen: &FrozenRubric, group: &[Answer]) {
        let core = frozen.core();
        for flaw in flaws_of_high_scorers(scene, group, self.thresholds().high) {
            let news = self.state.set.propose(&core, flaw.criterion(), Some(flaw), scene.origin());
            self.news.changes.extend(news.cloned());
        }
    }

    /// Counts a group, and says whether it is one that the model is to be shown a reply of.
    fn is_time(&mut self) -> bool {
        self.state.groups = self.state.groups.saturating_add(1);
        self.finder.as_ref().is_some_and(|finder| self.state.groups >= finder.every)
    }

    /// Takes in what the model said to the questions of the round before. What failed is counted, and is no criterion.
    fn take_in(&mut self, found: Vec<Found>) {
        let questions = std::mem::take(&mut self.state.questions);
        let model = self.finder.as_ref().map(|finder| finder.model.name().to_owned());
        for (question, found) in questions.iter().zip(found) {
            self.news.asked += 1;
            let criteria = match found {
                Ok(criteria) => criteria,
                Err(why) => {
                    self.news.failed += 1;
                    self.news.why.get_or_insert(why);
                    continue;
                }
            };
            for criterion in criteria {
                if question.is_of_one_patient(&criterion.text) {
                    self.news.refused += 1;
                    continue;
                }
                let (case, turn) = (question.so_far.case_id.clone(), question.so_far.turns.len());
                let origin = Origin { case, turn, model: model.clone() };
                let news = self.state.set.propose(&question.rubric, criterion, None, origin);
                self.news.changes.extend(news.cloned());
            }
        }
    }
}

/// The reply that scored highest, the first of several, where it reaches `high`.
fn best<'g, 't>(group: &'g [Answer<'t>], high: f64) -> Option<&'g Answer<'t>> {
    let scored = group.iter().filter(|it| it.reward.is_some_and(|reward| reward >= high));
    scored.fold(None::<&'g Answer<'t>>, |best, it| match best {
        Some(before) if before.reward >= it.reward => Some(before),
        _ => Some(it),
    })
}

impl<'a> Fragments<'a> {
    /// The same pool, whose rubrics change with what they mark.
    pub fn evolving(self, evolution: RubricEvolution<'a>) -> Self {
        Self { evolution: Some(evolution), ..self }
    }

    /// How its rubrics changed since this was last asked; `None` where they do not change.
    pub fn take_rubric_news(&mut self) -> Option<RubricNews> {
        self.evolution.as_mut().map(RubricEvolution::take_news)
    }

    /// What replies to `scene` are judged by in this round.
    pub(super) fn frozen(&self, scene: &Scene) -> FrozenRubric {
        let case = self.case(scene.number);
        match &self.evolution {
            None => self.generator.for_reply(case, &scene.seen()).into(),
            Some(evolution) => {
                let needs = Needs::from(&scene.script.persona);
                let core = core_rubric(&self.generator, case, needs, &scene.seen());
                evolution.state.set.frozen(core)
            }
        }
    }

    /// Ends a round for the rubrics, before any consultation is carried on; `found` is what the model said to its questions.
    pub(super) fn evolve(&mut self, marked: &Marked, found: Vec<Found>) {
        if self.evolution.is_none() {
            return;
        }
        // As it was for the round: nothing has changed since.
        let frozen: Vec<FrozenRubric> = self.scenes.iter().map(|scene| self.frozen(scene)).collect();
        let Some(mut evolution) = self.evolution.take() else { return };
        // All of them first: places in the set are those of the round's beginning.
        for ((frozen, marks), texts) in frozen.iter().zip(&marked.marks).zip(&marked.texts) {
            evolution.count_tried(frozen, marks, texts);
            evolution.record(frozen, marks);
        }
        evolution.take_in(found);
        let of_scenes =
            self.scenes.iter().zip(&frozen).zip(&marked.marks).zip(&marked.texts).zip(&marked.outputs);
        for ((((scene, frozen), marks), texts), outputs) in of_scenes {
            let so_far = scene.seen();
            let seen = Seen::new(Language::bundled(), self.case(scene.number), &so_far);
            let answers = texts.iter().zip(marks).zip(outputs).map(|((text, mark), output)| Answer {
                text,
                // One that was cut off is no answer.
                reward: mark.reward.filter(|_| output.stop != StopReason::Length),
            });
            let group: Vec<Answer> = answers.collect();
            evolution.mine(&seen, frozen, &group);
            let best = best(&group, evolution.thresholds().high);
            if let (true, Some(best)) = (evolution.is_time(), best) {
                evolution.state.groups = 0;
                evolution.state.questions.push(Question::new(scene, frozen, best.text));
            }
        }
        self.evolution = Some(evolution);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_best_is_shown_where_it_scored_high() {
        let group: Vec<Answer> = [("a", Some(0.7)), ("b", Some(0.9)), ("c", None), ("d", Some(0.9))]
            .map(|(text, reward)| Answer { text, reward })
            .to_vec();
        assert_eq!(best(&group, 0.7).map(|it| it.text), Some("b"));
        assert_eq!(best(&group[..1], 0.7).map(|it| it.text), Some("a"));
        assert_eq!(best(&group, 0.95), None);
        assert_eq!(best(&group[2..3], 0.0), None);
    }
}
