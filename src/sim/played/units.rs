//! Who plays a patient's units, and how models are asked.

use crate::chat::ChatModel;

/// Who does the work of a unit.
#[derive(Clone, Copy)]
pub enum Unit<'a> {
    /// The rules.
    Rules,
    /// A model.
    Model(&'a dyn ChatModel),
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
    /// The most tokens of an answer, thinking included.
    pub max_tokens: usize,
    /// Temperature of the voice. Gate and check take the likeliest token.
    pub temperature: f32,
    /// How often a question is put again after an answer that is not as its schema says.
    pub again: usize,
    /// What happens when there is no answer.
    pub on_failure: OnFailure,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_tokens: 1024, temperature: 0.7, again: 2, on_failure: OnFailure::default() }
    }
}
