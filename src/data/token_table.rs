//! What each token id writes, in bytes, so that text can be put together as ids arrive.

use tokenizers::decoders::DecoderWrapper;
use tokenizers::{Decoder, Model};

use super::tokenizer::TokenizerError;

/// The largest id accepted. Vocabularies in use end below 300,000; an id is an index into tables here.
const MAX_ID: u32 = (1 << 22) - 1;

/// How a tokenizer's tokens become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecodeScheme {
    /// Byte-level BPE (GPT-2, Qwen, Llama 3, SmolLM2): every token is bytes, and the text is all of them in a row.
    ByteLevel,
    /// SentencePiece-style BPE (Llama 2, Mistral, Gemma): tokens are text with `▁` for a space, except `<0x..>`, which
    /// is one byte; `strip_first` drops the space the encoder puts before the text.
    ByteFallback {
        /// Whether one leading space is dropped.
        strip_first: bool,
    },
}

/// What one token writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Bytes, which need not be whole characters.
    Bytes(&'t [u8]),
    /// One byte of a run that becomes text only as a whole.
    Byte(u8),
}

/// The bytes of every token of a vocabulary.
#[derive(Debug)]
pub(super) struct TokenTable {
    pub(super) scheme: DecodeScheme,
    bytes: Vec<u8>,
    /// Where each token's bytes end; they start where those of the id before end. Two words a token, not an allocation.
    ends: Vec<u32>,
    known: Vec<bool>,
    special: Vec<bool>,
}

impl TokenTable {
    /// Reads the table from a loaded tokenizer.
    pub(super) fn new(inner: &tokenizers::Tokenizer) -> Result<Self, TokenizerError> {
        let scheme = scheme(inner.get_decoder())?;
        let largest = inner.get_vocab(true).values().copied().max().unwrap_or(0);
        if largest > MAX_ID {
            return Err(TokenizerError::field(
                "tokenizer.json",
                "model.vocab",
                format!("an id of {largest}"),
                format!("ids up to {MAX_ID}"),
            ));
        }
        let added = inner.get_added_vocabulary();
        let count = largest as usize + 1;
        let mut table = TokenTable {
            scheme,
            bytes: Vec::new(),
            ends: Vec::with_capacity(count),
            known: Vec::with_capacity(count),
            special: Vec::with_capacity(count),
        };
        for id in 0..=largest {
            let token = added.simple_id_to_token(id).or_else(|| inner.get_model().id_to_token(id));
            table.known.push(token.is_some());
            table.special.push(token.as_ref().is_some_and(|token| added.is_special_token(token)));
            table.write(token.as_deref().unwrap_or_default());
            table.ends.push(u32::try_from(table.bytes.len()).map_err(|_| {
                TokenizerError::field(
                    "tokenizer.json",
                    "model.vocab",
                    "over 4 GB of tokens",
                    "less than that",
                )
            })?);
        }
        Ok(table)
    }

    fn write(&mut self, token: &str) {
        match self.scheme {
            DecodeScheme::ByteLevel => {
                let start = self.bytes.len();
                for c in token.chars() {
                    match byte_of(c) {
                        Some(byte) => self.bytes.push(byte),
                        // An added token with a character outside the alphabet stands for itself.
                        None => {
                            self.bytes.truncate(start);
                            self.bytes.extend_from_slice(token.as_bytes());
                            return;
                        }
                    }
                }
            }
            DecodeScheme::ByteFallback { .. } => {
                self.bytes.extend_from_slice(token.replace('\u{2581}', " ").as_bytes());
            }
        }
    }

    /// One more than the largest id.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the id is a special token's.
    pub(super) fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(false)
    }

    /// What the id writes; `None` for an id without a token.
    pub(super) fn piece(&self, id: u32) -> Option<Piece<'_>> {
        let at = id as usize;
        if !self.known.get(at).copied().unwrap_or(false) {
            return None;
        }
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        let bytes = &self.bytes[start..self.ends[at] as usize];
        if let (DecodeScheme::ByteFallback { .. }, [b'<', b'0', b'x', high, low, b'>']) = (self.scheme, bytes)
            && let (Some(high), Some(low)) = ((*high as char).to_digit(16), (*low as char).to_digit(16))
        {
            return Some(Piece::Byte((high * 16 + low) as u8));
        }
        Some(Piece::Bytes(bytes))
    }
}

/// The byte a character of the byte-level alphabet stands for: the printable Latin-1 characters stand for themselves,
/// and the 68 other bytes, in order, for the characters from U+0100 on.
fn byte_of(c: char) -> Option<u8> {
    match c as u32 {
        plain @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => Some(plain as u8),
        moved @ 0x100..=0x143 => Some(match moved - 0x100 {
            low @ 0..=0x20 => low as u8,
            middle @ 0x21..=0x42 => (0x7f + middle - 0x21) as u8,
            _ => 0xad,
        }),
        _ => None,
    }
}

/// Recognises the decoders whose text can be put together from tokens one by one.
fn scheme(decoder: Option<&DecoderWrapper>) -> Result<DecodeScheme, TokenizerError> {
    let refuse = |found: String| {
        TokenizerError::field(
            "tokenizer.json",
            "decoder",
            found,
            "ByteLevel, or a Sequence of Replace(\u{2581}, space), ByteFallback, Fuse and perhaps Strip(space, 1, 0)",
        )
    };
    match decoder {
        None => Err(refuse("none".into())),
        Some(DecoderWrapper::ByteLevel(_)) => Ok(DecodeScheme::ByteLevel),
        Some(DecoderWrapper::Sequence(sequence)) => match sequence.get_decoders() {
            [DecoderWrapper::ByteLevel(_)] => Ok(DecodeScheme::ByteLevel),
            [
                DecoderWrapper::Replace(replace),
                DecoderWrapper::ByteFallback(_),
                DecoderWrapper::Fuse(_),
                rest @ ..,
            ] => {
                // The pattern is private to the library, so it is asked what it does.
                let probe = replace.decode_chain(vec!["\u{2581}a".into()]);
                if !probe.is_ok_and(|tokens| tokens == [" a"]) {
                    return Err(refuse("a Replace of something else".into()));
                }
                match rest {
                    [] => Ok(DecodeScheme::ByteFallback { strip_first: false }),
                    [DecoderWrapper::Strip(strip)]
                        if (strip.content, strip.start, strip.stop) == (' ', 1, 0) =>
                    {
                        Ok(DecodeScheme::ByteFallback { strip_first: true })
                    }
                    _ => Err(refuse("a Sequence that ends otherwise".into())),
                }
            }
            _ => Err(refuse("another Sequence".into())),
        },
        Some(other) => {
            let debug = format!("{other:?}");
            Err(refuse(debug.split(['(', '{', ' ']).next().unwrap_or_default().to_owned()))
        }
    }
}
