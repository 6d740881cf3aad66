//! What the report of a run says beside held-out consultations: facts, curves, and where the time went.

use super::prepare::Prepared;
use crate::eval::{RunFacts, Series, TimeShare};
use crate::model::adapter::Projection;
use crate::train::config::{Adapter, Lora};
use crate::train::run::{RlMetrics, StepMetrics};

/// What a report says of patients that models play.
const PLAYED: &str = "Models played the patients in reinforcement and in all held-out consultations: before, after, and with \
                      the other doctors alike. The rewards of a run whose patients rules play are of other consultations \
                      and do not compare. Where a model gave no answer or no draft stood, rules replied: the files of \
                      held-out consultations count these turns.";

/// What the run was of.
pub(super) fn facts(prepared: &Prepared, date: &str, steps: &[StepMetrics]) -> RunFacts {
    let config = &prepared.config;
    let model = &prepared.model;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let gap = steps.iter().filter_map(|step| Some(step.rl.as_ref()?.gap.max)).fold(0.0, f64::max);
    let trained = match config.model.adapter {
        Adapter::None => "all weights".to_owned(),
        Adapter::Lora => {
            let Lora { rank, targets, .. } = &config.model.lora;
            let head =
                if targets.contains(&Projection::Head) { ", one of them on the output head" } else { "" };
            format!("adapters of rank {rank}{head}")
        }
    };
    let mut facts = vec![
        fact("model", model.architecture.class_name().to_owned()),
        fact("parameters", model.num_parameters().to_string()),
        fact("trained", trained),
        fact("vocabulary", prepared.tokenizer.vocab_size().to_string()),
        fact("steps", steps.len().to_string()),
        fact("patients trained on", prepared.patients.train.len().to_string()),
        fact("held-out consultations", prepared.patients.held_out.cases().len().to_string()),
        fact("largest gap of sampler and trainer", format!("{gap:.1e} nats")),
        fact("osler", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let mut notes = prepared.patients.notes.clone();
    if let Some(playing) = &prepared.casting.playing {
        facts.push(fact("patients played by", playing.names()));
        notes.push(PLAYED.to_owned());
    }
    RunFacts {
        name: config.name.clone(),
        date: date.to_owned(),
        seed: config.seed,
        device: config.device.to_string(),
        facts,
        notes,
    }
}

/// What changed from step to step.
pub(super) fn curves(steps: &[StepMetrics]) -> Vec<Series> {
    let rl = |value: fn(&RlMetrics) -> f64| -> Vec<[f64; 2]> {
        steps.iter().filter_map(|step| Some([step.step as f64, value(step.rl.as_ref()?)])).collect()
    };
    let of = |kind: &str, value: fn(&StepMetrics) -> f64| -> Vec<[f64; 2]> {
        let wanted = steps.iter().filter(|step| step.stage == kind);
        wanted.map(|step| [step.step as f64, value(step)]).collect()
    };
    let all = [
        Series::new("supervised loss", of("sft", |step| step.loss)).in_unit("nats a learned token"),
        Series::new("reward of sampled replies", rl(|rl| rl.reward.mean)).in_unit("mean of a step"),
        Series::new("spread of rewards", rl(|rl| rl.reward.std)).in_unit("standard deviation"),
        Series::new("reply length", rl(|rl| rl.reply_tokens.mean)).in_unit("tokens"),
        Series::new("groups of equal rewards", rl(|rl| rl.equal_groups as f64)).in_unit("groups a step"),
        Series::new("gradient norm, supervised", of("sft", |step| step.grad_norm)),
        Series::new("gradient norm, reinforcement", of("rl", |step| step.grad_norm)),
    ];
    all.into_iter().filter(|series| !series.points.is_empty()).collect()
}

/// Where the `seconds` of the run went.
pub(super) fn time(steps: &[StepMetrics], seconds: f64) -> Vec<TimeShare> {
    let sum = |kind: &str, value: fn(&StepMetrics) -> f64| -> f64 {
        steps.iter().filter(|step| step.stage == kind).map(value).sum()
    };
    let mut parts = vec![
        ("supervised: forward and backward", sum("sft", |step| step.timing.forward_backward)),
        ("supervised: optimizer", sum("sft", |step| step.timing.optimizer)),
        ("reinforcement: rollouts", sum("rl", |step| step.timing.rollout)),
        ("reinforcement: patients and marks", sum("rl", |step| step.timing.judge)),
        ("reinforcement: forward and backward", sum("rl", |step| step.timing.forward_backward)),
        ("reinforcement: optimizer", sum("rl", |step| step.timing.optimizer)),
    ];
    let counted: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    parts.push(("preparation, checkpoints, evaluation", (seconds - counted).max(0.0)));
    let share = |(name, seconds): (&str, f64)| TimeShare { name: name.to_owned(), seconds };
    parts.into_iter().map(share).collect()
}
