//! Replies judged one by one, each as soon as it is finished, while others are still sampled; where models play patients, these answer them in
//! the same way.
//!
//! The engine stays on the caller's thread, judges and patients have theirs. What they find is put where the reply belongs, whoever finishes first: with
//! the same verdicts a round comes to the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::gathering::Gathering;
use super::marks::{Mark, Marked};
use super::{FragmentError, Fragments, Scene};
use crate::engine::request::{Output, StopReason};
use crate::kernels::KernelBackend;
use crate::rl::policy::Policy;
use crate::rubric::authoring::dynamic::FrozenRubric;
use crate::rubric::model_judge::Exhibit;
use crate::rubric::{Criterion, Judgement, Reward, Rubric, Verdict};
use crate::sim::played::{PlayedError, PlayedReply};

/// How long verdicts are waited for before it is looked whether anybody still wants them.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// How replies are judged while others are sampled.
#[derive(Debug, Clone, Copy)]
pub struct Overlap<'a> {
    /// Replies that are judged, and answered, at once, at least 1.
    pub judges: usize,
    /// Of a rubric's criteria, the share that must have been judged, 0 to 1. Where fewer were, the rubric says nothing, and the reply has no
    /// reward.
    pub least_coverage: f64,
    /// The longest wait for verdicts, and for the answers that they need, after the last reply of a round was sampled. What is not judged by
    /// then is not judged.
    pub patience: Duration,
    /// Set when nobody waits for verdicts any more. The judge is to look at it, and to say `NotJudged` from then on.
    pub halt: &'a AtomicBool,
}

/// How far a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgingProgress {
    /// Replies that are finished.
    pub sampled: usize,
    /// Replies that are judged.
    pub judged: usize,
    /// Replies in all.
    pub replies: usize,
}

/// What a round is to sample and judge.
pub(super) struct Round<'a> {
    pub overlap: &'a Overlap<'a>,
    pub start: Instant,
    pub prompts: &'a [Vec<u32>],
    pub seeds: &'a [u64],
}

/// What a consultation's replies are judged by.
struct Rubrics {
    reply: FrozenRubric,
    /// Where the whole consultation counts.
    whole: Option<Rubric>,
}

/// A reply to be judged.
pub(super) struct Job {
    pub(super) scene: usize,
    pub(super) sample: usize,
    pub(super) text: String,
    stop: StopReason,
}

/// What was found of a reply.
pub(super) struct Found {
    pub(super) mark: Mark,
    /// Criteria that the judge was asked about.
    pub(super) asked: usize,
    /// Those of them that it judged.
    pub(super) judged: usize,
    /// Why the first of the others was not.
    pub(super) why: Option<String>,
    /// What the patient answered, where models play it and it was asked.
    pub(super) answer: Option<PlayedReply>,
    /// Why it did not.
    pub(super) failed: Option<PlayedError>,
}

