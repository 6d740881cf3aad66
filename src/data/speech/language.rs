//! A reply that leaves the language or the script of the dialogue, or mixes scripts within a word.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::script::{Script, script};
use super::words::{Word, sentences, words};

/// A run of so many letters of a script that the patient does not use is speech; one alone may be a sign (`β`).
const RUN: usize = 2;
/// Latin letters of a sentence from which on it is speech in a dialogue of another script; fewer may be an abbreviation.
const LATIN: usize = 12;
/// Different small words of a language by which it is told.
const SMALL_WORDS: usize = 2;

/// Languages of the Latin script by words that are frequent in them and rare in the others. Those that are English words too are
/// only in the first list.
const LANGUAGES: &[(&str, &[&str])] = &[
    (
        "english",
        &[
            "the", "and", "you", "your", "is", "are", "was", "do", "does", "did", "have", "has", "had",
            "any", "it", "when", "what", "where", "how", "with", "that", "this", "of", "to", "for", "my",
            "i", "not", "in", "on", "at", "if",
        ],
    ),
    (
        "french",
        &[
            "le", "les", "des", "est", "vous", "avez", "une", "et", "pour", "dans", "avec", "je", "que",
            "votre", "depuis", "quand", "où", "suis", "pas", "du", "ça", "êtes", "cela", "ce", "la",
        ],
    ),
    (
        "german",
        &[
            "der", "das", "und", "ist", "sie", "haben", "ein", "eine", "ich", "nicht", "mit", "wie", "seit",
            "wann", "ihre", "ihnen", "auf", "bitte", "wo", "sind", "hat", "zu", "es",
        ],
    ),
    (
        "spanish",
        &[
            "el", "los", "las", "una", "usted", "tiene", "que", "por", "cuándo", "está", "dónde", "desde",
            "para", "muy", "del", "qué", "cómo", "y", "la", "le",
        ],
    ),
    (
        "italian",
        &[
            "il", "gli", "una", "che", "è", "ha", "quando", "dove", "della", "sono", "lei", "suo", "ho",
            "non", "la",
        ],
    ),
    (
        "portuguese",
        &[
            "você", "tem", "uma", "que", "por", "com", "quando", "onde", "está", "seu", "não", "desde", "os",
            "sente",
        ],
    ),
];

/// The passage that leaves what `heard`, all that was said so far, is written in:
///
/// - a word that mixes scripts, as letters that only look like others do;
/// - a run of letters of a script that the patient does not use, other than Latin;
/// - a sentence in Latin script where the patient uses another;
/// - a sentence in another language of the Latin script than the patient's, told by its small words.
///
/// `None` where the patient has said nothing that could tell.
pub fn find(reply: &str, heard: &str) -> Option<Range<usize>> {
    let used: BTreeSet<Script> = heard.chars().filter_map(script).collect();
    let dialogue = main_script(heard)?;
    let sentences = || sentences(reply).into_iter();
    let part = |span: &Range<usize>| reply.get(span.clone()).unwrap_or_default();
    let to_latin = |span: &Range<usize>| {
        let letters = part(span).chars().filter(|letter| script(*letter) == Some(Script::Latin)).count();
        letters >= LATIN && main_script(part(span)) == Some(Script::Latin)
    };
    let elsewhere = || {
        if dialogue != Script::Latin {
            return sentences().find(to_latin);
        }
        let own = language(heard)?;
        sentences().find(|span| leaves(part(span), own))
    };
    mixed(reply).or_else(|| foreign_run(reply, &used)).or_else(elsewhere)
}

/// The script of most letters.
fn main_script(text: &str) -> Option<Script> {
    let mut counts: BTreeMap<Script, usize> = BTreeMap::new();
    for script in text.chars().filter_map(script) {
        *counts.entry(script).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(script, _)| script)
}

/// The first word that mixes Latin with Cyrillic letters, or has Greek ones between Latin ones (`TNFα` is a name).
fn mixed(reply: &str) -> Option<Range<usize>> {
    let mixes = |word: &Word| {
        let scripts: Vec<Script> = word.text.chars().filter_map(script).collect();
        let latin = |part: &[Script]| part.contains(&Script::Latin);
        let between = |(at, found): (usize, &Script)| {
            *found == Script::Greek && latin(&scripts[..at]) && latin(&scripts[at..])
        };
        latin(&scripts) && scripts.contains(&Script::Cyrillic) || scripts.iter().enumerate().any(between)
    };
    words(reply).into_iter().find(mixes).map(|word| word.span)
}

