//! Candidates that a model writes, one dimension at a time.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Candidate, Origin, of_persona};
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
        ("persona", prompt.persona.as_ref().map(of_persona::shown).unwrap_or_default()),
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::chat::{ChatModel, ChatOptions, Finish, Message, Reply as Said};
    use crate::data::bank::{Bank, SynthOptions};
    use crate::data::consultation::{Consultation, Turn};
    use crate::rubric::authoring::Scenario;
    use crate::rubric::authoring::sources::record;
    use crate::rubric::authoring::templates::Templates;
    use crate::sim::Persona;

    /// Remembers what it is asked, and writes nothing.
    #[derive(Default)]
    struct Hears(Mutex<Vec<String>>);

    impl ChatModel for Hears {
        fn name(&self) -> &str {
            "hears"
        }

        fn constrains(&self) -> bool {
            true
        }

        fn reply(
            &self,
            messages: &[Message],
            _: &ChatOptions,
            _: &mut dyn Listener,
        ) -> Result<Said, ChatError> {
            self.0.lock().unwrap().extend(messages.iter().map(|it| it.content.clone()));
            let message = Message::assistant("{\"criteria\": []}");
            Ok(Said { message, finish: Finish::Stop, usage: None })
        }
    }

    #[test]
    fn a_model_is_shown_the_case_the_person_and_the_dialogue_so_far() {
        let case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
        let turn = Turn {
            doctor: "When did it start?".into(),
            patient: Some("Two days ago.".into()),
            told: Vec::new(),
            asked: Vec::new(),
            understood: true,
        };
        let opening = case.opening.clone();
        let dialogue =
            Consultation { case_id: case.id.clone(), opening, found: None, turns: vec![turn], ending: None };
        let of_nobody = record::continued(&case, &dialogue);
        let persona = Persona::draw(3);
        let person = of_persona::shown(&persona);
        let of_somebody = DraftPrompt { persona: Some(persona), ..of_nobody.clone() };
        let (templates, model) = (Templates::bundled(), Hears::default());
        let guide = templates.dimensions().of(Scenario::Consultation);
        let writer = Writer::new(&model, &templates, 0);
        for prompt in [&of_nobody, &of_somebody] {
            write(&writer, prompt, &guide.dimensions[0], &mut Vec::new(), &mut ()).unwrap();
        }
        let asked = model.0.into_inner().unwrap();
        assert_eq!(asked.len(), 2);
        assert!(asked[1].contains(&person) && asked[1].replace(&person, "") == asked[0], "{}", asked[1]);
        assert!(asked[0].contains("assistant: When did it start?\n\nuser: Two days ago.\n\n# What is known"));
        assert!(asked[0].contains(&case.truth.diagnosis));
    }
}
