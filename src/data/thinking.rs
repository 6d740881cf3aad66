//! A model's thinking and its answer, told apart.
//!
//! Thinking models write `<think>` (id 151667 in Qwen3's vocabulary), their thoughts, `</think>` (151668), then the
//! answer. Where the prompt has opened the thought already, the text begins inside it.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Splits a finished text at its last `</think>` into the thinking, if any was marked, and the answer.
///
/// Newlines next to the marks are dropped. A thought that was opened and never closed is all thinking; a text without
/// marks is all answer, so for a prompt that opened the thought and a text cut short within it use
/// [`ThinkingSplitter`], which knows where it began.
pub fn split_thinking(text: &str) -> (Option<&str>, &str) {
    let opened = |text| -> Option<&str> { str::trim_start(text).strip_prefix(OPEN) };
    match text.rfind(CLOSE) {
        Some(at) => {
            let thinking = opened(&text[..at]).unwrap_or(&text[..at]);
            (Some(thinking.trim_matches('\n')), text[at + CLOSE.len()..].trim_start_matches('\n'))
        }
        None => match opened(text) {
            Some(thinking) => (Some(thinking.trim_matches('\n')), ""),
            None => (None, text),
        },
    }
}

/// A stretch of streamed text, with what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThinkingPart {
    /// Part of the thinking.
    Thinking(String),
    /// Part of the answer.
    Answer(String),
}

/// Tells thinking from answer while the text is still arriving, so that a terminal can dim the one.
///
/// A stream cannot know which `</think>` will be the last, so the first ends the thinking here. For the usual text,
/// with one, the parts add up to what [`split_thinking`] gives.
#[derive(Clone, Debug)]
pub struct ThinkingSplitter {
    state: State,
    /// Text that may be the beginning of a mark, or newlines that may stand before one.
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing but white space yet.
    Start,
    /// Thinking, and nothing of it given yet.
    ThinkingStart,
    Thinking,
    /// The thought was closed, and nothing of the answer given yet.
    AnswerStart,
    Answer,
}

impl ThinkingSplitter {
    /// A splitter for a text that begins inside the thought if `opened`, that is, if the prompt ends with `<think>`.
    pub fn new(opened: bool) -> Self {
        ThinkingSplitter {
            state: if opened { State::ThinkingStart } else { State::Start },
            held: String::new(),
        }
    }

    /// Takes more text.
    pub fn push(&mut self, text: &str) -> Vec<ThinkingPart> {
        self.held.push_str(text);
        let mut parts = Vec::new();
        while self.step(&mut parts) {}
        parts
    }

    /// The text ended: gives what was held back.
    pub fn finish(&mut self) -> Vec<ThinkingPart> {
        let held = std::mem::take(&mut self.held);
        let part = match self.state {
            State::Start | State::AnswerStart | State::Answer => ThinkingPart::Answer(held),
            State::ThinkingStart | State::Thinking => {
                ThinkingPart::Thinking(held.trim_end_matches('\n').to_owned())
            }
        };
        let empty =
            matches!(&part, ThinkingPart::Thinking(text) | ThinkingPart::Answer(text) if text.is_empty());
        if empty { Vec::new() } else { vec![part] }
    }

    /// Whether the text is now inside the thought.
    pub fn is_thinking(&self) -> bool {
        matches!(self.state, State::ThinkingStart | State::Thinking)
    }

    /// Handles what can be decided from the held text; tells whether there is more to decide.
    fn step(&mut self, parts: &mut Vec<ThinkingPart>) -> bool {
        match self.state {
            State::Start => {
                let shown = self.held.trim_start();
                if let Some(rest) = shown.strip_prefix(OPEN) {
                    self.held = rest.to_owned();
                    self.state = State::ThinkingStart;
                    return true;
                }
                if OPEN.starts_with(shown) {
                    return false;
                }
                // A thought opened by the prompt can still be closed in a text that shows no opening; but without
                // being told so, what does not begin with `<think>` is an answer.
                self.state = State::Answer;
                true
            }
            State::ThinkingStart | State::AnswerStart => {
                let text = self.held.trim_start_matches('\n');
                if text.is_empty() {
                    self.held.clear();
                    return false;
                }
                self.held = text.to_owned();
                self.state = if self.state == State::ThinkingStart { State::Thinking } else { State::Answer };
                true
            }
            State::Thinking => match self.held.find(CLOSE) {
                Some(at) => {
                    let thinking = self.held[..at].trim_end_matches('\n');
                    if !thinking.is_empty() {
                        parts.push(ThinkingPart::Thinking(thinking.to_owned()));
                    }
                    self.held = self.held[at + CLOSE.len()..].to_owned();
                    self.state = State::AnswerStart;
                    true
                }
                None => {
                    let cut = undecided(&self.held);
                    if cut > 0 {
                        let tail = self.held.split_off(cut);
                        parts.push(ThinkingPart::Thinking(std::mem::replace(&mut self.held, tail)));
                    }
                    false
                }
            },
            State::Answer => {
                if !self.held.is_empty() {
                    parts.push(ThinkingPart::Answer(std::mem::take(&mut self.held)));
                }
                false
            }
        }
    }
}

/// Where the end of `text` starts that may still turn out to be newlines before `</think>`, or a part of it.
fn undecided(text: &str) -> usize {
    let partial = (1..CLOSE.len()).rev().find(|&n| text.ends_with(&CLOSE[..n])).unwrap_or(0);
    text[..text.len() - partial].trim_end_matches('\n').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_last_mark() {
        assert_eq!(split_thinking("<think>\na\n</think>\n\nb"), (Some("a"), "b"));
        assert_eq!(split_thinking("a\n</think>\n\nb"), (Some("a"), "b"));
        assert_eq!(split_thinking("<think>a</think>b</think>c"), (Some("a</think>b"), "c"));
        assert_eq!(split_thinking("<think>\n\n</think>\n\nb"), (Some(""), "b"));
        assert_eq!(split_thinking("\n<think>a"), (Some("a"), ""));
        assert_eq!(split_thinking("no marks "), (None, "no marks "));
    }

    fn stream(text: &str, opened: bool, cuts: usize) -> (String, String) {
        let mut splitter = ThinkingSplitter::new(opened);
        let chars: Vec<char> = text.chars().collect();
        let mut parts = Vec::new();
        for piece in chars.chunks(cuts) {
            parts.extend(splitter.push(&piece.iter().collect::<String>()));
        }
        parts.extend(splitter.finish());
        let (mut thinking, mut answer) = (String::new(), String::new());
        for part in parts {
            match part {
                ThinkingPart::Thinking(text) => thinking.push_str(&text),
                ThinkingPart::Answer(text) => answer.push_str(&text),
            }
        }
        (thinking, answer)
    }

    #[test]
    fn streams_to_the_same_parts() {
        for cuts in 1..9 {
            for text in [
                "<think>\na\n\nb\n</think>\n\nc\n\nd",
                "\n <think>\n\n</think>\n\nc",
                "plain <think> answer",
                "<think>never </thin closed\n",
                "<thin",
                "",
            ] {
                let (thinking, answer) = split_thinking(text);
                let (streamed, rest) = stream(text, false, cuts);
                assert_eq!(
                    (streamed.as_str(), rest.as_str()),
                    (thinking.unwrap_or(""), answer),
                    "{text:?} by {cuts}"
                );
            }
            assert_eq!(stream("\na</thi\n</think>\n\nb", true, cuts), ("a</thi".into(), "b".into()));
            assert_eq!(stream("cut short", true, cuts), ("cut short".into(), String::new()));
        }
    }
}
