//! Consultations to learn from: scripted doctors of drawn quality with patients of drawn persona.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::data::lexicon::Lexicon;
use crate::sim::doctor::quality::unit;
use crate::sim::doctor::{DoctorQuality, ScriptedDoctor, Tier};
use crate::sim::{Limits, Patient, PatientScript, Persona, consult};

/// How many doctors of each tier there are, relative to each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mixture {
    /// Doctors who rarely slip.
    pub good: f64,
    /// Doctors who slip in every consultation.
    pub middling: f64,
    /// Doctors who slip in every other message.
    pub poor: f64,
    /// Doctors who ask everybody general questions.
    pub routine: f64,
}

impl Default for Mixture {
    /// As many of each.
    fn default() -> Self {
        Self { good: 1.0, middling: 1.0, poor: 1.0, routine: 1.0 }
    }
}

/// Why no consultation can be drawn.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum DemonstrationError {
    /// A share of the mixture that is none.
    #[error(
        "the share of {tier} doctors is {found}, legal is a number from 0 on, and one of the four above 0"
    )]
    Mixture {
        /// Which.
        tier: &'static str,
        /// The number.
        found: f64,
    },
    /// Nobody to consult.
    #[error("there are no cases, at least one is needed")]
    NoCases,
    /// The doctor would never speak.
    #[error("the consultation may have {found} turns, at least 1 is needed")]
    NoTurns {
        /// The limit.
        found: usize,
    },
}

impl Mixture {
    fn shares(&self) -> [(Tier, &'static str, f64); 4] {
        [
            (Tier::Good, "good", self.good),
            (Tier::Middling, "middling", self.middling),
            (Tier::Poor, "poor", self.poor),
            (Tier::Routine, "routine", self.routine),
        ]
    }

    fn check(&self) -> Result<(), DemonstrationError> {
        let bad = |share: f64| !(share.is_finite() && share >= 0.0);
        if let Some((_, tier, found)) = self.shares().into_iter().find(|(_, _, share)| bad(*share)) {
            return Err(DemonstrationError::Mixture { tier, found });
        }
        let none = self.shares().iter().all(|(_, _, share)| *share == 0.0);
        if none { Err(DemonstrationError::Mixture { tier: "good", found: 0.0 }) } else { Ok(()) }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Tier {
        let shares = self.shares();
        let mut left = unit(rng) * shares.iter().map(|(_, _, share)| share).sum::<f64>();
        let mut tier = Tier::Good;
        for (this, _, share) in shares.into_iter().filter(|(_, _, share)| *share > 0.0) {
            // The last tier with a share takes what rounding leaves.
            tier = this;
            if left < share {
                break;
            }
            left -= share;
        }
        tier
    }
}

/// A consultation, and who led it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Demonstration {
    /// The place of the case among those that were given.
    pub case: usize,
    /// The doctor's tier.
    pub tier: Tier,
    /// How good the doctor was.
    pub quality: DoctorQuality,
    /// Who the patient was.
    pub persona: Persona,
    /// What was said.
    pub consultation: Consultation,
}

/// Draws consultations with `cases`. Each depends on the seed and its number alone, so any of them can be made again,
/// in any order and on any number of threads.
#[derive(Debug, Clone, Copy)]
pub struct Demonstrations<'a> {
    cases: &'a [Case],
    mixture: Mixture,
    limits: Limits,
    seed: u64,
}

impl<'a> Demonstrations<'a> {
    /// Consultations by `seed`, of doctors from `mixture`, with patients who end them by `limits`.
    pub fn new(
        cases: &'a [Case],
        mixture: Mixture,
        limits: Limits,
        seed: u64,
    ) -> Result<Self, DemonstrationError> {
        mixture.check()?;
        if cases.is_empty() {
            return Err(DemonstrationError::NoCases);
        }
        if limits.turns == 0 {
            return Err(DemonstrationError::NoTurns { found: limits.turns });
        }
        Ok(Self { cases, mixture, limits, seed })
    }

    /// Consultation `number`. The cases come one after another, and then again with other doctors and personas.
    pub fn one(&self, number: u64) -> Demonstration {
        let at = (number % self.cases.len() as u64) as usize;
        let case = &self.cases[at];
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        let tier = self.mixture.draw(&mut rng);
        let quality = DoctorQuality::draw_of(tier, &mut rng);
        let persona = Persona::draw(rng.next_u64());
        let script = PatientScript::of_case(case, Lexicon::bundled(), persona.clone(), rng.next_u64());
        let mut doctor = ScriptedDoctor::new(case, quality, self.limits.turns, rng.next_u64());
        let consultation = consult(&mut doctor, &Patient::new(&script, self.limits), self.limits.turns);
        Demonstration { case: at, tier, quality, persona, consultation }
    }

