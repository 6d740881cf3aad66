//! The stages of a run, in the order they are done.

use std::path::PathBuf;

use super::findings::{Findings, join};
use super::legal::{Bound, Legal};
use super::near::near;
use super::overrides::kind;
use super::part::{Inner, Part, named};
use super::problem::Place;
use super::rl::{Rl, RubricRl, RuleRl};
use super::section::{Knob, Section, section};
use super::tree::{Node, Table, Value};
use super::writer::Writer;
use crate::train::schedule::{Decay, LearningRate};

/// The kinds of stages, in the order of the Baichuan-M2 report.
pub const KINDS: &[&str] = &["mid_training", "sft", "rule_rl", "rubric_rl", "rl"];

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Next-token training on medical text, held near the base model elsewhere.
    MidTraining(MidTraining),
    /// Supervised training on consultations of scripted doctors.
    Sft(Sft),
    /// Reinforcement learning on questions with one right answer.
    RuleRl(RuleRl),
    /// Reinforcement learning on open questions marked by rubric.
    RubricRl(RubricRl),
    /// Reinforcement learning in consultation.
    Rl(Rl),
}

impl Stage {
    /// The stage's `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::MidTraining(_) => "mid_training",
            Self::Sft(_) => "sft",
            Self::RuleRl(_) => "rule_rl",
            Self::RubricRl(_) => "rubric_rl",
            Self::Rl(_) => "rl",
        }
    }

    /// How its learning rate moves.
    pub fn learning_rate(&self) -> LearningRate {
        let (peak, update) = match self {
            Self::MidTraining(stage) => (stage.lr, &stage.update),
            Self::Sft(stage) => (stage.lr, &stage.update),
            Self::RuleRl(stage) => (stage.grpo.lr, &stage.grpo.update),
            Self::RubricRl(stage) => (stage.grpo.lr, &stage.grpo.update),
            Self::Rl(stage) => (stage.grpo.lr, &stage.grpo.update),
        };
        update.learning_rate(peak)
    }

    /// Whether it keeps the model it starts with, to hold the policy to it.
    pub fn keeps_reference(&self) -> bool {
        match self {
            Self::MidTraining(_) | Self::Sft(_) => false,
            Self::RuleRl(stage) => stage.grpo.keeps_reference(),
            Self::RubricRl(stage) => stage.grpo.keeps_reference(),
            Self::Rl(stage) => stage.grpo.keeps_reference(),
        }
    }

    /// What all stages share.
    pub fn update(&self) -> &Update {
        match self {
            Self::MidTraining(stage) => &stage.update,
            Self::Sft(stage) => &stage.update,
            Self::RuleRl(stage) => &stage.grpo.update,
            Self::RubricRl(stage) => &stage.grpo.update,
            Self::Rl(stage) => &stage.grpo.update,
        }
    }

    fn write_fields(&self, out: &mut Writer) {
        out.value("kind", &format!("{:?}", self.kind()));
        match self {
            Self::MidTraining(stage) => stage.write_fields(out),
            Self::Sft(stage) => stage.write_fields(out),
            Self::RuleRl(stage) => stage.write_fields(out),
            Self::RubricRl(stage) => stage.write_fields(out),
            Self::Rl(stage) => stage.write_fields(out),
        }
    }
}

