//! Whether a patient behaves as its persona, as far as rules can measure what a persona leads to.
//!
//! Each consequence is judged over a session (one interview), or not judged where the session gave no occasion for it:
//!
//! | half | trait | consistent where |
//! | --- | --- | --- |
//! | personality | introvert | never asks about treatment before the doctor names or arranges anything |
//! | personality | extravert | does so at least once; judged from [`OCCASIONS`] replies on |
//! | personality | feeling | thanks for, or takes up, at least one kind message in two |
//! | personality | thinking, not afraid | voices no fear beyond the worries that the case holds |
//! | sociocultural | low income | asks what it costs at least once; judged from three tests on |
//! | sociocultural | high income | never asks what it costs |
//! | sociocultural | high education | asks for reasons when told what it may be |
//! | sociocultural | other educations | never asks for evidence or reasons |
//! | sociocultural | deferential | never says that it disagrees |
//!
//! With an income between, a patient may ask for the price of something large, so nothing is judged of it.
//!
//! Beside these halves, which make the score, how much is said and remembered and what mood shows ([`super::manner`]) is part of whether everything
//! held ([`Judged::consistent`]). What nothing judges stands in docs/simulator.md.

use serde::{Deserialize, Serialize};

use crate::sim::{Culture, Emotion, Level, Persona};

use super::manner;
use super::probe::{Aim, Probe};
use super::record::Record;
use super::words::{says_one_of, spaced, words};

/// An extravert is judged from so many replies on.
pub const OCCASIONS: usize = 20;
/// Somebody poor is judged from so many costly messages on.
const COSTLY: usize = 3;

// Cues stand between the blanks of a question's words. Where a patient has to ask, what counts is wide; where a patient must not,
// only what can be nothing else.

/// Asks for treatment.
const TREATMENT: &[&str] = &[
    "give me",
    "do about",
    "be done about",
    "can be done",
    "do we do now",
    "treat",
    "medicine for",
    "what can we do",
    "what can you do",
];
/// Asks for the price.
const PRICE: &[&str] = &[" cost", " expensive", " price", " pay ", " afford", " cheap"];
/// Asks for the price, in somebody who has to.
const MONEY: &[&str] = &[" insurance", " money", " paying", " pays "];
/// Asks for reasons.
const REASONS: &[&str] = &[
    " what makes you think",
    " evidence",
    " reasons",
    " why do you think",
    " why do you believe",
    " why do you say",
];
/// Asks for reasons, in somebody who has to. Others may want a word explained.
const GROUNDS: &[&str] =
    &[" explain", " how do you know", " why ", " reason ", " how sure", " how certain", " based on"];
/// Disagrees with the doctor. A denial of what is not so is an answer.
const DISAGREES: &[&str] = &[
    " i disagree",
    " don't agree",
    " do not agree",
    " not convinced",
    " see that differently",
    " see it differently",
];
/// Voices fear.
const FEAR: &[&str] = &["scared", "frightened", "frightening", "terrified", "panicking"];
/// Takes kindness up: thanks for it, is eased by it, or goes along readily.
const TAKEN_UP: &[&str] = &[
    " thank",
    " kind ",
    " appreciate",
    " helps ",
    " grateful",
    " good to hear",
    " nice to hear",
    " means a lot",
    " relie",
    " comfort",
    " reassur",
    " of course",
    " gladly",
    " happy to",
    " glad ",
];

/// Consequences of a persona in one session: how many were judged and how many held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Of personality.
    pub personality: Half,
    /// Of circumstances.
    pub sociocultural: Half,
    /// Of how much is said and remembered and what mood shows, which is in no half of the score.
    pub manner: Half,
}

/// One part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Half {
    /// How many were judged.
    pub judged: u32,
    /// How many held.
    pub held: u32,
}

impl Half {
    pub(super) fn add(&mut self, held: Option<bool>) {
        self.judged += u32::from(held.is_some());
        self.held += u32::from(held == Some(true));
    }

    fn share(self) -> Option<f64> {
        (self.judged > 0).then(|| f64::from(self.held) / f64::from(self.judged))
    }
}

