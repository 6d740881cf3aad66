//! How a simulated patient takes part: with initiative, as in Baichuan-M2, or passive, as in its successor.

use std::borrow::Cow;
use std::sync::LazyLock;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::chat::Message;
use crate::data::consultation::{Consultation, Found};

/// How a patient takes part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The whole persona, with what it does on its own (Baichuan-M2 report, section 2.1).
    #[default]
    Proactive,
    /// Answers and takes no initiative (Baichuan-M3 report, section 2.1).
    Passive,
    /// Passive, and the doctor finds more said than the patient knows of.
    Interrupted(Interruption),
}

/// What the doctor finds said after the opening, ending in a patient's question. The patient's side never sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interruption {
    /// Whether the doctor had finished.
    pub place: Place,
    /// What the doctor had said.
    pub doctor: String,
    /// What the patient asked.
    pub patient: String,
}

/// Where a patient's question comes. The report names both and explains neither; this is how they are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// After the doctor's message.
    EndOfTurn,
    /// In the middle of it.
    MidTurn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    interruption: Vec<Interruption>,
}

impl Interruption {
    /// Reads interruptions from TOML with the fields of the bundled file, `data/prompts/patient/interruptions.toml`.
    ///
    /// # Errors
    ///
    /// What is wrong, with the line or the number from 1: other fields or places, an empty text, or a [`Place`] for which there is none.
    pub(super) fn parse(text: &str) -> Result<Vec<Self>, String> {
        let read: File = toml::from_str(text).map_err(|error| error.to_string())?;
        for (number, it) in read.interruption.iter().enumerate() {
            for (field, words) in [("doctor", &it.doctor), ("patient", &it.patient)] {
                if words.trim().is_empty() {
                    return Err(format!("interruption {}: `{field}` is empty, legal is a text", number + 1));
                }
            }
        }
        for (place, name) in [(Place::EndOfTurn, "end_of_turn"), (Place::MidTurn, "mid_turn")] {
            if !read.interruption.iter().any(|it| it.place == place) {
                return Err(format!(
                    "there is no interruption with place = \"{name}\", at least one is needed"
                ));
            }
        }
        Ok(read.interruption)
    }

    /// Those that come with osler.
    ///
    /// # Panics
    /// If the bundled file is broken, which a test rules out.
    pub fn bundled() -> &'static [Self] {
        static BUNDLED: LazyLock<Vec<Interruption>> = LazyLock::new(|| {
            let text = include_str!("../../../data/prompts/patient/interruptions.toml");
            Interruption::parse(text)
                .unwrap_or_else(|error| panic!("the bundled interruptions are broken: {error}"))
        });
        &BUNDLED
    }
}

impl Mode {
    /// A successor's mode, drawn by `seed`: passive three times in four, else interrupted, half of these at the end of a
    /// turn and half in the middle of one (Baichuan-M3 report, section 2.1).
    pub fn draw(seed: u64) -> Self {
        let (often, interrupted) = Self::drawn(seed);
        if often { Self::Passive } else { interrupted }
    }

    /// An interrupted mode, drawn by `seed`: that of [`Mode::draw`] where it gives one.
    pub fn interrupted(seed: u64) -> Self {
        Self::drawn(seed).1
    }

