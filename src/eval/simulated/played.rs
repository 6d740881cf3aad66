//! The patient whose units are models, as it is evaluated.

use std::sync::{Mutex, PoisonError};

use crate::chat::{ChatError, Listener, Part};
use crate::data::consultation::Consultation;
use crate::data::hash::fnv1a;
use crate::sim::played::{PlayedError, Settings, SharedUnits, TurnCounts};
use crate::sim::{Limits, Mode, PatientScript, PlayedPatient, Prompts};

use super::backend::{Backend, BackendError};
use super::play::Watch;

/// Plays patients by models, rules, or some of each, and counts how its turns went.
pub struct ModelBacked<'a> {
    name: String,
    units: SharedUnits,
    prompts: &'a Prompts,
    settings: Settings,
    seed: u64,
    mode: Mode,
    watch: &'a dyn Watch,
    counts: Mutex<TurnCounts>,
}

/// Stops a model when the watch says so.
struct Stopping<'a>(&'a dyn Watch);

impl Listener for Stopping<'_> {
    fn hear(&mut self, _: Part<'_>) {}

    fn stopped(&mut self) -> bool {
        self.0.stopped()
    }
}

impl<'a> ModelBacked<'a> {
    /// Patients of `units`. `seed`, with the case, draws the models' words; a question that `watch` stops is a turn that never was.
    pub fn new(
        units: SharedUnits,
        prompts: &'a Prompts,
        settings: Settings,
        seed: u64,
        watch: &'a dyn Watch,
    ) -> Self {
        let name = units.names().to_string();
        let (mode, counts) = (Mode::default(), Mutex::default());
        Self { name, units, prompts, settings, seed, mode, watch, counts }
    }

    /// The same, who take part as `mode` says.
    pub fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// How all turns went so far.
    pub fn counts(&self) -> TurnCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut TurnCounts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn patient<'s>(&'s self, script: &'s PatientScript, limits: Limits) -> PlayedPatient<'s> {
        let seed = self.seed ^ fnv1a(script.case_id.as_bytes()) as u64;
        PlayedPatient::new(script, limits, self.units.units(), self.prompts, seed)
            .with_settings(self.settings)
            .in_mode(self.mode.clone())
    }
}

