//! Candidates that a model writes, one dimension at a time.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Candidate, Origin};
use crate::chat::{ChatError, Listener};
use crate::rubric::authoring::dimension::DimensionGuide;
use crate::rubric::authoring::prompt::DraftPrompt;
use crate::rubric::authoring::row::conversation;
use crate::rubric::authoring::sources::chart;
use crate::rubric::authoring::templates::Ask;
use crate::rubric::authoring::writer::{Writer, numbered};

/// A criterion as a model writes it.
#[derive(Debug, Deserialize)]
pub struct Written {
    /// In words.
    pub criterion: String,
    /// True where it describes a mistake.
    pub undesirable: bool,
    /// From 1 to 10.
    pub importance: u8,
    /// Why.
    pub why: String,
}

/// What a list of criteria looks like as a reply.
pub fn criteria_schema(most: usize) -> Value {
    json!({
        "type": "array", "maxItems": most,
        "items": {
            "type": "object", "required": ["criterion", "undesirable", "importance", "why"],
            "properties": {
                "criterion": {"type": "string", "minLength": 8, "maxLength": 600},
                "undesirable": {"type": "boolean"},
                "importance": {"type": "integer", "minimum": 1, "maximum": 10},
                "why": {"type": "string", "maxLength": 300}
            },
            "additionalProperties": false
        }
    })
}

/// Adds what the model of `writer` writes for one dimension: twice as many as will be chosen at most.
///
/// # Errors
/// Those of [`Writer::ask`].
pub fn write(
    writer: &Writer,
    prompt: &DraftPrompt,
    guide: &DimensionGuide,
    candidates: &mut Vec<Candidate>,
    listener: &mut dyn Listener,
) -> Result<(), ChatError> {
    #[derive(Deserialize)]
    struct Reply {
        criteria: Vec<Written>,
    }
    let count = 2 * guide.most;
    let mut reference = prompt.case.as_deref().map(chart::whole).unwrap_or_default();
    if let Some(it) = &prompt.reference {
        reference.push_str(&it.answer);
    }
    if reference.is_empty() {
        reference.push_str("(nothing beside the conversation)");
    }
    let there = candidates.iter().filter(|it| it.dimension == guide.name).map(|it| it.text.as_str());
    let there = numbered(there);
    let values = [
        ("conversation", conversation(&prompt.messages)),
        ("dimension", guide.name.to_string()),
        ("about", guide.asks.clone()),
        ("reference", reference),
        ("criteria", there),
        ("count", count.to_string()),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let properties = json!({"criteria": criteria_schema(count)});
    let reply: Reply = writer.ask(Ask::Candidates, &values, properties, listener)?;
    let model = writer.model.name();
    candidates.extend(reply.criteria.into_iter().map(|it| Candidate {
        dimension: guide.name,
        text: it.criterion.trim().to_owned(),
        importance: it.importance,
        undesirable: it.undesirable,
        origin: Origin::Model { model: model.to_owned(), why: it.why },
    }));
    Ok(())
}
