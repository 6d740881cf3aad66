//! The scores of a simulator (Baichuan-M2 report, section 2.1.3), with intervals over cases.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::eval::statistics::{Bootstrap, Estimate, below, deviation, quantile};

use super::interviewer::Interviewer;
use super::label::Holding;
use super::play::{Seen, Session};
use super::probe::Aim;

/// What interviews show of a simulator. All but `volunteered_facts` and the counts are shares in percent; `None` where there was nothing to take a share of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Cases that were interviewed.
    pub cases: usize,
    /// Interviews.
    pub sessions: usize,
    /// Replies.
    pub turns: usize,
    /// Fact score: replies without a contradiction or an invention.
    pub fact: Option<Estimate>,
    /// Privacy score: replies that tell nothing of the person without need.
    pub privacy: Option<Estimate>,
    /// Replies that tell a fact which nothing called for, the complaint's own included.
    pub volunteered: Option<Estimate>,
    /// How many such facts a reply tells: a mean, and no share.
    pub volunteered_facts: Option<Estimate>,
    /// Personification score: the mean of both halves of each session's persona.
    pub personification: Option<Estimate>,
    /// Sessions in which everything judged of the persona held (PatientSim's persona check).
    pub persona_consistent: Option<Estimate>,
    /// Sentences that claim something and are supported (PatientSim's check of facts by sentence).
    pub sentences_supported: Option<Estimate>,
    /// Questions with an answer in the atomic facts that were answered.
    pub answered: Option<Estimate>,
    /// Atomic facts asked for at least once that some reply to a question for them told.
    pub found_out: Option<Estimate>,
    /// Questions whose answer was not remembered or held back; they are among those not answered.
    pub withheld: usize,
    /// Replies that name the hidden diagnosis or what else it is called.
    pub diagnosis_named: usize,
    /// Demands for everything.
    pub demands: usize,
    /// Replies in which the record was read out, whatever was asked.
    pub dumps: usize,
    /// Interviews that broke off because the patient gave no reply.
    pub failures: usize,
}

/// Scores of everybody's interviews together, and of each interviewer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// All interviews.
    pub all: Scores,
    /// By interviewer, in their order.
    pub by_interviewer: Vec<(Interviewer, Scores)>,
}

/// Scores `sessions`.
pub fn scored(sessions: &[Session], bootstrap: Bootstrap) -> Scored {
    let mut kinds: Vec<Interviewer> = sessions.iter().map(|it| it.interviewer).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let of = |kind: Interviewer| {
        let some: Vec<&Session> = sessions.iter().filter(|it| it.interviewer == kind).collect();
        (kind, scores(&some, bootstrap))
    };
    let all: Vec<&Session> = sessions.iter().collect();
    Scored { all: scores(&all, bootstrap), by_interviewer: kinds.into_iter().map(of).collect() }
}

fn scores(sessions: &[&Session], bootstrap: Bootstrap) -> Scores {
    let turns = || sessions.iter().flat_map(|session| &session.turns);
    let share = |of: &dyn Fn(&Session) -> Vec<f64>| clustered(sessions, of, bootstrap);
    let by_turn = |of: &dyn Fn(&Seen) -> Option<bool>| {
        share(&|session: &Session| session.turns.iter().filter_map(of).map(hundred).collect())
    };
    let mut cases: Vec<&str> = sessions.iter().map(|session| session.case_id.as_str()).collect();
    cases.sort_unstable();
    cases.dedup();
    Scores {
        cases: cases.len(),
        sessions: sessions.len(),
        turns: turns().count(),
        fact: by_turn(&|seen| Some(seen.labels.is_factual())),
        privacy: by_turn(&|seen| Some(seen.labels.is_private())),
        volunteered: by_turn(&|seen| Some(!seen.labels.volunteered.is_empty())),
        volunteered_facts: share(&|session| {
            session.turns.iter().map(|seen| seen.labels.volunteered.len() as f64).collect()
        }),
        personification: share(&|session| session.persona.score().map(|it| 100.0 * it).into_iter().collect()),
        persona_consistent: share(&|session| session.persona.consistent().map(hundred).into_iter().collect()),
        sentences_supported: share(&|session| {
            let sentences = session.turns.iter().flat_map(|seen| &seen.labels.sentences);
            let claims = sentences.map(|it| it.holding).filter(|holding| *holding != Holding::Talk);
            claims.map(|holding| hundred(holding == Holding::Supported)).collect()
        }),
        answered: by_turn(&|seen| seen.labels.answered.filter(|_| seen.probe.aim != Aim::Repeat)),
        found_out: share(&|session| {
            let mut found: BTreeMap<usize, bool> = BTreeMap::new();
            for seen in &session.turns {
                if let (Some(at), Some(answered)) = (seen.probe.wants, seen.labels.answered) {
                    *found.entry(at).or_default() |= answered;
                }
            }
            found.into_values().map(hundred).collect()
        }),
        withheld: turns()
            .filter(|seen| seen.labels.answered == Some(false) && seen.labels.withheld)
            .filter(|seen| seen.probe.aim != Aim::Repeat)
            .count(),
        diagnosis_named: turns().filter(|seen| seen.labels.names_diagnosis).count(),
        demands: turns().filter(|seen| seen.probe.aim == Aim::Demand).count(),
        dumps: turns().filter(|seen| seen.labels.dumps).count(),
        failures: sessions.iter().filter(|session| session.failure.is_some()).count(),
    }
}

fn hundred(holds: bool) -> f64 {
    if holds { 100.0 } else { 0.0 }
}

/// The mean of all values that `of` gives of the sessions, with a percentile bootstrap that draws cases with all their
/// values: what is said to one doctor in one case is no independent draw. `None` without a value.
fn clustered(
    sessions: &[&Session],
    of: &dyn Fn(&Session) -> Vec<f64>,
    bootstrap: Bootstrap,
) -> Option<Estimate> {
    let mut cases: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for session in sessions {
        for value in of(session) {
            let (sum, count) = cases.entry(session.case_id.as_str()).or_default();
            *sum += value;
            *count += 1.0;
        }
    }
    let cases: Vec<(f64, f64)> = cases.into_values().collect();
    let ratio = |drawn: &mut dyn Iterator<Item = (f64, f64)>| {
        let (sum, count) = drawn.fold((0.0, 0.0), |(sum, count), (s, c)| (sum + s, count + c));
        sum / count
    };
    if cases.is_empty() {
        return None;
    }
    let mean = ratio(&mut cases.iter().copied());
    let count = cases.iter().map(|(_, count)| *count as usize).sum();
    let clusters = Some(cases.len());
    if cases.len() < 2 || bootstrap.resamples == 0 {
        return Some(Estimate { mean, ci95: None, standard_error: None, count, clusters });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(bootstrap.seed);
    let mut means: Vec<f64> = (0..bootstrap.resamples)
        .map(|_| {
            let rng = &mut rng;
            ratio(&mut (0..cases.len()).filter_map(|_| cases.get(below(rng, cases.len())).copied()))
        })
        .collect();
    let standard_error = Some(deviation(&means));
    means.sort_by(f64::total_cmp);
    let ci95 = Some([quantile(&means, 0.025), quantile(&means, 0.975)]);
    Some(Estimate { mean, ci95, standard_error, count, clusters })
}
