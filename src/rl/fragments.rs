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

mod asking;
mod evolution;
mod marks;
mod overlap;

use std::sync::Arc;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::data::Consultation;
use crate::data::case::Case;
use crate::data::conversation::{ConversationError, DialogueFormat, History};
use crate::data::lexicon::Lexicon;
use crate::data::shuffle::shuffle;
use crate::engine::error::RequestError;
use crate::engine::request::Output;
use crate::kernels::KernelBackend;
use crate::rl::advantage::{AdvantageError, Advantages, LengthReward};
use crate::rl::filter::NoiseFilter;
use crate::rl::policy::{Policy, ReplySampling};
use crate::rl::prospect::Prospect;
use crate::rl::trace::{Group, GroupError, TraceBuilder, TraceError};
use crate::rubric::{Generator, Judge};
use crate::sim::{Limits, Patient, PatientScript, Persona};
use crate::train::config::{AdvantageScale, Detector};

pub use self::asking::FlawFinder;
pub use self::evolution::{RubricEvolution, RubricNews};
pub use self::overlap::{JudgingProgress, Overlap};

use self::evolution::EvolutionState;
use self::marks::{Mark, Marked};
use self::overlap::Round;

/// What went wrong while replies were sampled and marked.
#[derive(Debug, Error)]
pub enum FragmentError {
    /// The engine refused a prompt.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A message could not be written as ids.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// A reply could not be recorded.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Replies could not be put together.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Rewards that are no numbers.
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    /// No reply can be judged while others are sampled.
    #[error("no thread can be started to judge replies: {0}")]
    Threads(std::io::Error),
    /// The judge said nothing of anything, so that nobody knows what any reply earned.
    #[error("the judge gave no verdict on any of a round's {criteria} criteria: {why}")]
    NoVerdict {
        /// What it was asked about.
        criteria: usize,
        /// What came of the first, or that time was up.
        why: String,
    },
    /// The caller waits for verdicts no more.
    #[error("the wait for verdicts was interrupted")]
    Interrupted,
}

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
    /// What the patient has just said.
    pub heard: String,
    /// Token ids and log-probs, as sampled.
    pub group: Group,
    /// The same replies as text, with rewards and what detectors found.
    pub replies: Vec<MarkedReply>,
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

/// A consultation of the pool. The tokens are kept because they were sampled: tokenising the text again could give
/// others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneState {
    number: u64,
    consultation: Consultation,
    tokens: Vec<u32>,
    worth: Vec<f64>,
}

/// A consultation in the pool; the script follows from its number.
#[derive(Debug, Clone)]
struct Scene {
    number: u64,
    script: PatientScript,
    consultation: Consultation,
    history: History,
    /// What the consultation was worth after each exchange, as far as it could be judged.
    worth: Vec<f64>,
}

