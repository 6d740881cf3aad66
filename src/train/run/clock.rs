//! Where the time of a step goes.

use std::time::{Duration, Instant};

use super::memory::peak_rss_bytes;
use super::metrics::Timing;

/// A part of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Sampling replies.
    Rollout,
    /// Patients and marks.
    Judge,
    /// Loss and gradients.
    ForwardBackward,
    /// Clipping and the update.
    Optimizer,
}

/// Times one step.
#[derive(Debug, Clone)]
pub struct StepClock {
    started: Instant,
    phases: [Duration; 4],
}

impl StepClock {
    /// The step begins now.
    pub fn start() -> Self {
        Self { started: Instant::now(), phases: [Duration::ZERO; 4] }
    }

    /// Runs `work` as a part of `phase`. A phase may come more than once.
    pub fn measure<T>(&mut self, phase: Phase, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.add(phase, started.elapsed());
        result
    }

    /// Adds time measured elsewhere.
    pub fn add(&mut self, phase: Phase, time: Duration) {
        *self.phase(phase) += time;
    }

    /// Time of the step so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The step ends now, after `tokens` tokens entered the loss.
    pub fn finish(&self, tokens: u64) -> Timing {
        let seconds = self.started.elapsed().as_secs_f64();
        let [rollout, judge, forward_backward, optimizer] = self.phases.map(|time| time.as_secs_f64());
        let tokens_per_second = if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 };
        let peak_rss_bytes = peak_rss_bytes();
        let verdicts = None;
        Timing {
            seconds,
            rollout,
            judge,
            forward_backward,
            optimizer,
            tokens_per_second,
            peak_rss_bytes,
            verdicts,
        }
    }

    fn phase(&mut self, phase: Phase) -> &mut Duration {
        let [rollout, judge, forward_backward, optimizer] = &mut self.phases;
        match phase {
            Phase::Rollout => rollout,
            Phase::Judge => judge,
            Phase::ForwardBackward => forward_backward,
            Phase::Optimizer => optimizer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_own_time() {
        let mut clock = StepClock::start();
        for (phase, seconds) in [
            (Phase::Rollout, 8),
            (Phase::Judge, 4),
            (Phase::ForwardBackward, 2),
            (Phase::Optimizer, 1),
            (Phase::Judge, 16),
        ] {
            clock.add(phase, Duration::from_secs(seconds));
        }
        let timing = clock.finish(0);
        let phases = [timing.rollout, timing.judge, timing.forward_backward, timing.optimizer];
        assert_eq!(phases, [8.0, 20.0, 2.0, 1.0]);
        assert_eq!(timing.tokens_per_second, 0.0);
        let mut clock = StepClock::start();
        assert_eq!(clock.measure(Phase::Optimizer, || (0..1000u64).sum::<u64>()), 499_500);
        let timing = clock.finish(100);
        assert!(timing.optimizer <= timing.seconds && timing.tokens_per_second > 0.0);
        assert!(timing.peak_rss_bytes > 0);
    }
}
