//! Prompts with their rubrics, in HealthBench's lines.
//!
//! The shape is that of `healthbench_eval.py` of openai/simple-evals: it reads `prompt_id`, `prompt`, `rubrics` (each with `criterion`,
//! `points`, `tags`), `example_tags`, and in one of its modes `ideal_completions_data`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::dimension::Dimension;
use crate::chat::Message;

/// A prompt and its rubric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RubricRow {
    /// Names it.
    pub prompt_id: String,
    /// The conversation, which ends with the user.
    pub prompt: Vec<Message>,
    /// The criteria.
    pub rubrics: Vec<RubricItem>,
    /// `kind:value`, each once.
    pub example_tags: Vec<String>,
    /// Physicians' answers; rows of this project have none.
    #[serde(default)]
    pub ideal_completions_data: Option<Value>,
    /// Whatever else the line holds.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RubricItem {
    /// In words.
    pub criterion: String,
    /// As they were written: a whole number without decimals stays one, since graders are shown it.
    pub points: Number,
    /// `kind:value`, each once.
    pub tags: Vec<String>,
}

impl RubricItem {
    /// A criterion of a dimension, tagged for this project's readers and for HealthBench's.
    pub fn new(criterion: impl Into<String>, points: i8, dimension: Dimension) -> Self {
        let tags = vec![
            "level:example".to_owned(),
            format!("axis:{}", dimension.healthbench_axis()),
            format!("dimension:{dimension}"),
        ];
        Self { criterion: criterion.into(), points: points.into(), tags }
    }

    /// The points, where they are legal: a whole number from -10 to 10 and not 0.
    pub fn legal_points(&self) -> Option<i8> {
        let points = self.points.as_f64().filter(|it| it.fract() == 0.0 && it.abs() <= 10.0 && *it != 0.0)?;
        Some(points as i8)
    }

    /// The value of its first tag of a kind.
    pub fn tag(&self, kind: &str) -> Option<&str> {
        self.tags.iter().find_map(|tag| tag.strip_prefix(kind)?.strip_prefix(':'))
    }
}

/// A conversation as HealthBench shows it to a grader: `role: content`, with an empty line between.
pub fn conversation(messages: &[Message]) -> String {
    let lines: Vec<String> = messages.iter().map(|it| format!("{}: {}", it.role, it.content)).collect();
    lines.join("\n\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_item() -> impl Strategy<Value = RubricItem> {
        let points = prop_oneof![1i8..=10, -10i8..=-1];
        ("\\PC{1,40}", points, prop::sample::select(Dimension::ALL.to_vec()))
            .prop_map(|(text, points, dimension)| RubricItem::new(text, points, dimension))
    }

    fn any_row() -> impl Strategy<Value = RubricRow> {
        let rubrics = prop::collection::vec(any_item(), 0..6);
        ("[a-z0-9-]{1,20}", "\\PC{0,80}", rubrics, any::<bool>()).prop_map(|(id, text, rubrics, more)| {
            let mut other = Map::new();
            if more {
                other.insert("canary".into(), "x".into());
            }
            RubricRow {
                prompt_id: id,
                prompt: vec![Message::system("s"), Message::user(text)],
                rubrics,
                example_tags: vec!["theme:hedging".into()],
                ideal_completions_data: None,
                other,
            }
        })
    }

    proptest! {
        #[test]
        fn a_line_reads_back_as_it_was(row in any_row()) {
            let line = serde_json::to_string(&row).unwrap();
            prop_assert!(!line.contains('\n'));
            let back: RubricRow = serde_json::from_str(&line).unwrap();
            prop_assert!(back.rubrics.iter().all(|item| item.legal_points().is_some()));
            prop_assert_eq!(back, row);
        }
    }

    #[test]
    fn it_is_what_simple_evals_reads() {
        let row = RubricRow {
            prompt_id: "a".into(),
            prompt: vec![Message::user("Hi")],
            rubrics: vec![RubricItem::new("Greets", -3, Dimension::EthicsSafety)],
            example_tags: vec!["theme:hedging".into()],
            ideal_completions_data: None,
            other: Map::new(),
        };
        let expected = r#"{"prompt_id":"a","prompt":[{"role":"user","content":"Hi"}],"rubrics":[{"criterion":"Greets","points":-3,"tags":["level:example","axis:completeness","dimension:ethics_safety"]}],"example_tags":["theme:hedging"],"ideal_completions_data":null}"#;
        assert_eq!(serde_json::to_string(&row).unwrap(), expected);
        assert_eq!(conversation(&[Message::user("a"), Message::assistant("b")]), "user: a\n\nassistant: b");
    }

    #[test]
    fn points_are_legal_only_within_the_scale() {
        let of = |points: Value| {
            let item: RubricItem =
                serde_json::from_value(serde_json::json!({"criterion": "x", "points": points, "tags": []}))
                    .unwrap();
            item.legal_points()
        };
        assert_eq!(of(Value::from(10)), Some(10));
        assert_eq!(of(Value::from(-10.0)), Some(-10));
        for bad in [Value::from(0), Value::from(11), Value::from(2.5), Value::from(-11)] {
            assert_eq!(of(bad), None);
        }
    }
}
