//! Held-out consultations whose patients models play.

use thiserror::Error;

use super::batch::{BatchError, BatchedConsultations};
use super::heldout::HeldOut;
use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::sim::TurnLog;
use crate::sim::doctor::Doctor;
use crate::sim::played::{Addressed, Company, CompanyError};

/// Why held-out patients that models play gave no replies.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// A message had no place.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A patient gave no reply, or nobody waits for it.
    #[error(transparent)]
    Company(#[from] CompanyError),
}

impl HeldOut {
    /// The patients of `batch` answer `messages`, each with the place of its consultation, as `company` plays them: as many at a time as it
    /// may. `goes_on` is asked meanwhile whether anybody still waits. Returns how each answer came about.
    ///
    /// # Errors
    ///
    /// What [`AnswerError`] says; no consultation has then gone on, unless two messages were for one.
    pub fn answer(
        &self,
        company: &Company<'_>,
        batch: &mut BatchedConsultations<'_>,
        messages: &[(usize, String)],
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<TurnLog>, AnswerError> {
        let (consultations, count) = (batch.consultations(), self.cases().len());
        let to = messages.iter().map(|(index, doctor)| {
            let place = self.cases().get(*index).zip(consultations.get(*index));
            let (case, so_far) = place.ok_or(BatchError::Unknown { index: *index, count })?;
            Ok(Addressed { script: &case.script, mode: &case.mode, so_far, doctor })
        });
        let to = to.collect::<Result<Vec<_>, BatchError>>()?;
        let replies = company.replies(&to, goes_on)?;
        let mut logs = Vec::with_capacity(replies.len());
        for ((index, _), played) in messages.iter().zip(replies) {
            batch.carry_on(*index, played.reply)?;
            logs.push(played.log);
        }
        Ok(logs)
    }

    /// [`HeldOut::play`] with patients as `company` plays them.
    ///
    /// # Errors
    ///
    /// As [`HeldOut::answer`].
    pub fn play_with(
        &self,
        company: &Company<'_>,
        doctor: impl FnMut(&Case, u64) -> Box<dyn Doctor>,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Consultation>, AnswerError> {
        self.play_by(doctor, |batch, messages| self.answer(company, batch, messages, goes_on).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::chat::{ChatError, ChatModel, ChatOptions, Finish, Listener, Message, Reply};
    use crate::data::bank::{Bank, SynthOptions};
    use crate::eval::{Part, Yardstick};
    use crate::sim::doctor::Baseline;
    use crate::sim::played::{Settings, SharedUnits};
    use crate::sim::{Limits, Prompts};

    /// Finds that every message says goodbye.
    struct Gate;

    impl ChatModel for Gate {
        fn name(&self) -> &str {
            "gate"
        }

        fn constrains(&self) -> bool {
            true
        }

        fn reply(&self, _: &[Message], _: &ChatOptions, _: &mut dyn Listener) -> Result<Reply, ChatError> {
            let message = Message::assistant("{\"ending\": \"goodbye\"}");
            Ok(Reply { message, finish: Finish::Stop, usage: None })
        }
    }

    #[test]
    fn rules_alone_play_as_they_always_do_and_a_model_as_it_will() {
        let limits = Limits { turns: 4, ..Limits::default() };
        let cases = Bank::bundled().synth(3, &SynthOptions::any(5)).unwrap();
        let cases = cases.into_iter().map(|case| (Part::Imported, case)).collect();
        let held_out = HeldOut::new(cases, limits, 3).unwrap();
        let halt = AtomicBool::new(false);
        let play = |units: &SharedUnits, yardstick: Yardstick| {
            let company = Company::new(units, Prompts::bundled(), Settings::default(), limits, 2, &halt);
            let doctor = |case: &Case, seed| yardstick.doctor(case, limits.turns, seed);
            held_out.play_with(&company, doctor, &mut || true).unwrap()
        };
        for yardstick in [Yardstick::ScriptedBest, Yardstick::Baseline(Baseline::ALL[0])] {
            let doctor = |case: &Case, seed| yardstick.doctor(case, limits.turns, seed);
            assert_eq!(play(&SharedUnits::default(), yardstick), held_out.play(doctor).unwrap());
        }
        let units = SharedUnits { gate: Some(Arc::new(Gate)), ..SharedUnits::default() };
        let ended = play(&units, Yardstick::ScriptedBest);
        assert!(ended.iter().all(|it| it.turns.len() == 1 && it.ending.is_some()), "{ended:?}");
        let company = Company::new(&units, Prompts::bundled(), Settings::default(), limits, 2, &halt);
        let nobody = [(9, "Hello?".to_owned())];
        let error = held_out.answer(&company, &mut held_out.open(), &nobody, &mut || true).unwrap_err();
        assert!(matches!(error, AnswerError::Batch(BatchError::Unknown { index: 9, count: 5 })), "{error}");
    }
}
