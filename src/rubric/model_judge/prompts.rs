//! The report's two templates, as a file that can be replaced.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;
use thiserror::Error;

use crate::rubric::criterion::Scope;

use super::exhibit::Item;

const GRADED: &str = "{graded}";
const ITEM: &str = "{item}";

/// The text of a file of prompts.
pub(super) fn text(path: &Path) -> Result<String, PromptError> {
    std::fs::read_to_string(path).map_err(|source| PromptError::Read { file: path.to_owned(), source })
}

/// What a model is told that judges in training.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgePrompts {
    /// The task, with `{graded}` once.
    system: String,
    /// What is marked, where it is the last message.
    reply: String,
    /// What is marked, where it is one side's messages.
    consultation: String,
    /// What is asked about an item with positive points, with `{item}` once.
    positive: String,
    /// The same for negative points.
    negative: String,
}

/// Why a file of prompts cannot be used.
#[derive(Debug, Error)]
pub enum PromptError {
    /// It cannot be read.
    #[error("{}: {source}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML of the documented shape.
    #[error("{file}: {problem}")]
    Shape {
        /// What the file is called.
        file: String,
        /// What the parser said.
        problem: String,
    },
    /// A text with too many or too few places to fill in.
    #[error("{file}: `{field}` has {found} {place}, legal is 1")]
    Places {
        /// What the file is called.
        file: String,
        /// Which text.
        field: &'static str,
        /// How many there are.
        found: usize,
        /// What stands for the place.
        place: &'static str,
    },
    /// A text that says nothing.
    #[error("{file}: `{field}` is empty, legal is a text")]
    Empty {
        /// What the file is called.
        file: String,
        /// Which text.
        field: &'static str,
    },
}

impl JudgePrompts {
    /// Reads prompts from TOML with the fields of the bundled file, `data/prompts/judge/report.toml`. Errors call it `name`.
    ///
    /// # Errors
    ///
    /// An unknown or missing field, an empty text, or a place that is not there once.
    pub fn parse(text: &str, name: &str) -> Result<Self, PromptError> {
        let file = || name.to_owned();
        let prompts: Self = toml::from_str(text)
            .map_err(|error| PromptError::Shape { file: file(), problem: error.to_string() })?;
        let places = [
            ("system", &prompts.system, GRADED),
            ("positive", &prompts.positive, ITEM),
            ("negative", &prompts.negative, ITEM),
        ];
        for (field, text, place) in places {
            let found = text.matches(place).count();
            if found != 1 {
                return Err(PromptError::Places { file: file(), field, found, place });
            }
        }
        for (field, text) in [("reply", &prompts.reply), ("consultation", &prompts.consultation)] {
            if text.trim().is_empty() {
                return Err(PromptError::Empty { file: file(), field });
            }
        }
        Ok(prompts)
    }

    /// Reads a file of prompts.
    ///
    /// # Errors
    ///
    /// As [`JudgePrompts::parse`], and a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self, PromptError> {
        Self::parse(&text(path)?, &path.display().to_string())
    }

    /// The prompts that come with osler.
    ///
    /// # Panics
    /// If the bundled file is broken, which a test rules out.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<JudgePrompts> = LazyLock::new(|| {
            JudgePrompts::parse(
                include_str!("../../../data/prompts/judge/report.toml"),
                "data/prompts/judge/report.toml",
            )
            .unwrap_or_else(|error| panic!("the bundled prompts are broken: {error}"))
        });
        &BUNDLED
    }

    /// The task where `scope` is marked.
    pub(super) fn task(&self, scope: Scope) -> String {
        let graded = match scope {
            Scope::Reply => &self.reply,
            Scope::Consultation => &self.consultation,
        };
        self.system.trim().replace(GRADED, graded.trim())
    }

    /// What is asked about `item`.
    pub(super) fn question(&self, item: &Item) -> String {
        let template = if item.good { &self.positive } else { &self.negative };
        template.trim().replace(ITEM, &item.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_must_be_there_once_and_nothing_else_may_be() {
        let text = include_str!("../../../data/prompts/judge/report.toml");
        assert!(JudgePrompts::parse(text, "t").is_ok());
        let error =
            |from: &str, to: &str| JudgePrompts::parse(&text.replace(from, to), "t").unwrap_err().to_string();
        assert_eq!(error("item. {graded}", "item."), "t: `system` has 0 {graded}, legal is 1");
        assert_eq!(
            error("Rubric item\n\n{item}", "Rubric item\n\n{item}{item}"),
            "t: `positive` has 2 {item}, legal is 1"
        );
        assert!(error("reply = ", "replies = ").contains("replies"));
        let reply =
            "reply = \"Only the last message is marked. What was said before it shows what it answers.\"";
        assert_eq!(error(reply, "reply = \" \""), "t: `reply` is empty, legal is a text");
    }
}
