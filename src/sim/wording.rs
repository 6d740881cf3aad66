//! Which of several wordings a person takes for the same thing: mood, upbringing, age and education each have their own.

use crate::data::case::AgeBand;
use crate::sim::persona::{Culture, Emotion, Level, Persona};
use crate::sim::phrases as say;
use crate::sim::script::PatientScript;

/// Ways to say one thing.
type Phrases = &'static [&'static str];

/// How a person words what holds no facts. Where several sides have words of their own, mood goes before upbringing, upbringing
/// before age, and age before education; where none has, they are everybody's. Nobody is told more or less for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wording<'a> {
    persona: &'a Persona,
    age: AgeBand,
}

impl<'a> Wording<'a> {
    pub(super) fn of(script: &'a PatientScript) -> Self {
        Self { persona: &script.persona, age: script.stratum.age.band() }
    }

    fn feels(&self, emotion: Emotion) -> bool {
        self.persona.emotion == emotion
    }

    fn defers(&self) -> bool {
        self.persona.culture == Culture::Deferential
    }

    fn is_plain_spoken(&self) -> bool {
        self.persona.education == Level::Low
    }

    /// Answers a greeting.
    pub(super) fn hello(&self) -> Phrases {
        match self.age {
            _ if self.defers() => say::HELLO_FORMAL,
            AgeBand::Older => say::HELLO_FORMAL,
            AgeBand::Child | AgeBand::Adolescent | AgeBand::Young => say::HELLO_CASUAL,
            AgeBand::Middle => say::HELLO,
        }
    }

    /// Takes note.
    pub(super) fn noted(&self) -> Phrases {
        match self.age {
            _ if self.feels(Emotion::Downcast) => say::NOTED_DOWNCAST,
            _ if self.feels(Emotion::Irritable) => say::NOTED_IRRITABLE,
            _ if self.defers() => say::NOTED_DEFERENTIAL,
            AgeBand::Child | AgeBand::Adolescent | AgeBand::Young => say::NOTED_CASUAL,
            AgeBand::Middle | AgeBand::Older if self.is_plain_spoken() => say::PLAIN_YES,
            AgeBand::Middle | AgeBand::Older => say::NOTED,
        }
    }

    /// The message was not understood.
    pub(super) fn not_understood(&self) -> Phrases {
        match self.age {
            _ if self.feels(Emotion::Irritable) => say::NOT_UNDERSTOOD_IRRITABLE,
            AgeBand::Older => say::NOT_UNDERSTOOD_OLDER,
            _ if self.is_plain_spoken() => say::NOT_UNDERSTOOD_PLAIN,
            _ => say::NOT_UNDERSTOOD,
        }
    }

    /// More was asked than can be answered.
    pub(super) fn too_much(&self) -> Phrases {
        match self.age {
            _ if self.feels(Emotion::Irritable) => say::TOO_MUCH_IRRITABLE,
            AgeBand::Older => say::TOO_MUCH_OLDER,
            _ => say::TOO_MUCH,
        }
    }

    /// Nothing can be said about it.
    pub(super) fn not_known(&self) -> Phrases {
        match self.age {
            AgeBand::Child | AgeBand::Adolescent | AgeBand::Young => say::NOT_KNOWN_CASUAL,
            AgeBand::Middle | AgeBand::Older => say::NOT_KNOWN,
        }
    }

    /// A date, dose or name that does not come to mind.
    pub(super) fn forgotten(&self) -> Phrases {
        if self.age == AgeBand::Older { say::FORGOTTEN_OLDER } else { say::FORGOTTEN }
    }

    /// Held back.
    pub(super) fn rather_not(&self) -> Phrases {
        match self.age {
            _ if self.defers() => say::RATHER_NOT_DEFERENTIAL,
            AgeBand::Adolescent => say::RATHER_NOT_ADOLESCENT,
            _ => say::RATHER_NOT,
        }
    }

    /// Before what was told already; nothing where that is left out half the time.
    pub(super) fn told_already(&self) -> Option<&'static str> {
        self.feels(Emotion::Irritable).then_some(say::TOLD_ALREADY)
    }

    /// Asks about treatment out of turn.
    pub(super) fn treatment(&self) -> Phrases {
        match self.age {
            AgeBand::Young => say::TREATMENT_YOUNG,
            AgeBand::Middle => say::TREATMENT_MIDDLE,
            _ => say::TREATMENT,
        }
    }

    /// Asks what comes next.
    pub(super) fn what_next(&self) -> Phrases {
        if self.persona.judging { say::PLAN } else { say::WHAT_TO_DO }
    }

    /// Asks for reasons: the deferential never ask why, nor for proof, but to have it explained.
    pub(super) fn reasons(&self) -> Phrases {
        if self.defers() { say::EXPLAIN } else { say::WHY }
    }
}
