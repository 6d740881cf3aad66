//! The affective unit by a model: a draft in the voice of the persona. Everything it reads is [`Veiled`].

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::chat::{Message, ReplySchema, Role};
use crate::sim::heard::Scene;
use crate::sim::played::claims::{Action, Claim, Support};
use crate::sim::played::noise::Noise;
use crate::sim::played::portrait::portrait;
use crate::sim::played::prompts::{PromptError, PromptName, Prompts};
use crate::sim::played::veiled::{Knowledge, Veiled, heard, one_line};

/// A model's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub reply: String,
}

/// The longest reply, in characters.
const LONGEST: usize = 1200;

pub(super) static SCHEMA: LazyLock<Arc<ReplySchema>> = LazyLock::new(|| {
    let reply = json!({"type": "string", "minLength": 1, "maxLength": LONGEST});
    super::ask::schema(
        "patient",
        json!({"type": "object", "properties": {"reply": reply}, "required": ["reply"],
            "additionalProperties": false}),
    )
});

/// A draft that did not stand, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub draft: String,
    pub faults: Vec<String>,
}

/// What the model is asked for the patient's words.
pub(super) fn prompt(scene: &Scene<'_>, prompts: &Prompts, passive: bool) -> Result<Veiled, PromptError> {
    let knowledge = Knowledge::of(scene);
    let known: Vec<Value> = knowledge
        .known
        .iter()
        .map(|it| json!({"about": one_line(&it.about), "words": one_line(&it.words)}))
        .collect();
    let values = json!({
        "person": portrait(scene.script, prompts)?,
        "known": known,
        "guarded": knowledge.guarded,
        "passive": passive,
        "said": said(scene),
        "message": heard(scene, scene.message),
    });
    Ok(Veiled::new(&prompts.fill(PromptName::Voice, values)?, &scene.script.forbidden))
}

/// The conversation before the message, as the patient may read it.
pub(super) fn said(scene: &Scene<'_>) -> Vec<Value> {
    let mut said = vec![json!({"speaker": "Patient", "text": one_line(&scene.so_far.opening)})];
    for turn in &scene.so_far.turns {
        said.push(json!({"speaker": "Doctor", "text": heard(scene, &turn.doctor)}));
        said.extend(turn.patient.as_deref().map(|it| json!({"speaker": "Patient", "text": one_line(it)})));
    }
    said
}

/// The question, and after it each draft that was refused, with why.
pub(super) fn messages(
    scene: &Scene<'_>,
    prompts: &Prompts,
    passive: bool,
    refused: &[Refused],
) -> Result<Vec<Message>, PromptError> {
    let forbidden = &scene.script.forbidden;
    let mut messages = vec![prompt(scene, prompts, passive)?.message(Role::User)];
    for it in refused {
        let draft = Veiled::new(&json!({"reply": it.draft}).to_string(), forbidden);
        messages.push(draft.message(Role::Assistant));
        let again = prompts.fill(PromptName::Again, json!({"faults": it.faults}))?;
        messages.push(Veiled::new(&again, forbidden).message(Role::User));
    }
    Ok(messages)
}

/// What is wrong with a draft that is noise, in words for the model that wrote it.
pub(super) fn noise_faults(noise: &[Noise], prompts: &Prompts) -> Result<Vec<String>, PromptError> {
    let said = |it: &Noise| {
        let filled = prompts.fill(PromptName::Fault, json!({"kind": it.name(), "words": ""}))?;
        Ok(one_line(&filled))
    };
    noise.iter().map(said).collect()
}

/// Why a draft did not stand, in words for the model that wrote it.
pub(super) fn faults(claims: &[Claim], prompts: &Prompts) -> Result<Vec<String>, PromptError> {
    let kind = |claim: &Claim| match (claim.action, claim.support) {
        (Action::Keep, _) => None,
        (Action::Strike, _) => Some("diagnosis"),
        (Action::HoldBack, _) => Some("guarded"),
        (Action::Drop, Some(Support::Supported)) => Some("not_asked"),
        (_, Some(Support::Contradicted)) => Some("contradicted"),
        _ => Some("not_known"),
    };
    let said = |kind: &str, words: &str| {
        let filled = prompts.fill(PromptName::Fault, json!({"kind": kind, "words": words}))?;
        Ok(one_line(&filled))
    };
    let found: Vec<(&str, &Claim)> = claims.iter().filter_map(|claim| Some((kind(claim)?, claim))).collect();
    if found.is_empty() {
        return Ok(vec![said("no_answer", "")?]);
    }
    found.into_iter().map(|(kind, claim)| said(kind, &one_line(&claim.text))).collect()
}
