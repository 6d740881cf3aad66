//! Who plays a patient's units, and how models are asked.

use std::fmt;

use serde::Serialize;

use crate::chat::{ChatModel, SharedModel};
use crate::sim::played::log::By;

/// Who does the work of a unit.
#[derive(Clone, Copy)]
pub enum Unit<'a> {
    /// The rules.
    Rules,
    /// A model.
    Model(&'a dyn ChatModel),
}

impl<'a> Unit<'a> {
    /// By a model, or by rules where there is none.
    pub(super) fn of(model: Option<&'a dyn ChatModel>) -> Self {
        model.map_or(Self::Rules, Self::Model)
    }
}

/// Who does the work of each unit.
#[derive(Clone, Copy)]
pub struct Units<'a> {
    /// Says whether a message ends the consultation.
    pub gate: Unit<'a>,
    /// Drafts the reply.
    pub voice: Unit<'a>,
    /// Labels the draft's claims.
    pub check: Unit<'a>,
}

impl<'a> Units<'a> {
    /// All by rules.
    pub fn rules() -> Self {
        Self { gate: Unit::Rules, voice: Unit::Rules, check: Unit::Rules }
    }

    /// All by one model.
    pub fn model(model: &'a dyn ChatModel) -> Self {
        Self { gate: Unit::Model(model), voice: Unit::Model(model), check: Unit::Model(model) }
    }
}

/// Who does the work of each unit, with models that threads may share. Where there is none, rules do.
#[derive(Clone, Default)]
pub struct SharedUnits {
    /// Says whether a message ends the consultation.
    pub gate: Option<SharedModel>,
    /// Drafts the reply.
    pub voice: Option<SharedModel>,
    /// Labels the draft's claims.
    pub check: Option<SharedModel>,
}

impl SharedUnits {
    /// Whether any of them is a model.
    pub fn have_model(&self) -> bool {
        [&self.gate, &self.voice, &self.check].into_iter().any(Option::is_some)
    }

    /// The units of one patient.
    pub fn units(&self) -> Units<'_> {
        let [gate, voice, check] = [&self.gate, &self.voice, &self.check]
            .map(|model| Unit::of(model.as_ref().map(|model| &**model as &dyn ChatModel)));
        Units { gate, voice, check }
    }

    /// Who they are.
    pub fn names(&self) -> UnitNames {
        let by = |model: &Option<SharedModel>| {
            model.as_ref().map_or(By::Rules, |model| By::Model(model.name().to_owned()))
        };
        UnitNames { gate: by(&self.gate), voice: by(&self.voice), check: by(&self.check) }
    }
}

/// Who does the work of each unit, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitNames {
    /// Says whether a message ends the consultation.
    pub gate: By,
    /// Drafts the reply.
    pub voice: By,
    /// Labels the draft's claims.
    pub check: By,
}

impl fmt::Display for UnitNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gate, voice, check } = self;
        write!(f, "gate {gate}, voice {voice}, check {check}")
    }
}

/// What happens when a unit's model gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// There is no reply, but an error that names the unit.
    #[default]
    Stop,
    /// The rules do the unit's work, and the log says so.
    Rules,
}

/// How models are asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The most tokens of what a model thinks before its answer. The answer itself has as many more as the longest one that its schema
    /// allows ([`ReplySchema::most_tokens`](crate::chat::ReplySchema::most_tokens)).
    pub thinking: usize,
    /// Temperature of the voice. Gate and check take the likeliest token.
    pub temperature: f32,
    /// How often a question is put again after an answer that is not as its schema says.
    pub again: usize,
    /// What happens when there is no answer.
    pub on_failure: OnFailure,
}

impl Default for Settings {
    fn default() -> Self {
        Self { thinking: 512, temperature: 0.7, again: 2, on_failure: OnFailure::default() }
    }
}
