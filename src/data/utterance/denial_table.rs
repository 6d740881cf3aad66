//! The words by which `denial` tells what is denied, refused or ruled out. `a|b` in a phrase is either word.

/// Phrases that deny what follows, each with how many words may stand between; `a|b` is either word.
pub(super) const BEFORE: &[(&str, usize)] = &[
    ("i|we doubt|doubted", 8),
    ("seriously|strongly|really|highly doubt|doubtful", 8),
    // `If in doubt, call us` doubts nothing.
    ("doubt|doubts|doubted|doubtful|dubious that|if|whether|it|this", 8),
    ("refuse|refuses|refused|refusing|decline|declined|declining to", 6),
    ("refuse|refusing|withhold|withholds|withholding|withheld", 4),
    ("skip|skips|skipping|skipped|omit|omits|omitting|omitted", 4),
    ("forget|scrap|cancel|cancelling|cancelled|spare", 4),
    ("leave|leaving|cut|cross|strike out|off|aside", 4),
    ("hold|holding back|off", 4),
    ("stay|keep|steer away|clear from|of", 4),
    ("keep|hands off", 4),
    ("rid of", 4),
    ("beware of", 4),
    ("forbid|forbids|forbade|forbidding|prohibit|prohibits|ban|bans|veto", 6),
    ("anything but", 3),
    ("far from", 3),
    ("nowhere near", 3),
    ("other than", 3),
    ("hardly|scarcely", 1),
    ("none of", 6),
    (
        "wrong|foolish|harmful|dangerous|pointless|useless|unwise|forbidden|impossible|unnecessary|mad|crazy|mistake|senseless to",
        6,
    ),
    ("impossible|unlikely|untrue|wrong|false that", 7),
    ("too early|late|soon to|for", 6),
    (
        "would|could|should|might have given|prescribed|ordered|arranged|started|done|sent|called|referred|offered|recommended|suggested",
        6,
    ),
    // `non-stable angina`
    ("non|pre|pseudo", 0),
];

/// What has been ruled out is denied; what is to be is considered.
pub(super) const EXCLUDED: &str =
    "excluded|disproved|disproven|refuted|dismissed|discounted|discarded|eliminated";
pub(super) const RULED: &str = "ruled out";
/// What rules it out, in the third person.
pub(super) const EXCLUDES: &str = "excludes|disproves|refutes|eliminates";
pub(super) const RULES: &str = "rules out";
/// Who rules it out is the speaker, or nobody yet.
pub(super) const EXCLUDE: &str = "exclude|dismiss|reject|discount|disprove|refute|eliminate";
pub(super) const RULE: &str = "rule out";
/// How far a word of ruling out reaches: a list may follow.
pub(super) const LIST: usize = 10;

/// Words before `ruled out` by which it is not done yet.
pub(super) const NOT_YET: &[&str] = &[
    "until", "till", "once", "after", "before", "must", "should", "need", "needs", "unless", "if", "when",
    "will", "shall", "to", "want", "soon", "not", "never", "yet", "being", "may", "might", "could", "would",
];
/// Words by which what hangs on them is not so, or not yet.
pub(super) const TIES: &[&str] = &["until", "till", "once", "after", "before", "unless", "if", "when"];
/// Words between the speaker and what the speaker does.
pub(super) const BETWEEN: &[&str] = &[
    "can",
    "now",
    "safely",
    "therefore",
    "also",
    "hereby",
    "confidently",
    "firmly",
    "fully",
    "completely",
    "already",
    "do",
];

/// A negation so many words before a denial cancels it.
pub(super) const TURN: usize = 3;
pub(super) const TURNS: &[&str] = &["not", "no", "never", "without", "beyond", "little", "nobody", "hardly"];
/// What a negation right before them does not deny: `not only`, `no wonder`, `do not hesitate to`.
pub(super) const UNTOUCHED: &[&str] =
    &["only", "just", "merely", "simply", "wonder", "hesitate", "fail", "delay", "doubt", "unlike"];

