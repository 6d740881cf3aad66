//! The prompts of the units: files that come with osler, each of which can be replaced.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde_json::{Value as Json, json};
use thiserror::Error;

use crate::sim::played::mode::Interruption;

/// The longest prompt file read, in bytes.
const MOST_BYTES: u64 = 64 << 10;
/// How much work a prompt may do, in the template engine's units: about one for each instruction.
const MOST_WORK: u64 = 1_000_000;

/// One of the prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptName {
    /// Asks whether the doctor's message ends the consultation.
    Gate,
    /// Asks for the patient's words.
    Voice,
    /// Asks for other words, with what was wrong with the first.
    Again,
    /// Asks for a draft's claims and their labels.
    Check,
    /// Says who the patient is, a line for each trait.
    Portrait,
    /// Says what is wrong with a claim, in one sentence.
    Fault,
}

impl PromptName {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Gate, Self::Voice, Self::Again, Self::Check, Self::Portrait, Self::Fault];

    /// Its file's name.
    pub fn file(self) -> &'static str {
        match self {
            Self::Gate => "gate.jinja",
            Self::Voice => "voice.jinja",
            Self::Again => "again.jinja",
            Self::Check => "check.jinja",
            Self::Portrait => "portrait.jinja",
            Self::Fault => "fault.jinja",
        }
    }

    /// The file that comes with osler.
    pub fn bundled(self) -> &'static str {
        match self {
            Self::Gate => include_str!("../../../data/prompts/patient/gate.jinja"),
            Self::Voice => include_str!("../../../data/prompts/patient/voice.jinja"),
            Self::Again => include_str!("../../../data/prompts/patient/again.jinja"),
            Self::Check => include_str!("../../../data/prompts/patient/check.jinja"),
            Self::Portrait => include_str!("../../../data/prompts/patient/portrait.jinja"),
            Self::Fault => include_str!("../../../data/prompts/patient/fault.jinja"),
        }
    }

    /// The placeholders it may have.
    pub fn placeholders(self) -> &'static [&'static str] {
        match self {
            Self::Gate => &["said", "message", "patience"],
            Self::Voice => &["person", "known", "guarded", "passive", "said", "message"],
            Self::Again => &["faults"],
            Self::Check => &["record", "said", "message", "draft"],
            Self::Portrait => &[
                "age",
                "age_band",
                "sex",
                "personality",
                "extravert",
                "intuitive",
                "feeling",
                "judging",
                "income",
                "education",
                "culture",
                "verbosity",
                "recall",
                "emotion",
            ],
            Self::Fault => &["kind", "words"],
        }
    }

    /// Something of everything, to try a file on.
    fn example(self) -> Json {
        let said = json!([{"speaker": "Patient", "text": "Hello."}]);
        match self {
            Self::Gate => json!({"said": said, "message": "?", "patience": 3}),
            Self::Voice => json!({"person": ["p"], "known": [{"about": "a", "words": "w"}], "guarded": ["g"],
                "passive": true, "said": said, "message": "?"}),
            Self::Again => json!({"faults": ["f"]}),
            Self::Check => {
                json!({"record": [{"number": 1, "about": "a", "finding": "present", "private": true,
                "words": "w"}], "said": said, "message": "?", "draft": [{"number": 1, "text": "t"}]})
            }
            Self::Portrait => json!({"age": "61", "age_band": "middle", "sex": "male", "personality": "ESFJ",
                "extravert": true, "intuitive": false, "feeling": true, "judging": true, "income": "low",
                "education": "high", "culture": "family", "verbosity": "medium", "recall": "low",
                "emotion": "afraid"}),
            Self::Fault => json!({"kind": "not_asked", "words": "I smoke."}),
        }
    }
}

