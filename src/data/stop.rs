//! Stop strings in streamed text: held back while they may be beginning, reported when they are complete.

use thiserror::Error;

/// Why a set of stop strings was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum StopError {
    /// An empty stop string would end every text before it began.
    #[error("stop string {index} is empty, each must have at least one character")]
    Empty {
        /// Its place in the list, from 0.
        index: usize,
    },
}

/// What a push gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopOutput {
    /// Text that is certainly not part of a stop string.
    pub text: String,
    /// The place in the list of the stop string that was met, once one is. Neither it nor anything after it is given.
    pub matched: Option<usize>,
}

/// Watches a stream of text for stop strings.
///
/// Of several, the one that ends first counts; of those that end together, the one that began first. So what is found
/// does not depend on how the text was cut into pushes.
#[derive(Clone, Debug)]
pub struct StopMatcher {
    stops: Vec<Stop>,
    held: String,
    matched: Option<usize>,
}

/// One stop string and how much of it the text now ends with (Knuth, Morris and Pratt's automaton).
#[derive(Clone, Debug)]
struct Stop {
    text: Vec<u8>,
    /// For each length of a matched part, the longest proper end of it that is again a beginning of the string.
    fallback: Vec<usize>,
    matched: usize,
}

impl Stop {
    fn new(text: &str) -> Self {
        let text = text.as_bytes().to_vec();
        let mut fallback = vec![0; text.len() + 1];
        let mut length = 0;
        for i in 1..text.len() {
            while length > 0 && text[i] != text[length] {
                length = fallback[length];
            }
            if text[i] == text[length] {
                length += 1;
            }
            fallback[i + 1] = length;
        }
        Stop { text, fallback, matched: 0 }
    }

    /// Takes one byte; tells whether the string is now complete.
    fn step(&mut self, byte: u8) -> bool {
        while self.matched > 0 && self.text[self.matched] != byte {
            self.matched = self.fallback[self.matched];
        }
        if self.text[self.matched] == byte {
            self.matched += 1;
        }
        self.matched == self.text.len()
    }
}

impl StopMatcher {
    /// Watches for `stops`. An empty list stops nothing.
    pub fn new<S: AsRef<str>>(stops: &[S]) -> Result<Self, StopError> {
        if let Some(index) = stops.iter().position(|stop| stop.as_ref().is_empty()) {
            return Err(StopError::Empty { index });
        }
        let stops = stops.iter().map(|stop| Stop::new(stop.as_ref())).collect();
        Ok(StopMatcher { stops, held: String::new(), matched: None })
    }

    /// Takes more text. Costs time in proportion to it, not to what came before.
    pub fn push(&mut self, text: &str) -> StopOutput {
        if self.matched.is_some() {
            return StopOutput { text: String::new(), matched: self.matched };
        }
        let before = self.held.len();
        self.held.push_str(text);
        for (i, byte) in text.bytes().enumerate() {
            let mut longest: Option<(usize, usize)> = None;
            for (index, stop) in self.stops.iter_mut().enumerate() {
                if stop.step(byte) && longest.is_none_or(|(_, length)| stop.text.len() > length) {
                    longest = Some((index, stop.text.len()));
                }
            }
            if let Some((index, length)) = longest {
                self.matched = Some(index);
                // The part matched is held or in this push, so this does not reach below 0.
                self.held.truncate((before + i + 1).saturating_sub(length));
                return StopOutput { text: std::mem::take(&mut self.held), matched: self.matched };
            }
        }
        let keep = self.stops.iter().map(|stop| stop.matched).max().unwrap_or(0);
        // A partial match begins where a stop string begins, which is where a character does.
        let tail = self.held.split_off(self.held.len().saturating_sub(keep));
        StopOutput { text: std::mem::replace(&mut self.held, tail), matched: None }
    }

    /// The text ended: gives what was held back. Empty after a match.
    pub fn finish(&mut self) -> String {
        for stop in &mut self.stops {
            stop.matched = 0;
        }
        std::mem::take(&mut self.held)
    }

    /// The stop string that was met, if one was.
    pub fn matched(&self) -> Option<usize> {
        self.matched
    }
}
