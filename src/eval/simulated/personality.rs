//! Whether a patient behaves as its persona, as far as rules can measure what a persona leads to.
//!
//! Each consequence is judged over a session (one interview), or not judged where the session gave no occasion for it:
//!
//! | half | trait | consistent where |
//! | --- | --- | --- |
//! | personality | introvert | never asks about treatment before the doctor names or arranges anything |
//! | personality | extravert | does so at least once; judged from [`OCCASIONS`] replies on |
//! | personality | feeling | thanks for, or takes up, at least one kind message in two |
//! | personality | thinking | voices no fear beyond the worries that the case holds |
//! | sociocultural | low income | asks what it costs at least once; judged from three tests on |
//! | sociocultural | other incomes | never asks what it costs |
//! | sociocultural | high education | asks for reasons when told what it may be |
//! | sociocultural | other educations | never asks for evidence or reasons |
//!
//! Intuition against sensing, judging against perceiving, verbosity and recall lead to nothing that words alone show well
//! enough, so they are not part of the score.

use serde::{Deserialize, Serialize};

use crate::sim::{Level, Persona};

use super::probe::{Aim, Probe};
use super::record::Record;
use super::words::words;

/// An extravert is judged from so many replies on.
pub const OCCASIONS: usize = 20;
/// Somebody poor is judged from so many costly messages on.
const COSTLY: usize = 3;

/// Consequences of a persona in one session: how many were judged and how many held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Of personality.
    pub personality: Half,
    /// Of circumstances.
    pub sociocultural: Half,
}

/// One half of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Half {
    /// How many were judged.
    pub judged: u32,
    /// How many held.
    pub held: u32,
}

impl Half {
    fn add(&mut self, held: Option<bool>) {
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
        let judged = self.personality.judged + self.sociocultural.judged;
        (judged > 0).then(|| judged == self.personality.held + self.sociocultural.held)
    }
}

/// Judges a session: its messages with their replies.
pub fn judge(persona: &Persona, record: &Record<'_>, session: &[(&Probe, &str)]) -> Judged {
    let asks = |reply: &str, cues: &[&str]| {
        let questions = reply.split_inclusive(['.', '!', '?']).filter(|sentence| sentence.ends_with('?'));
        questions
            .map(|sentence| words(sentence).join(" "))
            .any(|sentence| cues.iter().any(|cue| sentence.contains(cue)))
    };
    let treatment = |reply: &str| {
        asks(
            reply,
            &[
                "give me",
                "do about",
                "be done about",
                "do we do now",
                "treat",
                "medicine for",
                "what can we do",
            ],
        )
    };
    let cost = |reply: &str| asks(reply, &["cost", "expensive", "pay", "afford", "insurance"]);
    let reasons = |reply: &str| {
        asks(
            reply,
            &["what makes you think", "evidence", "reasons", "explain", "why do you", "how do you know"],
        )
    };
    // A worry of the case's own is an answer, not a mood.
    let afraid = |reply: &str| {
        reply.split_inclusive(['.', '!', '?']).any(|sentence| {
            let own = words(sentence);
            let says = own.iter().any(|word| {
                matches!(word.as_str(), "scared" | "frightened" | "frightening" | "terrified" | "panicking")
            });
            says && !record.quotes(&own)
        })
    };
    let thanks = |reply: &str| {
        words(reply)
            .iter()
            .any(|word| matches!(word.as_str(), "thank" | "thanks" | "kind" | "appreciate" | "helps"))
    };
    let all = || session.iter();
    let unprompted = all().any(|(probe, reply)| probe.aim != Aim::Verdict && treatment(reply));
    let enough = session.len() >= OCCASIONS;
    let mut found = Judged::default();
    found.personality.add(if persona.extravert { enough.then_some(unprompted) } else { Some(!unprompted) });
    let kind: Vec<bool> = all().filter(|(probe, _)| probe.warm).map(|(_, reply)| thanks(reply)).collect();
    let taken_up = kind.iter().filter(|taken| **taken).count();
    found.personality.add(if persona.feeling {
        (!kind.is_empty()).then(|| 2 * taken_up >= kind.len())
    } else {
        Some(!all().any(|(_, reply)| afraid(reply)))
    });
    let asked_cost = all().any(|(_, reply)| cost(reply));
    let costly = all().filter(|(probe, _)| probe.costly).count();
    found.sociocultural.add(if persona.income == Level::Low {
        (costly >= COSTLY).then_some(asked_cost)
    } else {
        Some(!asked_cost)
    });
    let told = all().any(|(probe, _)| probe.aim == Aim::Verdict);
    let asked_reasons = all().any(|(_, reply)| reasons(reply));
    found.sociocultural.add(if persona.education == Level::High {
        told.then_some(asked_reasons)
    } else {
        Some(!asked_reasons)
    });
    found
}
