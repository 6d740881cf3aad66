//! Words that tell names of people and places from the rest of medicine's capitals: `data/names.toml`.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Deserialize;

/// The lists. Lower case but for `no_names`; what each is for stands in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameLists {
    pub titles: HashSet<String>,
    pub particles: HashSet<String>,
    pub leads: HashSet<String>,
    pub leading_pairs: HashSet<(String, String)>,
    pub place_verbs: HashSet<String>,
    pub given: HashSet<String>,
    pub surnames: HashSet<String>,
    pub clinical: HashSet<String>,
    pub headings: HashSet<String>,
    pub no_names: HashSet<String>,
    pub after_a_title: HashSet<String>,
    pub after_at: HashSet<String>,
    pub ordinary: HashSet<String>,
}

impl NameLists {
    /// The lists that come with osler.
    ///
    /// # Panics
    /// If the bundled file is broken, which a test rules out.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<NameLists> = LazyLock::new(|| {
            toml::from_str(include_str!("../../../data/names.toml"))
                .unwrap_or_else(|error| panic!("the bundled name lists are broken: {error}"))
        });
        &BUNDLED
    }

    /// Whether a person's name follows these two words (lower case).
    pub fn lead(&self, first: &str, second: &str) -> bool {
        self.leading_pairs.iter().any(|(one, two)| one == first && two == second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_lists_are_what_the_rules_take_them_for() {
        let lists = NameLists::bundled();
        let small = [
            &lists.titles,
            &lists.particles,
            &lists.leads,
            &lists.place_verbs,
            &lists.given,
            &lists.surnames,
            &lists.clinical,
            &lists.headings,
            &lists.after_a_title,
            &lists.after_at,
            &lists.ordinary,
        ];
        for list in small {
            assert!(list.len() > 10 && list.iter().all(|word| *word == word.to_lowercase()), "{list:?}");
        }
        assert!(!lists.no_names.is_empty() && lists.lead("name", "is") && !lists.lead("is", "name"));
        let eponyms = ["parkinson", "crohn", "graves", "hodgkin", "addison", "alzheimer"];
        assert!(eponyms.iter().all(|name| !lists.surnames.contains(*name)));
    }
}
