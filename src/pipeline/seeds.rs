//! The seeds of a run's parts, all of them from its one seed.

/// What a seed draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draws {
    /// The consultations that a supervised stage learns from; by the stage's place.
    Lessons(usize),
    /// The order in which a supervised stage sees them; by the stage's place.
    Order(usize),
    /// The first weights.
    Weights,
    /// Personas and wordings of the held-out patients, and replies to them.
    HeldOut,
    /// Pool, personas and replies of a stage of reinforcement learning; by its place.
    Rollouts(usize),
    /// Resamples of the intervals.
    Intervals,
    /// How imported cases are divided.
    Split,
    /// The presentations that a supervised stage consults; by the stage's place.
    Presentations(usize),
    /// The first values of adapters.
    Adapters,
    /// What a model finds wrong with replies of a stage of reinforcement learning; by its place.
    Flaws(usize),
}

/// The seed of one part. Parts never share one: the run's seed is mixed with the part's number by SplitMix64 (Steele,
/// Lea and Flood 2014).
pub(super) fn seed_of(run: u64, draws: Draws) -> u64 {
    let (kind, place) = match draws {
        Draws::Lessons(stage) => (1, stage),
        Draws::Order(stage) => (2, stage),
        Draws::Weights => (3, 0),
        Draws::HeldOut => (4, 0),
        Draws::Rollouts(stage) => (5, stage),
        Draws::Intervals => (6, 0),
        Draws::Split => (7, 0),
        Draws::Presentations(stage) => (8, stage),
        Draws::Adapters => (9, 0),
        Draws::Flaws(stage) => (11, stage),
    };
    mix(mix(run) ^ mix((kind << 32) | place as u64))
}

fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn parts_and_neighbouring_runs_share_no_seed() {
        let draws = [
            Draws::Lessons(0),
            Draws::Lessons(1),
            Draws::Order(0),
            Draws::Weights,
            Draws::HeldOut,
            Draws::Rollouts(0),
            Draws::Rollouts(1),
            Draws::Intervals,
            Draws::Split,
            Draws::Presentations(0),
            Draws::Adapters,
            Draws::Flaws(0),
        ];
        let seeds: BTreeSet<u64> = (0..1000).flat_map(|run| draws.map(|draws| seed_of(run, draws))).collect();
        assert_eq!(seeds.len(), 12_000);
        // The first number of the published generator at state 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }
}
