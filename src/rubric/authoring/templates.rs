//! What models are asked, in files that a user can replace.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::dimension::{Dimensions, DimensionsError};

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ask {
    /// A question and its answer, of a passage.
    Question,
    /// A prompt, of a chart.
    Scenario,
    /// How good a prompt is.
    Assessment,
    /// Criteria of one dimension.
    Candidates,
    /// Points.
    Weights,
    /// Other wordings of a prompt.
    Variants,
    /// What is wrong with a good answer.
    Flaws,
    /// Criteria of one intent.
    Agreement,
}

impl Ask {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Question,
        Self::Scenario,
        Self::Assessment,
        Self::Candidates,
        Self::Weights,
        Self::Variants,
        Self::Flaws,
        Self::Agreement,
    ];

    /// The name of its file, without `.txt`; what replies to it are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Scenario => "scenario",
            Self::Assessment => "assessment",
            Self::Candidates => "candidates",
            Self::Weights => "weights",
            Self::Variants => "variants",
            Self::Flaws => "flaws",
            Self::Agreement => "agreement",
        }
    }

    /// What stands in it as `{{name}}`, each at least once.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Question => &["passage"],
            Self::Scenario => &["task", "chart"],
            Self::Assessment => &["conversation"],
            Self::Candidates => &["conversation", "dimension", "about", "reference", "criteria", "count"],
            Self::Weights => &["conversation", "criteria"],
            Self::Variants => &["conversation", "count"],
            Self::Flaws => &["conversation", "answer", "criteria"],
            Self::Agreement => &["conversation", "first", "second"],
        }
    }

    /// What may stand in it beside these; empty where there is none of it.
    pub fn optional_fields(self) -> &'static [&'static str] {
        match self {
            Self::Candidates => &["persona"],
            _ => &[],
        }
    }

    fn bundled(self) -> &'static str {
        match self {
            Self::Question => include_str!("../../../data/prompts/rubric/question.txt"),
            Self::Scenario => include_str!("../../../data/prompts/rubric/scenario.txt"),
            Self::Assessment => include_str!("../../../data/prompts/rubric/assessment.txt"),
            Self::Candidates => include_str!("../../../data/prompts/rubric/candidates.txt"),
            Self::Weights => include_str!("../../../data/prompts/rubric/weights.txt"),
            Self::Variants => include_str!("../../../data/prompts/rubric/variants.txt"),
            Self::Flaws => include_str!("../../../data/prompts/rubric/flaws.txt"),
            Self::Agreement => include_str!("../../../data/prompts/rubric/agreement.txt"),
        }
    }
}

/// The file of dimensions, beside the texts.
const DIMENSIONS: &str = "dimensions.toml";

/// Texts and dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Templates {
    texts: Vec<String>,
    dimensions: Dimensions,
}

/// What is wrong with a folder of texts.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that nobody would read.
    #[error("{path}: no such prompt is used, legal names are {legal}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Names that are used.
        legal: String,
    },
    /// A place to be filled that is missing, or that nobody fills.
    #[error("{path}: {problem}; it has to have {legal}, and nothing else in double braces")]
    Field {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What is filled.
        legal: String,
    },
    /// The file of dimensions.
    #[error("{path}: {source}")]
    Dimensions {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: DimensionsError,
    },
}

impl Templates {
    /// The texts that come with osler.
    ///
    /// # Panics
    /// If a bundled file is broken, which a test rules out.
    pub fn bundled() -> Self {
        let dimensions = Dimensions::parse(include_str!("../../../data/prompts/rubric/dimensions.toml"));
        Self {
            texts: Ask::ALL.map(|ask| ask.bundled().to_owned()).to_vec(),
            dimensions: dimensions
                .unwrap_or_else(|error| panic!("the bundled dimensions are broken: {error}")),
        }
    }

