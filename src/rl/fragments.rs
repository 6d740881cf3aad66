//! Groups of replies to one history, out of consultations that go on (Baichuan-M2 report, section 4.6 of our reading).
//!
//! A pool of consultations is kept, each at its own turn. A round samples G replies to each, marks every reply with the
//! rubric of that moment, makes a group of them, and carries the consultation on with one reply. A consultation that has
//! ended, or has become noise, gives its place to the next case.
//!
//! A reply that was cut off at its length limit earns nothing, whatever it says: were it marked like any other, a policy
//! could learn to fill every reply up. A share of every other reward is what the reply makes of the whole consultation: what
//! that is worth where the reply ends it, and what it is expected to be worth ([`Prospect`]) where it goes on. A message alone
//! does not show that it ended too early, or that it asked for what would have come out anyway.
//!
//! Where rubrics change with what they mark ([`RubricEvolution`]), they do so between two rounds.
//!
//! Rules mark replies once all are sampled, which takes little. A judge that is slow begins with each reply when it is finished ([`Overlap`]).
//! So does a patient that models play ([`Fragments::played_by`]), where rewards hang on what it answers. Each reply is answered once: what a
//! reward was made of is what the consultation goes on with.

mod asking;
mod error;
mod evolution;
mod gathering;
mod marks;
mod overlap;
mod scenes;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::data::Consultation;
use crate::data::case::Case;
use crate::data::conversation::{DialogueFormat, History};
use crate::engine::request::Output;
use crate::kernels::KernelBackend;
use crate::rl::advantage::{AdvantageError, Advantages, LengthReward};
use crate::rl::filter::NoiseFilter;
use crate::rl::policy::{Policy, ReplySampling};
use crate::rl::prospect::Prospect;
use crate::rl::trace::{Group, TraceBuilder, TraceError};
use crate::rubric::{Generator, Judge};
use crate::sim::played::{Company, Interruption};
use crate::sim::{Initiative, Limits, Mode};
use crate::train::config::{AdvantageScale, Detector};

pub use self::asking::FlawFinder;
pub use self::error::FragmentError;
pub use self::evolution::{RubricEvolution, RubricNews};
pub use self::overlap::{JudgingProgress, Overlap};
pub use self::turns::PatientTurn;

use self::evolution::EvolutionState;
use self::marks::Marked;
use self::overlap::Round;
use self::scenes::{Scene, SceneState};

/// How consultations are held.
#[derive(Debug, Clone)]
pub struct FragmentOptions {
    /// Consultations in the pool.
    pub consultations: usize,
    /// How replies are sampled.
    pub sampling: ReplySampling,
    /// Whether the consultation goes on with the best reply, and not with one by lot.
    pub best: bool,
    /// When patients end them.
    pub limits: Limits,
    /// How patients take part.
    pub mode: Initiative,
    /// How much of a reply's reward is what it makes of the whole consultation, 0 to 1.
    pub outcome: f64,
    /// What is dropped.
    pub noise: NoiseFilter,
    /// The bonus for short replies.
    pub length_reward: Option<LengthReward>,
    /// What advantages are made of.
    pub advantage: AdvantageScale,
    /// Where all chance comes from.
    pub seed: u64,
}

/// One sampled reply with what it earned.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct MarkedReply {
    /// What was said.
    pub text: String,
    /// The reward, the length bonus included; `None` where nobody could judge.
    pub reward: Option<f64>,
    /// Whether it has none because its patient, played by models, was waited for no longer.
    pub unanswered: bool,
    /// Of its reward in the group, by [`FragmentOptions::advantage`].
    pub advantage: f64,
    /// The detectors of [`NoiseFilter::detectors`] that fire on it.
    pub noise: Vec<Detector>,
}

/// A group of replies to one history.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// The case.
    pub case: String,
    /// Exchanges before it.
    pub turn: usize,
    /// How the patient takes part.
    pub mode: Mode,
    /// What the patient has just said, as the doctor has it.
    pub heard: String,
    /// Token ids and log-probs, as sampled.
    pub group: Group,
    /// The same replies as text, with rewards and what detectors found.
    pub replies: Vec<MarkedReply>,
    /// What patients that models play answered, in the order of the replies; nothing where rules play them.
    pub turns: Vec<PatientTurn>,
}

/// A pool between two rounds, as a checkpoint keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FragmentsState {
    /// Rounds that are done.
    round: u64,
    /// The number of the next case.
    next: u64,
    prospect: Prospect,
    scenes: Vec<SceneState>,
    /// Where rubrics change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evolution: Option<EvolutionState>,
}

