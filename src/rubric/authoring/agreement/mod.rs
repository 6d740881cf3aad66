//! Two sets of rubrics side by side: which criteria have the same intent (Baichuan-M2 report, section 2.2.4).
//!
//! The report calls two criteria consistent where they belong to the same dimension and have the same evaluative intent, whatever the
//! wording. It does not say what its 92.7% are a share of, so both shares are given: of the first set's criteria those that the second has too,
//! and the other way round.

pub mod intent;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use self::intent::{Intent, likeness};
use super::row::{RubricItem, RubricRow, conversation};
use super::templates::Ask;
use super::writer::{Writer, numbered};
use crate::chat::{ChatError, Listener};
use crate::data::lexicon::Lexicon;
use crate::data::utterance::Understanding;

/// What two sets are compared by: the finest kind of tag that all criteria of both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// `dimension:..`
    Dimension,
    /// `axis:..`
    Axis,
    /// Nothing: all criteria are of one group.
    None,
}

impl Grouping {
    /// The finest for these rows.
    pub fn of<'a>(rows: impl Iterator<Item = &'a RubricRow> + Clone) -> Self {
        let all = |kind: &str| {
            let mut items = rows.clone().flat_map(|row| &row.rubrics).peekable();
            items.peek().is_some() && items.all(|item| item.tag(kind).is_some())
        };
        if all("dimension") {
            Self::Dimension
        } else if all("axis") {
            Self::Axis
        } else {
            Self::None
        }
    }

    /// The group of a criterion.
    pub fn group(self, item: &RubricItem) -> String {
        let tag = match self {
            Self::Dimension => item.tag("dimension"),
            Self::Axis => item.tag("axis"),
            Self::None => None,
        };
        tag.unwrap_or("all").to_owned()
    }
}

/// Criteria of one intent, by their places from 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// In the first set.
    pub first: usize,
    /// In the second.
    pub second: usize,
    /// How alike they are, from 0 to 1; 1 where a model said so.
    pub likeness: f64,
}

/// Who says whether two criteria have the same intent.
#[derive(Clone, Copy)]
pub enum Referee<'a> {
    /// Concepts of the lexicon, words and direction: see [`intent`].
    Rules(&'a Understanding, &'a Lexicon),
    /// A model.
    Model(&'a Writer<'a>),
}

/// One prompt's rubrics, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The prompt.
    pub prompt_id: String,
    /// For each criterion of the first set, its group and whether the second has it.
    pub first: Vec<(String, bool)>,
    /// The same for the second set.
    pub second: Vec<(String, bool)>,
    /// Points of criteria that were paired, each at most once, the likest first.
    pub points: Vec<(f64, f64)>,
}

/// Compares two rubrics of one prompt. Criteria of different groups are never one.
///
/// # Errors
/// Those of [`Writer::ask`], where a model is the referee.
pub fn compare(
    first: &RubricRow,
    second: &RubricRow,
    grouping: Grouping,
    referee: Referee,
    listener: &mut dyn Listener,
) -> Result<Compared, ChatError> {
    let mut pairs = match referee {
        Referee::Rules(understanding, lexicon) => by_rules(first, second, understanding, lexicon),
        Referee::Model(writer) => ask(writer, first, second, listener)?,
    };
    let groups =
        |row: &RubricRow| -> Vec<String> { row.rubrics.iter().map(|item| grouping.group(item)).collect() };
    let (first_groups, second_groups) = (groups(first), groups(second));
    pairs.retain(|pair| {
        let group = first_groups.get(pair.first);
        group.is_some() && group == second_groups.get(pair.second)
    });
    // The likest first; places settle what is equal, so that the order is always the same.
    pairs.sort_by(|a, b| {
        b.likeness.total_cmp(&a.likeness).then((a.first, a.second).cmp(&(b.first, b.second)))
    });
    let found = |groups: Vec<String>, place: fn(&Pair) -> usize| -> Vec<(String, bool)> {
        let has = |at: usize| pairs.iter().any(|pair| place(pair) == at);
        groups.into_iter().enumerate().map(|(at, group)| (group, has(at))).collect()
    };
    let (mut used_first, mut used_second) = (BTreeSet::new(), BTreeSet::new());
    let mut points = Vec::new();
    for pair in &pairs {
        if used_first.contains(&pair.first) || used_second.contains(&pair.second) {
            continue;
        }
        used_first.insert(pair.first);
        used_second.insert(pair.second);
        let of = |row: &RubricRow, at: usize| row.rubrics.get(at).and_then(|item| item.points.as_f64());
        points.extend(of(first, pair.first).zip(of(second, pair.second)));
    }
    Ok(Compared {
        prompt_id: first.prompt_id.clone(),
        first: found(first_groups, |pair| pair.first),
        second: found(second_groups, |pair| pair.second),
        points,
    })
}

fn by_rules(
    first: &RubricRow,
    second: &RubricRow,
    understanding: &Understanding,
    lexicon: &Lexicon,
) -> Vec<Pair> {
    let intents = |row: &RubricRow| -> Vec<Intent> {
        row.rubrics.iter().map(|item| Intent::of(item, understanding)).collect()
    };
    let (a, b) = (intents(first), intents(second));
    let mut pairs = Vec::new();
    for (first, a) in a.iter().enumerate() {
        for (second, b) in b.iter().enumerate() {
            if let Some(likeness) = likeness(a, b, lexicon) {
                pairs.push(Pair { first, second, likeness });
            }
        }
    }
    pairs
}

