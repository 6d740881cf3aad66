//! The text of HealthBench's grader, which the user brings along.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::prompts::{PromptError, text};

const CONVERSATION: &str = "<<conversation>>";
const RUBRIC_ITEM: &str = "<<rubric_item>>";
/// How the template begins and ends in `healthbench_eval.py` of simple-evals.
const QUOTED: (&str, &str) = ("GRADER_TEMPLATE = \"\"\"", "\"\"\"");
/// SHA-256 of the template in simple-evals at commit ee3b031, after its `.strip()`, by `tests/fixtures/make_grader_expected.py`.
pub(super) const REFERENCE: &str = "2adffd51fd259554ebcd036ad1072d4aa2b7ce3aec2bbffe36271f911632ed3c";

/// What HealthBench's grader is told, with a place for the conversation and one for the rubric item.
///
/// The text is its authors' and no part of osler. It stands in `healthbench_eval.py` of simple-evals
/// (<https://github.com/openai/simple-evals>, MIT).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraderTemplate {
    text: String,
}

impl GraderTemplate {
    /// Reads simple-evals' `healthbench_eval.py`, or a file that holds the template and nothing else.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, and as [`GraderTemplate::parse`].
    pub fn read(path: &Path) -> Result<Self, PromptError> {
        Self::parse(&text(path)?, &path.display().to_string())
    }

    /// The template in `text`, which errors call `name`.
    ///
    /// # Errors
    ///
    /// One of the two places is not there once.
    pub fn parse(text: &str, name: &str) -> Result<Self, PromptError> {
        let quoted = text.split_once(QUOTED.0).and_then(|(_, after)| after.split_once(QUOTED.1));
        let text = quoted.map_or(text, |(template, _)| template).trim();
        for place in [CONVERSATION, RUBRIC_ITEM] {
            let found = text.matches(place).count();
            if found != 1 {
                let file = name.to_owned();
                return Err(PromptError::Places { file, field: "template", found, place });
            }
        }
        Ok(Self { text: text.to_owned() })
    }

    /// Whether it is the reference grader's, letter by letter.
    pub fn is_reference(&self) -> bool {
        let hash: String = Sha256::digest(&self.text).iter().map(|byte| format!("{byte:02x}")).collect();
        hash == REFERENCE
    }

    /// What all items of a conversation have in common, and the whole, in the order in which the reference fills in its places.
    pub(super) fn filled(&self, conversation: &str, item: &str) -> (String, String) {
        let head = self.text.split(RUBRIC_ITEM).next().unwrap_or_default();
        let whole = self.text.replace(CONVERSATION, conversation).replace(RUBRIC_ITEM, item);
        (head.replace(CONVERSATION, conversation), whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_stands_alone_or_in_a_script() {
        let alone = GraderTemplate::parse("\nMark.\n<<conversation>>\nBy <<rubric_item>>.\n", "t").unwrap();
        let script = "import x\n\nGRADER_TEMPLATE = \"\"\"\nMark.\n<<conversation>>\nBy <<rubric_item>>.\n\"\"\".strip()\n\nprint(\"\"\"<<conversation>>\"\"\")\n";
        assert_eq!(GraderTemplate::parse(script, "t").unwrap(), alone);
        assert!(!alone.is_reference());
        assert_eq!(
            alone.filled("user: Hi", "[5] Greets"),
            ("Mark.\nuser: Hi\nBy ".to_owned(), "Mark.\nuser: Hi\nBy [5] Greets.".to_owned())
        );
        let error = |text: &str| GraderTemplate::parse(text, "t").unwrap_err().to_string();
        assert_eq!(error("<<conversation>>"), "t: `template` has 0 <<rubric_item>>, legal is 1");
        assert_eq!(
            error("<<conversation>> <<conversation>> <<rubric_item>>"),
            "t: `template` has 2 <<conversation>>, legal is 1"
        );
    }
}