/// What is wrong with a prompt. Lines count from 1.
#[derive(Debug, Error)]
pub enum PromptError {
    /// A file or folder that cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a name that is no prompt's.
    #[error("{path} is no prompt of the patient; legal names are {legal}")]
    Name {
        /// The file.
        path: PathBuf,
        /// The names that are.
        legal: String,
    },
    /// A file that is longer than a prompt has reason to be.
    #[error("{path} is longer than {legal} bytes, the most that are read")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most.
        legal: u64,
    },
    /// A placeholder that nothing is put in place of.
    #[error("{path}: found the placeholder `{found}`, legal are {legal}")]
    Placeholder {
        /// The file.
        path: PathBuf,
        /// The placeholder.
        found: String,
        /// Those that are.
        legal: String,
    },
    /// Interruptions that are none.
    #[error("{path}: {problem}")]
    Interruptions {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No template, or one that cannot be filled.
    #[error("{path}, line {line}: {problem}")]
    Template {
        /// The file.
        path: PathBuf,
        /// The line; 0 where it is not known.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// The file of what the doctor of an interrupted consultation finds said, which is no template.
const INTERRUPTIONS: &str = "interruptions.toml";

/// The prompts of all units, compiled, and what interrupts consultations.
#[derive(Debug, Clone)]
pub struct Prompts {
    env: Environment<'static>,
    interruptions: Vec<Interruption>,
}

impl Prompts {
    /// Those that come with osler.
    ///
    /// # Panics
    /// If a bundled file is broken, which a test rules out.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<Prompts> = LazyLock::new(|| {
            let mut prompts = Prompts::none();
            for name in PromptName::ALL {
                let path = Path::new("data/prompts/patient").join(name.file());
                prompts
                    .put(name, &path, name.bundled().to_owned())
                    .unwrap_or_else(|error| panic!("a bundled prompt is broken: {error}"));
            }
            prompts
        });
        &BUNDLED
    }

    /// Those that come with osler, but for the ones that lie in `folder` under the same names.
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be read; anything of another name in the folder, but for what begins with a point; a file that is no
    /// template, that has an unknown placeholder, or reads a field that its placeholder does not have; interruptions with other
    /// fields or places, with an empty text, or with none for a place.
    pub fn from_folder(folder: &Path) -> Result<Self, PromptError> {
        let read = |source| PromptError::Read { path: folder.to_owned(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(read)? {
            paths.push(entry.map_err(read)?.path());
        }
        // Which of several faults is reported must not depend on the file system.
        paths.sort();
        let mut prompts = Self::bundled().clone();
        for path in &paths {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            if file.starts_with('.') {
                continue;
            }
            if file == INTERRUPTIONS {
                prompts.interruptions = Interruption::parse(&text(path)?)
                    .map_err(|problem| PromptError::Interruptions { path: path.clone(), problem })?;
                continue;
            }
            let Some(name) = PromptName::ALL.into_iter().find(|name| file == name.file()) else {
                let legal = format!("{}, {INTERRUPTIONS}", PromptName::ALL.map(PromptName::file).join(", "));
                return Err(PromptError::Name { path: path.clone(), legal });
            };
            prompts.put(name, path, text(path)?)?;
        }
        Ok(prompts)
    }

    /// What the doctors of interrupted consultations may find said.
    pub fn interruptions(&self) -> &[Interruption] {
        &self.interruptions
    }

    /// `name` with `values` in its placeholders.
    ///
    /// # Errors
    ///
    /// [`PromptError::Template`] where it cannot be filled.
    pub fn fill(&self, name: PromptName, values: Json) -> Result<String, PromptError> {
        let filled = self.env.get_template(name.file()).and_then(|it| it.render(Value::from(Serde(values))));
        filled.map(|text| text.trim().to_owned()).map_err(|error| template(Path::new(name.file()), &error))
    }

    fn none() -> Self {
        let mut env = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        // Only delimiters of one's own can be refused, and there are none here.
        env.set_syntax(syntax.unwrap_or_default());
        env.set_auto_escape_callback(|_| AutoEscape::None);
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_debug(false);
        env.set_fuel(Some(MOST_WORK));
        Self { env, interruptions: Interruption::bundled().to_vec() }
    }

    /// Takes the text of a file as prompt `name`, and tries it.
    fn put(&mut self, name: PromptName, path: &Path, text: String) -> Result<(), PromptError> {
        let fault = |error: &minijinja::Error| template(path, error);
        self.env.add_template_owned(name.file(), text).map_err(|error| fault(&error))?;
        let compiled = self.env.get_template(name.file()).map_err(|error| fault(&error))?;
        let mut used: Vec<String> = compiled.undeclared_variables(false).into_iter().collect();
        used.sort();
        let globals: Vec<&str> = self.env.globals().map(|(name, _)| name).collect();
        let known = |it: &str| name.placeholders().contains(&it) || globals.contains(&it);
        if let Some(found) = used.into_iter().find(|it| !known(it)) {
            let legal = name.placeholders().join(", ");
            return Err(PromptError::Placeholder { path: path.to_owned(), found, legal });
        }
        compiled.render(Value::from(Serde(name.example()))).map_err(|error| fault(&error))?;
        Ok(())
    }
}

/// The text of a file, if it is not too long.
fn text(path: &Path) -> Result<String, PromptError> {
    let read = |source| PromptError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let mut file = File::open(path).map_err(read)?.take(MOST_BYTES + 1);
    file.read_to_string(&mut text).map_err(read)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(PromptError::TooLong { path: path.to_owned(), legal: MOST_BYTES });
    }
    Ok(text)
}

