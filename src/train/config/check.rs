//! Whether the parts of a run fit together. Each part has been read by now, and each rule is passed over where a field it
//! speaks of was refused already.

use super::evolution;
use super::findings::{Findings, join};
use super::model::Shape;
use super::rl::{Grpo, LengthReward};
use super::roles::{self, Role};
use super::run::RunConfig;
use super::stage::{Mix, Sft, Stage, Update, prefixes};
use crate::model::config::Architecture;
use crate::train::schedule::Decay;

/// Notes everything that does not fit.
pub(super) fn check(config: &RunConfig, found: &mut Findings) {
    model(config, found);
    data(config, found);
    roles(config, found);
    let positions = config.model.shape.as_ref().map(|shape| shape.max_positions);
    let names = prefixes(config.stage.iter().map(|stage| Some(stage.kind())));
    for (stage, name) in config.stage.iter().zip(names) {
        let path = join("stage", &name);
        match stage {
            Stage::Sft(sft) => self::sft(sft, &path, positions, found),
            Stage::MidTraining(stage) => {
                schedule(&stage.update, &path, None, found);
                mix(&stage.mix, &path, found);
                found.require(
                    !stage.medical.is_empty(),
                    &[&join(&path, "medical"), &join(&path, "mix.medical")],
                    "at least one file",
                );
                fits(stage.max_tokens, "max_tokens", &path, positions, found);
            }
            Stage::RuleRl(stage) => {
                questions(stage.files.is_empty(), stage.max_prompt_tokens, &path, positions, found);
                grpo(&stage.grpo, (stage.prompts, "prompts"), &path, positions, found);
            }
            Stage::RubricRl(stage) => {
                questions(stage.files.is_empty(), stage.max_prompt_tokens, &path, positions, found);
                grpo(&stage.grpo, (stage.prompts, "prompts"), &path, positions, found);
                length_reward(stage.length_reward.as_ref(), &path, found);
            }
            Stage::Rl(stage) => {
                grpo(
                    &stage.grpo,
                    (stage.cases.saturating_mul(stage.fragments), "cases"),
                    &path,
                    positions,
                    found,
                );
                length_reward(stage.length_reward.as_ref(), &path, found);
                evolution::thresholds(stage.rubric.as_ref(), &path, found);
                found.require(
                    stage.fragments <= config.data.turn_limit,
                    &[&join(&path, "fragments"), "data.turn_limit"],
                    format!("at most data.turn_limit ({})", config.data.turn_limit),
                );
            }
        }
    }
}

fn model(config: &RunConfig, found: &mut Findings) {
    let (model, vocabulary) = (&config.model, config.tokenizer.vocab_size);
    found.require(
        model.path.is_some() || model.shape.is_some(),
        &["model.path", "model.shape"],
        "a path, or [model.shape] for a model from scratch",
    );
    if model.path.is_some() {
        found.require(
            vocabulary.is_none(),
            &["tokenizer.vocab_size", "model.path"],
            "nothing: the model in model.path brings its tokenizer",
        );
    } else if let Some(shape) = &model.shape {
        found.require(
            vocabulary.is_some(),
            &["tokenizer.vocab_size", "model.path"],
            "a whole number of at least 300, since there is no model.path to bring a tokenizer",
        );
        if let (Some(rows), Some(entries)) = (shape.vocab_size, vocabulary) {
            found.require(
                rows >= entries,
                &["model.shape.vocab_size", "tokenizer.vocab_size"],
                format!("at least tokenizer.vocab_size ({entries})"),
            );
        }
    }
    if let Some(shape) = &model.shape {
        self::shape(shape, model.path.is_some(), found);
    }
    let targets = &model.lora.targets;
    let twice = (1..targets.len()).any(|place| targets[..place].contains(&targets[place]));
    found.require(
        !targets.is_empty() && !twice,
        &["model.lora.targets"],
        "at least one projection, each once",
    );
}

fn shape(shape: &Shape, from_file: bool, found: &mut Findings) {
    let (hidden, heads) = (shape.hidden_size, shape.heads.max(1));
    found.require(
        heads.is_multiple_of(shape.kv_heads.max(1)),
        &["model.shape.kv_heads", "model.shape.heads"],
        format!("a divisor of heads ({heads})"),
    );
    // transformers refuses such a Llama even where head_dim is given, so an export of it could not be loaded.
    if shape.head_dim.is_none() || shape.architecture == Architecture::Llama {
        found.require(
            hidden.is_multiple_of(heads),
            &["model.shape.hidden_size", "model.shape.heads", "model.shape.architecture"],
            format!("a multiple of heads ({heads})"),
        );
    }
    match shape.head_dim {
        Some(head_dim) => {
            found.require(head_dim.is_multiple_of(2), &["model.shape.head_dim"], "an even number")
        }
        None => found.require(
            !hidden.is_multiple_of(heads) || (hidden / heads).is_multiple_of(2) && hidden >= heads,
            &["model.shape.hidden_size", "model.shape.heads"],
            format!("an even multiple of heads ({heads}), since rotary embedding turns pairs"),
        ),
    }
    if from_file {
        found.require(
            shape.vocab_size.is_some(),
            &["model.shape.vocab_size"],
            "the rows of the embedding table in model.path",
        );
    }
}

