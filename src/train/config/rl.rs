//! The stages of reinforcement learning.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::evolution::Evolution;
use super::initiative::MODES;
use super::legal::{Bound, Legal};
use super::part::{Named, named};
use super::section::section;
use super::stage::Update;
use crate::sim::Initiative;

/// Which loss the policy is trained by. `src/rl/objective.rs` has the formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyObjective {
    /// The Baichuan-M2 report, eq (2).
    M2,
    /// DeepSeekMath, arXiv 2402.03300; its KL term is `kl` with `kl_form = "k3"`.
    Grpo,
    /// Dr. GRPO, arXiv 2503.20783.
    DrGrpo,
    /// DAPO, arXiv 2503.14476.
    Dapo,
    /// GSPO, arXiv 2507.18071.
    Gspo,
    /// MiniMax-M1, arXiv 2506.13585.
    Cispo,
}

named!(
    PolicyObjective, OBJECTIVES:
    "m2" => PolicyObjective::M2, "grpo" => PolicyObjective::Grpo, "dr_grpo" => PolicyObjective::DrGrpo,
    "dapo" => PolicyObjective::Dapo, "gspo" => PolicyObjective::Gspo, "cispo" => PolicyObjective::Cispo,
);

impl PolicyObjective {
    /// What its source makes of a group's rewards.
    pub fn advantage_scale(self) -> AdvantageScale {
        match self {
            Self::M2 | Self::DrGrpo => AdvantageScale::Mean,
            Self::Grpo | Self::Dapo | Self::Gspo | Self::Cispo => AdvantageScale::Std,
        }
    }
}

/// How far the policy is from its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KlForm {
    /// `KL(policy || reference)` of each trained token's distribution, over the whole vocabulary.
    Full,
    /// Estimated from the sampled token alone.
    K3,
}

named!(KlForm, KL_FORMS: "full" => KlForm::Full, "k3" => KlForm::K3);

/// What a reply's advantage is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdvantageScale {
    /// Its reward less the group's mean.
    Mean,
    /// That, divided by the group's standard deviation.
    Std,
}

named!(AdvantageScale, ADVANTAGES: "mean" => AdvantageScale::Mean, "std" => AdvantageScale::Std);

section! {
    /// GRPO as the Baichuan-M2 report changes it (3.3, eq (2)): no KL term unless `kl` asks for one, a clip that is wider above than below, a loss
    /// divided by the constant `max_new_tokens` and not by each reply's length, and advantages `R_i - mean(R)` that are not
    /// divided by a deviation. `objective` and `advantage` choose its relatives instead.
    pub struct Grpo {
        /// Steps; each samples anew.
        steps: u64, Legal::COUNT, "steps", "no default";
        /// Replies to each prompt, G.
        group_size: usize = 16, Legal::Whole { least: 2, most: 4096 }, "replies", "DAPO (arXiv 2503.14476)";
        /// The longest reply, l_max, which also divides the loss. In consultation a reply that is cut off there earns nothing.
        max_new_tokens: usize = 512, Legal::Whole { least: 1, most: 1 << 24 }, "tokens",
            "TRL's GRPO default; not disclosed in the report";
        /// The loss: `m2` and `dr_grpo` divide by `max_new_tokens`, `grpo` by each reply's length, `dapo` and `cispo` by the trained
        /// tokens of the step; `gspo` clips the ratio of whole replies, `cispo` the weight of a token and never its gradient.
        /// They differ in the clip that their authors found, which is not chosen for you: `grpo` and `dr_grpo` 0.2 and 0.2, `gspo`
        /// 3e-4 and 4e-4, `cispo` only the upper one.
        objective: PolicyObjective = PolicyObjective::M2, Legal::Choice(OBJECTIVES), "",
            "the Baichuan-M2 report, eq (2)";
        /// A reply's advantage: its reward less the group's mean (`mean`), or that divided by the group's deviation (`std`). Where
        /// absent, as the objective's authors have it: `mean` for `m2` and `dr_grpo`, `std` for the others.
        advantage: Option<AdvantageScale>, Legal::Choice(ADVANTAGES), "", "the objective's";
        /// Coefficient of the divergence from the model at the stage's start in the loss. Above 0 a copy of it is kept, in memory and in
        /// checkpoints, and goes forward over every reply, those without an advantage too. TRL calls it `beta`.
        kl: f64 = 0.0, Legal::NOT_NEGATIVE, "", "the Baichuan-M2 report, 3.3: no KL term";
        /// Which divergence: over the whole vocabulary, exact and with the gradient of just that (`full`), or estimated from each
        /// sampled token, as DeepSeekMath has it and TRL without `use_bias_correction_kl` (`k3`). Where `kl` is 0 it has no effect.
        kl_form: KlForm = KlForm::Full, Legal::Choice(KL_FORMS), "", "chosen here";
        /// Whether `metrics.jsonl` has the entropy of the distributions that trained tokens are drawn from. It costs a further walk
        /// over their logits.
        entropy: bool = false, Legal::Switch, "", "chosen here";
        /// Temperature that replies are sampled at. What is trained is the distribution at this temperature.
        temperature: f64 = 1.0, Legal::POSITIVE, "", "DAPO (arXiv 2503.14476)";
        /// How far a token's probability, a reply's in `gspo`, may fall, as a share, before its gradient is cut. `cispo` does not
        /// use it.
        epsilon_low: f64 = 0.2, Legal::BETWEEN, "", "DAPO (arXiv 2503.14476)";
        /// How far it may rise.
        epsilon_high: f64 = 0.28, Legal::POSITIVE, "", "DAPO (arXiv 2503.14476)";
        /// Optimizer steps taken on the replies of one step, each on its share of the prompts. 1 keeps every reply on the
        /// policy that sampled it.
        updates: u64 = 1, Legal::Whole { least: 1, most: 1024 }, "optimizer steps", "chosen here; DAPO takes 16";
        /// Replies in flight at once over all devices; the others wait. It bounds the key/value cache and changes no reply.
        /// Where absent, all of a step.
        replies_at_once: Option<usize>, Legal::Whole { least: 1, most: 1 << 24 }, "replies", "chosen here";
        /// The highest learning rate.
        lr: f64 = 1e-6, Legal::POSITIVE, "", "DAPO (arXiv 2503.14476)";
    }
    with {
        /// How the weights move.
        update: Update;
    }
}

