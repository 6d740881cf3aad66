//! Concepts and the many ways people say them.
//!
//! One table serves the patient (what did the doctor ask?), the judge (what did the doctor say?) and the case bank
//! (which facts are there?). It is written by this project and lies in `data/lexicon.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// What a concept is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConceptKind {
    /// Something the patient feels or notices.
    Symptom,
    /// A disease or injury.
    Condition,
    /// A drug, a class of drugs, or another allergen.
    Substance,
    /// A habit or circumstance: smoking, alcohol, work, travel.
    Circumstance,
    /// A physical examination.
    Examination,
    /// A laboratory test, imaging or another measurement.
    Test,
    /// An operation, service or measure of treatment that is not a drug.
    Measure,
}

/// A concept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concept {
    /// The name by which cases and rubrics mean it: lower case, singular.
    pub name: String,
    /// What it is.
    pub kind: ConceptKind,
    /// Other ways of saying it, lower case; plural and possessive endings need not be listed.
    #[serde(default)]
    pub phrases: Vec<String>,
    /// Wider concepts it is one of: `ibuprofen` is an `anti-inflammatory`.
    #[serde(default)]
    pub is_a: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    concept: Vec<Concept>,
}

/// All concepts, by name.
#[derive(Debug, Clone, Default)]
pub struct Lexicon {
    concepts: BTreeMap<String, Concept>,
}

/// What is wrong with a lexicon.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LexiconError {
    /// Not TOML of the documented shape.
    #[error("lexicon: {0}")]
    Shape(String),
    /// Two concepts of one name.
    #[error("lexicon: `{0}` is there twice")]
    Twice(String),
    /// `is_a` names no concept.
    #[error("lexicon: `{concept}` is_a `{wider}`, which is not in the lexicon")]
    Unknown {
        /// The concept that is defined.
        concept: String,
        /// The name that is missing.
        wider: String,
    },
}

impl Lexicon {
    /// Reads a lexicon from TOML: a list of `[[concept]]`.
    pub fn parse(text: &str) -> Result<Self, LexiconError> {
        let file: File = toml::from_str(text).map_err(|error| LexiconError::Shape(error.to_string()))?;
        let mut concepts = BTreeMap::new();
        for concept in file.concept {
            if let Some(before) = concepts.insert(concept.name.clone(), concept) {
                return Err(LexiconError::Twice(before.name));
            }
        }
        for concept in concepts.values() {
            if let Some(wider) = concept.is_a.iter().find(|wider| !concepts.contains_key(*wider)) {
                return Err(LexiconError::Unknown { concept: concept.name.clone(), wider: wider.clone() });
            }
        }
        Ok(Self { concepts })
    }

    /// The lexicon that comes with osler.
    ///
    /// # Panics
    /// If the bundled file is broken, which a test rules out.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<Lexicon> = LazyLock::new(|| {
            Lexicon::parse(include_str!("../../data/lexicon.toml"))
                .unwrap_or_else(|error| panic!("the bundled lexicon is broken: {error}"))
        });
        &BUNDLED
    }

    /// The concept called `name`.
    pub fn get(&self, name: &str) -> Option<&Concept> {
        self.concepts.get(name)
    }

    /// All concepts, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Concept> {
        self.concepts.values()
    }

    /// Whether `narrow` is `wide`, or one of it at any remove.
    pub fn is_a(&self, narrow: &str, wide: &str) -> bool {
        self.within(narrow, wide, 8)
    }

    fn within(&self, narrow: &str, wide: &str, depth: usize) -> bool {
        narrow == wide
            || (depth > 0
                && self
                    .get(narrow)
                    .is_some_and(|concept| concept.is_a.iter().any(|up| self.within(up, wide, depth - 1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_lexicon_is_whole() {
        assert!(Lexicon::parse(include_str!("../../data/lexicon.toml")).is_ok());
    }

    #[test]
    fn no_phrase_means_two_things_and_all_are_lower_case() {
        let mut meanings = BTreeMap::new();
        for concept in Lexicon::bundled().iter() {
            for phrase in std::iter::once(&concept.name).chain(&concept.phrases) {
                assert_eq!(*phrase, phrase.to_lowercase().trim(), "of `{}`", concept.name);
                if let Some(other) = meanings.insert(phrase, &concept.name) {
                    panic!("`{phrase}` means `{other}` and `{}`", concept.name);
                }
            }
            assert!(
                concept.is_a.iter().all(|wider| *wider != concept.name),
                "`{}` is_a itself",
                concept.name
            );
        }
    }

    #[test]
    fn the_bundled_lexicon_covers_a_consultation() {
        let count = |kind| Lexicon::bundled().iter().filter(|concept| concept.kind == kind).count();
        assert!(count(ConceptKind::Symptom) >= 120);
        assert!(count(ConceptKind::Condition) >= 120);
        assert!(count(ConceptKind::Substance) >= 80);
        let (examinations, tests) = (count(ConceptKind::Examination), count(ConceptKind::Test));
        assert!(examinations >= 30 && tests >= 50 && count(ConceptKind::Measure) >= 50);
    }

    #[test]
    fn wider_concepts_are_found_at_any_remove_and_must_exist() {
        let text = |wider: &str| {
            format!(
                "[[concept]]\nname='a'\nkind='substance'\nis_a=['{wider}']\n[[concept]]\nname='b'\nkind='substance'\n\
                 is_a=['c']\n[[concept]]\nname='c'\nkind='substance'\n"
            )
        };
        let lexicon = Lexicon::parse(&text("b")).unwrap();
        assert!(lexicon.is_a("a", "c") && !lexicon.is_a("c", "a"));
        let error = Lexicon::parse(&text("d")).unwrap_err();
        assert_eq!(error, LexiconError::Unknown { concept: "a".into(), wider: "d".into() });
    }
}
