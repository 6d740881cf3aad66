//! Who the patient is as a person: how they speak and what they do with a question.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// A patient's persona (Baichuan-M2 report, section 2.1.1; axes after MBTI). What each value leads to, with patients of rules and of
/// models, is a table in `docs/patient.md`; age, which also leads to something, is the case's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// Extravert: asks about treatment unprompted; introvert: waits to be told.
    pub extravert: bool,
    /// Intuitive: speaks of the whole; sensing: of single observations.
    pub intuitive: bool,
    /// Feeling: what the doctor's manner is like changes what is told; thinking: it does not.
    pub feeling: bool,
    /// Judging: answers in order and wants a plan; perceiving: wanders a little.
    pub judging: bool,
    /// Low income resists costly options; high income pays for the quick way.
    pub income: Level,
    /// High education asks for reasons; low education for plain words.
    pub education: Level,
    /// Facts a reply, and how often a mood is voiced.
    pub verbosity: Level,
    /// How much of dates, doses and names is remembered.
    pub recall: Level,
    /// How people around this one deal with doctors.
    #[serde(default)]
    pub culture: Culture,
    /// The mood they come in with.
    #[serde(default)]
    pub emotion: Emotion,
}

/// What somebody was brought up to expect of a consultation. It names ways of behaving, no group of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Culture {
    /// Doctor and patient are equals: disagreement is said.
    #[default]
    Equal,
    /// The doctor is not contradicted.
    Deferential,
    /// Decisions are the family's.
    Family,
    /// Household remedies come first, strong drugs and hospitals last.
    HomeCare,
}

/// A mood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emotion {
    /// None in particular.
    #[default]
    Calm,
    /// Afraid of what it may be.
    Afraid,
    /// Short of patience.
    Irritable,
    /// Without hope that much can be done.
    Downcast,
}

/// Three steps of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Little.
    Low,
    /// As most people.
    Medium,
    /// Much.
    High,
}

impl Persona {
    /// A persona drawn by `seed`: each side of a trait as likely as the other, and the middle of each level twice as
    /// likely as either end; each culture and emotion as likely as the others. These are choices of this project, no
    /// figures of a population.
    pub fn draw(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let [extravert, intuitive, feeling, judging] = std::array::from_fn(|_| rng.next_u64() >> 63 == 1);
        let [income, education, verbosity, recall] = std::array::from_fn(|_| match rng.next_u64() >> 62 {
            0 => Level::Low,
            1 | 2 => Level::Medium,
            _ => Level::High,
        });
        // A stream of their own: the rule-based patients of a seed are who they were before there was either.
        let mut beside = ChaCha8Rng::seed_from_u64(seed);
        beside.set_stream(1);
        let culture = match beside.next_u64() >> 62 {
            0 => Culture::Equal,
            1 => Culture::Deferential,
            2 => Culture::Family,
            _ => Culture::HomeCare,
        };
        let emotion = match beside.next_u64() >> 62 {
            0 => Emotion::Calm,
            1 => Emotion::Afraid,
            2 => Emotion::Irritable,
            _ => Emotion::Downcast,
        };
        Self {
            extravert,
            intuitive,
            feeling,
            judging,
            income,
            education,
            verbosity,
            recall,
            culture,
            emotion,
        }
    }

    /// The four letters of the type: `ESTJ` and its like.
    pub fn type_name(&self) -> String {
        let sides = [
            (self.extravert, 'E', 'I'),
            (self.intuitive, 'N', 'S'),
            (self.feeling, 'F', 'T'),
            (self.judging, 'J', 'P'),
        ];
        sides.into_iter().map(|(is, yes, no)| if is { yes } else { no }).collect()
    }

    /// The same person without initiative (Baichuan-M3 report, section 2.1): asks for nothing, offers and refuses nothing, is moved
    /// by nothing, and answers in order. What is remembered, and how the parts of an answer are seen, stays.
    pub fn passive(&self) -> Self {
        Self {
            extravert: false,
            intuitive: self.intuitive,
            feeling: false,
            judging: true,
            income: Level::Medium,
            education: self.education.min(Level::Medium),
            verbosity: self.verbosity.min(Level::Medium),
            recall: self.recall,
            // The others ask at home, disagree or hesitate.
            culture: Culture::Deferential,
            emotion: Emotion::Calm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_side_and_level_is_drawn_and_seeds_repeat() {
        let drawn: Vec<Persona> = (0..400).map(Persona::draw).collect();
        assert_eq!(drawn[7], Persona::draw(7));
        let sides: [fn(&Persona) -> bool; 4] =
            [|p| p.extravert, |p| p.intuitive, |p| p.feeling, |p| p.judging];
        for of in sides {
            assert!((150..250).contains(&drawn.iter().filter(|persona| of(persona)).count()));
        }
        let levels: [fn(&Persona) -> Level; 4] =
            [|p| p.income, |p| p.education, |p| p.verbosity, |p| p.recall];
        for of in levels {
            for (level, among) in [(Level::Low, 60..140), (Level::Medium, 150..250), (Level::High, 60..140)] {
                assert!(among.contains(&drawn.iter().filter(|persona| of(persona) == level).count()));
            }
        }
    }

    #[test]
    fn what_was_added_later_is_drawn_beside_and_read_without() {
        let old = r#"{"extravert": true, "intuitive": false, "feeling": false, "judging": true, "income": "low",
            "education": "high", "verbosity": "high", "recall": "low"}"#;
        let read: Persona = serde_json::from_str(old).unwrap();
        assert_eq!((read.culture, read.emotion), (Culture::Equal, Emotion::Calm));
        assert_eq!(read.type_name(), "ESTJ");
        let passive = read.passive();
        assert!(!passive.extravert && passive.income == Level::Medium && passive.recall == Level::Low);
        assert!(passive.education == Level::Medium && passive.verbosity == Level::Medium);
        assert_eq!((passive.culture, passive.emotion), (Culture::Deferential, Emotion::Calm));
        let rich = Persona { income: Level::High, ..read.clone() };
        assert_eq!(rich.passive().income, Level::Medium);
        let drawn: Vec<Persona> = (0..400).map(Persona::draw).collect();
        for culture in [Culture::Equal, Culture::Deferential, Culture::Family, Culture::HomeCare] {
            assert!((60..140).contains(&drawn.iter().filter(|it| it.culture == culture).count()));
        }
        for emotion in [Emotion::Calm, Emotion::Afraid, Emotion::Irritable, Emotion::Downcast] {
            assert!((60..140).contains(&drawn.iter().filter(|it| it.emotion == emotion).count()));
        }
        let types: std::collections::BTreeSet<String> = drawn.iter().map(Persona::type_name).collect();
        assert_eq!(types.len(), 16);
    }
}