impl Fragments<'_> {
    /// Samples replies to all prompts, and marks each from the moment that it is finished.
    pub(super) fn marked_while_sampled<B: KernelBackend>(
        &self,
        policy: &mut Policy<B>,
        round: &Round<'_>,
        goes_on: &mut dyn FnMut(JudgingProgress) -> bool,
    ) -> Result<Marked, FragmentError> {
        let Round { overlap, start, prompts, .. } = *round;
        overlap.halt.store(false, Ordering::SeqCst);
        let rubrics: Vec<Rubrics> = self.scenes.iter().map(|scene| self.rubrics(scene)).collect();
        let (jobs, queue) = mpsc::channel::<Job>();
        let (verdicts, found) = mpsc::channel();
        let queue = Mutex::new(queue);
        let result = thread::scope(|scope| {
            for started in 0..overlap.judges.max(1) {
                let (verdicts, queue, rubrics) = (Sender::clone(&verdicts), &queue, &rubrics);
                let work = move || {
                    while let Some(job) = next(queue) {
                        let found = self.judged(&job, rubrics, overlap.least_coverage);
                        // Nobody listens where sampling has failed.
                        if verdicts.send((job, found)).is_err() {
                            return;
                        }
                    }
                };
                let spawned = thread::Builder::new().name("judge".to_owned()).spawn_scoped(scope, work);
                match spawned {
                    Ok(_) => {}
                    // Where the system has no more threads there are fewer judges.
                    Err(_) if started > 0 => break,
                    Err(error) => return Err(FragmentError::Threads(error)),
                }
            }
            drop(verdicts);
            let mut gathering = Gathering::new(prompts.len(), self.options.sampling.samples);
            let sampled = self.sample(policy, round, jobs, &mut gathering, goes_on);
            let rollout = start.elapsed().as_secs_f64();
            let sampled = sampled.map(|outputs| (outputs, Instant::now())).and_then(|(outputs, at)| {
                gathering.wait(&found, at.checked_add(overlap.patience), overlap, goes_on)?;
                Ok((outputs, at))
            });
            if sampled.is_err() {
                overlap.halt.store(true, Ordering::SeqCst);
            }
            sampled.map(|(outputs, at)| (outputs, rollout, at, gathering))
        });
        let (outputs, rollout, sampled, gathering) = result?;
        let verdicts = gathering.seconds();
        let (texts, marks, answers) = gathering.marks(overlap.patience)?;
        Ok(Marked { outputs, texts, marks, answers, rollout, sampled, verdicts })
    }

    /// Samples, and hands each reply to the judges when it is finished.
    fn sample<B: KernelBackend>(
        &self,
        policy: &mut Policy<B>,
        round: &Round<'_>,
        jobs: Sender<Job>,
        gathering: &mut Gathering,
        goes_on: &mut dyn FnMut(JudgingProgress) -> bool,
    ) -> Result<Vec<Vec<Output>>, FragmentError> {
        let format = policy.format().clone();
        let mut failed = None;
        let sampling = self.options.sampling;
        let outputs = policy.replies_heard(round.prompts, round.seeds, sampling, &mut |reply| {
            match format.text(&reply.ids) {
                Ok(text) => {
                    gathering.first.get_or_insert_with(Instant::now);
                    // Nobody takes it only where all judges have panicked, which the scope passes on.
                    let _ =
                        jobs.send(Job { scene: reply.prompt, sample: reply.sample, text, stop: reply.stop });
                    gathering.progress.sampled += 1;
                    // What was begun is sampled to its end; the wait after it asks again.
                    goes_on(gathering.progress);
                }
                Err(error) => failed = failed.take().or(Some(error)),
            }
        })?;
        failed.map_or(Ok(outputs), |error| Err(error.into()))
    }

    fn rubrics(&self, scene: &Scene) -> Rubrics {
        let case = self.case(scene.number);
        Rubrics {
            reply: self.frozen(scene),
            whole: (self.options.outcome > 0.0).then(|| self.generator.for_consultation(case)),
        }
    }

    /// Judges a reply. One that was cut off is shown neither to the judge nor to the patient: it earns nothing, whatever it says, and no
    /// consultation goes on with it.
    fn judged(&self, job: &Job, rubrics: &[Rubrics], least_coverage: f64) -> Found {
        let mut found = Found::new(self.mark(job.stop, None, None));
        let (Some(scene), Some(rubrics)) = (self.scenes.get(job.scene), rubrics.get(job.scene)) else {
            return found;
        };
        if job.stop == StopReason::Length {
            return found;
        }
        let (case, so_far) = (self.case(scene.number), scene.seen());
        let judgements = self.judge.judge_reply(case, &so_far, &job.text, rubrics.reply.rubric());
        let silent = Exhibit::reply(&so_far, &job.text).is_silent();
        let earned = rubrics.reply.earned(&judgements);
        let own = found.value(rubrics.reply.earning(), earned, silent, least_coverage);
        let dynamic = rubrics.reply.dynamic(&judgements);
        let Some(rubric) = &rubrics.whole else {
            found.mark = Mark { dynamic, ..self.mark(job.stop, own, None) };
            return found;
        };
        let after = match self.company {
            None => self.after(scene, &job.text),
            Some((company, _)) => match self.answered(company, scene, &job.text) {
                Ok(played) => {
                    let mut after = scene.consultation.clone();
                    played.reply.clone().carry_on(&mut after);
                    found.answer = Some(played);
                    after
                }
                // Without an answer nobody knows what the consultation is worth, nor what the reply earned. What was said of the reply
                // stands.
                Err(error) => {
                    found.mark = Mark { dynamic, unanswered: true, ..found.mark };
                    found.failed = Some(error);
                    return found;
                }
            },
        };
        let judgements = self.judge.judge_consultation(case, &scene.mode.seen(&after), rubric);
        let silent = Exhibit::consultation(&after).is_silent();
        let worth = found.value(&rubric.criteria, &judgements, silent, least_coverage);
        found.mark = Mark { dynamic, ..self.mark(job.stop, own, Some((after, worth))) };
        found
    }
}

