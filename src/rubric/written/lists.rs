//! The words by which written criteria are read, from `data/written.toml`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::data::utterance::stem::stem;

/// A unit and its spellings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unit {
    name: String,
    words: Vec<String>,
    /// Another unit and how many of it this one is.
    is: Option<(String, f64)>,
}

/// Words of opposite meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opposite {
    one: Vec<String>,
    other: Vec<String>,
}

/// Phrases that stand for a concept of the lexicon in written criteria only.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Also {
    pub concept: String,
    pub phrases: Vec<String>,
}

/// One side of a pair of opposites: the number of the pair, and whether it is the first side.
pub(super) type Side = (usize, bool);

/// Phrases that mean one thing; the first names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Same {
    pub phrases: Vec<String>,
}

/// The file as it is written; each list is explained there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    reach: usize,
    function: Vec<String>,
    general: Vec<String>,
    negators: Vec<String>,
    turns: Vec<String>,
    manner: Vec<String>,
    limits: Vec<String>,
    states: Vec<String>,
    asks: Vec<String>,
    lacks: Vec<String>,
    openings: Vec<String>,
    requests: Vec<String>,
    refusals: Vec<String>,
    imperatives: Vec<String>,
    advising: Vec<String>,
    mentioning: Vec<String>,
    recommending: Vec<String>,
    plain: Vec<String>,
    conditions: Vec<String>,
    fillers: Vec<String>,
    reports: Vec<String>,
    opposite: Vec<Opposite>,
    numbers: HashMap<String, f64>,
    per: HashMap<String, String>,
    also: Vec<Also>,
    unit: Vec<Unit>,
    same: Vec<Same>,
}

/// The lists, ready to be asked.
#[derive(Debug)]
pub(super) struct Lists {
    /// How many words a denial reaches.
    pub reach: usize,
    /// Words without content.
    pub function: HashSet<String>,
    /// Stems of words that show nothing.
    pub general: HashSet<String>,
    /// Words that deny what follows.
    pub negators: HashSet<String>,
    /// Words that end a denial.
    pub turns: HashSet<String>,
    /// Words of criteria about a whole message's manner.
    pub manner: HashSet<String>,
    /// Words that limit or order.
    pub limits: HashSet<String>,
    /// First words of criteria that look for a statement.
    pub states: HashSet<String>,
    /// First words of criteria that look for a question.
    pub asks: HashSet<String>,
    /// The stems of both.
    pub verbs: HashSet<String>,
    /// Beginnings of criteria that look for what is missing, as words.
    pub lacks: Vec<Vec<String>>,
    /// Words before a criterion's verb.
    pub openings: HashSet<String>,
    /// Phrases that ask without a question mark.
    pub requests: Vec<String>,
    /// Stems of words that say what is against something.
    pub refusals: HashSet<String>,
    /// First words of an advice.
    pub imperatives: HashSet<String>,
    /// Words by which an advice is given.
    pub advising: HashSet<String>,
    /// Verbs for which it is enough that something is named.
    pub mentioning: HashSet<String>,
    /// Verbs that look for an advice.
    pub recommending: HashSet<String>,
    /// Words that a short criterion may have beside its verb and what it names.
    pub plain: HashSet<String>,
    /// Words that make a sentence no plain advice.
    pub conditions: HashSet<String>,
    /// Words that may stand between a drug and its dose.
    pub fillers: HashSet<String>,
    /// Words that tell what was said before.
    pub reports: HashSet<String>,
    /// Words with the sides of opposites that they name.
    pub sides: HashMap<String, Vec<Side>>,
    /// Stems of words of opposites and of refusals: none of them can be left out.
    pub polar: HashSet<String>,
    /// Numbers in words.
    pub numbers: HashMap<String, f64>,
    /// What a unit may be per, with the name of that.
    pub per: HashMap<String, String>,
    /// Further phrases of the lexicon's concepts.
    pub also: Vec<Also>,
    /// Units that are so many of another one.
    pub factors: HashMap<String, (String, f64)>,
    /// Spellings of units, with the unit's name.
    pub units: HashMap<String, String>,
    /// Phrases of one meaning.
    pub same: Vec<Same>,
}