/// Subjects, behind which something else is said.
pub(super) const SUBJECTS: &[&str] = &["you", "this", "it", "i", "we", "that", "he", "she", "these"];

/// Words between a name and its predicate: doses, times, and relatives.
pub(super) const AFTER_NAME: &[&str] = &[
    "and",
    "or",
    "nor",
    "itself",
    "mg",
    "mcg",
    "g",
    "ml",
    "tablet",
    "tablets",
    "a",
    "an",
    "the",
    "once",
    "twice",
    "day",
    "daily",
    "every",
    "each",
    "morning",
    "evening",
    "night",
    "times",
    "time",
    "which",
    "that",
    "i",
    "we",
    "here",
    "therapy",
    "treatment",
    "your",
    "my",
    "any",
    "per",
];
/// Words after which anything may stand before the predicate: `in your case`.
pub(super) const PREPOSITIONS: &[&str] = &["for", "in", "with", "at", "of", "on", "by", "to"];
/// How many words a preposition may have.
pub(super) const PHRASE: usize = 4;
pub(super) const VERBS: &[&str] = &[
    "is", "are", "was", "were", "be", "been", "being", "has", "have", "had", "will", "would", "can", "could",
    "may", "might", "must", "should", "shall", "seems", "seem", "looks", "appears", "remains", "becomes",
    "does", "do", "did", "need", "needs", "makes", "make", "stays",
];
pub(super) const ADVERBS: &[&str] = &[
    "to",
    "very",
    "quite",
    "most",
    "rather",
    "also",
    "now",
    "already",
    "clearly",
    "totally",
    "completely",
    "absolutely",
    "strictly",
    "highly",
    "therefore",
    "thus",
    "extremely",
    "entirely",
    "practically",
    "almost",
    "virtually",
    "certainly",
    "definitely",
    "all",
    "too",
    "so",
    "even",
    "still",
    "surely",
    "really",
    "utterly",
    "a",
    "an",
    "the",
    "plainly",
    "fully",
    "safely",
    "longer",
    "in",
    "for",
    "of",
    "my",
    "your",
    "view",
    "opinion",
    "case",
    "you",
    "us",
    "me",
    "pure",
    "any",
    "ever",
];
/// Predicates that deny whatever they are said of.
pub(super) const NOT_SO: &[&str] = &[
    "impossible|unlikely|improbable|implausible|inconceivable|unthinkable|absent|untrue|false|wrong|nonsense|doubtful|questionable",
    "out of the question",
    "off the table|list",
    "far|anything from|but likely|certain|possible|probable|true",
];
/// Predicates that deny what would be done or taken.
pub(super) const NOT_DONE: &[&str] = &[
    "forbidden|prohibited|banned|contraindicated|useless|pointless|unnecessary|needless|superfluous|senseless",
    "harmful|poison|poisonous|toxic|dangerous|unsafe|unsuitable|inadvisable|unwise|deadly|lethal|fatal|mistake|waste|madness",
    "bad for",
    "withheld|refused|denied|cancelled|withdrawn|discontinued|stopped|skipped|omitted",
];
/// Predicates that a `not` before them turns into a denial of whatever they are said of.
pub(super) const SO: &[&str] = &[
    "likely|possible|present|right|correct|true|plausible|probable|credible|considered",
    "what|it|cause|reason|explanation|diagnosis|answer|culprit|fit|fits|explain|apply|account|exist|belong",
];
/// Predicates that a `not` before them turns into a denial of what would be done or taken.
pub(super) const WANTED: &[&str] = &[
    "needed|necessary|required|indicated|allowed|permitted|recommended|advisable|appropriate|suitable|safe|useful|helpful|good",
    "given|taken|prescribed|used|option|use|point|sense|place|role|help|work|suit",
    "for you",
];
/// Verbs of one thing alone: `Gout and pneumonia is unlikely` speaks of the second only.
pub(super) const SINGULAR: &[&str] = &[
    "is", "was", "has", "does", "seems", "looks", "appears", "remains", "becomes", "needs", "makes", "stays",
];
