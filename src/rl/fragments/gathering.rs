//! What is found of a round's replies while others are sampled, put where each reply belongs.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::marks::Mark;
use super::overlap::{Found, Job, LOOK};
use super::turns::Answers;
use super::{FragmentError, JudgingProgress, Overlap};

/// What each reply says, earned and led to, by consultation.
type Gathered = (Vec<Vec<String>>, Vec<Vec<Mark>>, Answers);

/// What judges have found so far.
pub(super) struct Gathering {
    /// By consultation and reply.
    found: Vec<Vec<Option<(String, Found)>>>,
    pub(super) progress: JudgingProgress,
    /// When the first reply was finished.
    pub(super) first: Option<Instant>,
    /// When the last verdict came.
    last: Option<Instant>,
    /// Whether time was up before it.
    late: bool,
}

impl Gathering {
    /// Nothing yet, of so many replies to each of so many consultations.
    pub(super) fn new(scenes: usize, samples: usize) -> Self {
        let row = || (0..samples).map(|_| None).collect();
        let progress = JudgingProgress { sampled: 0, judged: 0, replies: scenes * samples };
        Self { found: (0..scenes).map(|_| row()).collect(), progress, first: None, last: None, late: false }
    }

    /// Waits until each reply is judged. At `deadline` judges are told to say what they have.
    pub(super) fn wait(
        &mut self,
        found: &Receiver<(Job, Found)>,
        deadline: Option<Instant>,
        overlap: &Overlap<'_>,
        goes_on: &mut dyn FnMut(JudgingProgress) -> bool,
    ) -> Result<(), FragmentError> {
        while self.progress.judged < self.progress.replies {
            // What is there is taken first: a round that is judged is not given up.
            match found.try_recv() {
                Ok((job, found)) => self.take(job, found)?,
                Err(TryRecvError::Empty) => {
                    if !goes_on(self.progress) {
                        return Err(FragmentError::Interrupted);
                    }
                    if !self.late && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        self.late = true;
                        overlap.halt.store(true, Ordering::SeqCst);
                    }
                    match found.recv_timeout(LOOK) {
                        Ok((job, found)) => self.take(job, found)?,
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    }
                }
                // A judge has panicked, which the scope passes on.
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        Ok(())
    }

    /// # Errors
    ///
    /// The patient failed. Where it was only stopped because time was up, it is as if it had not been asked.
    fn take(&mut self, job: Job, mut found: Found) -> Result<(), FragmentError> {
        if let Some(error) = found.failed.take().filter(|error| !error.is_stopped()) {
            return Err(error.into());
        }
        self.progress.judged += 1;
        self.last = Some(Instant::now());
        let place = self.found.get_mut(job.scene).and_then(|of| of.get_mut(job.sample));
        if let Some(place) = place {
            *place = Some((job.text, found));
        }
        Ok(())
    }

    /// From the first finished reply to the last verdict.
    pub(super) fn seconds(&self) -> f64 {
        let pair = self.first.zip(self.last);
        pair.map_or(0.0, |(first, last)| last.saturating_duration_since(first).as_secs_f64())
    }

    /// What each reply says, earned and led to, in the order of the consultations.
    pub(super) fn marks(self, patience: Duration) -> Result<Gathered, FragmentError> {
        let all = || self.found.iter().flatten().flatten().map(|(_, found)| found);
        let (criteria, judged): (usize, usize) =
            all().fold((0, 0), |(asked, judged), it| (asked + it.asked, judged + it.judged));
        if criteria > 0 && judged == 0 {
            let first = all().find_map(|it| it.why.clone()).unwrap_or_default();
            let why = match self.late {
                true => format!("none came within {patience:?} of the last reply; the first says: {first}"),
                false => first,
            };
            return Err(FragmentError::NoVerdict { criteria, why });
        }
        let (mut texts, mut marks, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for of in self.found {
            let (mut said, mut earned, mut led) = (Vec::new(), Vec::new(), Vec::new());
            for it in of {
                let (text, found) = it.unwrap_or_else(|| (String::new(), Found::new(Mark::default())));
                said.push(text);
                earned.push(found.mark);
                led.push(found.answer);
            }
            texts.push(said);
            marks.push(earned);
            answers.push(led);
        }
        Ok((texts, marks, answers))
    }
}
