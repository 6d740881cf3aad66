//! What each of a pool's sampled replies earned.

use std::time::Instant;

use rayon::prelude::*;

use super::turns::Answers;
use super::{FragmentError, Fragments, Scene};
use crate::data::Consultation;
use crate::engine::request::{Output, StopReason};
use crate::kernels::KernelBackend;
use crate::rl::policy::Policy;
use crate::rubric::{Criterion, Judgement, Reward, Verdict};
use crate::sim::Patient;

/// What a reply earned.
#[derive(Debug, Clone, Default)]
pub(super) struct Mark {
    pub(super) reward: Option<f64>,
    /// What the whole consultation is worth after it and the patient's answer.
    pub(super) worth: Option<f64>,
    /// Whether it has no reward because its patient, played by models, was waited for no longer.
    pub(super) unanswered: bool,
    /// What was said of it by the criteria after the core, where rubrics change. Nothing of a reply that was cut off.
    pub(super) dynamic: Vec<Verdict>,
}

/// Replies to each consultation of the pool, marked.
pub(super) struct Marked {
    pub(super) outputs: Vec<Vec<Output>>,
    pub(super) texts: Vec<Vec<String>>,
    pub(super) marks: Vec<Vec<Mark>>,
    /// What patients that models play answered.
    pub(super) answers: Answers,
    /// Seconds of sampling.
    pub(super) rollout: f64,
    /// When that ended.
    pub(super) sampled: Instant,
    /// As [`super::RoundSeconds::verdicts`].
    pub(super) verdicts: f64,
}

impl Fragments<'_> {
    /// Samples all replies, and then marks them.
    pub(super) fn marked<B: KernelBackend>(
        &self,
        policy: &mut Policy<B>,
        prompts: &[Vec<u32>],
        seeds: &[u64],
        start: Instant,
    ) -> Result<Marked, FragmentError> {
        let outputs = policy.replies(prompts, seeds, self.options.sampling)?;
        let (rollout, sampled) = (start.elapsed().as_secs_f64(), Instant::now());
        let texts = outputs
            .iter()
            .map(|group| group.iter().map(|reply| policy.text(&reply.ids)).collect::<Result<Vec<_>, _>>())
            .collect::<Result<Vec<_>, _>>()?;
        let marks: Vec<Vec<Mark>> = (&self.scenes, &texts, &outputs)
            .into_par_iter()
            .map(|(scene, texts, outputs)| self.marks(scene, texts, outputs))
            .collect();
        Ok(Marked { outputs, texts, marks, answers: Vec::new(), rollout, sampled, verdicts: 0.0 })
    }

    pub(super) fn marks(&self, scene: &Scene, texts: &[String], outputs: &[Output]) -> Vec<Mark> {
        let case = self.case(scene.number);
        let frozen = self.frozen(scene);
        let judgements = self.judge.judge_replies(case, &scene.seen(), texts, frozen.rubric());
        let whole = (self.options.outcome > 0.0).then(|| self.generator.for_consultation(case));
        let value = |criteria: &[Criterion], judgements: &[Judgement]| {
            Reward::of(criteria, judgements).ok().map(|reward| reward.value)
        };
        let replies = texts.iter().zip(outputs).zip(&judgements);
        let marks = replies.map(|((text, output), judgements)| {
            let own = value(frozen.earning(), frozen.earned(judgements));
            let worth = whole.as_ref().map(|whole| {
                let after = self.after(scene, text);
                let judgements = self.judge.judge_consultation(case, &scene.mode.seen(&after), whole);
                let worth = value(&whole.criteria, &judgements);
                (after, worth)
            });
            let mark = self.mark(output.stop, own, worth);
            if output.stop == StopReason::Length {
                return mark;
            }
            Mark { dynamic: frozen.dynamic(judgements), ..mark }
        });
        marks.collect()
    }

    /// The consultation of `scene` once the doctor has said `text` and the patient, played by rules, has answered.
    pub(super) fn after(&self, scene: &Scene, text: &str) -> Consultation {
        let mut after = scene.consultation.clone();
        Patient::new(&scene.script, self.options.limits).answer(&mut after, text);
        after
    }

    /// What a reply earned that is worth `own` by itself and, where that counts, makes this of the consultation.
    pub(super) fn mark(
        &self,
        stop: StopReason,
        own: Option<f64>,
        whole: Option<(Consultation, Option<f64>)>,
    ) -> Mark {
        let Some((after, worth)) = whole else {
            return Mark { reward: earned(own, stop), ..Mark::default() };
        };
        let reward = own.zip(worth).map(|(own, worth)| {
            let goes_on = after.ending.is_none();
            let end = if goes_on { self.prospect.expected(after.turns.len(), worth) } else { worth };
            own + self.options.outcome * (end - own)
        });
        Mark { reward: earned(reward, stop), worth, ..Mark::default() }
    }
}

/// The reward of a reply that is worth `reward`: nothing where it was cut off.
fn earned(reward: Option<f64>, stop: StopReason) -> Option<f64> {
    if stop == StopReason::Length { Some(0.0) } else { reward }
}
