//! A reply in which the doctor speaks as the patient, or plays both parts.

use std::ops::Range;

use crate::rubric::coherence::other_part;

/// The sentence or line that is the patient's. The judge has the same notion of it, so that what is dropped here earns nothing there.
pub fn find(reply: &str) -> Option<Range<usize>> {
    other_part(reply).map(|fault| fault.span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(reply: &str) -> Option<&str> {
        find(reply).map(|span| &reply[span])
    }

    #[test]
    fn the_patients_lines_are_found() {
        assert_eq!(
            found("When did it start?\nPatient: yesterday."),
            Some("Patient: yesterday."),
            "plays both parts"
        );
        assert_eq!(found("**Doctor:** Where is it?"), Some("**Doctor:** Where is it?"));
        assert_eq!(found("Hello. My chest hurts."), Some("My chest hurts."));
        assert_eq!(
            found("I have had this pain since Monday, doctor."),
            Some("I have had this pain since Monday, doctor.")
        );
    }

    #[test]
    fn the_doctors_own_words_are_not() {
        for fine in [
            "",
            "When did it start?",
            "My name is Dr Reed. How can I help you?",
            "My advice is rest.",
            "Are you seeing another doctor?",
            "I am sorry to hear that.",
            "See a doctor at once if it gets worse.",
        ] {
            assert_eq!(found(fine), None, "{fine}");
        }
    }
}
