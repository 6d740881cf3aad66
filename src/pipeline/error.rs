//! What can go wrong with a run.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::data::bank::SynthError;
use crate::data::conversation::ConversationError;
use crate::data::import::ImportError;
use crate::data::{TemplateError, TokenizerError};
use crate::engine::OpenError;
use crate::engine::error::EngineError;
use crate::eval::{CompareError, EvaluationError, HeldOutError, MeasureError};
use crate::model::weights::WeightsError;
use crate::rl::FragmentError;
use crate::rl::heldout::PlayError;
use crate::roles::OpenRolesError;
use crate::roles::RolePromptsError;
use crate::rubric::authoring::dynamic::ThresholdError;
use crate::rubric::model_judge::JudgeSettingError;
use crate::sim::dialogue::DemonstrationError;
use crate::sim::played::{CompanyError, PlayedError};
use crate::train::ScheduleError;
use crate::train::checkpoint::CheckpointError;
use crate::train::run::RunError;

/// Why a run could not be prepared or could not go on. What was saved before is still there.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// Patients could not be drawn.
    #[error(transparent)]
    Synth(#[from] SynthError),
    /// Records could not be read.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Two cases of one name.
    #[error("data.cases: two cases are called `{id}`, each must have its own id")]
    DuplicateCase {
        /// The name.
        id: String,
    },
    /// Nothing left to train on or to measure with.
    #[error(
        "data.cases: {found} cases with something to tell are too few: at least one must be trained on and another held \
         out, of a presentation of its own or one with several patients"
    )]
    TooFewCases {
        /// How many there are.
        found: usize,
    },
    /// Held-out patients could not be set up.
    #[error(transparent)]
    HeldOut(#[from] HeldOutError),
    /// Consultations to learn from could not be drawn.
    #[error(transparent)]
    Demonstration(#[from] DemonstrationError),
    /// No consultation could be learned from.
    #[error(
        "stage {stage}: none of {found} consultations can be learned from; {too_long} are longer than max_tokens or \
         batch_tokens"
    )]
    NoLessons {
        /// The stage's place, from 0.
        stage: usize,
        /// How many there are.
        found: usize,
        /// How many of them are too long.
        too_long: usize,
    },
    /// The vocabulary.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template.
    #[error("chat template: {0}")]
    Template(#[from] TemplateError),
    /// There is none.
    #[error("the model in model.path has no chat template, which says how a conversation is written")]
    NoTemplate,
    /// A consultation could not be written as ids.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// The configuration names no model; a checked one does.
    #[error("the configuration names neither model.path nor [model.shape] with tokenizer.vocab_size")]
    NoModel,
    /// The model or the device could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The engine does not fit.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The learning rate.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Replies could not be sampled or marked.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// A held-out consultation could not be led.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// Held-out consultations could not be marked.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// Other doctors could not be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// Before and after could not be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// The run's folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The model could not be written.
    #[error("the model could not be exported: {0}")]
    Export(WeightsError),
    /// The model of a role could not be opened.
    #[error(transparent)]
    Roles(#[from] OpenRolesError),
    /// What a model in a role is told cannot be used.
    #[error(transparent)]
    RolePrompts(#[from] RolePromptsError),
    /// A judge cannot be asked like this.
    #[error("the judge of [roles]: {0}")]
    JudgeSetting(#[from] JudgeSettingError),
    /// Rubrics cannot change by these thresholds; a checked configuration has others.
    #[error("[stage.rubric]: {0}")]
    Thresholds(#[from] ThresholdError),
    /// The judge failed wholly. The steps of before are saved.
    #[error(
        "step {step}: {why}. What the step sampled is lost and all steps before it are saved; once `{judge}` answers again, go on \
         with `osler train --resume`"
    )]
    NoVerdict {
        /// The step that could not be made, from 1.
        step: u64,
        /// The model's name in `[models]`.
        judge: String,
        /// What it said.
        why: Box<FragmentError>,
    },
    /// A patient's model failed, and rules may not do its work. The steps of before are saved.
    #[error(
        "step {step}: {why}. What the step sampled is lost and all steps before it are saved; once it answers again, go on with \
         `osler train --resume`. With roles.options.on_failure = \"rules\" in a new run rules do its work"
    )]
    NoPatient {
        /// The step that could not be made, from 1.
        step: u64,
        /// What it said.
        why: Box<PlayedError>,
    },
    /// Nobody said what replies earned, for several steps in a row. The steps of before are saved.
    #[error(
        "step {step}: nothing was learned for {steps} steps in a row: {without} replies of the last have no reward, since {why}. What this \
         step sampled is lost and all steps before it are saved; then go on with `osler train --resume`"
    )]
    NothingLearned {
        /// The step that was one too many, from 1.
        step: u64,
        /// How many in a row.
        steps: u64,
        /// Who is to be looked at, e.g. "judge (`verifier`)".
        role: String,
        /// Replies of the last step without a reward.
        without: usize,
        /// Why, and what to look at.
        why: String,
    },
    /// Patients that models play took too long over the replies that consultations go on with. The steps of before are saved.
    #[error(
        "step {step}: {why}. What the step sampled is lost and all steps before it are saved. Look at the servers of the models in the \
         roles {roles}; once they answer in time, go on with `osler train --resume`. roles.options.judge_wait_seconds of a new run is how long \
         they have"
    )]
    NoAnswer {
        /// The step that could not be made, from 1.
        step: u64,
        /// The roles of a patient that models play.
        roles: String,
        /// What was waited for.
        why: Box<FragmentError>,
    },
    /// A patient's model failed in a held-out consultation.
    #[error(
        "held-out consultations after step {step}: {why}. All steps are saved; once it answers again, go on with \
         `osler train --resume`, which holds these consultations again"
    )]
    NoHeldOutPatient {
        /// The steps that were done.
        step: u64,
        /// What it said.
        why: Box<PlayedError>,
    },
    /// The patients of held-out consultations gave no replies for too long.
    #[error(
        "held-out consultations after step {step}: none of {patients} patients who were still to reply did so within {patience:?}. All steps          are saved; once the servers of their models answer in time, go on with `osler train --resume`, which holds these consultations again.          roles.options.judge_wait_seconds of a new run is how long they have"
    )]
    NoHeldOutAnswer {
        /// The steps that were done.
        step: u64,
        /// Who had not replied.
        patients: usize,
        /// How long nobody did.
        patience: Duration,
    },
    /// No patient of a held-out consultation can be asked.
    #[error(
        "held-out consultations after step {step}: no thread can be started to ask patients: {why}. All steps are saved; once the \
         system has threads to spare, go on with `osler train --resume`, which holds these consultations again"
    )]
    NoHeldOutThread {
        /// The steps that were done.
        step: u64,
        /// What the system said.
        why: io::Error,
    },
    /// A stage that no code does yet.
    #[error("stage {kind} is not built yet: take it out of the file")]
    NotBuilt {
        /// The stage's kind.
        kind: &'static str,
    },
    /// Numbers that are none.
    #[error(
        "step {step}: the {what} is {found}, so training has diverged; the run ended before saving that. Begin a new run \
         with a lower learning rate (stage.{stage}.lr) or a longer warm-up (stage.{stage}.lr_warmup_steps)"
    )]
    Diverged {
        /// The step that could not be made or saved, from 1.
        step: u64,
        /// The kind of the stage that trained the weights.
        stage: &'static str,
        /// E.g. `loss` or `gradient's norm`.
        what: String,
        /// The value.
        found: f64,
    },
    /// A checkpoint of a state that this configuration cannot have.
    #[error("{} cannot be resumed from: {what}", .checkpoint.display())]
    State {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A file of the run that can no longer be made is missing or damaged.
    #[error(
        "{} {what}; it holds the consultations from before reinforcement learning, which cannot be held again after it. \
         Put it back, or start a new run",
        .file.display()
    )]
    Before {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Something that is no model lies where the trained model goes.
    #[error("{} is in the way of the trained model and is none itself. Move it away, then go on", .path.display())]
    ModelInTheWay {
        /// What lies there.
        path: PathBuf,
    },
}