impl Grpo {
    /// Whether the loss holds the policy to the stage's start.
    pub fn keeps_reference(&self) -> bool {
        self.kl > 0.0
    }
}

/// Which reply a consultation goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CarryOn {
    /// One by lot, so that histories are what the policy meets in use.
    Random,
    /// The one with the highest reward, by lot among equals.
    Best,
}

named!(CarryOn, CARRY_ON: "random" => CarryOn::Random, "best" => CarryOn::Best);

section! {
    /// Multi-turn reinforcement learning (Baichuan-M2 report, 3.3.3): the policy consults with simulated patients, each history
    /// is a prompt with G replies of which only the tokens are trained, and the consultation goes on with one of them.
    pub struct Rl {
        /// Consultations that a step works on.
        cases: usize = 32, Legal::Whole { least: 1, most: 1 << 20 }, "cases", "chosen here; DAPO has 512 prompts a step";
        /// Histories of each consultation that become prompts in a step, one a round. A step has `cases * fragments` prompts,
        /// fewer where consultations end sooner.
        fragments: usize = 1, Legal::Whole { least: 1, most: 1000 }, "prompts",
            "chosen here; not disclosed in the report";
        /// Which of the G replies the consultation goes on with.
        carry_on: CarryOn = CarryOn::Random, Legal::Choice(CARRY_ON), "",
            "chosen here; not disclosed in the report";
        /// How patients take part: with all that their persona does on its own (`interactive`); without initiative (`passive`); so, and
        /// with a message and a patient's question after the opening that only the doctor finds (`interrupted`); or, drawn by the run's
        /// seed, passive three times in four and else interrupted (`drawn`). Rules play patients of all modes.
        mode: Initiative = Initiative::Interactive, Legal::Choice(MODES), "",
            "the Baichuan-M2 report; the Baichuan-M3 report, section 2.1, has `drawn`";
        /// How much of a reply's reward is what it makes of the whole consultation: the reward of the whole where the reply ends
        /// it, what it is expected to be where it goes on. The rest is what the reply itself is worth at its place.
        outcome: f64 = 0.5, Legal::SHARE, "", "chosen here; not disclosed in the report";
        /// Which consultations are dropped as noise.
        noise: Noise, Legal::Table, "", "the Baichuan-M2 report, 3.3.3";
        /// A bonus for short replies; none where the table is absent.
        length_reward: Option<LengthReward>, Legal::Table, "", "the Baichuan-M2 report has it in its rubric stage";
        /// How rubrics change with what they mark; where the table is absent they do not.
        rubric: Option<Evolution>, Legal::Table, "", "the Baichuan-M3 report, section 3, has it; the Baichuan-M2 report has not";
    }
    with {
        /// The algorithm.
        grpo: Grpo;
    }
}

impl Rl {
    /// The longest prompt, for a model that takes `positions` tokens: a reply of full length must fit behind it.
    pub fn prompt_tokens(&self, positions: usize) -> usize {
        self.noise.max_tokens.min(positions.saturating_sub(self.grpo.max_new_tokens))
    }
}

/// A detector of noise in a sampled reply. `src/rl/detect/` has a file for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// Goes over its own words again and again.
    Repetition,
    /// Has too many words.
    OverLong,
    /// Speaks as the patient, or plays both parts.
    RoleInversion,
    /// Holds marks of a chat template.
    TemplateLeakage,
    /// Leaves the language or script of the dialogue.
    LanguageSwitch,
    /// Speaks to whoever marks it.
    AddressesJudge,
}

named!(
    Detector, DETECTORS:
    "repetition" => Detector::Repetition, "over_long" => Detector::OverLong,
    "role_inversion" => Detector::RoleInversion, "template_leakage" => Detector::TemplateLeakage,
    "language_switch" => Detector::LanguageSwitch, "addresses_judge" => Detector::AddressesJudge,
);

