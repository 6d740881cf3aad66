//! What a persona makes of the doctor's words, beside answering them.

use crate::data::utterance::Intent;
use crate::sim::costly::is_expensive;
use crate::sim::persona::{Culture, Emotion, Level};
use crate::sim::phrases as say;
use crate::sim::tone::is_curt;
use crate::sim::voice::Speaker;

/// From this turn on (from 0) somebody outgoing asks about treatment now and then, and somebody irritable is tired of it.
const SETTLED: usize = 3;
/// At this turn somebody outgoing who has not yet asked about treatment does.
const AT_LAST: usize = 8;

impl Speaker<'_> {
    /// What comes after the answers: what the person makes of news and proposals, else now and then a mood, and never both, so that
    /// replies stay as short as their answers are. Where nothing was said at all the message is taken note of.
    ///
    /// A message that ends the consultation gets no reply, so nothing here is said to a diagnosis with its plan.
    pub(super) fn close(&mut self) {
        let scene = self.scene;
        if scene.does(|act| act.intent == Intent::Examination && act.concept.is_none()) && self.answers == 0 {
            self.pick(say::WHERE_TO_LOOK);
        }
        let before = self.draft.pieces.len();
        self.react();
        if self.draft.pieces.len() == before {
            self.remark();
        }
        if self.draft.pieces.is_empty() {
            self.pick(self.wording.noted());
        }
    }

    /// What is made of what the doctor concludes, gives and arranges.
    fn react(&mut self) {
        let scene = self.scene;
        let persona = &scene.script.persona;
        let gives = scene.does(|act| matches!(act.intent, Intent::Prescription | Intent::Referral { .. }));
        let tests = scene.does(|act| act.intent == Intent::Test);
        let names = scene.does(|act| matches!(act.intent, Intent::Diagnosis { .. }));
        let expensive = scene.does(|act| is_expensive(act, scene.lexicon));
        let before = self.draft.pieces.len();
        if gives || tests || expensive {
            self.pay(expensive);
        }
        if (gives || names) && persona.education == Level::High {
            self.pick(self.wording.reasons());
        } else if names && persona.extravert {
            self.pick(self.wording.what_next());
        } else if names && persona.education == Level::Low && self.chance(1, 2) {
            self.pick(say::PLAIN_WORDS);
        }
        if self.draft.pieces.len() == before {
            self.decide(gives, names);
        }
        if self.draft.pieces.len() == before
            && persona.emotion == Emotion::Afraid
            && (names || (tests && self.chance(1, 3)))
        {
            self.pick(say::REASSURE);
        }
    }

    /// What somebody with little money, or much, says to what has its price.
    fn pay(&mut self, expensive: bool) {
        let income = self.scene.script.persona.income;
        match income {
            // What is expensive is resisted at least once.
            Level::Low if expensive && !self.said_before(say::TOO_EXPENSIVE) => self.pick(say::TOO_EXPENSIVE),
            Level::Low if self.chance(1, 2) => {
                self.pick(if expensive { say::TOO_EXPENSIVE } else { say::COST });
            }
            Level::High if self.chance(1, 3) => self.pick(say::QUICK_WAY),
            _ => {}
        }
    }

    /// How somebody was brought up to take what a doctor proposes.
    fn decide(&mut self, gives: bool, names: bool) {
        let culture = self.scene.script.persona.culture;
        match culture {
            Culture::Equal if gives && self.chance(1, 3) => self.pick(say::DISAGREE),
            Culture::Family if (gives || names) && self.chance(1, 2) => self.pick(say::ASK_AT_HOME),
            Culture::HomeCare if gives && self.chance(1, 2) => self.pick(say::BY_ITSELF),
            _ => {}
        }
    }

    /// What is said of one's own accord, one thing at most.
    fn remark(&mut self) {
        let scene = self.scene;
        let persona = &scene.script.persona;
        let arranges = scene.does(|act| {
            matches!(act.intent, Intent::Prescription | Intent::Referral { .. } | Intent::Diagnosis { .. })
        });
        if persona.feeling && is_curt(scene.message) {
            self.pick(say::HURT);
        } else if persona.extravert && !arranges && scene.turn() >= SETTLED && self.asks_unprompted() {
            self.pick(self.wording.treatment());
        } else if persona.feeling && !scene.does(|act| act.intent == Intent::Empathy) && self.chance(1, 8) {
            self.pick(say::UNEASY);
        } else {
            self.mood();
        }
    }

    /// Whether somebody outgoing asks about treatment now.
    fn asks_unprompted(&mut self) -> bool {
        let late = self.scene.turn() >= AT_LAST;
        let first = late
            && ![say::TREATMENT, say::TREATMENT_YOUNG, say::TREATMENT_MIDDLE]
                .iter()
                .any(|asked| self.said_before(asked));
        first || self.chance(1, 8)
    }

    /// The mood, the oftener the more is said anyway.
    fn mood(&mut self) {
        let persona = &self.scene.script.persona;
        let phrases = match persona.emotion {
            Emotion::Afraid => say::AFRAID,
            Emotion::Irritable if self.scene.turn() >= SETTLED => say::IRRITABLE,
            Emotion::Downcast => say::DOWNCAST,
            Emotion::Calm | Emotion::Irritable => return,
        };
        let among = match persona.verbosity {
            Level::Low => 16,
            Level::Medium => 8,
            Level::High => 5,
        };
        if self.chance(1, among) {
            self.pick(phrases);
        }
    }
}
