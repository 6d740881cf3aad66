//! The consultations of a pool: whose they are, which reply each goes on with, and how.

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::marks::Marked;
use super::{Fragment, Fragments, turns};
use crate::data::Consultation;
use crate::data::case::Case;
use crate::data::conversation::{ConversationError, History};
use crate::data::lexicon::Lexicon;
use crate::data::shuffle::shuffle;
use crate::kernels::KernelBackend;
use crate::rl::opening::opened;
use crate::rl::policy::Policy;
use crate::sim::{Mode, Patient, PatientScript, Persona};

/// A consultation of the pool. The tokens are kept because they were sampled: tokenising the text again could give
/// others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SceneState {
    pub(super) number: u64,
    pub(super) consultation: Consultation,
    pub(super) tokens: Vec<u32>,
    pub(super) worth: Vec<f64>,
}

/// A consultation in the pool; script and mode follow from its number.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) number: u64,
    pub(super) script: PatientScript,
    /// How the patient takes part. What only the doctor finds of it is in the history and not in the consultation.
    pub(super) mode: Mode,
    pub(super) consultation: Consultation,
    pub(super) history: History,
    /// What the consultation was worth after each exchange, as far as it could be judged.
    pub(super) worth: Vec<f64>,
}

impl Scene {
    /// The consultation as the doctor sees it, and as rubrics and judges do.
    pub(super) fn seen(&self) -> Cow<'_, Consultation> {
        self.mode.seen(&self.consultation)
    }
}

impl<'a> Fragments<'a> {
    /// The next case at its opening.
    pub(super) fn open<B: KernelBackend>(&mut self, policy: &Policy<B>) -> Result<Scene, ConversationError> {
        let number = self.next;
        self.next += 1;
        let (script, mode) = (self.script(number), self.mode(number));
        let consultation = Patient::new(&script, self.options.limits).open();
        let history = opened(policy.format(), &consultation.opening, &mode)?;
        Ok(Scene { number, script, mode, consultation, history, worth: Vec::new() })
    }

    /// What the patient of case `number` plays from.
    pub(super) fn script(&self, number: u64) -> PatientScript {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ 0x6f70_656e);
        rng.set_stream(number);
        let persona = Persona::draw(rng.next_u64());
        let script = PatientScript::of_case(self.case(number), Lexicon::bundled(), persona, rng.next_u64());
        script.in_mode(&self.mode(number))
    }

    /// How the patient of case `number` takes part. It is drawn from a generator of its own, so that nothing else depends on it.
    pub(super) fn mode(&self, number: u64) -> Mode {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ 0x6d6f_6465);
        rng.set_stream(number);
        let seed = rng.next_u64();
        self.options.mode.mode(seed).interrupted_by(self.interruptions, seed)
    }

    /// Case `number` of an endless walk over the cases, each pass in an order of its own.
    pub(super) fn case(&self, number: u64) -> &'a Case {
        let count = self.cases.len() as u64;
        let (pass, place) = (number / count, number % count);
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ 0x6361_7365);
        rng.set_stream(pass);
        let mut order: Vec<usize> = (0..self.cases.len()).collect();
        shuffle(&mut order, |n| (rng.next_u64() % n as u64) as usize);
        &self.cases[order[place as usize]]
    }

    /// The reply that the consultation goes on with: none where all are noise.
    pub(super) fn choose(&self, fragment: &Fragment, rng: &mut ChaCha8Rng) -> Option<usize> {
        let traces = fragment.group.traces();
        let clean = |&i: &usize| {
            self.options.noise.reply(&traces[i]).is_empty() && fragment.replies[i].noise.is_empty()
        };
        let mut fit: Vec<usize> = (0..traces.len()).filter(clean).collect();
        if self.options.best {
            let best =
                fit.iter().filter_map(|&i| fragment.replies[i].reward).fold(f64::NEG_INFINITY, f64::max);
            fit.retain(|&i| fragment.replies[i].reward == Some(best));
        }
        let draw = rng.next_u64();
        (!fit.is_empty()).then(|| fit[(draw % fit.len() as u64) as usize])
    }

    /// Carries each consultation on with its chosen reply. What has ended, or has none, gives its place to the next case.
    pub(super) fn carry_on<B: KernelBackend>(
        &mut self,
        marked: &Marked,
        chosen: &[Option<usize>],
        policy: &Policy<B>,
    ) -> Result<(), ConversationError> {
        for (index, chosen) in chosen.iter().enumerate() {
            let scene = &mut self.scenes[index];
            let mut goes_on = false;
            if let Some(reply) = *chosen {
                match turns::answer(&marked.answers, index, reply) {
                    Some(played) => played.reply.clone().carry_on(&mut scene.consultation),
                    None => Patient::new(&scene.script, self.options.limits)
                        .answer(&mut scene.consultation, &marked.texts[index][reply]),
                }
                scene.worth.extend(marked.marks[index][reply].worth);
                // Not of a consultation with gaps: its worths would count for other exchanges.
                if scene.consultation.ending.is_some() && scene.worth.len() == scene.consultation.turns.len()
                {
                    self.prospect.learn(&scene.worth);
                }
                let said = scene.consultation.turns.last().and_then(|turn| turn.patient.as_deref());
                if let (None, Some(said)) = (scene.consultation.ending, said) {
                    scene.history.reply(&marked.outputs[index][reply].ids)?;
                    scene.history.patient(said)?;
                    let tokens = scene.history.ids().len();
                    goes_on = self.options.noise.dialogue(&scene.consultation, tokens).is_empty();
                }
            }
            if !goes_on {
                self.scenes[index] = self.open(policy)?;
            }
        }
        Ok(())
    }
}