impl Detector {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.iter().map(|(_, detector)| *detector)
    }

    /// Its name in configurations and logs.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, detector)| *detector == self).map_or("", |(name, _)| *name)
    }
}

section! {
    /// What makes a consultation unfit to learn from: repetition, overlength, a speaker who takes the other's part.
    pub struct Noise {
        /// Words or tokens that make one piece when repetition is measured.
        ngram: usize = 4, Legal::Whole { least: 1, most: 64 }, "words", "chosen here";
        /// The largest share of a message's pieces that occur in it before.
        max_repetition: f64 = 0.3, Legal::SHARE, "", "chosen here";
        /// The largest share of a doctor's message that was said in an earlier one.
        max_said_before: f64 = 0.8, Legal::SHARE, "", "chosen here";
        /// The most exchanges of a consultation.
        max_turns: usize = 20, Legal::Whole { least: 1, most: 1000 }, "exchanges", "chosen here";
        /// The most tokens of a prompt; fewer where a reply of full length would not fit behind it.
        max_tokens: usize = 4096, Legal::Whole { least: 1, most: 1 << 30 }, "tokens", "chosen here";
        /// Beginnings of lines, in lower case, that belong to a transcript or template and not to speech.
        role_marks: Vec<String> = role_marks(),
            Legal::Texts { what: "a list of texts in lower case, without spaces around them", fits: is_mark }, "",
            "chosen here";
        /// Detectors that sampled replies are put before. A consultation does not go on with a reply that one of them fires on, and
        /// `metrics.jsonl` counts what each found. They take no marks away. `docs/gaming.md` says what each looks for.
        detectors: Vec<Detector> = Vec::new(), Legal::Texts { what: DETECTORS_IN_WORDS, fits: is_detector }, "",
            "chosen here; the Baichuan-M2 report, 3.3.3, names the kinds";
        /// The most words of a reply for the detector `over_long`.
        max_words: usize = 120, Legal::COUNT, "words", "chosen here: the rubric's own bound";
    }
}

fn role_marks() -> Vec<String> {
    let marks = ["patient:", "doctor:", "user:", "assistant:", "system:", "<|im_start|>", "<|im_end|>"];
    marks.map(String::from).to_vec()
}

const DETECTORS_IN_WORDS: &str = "a list of \"repetition\", \"over_long\", \"role_inversion\", \"template_leakage\", \
     \"language_switch\", \"addresses_judge\"";

fn is_detector(text: &str) -> bool {
    DETECTORS.contains(&text)
}

fn is_mark(text: &str) -> bool {
    !text.is_empty() && text == text.trim().to_lowercase()
}

section! {
    /// A bonus for short replies among good ones (Baichuan-M2 report, eq (3)): `scale / sqrt(length)` for replies that reach
    /// the group's `quantile`, where that exceeds `threshold`.
    pub struct LengthReward {
        /// The level of the group's rewards that a reply must reach; 0.2 leaves four in five eligible.
        quantile: f64 = 0.2, Legal::SHARE, "", "the Baichuan-M2 report, eq (3)";
        /// What that level must exceed.
        threshold: f64 = 0.5, Legal::Real { least: Bound::Open, most: Bound::Open }, "",
            "chosen here; not disclosed in the report";
        /// What is divided by the root of the length. 4 is made for thousands of tokens: at 64 it would give half a point.
        scale: f64 = 4.0, Legal::NOT_NEGATIVE, "", "the Baichuan-M2 report, eq (3)";
    }
}

section! {
    /// Rule-based reinforcement learning (Baichuan-M2 report, 3.3.1): questions with one right answer, checked by rule.
    pub struct RuleRl {
        /// Files of questions.
        files: Vec<PathBuf>, Legal::PATHS, "", "no default";
        /// Questions a step.
        prompts: usize = 512, Legal::Whole { least: 1, most: 1 << 20 }, "questions", "DAPO (arXiv 2503.14476)";
        /// The longest question; longer ones are left out and counted.
        max_prompt_tokens: usize = 2048, Legal::Whole { least: 1, most: 1 << 24 }, "tokens", "verl's recipe of DAPO";
    }
    with {
        /// The algorithm.
        grpo: Grpo;
    }
}

section! {
    /// Rubric-based reinforcement learning (Baichuan-M2 report, 3.3.2): open questions, one reply each, marked by rubric.
    pub struct RubricRl {
        /// Files of questions.
        files: Vec<PathBuf>, Legal::PATHS, "", "no default";
        /// Questions a step.
        prompts: usize = 512, Legal::Whole { least: 1, most: 1 << 20 }, "questions", "DAPO (arXiv 2503.14476)";
        /// The longest question; longer ones are left out and counted.
        max_prompt_tokens: usize = 2048, Legal::Whole { least: 1, most: 1 << 24 }, "tokens", "verl's recipe of DAPO";
        /// A bonus for short replies; none where the table is absent.
        length_reward: Option<LengthReward>, Legal::Table, "", "the Baichuan-M2 report, 3.3.2";
    }
    with {
        /// The algorithm.
        grpo: Grpo;
    }
}