/// The text of the bundled file: part of what decides a verdict.
pub(super) const TEXT: &str = include_str!("../../../data/written.toml");

impl Lists {
    /// The bundled lists.
    ///
    /// # Panics
    /// If the bundled file is broken, which a test rules out.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<Lists> = LazyLock::new(|| {
            let file: File =
                toml::from_str(TEXT).unwrap_or_else(|error| panic!("data/written.toml is broken: {error}"));
            Lists::of(file)
        });
        &BUNDLED
    }

    fn of(file: File) -> Self {
        let set = |words: Vec<String>| words.into_iter().collect::<HashSet<String>>();
        let stems = |words: &[String]| words.iter().map(|word| stemmed(word)).collect::<HashSet<String>>();
        let verbs = stems(&file.states).union(&stems(&file.asks)).cloned().collect();
        let mut sides: HashMap<String, Vec<Side>> = HashMap::new();
        for (pair, Opposite { one, other }) in file.opposite.into_iter().enumerate() {
            for (words, first) in [(one, true), (other, false)] {
                words.into_iter().for_each(|word| sides.entry(word).or_default().push((pair, first)));
            }
        }
        let factors =
            file.unit.iter().filter_map(|unit| Some((unit.name.clone(), unit.is.clone()?))).collect();
        let units = file
            .unit
            .into_iter()
            .flat_map(|Unit { name, words, .. }| words.into_iter().map(move |word| (word, name.clone())));
        Self {
            reach: file.reach,
            general: stems(&file.general),
            function: set(file.function),
            negators: set(file.negators),
            turns: set(file.turns),
            manner: set(file.manner),
            limits: set(file.limits),
            verbs,
            states: set(file.states),
            asks: set(file.asks),
            lacks: file.lacks.iter().map(|text| super::token::words(text)).collect(),
            openings: set(file.openings),
            requests: file.requests,
            polar: stems(&file.refusals).into_iter().chain(sides.keys().map(|word| stemmed(word))).collect(),
            refusals: stems(&file.refusals),
            imperatives: set(file.imperatives),
            advising: set(file.advising),
            mentioning: set(file.mentioning),
            recommending: set(file.recommending),
            plain: set(file.plain),
            conditions: set(file.conditions),
            fillers: set(file.fillers),
            reports: set(file.reports),
            sides,
            numbers: file.numbers,
            per: file.per,
            also: file.also,
            factors,
            units: units.collect(),
            same: file.same,
        }
    }
}

/// The stem of a lower-case word.
pub(super) fn stemmed(word: &str) -> String {
    let mut out = String::new();
    stem(word, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_lists_can_be_read_and_are_lower_case() {
        let lists = Lists::bundled();
        assert!(lists.reach > 0 && lists.lacks.iter().all(|words| !words.is_empty()));
        for words in
            [&lists.function, &lists.negators, &lists.manner, &lists.limits, &lists.states, &lists.asks]
        {
            assert!(!words.is_empty() && words.iter().all(|word| *word == word.to_lowercase()));
        }
        assert!(lists.same.iter().all(|same| same.phrases.len() > 1));
        let lexicon = crate::data::lexicon::Lexicon::bundled();
        assert!(
            lists.also.iter().all(|also| lexicon.get(&also.concept).is_some() && !also.phrases.is_empty())
        );
        // What a unit is so many of is a unit itself, in one step.
        let names: HashSet<&String> = lists.units.values().collect();
        for (base, factor) in lists.factors.values() {
            assert!(names.contains(base) && !lists.factors.contains_key(base) && *factor > 0.0, "{base}");
        }
        // No word stands on both sides of a pair.
        for (word, sides) in &lists.sides {
            assert!(sides.iter().all(|(pair, first)| !sides.contains(&(*pair, !first))), "{word}");
        }
    }
}
