//! The gate by a model: does the doctor's message end the consultation, and how?

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::chat::{Message, ReplySchema};
use crate::data::consultation::Ending;
use crate::sim::gate::Limits;
use crate::sim::heard::Scene;
use crate::sim::played::prompts::{PromptError, PromptName, Prompts};
use crate::sim::played::veiled::one_line;

/// What a model finds of a doctor's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The consultation goes on.
    GoesOn,
    /// A diagnosis was named and what to do.
    Concluded,
    /// The doctor says goodbye.
    Goodbye,
    /// The patient is sent to emergency care.
    Emergency,
    /// The last of several messages that repeat or make no sense.
    GaveUp,
}

/// A model's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub ending: Verdict,
}

pub(super) static SCHEMA: LazyLock<Arc<ReplySchema>> = LazyLock::new(|| {
    let endings = ["goes_on", "concluded", "goodbye", "emergency", "gave_up"];
    super::ask::schema(
        "gate",
        json!({"type": "object", "properties": {"ending": {"type": "string", "enum": endings}},
            "required": ["ending"], "additionalProperties": false}),
    )
});

/// What the model is asked.
pub(super) fn messages(
    scene: &Scene<'_>,
    limits: Limits,
    prompts: &Prompts,
) -> Result<Vec<Message>, PromptError> {
    let mut said = vec![json!({"speaker": "Patient", "text": one_line(&scene.so_far.opening)})];
    for turn in &scene.so_far.turns {
        said.push(json!({"speaker": "Doctor", "text": one_line(&turn.doctor)}));
        said.extend(turn.patient.as_deref().map(|it| json!({"speaker": "Patient", "text": one_line(it)})));
    }
    let values = json!({"said": said, "message": one_line(scene.message), "patience": limits.patience});
    Ok(vec![Message::user(prompts.fill(PromptName::Gate, values)?)])
}

/// What `verdict` means, and whether it was set aside. Messages are counted here, not by the model: the last one that `limits`
/// allow ends the consultation, and before there are [`Limits::patience`] messages they cannot have been repeated that often.
pub(super) fn ending(verdict: Verdict, scene: &Scene<'_>, limits: Limits) -> (Option<Ending>, bool) {
    let messages = scene.turn() + 1;
    let (ending, overruled) = match verdict {
        Verdict::GoesOn => (None, false),
        Verdict::Concluded => (Some(Ending::Concluded), false),
        Verdict::Goodbye => (Some(Ending::Goodbye), false),
        Verdict::Emergency => (Some(Ending::Emergency), false),
        Verdict::GaveUp if messages < limits.patience => (None, true),
        Verdict::GaveUp => (Some(Ending::GaveUp), false),
    };
    let last = (messages >= limits.turns).then_some(Ending::TurnLimit);
    (ending.or(last), overruled)
}
