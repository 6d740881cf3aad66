//! Identifiers of one patient that the structured fields gave, to be looked for in the free text.

use std::collections::BTreeSet;

use super::name_lists::NameLists;
use super::{Hit, PhiClass, fold};

/// Identifiers of one patient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Words of names, made plain, in the case in which they were written.
    names: BTreeSet<String>,
    /// Towns, the same.
    towns: BTreeSet<String>,
    /// Numbers, mail addresses and address lines, letters and digits only, lower case, with their class.
    codes: BTreeSet<(String, PhiClass)>,
}

impl Known {
    /// Remembers a person's name; each of its words of three letters or more counts.
    pub fn name(&mut self, name: &str) {
        let name = fold::plain(name);
        let words = name.split(|c: char| !c.is_alphanumeric());
        let words = words.map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()));
        self.names.extend(words.filter(|word| word.chars().count() >= 3).map(str::to_owned));
    }

    /// Remembers a town.
    pub fn town(&mut self, town: &str) {
        let town = fold::plain(town);
        if town.chars().count() >= 3 {
            self.towns.insert(town.into_owned());
        }
    }

    /// Remembers a number, an address line or the like. What has fewer than five letters and digits is too common.
    pub fn code(&mut self, code: &str, class: PhiClass) {
        let plain = plain(&fold::plain(code)).map(|(_, c)| c).collect::<String>();
        if plain.chars().count() >= 5 {
            self.codes.insert((plain, class));
        }
    }

    /// Whether a word is one of the names, in whatever case: file names keep none.
    pub(super) fn has_name(&self, word: &str) -> bool {
        let word = fold::plain(word).to_lowercase();
        self.names.iter().any(|name| name.to_lowercase() == word)
    }

    /// Adds what occurs in `text`, which has been made plain.
    pub(super) fn scan(&self, text: &str, hits: &mut Vec<Hit>) {
        let names = self.names.iter().map(|name| (name, PhiClass::Name));
        for (name, class) in names.chain(self.towns.iter().map(|town| (town, PhiClass::Geography))) {
            let small = name.to_lowercase();
            // `brown urine` is nobody's name; a longer word that is no ordinary one is the patient's in small letters too.
            let rare = small.chars().count() >= 5 && !NameLists::bundled().ordinary.contains(&small);
            let mut spellings = BTreeSet::from([name.clone(), name.to_uppercase()]);
            spellings.extend(rare.then_some(small));
            for spelling in spellings {
                for (start, found) in text.match_indices(&spelling) {
                    let end = start + found.len();
                    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
                    let before = text.get(..start).and_then(|t| t.chars().next_back());
                    let after = text.get(end..).and_then(|t| t.chars().next());
                    if !letter(before) && !letter(after) && (rare || starts_high(found)) {
                        hits.push(Hit { span: start..end, class, rule: "the patient's own" });
                    }
                }
            }
        }
        if self.codes.is_empty() {
            return;
        }
        let map: Vec<(usize, char)> = plain(text).collect();
        let letters: String = map.iter().map(|(_, c)| *c).collect();
        // Byte offset in `letters` of each of its characters, to come back to the text.
        let offsets: Vec<usize> = letters.char_indices().map(|(at, _)| at).collect();
        for (code, class) in &self.codes {
            for (at, found) in letters.match_indices(code.as_str()) {
                let first = offsets.binary_search(&at).ok().and_then(|i| map.get(i));
                let last = offsets.partition_point(|&offset| offset < at + found.len());
                let last = last.checked_sub(1).and_then(|i| map.get(i));
                if let (Some((start, _)), Some((end, _))) = (first, last) {
                    let width = text.get(*end..).and_then(|t| t.chars().next()).map_or(0, char::len_utf8);
                    hits.push(Hit { span: *start..end + width, class: *class, rule: "the patient's own" });
                }
            }
        }
    }
}

fn starts_high(word: &str) -> bool {
    word.chars().next().is_some_and(|c| !c.is_lowercase())
}

/// Letters and digits in lower case, each with where its character stands.
fn plain(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    text.char_indices()
        .filter(|(_, c)| c.is_alphanumeric())
        .filter_map(|(at, c)| c.to_lowercase().next().map(|lower| (at, lower)))
}
