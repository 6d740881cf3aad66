//! Rubrics that change while a stage of reinforcement learning goes on.

use super::findings::{Findings, join};
use super::legal::{Bound, Legal};
use super::rl::Rl;
use super::roles::Role;
use super::run::RunConfig;
use super::section::section;
use super::stage::Stage;
use crate::rubric::authoring::dynamic::Thresholds;

section! {
    /// Rubrics that change with what they mark (Baichuan-M3 report, section 3). What a reply that scored high does wrong becomes a
    /// criterion on trial; it counts in rewards while it tells the replies of a group apart. Held-out consultations are marked without.
    pub struct Evolution {
        /// Whether they change.
        dynamic: bool = true, Legal::Switch, "", "chosen here: the table is there to be used";
        /// A reply scored high, and is looked at for flaws, from this reward on; the bonus for short replies does not count.
        high: f64 = Thresholds::DEFAULT.high, Legal::SHARE, "", "chosen here; not disclosed in the report";
        /// Groups of replies, the latest that a criterion was judged in, that its mean spread is taken over. The spread of a group is
        /// `p (1 - p)`, where the share `p` of its replies does what the criterion says.
        window: usize = Thresholds::DEFAULT.window, Legal::Whole { least: 1, most: 4096 }, "groups", "chosen here";
        /// Fewest groups before a criterion is admitted or retired.
        least: usize = Thresholds::DEFAULT.least, Legal::Whole { least: 1, most: 4096 }, "groups", "chosen here";
        /// The least mean spread of a criterion that is admitted.
        admit: f64 = Thresholds::DEFAULT.admit, Legal::Real { least: Bound::Beyond(0.0), most: Bound::At(0.25) }, "",
            "chosen here; the report: a significant rate of violation";
        /// A criterion with a lower mean spread is retired, because nobody does it any more or because everybody does.
        retire: f64 = Thresholds::DEFAULT.retire, Legal::Real { least: Bound::At(0.0), most: Bound::At(0.25) }, "",
            "chosen here; the report: a rate that tends to 0";
        /// Most criteria that are admitted or on trial at once.
        most: usize = Thresholds::DEFAULT.most, Legal::Whole { least: 1, most: 64 }, "criteria", "chosen here";
        /// A model in the role `rubric` is shown a reply that scored high once in so many groups.
        ask_every: u64 = 16, Legal::Whole { least: 1, most: 1 << 20 }, "groups", "chosen here";
    }
}

impl Evolution {
    /// When criteria come and go.
    pub fn thresholds(&self) -> Thresholds {
        let Self { high, window, least, admit, retire, most, .. } = *self;
        Thresholds { high, window, least, admit, retire, most }
    }
}

impl Rl {
    /// How its rubrics change; `None` where they do not.
    pub fn evolution(&self) -> Option<&Evolution> {
        self.rubric.as_ref().filter(|it| it.dynamic)
    }
}

impl RunConfig {
    /// Whether the rubrics of a stage change.
    pub(super) fn evolves(&self) -> bool {
        self.stage.iter().any(|stage| matches!(stage, Stage::Rl(rl) if rl.evolution().is_some()))
    }
}

/// Notes thresholds that do not fit together; `path` is the stage's.
pub(super) fn thresholds(evolution: Option<&Evolution>, path: &str, found: &mut Findings) {
    let Some(it) = evolution else { return };
    let field = |name: &str| join(&join(path, "rubric"), name);
    found.require(
        it.least <= it.window,
        &[&field("least"), &field("window")],
        format!("at most window ({})", it.window),
    );
    found.require(
        it.retire <= it.admit,
        &[&field("retire"), &field("admit")],
        format!("at most admit ({:?}), so that nothing comes and goes at once", it.admit),
    );
}

/// Notes a model in the role `rubric` that would have nothing to do, or write what nobody could judge.
pub(super) fn role(config: &RunConfig, found: &mut Findings) {
    let named = config.roles.model_of(Role::Rubric).is_some();
    found.require(
        !named || config.evolves(),
        &["roles.rubric", "stage"],
        "\"rules\": in a run a model only adds to rubrics that change, and no stage has [stage.rubric] with dynamic = true",
    );
    found.require(
        !named || !config.evolves() || config.roles.model_of(Role::Judge).is_some(),
        &["roles.rubric", "roles.judge"],
        "\"rules\" where rules judge: only a model in the role judge can judge what a model writes",
    );
}