    /// The bundled texts, with those of `folder` in their place. A file of another name is an error: it would be one that is not used
    /// because of a slip in its name. What begins with a point is passed over.
    pub fn with_folder(folder: &Path) -> Result<Self, TemplateError> {
        let mut templates = Self::bundled();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| TemplateError::Io { path, source }
        };
        for entry in std::fs::read_dir(folder).map_err(io(folder))? {
            let path = entry.map_err(io(folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let text = || std::fs::read_to_string(&path).map_err(io(&path));
            if name == DIMENSIONS {
                templates.dimensions = Dimensions::parse(&text()?)
                    .map_err(|source| TemplateError::Dimensions { path: path.clone(), source })?;
                continue;
            }
            let found = Ask::ALL.iter().position(|ask| name.strip_suffix(".txt") == Some(ask.name()));
            let Some((ask, slot)) =
                found.and_then(|at| Some((Ask::ALL.get(at)?, templates.texts.get_mut(at)?)))
            else {
                let names = Ask::ALL.map(|ask| format!("{}.txt", ask.name())).join(", ");
                return Err(TemplateError::Unknown { path, legal: format!("{names}, {DIMENSIONS}") });
            };
            let text = text()?;
            if let Err(problem) = check(&text, *ask) {
                return Err(TemplateError::Field { path, problem, legal: legal(*ask) });
            }
            *slot = text;
        }
        Ok(templates)
    }

    /// The dimensions of each kind of prompt.
    pub fn dimensions(&self) -> &Dimensions {
        &self.dimensions
    }

    /// The text of `ask`, as it stands.
    pub fn text(&self, ask: Ask) -> &str {
        let at = Ask::ALL.iter().position(|it| *it == ask);
        at.and_then(|at| self.texts.get(at)).map_or("", String::as_str)
    }

    /// The text of `ask` with its fields filled; a field that is not among `values` becomes empty. What is filled in is not looked at again, so braces in a
    /// conversation are only braces.
    pub fn filled(&self, ask: Ask, values: &[(&str, &str)]) -> String {
        let mut filled = String::new();
        let mut rest = self.text(ask);
        while let Some((before, name, after)) = next_field(rest) {
            filled.push_str(before);
            filled.push_str(values.iter().find(|(it, _)| *it == name).map_or("", |(_, value)| *value));
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// What stands before the next `{{name}}`, its name, and what stands after it.
fn next_field(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name.trim(), after))
}

/// What has to stand in a text, and what may.
fn legal(ask: Ask) -> String {
    let of =
        |fields: &[&str]| fields.iter().map(|field| format!("{{{{{field}}}}}")).collect::<Vec<_>>().join(" ");
    match ask.optional_fields() {
        [] => of(ask.fields()),
        more => format!("{}, may have {}", of(ask.fields()), of(more)),
    }
}

fn check(text: &str, ask: Ask) -> Result<(), String> {
    let fields = ask.fields();
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, name, after)) = next_field(rest) {
        found.push(name);
        rest = after;
    }
    if let Some(unknown) =
        found.iter().find(|name| !fields.contains(name) && !ask.optional_fields().contains(name))
    {
        return Err(format!("{{{{{unknown}}}}} is not filled"));
    }
    match fields.iter().find(|name| !found.contains(name)) {
        Some(missing) => Err(format!("{{{{{missing}}}}} is missing")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_texts_have_their_fields() {
        for ask in Ask::ALL {
            assert_eq!(check(ask.bundled(), ask), Ok(()), "{}", ask.name());
            assert!(ask.optional_fields().iter().all(|it| ask.bundled().contains(&format!("{{{{{it}}}}}"))));
        }
        let filled =
            Templates::bundled().filled(Ask::Weights, &[("conversation", "{{criteria}}"), ("criteria", "C")]);
        assert!(filled.contains("{{criteria}}") && filled.trim_end().ends_with('C'), "{filled}");
    }

    #[test]
    fn a_folder_takes_the_place_of_some_and_slips_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("weights.txt", "W {{conversation}} {{criteria}}");
        write(".notes", "not read");
        let templates = Templates::with_folder(folder.path()).unwrap();
        assert_eq!(templates.filled(Ask::Weights, &[("conversation", "a"), ("criteria", "b")]), "W a b");
        assert_eq!(templates.text(Ask::Flaws), Ask::Flaws.bundled());
        let error = |name: &str, text: &str| {
            write(name, text);
            let error = Templates::with_folder(folder.path()).unwrap_err().to_string();
            std::fs::remove_file(folder.path().join(name)).unwrap();
            error
        };
        assert!(error("weight.txt", "").contains("weights.txt"));
        assert!(error("flaws.txt", "{{conversation}} {{answer}}").contains("{{criteria}} is missing"));
        assert!(error("question.txt", "{{passage}} {{x}}").contains("{{x}} is not filled"));
        // Files of before there were personas go on; elsewhere a persona is nothing that is filled.
        let before = Ask::Candidates.bundled().replace("{{persona}}", "");
        write("candidates.txt", &before);
        assert_eq!(Templates::with_folder(folder.path()).unwrap().text(Ask::Candidates), before);
        let unknown = error("candidates.txt", &before.replace("{{count}}", "{{count}} {{y}}"));
        assert!(
            unknown.contains("{{y}} is not filled") && unknown.contains("may have {{persona}}"),
            "{unknown}"
        );
        assert!(error("question.txt", "{{passage}} {{persona}}").contains("{{persona}} is not filled"));
        assert!(error("dimensions.toml", "scenario = 1").contains("dimensions.toml"));
    }
}