fn ask(
    writer: &Writer,
    first: &RubricRow,
    second: &RubricRow,
    listener: &mut dyn Listener,
) -> Result<Vec<Pair>, ChatError> {
    #[derive(Deserialize)]
    struct Reply {
        pairs: Vec<Numbers>,
    }
    #[derive(Deserialize)]
    struct Numbers {
        first: usize,
        second: usize,
    }
    let (many, other) = (first.rubrics.len(), second.rubrics.len());
    if many == 0 || other == 0 {
        return Ok(Vec::new());
    }
    let list = |row: &RubricRow| {
        let lines: Vec<String> =
            row.rubrics.iter().map(|item| format!("[{}] {}", item.points, item.criterion)).collect();
        numbered(lines.iter().map(String::as_str))
    };
    let number = |most: usize| json!({"type": "integer", "minimum": 1, "maximum": most});
    let properties = json!({"pairs": {
        "type": "array", "maxItems": many.saturating_mul(other),
        "items": {
            "type": "object", "required": ["first", "second"], "additionalProperties": false,
            "properties": {"first": number(many), "second": number(other)}
        }
    }});
    let texts = [conversation(&first.prompt), list(first), list(second)];
    let [conversation, a, b] = &texts;
    let values = [("conversation", conversation.as_str()), ("first", a), ("second", b)];
    let reply: Reply = writer.ask(Ask::Agreement, &values, properties, listener)?;
    let pair = |it: Numbers| Pair { first: it.first - 1, second: it.second - 1, likeness: 1.0 };
    Ok(reply.pairs.into_iter().map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Message;
    use crate::rubric::authoring::dimension::Dimension;
    use crate::rubric::authoring::templates::Templates;
    use crate::rubric::authoring::writer::scripted::Scripted;

    fn row(items: Vec<RubricItem>) -> RubricRow {
        RubricRow {
            prompt_id: "a".into(),
            prompt: vec![Message::user("My chest hurts.")],
            rubrics: items,
            example_tags: vec![],
            ideal_completions_data: None,
            other: serde_json::Map::new(),
        }
    }

    fn by_rules(a: &RubricRow, b: &RubricRow) -> Compared {
        let rules = Referee::Rules(Understanding::bundled(), Lexicon::bundled());
        compare(a, b, Grouping::Dimension, rules, &mut ()).unwrap()
    }

    fn found(list: &[(String, bool)]) -> Vec<bool> {
        list.iter().map(|it| it.1).collect()
    }

    #[test]
    fn what_is_meant_counts_and_not_how_it_is_said() {
        use Dimension::{EthicsSafety, InquiryLogic};
        let a = row(vec![
            RubricItem::new("Asks about any nausea", 4, InquiryLogic),
            RubricItem::new("Asks about smoking", 3, InquiryLogic),
            RubricItem::new("Sends the person to emergency care now", 10, EthicsSafety),
        ]);
        let b = row(vec![
            RubricItem::new("Fails to ask whether the user feels nauseous", -2, InquiryLogic),
            RubricItem::new("Asks about smoking", 5, EthicsSafety),
            RubricItem::new("Sends the person to emergency care", -10, EthicsSafety),
        ]);
        let it = by_rules(&a, &b);
        // Smoking is of another dimension, and emergency care is rewarded in one set and punished in the other.
        assert_eq!(found(&it.first), [true, false, false]);
        assert_eq!(found(&it.second), [true, false, false]);
        assert_eq!(it.points, [(4.0, -2.0)]);
        let same = by_rules(&a, &a);
        assert!(found(&same.first).into_iter().chain(found(&same.second)).all(|it| it));
        assert_eq!(same.points.len(), 3);
        assert!(by_rules(&row(vec![]), &b).points.is_empty());
    }

    #[test]
    fn rows_are_compared_by_the_finest_tags_they_share() {
        let mut a = row(vec![RubricItem::new("x", 1, Dimension::EthicsSafety)]);
        assert_eq!(Grouping::of([&a].into_iter()), Grouping::Dimension);
        let b = a.clone();
        a.rubrics[0].tags.retain(|tag| tag.starts_with("axis:"));
        assert_eq!(Grouping::of([&a, &b].into_iter()), Grouping::Axis);
        a.rubrics[0].tags.clear();
        assert_eq!(Grouping::of([&a, &b].into_iter()), Grouping::None);
        assert_eq!(Grouping::None.group(&a.rubrics[0]), "all");
    }

    #[test]
    fn a_model_is_held_to_the_numbers_there_are() {
        let a = row(vec![RubricItem::new("x", 1, Dimension::EthicsSafety)]);
        let templates = Templates::bundled();
        let model = Scripted::new(|_, before| {
            let pairs = if before == 0 {
                r#"{"pairs": [{"first": 2, "second": 1}]}"#
            } else {
                r#"{"pairs": [{"first": 1, "second": 1}]}"#
            };
            Ok(pairs.into())
        });
        let writer = Writer::new(&model, &templates, 0);
        let it = compare(&a, &a, Grouping::None, Referee::Model(&writer), &mut ()).unwrap();
        assert_eq!((found(&it.first), model.asked("agreement")), (vec![true], 2));
    }
}
