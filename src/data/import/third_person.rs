//! Verbs of a chart's third person, and sentences that no rule turns into the first.

/// Verbs that a chart puts behind `and` without their subject, where the same word is seldom a plural noun.
const VERBS: [&str; 44] = [
    "appears",
    "annoys",
    "avoids",
    "becomes",
    "begins",
    "believes",
    "comes",
    "continues",
    "cooks",
    "cries",
    "develops",
    "eats",
    "expresses",
    "exhibits",
    "feels",
    "finds",
    "follows",
    "forgets",
    "gets",
    "goes",
    "grabs",
    "hears",
    "insults",
    "keeps",
    "lives",
    "loses",
    "makes",
    "mentions",
    "needs",
    "refuses",
    "remains",
    "requires",
    "says",
    "seems",
    "sees",
    "spends",
    "struggles",
    "takes",
    "thinks",
    "tires",
    "wakes",
    "wants",
    "weighs",
    "wishes",
];

/// Whether `word` is a verb in the third person that needs no subject beside it to be known for one.
pub(super) fn is_verb(word: &str) -> bool {
    VERBS.contains(&word)
}

/// Whether `word` says how or how often, between a subject and its verb.
pub(super) fn is_adverb(word: &str) -> bool {
    const PLAIN: [&str; 14] = [
        "also",
        "never",
        "often",
        "still",
        "sometimes",
        "always",
        "now",
        "then",
        "just",
        "seldom",
        "soon",
        "even",
        "almost",
        "again",
    ];
    const NO_ADVERBS: [&str; 5] = ["family", "only", "early", "elderly", "daily"];
    PLAIN.contains(&word) || (word.len() > 4 && word.ends_with("ly") && !NO_ADVERBS.contains(&word))
}

/// Whether `word` is something done: what is denied with it is an action, and nothing that one has.
pub(super) fn is_action(word: &str) -> bool {
    const ACTIONS: [&str; 24] = [
        "smoking",
        "drinking",
        "using",
        "taking",
        "feeling",
        "eating",
        "traveling",
        "travelling",
        "trying",
        "being",
        "seeing",
        "hearing",
        "doing",
        "noticing",
        "lifting",
        "sharing",
        "wanting",
        "thinking",
        "sleeping",
        "working",
        "touching",
        "injecting",
        "consuming",
        "abusing",
    ];
    ACTIONS.contains(&word)
}

/// Whether `word` is something that goes on and is no name of a symptom: one has been having pain, and has a swelling.
pub(super) fn is_happening(word: &str) -> bool {
    const HAPPENINGS: [&str; 12] = [
        "having",
        "experiencing",
        "coughing",
        "urinating",
        "passing",
        "waking",
        "losing",
        "going",
        "getting",
        "gaining",
        "falling",
        "living",
    ];
    HAPPENINGS.contains(&word)
}

/// Whether somebody other than the patient, or the patient as the chart names them, begins the words behind `I have`.
pub(super) fn is_somebody(word: &str) -> bool {
    const SOMEBODY: [&str; 12] = [
        "i", "he", "she", "they", "mother", "father", "parents", "wife", "husband", "daughter", "son",
        "patient",
    ];
    SOMEBODY.contains(&word)
}

/// Whether words in the first person are none: `I college student`, `I have expresses fear`, `I woman goes home`.
pub(super) fn is_broken(text: &str) -> bool {
    const NOUNS: [&str; 12] = [
        "man", "woman", "boy", "girl", "male", "female", "infant", "child", "student", "college", "year-old",
        "gravida",
    ];
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .collect();
    words.windows(3).any(|three| {
        let [first, second, third] = three else { return false };
        let verb =
            |word: &str| is_verb(word) || matches!(word, "has" | "is" | "reports" | "states" | "complains");
        match (first.as_str(), second.as_str()) {
            ("i", "have") => is_somebody(third) || third == "have" || verb(third),
            ("i", next) if is_adverb(next) => verb(third),
            ("i", next) => {
                verb(next) || NOUNS.contains(&next) || next.starts_with(|c: char| c.is_ascii_digit())
            }
            _ => false,
        }
    }) || matches!(words.as_slice(), [.., i, last] if i == "i" && (is_verb(last) || NOUNS.contains(&last.as_str())))
}