/// The pool.
pub struct Fragments<'a> {
    cases: &'a [Case],
    generator: Generator<'a>,
    judge: &'a dyn Judge,
    options: FragmentOptions,
    /// What interrupts.
    interruptions: &'a [Interruption],
    overlap: Option<Overlap<'a>>,
    /// Who plays patients where rules do not, and the longest wait for answers to chosen replies.
    company: Option<(&'a Company<'a>, Duration)>,
    evolution: Option<RubricEvolution<'a>>,
    scenes: Vec<Scene>,
    prospect: Prospect,
    next: u64,
    round: u64,
}

/// Seconds that a round took, by what it did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RoundSeconds {
    /// Sampling.
    pub rollout: f64,
    /// Rubrics, verdicts and patients, as far as they came after sampling.
    pub judge: f64,
    /// From the first finished reply to the last verdict, where they come while others are sampled; a part of it is in `rollout`.
    pub verdicts: f64,
}

impl<'a> Fragments<'a> {
    /// A pool at the openings of the first cases.
    ///
    /// # Panics
    /// If there are no cases.
    pub fn new(
        cases: &'a [Case],
        generator: Generator<'a>,
        judge: &'a dyn Judge,
        options: FragmentOptions,
    ) -> Self {
        assert!(!cases.is_empty(), "a pool without cases");
        Self {
            cases,
            generator,
            judge,
            options,
            interruptions: Interruption::bundled(),
            overlap: None,
            company: None,
            evolution: None,
            scenes: Vec::new(),
            prospect: Prospect::default(),
            next: 0,
            round: 0,
        }
    }

    /// The same, with `interruptions` in place of osler's own. Whose consultations are interrupted stays as it is.
    pub fn interrupted_by(self, interruptions: &'a [Interruption]) -> Self {
        Self { interruptions, ..self }
    }

    /// The same, whose judge begins with each reply when it is finished.
    pub fn overlapping(self, overlap: Overlap<'a>) -> Self {
        Self { overlap: Some(overlap), ..self }
    }

    /// The same with patients as `company` plays them, who have `patience` to answer the replies that consultations go on with once these
    /// are chosen. Where rewards hang on their answers ([`FragmentOptions::outcome`]), the pool must be [overlapping](Self::overlapping),
    /// with the same flag that halts both.
    pub fn played_by(self, company: &'a Company<'a>, patience: Duration) -> Self {
        Self { company: Some((company, patience)), ..self }
    }

    /// The pool as it stands.
    pub fn state(&self) -> FragmentsState {
        let scenes = self.scenes.iter().map(|scene| SceneState {
            number: scene.number,
            consultation: scene.consultation.clone(),
            tokens: scene.history.ids().to_vec(),
            worth: scene.worth.clone(),
        });
        let prospect = self.prospect.clone();
        let evolution = self.evolution.as_ref().map(|it| it.state.clone());
        FragmentsState { round: self.round, next: self.next, prospect, scenes: scenes.collect(), evolution }
    }

    /// Puts the pool back as it stood at `state`, which must be of the same cases, options and format.
    pub fn restore(&mut self, state: FragmentsState, format: &DialogueFormat) {
        self.round = state.round;
        self.next = state.next;
        self.prospect = state.prospect;
        let scenes = state.scenes.into_iter().map(|scene| Scene {
            number: scene.number,
            script: self.script(scene.number),
            mode: self.mode(scene.number),
            consultation: scene.consultation,
            history: History::resume(format, scene.tokens),
            worth: scene.worth,
        });
        self.scenes = scenes.collect();
        if let (Some(evolution), Some(state)) = (&mut self.evolution, state.evolution) {
            evolution.restore(state);
        }
    }

    /// One round: a group of replies to each consultation of the pool.
    pub fn round<B: KernelBackend>(
        &mut self,
        policy: &mut Policy<B>,
    ) -> Result<(Vec<Fragment>, RoundSeconds), FragmentError> {
        self.round_while(policy, &mut |_| true)
    }

