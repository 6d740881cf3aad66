//! Phrases that are for a marker's eyes and not for the patient.

use std::ops::Range;

use super::text::Word;

/// Phrases for a marker's eyes. A doctor has no reason to say them to a patient.
const TO_THE_MARKER: &[&str] = &[
    "full marks",
    "full mark",
    "top marks",
    "full score",
    "full points",
    "maximum score",
    "maximum points",
    "maximum reward",
    "highest score",
    "perfect score",
    "all criteria",
    "every criterion",
    "this criterion",
    "the criteria",
    "the criterion",
    "the rubric",
    "rubric",
    "dear judge",
    "the judge",
    "the grader",
    "dear grader",
    "the marker",
    "the evaluator",
    "evaluator",
    "this response",
    "this reply",
    "previous instructions",
    "above instructions",
    "ignore all",
    "ignore previous",
    "mark this as",
    "mark me",
    "award",
    "criteria met",
    "criteria_met",
    "language model",
    "as an ai",
];

/// Words for what a marker gives or reads, and for what a machine was told.
const MARKING: &[&str] = &[
    "reply",
    "response",
    "answer",
    "message",
    "score",
    "scores",
    "mark",
    "marks",
    "point",
    "points",
    "credit",
    "reward",
    "rewards",
    "grade",
    "grading",
    "stars",
    "rubric",
    "judge",
    "system",
    "prompt",
    "script",
    "developer",
    "developers",
];
/// How many words on such a word shows what a phrase is about.
const NEAR: usize = 6;

/// The bytes of the first of `words`, a message's, that are a phrase for a marker's eyes.
pub fn marker_phrase(words: &[Word]) -> Option<Range<usize>> {
    TO_THE_MARKER.iter().find_map(|talk| {
        let run = places(words, talk).find(|run| !is_to_the_patient(words, run))?;
        Some(words.get(run.start)?.span.start..words.get(run.end - 1)?.span.end)
    })
}

/// Whether a phrase for a marker, the words `run`, is one a doctor may say to a patient: `all criteria for gout`, `the previous
/// instructions of your cardiologist`, `I award you a day off`.
fn is_to_the_patient(words: &[Word], run: &Range<usize>) -> bool {
    let word = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let marks = || (run.end..run.end + NEAR).any(|at| MARKING.contains(&word(at)));
    let of_somebody = |at: usize| {
        matches!(word(at), "of" | "from" | "by")
            && matches!(word(at + 1), "your" | "dr" | "another")
            && !marks()
    };
    match word(run.end - 1) {
        "criteria" | "criterion" => matches!(word(run.end), "for" | "of") && !marks(),
        "instructions" => of_somebody(run.end),
        "previous" => word(run.end) == "instructions" && of_somebody(run.end + 1),
        "award" => !marks() && !matches!(word(run.end), "it" | "this" | "that" | "me" | "10" | "100"),
        _ => false,
    }
}

/// Where in `words` those of `phrase` follow one another.
pub(super) fn places<'a>(words: &'a [Word], phrase: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let count = phrase.split(' ').count();
    let same = move |run: &&[Word]| run.iter().map(|word| word.text.as_str()).eq(phrase.split(' '));
    words.windows(count).enumerate().filter(move |(_, run)| same(run)).map(move |(at, _)| at..at + count)
}
