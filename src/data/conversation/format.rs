//! The pieces a chat template puts around messages, as ids.

use std::fmt;
use std::sync::Arc;

use super::error::ConversationError;
use crate::chat::Message;
use crate::data::{ChatTemplate, RenderOptions, Tokenizer};

/// Messages that no template writes by itself. They begin and end with a letter, as what people say mostly does.
const PROBES: [&str; 5] = ["Qzaq probeq", "Wjbw probew", "Xkcx probex", "Yvdy probey", "Zhez probez"];

/// How a conversation is written as ids: found out once from a tokenizer's chat template, then used for every turn.
/// Cloning it is cheap.
///
/// Templates differ in their words and marks but not in their shape, so the pieces are read off a rendered probe:
///
/// ```text
/// <|im_start|>system\nS<|im_end|>\n<|im_start|>user\n   opening
/// patient's words
/// <|im_end|>\n<|im_start|>assistant\n                   header
/// reply<|im_end|>                                        the reply and its end, which the model says
/// \n<|im_start|>user\n                                   between
/// ```
///
/// Pieces are cut where no token can reach across: at special tokens, and at a line break before words that do not
/// begin with white space (so words are stripped of white space around them). Tokenising piece by piece then gives
/// the ids of tokenising the whole, which [`DialogueFormat::new`] tries out and a test holds for random consultations.
#[derive(Clone)]
pub struct DialogueFormat(Arc<Parts>);

struct Parts {
    tokenizer: Tokenizer,
    opening: Vec<u32>,
    header: Vec<u32>,
    between: Vec<u32>,
    end: u32,
}

/// The pieces alone: a vocabulary is no reading.
impl fmt::Debug for DialogueFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { opening, header, between, end, .. } = &*self.0;
        let mut shown = f.debug_struct("DialogueFormat");
        shown.field("opening", opening).field("header", header).field("between", between).field("end", end);
        shown.finish_non_exhaustive()
    }
}

impl DialogueFormat {
    /// The format of `template`, for conversations with this system message. Where there is none, what the template
    /// writes for such a conversation is taken.
    ///
    /// A template that writes a turn differently by its place (one that leaves thoughts of earlier turns out, say)
    /// is refused.
    pub fn new(
        tokenizer: &Tokenizer,
        template: &ChatTemplate,
        system: Option<&str>,
    ) -> Result<Self, ConversationError> {
        let [first, one, second, two, third] = PROBES;
        let messages: Vec<Message> = system
            .map(Message::system)
            .into_iter()
            .chain([Message::user(first), Message::assistant(one)])
            .chain([Message::user(second), Message::assistant(two), Message::user(third)])
            .collect();
        let prompt = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        let whole = template.render(&messages, &prompt)?;
        let [opening, header, between, header_later, between_later, header_last] = cut(&whole, PROBES)?;
        same("the header of a later reply", header_later, header)?;
        same("the header of the reply that is asked for", header_last, header)?;
        same("what follows a later reply", between_later, between)?;
        // A conversation that is only beginning must look the same.
        let short = messages.get(..messages.len() - 4).unwrap_or_default();
        same(
            "the prompt of the first reply",
            &template.render(short, &prompt)?,
            &[opening, first, header].concat(),
        )?;
        let pieces = [opening, header, between];
        let [opening, header, between] = [0, 1, 2].map(|at| tokenizer.encode(pieces[at], false));
        let (opening, header, between) = (opening?, header?, between?);
        for (text, ids) in pieces.into_iter().zip([&opening, &header, &between]) {
            if !text.ends_with('\n') && !ids.last().is_some_and(|&id| tokenizer.is_special(id)) {
                let (what, legal) =
                    ("the text before a message", "one that ends with a line break or a special token");
                let (found, legal) = (text.to_owned(), legal.to_owned());
                return Err(ConversationError::Shape { what, found, legal });
            }
        }
        let end = between.first().copied().filter(|id| tokenizer.end_of_turn_ids().contains(id));
        let Some(end) = end else {
            let found = tokenizer.decode(between.get(..1).unwrap_or_default(), false)?;
            let ends: Vec<String> = tokenizer
                .end_of_turn_ids()
                .iter()
                .map(|&id| tokenizer.decode(&[id], false))
                .collect::<Result<_, _>>()?;
            let (what, legal) = ("the token after a reply", format!("one of {}", ends.join(" ")));
            return Err(ConversationError::Shape { what, found, legal });
        };
        let parts = Parts {
            tokenizer: tokenizer.clone(),
            opening,
            header,
            between: between.get(1..).unwrap_or_default().to_vec(),
            end,
        };
        let format = Self(Arc::new(parts));
        format.check_cuts(&whole)?;
        Ok(format)
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.0.tokenizer
    }

