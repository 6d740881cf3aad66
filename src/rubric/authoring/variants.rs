//! Expansion: one prompt and its rubric become several.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::candidates::{Candidate, Origin};
use super::dimension::{Dimension, ScenarioGuide};
use super::prompt::{DraftPrompt, choice, prompt_id};
use super::row::conversation;
use super::scenario::Scenario;
use super::templates::Ask;
use super::weights::Weighted;
use super::writer::{MOST_WRITTEN, Writer};
use crate::chat::{ChatError, Listener, Message};

/// How a variant differs from the prompt it is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// It is that prompt.
    None,
    /// It asks something of the answer in addition, and has a criterion for it.
    Instruction {
        /// What is asked.
        text: String,
    },
    /// A model put it in other words.
    Wording {
        /// What the model is called.
        model: String,
    },
}

/// A prompt with its criteria, ready to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Names it.
    pub prompt_id: String,
    /// How it came about.
    pub change: Change,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The criteria.
    pub criteria: Vec<Weighted>,
}

/// What may be asked of an answer in addition: the words, and the criterion.
const INSTRUCTIONS: [(&str, &str); 6] = [
    ("Please answer in at most 120 words.", "Has at most 120 words"),
    ("Please answer as a numbered list.", "Gives the answer as a numbered list"),
    ("Please say what you cannot be sure of.", "Says what cannot be known from what was told"),
    ("Please begin with what is most urgent.", "Begins with what is most urgent"),
    ("Please explain it for somebody without medical training.", "Explains or avoids every medical term"),
    ("Please end with a summary of one sentence.", "Ends with a summary of one sentence"),
];
/// Importance of an instruction.
const IMPORTANCE: u8 = 6;

/// The prompt itself.
pub fn itself(prompt: &DraftPrompt, criteria: &[Weighted]) -> Variant {
    Variant {
        prompt_id: prompt.id.clone(),
        change: Change::None,
        messages: prompt.messages.clone(),
        criteria: criteria.to_vec(),
    }
}

/// Up to `count` variants by rules, each with an instruction of its own, drawn by `seed`. A note is not asked for in 120 words, or for somebody
/// without training.
pub fn by_rules(
    prompt: &DraftPrompt,
    criteria: &[Weighted],
    guide: &ScenarioGuide,
    count: usize,
    seed: u64,
) -> Vec<Variant> {
    let note = prompt.scenario == Scenario::NoteWriting;
    let mut legal: Vec<(&str, &str)> = INSTRUCTIONS.to_vec();
    legal.retain(|(text, _)| !note || !(text.contains("120 words") || text.contains("without medical")));
    let Some(dimension) = guide.dimension(Dimension::InstructionAdherence) else { return Vec::new() };
    let points = (f64::from(IMPORTANCE) * dimension.weight).round().clamp(1.0, 10.0) as i8;
    let mut variants = Vec::new();
    while variants.len() < count && !legal.is_empty() {
        let at = choice(seed, &format!("instruction {} {}", variants.len(), prompt.id), legal.len());
        let (text, criterion) = legal.remove(at);
        let Some(messages) = with_last(prompt, format!("{} {text}", prompt.last())) else { break };
        let mut criteria = criteria.to_vec();
        criteria.push(Weighted {
            candidate: Candidate {
                dimension: Dimension::InstructionAdherence,
                text: criterion.to_owned(),
                importance: IMPORTANCE,
                undesirable: false,
                origin: Origin::Instruction,
            },
            points,
        });
        variants.push(Variant {
            prompt_id: prompt_id(prompt.scenario, &messages),
            change: Change::Instruction { text: text.to_owned() },
            messages,
            criteria,
        });
    }
    variants
}

/// `count` variants in a model's words, with the criteria as they are. Those that repeat the prompt or each other are left out.
///
/// # Errors
/// Those of [`Writer::ask`].
pub fn ask(
    writer: &Writer,
    prompt: &DraftPrompt,
    criteria: &[Weighted],
    count: usize,
    listener: &mut dyn Listener,
) -> Result<Vec<Variant>, ChatError> {
    #[derive(Deserialize)]
    struct Reply {
        variants: Vec<String>,
    }
    // Other words for a long prompt are as long.
    let most = MOST_WRITTEN.max(2 * prompt.last().chars().count());
    let text = json!({"type": "string", "minLength": 10, "maxLength": most});
    let properties = json!({"variants": {"type": "array", "minItems": 1, "maxItems": count, "items": text}});
    let values = [("conversation", &*conversation(&prompt.messages)), ("count", &*count.to_string())];
    let reply: Reply = writer.ask(Ask::Variants, &values, properties, listener)?;
    let mut variants: Vec<Variant> = Vec::new();
    for text in reply.variants {
        let Some(messages) = with_last(prompt, text.trim().to_owned()) else { break };
        let prompt_id = prompt_id(prompt.scenario, &messages);
        if prompt_id == prompt.id || variants.iter().any(|it| it.prompt_id == prompt_id) {
            continue;
        }
        let change = Change::Wording { model: writer.model.name().to_owned() };
        variants.push(Variant { prompt_id, change, messages, criteria: criteria.to_vec() });
    }
    Ok(variants)
}

/// The conversation with another last message.
fn with_last(prompt: &DraftPrompt, text: String) -> Option<Vec<Message>> {
    let mut messages = prompt.messages.clone();
    messages.last_mut()?.content = text;
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rubric::authoring::prompt::Source;
    use crate::rubric::authoring::templates::Templates;
    use crate::rubric::authoring::writer::scripted::Scripted;

    fn prompt(scenario: Scenario) -> DraftPrompt {
        DraftPrompt::new(scenario, Source::Record { case_id: "x".into() }, "My head hurts.".into())
    }

    #[test]
    fn each_variant_asks_for_something_and_marks_it() {
        let templates = Templates::bundled();
        for (scenario, most) in [(Scenario::Triage, 6), (Scenario::NoteWriting, 4)] {
            let prompt = prompt(scenario);
            let variants = by_rules(&prompt, &[], templates.dimensions().of(scenario), 9, 0);
            assert_eq!(variants.len(), most);
            let mut ids: Vec<_> =
                variants.iter().map(|it| it.prompt_id.clone()).chain([prompt.id.clone()]).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), most + 1);
            for it in &variants {
                let Change::Instruction { text } = &it.change else { panic!("{:?}", it.change) };
                assert_eq!(it.messages[0].content, format!("My head hurts. {text}"));
                // 6 times 0.7.
                assert_eq!((it.criteria.len(), it.criteria[0].points), (1, 4));
            }
        }
    }

    #[test]
    fn a_model_that_repeats_the_prompt_gives_no_variant_of_it() {
        let templates = Templates::bundled();
        let model = Scripted::new(|_, _| {
            Ok(r#"{"variants": ["My head hurts.", "I have such a headache", "I have such a headache"]}"#
                .into())
        });
        let prompt = prompt(Scenario::Triage);
        let variants = ask(&Writer::new(&model, &templates, 0), &prompt, &[], 3, &mut ()).unwrap();
        assert_eq!(variants.len(), 1);
        assert_eq!(variants[0].messages[0].content, "I have such a headache");
    }
}
