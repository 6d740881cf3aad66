//! The gate: does the doctor's message end the consultation?

use crate::data::consultation::{Ending, Turn};
use crate::data::utterance::{Act, Intent};
use crate::sim::heard::Scene;

/// Decides after each of the doctor's messages whether the consultation is over.
pub trait Gate {
    /// Why the consultation is over now, if it is.
    fn ends(&self, scene: &Scene<'_>) -> Option<Ending>;
}

/// When patience ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The doctor's messages at most; the last of them ends the consultation. At least 1.
    pub turns: usize,
    /// This many messages in a row that repeat or cannot be understood end it. At least 1.
    pub patience: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { turns: 20, patience: 3 }
    }
}

/// The gate by rules, the first that holds:
///
/// 1. the patient is sent to emergency care: [`Ending::Emergency`];
/// 2. a diagnosis (this message's, even a likely one; or an earlier one stated plainly) together with a drug, a referral
///    or advice, and nothing asked: [`Ending::Concluded`];
/// 3. a goodbye, and nothing asked, examined or tested: [`Ending::Goodbye`];
/// 4. the last of [`Limits::patience`] messages in a row that were not understood, repeat an earlier message, or ask
///    only for what was told before: [`Ending::GaveUp`];
/// 5. the last of [`Limits::turns`] messages: [`Ending::TurnLimit`].
#[derive(Debug, Clone, Copy, Default)]
pub struct RuleGate {
    /// When patience ends.
    pub limits: Limits,
}

impl Gate for RuleGate {
    fn ends(&self, scene: &Scene<'_>) -> Option<Ending> {
        // Tests ordered with a diagnosis and a treatment are part of the plan and keep nothing open.
        let asks = scene.does(|act| matches!(act.intent, Intent::Question(_) | Intent::OpenQuestion));
        if scene.does(|act| !act.negated && act.intent == Intent::Referral { urgent: true }) {
            Some(Ending::Emergency)
        } else if !asks && concludes(scene) {
            Some(Ending::Concluded)
        } else if !scene.inquires() && scene.does(|act| act.intent == Intent::Goodbye) {
            Some(Ending::Goodbye)
        } else if self.gave_up(scene) {
            Some(Ending::GaveUp)
        } else {
            (scene.turn() + 1 >= self.limits.turns).then_some(Ending::TurnLimit)
        }
    }
}

impl RuleGate {
    fn gave_up(&self, scene: &Scene<'_>) -> bool {
        let turns = &scene.so_far.turns;
        if self.limits.patience > turns.len() + 1 {
            return false;
        }
        let wanted = scene.wanted();
        let stale = !wanted.is_empty()
            && wanted.iter().all(|&index| {
                let id = &scene.script.facts[index].id;
                turns.iter().any(|turn| turn.told.contains(id))
            });
        let bad = !scene.understood() || stale || repeats(scene, scene.message, turns);
        let before = |at: usize| {
            let turn = &turns[at];
            let earlier = &turns[..at];
            let stale = !turn.asked.is_empty()
                && turn.asked.iter().all(|id| earlier.iter().any(|turn| turn.told.contains(id)));
            !turn.understood || stale || repeats(scene, &turn.doctor, earlier)
        };
        bad && (turns.len() + 1 - self.limits.patience.max(1)..turns.len()).all(before)
    }
}

/// Whether `message` is one of the earlier messages over again.
fn repeats(scene: &Scene<'_>, message: &str, earlier: &[Turn]) -> bool {
    let form = scene.understanding.normal_form(message);
    earlier.iter().any(|turn| scene.understanding.normal_form(&turn.doctor) == form)
}

fn concludes(scene: &Scene<'_>) -> bool {
    let acts = |act: &Act| {
        !act.negated && matches!(act.intent, Intent::Prescription | Intent::Referral { .. } | Intent::Advice)
            || (act.negated && matches!(act.intent, Intent::Prescription | Intent::Advice))
    };
    if !scene.does(acts) {
        return false;
    }
    let named = |act: &Act| !act.negated && matches!(act.intent, Intent::Diagnosis { .. });
    let plainly = |act: &Act| !act.negated && act.intent == Intent::Diagnosis { hedged: false };
    scene.does(named)
        || scene.so_far.turns.iter().any(|turn| scene.understanding.read(&turn.doctor).iter().any(plainly))
}
