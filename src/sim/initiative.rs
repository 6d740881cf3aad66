//! How the patients of many consultations take part.

use crate::sim::played::Mode;
use crate::sim::script::PatientScript;

/// Which [`Mode`] each of many patients takes part in. Rules can play all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Initiative {
    /// What the persona does on its own it does (Baichuan-M2 report, section 2.1).
    #[default]
    Interactive,
    /// Nobody takes the initiative (Baichuan-M3 report, section 2.1).
    Passive,
    /// Passive, and the doctor of each finds a message and a patient's question after the opening.
    Interrupted,
    /// By lot, as in that report: passive three times in four, else interrupted.
    Drawn,
}

impl Initiative {
    /// The mode of one patient; what is drawn is drawn by `seed`.
    pub fn mode(self, seed: u64) -> Mode {
        match self {
            Self::Interactive => Mode::Proactive,
            Self::Passive => Mode::Passive,
            Self::Interrupted => Mode::interrupted(seed),
            Self::Drawn => Mode::draw(seed),
        }
    }

    /// Whether a doctor may find more said than its patient knows of.
    pub fn interrupts(self) -> bool {
        matches!(self, Self::Interrupted | Self::Drawn)
    }

    /// What a report says of such patients; nothing where they do as they always did.
    pub fn in_words(self) -> Option<&'static str> {
        match self {
            Self::Interactive => None,
            Self::Passive => Some("patients answer and take no initiative"),
            Self::Interrupted => Some(
                "patients take no initiative, and doctors find a question after the opening that these do not know of",
            ),
            Self::Drawn => Some(
                "patients take no initiative, and after one opening in four the doctor finds a question that the patient does \
                 not know of",
            ),
        }
    }
}

impl PatientScript {
    /// The same, to be played in `mode`: a passive patient's persona loses its initiative. What is known and how it is worded stay.
    pub fn in_mode(self, mode: &Mode) -> Self {
        let persona = if mode.is_passive() { self.persona.passive() } else { self.persona };
        Self { persona, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Persona;
    use crate::sim::sample::script;

    #[test]
    fn each_names_its_modes_and_only_chance_is_drawn() {
        for seed in 0..200 {
            assert_eq!(Initiative::Interactive.mode(seed), Mode::Proactive);
            assert_eq!(Initiative::Passive.mode(seed), Mode::Passive);
            assert_eq!(Initiative::Interrupted.mode(seed), Mode::interrupted(seed));
            assert_eq!(Initiative::Drawn.mode(seed), Mode::draw(seed));
            for initiative in [Initiative::Interactive, Initiative::Passive] {
                let found = matches!(initiative.mode(seed), Mode::Interrupted(_));
                assert!(!found && !initiative.interrupts(), "{initiative:?}");
            }
        }
        assert!(Initiative::Interrupted.interrupts() && Initiative::Drawn.interrupts());
        assert_eq!(Initiative::default(), Initiative::Interactive);
    }

    #[test]
    fn a_script_in_a_passive_mode_differs_in_its_persona_alone() {
        for seed in 0..20 {
            let as_it_is = script(Persona::draw(seed), seed);
            assert_eq!(as_it_is.clone().in_mode(&Mode::Proactive), as_it_is);
            for mode in [Mode::Passive, Mode::interrupted(seed)] {
                let passive = as_it_is.clone().in_mode(&mode);
                assert_eq!(passive.persona, as_it_is.persona.passive());
                let persona = as_it_is.persona.clone();
                assert_eq!(crate::sim::PatientScript { persona, ..passive }, as_it_is);
            }
        }
    }
}
