//! The steps of reinforcement learning in consultation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::casting::names_of;
use super::error::PipelineError;
use super::idle::{Idle, IdleSteps};
use super::run::{Flow, POOL, Run, add};
use super::seeds::{Draws, seed_of};
use super::step_metrics::{metrics, turns, verdicts};
use crate::engine::StopReason;
use crate::kernels::KernelBackend;
use crate::rl::{
    Clip, FlawFinder, Fragment, FragmentError, FragmentOptions, Fragments, FragmentsState, KlPenalty,
    LengthReward, NoiseFilter, Overlap, PatientTurn, PolicyLoss, ReplySampling, RubricEvolution,
    UpdateOptions, update,
};
use crate::rubric::authoring::dynamic::{DynamicSet, FlawJudge};
use crate::rubric::{Generator, Judge, RuleJudge};
use crate::sim::Mode;
use crate::train::config::{CarryOn, Detector, Noise, Rl, Role, Stage};
use crate::train::run::{Phase, RunError, StepClock};

/// A group in `rollouts.jsonl`.
#[derive(Serialize)]
struct Rollout<'a> {
    /// The step in the whole run, from 1.
    step: u64,
    case: &'a str,
    /// Exchanges before it.
    turn: usize,
    /// How the patient takes part, where it has no initiative; with what only the doctor found.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'a Mode>,
    /// What the patient had just said.
    heard: &'a str,
    replies: Vec<Reply<'a>>,
}

#[derive(Serialize)]
struct Reply<'a> {
    text: &'a str,
    reward: Option<f64>,
    advantage: f64,
    /// As sampled, and as trained on.
    ids: Vec<u32>,
    stop: StopReason,
    /// The detectors that fire on it.
    #[serde(skip_serializing_if = "<[Detector]>::is_empty")]
    noise: &'a [Detector],
}

/// A turn in `patients.jsonl`.
#[derive(Serialize)]
struct Turn<'a> {
    /// As of its group in `rollouts.jsonl`.
    step: u64,
    #[serde(flatten)]
    turn: &'a PatientTurn,
}

