//! A model that is asked what is wrong with replies that scored high.
//!
//! It is asked about replies of one round while the next is sampled and judged, so that nobody waits for it but for a rest at the end. What
//! it is still to be asked is part of the pool's state, and what it says is taken in by the order of the questions, whenever it comes: a run
//! that goes on asks the same again.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::overlap::LOOK;
use super::{FragmentError, Fragments, JudgingProgress, Scene};
use crate::chat::ChatModel;
use crate::data::Consultation;
use crate::rubric::authoring::Templates;
use crate::rubric::authoring::dynamic::{FrozenRubric, ask_flaws};
use crate::rubric::authoring::writer::Writer;
use crate::rubric::{Criterion, Rubric};
use crate::sim::forbidden::names_any;

/// The model, and how it is asked.
#[derive(Clone, Copy)]
pub struct FlawFinder<'a> {
    /// Who is asked. It is to give up once `halt` is set.
    pub model: &'a (dyn ChatModel + Sync),
    /// What it is asked.
    pub templates: &'a Templates,
    /// Draws its replies, as far as it repeats itself by a seed.
    pub seed: u64,
    /// Once in so many groups, at least 1.
    pub every: u64,
    /// Questions at once, at least 1.
    pub at_once: usize,
    /// The longest wait for it once a round is judged.
    pub patience: Duration,
    /// Set when nobody waits for it any more.
    pub halt: &'a AtomicBool,
}

/// A reply that scored high.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub(super) so_far: Consultation,
    answer: String,
    /// What it was rewarded by.
    pub(super) rubric: Rubric,
    /// What the patient's diagnosis is called.
    names: Vec<String>,
}

impl Question {
    /// About `answer` in `scene`.
    pub(super) fn new(scene: &Scene, frozen: &FrozenRubric, answer: &str) -> Self {
        let rubric = Rubric { scope: frozen.rubric().scope, criteria: frozen.earning().to_vec() };
        let (so_far, names) = (scene.seen().into_owned(), scene.script.forbidden.clone());
        Self { so_far, answer: answer.to_owned(), rubric, names }
    }

    /// Whether a criterion names this patient's diagnosis, so that it is no use for others.
    pub(super) fn is_of_one_patient(&self, criterion: &str) -> bool {
        names_any(criterion, &self.names)
    }
}

/// What the model wrote, or why there is nothing.
pub(super) type Found = Result<Vec<Criterion>, String>;

impl FlawFinder<'_> {
    fn ask(&self, question: &Question) -> Found {
        let writer = Writer::new(self.model, self.templates, self.seed);
        let so_far = question.so_far.messages(None);
        let found = ask_flaws(&writer, &so_far, &question.answer, &question.rubric, &mut ());
        found.map_err(|error| error.to_string())
    }

    /// Waits for what is still to come. When patience is over the model is told to stop, and what it has not said is lost.
    fn wait(
        &self,
        answers: &Receiver<(usize, Found)>,
        found: &mut [Found],
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), FragmentError> {
        let deadline = Instant::now().checked_add(self.patience);
        loop {
            match answers.recv_timeout(LOOK) {
                Ok((at, answer)) => {
                    if let Some(place) = found.get_mut(at) {
                        *place = answer;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !goes_on() {
                        return Err(FragmentError::Interrupted);
                    }
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        self.halt.store(true, Ordering::SeqCst);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }
}

/// Starts `count` threads of `builder`'s, each of which does a `work`; fewer where the system has no more.
///
/// # Errors
///
/// What the system said where not one can be started.
fn start<'scope, W: FnOnce() + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    builder: impl Fn() -> thread::Builder,
    count: usize,
    work: impl Fn() -> W,
) -> io::Result<()> {
    for started in 0..count {
        match builder().spawn_scoped(scope, work()) {
            Ok(_) => {}
            Err(_) if started > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Fragments<'_> {
    /// Does `work`, which samples and judges a round, while the model is asked what it is still to be asked. What it says comes in the order of the
    /// questions.
    pub(super) fn while_asked<T>(
        &self,
        goes_on: &mut dyn FnMut(JudgingProgress) -> bool,
        work: impl FnOnce(&mut dyn FnMut(JudgingProgress) -> bool) -> Result<T, FragmentError>,
    ) -> Result<(T, Vec<Found>), FragmentError> {
        let asked = self.evolution.as_ref().and_then(|it| Some((it.finder.as_ref()?, &it.state.questions)));
        let Some((finder, questions)) = asked.filter(|(_, questions)| !questions.is_empty()) else {
            return Ok((work(goes_on)?, Vec::new()));
        };
        let replies = self.scenes.len() * self.options.sampling.samples;
        let all = JudgingProgress { sampled: replies, judged: replies, replies };
        finder.halt.store(false, Ordering::SeqCst);
        let next = &AtomicUsize::new(0);
        let (sender, answers) = mpsc::channel();
        thread::scope(|scope| {
            let ask = || {
                let sender = Sender::clone(&sender);
                move || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(question) = questions.get(at) else { return };
                        // Nobody listens where the round was given up.
                        if sender.send((at, finder.ask(question))).is_err() {
                            return;
                        }
                    }
                }
            };
            let builder = || thread::Builder::new().name("rubric".to_owned());
            let started = start(scope, builder, finder.at_once.clamp(1, questions.len()), ask);
            drop(sender);
            // What is said of a question that nobody has answered.
            let nothing = match started {
                Ok(()) => "nobody answered".to_owned(),
                Err(error) => format!("no thread can be started to ask: {error}"),
            };
            let mut found: Vec<Found> = questions.iter().map(|_| Err(nothing.clone())).collect();
            let done = work(goes_on).and_then(|done| {
                finder.wait(&answers, &mut found, &mut || goes_on(all))?;
                Ok(done)
            });
            if done.is_err() {
                finder.halt.store(true, Ordering::SeqCst);
            }
            Ok((done?, found))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rubric::Scope as RubricScope;

    #[test]
    fn a_system_without_threads_says_so() {
        let begun = &AtomicUsize::new(0);
        let work = || {
            move || {
                begun.fetch_add(1, Ordering::SeqCst);
            }
        };
        // No machine has a stack of that size to give.
        let builder = || thread::Builder::new().stack_size(usize::MAX / 8);
        let error = thread::scope(|scope| start(scope, builder, 3, work)).unwrap_err();
        assert!(!error.to_string().is_empty());
        thread::scope(|scope| start(scope, thread::Builder::new, 3, work)).unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn a_criterion_that_names_the_diagnosis_is_of_one_patient() {
        let question = Question {
            so_far: Consultation {
                case_id: "a".into(),
                opening: "Hm.".into(),
                found: None,
                turns: vec![],
                ending: None,
            },
            answer: "Yes.".into(),
            rubric: Rubric { scope: RubricScope::Reply, criteria: vec![] },
            names: vec!["heart attack".into(), "mi".into()],
        };
        for (text, found) in [
            ("Misses the Heart Attack.", true),
            ("Does not think of an MI", true),
            // As patients' own words are read: plural endings, points and apostrophes hide no name.
            ("Calls heart attacks harmless", true),
            ("Passes over the heart attack's signs", true),
            ("Waits although it is an M.I.", true),
            ("Lets minutes pass", false),
            ("Attacks the patient", false),
        ] {
            assert_eq!(question.is_of_one_patient(text), found, "{text}");
        }
    }
}
