//! What the words of a prompt show of a case, whichever facts it was made of: nothing of it is to be asked for, and nothing else is to be
//! heeded.

use std::collections::BTreeSet;

use crate::chat::Role;
use crate::data::case::{Aspect, Fact, Topic};
use crate::data::lexicon::Lexicon;
use crate::data::utterance::Understanding;
use crate::rubric::authoring::prompt::DraftPrompt;
use crate::rubric::authoring::sources::chart::line;
use crate::rubric::text::{plain, words};

/// Numbers as words; the first is one.
const NUMBERS: [&str; 12] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
/// Fewest words of a chart's wording by which a fact is found in a prompt.
const LEAST_WORDS: usize = 2;

/// What the user of a prompt says.
pub struct Shown<'a> {
    prompt: &'a DraftPrompt,
    lexicon: &'a Lexicon,
    /// Its words, with a blank at each end.
    words: String,
    concepts: BTreeSet<String>,
    numbers: BTreeSet<String>,
}

impl<'a> Shown<'a> {
    /// Reads `prompt`.
    pub fn new(prompt: &'a DraftPrompt) -> Self {
        let said = prompt.messages.iter().filter(|it| it.role == Role::User).map(|it| it.content.as_str());
        let text = said.collect::<Vec<_>>().join("\n");
        let mentions = Understanding::bundled().mentions(&text);
        Self {
            prompt,
            lexicon: Lexicon::bundled(),
            words: format!(" {} ", plain(&text)),
            concepts: mentions.into_iter().map(|mention| mention.concept).collect(),
            numbers: numbers(&text),
        }
    }

    /// Whether the prompt was made of `fact`, or its words tell it: then it is not to be asked for again.
    pub fn tells(&self, fact: &Fact) -> bool {
        self.is_of(fact) || self.quotes(fact) || self.names(fact)
    }

    /// Whether whoever reads the prompt can see what the chart says of `fact`: it was made of it, and no number of the chart's is missing.
    pub fn shows(&self, fact: &Fact) -> bool {
        self.is_of(fact) && numbers(&line(fact)).is_subset(&self.numbers)
    }

    /// Whether the words say anything of allergies.
    pub fn speaks_of_allergies(&self) -> bool {
        self.words.contains(" allerg")
    }

    fn is_of(&self, fact: &Fact) -> bool {
        self.prompt.told.contains(&fact.id)
    }

    /// Whether the words have the chart's wording in them.
    fn quotes(&self, fact: &Fact) -> bool {
        let text = plain(&fact.text);
        text.split(' ').count() >= LEAST_WORDS && self.has(&text)
    }

    /// Whether the words say or deny that what `fact` is about is there. When it began or how bad it is they do not tell by naming it,
    /// nor whom else it concerns.
    fn names(&self, fact: &Fact) -> bool {
        let whole = matches!(fact.aspect, Aspect::Presence | Aspect::Detail);
        let named = || {
            self.concepts.iter().any(|concept| self.lexicon.is_a(concept, &fact.concept))
                || self.has(&plain(&fact.concept))
        };
        match fact.topic {
            Topic::Symptom | Topic::History | Topic::Medication | Topic::Social => whole && named(),
            Topic::Allergy => self.speaks_of_allergies() && named(),
            Topic::Family | Topic::Concern | Topic::Examination | Topic::Test => false,
        }
    }

    fn has(&self, words: &str) -> bool {
        !words.is_empty() && self.words.contains(&format!(" {words} "))
    }
}

/// The numbers in `text`, in figures.
fn numbers(text: &str) -> BTreeSet<String> {
    let in_figures = |word: &str| {
        let place = NUMBERS.iter().position(|it| *it == word);
        match place {
            Some(place) => Some((place + 1).to_string()),
            None => word.contains(|c: char| c.is_ascii_digit()).then(|| word.to_owned()),
        }
    };
    words(text).into_iter().filter_map(|word| in_figures(&word.text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::case::{FactId, Finding, Importance, Reveal};
    use crate::rubric::authoring::prompt::Source;
    use crate::rubric::authoring::scenario::Scenario;

    fn fact(topic: Topic, concept: &str, text: &str) -> Fact {
        Fact {
            id: FactId("f1".into()),
            topic,
            concept: concept.into(),
            aspect: Aspect::Presence,
            finding: Finding::Present,
            text: text.into(),
            said: None,
            reveal: Reveal::OnQuestion,
            importance: Importance::Useful,
            private: false,
        }
    }

    fn prompt(text: &str) -> DraftPrompt {
        DraftPrompt::new(Scenario::Consultation, Source::Record { case_id: "x".into() }, text.into())
    }

    #[test]
    fn what_the_words_name_is_told_whichever_fact_it_is_of() {
        let prompt = prompt("I have a pruritic rash and no fever. My mother has migraine. I take aspirin.");
        let shown = Shown::new(&prompt);
        let tells = |topic, concept: &str| shown.tells(&fact(topic, concept, "x"));
        assert!(tells(Topic::Symptom, "rash") && tells(Topic::Symptom, "pruritic rash"));
        assert!(tells(Topic::Symptom, "fever") && tells(Topic::Medication, "aspirin"));
        assert!(!tells(Topic::Symptom, "vomiting") && !tells(Topic::Family, "migraine"));
        // Taking it is no allergy to it.
        assert!(!tells(Topic::Allergy, "aspirin"));
        let onset = Fact { aspect: Aspect::Onset, ..fact(Topic::Symptom, "rash", "since Monday evening") };
        assert!(!shown.tells(&onset));
        let allergic = self::prompt("I am allergic to aspirin.");
        assert!(Shown::new(&allergic).tells(&fact(Topic::Allergy, "aspirin", "x")));
        let since = self::prompt("It itches, since Monday evening.");
        assert!(Shown::new(&since).tells(&onset));
    }

    #[test]
    fn numbers_that_nobody_gave_are_not_shown() {
        let five = fact(Topic::Symptom, "vomiting", "vomited 5 times");
        let shows = |text: &str, told: bool| {
            let mut prompt = prompt(text);
            prompt.told.extend(told.then(|| five.id.clone()));
            Shown::new(&prompt).shows(&five)
        };
        assert!(!shows("I have been vomiting.", true));
        assert!(shows("I have vomited five times.", true) && shows("I vomited 5 times.", true));
        assert!(!shows("I vomited 5 times.", false));
    }
}