/// The first run of letters of one script that is neither Latin nor in `used`.
fn foreign_run(reply: &str, used: &BTreeSet<Script>) -> Option<Range<usize>> {
    let mut run: Option<(Script, Range<usize>, usize)> = None;
    let mut found = None;
    for (at, letter) in reply.char_indices() {
        let end = at + letter.len_utf8();
        let foreign = script(letter).filter(|script| *script != Script::Latin && !used.contains(script));
        run = match (foreign, run) {
            (Some(this), Some((before, span, count))) if before == this => {
                Some((this, span.start..end, count + 1))
            }
            (Some(this), _) => Some((this, at..end, 1)),
            (None, _) if found.is_some() => break,
            (None, _) => None,
        };
        if let Some((_, span, count)) = &run
            && *count >= RUN
        {
            found = Some(span.clone());
        }
    }
    found
}

/// How many different small words of a language stand among `words`.
fn small_words(words: &[Word], language: &[&str]) -> usize {
    let found: BTreeSet<&str> =
        words.iter().map(|word| word.text.as_str()).filter(|word| language.contains(word)).collect();
    found.len()
}

/// The language of `text`, by most of its small words; `None` where there are too few.
fn language(text: &str) -> Option<&'static str> {
    let words = words(text);
    // The earlier of two that are equal: the list begins with English.
    let counted = LANGUAGES.iter().rev().map(|(name, small)| (small_words(&words, small), *name));
    counted.max_by_key(|(count, _)| *count).filter(|(count, _)| *count >= SMALL_WORDS).map(|(_, name)| name)
}

/// Whether `sentence` is in another language than `own`: it has small words of that, and more than of `own`.
fn leaves(sentence: &str, own: &str) -> bool {
    let words = words(sentence);
    let count = |language: &str| {
        LANGUAGES
            .iter()
            .find(|(name, _)| *name == language)
            .map_or(0, |(_, small)| small_words(&words, small))
    };
    let at_home = count(own);
    LANGUAGES.iter().any(|(name, _)| {
        let abroad = count(name);
        *name != own && abroad >= SMALL_WORDS && abroad > at_home
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = "I have had a pain in my chest since Monday. It is worse when I walk.";
    const CHINESE: &str = "\u{6211}\u{80f8}\u{53e3}\u{75bc}\u{4e86}\u{4e09}\u{5929}";
    const FRENCH: &str = "J'ai mal dans la poitrine depuis lundi, et je suis inquiet.";

    fn found<'a>(reply: &'a str, heard: &str) -> Option<&'a str> {
        find(reply, heard).map(|span| &reply[span])
    }

    #[test]
    fn other_scripts_and_languages_are_found() {
        let when = "\u{4ec0}\u{4e48}\u{65f6}\u{5019}";
        assert_eq!(found(&format!("When did it start {when} please?"), ENGLISH), Some(when));
        assert_eq!(
            found("\u{41a}\u{43e}\u{433}\u{434}\u{430}?", ENGLISH),
            Some("\u{41a}\u{43e}\u{433}\u{434}\u{430}")
        );
        let french = "Depuis quand avez-vous cette douleur ?";
        assert_eq!(found(&format!("I see. {french}"), ENGLISH), Some(french));
        assert_eq!(found("Wo haben Sie das?", ENGLISH), Some("Wo haben Sie das?"));
        assert_eq!(found("When did it start?", FRENCH), Some("When did it start?"));
        let english = "When did it start, and how bad is it?";
        assert_eq!(found(english, CHINESE), Some(english));
        // One letter of `start` is Cyrillic.
        assert_eq!(found("When did it st\u{430}rt?", ENGLISH), Some("st\u{430}rt"));
    }

    #[test]
    fn the_language_of_the_dialogue_is_not() {
        let asked = format!("{CHINESE}\u{ff0c}ECG\u{3002}");
        for (fine, heard) in [
            ("When did it start?", ENGLISH),
            ("Does it come and go, or is it there all the time?", ENGLISH),
            ("You may have M\u{e9}ni\u{e8}re's disease.", ENGLISH),
            ("I will order \u{3b2}-hCG and TNF\u{3b1}, 5 \u{b5}g.", ENGLISH),
            ("Depuis quand avez-vous cette douleur ?", FRENCH),
            (asked.as_str(), CHINESE),
            ("Quand est-ce que vous avez mal ?", ""),
            ("", ENGLISH),
        ] {
            assert_eq!(found(fine, heard), None, "{fine}");
        }
    }
}