    /// The same with an interruption of `among`: its own where that is one of them, else one in the same place, drawn by `seed`.
    pub fn interrupted_by(self, among: &[Interruption], seed: u64) -> Self {
        match self {
            Self::Interrupted(it) if !among.contains(&it) => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                // Stream 2 draws the mode.
                rng.set_stream(3);
                let choices: Vec<&Interruption> =
                    among.iter().filter(|other| other.place == it.place).collect();
                let at = (rng.next_u64() % choices.len().max(1) as u64) as usize;
                Self::Interrupted(choices.get(at).map_or(it, |it| (*it).clone()))
            }
            mode => mode,
        }
    }

    /// Whether three in four are passive with this one, and what it is otherwise.
    fn drawn(seed: u64) -> (bool, Self) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Personas are drawn from streams 0 and 1 of a seed.
        rng.set_stream(2);
        let often = rng.next_u64() >> 62 != 0;
        let place = if rng.next_u64() >> 63 == 0 { Place::EndOfTurn } else { Place::MidTurn };
        let choices: Vec<&Interruption> =
            Interruption::bundled().iter().filter(|it| it.place == place).collect();
        let at = (rng.next_u64() % choices.len().max(1) as u64) as usize;
        (often, choices.get(at).map_or(Self::Passive, |it| Self::Interrupted((*it).clone())))
    }

    /// Whether the patient takes no initiative.
    pub fn is_passive(&self) -> bool {
        *self != Self::Proactive
    }

    /// `consultation` as the doctor sees it, and so whoever marks the doctor: with what only the doctor finds. No patient is to be given it.
    pub fn seen<'a>(&self, consultation: &'a Consultation) -> Cow<'a, Consultation> {
        match self {
            Self::Interrupted(it) => {
                let found = Found { doctor: it.doctor.clone(), patient: it.patient.clone() };
                Cow::Owned(Consultation { found: Some(found), ..consultation.clone() })
            }
            Self::Proactive | Self::Passive => Cow::Borrowed(consultation),
        }
    }

    /// `consultation` as the doctor's model reads it ([`Consultation::messages`]), with what only the doctor finds.
    pub fn messages(&self, consultation: &Consultation, system: Option<&str>) -> Vec<Message> {
        self.seen(consultation).messages(system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::ConceptKind;
    use crate::data::utterance::Understanding;

    #[test]
    fn a_quarter_is_interrupted_half_of_it_in_mid_turn() {
        let drawn: Vec<Mode> = (0..4000).map(Mode::draw).collect();
        let at = |place| {
            drawn.iter().filter(|it| matches!(it, Mode::Interrupted(it) if it.place == place)).count()
        };
        let passive = drawn.iter().filter(|it| **it == Mode::Passive).count();
        // Five standard deviations: 137 of 3000, 105 of 500.
        assert!((2863..=3137).contains(&passive), "{passive}");
        for place in [Place::EndOfTurn, Place::MidTurn] {
            assert!((395..=605).contains(&at(place)), "{place:?}: {}", at(place));
        }
        assert_eq!(drawn[9], Mode::draw(9));
        for (seed, drawn) in drawn.iter().enumerate() {
            let interrupted = Mode::interrupted(seed as u64);
            assert!(matches!(interrupted, Mode::Interrupted(_)), "{seed}");
            assert!(*drawn == Mode::Passive || *drawn == interrupted, "{seed}");
        }
    }

    #[test]
    fn other_interruptions_take_the_place_of_those_that_are_not_among_them() {
        let other = |place| Interruption { place, doctor: "d".into(), patient: "p".into() };
        let among = [other(Place::MidTurn), other(Place::EndOfTurn)];
        for seed in 0..40 {
            let mode = Mode::interrupted(seed);
            assert_eq!(mode.clone().interrupted_by(Interruption::bundled(), seed + 1), mode);
            let Mode::Interrupted(it) = mode.clone() else { panic!("{mode:?}") };
            assert_eq!(mode.interrupted_by(&among, seed), Mode::Interrupted(other(it.place)));
        }
        assert_eq!(Mode::Passive.interrupted_by(&among, 1), Mode::Passive);
    }

    #[test]
    fn interruptions_fit_every_case() {
        for it in Interruption::bundled() {
            let clinical = [ConceptKind::Symptom, ConceptKind::Condition, ConceptKind::Substance];
            let mentions = Understanding::bundled().mentions(&format!("{} {}", it.doctor, it.patient));
            assert!(mentions.iter().all(|m| !clinical.contains(&m.kind)), "{it:?}: {mentions:?}");
            assert!(it.patient.ends_with('?'), "{it:?}");
            assert_eq!(it.doctor.ends_with('-'), it.place == Place::MidTurn, "{it:?}");
        }
    }

    #[test]
    fn only_the_doctor_sees_an_interruption() {
        let consultation = Consultation {
            case_id: "c".into(),
            opening: "My knee.".into(),
            found: None,
            turns: Vec::new(),
            ending: None,
        };
        let it = Interruption::bundled()[0].clone();
        let mode = Mode::Interrupted(it.clone());
        let seen = mode.messages(&consultation, Some("You are a doctor."));
        let said: Vec<&str> = seen.iter().map(|it| it.content.as_str()).collect();
        assert_eq!(said, ["You are a doctor.", "My knee.", it.doctor.as_str(), it.patient.as_str()]);
        assert_eq!(mode.messages(&consultation, None).len(), 3);
        let seen = mode.seen(&consultation).into_owned();
        assert_eq!(seen.found, Some(Found { doctor: it.doctor, patient: it.patient }));
        assert_eq!(mode.seen(&seen).into_owned(), seen, "once and no more");
        assert_eq!(Consultation { found: None, ..seen }, consultation);
        assert!(matches!(Mode::Passive.seen(&consultation), Cow::Borrowed(_)));
        let written = serde_json::to_string(&consultation).unwrap();
        assert!(!written.contains("found"), "as it always was: {written}");
        assert_eq!(Mode::Passive.messages(&consultation, None), consultation.messages(None));
    }
}