/// The pool.
pub struct Fragments<'a> {
    cases: &'a [Case],
    generator: Generator<'a>,
    judge: &'a dyn Judge,
    options: FragmentOptions,
    overlap: Option<Overlap<'a>>,
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
        let prospect = Prospect::default();
        let (overlap, evolution, scenes) = (None, None, Vec::new());
        Self { cases, generator, judge, options, overlap, evolution, scenes, prospect, next: 0, round: 0 }
    }

    /// The same, whose judge begins with each reply when it is finished.
    pub fn overlapping(self, overlap: Overlap<'a>) -> Self {
        Self { overlap: Some(overlap), ..self }
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
    /// several times a second while verdicts are waited for. Where it says no then, the round is given up.
    ///
    /// # Errors
    ///
    /// What [`FragmentError`] says; the pool stays where it was before the round.
    pub fn round_while<B: KernelBackend>(
        &mut self,
        policy: &mut Policy<B>,
        goes_on: &mut dyn FnMut(JudgingProgress) -> bool,
    ) -> Result<(Vec<Fragment>, RoundSeconds), FragmentError> {
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
        let (marked, found) = self.while_asked(goes_on, |goes_on| match &self.overlap {
            None => self.marked(policy, &prompts, &seeds, start),
            Some(overlap) => {
                let overlapped = Round { overlap, start, prompts: &prompts, seeds: &seeds };
                self.marked_while_sampled(policy, &overlapped, goes_on)
            }
        })?;
        let Marked { outputs, texts, marks, rollout, sampled, verdicts } = &marked;
        let (rollout, sampled, verdicts) = (*rollout, *sampled, *verdicts);
        let mut fragments = Vec::with_capacity(prompts.len());
        let mut chosen = Vec::with_capacity(prompts.len());
        for (index, (prompt, outputs)) in prompts.into_iter().zip(outputs).enumerate() {
            let rewards = marks[index].iter().map(|mark| mark.reward).collect();
            let rewards = self.with_bonus(rewards, outputs)?;
            let mut fragment = fragment(
                &self.scenes[index].consultation,
                prompt,
                outputs,
                &texts[index],
                (&rewards, self.options.advantage),
                policy.version(),
            )?;
            for reply in &mut fragment.replies {
                reply.noise = self.options.noise.detected(&reply.text, &self.scenes[index].consultation);
            }
            chosen.push(self.choose(&fragment, &mut rng));
            fragments.push(fragment);
        }
        self.evolve(&marked, found);
        self.carry_on(outputs, texts, marks, &chosen, policy)?;
        self.round += 1;
        let judge = sampled.elapsed().as_secs_f64();
        Ok((fragments, RoundSeconds { rollout, judge, verdicts }))
    }

    fn open<B: KernelBackend>(&mut self, policy: &Policy<B>) -> Result<Scene, ConversationError> {
        let number = self.next;
        self.next += 1;
        let script = self.script(number);
        let consultation = Patient::new(&script, self.options.limits).open();
        let mut history = History::new(policy.format());
        history.patient(&consultation.opening)?;
        Ok(Scene { number, script, consultation, history, worth: Vec::new() })
    }

    /// What the patient of case `number` plays from.
    fn script(&self, number: u64) -> PatientScript {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ 0x6f70_656e);
        rng.set_stream(number);
        let persona = Persona::draw(rng.next_u64());
        PatientScript::of_case(self.case(number), Lexicon::bundled(), persona, rng.next_u64())
    }

    /// Case `number` of an endless walk over the cases, each pass in an order of its own.
    fn case(&self, number: u64) -> &'a Case {
        let count = self.cases.len() as u64;
        let (pass, place) = (number / count, number % count);
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ 0x6361_7365);
        rng.set_stream(pass);
        let mut order: Vec<usize> = (0..self.cases.len()).collect();
        shuffle(&mut order, |n| (rng.next_u64() % n as u64) as usize);
        &self.cases[order[place as usize]]
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

    /// The reply that the consultation goes on with: none where all are noise.
    fn choose(&self, fragment: &Fragment, rng: &mut ChaCha8Rng) -> Option<usize> {
        let traces = fragment.group.traces();
        let clean = |&i: &usize| {
            self.options.noise.reply(&traces[i]).is_empty() && fragment.replies[i].noise.is_empty()
        };
        let mut fit: Vec<usize> = (0..traces.len()).filter(clean).collect();
        if self.options.best {
            let best =
                fit.iter().filter_map(|&i| fragment.replies[i].reward).fold(f64::NEG_INFINITY, f64::max);
            fit.retain(|&i| fragment.replies[i].reward == Some(best));
        }
        let draw = rng.next_u64();
        (!fit.is_empty()).then(|| fit[(draw % fit.len() as u64) as usize])
    }

    fn carry_on<B: KernelBackend>(
        &mut self,
        outputs: &[Vec<Output>],
        texts: &[Vec<String>],
        marks: &[Vec<Mark>],
        chosen: &[Option<usize>],
        policy: &Policy<B>,
    ) -> Result<(), ConversationError> {
        for (index, chosen) in chosen.iter().enumerate() {
            let scene = &mut self.scenes[index];
            let mut goes_on = false;
            if let Some(reply) = *chosen {
                let patient = Patient::new(&scene.script, self.options.limits);
                patient.answer(&mut scene.consultation, &texts[index][reply]);
                scene.worth.extend(marks[index][reply].worth);
                // Not of a consultation with gaps: its worths would count for other exchanges.
                if scene.consultation.ending.is_some() && scene.worth.len() == scene.consultation.turns.len()
                {
                    self.prospect.learn(&scene.worth);
                }
                let said = scene.consultation.turns.last().and_then(|turn| turn.patient.as_deref());
                if let (None, Some(said)) = (scene.consultation.ending, said) {
                    scene.history.reply(&outputs[index][reply].ids)?;
                    scene.history.patient(said)?;
                    let tokens = scene.history.ids().len();
                    goes_on = self.options.noise.dialogue(&scene.consultation, tokens).is_empty();
                }
            }
            if !goes_on {
                self.scenes[index] = self.open(policy)?;
            }
        }
        Ok(())
    }
}

/// The patient's last words.
fn heard(consultation: &Consultation) -> &str {
    let last = consultation.turns.last().and_then(|turn| turn.patient.as_deref());
    last.unwrap_or(&consultation.opening)
}

/// The group of replies to `prompt` in `consultation`, with what each says and earned.
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
        heard: heard(consultation).to_owned(),
        group: Group::new(traces)?,
        replies: replies
            .map(|((text, &reward), &advantage)| MarkedReply {
                text: text.clone(),
                reward,
                advantage,
                noise: Vec::new(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests;
