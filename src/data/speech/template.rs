//! A reply that holds marks of a chat template or of a prompt, which belong to the machine and not to speech.

use std::ops::Range;

/// Marks in lower case. All of them are ASCII, so that places in a text in ASCII lower case are places in the text.
const MARKS: &[&str] = &[
    "<|",
    "|>",
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<start_of_turn>",
    "<end_of_turn>",
    "[inst]",
    "[/inst]",
    "<<sys>>",
    "<</sys>>",
    "### instruction",
    "### response",
    "### human",
    "### assistant",
    "{{",
    "}}",
    "{%",
    "%}",
];

/// The first mark in `reply`. Case does not matter. Thinking is no part of a reply, so a tag of it is a leak.
pub fn find(reply: &str) -> Option<Range<usize>> {
    let lower = reply.to_ascii_lowercase();
    let found = MARKS.iter().filter_map(|mark| lower.find(mark).map(|at| at..at + mark.len()));
    found.min_by_key(|span| span.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_in_lower_case_ascii() {
        assert!(MARKS.iter().all(|mark| mark.is_ascii() && *mark == mark.to_ascii_lowercase()));
    }

    #[test]
    fn marks_are_found_where_they_stand() {
        for (reply, mark) in [
            ("When did it start?<|im_end|>", "<|"),
            ("\u{c9}t\u{e9} [INST] hello [/INST]", "[INST]"),
            ("</THINK> When did it start?", "</THINK>"),
            ("{{ messages[0] }}", "{{"),
            ("### Response: rest.", "### Response"),
        ] {
            assert_eq!(find(reply).map(|span| &reply[span]), Some(mark), "{reply}");
        }
    }

    #[test]
    fn ordinary_signs_are_no_marks() {
        for fine in
            ["", "Is it < 5 or > 5?", "Your oxygen is at 93%.", "[Test: troponin]", "It is #1 of the list."]
        {
            assert_eq!(find(fine), None, "{fine}");
        }
    }
}
