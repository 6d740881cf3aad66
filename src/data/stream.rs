//! Text from token ids as they arrive: whole characters only, and together exactly what decoding all of them gives.

use std::sync::Arc;

use super::token_table::{DecodeScheme, Piece, TokenTable};
use super::tokenizer::Tokenizer;

/// Turns a stream of ids into a stream of text.
///
/// A character's bytes may be spread over several tokens; they are held back until it is whole. Bytes that can no
/// longer become a character are given as U+FFFD, as decoding gives them. The cost of a push depends on the ids pushed,
/// not on those before.
#[derive(Clone, Debug)]
pub struct TextStream {
    table: Arc<TokenTable>,
    skip_special: bool,
    /// Bytes that are not text yet.
    held: Vec<u8>,
    /// Whether nothing was written so far, for decoders that drop a leading space.
    at_start: bool,
}

impl TextStream {
    /// A stream of `tokenizer`'s text, with special tokens left out if `skip_special`.
    pub fn new(tokenizer: &Tokenizer, skip_special: bool) -> Self {
        TextStream { table: tokenizer.table(), skip_special, held: Vec::new(), at_start: true }
    }

    /// Takes more ids; gives the text that is now certain. Ids without a token write nothing.
    pub fn push(&mut self, ids: &[u32]) -> String {
        let mut text = String::new();
        let table = Arc::clone(&self.table);
        for &id in ids {
            if self.skip_special && table.is_special(id) {
                continue;
            }
            match table.piece(id) {
                None => {}
                // A run of single bytes is text only as a whole, so all of it waits for the token that ends it.
                Some(Piece::Byte(byte)) => self.held.push(byte),
                Some(Piece::Bytes(bytes)) => {
                    if table.scheme == DecodeScheme::ByteLevel {
                        self.held.extend_from_slice(bytes);
                    } else {
                        self.end_run(&mut text);
                        text.push_str(&String::from_utf8_lossy(bytes));
                    }
                }
            }
        }
        if table.scheme == DecodeScheme::ByteLevel {
            self.take_whole(&mut text);
        }
        self.strip_first(text)
    }

    /// The ids ended: gives what was held back.
    pub fn finish(&mut self) -> String {
        let mut text = String::new();
        if self.table.scheme == DecodeScheme::ByteLevel {
            text.push_str(&String::from_utf8_lossy(&self.held));
            self.held.clear();
        } else {
            self.end_run(&mut text);
        }
        self.strip_first(text)
    }

    /// Whether bytes of an unfinished character are held back.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Moves everything but the beginning of an unfinished character from the held bytes to `text`.
    fn take_whole(&mut self, text: &mut String) {
        let mut rest = self.held.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    match error.error_len() {
                        Some(broken) => {
                            text.push(char::REPLACEMENT_CHARACTER);
                            rest = &rest[broken..];
                        }
                        None => break,
                    }
                }
            }
        }
        let used = self.held.len() - rest.len();
        self.held.drain(..used);
    }

    /// Ends a run of single bytes: text if all of it is, else one U+FFFD a byte.
    fn end_run(&mut self, text: &mut String) {
        match std::str::from_utf8(&self.held) {
            Ok(valid) => text.push_str(valid),
            Err(_) => text.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, self.held.len())),
        }
        self.held.clear();
    }

    fn strip_first(&mut self, mut text: String) -> String {
        if self.at_start && !text.is_empty() {
            self.at_start = false;
            if self.table.scheme == (DecodeScheme::ByteFallback { strip_first: true })
                && text.starts_with(' ')
            {
                text.remove(0);
            }
        }
        text
    }
}
