//! From the words of a record to the names of the lexicon.

use std::collections::BTreeMap;

use crate::data::lexicon::{ConceptKind, Lexicon};
use crate::data::spelled;

/// The phrases of a lexicon, to be found in text.
#[derive(Debug, Clone)]
pub struct Concepts {
    /// By first word: the words of the phrase, the concept's name and its kind.
    phrases: BTreeMap<String, Vec<(Vec<String>, String, ConceptKind)>>,
}

impl Concepts {
    /// All phrases of `lexicon`.
    pub fn new(lexicon: &Lexicon) -> Self {
        let mut phrases: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for concept in lexicon.iter() {
            for phrase in std::iter::once(&concept.name).chain(&concept.phrases) {
                let words = words(phrase);
                if let Some(first) = words.first() {
                    let entry = (words.clone(), concept.name.clone(), concept.kind);
                    phrases.entry(first.clone()).or_default().push(entry);
                }
            }
        }
        // The longest phrase wins: `chest pain` before `pain`.
        phrases.values_mut().for_each(|list| list.sort_by_key(|(words, ..)| std::cmp::Reverse(words.len())));
        Self { phrases }
    }

    /// The concept that the whole text names.
    pub fn exact(&self, text: &str, kinds: &[ConceptKind]) -> Option<&str> {
        let words = words(text);
        let (length, name) = self.at(&words, kinds)?;
        (length == words.len()).then_some(name)
    }

    /// Concepts that the text mentions, in the order of the text, each once.
    pub fn within(&self, text: &str, kinds: &[ConceptKind]) -> Vec<&str> {
        let words = words(text);
        let mut found: Vec<&str> = Vec::new();
        let mut at = 0;
        while let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) {
            match self.at(rest, kinds) {
                Some((length, name)) => {
                    if !found.contains(&name) {
                        found.push(name);
                    }
                    at += length.max(1);
                }
                None => at += 1,
            }
        }
        found
    }

    /// The concept that the text names or else mentions first, or else the text itself in lower case, without
    /// what stands in brackets.
    pub fn name(&self, text: &str, kinds: &[ConceptKind]) -> String {
        self.exact(text, kinds)
            .or_else(|| self.within(text, kinds).first().copied())
            .map_or_else(|| plain_name(text), str::to_owned)
    }

    /// The condition that the whole text names, or the text itself: a part of a diagnosis is another diagnosis.
    pub fn condition(&self, text: &str) -> String {
        let plain = plain_name(text);
        self.exact(&plain, &[ConceptKind::Condition, ConceptKind::Symptom]).map_or(plain, str::to_owned)
    }

    /// The longest phrase that begins `words`.
    fn at(&self, words: &[String], kinds: &[ConceptKind]) -> Option<(usize, &str)> {
        let list = self.phrases.get(words.first()?)?;
        list.iter()
            .find(|(phrase, _, kind)| kinds.contains(kind) && words.starts_with(phrase))
            .map(|(phrase, name, _)| (phrase.len(), name.as_str()))
    }
}

/// Lower case, without brackets and what is in them, blanks single: `Viral sinusitis (disorder)` is `viral sinusitis`.
pub fn plain_name(text: &str) -> String {
    let mut depth = 0usize;
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            // Exports carry zero-width spaces as line-break hints.
            '\u{200b}' | '\u{feff}' => {}
            _ if depth > 0 => {}
            _ => out.extend(c.to_lowercase()),
        }
    }
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let out = out.trim_matches([' ', ',', ';', ':', '.', '-', '/']);
    if out.is_empty() { text.trim().to_lowercase() } else { out.to_owned() }
}

/// Words in lower case without endings of plural and possession.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .map(|word| word.trim_end_matches("'s").trim_end_matches("’s").trim_matches(['\'', '’']))
        .filter(|word| !word.is_empty())
        .map(|word| {
            let plural = word.len() > 3
                && word.ends_with('s')
                && !["ss", "us", "is"].iter().any(|e| word.ends_with(e));
            if plural { word.trim_end_matches('s').to_owned() } else { word.to_owned() }
        })
        .collect()
}

/// Whether `text` names one of `names`, whole words only; an abbreviation may be spelled letter by letter.
pub fn names_one_of(text: &str, names: &[String]) -> bool {
    let text = words(text);
    names
        .iter()
        .map(|name| spelled::joined(words(name)))
        .any(|name| !name.is_empty() && (0..text.len()).any(|at| begins(&text[at..], &name)))
}

/// Whether `words` begin with `name`.
fn begins(mut words: &[String], name: &[String]) -> bool {
    name.iter().all(|want| {
        let said = match words.first() {
            Some(word) if word == want => Some(1),
            _ => spelled::letters(words.iter().map(String::as_str), want),
        };
        words = said.and_then(|said| words.get(said..)).unwrap_or_default();
        said.is_some()
    })
}

/// A name in letters, digits and hyphens: `Viral sinusitis (disorder)` is `viral-sinusitis`. At most 60 long.
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in plain_name(text).chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() && c != '\'' {
            out.push('-');
        }
        if out.len() >= 60 {
            break;
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() { "unnamed".to_owned() } else { out.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concepts() -> Concepts {
        let text = "[[concept]]\nname='chest pain'\nkind='symptom'\nphrases=['pain in my chest']\n\
                    [[concept]]\nname='pain'\nkind='symptom'\n[[concept]]\nname='paracetamol'\nkind='substance'\n\
                    phrases=['acetaminophen']\n";
        Concepts::new(&Lexicon::parse(text).unwrap())
    }

    #[test]
    fn the_longest_phrase_names_the_concept() {
        let concepts = concepts();
        let symptom = [ConceptKind::Symptom];
        assert_eq!(concepts.exact("Chest pains", &symptom), Some("chest pain"));
        assert_eq!(
            concepts.within("A pain in my chest, then pain in the arm", &symptom),
            ["chest pain", "pain"]
        );
        let substance = [ConceptKind::Substance];
        assert_eq!(concepts.name("Acetaminophen 325 MG Oral Tablet", &substance), "paracetamol");
        assert_eq!(concepts.name("Camila 28 Day Pack", &substance), "camila 28 day pack");
        assert_eq!(concepts.condition("Painful rib (disorder)"), "painful rib");
    }

    #[test]
    fn names_are_made_plain() {
        assert_eq!(plain_name("Leukocytes [#/\u{200b}volume] in Blood"), "leukocytes in blood");
        assert_eq!(slug("Alzheimer's disease (disorder)"), "alzheimers-disease");
        assert_eq!(slug("病"), "unnamed");
        assert!(names_one_of("It is Crohn's disease.", &["crohn disease".into()]));
        assert!(!names_one_of("crohnic", &["crohn".into()]));
        let short = ["acute coronary syndrome".into(), "acs".into()];
        assert!(names_one_of("Had an A.C.S. in 2019", &short) && names_one_of("an ACS", &short));
        assert!(!names_one_of("a c. s.", &["acx".into()]) && !names_one_of("", &short));
    }
}