fn template(path: &Path, error: &minijinja::Error) -> PromptError {
    let problem = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    PromptError::Template { path: path.to_owned(), line: error.line().unwrap_or(0), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_prompts_are_whole() {
        for name in PromptName::ALL {
            let filled = Prompts::bundled().fill(name, name.example()).unwrap();
            assert!(filled.len() > 25 && !filled.contains("{{") && !filled.contains("{%"), "{filled}");
        }
    }

    #[test]
    fn a_folder_replaces_what_lies_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (put, read) = (
            |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap(),
            || Prompts::from_folder(dir.path()),
        );
        put(".notes", "{{ anything }}");
        put("again.jinja", "No:{% for fault in faults %} <{{ fault }}>{% endfor %}\n");
        let prompts = read().unwrap();
        let again = prompts.fill(PromptName::Again, json!({"faults": ["a & b", "c"]})).unwrap();
        assert_eq!(again, "No: <a & b> <c>");
        let gate = |prompts: &Prompts| prompts.fill(PromptName::Gate, PromptName::Gate.example()).unwrap();
        assert_eq!(gate(&prompts), gate(Prompts::bundled()));
        assert_eq!(prompts.interruptions(), Interruption::bundled());

        put("again.jinja", "{{ faults }} {{ diagnosis }}");
        match read() {
            Err(PromptError::Placeholder { path, found, legal }) => {
                assert!(path.ends_with("again.jinja"));
                assert_eq!((found.as_str(), legal.as_str()), ("diagnosis", "faults"));
            }
            other => panic!("{other:?}"),
        }
        put("again.jinja", "one\n{% for fault in faults %}{{ fault.words }}{% endfor %}");
        assert!(matches!(read(), Err(PromptError::Template { line: 2, .. })), "{:?}", read().err());
        put("again.jinja", "{% if %}");
        assert!(matches!(read(), Err(PromptError::Template { line: 1, .. })), "{:?}", read().err());
        put("again.jinja", &"x".repeat(MOST_BYTES as usize + 1));
        assert!(matches!(read(), Err(PromptError::TooLong { .. })));
        put("again.jinja", "x");
        put("vioce.jinja", "x");
        match read() {
            Err(error @ PromptError::Name { .. }) => assert!(error.to_string().contains("voice.jinja")),
            other => panic!("{other:?}"),
        }
        fs::remove_file(dir.path().join("vioce.jinja")).unwrap();
        put("README.md", "Notes.");
        let error = read().unwrap_err().to_string();
        assert!(error.contains("README.md is no prompt") && error.contains("interruptions.toml"), "{error}");
        assert!(matches!(Prompts::from_folder(&dir.path().join("none")), Err(PromptError::Read { .. })));
    }

    #[test]
    fn portraits_faults_and_interruptions_are_files_too() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        put("portrait.jinja", "{{ personality }}, {{ income }}");
        put("fault.jinja", "{{ kind }}: {{ words }}");
        let both = |first: &str| {
            format!(
                "[[interruption]]\nplace = \"{first}\"\ndoctor = \"One moment.\"\npatient = \"Is it bad?\"\n\
                 [[interruption]]\nplace = \"mid_turn\"\ndoctor = \"It is -\"\npatient = \"Is it?\"\n"
            )
        };
        put("interruptions.toml", &both("end_of_turn"));
        let prompts = Prompts::from_folder(dir.path()).unwrap();
        let fill = |name: PromptName| prompts.fill(name, name.example()).unwrap();
        assert_eq!(fill(PromptName::Portrait), "ESFJ, low");
        assert_eq!(fill(PromptName::Fault), "not_asked: I smoke.");
        assert_eq!(prompts.interruptions().len(), 2);
        for (wrong, problem) in [
            (both("mid_turn"), "no interruption with place = \"end_of_turn\""),
            (both("nowhere"), "line 2"),
            (both("end_of_turn").replace("One moment.", " "), "interruption 1: `doctor` is empty"),
        ] {
            put("interruptions.toml", &wrong);
            let error = Prompts::from_folder(dir.path()).unwrap_err().to_string();
            assert!(error.contains("interruptions.toml") && error.contains(problem), "{error}");
        }
    }
}