impl Found {
    /// Nothing yet, but for `mark`.
    pub(super) fn new(mark: Mark) -> Self {
        Self { mark, asked: 0, judged: 0, why: None, answer: None, failed: None }
    }

    /// The reward of judgements, where there are enough of them. Where nothing was said, a judge that is a model is not asked, and what it
    /// leaves open is no failure of its.
    fn value(
        &mut self,
        criteria: &[Criterion],
        judgements: &[Judgement],
        silent: bool,
        least_coverage: f64,
    ) -> Option<f64> {
        let reward = Reward::of(criteria, judgements).ok();
        if silent {
            return reward.map(|reward| reward.value);
        }
        let judged = reward.as_ref().map_or(0, |reward| reward.judged);
        self.asked += criteria.len();
        self.judged += judged;
        if self.why.is_none() {
            let open = judgements.iter().find(|judgement| judgement.verdict == Verdict::NotJudged);
            self.why = open.map(|judgement| judgement.reason.clone());
        }
        let enough = judged as f64 / criteria.len() as f64 >= least_coverage;
        reward.filter(|_| enough).map(|reward| reward.value)
    }
}

/// The next reply to be judged; `None` where there will be no more.
fn next(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    // Nothing panics with the lock held.
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rubric::{Axis, Provenance};

    /// The value of positive criteria of which so many are met, not met and not judged.
    fn value(counts: (usize, usize, usize), silent: bool, least_coverage: f64) -> (Option<f64>, Found) {
        let (met, not_met, open) = counts;
        let criterion = Criterion {
            text: "x".into(),
            points: 1,
            axis: Axis::Inquiry,
            provenance: Provenance::General,
            check: None,
        };
        let judgements = [
            vec![Judgement::met(None, ""); met],
            vec![Judgement::not_met(""); not_met],
            vec![Judgement::not_judged("lost"); open],
        ]
        .concat();
        let criteria = vec![criterion; judgements.len()];
        let mut found = Found::new(Mark::default());
        (found.value(&criteria, &judgements, silent, least_coverage), found)
    }

    #[test]
    fn a_reward_is_of_what_was_judged_where_that_is_enough() {
        let of = |counts, least| value(counts, false, least).0;
        assert_eq!(of((1, 1, 2), 0.5), Some(0.5));
        assert_eq!((of((1, 1, 3), 0.5), of((1, 1, 3), 0.4)), (None, Some(0.5)));
        assert_eq!((of((4, 0, 0), 1.0), of((4, 0, 1), 1.0)), (Some(1.0), None));
        // Not even where nothing has to be judged: no verdict is no reward of 0.
        assert_eq!(of((0, 0, 3), 0.0), None);
        let (_, found) = value((1, 1, 3), false, 0.5);
        assert_eq!((found.asked, found.judged, found.why.as_deref()), (5, 2, Some("lost")));
    }

    #[test]
    fn silence_is_no_failure_of_the_judge() {
        let (worth, found) = value((0, 1, 4), true, 0.9);
        assert_eq!((worth, found.asked, found.why), (Some(0.0), 0, None));
    }
}
