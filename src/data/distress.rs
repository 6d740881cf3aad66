//! Whether somebody's words voice distress: the scripted doctor answers it, and the rubric asks for that.

/// Words by which a patient voices distress.
const DISTRESS: &[&str] = &[
    "afraid",
    "agony",
    "anxious",
    "awful",
    "cried",
    "crying",
    "desperate",
    "dread",
    "dying",
    "embarrassed",
    "fear",
    "frightened",
    "frightening",
    "frightens",
    "hopeless",
    "horrible",
    "nervous",
    "panicking",
    "scared",
    "scares",
    "scary",
    "terrible",
    "terrified",
    "terrifying",
    "unbearable",
    "upset",
    "worried",
    "worries",
    "worry",
    "worrying",
];

/// Whether `text`, a patient's words, voices distress.
pub fn voices_distress(text: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric())
        .any(|word| DISTRESS.iter().any(|known| known.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distress_is_a_word_and_not_a_part_of_one() {
        assert!(voices_distress("It came on suddenly. I'm SCARED, to be honest."));
        assert!(!voices_distress("Nothing scarier than a cough; it began on Monday."));
    }
}
