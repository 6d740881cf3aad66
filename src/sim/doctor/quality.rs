//! How good a scripted doctor is.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// Kinds of doctors that [`DoctorQuality::draw`] mixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Rarely slips.
    Good,
    /// Slips in every consultation.
    Middling,
    /// Slips in every other message.
    Poor,
    /// Works through the same form of general questions with everybody, and rarely slips otherwise.
    Routine,
}

/// How good a scripted doctor is. Each slip is a probability in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoctorQuality {
    /// Share of the essential facts looked for before concluding, in [0, 1].
    pub thorough: f64,
    /// A message asks again for something known.
    pub repeats: f64,
    /// A message concludes although there is more to find out.
    pub early: f64,
    /// The conclusion names a differential instead of the diagnosis.
    pub wrong: f64,
    /// A message asks for four or more things.
    pub crowds: f64,
    /// Distress is passed over.
    pub cold: f64,
    /// A message asks for something that does not bear on the case.
    pub strays: f64,
    /// Allergies are never asked for.
    pub forgets_allergies: f64,
    /// The conclusion holds no plan.
    pub planless: f64,
    /// The questions are those for everybody, and not what the case calls for.
    pub routine: f64,
}

impl DoctorQuality {
    /// Never slips.
    pub fn best() -> Self {
        Self {
            thorough: 1.0,
            repeats: 0.0,
            early: 0.0,
            wrong: 0.0,
            crowds: 0.0,
            cold: 0.0,
            strays: 0.0,
            forgets_allergies: 0.0,
            planless: 0.0,
            routine: 0.0,
        }
    }

    /// The middle of a tier.
    pub fn of(tier: Tier) -> Self {
        match tier {
            Tier::Good => Self {
                thorough: 0.95,
                repeats: 0.02,
                early: 0.01,
                wrong: 0.05,
                crowds: 0.01,
                cold: 0.1,
                strays: 0.03,
                forgets_allergies: 0.05,
                planless: 0.02,
                routine: 0.0,
            },
            Tier::Middling => Self {
                thorough: 0.6,
                repeats: 0.15,
                early: 0.06,
                wrong: 0.35,
                crowds: 0.06,
                cold: 0.5,
                strays: 0.25,
                forgets_allergies: 0.4,
                planless: 0.3,
                routine: 0.0,
            },
            Tier::Poor => Self {
                thorough: 0.45,
                repeats: 0.25,
                early: 0.08,
                wrong: 0.5,
                crowds: 0.12,
                cold: 0.9,
                strays: 0.35,
                forgets_allergies: 0.8,
                planless: 0.4,
                routine: 0.0,
            },
            Tier::Routine => Self {
                thorough: 1.0,
                repeats: 0.0,
                early: 0.02,
                wrong: 0.1,
                crowds: 0.0,
                cold: 0.3,
                strays: 0.0,
                forgets_allergies: 0.0,
                planless: 0.1,
                routine: 1.0,
            },
        }
    }

    /// A doctor by lot: a third good, a third middling, a third poor, each up to a third better or worse.
    pub fn draw(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tier = match rng.next_u32() % 3 {
            0 => Tier::Good,
            1 => Tier::Middling,
            _ => Tier::Poor,
        };
        Self::draw_of(tier, &mut rng)
    }

    /// A doctor of `tier` by lot.
    pub fn draw_of(tier: Tier, rng: &mut ChaCha8Rng) -> Self {
        let middle = Self::of(tier);
        let mut vary = |p: f64| (p * (2.0 / 3.0 + 2.0 / 3.0 * unit(rng))).clamp(0.0, 1.0);
        Self {
            // What is left out varies, so the more thorough vary less.
            thorough: 1.0 - vary(1.0 - middle.thorough),
            repeats: vary(middle.repeats),
            early: vary(middle.early),
            wrong: vary(middle.wrong),
            crowds: vary(middle.crowds),
            cold: vary(middle.cold),
            strays: vary(middle.strays),
            forgets_allergies: vary(middle.forgets_allergies),
            planless: vary(middle.planless),
            // A way of working, not a slip.
            routine: middle.routine,
        }
    }
}

/// A number in [0, 1).
pub(in crate::sim) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    // The upper 53 bits, as many as an f64 holds.
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// One of `options` by lot; `None` of none.
pub(super) fn pick<'a, T>(rng: &mut ChaCha8Rng, options: &'a [T]) -> Option<&'a T> {
    let count = u64::try_from(options.len()).ok().filter(|count| *count > 0)?;
    options.get(usize::try_from(rng.next_u64() % count).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_draw_is_a_probability(seed in any::<u64>()) {
            let quality = DoctorQuality::draw(seed);
            prop_assert_eq!(quality, DoctorQuality::draw(seed));
            let DoctorQuality {
                thorough, repeats, early, wrong, crowds, cold, strays, forgets_allergies, planless, routine,
            } = quality;
            for p in [thorough, repeats, early, wrong, crowds, cold, strays, forgets_allergies, planless, routine] {
                prop_assert!((0.0..=1.0).contains(&p));
            }
        }
    }

    #[test]
    fn draws_mix_good_and_poor() {
        let wrong: Vec<f64> = (0..300).map(|seed| DoctorQuality::draw(seed).wrong).collect();
        assert!(wrong.iter().filter(|p| **p < 0.1).count() > 60);
        assert!(wrong.iter().filter(|p| **p > 0.4).count() > 60);
    }
}
