//! What is recorded of a step of reinforcement learning.

use crate::rl::{Fragment, PatientTurn, RubricNews, UpdateReport};
use crate::rubric::model_judge::Tally;
use crate::train::config::Detector;
use crate::train::run::{Clipped, Gap, Judged, PlayedTurns, RlMetrics, Spread, StepMetrics, Verdicts};

/// What the groups of a step earned, and what the updates by them did.
pub(super) fn metrics(
    groups: &[Fragment],
    reports: &[(f64, UpdateReport)],
    detectors: &[Detector],
) -> StepMetrics {
    let replies = || groups.iter().flat_map(|group| group.group.traces().iter().zip(&group.replies));
    let judged = |group: &&Fragment| group.replies.iter().any(|reply| reply.reward.is_some());
    let equal = |group: &&Fragment| group.replies.iter().all(|reply| reply.advantage == 0.0);
    let tokens: usize = reports.iter().map(|(_, report)| report.seen.pairs.len()).sum();
    let fired = |detector| replies().filter(|(_, reply)| reply.noise.contains(detector)).count() as u64;
    let share = |count: usize| if tokens > 0 { count as f64 / tokens as f64 } else { 0.0 };
    // Later updates move away from the sampler, which is no fault of the numbers; the first must not.
    let first = reports.first().map(|(_, report)| report.seen.pairs.as_slice()).unwrap_or_default();
    let parts = reports.len().max(1) as f64;
    let kls = || reports.iter().flat_map(|(_, report)| &report.seen.kls).map(|&it| f64::from(it));
    let entropies = || reports.iter().filter_map(|(_, report)| report.seen.entropies.as_ref());
    StepMetrics {
        loss: reports.iter().map(|(_, report)| report.seen.loss).sum::<f64>() / parts,
        grad_norm: reports.iter().map(|(_, report)| report.grad_norm).sum::<f64>() / parts,
        learning_rate: reports.last().map_or(0.0, |(lr, _)| *lr),
        tokens: tokens as u64,
        rl: Some(RlMetrics {
            reward: Spread::of(replies().filter_map(|(_, reply)| reply.reward)),
            advantage: Spread::of(
                replies().filter(|(_, reply)| reply.reward.is_some()).map(|(_, reply)| reply.advantage),
            ),
            reply_tokens: Spread::of(replies().map(|(trace, _)| trace.trainable_len() as f64)),
            groups: groups.iter().filter(judged).count() as u64,
            equal_groups: groups.iter().filter(judged).filter(equal).count() as u64,
            truncated: replies().filter(|(trace, _)| trace.is_truncated()).count() as u64,
            judged: None,
            patients: None,
            rubric: None,
            noise: detectors.iter().map(|detector| (*detector, fired(detector))).collect(),
            entropy: entropies().next().map(|_| Spread::of(entropies().flatten().map(|&it| f64::from(it)))),
            kl: kls().next().map(|_| Spread::of(kls())),
            gap: Gap::of(first.iter().copied()),
            clipped: Clipped {
                low: share(reports.iter().map(|(_, report)| report.seen.clipped_low).sum()),
                high: share(reports.iter().map(|(_, report)| report.seen.clipped_high).sum()),
            },
        }),
        ..StepMetrics::default()
    }
}

/// How patients that models play answered.
pub(super) fn turns(groups: &[Fragment]) -> PlayedTurns {
    let mut played = PlayedTurns::default();
    for PatientTurn { log, .. } in groups.iter().flat_map(|group| &group.turns) {
        played.turns += 1;
        played.stepped_in += u64::from(!log.failures.is_empty());
        played.regenerations += log.regenerations as u64;
        played.safe_replies += u64::from(log.safe_reply);
    }
    played
}

/// Adds what a model that judges did in the step: `tally` and `news` are of the step alone.
pub(super) fn verdicts(
    metrics: &mut StepMetrics,
    groups: &[Fragment],
    tally: &Tally,
    news: Option<&RubricNews>,
    seconds: f64,
) {
    let (on_trial, in_vain) = news.map_or((0, 0), |news| (news.tried, news.tried_in_vain));
    let not_judged = tally.items.saturating_sub(tally.judged);
    let rewards = groups.iter().flat_map(|group| &group.replies).map(|reply| reply.reward);
    if let Some(rl) = &mut metrics.rl {
        rl.judged = Some(Judged {
            criteria: tally.items.saturating_sub(on_trial),
            not_judged: not_judged.saturating_sub(in_vain),
            without_reward: rewards.filter(Option::is_none).count() as u64,
            on_trial,
            on_trial_not_judged: in_vain,
        });
    }
    let Tally { requests, failed, .. } = *tally;
    metrics.timing.verdicts = Some(Verdicts { requests, failed, cached: tally.cached_ratio(), seconds });
}