    /// The same. Where replies are judged while others are sampled, `goes_on` hears how far that is, each time a reply is finished and
    /// several times a second while verdicts, or patients that models play, are waited for. Where it says no then, the round is given up.
    ///
    /// # Errors
    ///
    /// What [`FragmentError`] says; the pool stays where it was before the round.
    ///
    /// # Panics
    /// If models play patients and rewards hang on their answers, and the pool is not overlapping.
    pub fn round_while<B: KernelBackend>(
        &mut self,
        policy: &mut Policy<B>,
        goes_on: &mut dyn FnMut(JudgingProgress) -> bool,
    ) -> Result<(Vec<Fragment>, RoundSeconds), FragmentError> {
        let overlaps = self.company.is_none() || self.overlap.is_some() || self.options.outcome <= 0.0;
        assert!(overlaps, "answers of models that rewards hang on come while replies are sampled");
        while self.scenes.len() < self.options.consultations {
            let scene = self.open(policy)?;
            self.scenes.push(scene);
        }
        let start = Instant::now();
        let prompts: Vec<Vec<u32>> = self
            .scenes
            .iter()
            .map(|s| s.history.begin_reply().map(<[u32]>::to_vec))
            .collect::<Result<_, _>>()?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        rng.set_stream(self.round);
        let seeds: Vec<u64> = prompts.iter().map(|_| rng.next_u64()).collect();
        let (mut marked, found) = self.while_asked(goes_on, |goes_on| match &self.overlap {
            None => self.marked(policy, &prompts, &seeds, start),
            Some(overlap) => {
                let overlapped = Round { overlap, start, prompts: &prompts, seeds: &seeds };
                self.marked_while_sampled(policy, &overlapped, goes_on)
            }
        })?;
        let mut fragments = Vec::with_capacity(prompts.len());
        let mut chosen = Vec::with_capacity(prompts.len());
        for (index, (prompt, outputs)) in prompts.into_iter().zip(&marked.outputs).enumerate() {
            let rewards = marked.marks[index].iter().map(|mark| mark.reward).collect();
            let rewards = self.with_bonus(rewards, outputs)?;
            let mut fragment = fragment(
                &self.scenes[index].consultation,
                prompt,
                outputs,
                &marked.texts[index],
                (&rewards, self.options.advantage),
                policy.version(),
            )?;
            fragment.mode = self.scenes[index].mode.clone();
            if let (0, Mode::Interrupted(found)) = (fragment.turn, &fragment.mode) {
                fragment.heard = found.patient.clone();
            }
            for (reply, mark) in fragment.replies.iter_mut().zip(&marked.marks[index]) {
                reply.unanswered = mark.unanswered;
                reply.noise = self.options.noise.detected(&reply.text, &self.scenes[index].consultation);
            }
            chosen.push(self.choose(&fragment, &mut rng));
            fragments.push(fragment);
        }
        if let Some((company, patience)) = self.company {
            let texts = &marked.texts;
            self.ask(company, patience, texts, &chosen, &mut marked.answers, goes_on)?;
            for ((fragment, answers), chosen) in fragments.iter_mut().zip(&marked.answers).zip(&chosen) {
                fragment.turns = turns::of(answers, *chosen);
            }
        }
        self.evolve(&marked, found);
        self.carry_on(&marked, &chosen, policy)?;
        self.round += 1;
        let Marked { rollout, sampled, verdicts, .. } = marked;
        let judge = sampled.elapsed().as_secs_f64();
        Ok((fragments, RoundSeconds { rollout, judge, verdicts }))
    }

    fn with_bonus(
        &self,
        mut rewards: Vec<Option<f64>>,
        outputs: &[Output],
    ) -> Result<Vec<Option<f64>>, AdvantageError> {
        let Some(bonus) = &self.options.length_reward else { return Ok(rewards) };
        let judged: Vec<usize> = (0..rewards.len()).filter(|&i| rewards[i].is_some()).collect();
        if judged.is_empty() {
            return Ok(rewards);
        }
        let values: Vec<f64> = judged.iter().filter_map(|&i| rewards[i]).collect();
        let lengths: Vec<usize> = judged.iter().map(|&i| outputs[i].ids.len()).collect();
        for (i, bonus) in judged.into_iter().zip(bonus.bonuses(&values, &lengths)?) {
            rewards[i] = rewards[i].map(|reward| reward + bonus);
        }
        Ok(rewards)
    }
}

/// The patient's last words.
fn heard(consultation: &Consultation) -> &str {
    let last = consultation.turns.last().and_then(|turn| turn.patient.as_deref());
    last.unwrap_or(&consultation.opening)
}

/// The group of replies to `prompt` in `consultation`, with what each says and earned, of a patient with all initiative.
pub(super) fn fragment(
    consultation: &Consultation,
    prompt: Vec<u32>,
    outputs: &[Output],
    texts: &[String],
    (rewards, scale): (&[Option<f64>], AdvantageScale),
    version: u64,
) -> Result<Fragment, FragmentError> {
    let prompt: Arc<[u32]> = prompt.into();
    let traces = outputs
        .iter()
        .map(|output| {
            let mut trace = TraceBuilder::new(prompt.clone(), version)?;
            trace.sampled(&output.ids, &output.sampling_logprobs)?;
            trace.finish(output.stop)
        })
        .collect::<Result<Vec<_>, TraceError>>()?;
    let advantages = Advantages::scaled(rewards, scale)?;
    let replies = texts.iter().zip(rewards).zip(advantages.values());
    Ok(Fragment {
        case: consultation.case_id.clone(),
        turn: consultation.turns.len(),
        mode: Mode::Proactive,
        heard: heard(consultation).to_owned(),
        turns: Vec::new(),
        group: Group::new(traces)?,
        replies: replies
            .map(|((text, &reward), &advantage)| MarkedReply {
                text: text.clone(),
                reward,
                advantage,
                ..MarkedReply::default()
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests;