impl PipelineError {
    /// Why the patients of held-out consultations after `step` steps gave no replies; `None` where the caller waits no more.
    pub(super) fn of_held_out(step: u64, error: CompanyError) -> Option<Self> {
        match error {
            CompanyError::Interrupted => None,
            CompanyError::Silent { patients, patience } => {
                Some(Self::NoHeldOutAnswer { step, patients, patience })
            }
            CompanyError::Threads(why) => Some(Self::NoHeldOutThread { step, why }),
            CompanyError::Patient(why) => Some(Self::NoHeldOutPatient { step, why: Box::new(why) }),
        }
    }

    /// Whether it is of held-out consultations alone: all steps before them are done.
    pub(super) fn is_of_held_out(&self) -> bool {
        matches!(
            self,
            Self::NoHeldOutPatient { .. } | Self::NoHeldOutAnswer { .. } | Self::NoHeldOutThread { .. }
        )
    }
}

impl From<CheckpointError> for PipelineError {
    fn from(error: CheckpointError) -> Self {
        Self::Run(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::ChatError;
    use crate::sim::played::UnitName;

    #[test]
    fn a_patient_that_fails_is_told_from_a_system_without_threads() {
        assert!(PipelineError::of_held_out(7, CompanyError::Interrupted).is_none());
        let full = io::Error::other("the table of processes is full");
        let threads = PipelineError::of_held_out(7, CompanyError::Threads(full)).unwrap();
        assert!(matches!(threads, PipelineError::NoHeldOutThread { step: 7, .. }));
        let source = ChatError::model(io::Error::other("the model is down"));
        let played = PlayedError::Unit { unit: UnitName::Gate, model: "m".into(), source };
        let patient = PipelineError::of_held_out(7, CompanyError::Patient(played)).unwrap();
        assert!(matches!(patient, PipelineError::NoHeldOutPatient { step: 7, .. }));
        let patience = Duration::from_secs(600);
        let silent = PipelineError::of_held_out(7, CompanyError::Silent { patients: 3, patience }).unwrap();
        let all = [
            (threads, "table of processes is full"),
            (patient, "the model is down"),
            (silent, "none of 3 patients who were still to reply did so within 600s"),
        ];
        for (error, why) in all {
            assert!(error.is_of_held_out());
            let said = error.to_string();
            assert!(said.contains(why) && said.contains("--resume"), "{said}");
        }
        assert!(!PipelineError::NoModel.is_of_held_out());
    }
}