impl Judged {
    /// The mean of both halves (Baichuan-M2 report, section 2.1.3); `None` where one has nothing that was judged.
    pub fn score(self) -> Option<f64> {
        Some((self.personality.share()? + self.sociocultural.share()?) / 2.0)
    }

    /// Whether everything that was judged held; `None` where nothing was.
    pub fn consistent(self) -> Option<bool> {
        let parts = [self.personality, self.sociocultural, self.manner];
        let judged: u32 = parts.iter().map(|part| part.judged).sum();
        (judged > 0).then(|| parts.iter().all(|part| part.held == part.judged))
    }
}

/// Judges a session: its messages with their replies.
pub fn judge(persona: &Persona, record: &Record<'_>, session: &[(&Probe, &str)]) -> Judged {
    let mut found = Judged::default();
    found.personality.add(initiative(persona, session));
    found.personality.add(feeling(persona, record, session));
    found.sociocultural.add(money(persona, session));
    found.sociocultural.add(reasons(persona, session));
    found.sociocultural.add(respect(persona, session));
    found.manner.add(manner::length(persona, session));
    found.manner.add(manner::memory(persona, record, session));
    found.manner.add(manner::mood(persona, record, session));
    found
}

/// The questions of a reply, spaced.
fn questions(reply: &str) -> impl Iterator<Item = String> {
    reply.split_inclusive(['.', '!', '?']).filter(|sentence| sentence.ends_with('?')).map(spaced)
}

fn asks(session: &[(&Probe, &str)], cues: &[&str]) -> bool {
    session.iter().any(|(_, reply)| questions(reply).any(|question| says_one_of(&question, cues)))
}

fn initiative(persona: &Persona, session: &[(&Probe, &str)]) -> Option<bool> {
    // Who asks for something cheaper asks for the price, not for treatment.
    let treatment = |reply: &str| {
        questions(reply).any(|question| says_one_of(&question, TREATMENT) && !says_one_of(&question, PRICE))
    };
    let unprompted = session.iter().any(|(probe, reply)| probe.aim != Aim::Verdict && treatment(reply));
    if persona.extravert { (session.len() >= OCCASIONS).then_some(unprompted) } else { Some(!unprompted) }
}

fn feeling(persona: &Persona, record: &Record<'_>, session: &[(&Probe, &str)]) -> Option<bool> {
    if persona.feeling {
        let kind = || session.iter().filter(|(probe, _)| probe.warm);
        let taken_up = kind().filter(|(_, reply)| says_one_of(&spaced(reply), TAKEN_UP)).count();
        return (kind().count() > 0).then(|| 2 * taken_up >= kind().count());
    }
    // Who is afraid lets it show, whatever else they go by.
    if persona.emotion == Emotion::Afraid {
        return None;
    }
    // A worry of the case's own is an answer, not a mood.
    let afraid = |reply: &str| {
        reply
            .split_inclusive(['.', '!', '?'])
            .map(words)
            .any(|own| own.iter().any(|word| FEAR.contains(&word.as_str())) && !record.quotes(&own))
    };
    Some(!session.iter().any(|(_, reply)| afraid(reply)))
}

fn money(persona: &Persona, session: &[(&Probe, &str)]) -> Option<bool> {
    match persona.income {
        Level::Low => {
            let costly = session.iter().filter(|(probe, _)| probe.costly).count();
            (costly >= COSTLY).then(|| asks(session, PRICE) || asks(session, MONEY))
        }
        Level::Medium => None,
        Level::High => Some(!asks(session, PRICE)),
    }
}

fn reasons(persona: &Persona, session: &[(&Probe, &str)]) -> Option<bool> {
    if persona.education == Level::High {
        let told = session.iter().any(|(probe, _)| probe.aim == Aim::Verdict);
        told.then(|| asks(session, REASONS) || asks(session, GROUNDS))
    } else {
        Some(!asks(session, REASONS))
    }
}

fn respect(persona: &Persona, session: &[(&Probe, &str)]) -> Option<bool> {
    let disagrees = |reply: &str| says_one_of(&spaced(reply), DISAGREES);
    (persona.culture == Culture::Deferential).then(|| !session.iter().any(|(_, reply)| disagrees(reply)))
}