    /// What comes before the patient's first words.
    pub fn opening(&self) -> &[u32] {
        &self.0.opening
    }

    /// What comes between the patient's words and a reply.
    pub fn header(&self) -> &[u32] {
        &self.0.header
    }

    /// What comes between the end of a reply and the patient's next words.
    pub fn between(&self) -> &[u32] {
        &self.0.between
    }

    /// The token that ends a reply; the model says it.
    pub fn end(&self) -> u32 {
        self.0.end
    }

    /// The words of a message as ids. White space around them is left out, and nothing written in them is read as a
    /// special token, so no message can end its own turn or speak in another's name.
    pub fn words(&self, text: &str) -> Result<Vec<u32>, ConversationError> {
        let mut ids = Vec::new();
        self.plain(text.trim(), &mut ids)?;
        Ok(ids)
    }

    /// What a sampled reply says: its text without special tokens and white space around it.
    pub fn text(&self, reply: &[u32]) -> Result<String, ConversationError> {
        Ok(self.0.tokenizer.decode(reply, true)?.trim().to_owned())
    }

    /// `reply` without the token that ended it, if it has one.
    pub fn body<'r>(&self, reply: &'r [u32]) -> &'r [u32] {
        match reply.split_last() {
            Some((last, body)) if self.0.tokenizer.end_of_turn_ids().contains(last) => body,
            _ => reply,
        }
    }

    fn plain(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), ConversationError> {
        let tokenizer = &self.0.tokenizer;
        let encoded = tokenizer.encode(text, false)?;
        let Some(&special) = encoded.iter().find(|&&id| tokenizer.is_special(id)) else {
            ids.extend(encoded);
            return Ok(());
        };
        // Cut within the token's first occurrence, so that neither part is read as it.
        let token = tokenizer.decode(&[special], false)?;
        let within = text.find(&token).and_then(|at| Some(at + token.chars().next()?.len_utf8()));
        match within.filter(|at| *at < text.len()).map(|at| text.split_at(at)) {
            Some((left, right)) if token.chars().count() > 1 => {
                self.plain(left, ids)?;
                self.plain(right, ids)
            }
            _ => Err(ConversationError::OnlySpecial { token }),
        }
    }

    /// Tries out that the pieces give the ids of the whole.
    fn check_cuts(&self, whole: &str) -> Result<(), ConversationError> {
        let parts = &self.0;
        let mut pieces = parts.opening.clone();
        for (number, words) in PROBES.iter().enumerate() {
            pieces.extend(self.words(words)?);
            if number % 2 == 0 {
                pieces.extend(&parts.header);
            } else {
                pieces.push(parts.end);
                pieces.extend(&parts.between);
            }
        }
        let whole = parts.tokenizer.encode(whole, false)?;
        if whole == pieces {
            return Ok(());
        }
        let at = whole.iter().zip(&pieces).take_while(|(a, b)| a == b).count();
        let found = parts.tokenizer.decode(whole.get(at..).unwrap_or_default(), false)?;
        let found = found.chars().take(40).collect();
        let legal = "marks around messages that no token reaches across".to_owned();
        Err(ConversationError::Shape { what: "the text where tokens differ", found, legal })
    }
}

/// `whole` cut at the probes, each of which must be there once and in order.
fn cut<'t>(whole: &'t str, probes: [&'static str; 5]) -> Result<[&'t str; 6], ConversationError> {
    let mut parts = [""; 6];
    let mut rest = whole;
    for (part, probe) in parts.iter_mut().zip(probes) {
        let Some((before, after)) = rest.split_once(probe).filter(|(_, after)| !after.contains(probe)) else {
            let legal = format!("one with the message {probe:?} in it once, in its place");
            return Err(ConversationError::Shape {
                what: "a rendered conversation",
                found: whole.into(),
                legal,
            });
        };
        *part = before;
        rest = after;
    }
    parts[5] = rest;
    Ok(parts)
}

fn same(what: &'static str, found: &str, expected: &str) -> Result<(), ConversationError> {
    if found == expected {
        return Ok(());
    }
    let legal = format!("{expected:?} as elsewhere");
    Err(ConversationError::Shape { what, found: found.to_owned(), legal })
}