impl<B: KernelBackend> Run<'_, B> {
    /// Does what is left of a stage of reinforcement learning; `pool` is where its consultations stood.
    pub(super) fn reinforced(
        &mut self,
        stage: &Rl,
        pool: Option<serde_json::Value>,
    ) -> Result<Flow, PipelineError> {
        let prepared = self.prepared;
        let (grpo, positions) = (&stage.grpo, prepared.model.max_position_embeddings);
        let (rules, rules_and_flaws) = (RuleJudge::bundled(), FlawJudge::bundled());
        let casting = &prepared.casting;
        let (judging, playing) = (casting.judging.as_ref(), casting.playing.as_ref());
        // Set once nobody waits for verdicts and patients any more.
        let halt = AtomicBool::new(false);
        let halted = || halt.load(Ordering::SeqCst);
        let asked = judging.map(|judging| judging.model(&halted));
        let model = judging.zip(asked.as_ref());
        let model = model.map(|(judging, asked)| judging.judge(asked, &halted)).transpose()?;
        let judge: &dyn Judge = match &model {
            Some(model) => model,
            None if stage.evolution().is_some() => &rules_and_flaws,
            None => &rules,
        };
        let halt_finding = AtomicBool::new(false);
        let finding_halted = || halt_finding.load(Ordering::SeqCst);
        let finding = casting.finding.as_ref().map(|finding| (finding, finding.model(&finding_halted)));
        let limits = prepared.patients.limits;
        let company = playing.map(|playing| playing.company(limits, &halt));
        let options = FragmentOptions {
            consultations: stage.cases,
            sampling: ReplySampling {
                samples: grpo.group_size,
                max_new_tokens: grpo.max_new_tokens,
                temperature: grpo.temperature as f32,
            },
            best: stage.carry_on == CarryOn::Best,
            outcome: stage.outcome,
            limits,
            mode: stage.mode,
            noise: noise(&stage.noise, stage.prompt_tokens(positions)),
            length_reward: stage.length_reward.as_ref().map(|it| LengthReward {
                quantile: it.quantile,
                threshold: it.threshold,
                scale: it.scale,
            }),
            advantage: grpo.advantage.unwrap_or_else(|| grpo.objective.advantage_scale()),
            seed: seed_of(prepared.config.seed, Draws::Rollouts(self.place.stage)),
        };
        let generator = Generator::bundled(limits.turns);
        let mut fragments = Fragments::new(&prepared.patients.train, generator, judge, options)
            .interrupted_by(&prepared.patients.interruptions);
        let patience = Duration::from_secs(prepared.config.roles.options().judge_wait_seconds);
        // Rewards that hang on what a model answers are made as those that a model gives: one by one, while others are sampled.
        let played = playing.filter(|_| stage.outcome > 0.0);
        if judging.is_some() || played.is_some() {
            let most = [judging.map(|it| it.at_once), played.map(|it| it.at_once)];
            fragments = fragments.overlapping(Overlap {
                judges: most.into_iter().flatten().max().unwrap_or(1),
                // Rules leave nothing open that they could have judged.
                least_coverage: judging.map_or(0.0, |judging| judging.least_coverage),
                patience,
                halt: &halt,
            });
        }
        if let Some(company) = &company {
            fragments = fragments.played_by(company, patience);
        }
        if let Some(evolution) = stage.evolution() {
            let finder = finding.as_ref().map(|(finding, model)| FlawFinder {
                model,
                templates: &finding.templates,
                seed: seed_of(prepared.config.seed, Draws::Flaws(self.place.stage)),
                every: evolution.ask_every,
                at_once: finding.at_once,
                patience,
                halt: &halt_finding,
            });
            let set = DynamicSet::new(evolution.thresholds())?;
            fragments = fragments.evolving(RubricEvolution::new(set, finder));
        }
        if let Some(pool) = pool {
            let state: FragmentsState =
                serde_json::from_value(pool).map_err(|error| self.damaged(&error.to_string()))?;
            fragments.restore(state, &prepared.format);
        }
        let rates = Stage::Rl(stage.clone()).learning_rate().over(grpo.steps * grpo.updates)?;
        if grpo.keeps_reference() && self.reference.is_none() {
            self.reference = Some(self.policy.decoder().clone());
        }
        if !self.evaluate_owed()? {
            return Ok(Flow::Stop);
        }
        let mut idle_steps = IdleSteps::default();
        loop {
            let mut clock = StepClock::start();
            // Models can fail, and then the step is as if it had not been begun.
            let before = fragments.state();
            let tally = model.as_ref().map(|it| it.tally());
            let (groups, seconds) = match self.rounds(&mut fragments, stage.fragments, &mut clock) {
                Err(PipelineError::Fragment(
                    error @ (FragmentError::Interrupted
                    | FragmentError::NoVerdict { .. }
                    | FragmentError::NoAnswer { .. }
                    | FragmentError::Patient(_)
                    | FragmentError::Threads(_)),
                )) => {
                    fragments.restore(before, &prepared.format);
                    return self.without_answers(error, &fragments);
                }
                rounds => rounds?,
            };
            let idle = Idle::of(&groups);
            let is_too_many = idle_steps.count(idle.as_ref());
            match idle {
                Some(idle) if is_too_many => {
                    fragments.restore(before, &prepared.format);
                    return self.end_idle(idle, &fragments);
                }
                Some(idle) => self.tell_idle(idle),
                None => {}
            }
            self.log(&groups)?;
            let mut reports = Vec::new();
            for (number, share) in (0..).zip(shares(&groups, grpo.updates as usize)) {
                let options = UpdateOptions {
                    loss: PolicyLoss {
                        objective: grpo.objective,
                        clip: Clip { low: grpo.epsilon_low as f32, high: grpo.epsilon_high as f32 },
                        l_max: grpo.max_new_tokens,
                        kl: grpo
                            .keeps_reference()
                            .then_some(KlPenalty { beta: grpo.kl as f32, form: grpo.kl_form }),
                    },
                    temperature: grpo.temperature as f32,
                    micro_batch_tokens: grpo.update.micro_batch_tokens.unwrap_or(positions),
                    lr: rates.rate(self.place.stage_step * grpo.updates + number),
                    entropy: grpo.entropy,
                };
                let reference = self.reference.as_ref();
                let report = update(&mut self.policy, reference, &mut self.optimizer, share, &options);
                add(&mut clock, Phase::ForwardBackward, report.forward_backward);
                add(&mut clock, Phase::Optimizer, report.optimizer);
                reports.push((options.lr, report));
            }
            let mut metrics = metrics(&groups, &reports, &stage.noise.detectors);
            let news = fragments.take_rubric_news();
            if let (Some(model), Some(tally)) = (&model, tally) {
                verdicts(&mut metrics, &groups, &model.tally().since(&tally), news.as_ref(), seconds);
            }
            if let (Some(_), Some(rl)) = (&company, &mut metrics.rl) {
                rl.patients = Some(turns(&groups));
            }
            if let Some(news) = news {
                self.rubrics_changed(&mut metrics, &news)?;
            }
            if let Some(flow) = self.step_done(metrics, &clock, grpo.steps, Some(&fragments))? {
                return Ok(flow);
            }
            match self.evaluate_between() {
                Ok(true) => {}
                Ok(false) => {
                    self.save_unmeasured(&fragments)?;
                    return Ok(Flow::Stop);
                }
                Err(error) => {
                    // The step is done; only what it is measured by is not.
                    if error.is_of_held_out() {
                        self.save_unmeasured(&fragments)?;
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Ends the run before a step of which a judge said nothing, in which a patient's model failed or nobody could be asked, or whose end
    /// the caller did not wait for; `fragments` is as it was before the step.
    fn without_answers(
        &mut self,
        error: FragmentError,
        fragments: &Fragments<'_>,
    ) -> Result<Flow, PipelineError> {
        self.save_begun(fragments)?;
        let step = self.place.step + 1;
        match error {
            FragmentError::Interrupted => return Ok(Flow::Stop),
            FragmentError::Patient(error) => {
                return Err(PipelineError::NoPatient { step, why: Box::new(error) });
            }
            FragmentError::NoAnswer { .. } => {
                let roles = names_of(&self.prepared.config.roles, &Role::UNITS);
                return Err(PipelineError::NoAnswer { step, roles, why: Box::new(error) });
            }
            error @ FragmentError::Threads(_) => return Err(error.into()),
            _ => {}
        }
        let judge = self.prepared.config.roles.model_of(Role::Judge).unwrap_or_default().to_owned();
        Err(PipelineError::NoVerdict { step, judge, why: Box::new(error) })
    }

    /// Saves the steps that are done before the one at hand, which came to nothing; `fragments` is as it was before it.
    pub(super) fn save_begun(&mut self, fragments: &Fragments<'_>) -> Result<(), PipelineError> {
        // The end of the stage before is saved in any case.
        if self.place.stage_step > 0 { self.save_unmeasured(fragments) } else { Ok(()) }
    }

    /// `count` rounds of the pool, and the seconds in which verdicts came.
    fn rounds(
        &mut self,
        fragments: &mut Fragments<'_>,
        count: usize,
        clock: &mut StepClock,
    ) -> Result<(Vec<Fragment>, f64), PipelineError> {
        let (mut groups, mut verdicts) = (Vec::new(), 0.0);
        for _ in 0..count {
            let Self { policy, watch, .. } = self;
            let round = fragments.round_while(policy, &mut |progress| {
                watch.judged(progress.judged as u64, progress.replies as u64);
                !watch.should_stop()
            });
            let (round, seconds) = match round {
                Err(FragmentError::Request(error)) => {
                    return Err(self.refused(&error).unwrap_or(FragmentError::Request(error).into()));
                }
                round => round?,
            };
            add(clock, Phase::Rollout, seconds.rollout);
            add(clock, Phase::Judge, seconds.judge);
            verdicts += seconds.verdicts;
            groups.extend(round);
        }
        Ok((groups, verdicts))
    }

    fn log(&mut self, groups: &[Fragment]) -> Result<(), RunError> {
        let step = self.place.step + 1;
        for group in groups {
            let replies = group.group.traces().iter().zip(&group.replies).map(|(trace, reply)| Reply {
                text: &reply.text,
                reward: reply.reward,
                advantage: reply.advantage,
                ids: trace.trainable().map(|token| token.id).collect(),
                stop: trace.stop(),
                noise: &reply.noise,
            });
            self.dir.rollout(&Rollout {
                step,
                case: &group.case,
                turn: group.turn,
                mode: Some(&group.mode).filter(|mode| mode.is_passive()),
                heard: &group.heard,
                replies: replies.collect(),
            })?;
            for turn in &group.turns {
                self.dir.patient(&Turn { step, turn })?;
            }
        }
        Ok(())
    }

    fn damaged(&self, what: &str) -> PipelineError {
        let checkpoint = self.dir.dir().join("checkpoints");
        PipelineError::State { checkpoint, what: format!("`{POOL}` in its state.json: {what}") }
    }
}

fn noise(noise: &Noise, max_tokens: usize) -> NoiseFilter {
    NoiseFilter {
        ngram: noise.ngram,
        max_repetition: noise.max_repetition,
        max_said_before: noise.max_said_before,
        max_turns: noise.max_turns,
        max_tokens,
        role_marks: noise.role_marks.clone(),
        detectors: noise.detectors.clone(),
        max_words: noise.max_words,
    }
}

/// The groups in `count` parts of nearly equal size, none empty.
fn shares(groups: &[Fragment], count: usize) -> Vec<&[Fragment]> {
    let count = count.clamp(1, groups.len().max(1));
    let bound = |part: usize| part * groups.len() / count;
    (0..count).filter_map(|part| groups.get(bound(part)..bound(part + 1))).collect()
}