fn roles(config: &RunConfig, found: &mut Findings) {
    let policy = config.roles.model_of(Role::Policy);
    found.require(policy.is_none(), &["roles.policy"], "nothing: the doctor is the model that is trained");
    roles::check(&config.roles, found);
    evolution::role(config, found);
}

fn data(config: &RunConfig, found: &mut Findings) {
    let (data, evaluation) = (&config.data, &config.evaluation);
    let most = data.heldout_patients.max(data.heldout_presentations);
    found.require(
        most > 0,
        &["data.heldout_patients", "data.heldout_presentations"],
        "at least 1 where heldout_presentations is 0 too, or nothing could be measured",
    );
    found.require(
        most == 0 || evaluation.consultations <= most,
        &["evaluation.consultations", "data.heldout_patients", "data.heldout_presentations"],
        format!("at most {most}, the patients of the larger held-out set"),
    );
}

fn sft(stage: &Sft, path: &str, positions: Option<usize>, found: &mut Findings) {
    found.require(
        stage.epochs.is_none() || stage.steps.is_none(),
        &[&join(path, "steps"), &join(path, "epochs")],
        "nothing where epochs is given: one of them says how long the stage is",
    );
    found.require(
        stage.consultations > 0 || !stage.files.is_empty(),
        &[&join(path, "consultations"), &join(path, "files")],
        "at least 1 where there are no files",
    );
    let doctors = &stage.doctors;
    found.require(
        doctors.good + doctors.middling + doctors.poor > 0.0 || stage.consultations == 0,
        &[
            &join(path, "doctors.good"),
            &join(path, "doctors.middling"),
            &join(path, "doctors.poor"),
            &join(path, "consultations"),
        ],
        "above 0 for at least one quality",
    );
    schedule(&stage.update, path, stage.steps, found);
    if let Some(tokens) = stage.max_tokens {
        fits(tokens, "max_tokens", path, positions, found);
    }
}

/// As `LearningRate::over` has it, under the names of the file.
fn schedule(update: &Update, path: &str, steps: Option<u64>, found: &mut Findings) {
    found.require(
        update.lr_decay != Decay::Constant || update.lr_floor == 0.0,
        &[&join(path, "lr_floor"), &join(path, "lr_decay")],
        "0 with a constant rate, or set lr_decay to linear or cosine",
    );
    if let Some(steps) = steps {
        found.require(
            update.lr_warmup_steps <= steps,
            &[&join(path, "lr_warmup_steps"), &join(path, "steps")],
            format!("at most the stage's optimizer steps ({steps})"),
        );
    }
}

/// `prompts` is what a step has, and `of` the field that says so.
fn grpo(
    grpo: &Grpo,
    (prompts, of): (usize, &str),
    path: &str,
    positions: Option<usize>,
    found: &mut Findings,
) {
    found.require(
        grpo.updates <= prompts as u64,
        &[&join(path, "updates"), &join(path, of)],
        format!("at most the prompts of a step ({prompts})"),
    );
    schedule(&grpo.update, path, Some(grpo.steps.saturating_mul(grpo.updates)), found);
    // A prompt has at least one token.
    fits(grpo.max_new_tokens.saturating_add(1), "max_new_tokens", path, positions, found);
}

fn fits(tokens: usize, name: &str, path: &str, positions: Option<usize>, found: &mut Findings) {
    if let Some(positions) = positions {
        let most = if name == "max_new_tokens" { positions.saturating_sub(1) } else { positions };
        found.require(
            tokens <= positions,
            &[&join(path, name), "model.shape.max_positions"],
            format!("at most {most}, so that it fits in model.shape.max_positions ({positions})"),
        );
    }
}

fn mix(mix: &Mix, path: &str, found: &mut Findings) {
    found.require(
        mix.medical > 0.0,
        &[&join(path, "mix.medical")],
        "above 0: general and mathematical text only hold the model where it is",
    );
}

fn questions(none: bool, prompt: usize, path: &str, positions: Option<usize>, found: &mut Findings) {
    found.require(!none, &[&join(path, "files")], "at least one file");
    fits(prompt, "max_prompt_tokens", path, positions, found);
}

fn length_reward(reward: Option<&LengthReward>, path: &str, found: &mut Findings) {
    if let Some(reward) = reward {
        found.require(
            reward.scale > 0.0,
            &[&join(path, "length_reward.scale")],
            "above 0; leave [length_reward] out for no bonus",
        );
    }
}