impl Backend for ModelBacked<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self, script: &PatientScript, limits: Limits) -> Consultation {
        self.patient(script, limits).open()
    }

    fn answer(
        &self,
        script: &PatientScript,
        limits: Limits,
        consultation: &mut Consultation,
        doctor: &str,
    ) -> Result<(), BackendError> {
        if consultation.ending.is_some() {
            return Ok(());
        }
        let patient = self.patient(script, limits);
        match patient.reply_unless_stopped(consultation, doctor, &mut Stopping(self.watch)) {
            Ok(played) => {
                self.count(|counts| counts.add(&played.log));
                played.reply.carry_on(consultation);
                Ok(())
            }
            Err(error) => {
                if !matches!(error, PlayedError::Unit { source: ChatError::Stopped, .. }) {
                    self.count(TurnCounts::lose);
                }
                Err(BackendError { reason: error.to_string() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::chat::{ChatModel, ChatOptions, Finish, Message, Reply};
    use crate::data::bank::{Bank, SynthOptions};
    use crate::eval::simulated::{Interviewer, PlayOptions, RuleBased, play, play_watched, scored};
    use crate::eval::{Bootstrap, HeldOut, Part as HeldOutPart};
    use crate::sim::Initiative;
    use crate::sim::played::OnFailure;

    /// Says the same whatever it is asked; `None` is a failure.
    struct Says(Option<&'static str>);

    impl ChatModel for Says {
        fn name(&self) -> &str {
            "says"
        }

        fn constrains(&self) -> bool {
            true
        }

        fn reply(&self, _: &[Message], _: &ChatOptions, _: &mut dyn Listener) -> Result<Reply, ChatError> {
            match self.0 {
                Some(said) => {
                    Ok(Reply { message: Message::assistant(said), finish: Finish::Stop, usage: None })
                }
                None => Err(ChatError::model(std::io::Error::other("the model is down"))),
            }
        }
    }

    fn voice(said: Option<&'static str>) -> SharedUnits {
        SharedUnits { voice: Some(Arc::new(Says(said))), ..SharedUnits::default() }
    }

    fn held_out(count: usize) -> HeldOut {
        let cases = Bank::bundled().synth(3, &SynthOptions::any(count)).unwrap();
        let cases = cases.into_iter().map(|case| (HeldOutPart::Imported, case)).collect();
        HeldOut::new(cases, Limits::default(), 3).unwrap()
    }

    fn options() -> PlayOptions {
        PlayOptions { interviewers: vec![Interviewer::Careful, Interviewer::Adversarial], turns: 6 }
    }

    fn backend(units: SharedUnits, on_failure: OnFailure) -> ModelBacked<'static> {
        let settings = Settings { on_failure, ..Settings::default() };
        ModelBacked::new(units, Prompts::bundled(), settings, 1, &())
    }

    #[test]
    fn without_models_it_is_the_rule_based_patient() {
        let held_out = held_out(2);
        let backend = backend(SharedUnits::default(), OnFailure::Stop);
        let sessions = play(&held_out, &backend, &options());
        assert_eq!(sessions, play(&held_out, &RuleBased, &options()));
        assert_eq!(backend.name(), "gate rules, voice rules, check rules");
        let counts = backend.counts();
        // A message that ends an interview is a turn too, and no reply.
        let replies: usize = sessions.iter().map(|it| it.turns.len()).sum();
        assert!(counts.turns as usize >= replies && replies > 0, "{counts:?}");
        assert_eq!((counts.lost, counts.fell_back, counts.share_lost()), (0, 0, Some(0.0)));
    }

    #[test]
    fn patients_without_initiative_answer_by_their_passive_personas() {
        let passive = held_out(2).in_mode(Initiative::Passive);
        let backend = backend(SharedUnits::default(), OnFailure::Stop).in_mode(Mode::Passive);
        let sessions = play(&passive, &backend, &options());
        // The rules go by the script alone.
        assert_eq!(sessions, play(&passive, &RuleBased, &options()));
        // Interviewers follow their scripts, whatever else the doctor finds said.
        assert_eq!(sessions, play(&held_out(2).in_mode(Initiative::Interrupted), &backend, &options()));
    }

    #[test]
    fn a_model_that_fails_is_counted_and_with_leave_the_rules_answer() {
        let held_out = held_out(2);
        let stops = backend(voice(None), OnFailure::Stop);
        let sessions = play(&held_out, &stops, &options());
        assert!(sessions.iter().all(|it| it.turns.is_empty() && it.failure.is_some()));
        assert_eq!(scored(&sessions, Bootstrap::default()).all.failures, 4);
        assert_eq!((stops.counts().turns, stops.counts().share_lost()), (4, Some(1.0)));
        let goes_on = backend(voice(None), OnFailure::Rules);
        assert_eq!(play(&held_out, &goes_on, &options()), play(&held_out, &RuleBased, &options()));
        let counts = goes_on.counts();
        assert!(
            counts.stepped_in > 0 && counts.fell_back == counts.stepped_in && counts.lost == 0,
            "{counts:?}"
        );
    }

    #[test]
    fn a_model_that_says_the_diagnosis_is_never_heard() {
        let held_out = held_out(1);
        let name = held_out.cases()[0].case.truth.diagnosis.clone();
        let said: &'static str = Box::leak(format!("{{\"reply\": \"I have {name}.\"}}").into_boxed_str());
        let backend = backend(voice(Some(said)), OnFailure::Stop);
        let sessions = play(&held_out, &backend, &options());
        assert_eq!(scored(&sessions, Bootstrap::default()).all.diagnosis_named, 0);
        let counts = backend.counts();
        assert!(counts.safe_replies > 0 && counts.other_words >= counts.safe_replies, "{counts:?}");
    }

    /// Stops once so many interviews are over.
    struct After(usize, AtomicUsize);

    impl Watch for After {
        fn interviewed(&self) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }

        fn stopped(&self) -> bool {
            self.1.load(Ordering::SeqCst) >= self.0
        }
    }

    #[test]
    fn what_was_whole_when_it_was_stopped_is_kept() {
        let held_out = held_out(3);
        let all = play(&held_out, &RuleBased, &options());
        assert_eq!(all.len(), 6);
        let some = play_watched(&held_out, &RuleBased, &options(), &After(2, AtomicUsize::new(0)));
        // Others may have been under way on other threads.
        assert!((2..=6).contains(&some.len()), "{}", some.len());
        assert!(some.iter().all(|it| all.contains(it)));
        assert!(play_watched(&held_out, &RuleBased, &options(), &After(0, AtomicUsize::new(0))).is_empty());
    }
}
