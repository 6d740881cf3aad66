//! The whole of a run, and what belongs to no stage.

use super::data::{Data, Phi};
use super::initiative::MODES;
use super::legal::{Bound, Legal};
use super::model::{Model, Tokenizer};
use super::part::{Bytes, named};
use super::roles::Roles;
use super::section::section;
use super::stage::Stage;
use crate::engine::Device;
use crate::kernels::selection::Kernels;
use crate::model::weights::export::parse_size;
use crate::sim::Initiative;

named!(Kernels, KERNELS: "fused" => Kernels::Fused, "reference" => Kernels::Reference);

section! {
    /// A run: what is trained, on what, in which stages.
    pub struct RunConfig {
        /// The run's name, which names its folder too.
        name: String, Legal::Text { what: "1 to 64 letters, digits, `-`, `_` and `.`, no `.` first", fits: is_name }, "",
            "no default";
        /// Where all chance of the run comes from: the same seed gives the same run.
        seed: u64 = 1, Legal::Whole { least: 0, most: i64::MAX as u64 }, "", "chosen here";
        /// The device: `cpu`, `wgpu`, `cuda` or `cuda:N`. GPUs need a build with that feature.
        device: Device = Device::Cpu,
            Legal::Text { what: "cpu, wgpu, cuda or cuda:N", fits: |text| text.parse::<Device>().is_ok() }, "",
            "chosen here";
        /// Devices, one process each, over which weights, gradients and optimizer state are split.
        ranks: usize = 1, Legal::Whole { least: 1, most: 4096 }, "processes", "chosen here";
        /// CPU threads; 0 takes all.
        threads: usize = 0, Legal::Whole { least: 0, most: 1024 }, "threads", "chosen here";
        /// What computes: `fused` for kernels of osler's own, where the device has them, `reference` for plain tensor operations,
        /// which are slow and tell a kernel's mistake from another.
        kernels: Kernels = Kernels::Fused, Legal::Choice(KERNELS), "", "chosen here";
        /// What is trained.
        model: Model, Legal::Table, "", "no default";
        /// How text becomes tokens.
        tokenizer: Tokenizer, Legal::Table, "", "no default";
        /// Which patients it meets.
        data: Data, Legal::Table, "", "no default";
        /// How identifiers of persons are kept out.
        phi: Phi, Legal::Table, "", "no default";
        /// AdamW.
        optimizer: Optimizer, Legal::Table, "", "no default";
        /// What is kept in case the run is interrupted.
        checkpoint: Checkpoint, Legal::Table, "", "no default";
        /// How the model is measured before and after.
        evaluation: Evaluation, Legal::Table, "", "no default";
        /// What the run may use.
        limits: Limits, Legal::Table, "", "no default";
        /// The stages, done in the order of the file.
        stage: Vec<Stage>, Legal::Tables, "", "no default";
    }
    with {
        /// Which models play the patient and the verifier.
        roles: Roles;
    }
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('.')
}

section! {
    /// AdamW (Loshchilov and Hutter, arXiv 1711.05101), with moments and master weights in f32.
    pub struct Optimizer {
        /// Decay of the running mean of gradients.
        beta1: f64 = 0.9, Legal::BELOW_ONE, "", "Adam (arXiv 1412.6980)";
        /// Decay of the running mean of their squares.
        beta2: f64 = 0.999, Legal::BELOW_ONE, "", "Adam (arXiv 1412.6980)";
        /// Added to the root of the latter.
        eps: f64 = 1e-8, Legal::POSITIVE, "", "Adam (arXiv 1412.6980)";
        /// How much of each weight matrix a step takes away, times the learning rate. Norms and biases are spared.
        weight_decay: f64 = 0.1, Legal::NOT_NEGATIVE, "per unit of learning rate", "verl's recipe of DAPO";
    }
}

section! {
    /// Checkpoints: model, optimizer, random numbers and place in the data, written to a temporary name and renamed.
    pub struct Checkpoint {
        /// Steps between checkpoints.
        every: u64 = 10, Legal::COUNT, "steps", "chosen here";
        /// How many are kept; older ones are removed.
        keep: usize = 2, Legal::Whole { least: 1, most: 10_000 }, "checkpoints",
            "chosen here: one may be damaged by a full disk";
        /// How much work a power cut may cost. The end of the process costs none that a checkpoint holds; to wait for the disk at each of
        /// them would take longer than a small step. The last one that was flushed to the disk is kept beside the newest. 0 flushes all.
        flush_seconds: u64 = 30, Legal::Whole { least: 0, most: 86_400 }, "seconds", "chosen here";
    }
}

section! {
    /// Held-out consultations, before and after reinforcement learning, with the same patients.
    pub struct Evaluation {
        /// Consultations with each of the two held-out sets; at most as many as each holds.
        consultations: usize = 100, Legal::Whole { least: 1, most: 1_000_000 }, "consultations", "chosen here";
        /// Resamples of the paired bootstrap that gives confidence intervals.
        resamples: usize = 1000, Legal::Whole { least: 100, most: 10_000_000 }, "resamples",
            "HealthBench (arXiv 2505.08775)";
        /// Temperature that replies are sampled at; 0 takes the likeliest token.
        temperature: f64 = 0.0, Legal::Real { least: Bound::At(0.0), most: Bound::Open }, "",
            "chosen here; the Baichuan-M2 report has 0.6";
        /// How patients take part, as `mode` of a stage of kind `rl`: `interactive`, `passive`, `interrupted` or `drawn`. All doctors meet
        /// them so; scripted ones do not read what interrupts.
        mode: Initiative = Initiative::Interactive, Legal::Choice(MODES), "",
            "the Baichuan-M2 report; the Baichuan-M3 report, section 2.1, has `drawn`";
        /// Steps between evaluations during reinforcement learning; where absent, only before and after.
        every: Option<u64>, Legal::COUNT, "steps", "chosen here";
    }
}

section! {
    /// What the run may use. It stops in time, having saved, rather than be killed.
    pub struct Limits {
        /// The most memory; a plan that needs more is refused. Where absent, what is free.
        memory: Option<Bytes>, Legal::Text { what: "a size, e.g. \"2GB\"", fits: |text| parse_size(text).is_ok() }, "",
            "chosen here";
        /// The longest one sitting may take; the step at hand is finished and saved, and a run that goes on has the time
        /// anew. A sitting takes one step at least, and what follows the last step is done whole by the next. Where absent,
        /// no limit.
        seconds: Option<u64>, Legal::COUNT, "seconds", "chosen here";
    }
}
