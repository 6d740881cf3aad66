//! What somebody says of their own life: habits, work, marriage. Nobody who was not asked for it tells it to a doctor's
//! simulated patient, and a model's draft may.

use crate::data::lexicon::ConceptKind;
use crate::sim::heard::Scene;

/// Circumstances of the lexicon that are told of oneself. Others are named in passing as well (`I can't walk much`).
const OF_A_LIFE: &[&str] = &[
    "smoking",
    "alcohol",
    "last drink",
    "recreational drug use",
    "living situation",
    "relationship trouble",
    "sexual history",
    "travel",
    "pets",
    "hobby",
];

/// Whether a circumstance of the lexicon is one that [`told`] looks for.
pub fn is_of_a_life(concept: &str) -> bool {
    OF_A_LIFE.contains(&concept)
}

/// What somebody is, said after `I am` and its like, and what of the lexicon it is about; nothing where that has no word for it.
const STATES: &[(&str, Option<&str>)] = &[
    ("divorced", Some("relationship trouble")),
    ("separated", Some("relationship trouble")),
    ("married", None),
    ("engaged", None),
    ("widowed", None),
    ("widow", None),
    ("widower", None),
    ("single", None),
    ("retired", Some("work")),
    ("unemployed", Some("work")),
    ("employed", Some("work")),
    ("jobless", Some("work")),
    ("homeless", Some("living situation")),
    ("smoker", Some("smoking")),
    ("alcoholic", Some("alcohol")),
    ("drinker", Some("alcohol")),
];

/// Beginnings of what is said of oneself; in between may stand so many words.
const I_AM: &[&str] = &["i am", "i'm", "im", "i was", "i got", "i've been", "i have been"];
const BETWEEN: usize = 3;

/// Whole phrases about one's life, with what of the lexicon they are about.
const PHRASES: &[(&str, &str)] = &[
    ("i work", "work"),
    ("i'm working as", "work"),
    ("i am working as", "work"),
    ("my job", "work"),
    ("my employer", "work"),
    ("i drink", "alcohol"),
    ("i live with", "living situation"),
    ("i live alone", "living situation"),
];

/// Something that is said of one's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What of the lexicon it is about; `None` where that has no word for it.
    pub concept: Option<String>,
    /// The word that says it, in lower case.
    pub word: String,
    /// Whether it is denied.
    pub negated: bool,
}

/// What `text` says of its speaker's life. A question says nothing of it.
pub fn told(scene: &Scene<'_>, text: &str) -> Vec<Told> {
    if text.trim_end().ends_with('?') {
        return Vec::new();
    }
    let named = scene
        .understanding
        .mentions(text)
        .into_iter()
        .filter(|it| it.kind == ConceptKind::Circumstance && is_of_a_life(&it.concept));
    let mut told: Vec<Told> = named
        .map(|it| Told {
            word: text.get(it.span.clone()).unwrap_or_default().to_lowercase(),
            concept: Some(it.concept),
            negated: it.negated,
        })
        .collect();
    let text = format!(" {} ", plain(text));
    let negated = [" not ", " never ", "n't "].iter().any(|no| text.contains(no));
    let states = STATES.iter().filter(|(state, _)| is_said_of_oneself(&text, state));
    let phrases = PHRASES.iter().filter(|(phrase, _)| text.contains(&format!(" {phrase} ")));
    let more = states
        .map(|(state, concept)| (*state, *concept))
        .chain(phrases.map(|(phrase, concept)| (*phrase, Some(*concept))));
    for (word, concept) in more {
        if concept.is_none_or(|concept| told.iter().all(|it| it.concept.as_deref() != Some(concept))) {
            told.push(Told { concept: concept.map(str::to_owned), word: word.to_owned(), negated });
        }
    }
    told
}

/// Whether `text`, as [`plain`] has it, says that its speaker is this.
fn is_said_of_oneself(text: &str, state: &str) -> bool {
    I_AM.iter().any(|begins| {
        let begins = format!(" {begins} ");
        text.match_indices(&begins).any(|(at, _)| {
            let rest = &text[at + begins.len()..];
            rest.split(' ').take(BETWEEN + 1).any(|word| word == state)
        })
    })
}

/// Words in lower case with a space between them, apostrophes kept.
fn plain(text: &str) -> String {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::Lexicon;
    use crate::data::utterance::Understanding;
    use crate::sim::sample::{plain as nobody, play, script};

    fn about(text: &str) -> Vec<Option<String>> {
        let script = script(nobody(), 1);
        let so_far = play(&script, &[]);
        let scene = Scene::new(&script, &so_far, "", Understanding::bundled(), Lexicon::bundled());
        told(&scene, text).into_iter().map(|it| it.concept).collect()
    }

    #[test]
    fn what_is_said_of_a_life_is_read() {
        let of = |concept: &str| vec![Some(concept.to_owned())];
        assert_eq!(about("I smoke."), of("smoking"));
        assert_eq!(about("I am divorced."), of("relationship trouble"));
        assert_eq!(about("I've been happily married for years."), [None]);
        assert_eq!(about("I work in a bank."), of("work"));
        for nothing in [
            "I can't afford that.",
            "The tablets don't work.",
            "It began this morning at 8.",
            "I was asleep when it began.",
            "There was not a single drop.",
            "Should I stop smoking?",
        ] {
            assert_eq!(about(nothing), [], "{nothing}");
        }
    }
}
