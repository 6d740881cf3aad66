//! The simulated patient: gate, affective draft and factual check in series, each turn.

use crate::data::consultation::{Consultation, Ending, Turn};
use crate::data::lexicon::Lexicon;
use crate::data::utterance::Understanding;
use crate::sim::check::{Factual, RuleCheck};
use crate::sim::forbidden::blank;
use crate::sim::gate::{Gate, Limits, RuleGate};
use crate::sim::heard::Scene;
use crate::sim::script::PatientScript;
use crate::sim::voice::{Affective, RuleVoice};

/// What one message of the doctor led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The exchange. Its `patient` is `None` exactly where `ending` is set.
    pub turn: Turn,
    /// Why the consultation is over, if it is.
    pub ending: Option<Ending>,
    /// How many statements of the draft the factual check struck or replaced.
    pub corrected: usize,
}

impl Reply {
    /// Carries the consultation that it is a reply in on by its exchange.
    pub fn carry_on(self, consultation: &mut Consultation) {
        consultation.turns.push(self.turn);
        consultation.ending = self.ending;
    }
}

/// A patient who plays a script (Baichuan-M2 report, section 2.1.2).
///
/// It holds no state: a reply follows from the script, what was said so far and the message, so any number of candidate
/// messages can be tried on one state, and a run can be taken up anywhere. Each unit can be replaced, by a model or
/// otherwise; what cannot be done there falls back to the rules.
#[derive(Debug, Clone, Copy)]
pub struct Patient<'a, G = RuleGate, A = RuleVoice, F = RuleCheck> {
    script: &'a PatientScript,
    understanding: &'a Understanding,
    lexicon: &'a Lexicon,
    gate: G,
    voice: A,
    check: F,
}

impl<'a> Patient<'a> {
    /// The rule-based patient by the bundled lexicon.
    pub fn new(script: &'a PatientScript, limits: Limits) -> Self {
        Self::with_lexicon(script, limits, Understanding::bundled(), Lexicon::bundled())
    }

    /// The rule-based patient by another lexicon; `understanding` is that lexicon compiled.
    pub fn with_lexicon(
        script: &'a PatientScript,
        limits: Limits,
        understanding: &'a Understanding,
        lexicon: &'a Lexicon,
    ) -> Self {
        Self::with_units(script, understanding, lexicon, RuleGate { limits }, RuleVoice, RuleCheck)
    }
}

impl<'a, G: Gate, A: Affective, F: Factual> Patient<'a, G, A, F> {
    /// A patient of any three units.
    pub fn with_units(
        script: &'a PatientScript,
        understanding: &'a Understanding,
        lexicon: &'a Lexicon,
        gate: G,
        voice: A,
        check: F,
    ) -> Self {
        Self { script, understanding, lexicon, gate, voice, check }
    }

    /// What the patient plays from.
    pub fn script(&self) -> &'a PatientScript {
        self.script
    }

    /// A consultation in which only the opening was said.
    pub fn open(&self) -> Consultation {
        Consultation {
            case_id: self.script.case_id.clone(),
            opening: blank(&self.script.opening, &self.script.forbidden),
            found: None,
            turns: Vec::new(),
            ending: None,
        }
    }

    /// What `doctor` leads to after `so_far`.
    pub fn reply(&self, so_far: &Consultation, doctor: &str) -> Reply {
        let scene = Scene::new(self.script, so_far, doctor, self.understanding, self.lexicon);
        let asked = scene.wanted().iter().map(|&index| self.script.facts[index].id.clone()).collect();
        let mut turn = Turn {
            doctor: doctor.to_owned(),
            patient: None,
            told: Vec::new(),
            asked,
            understood: scene.understood(),
        };
        if let Some(ending) = self.gate.ends(&scene) {
            return Reply { turn, ending: Some(ending), corrected: 0 };
        }
        let checked = self.check.check(&scene, self.voice.draft(&scene));
        turn.patient = Some(checked.text);
        turn.told = checked.told;
        Reply { turn, ending: None, corrected: checked.corrected }
    }

    /// Carries `consultation` on by one exchange. After its end nothing changes.
    pub fn answer(&self, consultation: &mut Consultation, doctor: &str) {
        if consultation.ending.is_none() {
            self.reply(consultation, doctor).carry_on(consultation);
        }
    }
}