    /// The first `count` consultations, made on all threads.
    pub fn first(&self, count: u64) -> Vec<Demonstration> {
        (0..count).into_par_iter().map(|number| self.one(number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};
    use crate::data::bpe::{BpeOptions, chat_template, train};
    use crate::data::consultation::DOCTOR_PROMPT;
    use crate::data::conversation::{DialogueFormat, DialogueTokens};
    use crate::data::{ChatTemplate, RenderOptions};

    fn cases() -> Vec<Case> {
        Bank::bundled().synth(3, &SynthOptions::any(12)).unwrap()
    }

    #[test]
    fn each_follows_from_seed_and_number_alone() {
        let cases = cases();
        let all = |seed| Demonstrations::new(&cases, Mixture::default(), Limits::default(), seed).unwrap();
        let first = all(1).first(30);
        assert_eq!(first.len(), 30);
        for (number, it) in first.iter().enumerate().rev() {
            assert_eq!(*it, all(1).one(number as u64));
            assert_eq!(it.case, number % 12);
            assert_eq!(it.consultation.case_id, cases[it.case].id);
            assert!(it.consultation.ending.is_some() && !it.consultation.turns.is_empty());
        }
        // Another seed, and the same case again, are other consultations.
        assert_ne!(all(2).one(0), first[0]);
        assert_ne!(first[12].consultation, first[0].consultation);
    }

    #[test]
    fn they_become_the_tokens_of_the_rendered_text() {
        let cases = cases();
        let all = Demonstrations::new(&cases, Mixture::default(), Limits::default(), 4).unwrap().first(24);
        let system = Some(DOCTOR_PROMPT);
        let template = ChatTemplate::new(&chat_template(system)).unwrap();
        let render = |it: &Demonstration| {
            template.render(&it.consultation.messages(None), &RenderOptions::default()).unwrap()
        };
        let texts: Vec<String> = all.iter().map(render).collect();
        let options = BpeOptions { vocab_size: 1024, min_frequency: 2, system: system.map(str::to_owned) };
        let tokenizer = train(&texts, &options).unwrap();
        assert_eq!(tokenizer.vocab_size(), 1024);
        let format = DialogueFormat::new(&tokenizer, &template, None).unwrap();
        for (it, text) in all.iter().zip(&texts) {
            let dialogue = DialogueTokens::new(&format, &it.consultation).unwrap();
            // What the patient says last is not learned from.
            let end =
                text.rfind("<|im_start|>user").filter(|at| text.rfind("<|im_start|>assistant") < Some(*at));
            let text = text.get(..end.unwrap_or(text.len())).unwrap().trim_end();
            assert_eq!(dialogue.ids(), tokenizer.encode(text, false).unwrap());
            let words = |message: &str| format.words(message).unwrap().len() + 1;
            let spoken: usize = it.consultation.turns.iter().map(|turn| words(&turn.doctor)).sum();
            assert_eq!(dialogue.trainable(), spoken);
        }
    }

    #[test]
    fn the_mixture_says_who_leads() {
        let cases = cases();
        let tiers = |good, middling, poor, routine| -> [usize; 4] {
            let mixture = Mixture { good, middling, poor, routine };
            let all = Demonstrations::new(&cases, mixture, Limits::default(), 7).unwrap();
            let mut counts = [0; 4];
            for number in 0..60 {
                counts[all.one(number).tier as usize] += 1;
            }
            counts
        };
        assert_eq!(tiers(2.0, 0.0, 0.0, 0.0), [60, 0, 0, 0]);
        assert_eq!(tiers(0.0, 0.1, 0.0, 0.0), [0, 60, 0, 0]);
        assert_eq!(tiers(0.0, 0.0, 1.0, 0.0), [0, 0, 60, 0]);
        assert_eq!(tiers(0.0, 0.0, 0.0, 3.0), [0, 0, 0, 60]);
        let [good, middling, poor, routine] = tiers(1.0, 2.0, 1.0, 1.0);
        let least = good.min(poor).min(routine);
        let most = good.max(poor).max(routine);
        assert!(least > 3 && middling > most, "{good} {middling} {poor} {routine}");
    }

    #[test]
    fn what_cannot_be_drawn_from_is_refused() {
        let cases = cases();
        let refused = |mixture, turns, cases: &[Case]| {
            let limits = Limits { turns, ..Limits::default() };
            Demonstrations::new(cases, mixture, limits, 0).unwrap_err().to_string()
        };
        let usual = Mixture::default();
        assert!(refused(Mixture { poor: -1.0, ..usual }, 9, &cases).contains("poor doctors is -1"));
        assert!(refused(Mixture { good: f64::NAN, ..usual }, 9, &cases).contains("good doctors is NaN"));
        assert!(
            refused(Mixture { good: 0.0, middling: 0.0, poor: 0.0, routine: 0.0 }, 9, &cases)
                .contains("above 0")
        );
        assert!(refused(usual, 9, &[]).contains("no cases"));
        assert!(refused(usual, 0, &cases).contains("0 turns"));
    }
}
