//! Who the patient is as a person: how they speak and what they do with a question.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// A patient's persona (Baichuan-M2 report, section 2.1.1; axes after MBTI).
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
    /// Low income resists costly options.
    pub income: Level,
    /// High education asks for reasons.
    pub education: Level,
    /// Sentences a reply.
    pub verbosity: Level,
    /// How much of dates, doses and names is remembered.
    pub recall: Level,
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
    /// likely as either end. These are choices of this project, no figures of a population.
    pub fn draw(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let [extravert, intuitive, feeling, judging] = std::array::from_fn(|_| rng.next_u64() >> 63 == 1);
        let [income, education, verbosity, recall] = std::array::from_fn(|_| match rng.next_u64() >> 62 {
            0 => Level::Low,
            1 | 2 => Level::Medium,
            _ => Level::High,
        });
        Self { extravert, intuitive, feeling, judging, income, education, verbosity, recall }
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
}
