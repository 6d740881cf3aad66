//! When a fact may be told.

use crate::data::case::{Fact, Reveal};
use crate::data::utterance::Intent;
use crate::sim::heard::Scene;
use crate::sim::tone::{is_hurt, was_kind};

/// Whether a fact may be told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Now,
    /// The patient holds it back: more trust is needed, or it is never told.
    Withheld,
    /// Only an examination or a test shows it.
    Hidden,
}

/// Whether `fact` may be told in answer to an act of `intent`.
///
/// [`Reveal::OnTrust`] opens when the fact is asked for a second time; and for feeling patients, whom the doctor's
/// manner moves, also when an earlier message showed empathy. To a doctor who was curt, and not kind since, these tell none of
/// it, however often they are asked ([`is_hurt`]). Examination and test count alike, since whether a
/// measurement is the one or the other is a matter of wording.
pub fn permission(scene: &Scene<'_>, fact: &Fact, intent: Intent) -> Permission {
    let investigates = matches!(intent, Intent::Examination | Intent::Test);
    match fact.reveal {
        Reveal::Opening => Permission::Now,
        Reveal::OnQuestion if matches!(intent, Intent::Question(_)) || investigates => Permission::Now,
        Reveal::OnQuestion => Permission::Withheld,
        Reveal::OnTrust if !matches!(intent, Intent::Question(_)) => Permission::Withheld,
        Reveal::OnTrust if is_hurt(scene) => Permission::Withheld,
        Reveal::OnTrust if asked_before(scene, fact) || (scene.script.persona.feeling && was_kind(scene)) => {
            Permission::Now
        }
        Reveal::OnTrust | Reveal::Never => Permission::Withheld,
        Reveal::OnExamination | Reveal::OnTest if investigates => Permission::Now,
        Reveal::OnExamination | Reveal::OnTest => Permission::Hidden,
    }
}

/// Whether an earlier message asked for `fact`.
pub fn asked_before(scene: &Scene<'_>, fact: &Fact) -> bool {
    scene.so_far.turns.iter().any(|turn| turn.asked.contains(&fact.id))
}

/// Whether `fact` was told in an earlier reply.
pub fn told_before(scene: &Scene<'_>, fact: &Fact) -> bool {
    scene.so_far.turns.iter().any(|turn| turn.told.contains(&fact.id))
}
