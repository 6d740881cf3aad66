//! Telling drugs by the endings of their names, for those that the lexicon does not list.

/// Endings that a word has which names a drug: stems of the international nonproprietary names, and a few older ones.
const STEMS: [&str; 46] = [
    "dopa",
    "pril",
    "sartan",
    "olol",
    "statin",
    "azole",
    "cillin",
    "mycin",
    "floxacin",
    "azepam",
    "azolam",
    "dipine",
    "idone",
    "apine",
    "oxetine",
    "traline",
    "triptan",
    "prazole",
    "tidine",
    "formin",
    "gliptin",
    "gliflozin",
    "glitazone",
    "thiazide",
    "semide",
    "zumab",
    "ximab",
    "mumab",
    "tinib",
    "ciclovir",
    "parin",
    "xaban",
    "dronate",
    "olone",
    "asone",
    "lukast",
    "buterol",
    "tropium",
    "phylline",
    "barbital",
    "toin",
    "profen",
    "cycline",
    "buride",
    "relin",
    "zosin",
];

/// Whether a word of `text` is a drug's name by its ending.
pub(super) fn is_named(text: &str) -> bool {
    text.to_lowercase().split(|c: char| !c.is_alphabetic()).any(|word| {
        STEMS.iter().any(|stem| word.strip_suffix(stem).is_some_and(|root| root.chars().count() >= 3))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drugs_are_told_by_their_endings() {
        for text in
            ["carbidopa with each meal", "Takes rasagiline and enalapril.", "pramipexole, zolmitriptan"]
        {
            assert!(is_named(text), "{text}");
        }
        for text in ["takes a nap", "takes the bus", "taking care of an aunt", ""] {
            assert!(!is_named(text), "{text}");
        }
    }
}
