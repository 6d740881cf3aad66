//! Findings that end in what they mean: `.., consistent with a fracture`. Where that gives the hidden diagnosis away, a
//! finding is told without it.

use super::concept::names_one_of;

/// What of the names of a diagnosis gives it away in a conclusion. In an opening or a symptom the same words may be innocent.
#[derive(Debug, Clone, Default)]
pub(super) struct Heads {
    /// Each a set of words that are all there.
    sets: Vec<Vec<String>>,
}

/// Words that name a kind of thing and no diagnosis.
const KINDS: [&str; 35] = [
    "disease",
    "disorder",
    "syndrome",
    "infection",
    "failure",
    "injury",
    "deficiency",
    "cancer",
    "tumor",
    "tumour",
    "cyst",
    "mass",
    "lesion",
    "pain",
    "fever",
    "defect",
    "arch",
    "attack",
    "bleeding",
    "block",
    "process",
    "reaction",
    "abnormality",
    "insufficiency",
    "obstruction",
    "neoplasm",
    "malignancy",
    "problem",
    "condition",
    "crisis",
    "shock",
    "rupture",
    "pressure",
    "test",
    "cells",
];

/// Second words of Latin names, behind the noun.
const LATIN: [&str; 16] = [
    "gravis",
    "infectiosum",
    "mellitus",
    "insipidus",
    "nodosum",
    "multiforme",
    "vulgaris",
    "vera",
    "bifida",
    "planus",
    "rosea",
    "versicolor",
    "erythematosus",
    "simplex",
    "zoster",
    "communis",
];

/// Names longer than this are sentences, the answers of exam questions.
const LONGEST: usize = 6;

impl Heads {
    /// Of a diagnosis that goes by `names`: the noun of each name, all its words together, and its initials.
    pub fn of(names: &[String]) -> Self {
        let mut sets: Vec<Vec<String>> = Vec::new();
        for name in names {
            let words: Vec<&str> =
                name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
            if words.len() < 2 || words.len() > LONGEST {
                continue;
            }
            let small =
                |word: &str| matches!(word, "of" | "the" | "and" | "in" | "with" | "to" | "a" | "an" | "s");
            let content: Vec<&str> = words.iter().copied().filter(|word| !small(word)).collect();
            // `coarctation of the aorta`, `hip dislocation`, `myasthenia gravis`
            let noun = match words.iter().position(|word| *word == "of") {
                Some(at) => words.get(..at).unwrap_or_default(),
                None => words.as_slice(),
            };
            let head = noun.iter().rev().find(|word| !LATIN.contains(word) && word.len() > 3);
            sets.extend(head.filter(|head| !KINDS.contains(head)).map(|head| vec![(*head).to_owned()]));
            let initials: String = content.iter().filter_map(|word| word.chars().next()).collect();
            if content.len() > 2 {
                sets.push(vec![initials]);
            }
            if content.len() > 1 {
                sets.push(content.into_iter().map(str::to_owned).collect());
            }
        }
        Self { sets }
    }

    /// Whether a conclusion gives the diagnosis away.
    fn in_text(&self, text: &str) -> bool {
        let names = |word: &String| names_one_of(text, std::slice::from_ref(word));
        self.sets.iter().any(|set| set.iter().all(names))
    }
}

/// Words before a conclusion that follow what was found.
const LIKENESS: [&str; 14] = [
    "consistent with",
    "compatible with",
    "in keeping with",
    "suggestive of",
    "indicative of",
    "diagnostic of",
    "characteristic of",
    "pathognomonic of",
    "pathognomonic for",
    "concerning for",
    "suspicious for",
    "typical of",
    "suggesting",
    "indicating",
];

/// Verbs before a conclusion, whose subject goes with it.
const VERDICTS: [&str; 8] =
    ["suggests", "suggest", "indicates", "indicate", "confirms", "confirming", "confirmed", "diagnoses"];

/// `sentence` of a finding without the conclusion that gives the diagnosis away: `None` where nothing is left, and the
/// sentence itself where it concludes nothing of the kind.
pub(super) fn without(sentence: &str, heads: &Heads) -> Option<String> {
    let lower = sentence.to_ascii_lowercase();
    let find = |cue: &&str| {
        let starts =
            |at: &usize| !lower.get(..*at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
        lower.match_indices(*cue).map(|(at, _)| at).find(starts).map(|at| (at, cue.len()))
    };
    let likeness = LIKENESS.iter().filter_map(find).min();
    let verdict = VERDICTS.iter().filter_map(find).min();
    let (cut, from) = match (likeness, verdict) {
        (Some((at, _)), Some((verdict, length))) if verdict < at => {
            (clause(sentence, verdict), verdict + length)
        }
        (Some((at, length)), _) => (at, at + length),
        (None, Some((at, length))) => (clause(sentence, at), at + length),
        (None, None) => return Some(sentence.to_owned()),
    };
    if !heads.in_text(sentence.get(from..).unwrap_or_default()) {
        return Some(sentence.to_owned());
    }
    let kept = trimmed(sentence.get(..cut).unwrap_or_default());
    // A label alone tells nothing.
    let told = kept.rsplit(": ").next().unwrap_or_default();
    (told.chars().any(char::is_alphanumeric) && !kept.ends_with(':')).then(|| format!("{kept}."))
}

/// Where the clause begins that `at` is in.
fn clause(sentence: &str, at: usize) -> usize {
    let before = sentence.get(..at).unwrap_or_default();
    [", ", "; ", ": "].iter().filter_map(|mark| before.rfind(mark).map(|at| at + 1)).max().unwrap_or(0)
}

/// `text` without words that led to the conclusion.
fn trimmed(text: &str) -> &str {
    const LEADING: [&str; 11] = [
        " which",
        " that",
        " is",
        " are",
        " was",
        " were",
        " and",
        " but",
        " findings",
        " with a phenotype",
        " most",
    ];
    let mut text = text.trim_end_matches([' ', ',', ';', '.']);
    while let Some(shorter) = LEADING.iter().find_map(|end| text.strip_suffix(end)) {
        text = shorter.trim_end_matches([' ', ',', ';', '.']);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conclusion_that_names_the_head_of_the_diagnosis_is_cut() {
        let cut = |name: &str, sentence: &str| without(sentence, &Heads::of(&[name.to_owned()]));
        for (name, sentence, kept) in [
            (
                "anterior shoulder dislocation",
                "X-ray: No break of the bone, but the outline suggests anterior dislocation of the shoulder.",
                Some("X-ray: No break of the bone."),
            ),
            ("stenosis of the aorta", "A narrow valve, consistent with stenosis.", Some("A narrow valve.")),
            ("acute myeloid leukemia", "Large cells which are suggestive of AML.", Some("Large cells.")),
            ("myasthenia gravis", "X-ray: Findings suggest myasthenia.", None),
            // Neither a conclusion nor the diagnosis.
            (
                "stenosis of the aorta",
                "A stenosis of the pylorus is seen.",
                Some("A stenosis of the pylorus is seen."),
            ),
            ("lung cancer", "A shadow, consistent with a cyst.", Some("A shadow, consistent with a cyst.")),
        ] {
            assert_eq!(cut(name, sentence).as_deref(), kept, "{sentence}");
        }
    }
}