/// Each kind with what it is about and its fields.
pub(super) fn described() -> [(&'static str, String, Vec<Knob>); 5] {
    [
        ("mid_training", MidTraining::about(), MidTraining::knobs()),
        ("sft", Sft::about(), Sft::knobs()),
        ("rule_rl", RuleRl::about(), RuleRl::knobs()),
        ("rubric_rl", RubricRl::about(), RubricRl::knobs()),
        ("rl", Rl::about(), Rl::knobs()),
    ]
}

section! {
    /// How the weights move, in every stage.
    pub struct Update {
        /// Steps over which the learning rate rises from 0.
        lr_warmup_steps: u64 = 0, Legal::COUNT_OR_NONE, "optimizer steps", "chosen here";
        /// What the learning rate does after the warm-up.
        lr_decay: Decay = Decay::Constant, Legal::Choice(DECAYS), "", "DAPO (arXiv 2503.14476)";
        /// Where the decay ends, as a share of `lr`.
        lr_floor: f64 = 0.0, Legal::SHARE, "", "chosen here";
        /// Weight decay of this stage; where absent, `optimizer.weight_decay`.
        weight_decay: Option<f64>, Legal::NOT_NEGATIVE, "per unit of learning rate", "chosen here";
        /// The largest norm of all gradients together; larger ones are scaled down to it.
        grad_clip: f64 = 1.0, Legal::POSITIVE, "", "verl's recipe of DAPO; Pascanu et al., arXiv 1211.5063";
        /// Tokens whose graph is held at once. It bounds memory and changes no result: the loss has one denominator for
        /// the whole batch. Where absent, as many as the longest sequence has.
        micro_batch_tokens: Option<usize>, Legal::COUNT, "tokens", "chosen here";
    }
}

named!(
    Decay, DECAYS:
    "constant" => Decay::Constant, "linear" => Decay::Linear, "cosine" => Decay::Cosine,
);

impl Update {
    fn learning_rate(&self, peak: f64) -> LearningRate {
        LearningRate { peak, warmup_steps: self.lr_warmup_steps, decay: self.lr_decay, floor: self.lr_floor }
    }
}

section! {
    /// Supervised training on consultations between a scripted doctor of mixed quality and the simulated patient. Only the
    /// doctor's words are learned.
    pub struct Sft {
        /// Consultations that are held for it, with the training patients in turn.
        consultations: u64 = 2000, Legal::Whole { least: 0, most: 100_000_000 }, "consultations",
            "chosen here";
        /// Files of further conversations, one JSON object `{"messages": [...]}` a line.
        files: Vec<PathBuf> = Vec::new(), Legal::PATHS, "", "chosen here";
        /// How often each is seen. This or `steps`; where neither is given, once.
        epochs: Option<u64>, Legal::Whole { least: 1, most: 1000 }, "passes", "the Baichuan-M2 report: 2";
        /// Optimizer steps, with as many passes as they take. This or `epochs`.
        steps: Option<u64>, Legal::COUNT, "optimizer steps", "chosen here";
        /// Tokens of one optimizer step, those that are only read included. Whole consultations, so about so many.
        batch_tokens: usize = 4096, Legal::Whole { least: 1, most: 1 << 30 }, "tokens", "chosen here";
        /// The longest consultation; what is longer is left out and counted. Where absent, the model's longest sequence.
        max_tokens: Option<usize>, Legal::Whole { least: 2, most: 1 << 30 }, "tokens",
            "the Baichuan-M2 report: 32K";
        /// The highest learning rate.
        lr: f64 = 2e-5, Legal::POSITIVE, "", "TRL's SFT default; a model from scratch wants a hundred times it";
        /// Share of the training presentations whose patients are consulted, by lot. With the others a later stage of reinforcement
        /// meets complaints that nothing was imitated on, as it has to with held-out ones.
        presentations: f64 = 1.0, Legal::Real { least: Bound::Beyond(0.0), most: Bound::At(1.0) }, "",
            "chosen here; not disclosed in the report";
        /// How good the scripted doctors are.
        doctors: Doctors, Legal::Table, "", "chosen here";
    }
    with {
        /// How the weights move.
        update: Update;
    }
}

section! {
    /// How many of the scripted doctors are of each quality, in proportion to one another.
    pub struct Doctors {
        /// Doctors who rarely slip.
        good: f64 = 1.0, Legal::NOT_NEGATIVE, "parts", "chosen here: reinforcement needs something to choose from";
        /// Doctors who slip in every consultation.
        middling: f64 = 1.0, Legal::NOT_NEGATIVE, "parts", "chosen here";
        /// Doctors who slip in every other message.
        poor: f64 = 1.0, Legal::NOT_NEGATIVE, "parts", "chosen here";
        /// Doctors who work through the same form of general questions with everybody, whatever the complaint.
        routine: f64 = 1.0, Legal::NOT_NEGATIVE, "parts",
            "chosen here: with a complaint never met, general questions are what there is to fall back on";
    }
}

section! {
    /// Mid-training (Baichuan-M2 report, 3.1): next-token loss on medical text, loss on the inserted notes of reasoning text,
    /// and on general and mathematical text only a KL divergence from the base model.
    pub struct MidTraining {
        /// Files of medical text.
        medical: Vec<PathBuf>, Legal::PATHS, "", "no default";
        /// Files of general text.
        general: Vec<PathBuf> = Vec::new(), Legal::PATHS, "", "chosen here";
        /// Files of mathematical text.
        math: Vec<PathBuf> = Vec::new(), Legal::PATHS, "", "chosen here";
        /// Tokens to train on.
        tokens: u64, Legal::COUNT, "tokens", "not disclosed in the report";
        /// Tokens of one optimizer step.
        batch_tokens: usize = 4_194_304, Legal::Whole { least: 1, most: 1 << 30 }, "tokens", "chosen here";
        /// Length of the sequences that text is packed into.
        max_tokens: usize = 4096, Legal::Whole { least: 2, most: 1 << 30 }, "tokens", "chosen here";
        /// The highest learning rate.
        lr: f64 = 1e-5, Legal::POSITIVE, "", "chosen here; not disclosed in the report";
        /// The shares of the three kinds of text.
        mix: Mix, Legal::Table, "", "the Baichuan-M2 report";
    }
    with {
        /// How the weights move.
        update: Update;
    }
}

section! {
    /// How much of each kind of text, in proportion to one another.
    pub struct Mix {
        /// Medical text.
        medical: f64 = 2.0, Legal::NOT_NEGATIVE, "parts", "the Baichuan-M2 report, 3.1";
        /// General text.
        general: f64 = 2.0, Legal::NOT_NEGATIVE, "parts", "the Baichuan-M2 report, 3.1";
        /// Mathematical text.
        math: f64 = 1.0, Legal::NOT_NEGATIVE, "parts", "the Baichuan-M2 report, 3.1";
    }
}

impl Part for Vec<Stage> {
    fn take(found: &mut Findings, path: &str, legal: Legal, node: Option<&Node>, _: Option<Self>) -> Self {
        let Some(node) = node else {
            found.refuse(path, Place::Absent, "nothing", "at least one [[stage]]");
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            found.refuse(path, node.place.clone(), node, legal);
            return Vec::new();
        };
        if items.is_empty() {
            found.refuse(path, node.place.clone(), node, "at least one [[stage]]");
        }
        let prefixes = prefixes(items.iter().map(kind));
        let stages = items.iter().zip(prefixes).map(|(item, prefix)| one(found, &join(path, &prefix), item));
        stages.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn write(&self, name: &str, out: &mut Writer) {
        for stage in self {
            out.item(name, |out| stage.write_fields(out));
        }
    }

    fn show(&self) -> String {
        "a list of tables".into()
    }

    fn inner() -> Inner {
        Inner::Stages
    }
}

/// What `--set` calls each stage: its kind, or its index where the kind is not one stage's alone.
pub(super) fn prefixes<'a>(kinds: impl Iterator<Item = Option<&'a str>>) -> Vec<String> {
    let kinds: Vec<Option<&str>> = kinds.collect();
    let alone = |kind: &str| kinds.iter().filter(|other| **other == Some(kind)).count() == 1;
    let name = |(index, kind): (usize, &Option<&str>)| match kind {
        Some(kind) if KINDS.contains(kind) && alone(kind) => (*kind).to_owned(),
        _ => index.to_string(),
    };
    kinds.iter().enumerate().map(name).collect()
}

/// Reads a stage; `None` where it is not known what it is.
fn one(found: &mut Findings, path: &str, node: &Node) -> Option<Stage> {
    let Value::Table(table) = &node.value else {
        found.refuse(path, node.place.clone(), node, Legal::Table);
        return None;
    };
    let kind_path = join(path, "kind");
    let Some(kind) = table.get("kind") else {
        found.refuse(&kind_path, node.place.clone(), "nothing", Legal::Choice(KINDS));
        return None;
    };
    match kind.text() {
        Some("mid_training") => Some(Stage::MidTraining(fields(found, path, table))),
        Some("sft") => Some(Stage::Sft(fields(found, path, table))),
        Some("rule_rl") => Some(Stage::RuleRl(fields(found, path, table))),
        Some("rubric_rl") => Some(Stage::RubricRl(fields(found, path, table))),
        Some("rl") => Some(Stage::Rl(fields(found, path, table))),
        other => {
            let meant = near(other.unwrap_or_default(), KINDS.iter().copied());
            let hint = meant.first().map(|kind| format!(" (did you mean {kind:?}?)")).unwrap_or_default();
            found.refuse(&kind_path, kind.place.clone(), kind, format!("{}{hint}", Legal::Choice(KINDS)));
            None
        }
    }
}

fn fields<S: Section>(found: &mut Findings, path: &str, table: &Table) -> S {
    let knobs = S::knobs();
    let names: Vec<&str> = std::iter::once("kind").chain(knobs.iter().map(|knob| knob.name)).collect();
    found.unknown(path, table, &names);
    S::read_fields(found, path, table)
}
