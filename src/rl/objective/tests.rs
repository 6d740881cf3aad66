use proptest::prelude::*;

use super::*;
use crate::kernels::head::Derivative;
use crate::rl::advantage::Advantages;
use crate::rl::batch_loss::{BatchLoss, Seen};
use crate::train::Objective;
use crate::train::config::AdvantageScale;

const ALL: [PolicyObjective; 6] = [
    PolicyObjective::M2,
    PolicyObjective::Grpo,
    PolicyObjective::DrGrpo,
    PolicyObjective::Dapo,
    PolicyObjective::Gspo,
    PolicyObjective::Cispo,
];
const CLIP: Clip = Clip { low: 0.2, high: 0.28 };

/// A reply: its tokens' log-probs now and when they were sampled, and its advantage.
#[derive(Debug, Clone)]
struct Reply {
    now: Vec<f32>,
    old: Vec<f32>,
    advantage: f32,
}

fn loss_of(objective: PolicyObjective) -> PolicyLoss {
    PolicyLoss { objective, clip: CLIP, l_max: 16, kl: None }
}

fn size(replies: &[Reply]) -> StepSize {
    StepSize { replies: replies.len(), tokens: replies.iter().map(|reply| reply.now.len()).sum() }
}

/// The derivatives of `replies` in a step of `size`.
fn derivatives(loss: PolicyLoss, size: StepSize, replies: &[Reply], seen: &mut Seen) -> Vec<f32> {
    let mut batch = BatchLoss::new(loss, size, seen);
    replies.iter().for_each(|reply| batch.push(reply.old.iter().copied(), reply.advantage));
    let now: Vec<f32> = replies.iter().flat_map(|reply| reply.now.iter().copied()).collect();
    asked(&mut batch, &now)
}

/// What `batch` answers where its log-probs are `now`.
fn asked(batch: &mut BatchLoss<'_>, now: &[f32]) -> Vec<f32> {
    match &mut batch.derivative() {
        Derivative::Each(one) => now.iter().enumerate().map(|(i, &p)| one(i, p)).collect(),
        Derivative::All(all) => all(now),
    }
}

/// The loss of a step as the papers have it, in f64 and from whole replies. What `cispo` takes as a constant comes from `fixed`.
fn exact(objective: PolicyObjective, replies: &[Vec<f64>], of: &[Reply], fixed: &[Vec<f64>]) -> f64 {
    let (low, high) = (1.0 - f64::from(CLIP.low), 1.0 + f64::from(CLIP.high));
    let tokens: usize = of.iter().map(|reply| reply.old.len()).sum();
    let count = of.len() as f64;
    let mut total = 0.0;
    for ((now, fixed), reply) in replies.iter().zip(fixed).zip(of) {
        let (advantage, len) = (f64::from(reply.advantage), now.len() as f64);
        let f = |r: f64| (r * advantage).min(r.clamp(low, high) * advantage);
        let gaps: Vec<f64> = now.iter().zip(&reply.old).map(|(x, &old)| x - f64::from(old)).collect();
        let each = gaps.iter().map(|gap| f(gap.exp())).sum::<f64>();
        total -= match objective {
            PolicyObjective::M2 | PolicyObjective::DrGrpo => each / (count * 16.0),
            PolicyObjective::Grpo => each / len / count,
            PolicyObjective::Dapo => each / tokens as f64,
            PolicyObjective::Gspo => f((gaps.iter().sum::<f64>() / len).exp()) / count,
            PolicyObjective::Cispo => {
                let old = reply.old.iter().map(|&old| f64::from(old));
                let weights = fixed.iter().zip(old).map(|(x, old)| (x - old).exp().min(high));
                weights.zip(now).map(|(weight, x)| weight * advantage * x).sum::<f64>() / tokens as f64
            }
        };
    }
    total
}

fn wide(replies: &[Reply]) -> Vec<Vec<f64>> {
    replies.iter().map(|reply| reply.now.iter().map(|&x| f64::from(x)).collect()).collect()
}

/// Whether a ratio, of a token or of the reply, is so near to an edge of the clip that a small step goes over it.
fn on_an_edge(reply: &Reply) -> bool {
    let near = |ratio: f32| [0.8, 1.28].iter().any(|edge| (ratio - edge).abs() < 2e-3);
    let pairs = || reply.now.iter().copied().zip(reply.old.iter().copied());
    pairs().any(|(now, old)| near(token_ratio(now, old).value)) || near(reply_ratio(pairs()).value)
}

fn replies() -> impl Strategy<Value = Vec<Reply>> {
    let token = (-6.0f32..-0.7, -0.6f32..0.6);
    let advantage = prop_oneof![1 => Just(0.0f32), 4 => -2.0f32..2.0];
    let reply = (prop::collection::vec(token, 1..12), advantage).prop_map(|(tokens, advantage)| Reply {
        now: tokens.iter().map(|(now, _)| *now).collect(),
        old: tokens.iter().map(|(now, gap)| now + gap).collect(),
        advantage,
    });
    prop::collection::vec(reply.prop_filter("not on an edge", |reply| !on_an_edge(reply)), 1..8)
}

#[test]
fn tokens_worked_by_hand() {
    let token =
        |objective, value, advantage| loss_of(objective).token(-2.0, Ratio { value, held: false }, advantage);
    for objective in ALL.into_iter().filter(|objective| *objective != PolicyObjective::Cispo) {
        let free = token(objective, 1.1, 2.0);
        assert_eq!((free.loss, free.derivative), (-2.2, -2.2));
        let high = token(objective, 1.5, 2.0);
        assert_eq!((high.loss, high.derivative, high.clipped_high), (-2.56, 0.0, true));
        let low = token(objective, 0.5, -2.0);
        assert_eq!((low.loss, low.derivative, low.clipped_low), (1.6, 0.0, true));
        // On the side that makes the loss worse nothing is clipped.
        let worse = token(objective, 1.5, -2.0);
        assert_eq!((worse.loss, worse.derivative, worse.clipped_high), (3.0, 3.0, false));
    }
    let held = token(PolicyObjective::Cispo, 1.5, 2.0);
    assert_eq!((held.loss, held.derivative, held.clipped_high), (5.12, -2.56, true));
    let free = token(PolicyObjective::Cispo, 0.5, -2.0);
    assert_eq!((free.loss, free.derivative, free.clipped_low), (-2.0, 1.0, false));
}

fn k3_of(objective: PolicyObjective) -> PolicyLoss {
    PolicyLoss { kl: Some(KlPenalty { beta: 0.5, form: KlForm::K3 }), ..loss_of(objective) }
}

#[test]
fn the_estimate_is_nothing_where_nothing_differs_and_keeps_small_differences() {
    assert_eq!(k3(-1.5, -1.5), (0.0, 0.0));
    for gap in [-3.0f64, -0.5, -1e-2, 1e-2, 0.5, 3.0] {
        let x = -2.0f32;
        let y = (f64::from(x) + gap) as f32;
        let gap = f64::from(y) - f64::from(x);
        let (kl, slope) = k3(x, y);
        let want = gap.exp() - gap - 1.0;
        assert!((f64::from(kl) - want).abs() <= 1e-5 * want.max(1e-2), "{gap}: {kl} and {want}");
        assert!((f64::from(slope) - (1.0 - gap.exp())).abs() <= 1e-6 * gap.exp().max(1.0), "{gap}: {slope}");
    }
}

#[test]
fn a_penalty_over_the_vocabulary_has_the_losss_divisor() {
    for objective in ALL {
        let loss = PolicyLoss { kl: Some(KlPenalty { beta: 0.5, form: KlForm::Full }), ..loss_of(objective) };
        let step = StepSize { replies: 6, tokens: 50 };
        let mut seen = Seen::default();
        let mut batch = BatchLoss::new(loss, step, &mut seen);
        for tokens in [2, 3] {
            batch.push(vec![-1.0; tokens], 0.0);
        }
        let coefficients = batch.kl_coefficients().unwrap();
        let wanted: Vec<f32> = [2, 2, 3, 3, 3].iter().map(|&n| 0.5 / loss.divisor(step, n)).collect();
        assert_eq!(coefficients, wanted, "{objective:?}");
        batch.kls(&[0.0, 1.0, 2.0, 0.0, 4.0]);
        let want = wanted[1] + 2.0 * wanted[2] + 4.0 * wanted[4];
        assert!((seen.loss - f64::from(want)).abs() <= 1e-8, "{objective:?}");
        assert_eq!(seen.kls, [0.0, 1.0, 2.0, 0.0, 4.0]);
        assert!(BatchLoss::new(k3_of(objective), step, &mut seen).kl_coefficients().is_none());
    }
}

#[test]
fn ratios_of_replies_are_geometric_means() {
    let ratio = reply_ratio([(-1.0, -2.0), (-3.0, -2.5), (-1.5, -1.5)]);
    assert!((ratio.value - (0.5f32 / 3.0).exp()).abs() < 1e-6);
    let one = Ratio { value: 1.0, held: false };
    assert_eq!(reply_ratio([(-1.25, -1.25); 5]), one);
    assert_eq!(reply_ratio([]), one);
}

#[test]
fn divisors_are_the_papers() {
    let step = StepSize { replies: 6, tokens: 50 };
    let divisors = ALL.map(|objective| loss_of(objective).divisor(step, 5));
    assert_eq!(divisors, [96.0, 30.0, 96.0, 50.0, 30.0, 50.0]);
}

#[test]
fn equal_rewards_have_derivatives_of_exactly_zero() {
    for scale in [AdvantageScale::Mean, AdvantageScale::Std] {
        let advantages = Advantages::scaled(&[Some(0.1); 3], scale).unwrap();
        let replies: Vec<Reply> = advantages
            .values()
            .iter()
            .map(|&a| Reply { now: vec![-1.0, -3.0], old: vec![-1.5, -1.0], advantage: a as f32 })
            .collect();
        for objective in ALL {
            let mut seen = Seen::default();
            let found = derivatives(loss_of(objective), size(&replies), &replies, &mut seen);
            assert!(found.len() == 6 && found.iter().all(|d| *d == 0.0), "{objective:?}: {found:?}");
            assert_eq!(seen.loss, 0.0, "{objective:?}");
        }
    }
}

#[test]
fn beyond_the_largest_gap_a_loss_is_a_constant() {
    let most = (-1.0f32, -21.0f32);
    let at = token_ratio(most.0, most.1);
    assert_eq!(at, Ratio { value: 20f32.exp(), held: false });
    assert_eq!(token_ratio(most.0, -300.0), Ratio { value: 20f32.exp(), held: true });
    assert_eq!(token_ratio(-300.0, -1.0), Ratio { value: (-20f32).exp(), held: true });
    assert_eq!(reply_ratio([most, (-1.0, -300.0)]), Ratio { value: 20f64.exp() as f32, held: true });
    for objective in ALL {
        let token = |ratio| loss_of(objective).token(-2.0, ratio, -0.5);
        let (within, beyond) = (token(at), token(Ratio { held: true, ..at }));
        assert_eq!(within.loss, beyond.loss, "{objective:?}");
        // That of cispo is a weight times a log-prob, and goes on.
        let goes_on = objective == PolicyObjective::Cispo;
        assert_eq!(within.derivative, if goes_on { 0.64 } else { 0.5 * 20f32.exp() }, "{objective:?}");
        assert_eq!(beyond.derivative, if goes_on { 0.64 } else { 0.0 }, "{objective:?}");
    }
    let excess = 20f32.exp_m1();
    assert_eq!(k3(-21.0, -1.0), (excess - 20.0, -excess));
    assert_eq!(k3(-300.0, -1.0), (excess - 20.0, 0.0));
    assert_eq!(k3(-1.0, -300.0), ((-20f32).exp_m1() + 20.0, 0.0));
}

/// A log-prob as a policy has it, and far beyond: training that went wrong.
fn far() -> impl Strategy<Value = f32> {
    prop_oneof![2 => -20.0f32..0.0, 1 => -300.0f32..0.0, 1 => -2e4f32..0.0]
}

proptest! {
    #[test]
    fn losses_and_derivatives_are_finite_however_far_policies_are_apart(
        tokens in prop::collection::vec((far(), far(), far()), 1..12),
        advantage in prop_oneof![Just(0.0f32), -2.0f32..2.0],
    ) {
        let reply = Reply {
            now: tokens.iter().map(|it| it.0).collect(),
            old: tokens.iter().map(|it| it.1).collect(),
            advantage,
        };
        for objective in ALL {
            let mut seen = Seen::default();
            let mut batch = BatchLoss::new(k3_of(objective), StepSize { replies: 1, tokens: tokens.len() }, &mut seen);
            batch.push(reply.old.iter().copied(), reply.advantage);
            batch.compare(tokens.iter().map(|it| it.2).collect());
            let found = asked(&mut batch, &reply.now);
            prop_assert_eq!(found.len(), tokens.len());
            prop_assert!(found.iter().all(|it| it.is_finite()), "{objective:?}: {found:?}");
            prop_assert!(seen.loss.is_finite() && seen.kls.iter().all(|it| it.is_finite()), "{objective:?}: {seen:?}");
        }
    }

    #[test]
    fn within_the_largest_gap_no_bit_is_another(x in -20.0f32..0.0, gap in -20.0f32..20.0) {
        let y = x + gap;
        let gap = x - y;
        prop_assume!(gap.abs() <= LARGEST_GAP);
        let bits = |(a, b): (f32, f32)| [a.to_bits(), b.to_bits()];
        let ratio = token_ratio(x, y);
        prop_assert!(!ratio.held);
        prop_assert_eq!(ratio.value.to_bits(), gap.exp().to_bits());
        let excess = (y - x).exp_m1();
        prop_assert_eq!(bits(k3(x, y)), bits((excess - (y - x), -excess)));
        let mean = (f64::from(x) - f64::from(y)).exp() as f32;
        let reply = reply_ratio([(x, y)]);
        prop_assert!(reply.held || reply.value.to_bits() == mean.to_bits());
    }

    #[test]
    fn losses_and_derivatives_are_those_of_the_papers(replies in replies()) {
        let at = wide(&replies);
        for objective in ALL {
            let mut seen = Seen::default();
            let found = derivatives(loss_of(objective), size(&replies), &replies, &mut seen);
            let want = exact(objective, &at, &replies, &at);
            prop_assert!((seen.loss - want).abs() <= 1e-5, "{objective:?}: {} and {want}", seen.loss);
            let places = (0..at.len()).flat_map(|reply| (0..at[reply].len()).map(move |token| (reply, token)));
            for ((reply, token), found) in places.zip(found) {
                let moved = |step: f64| {
                    let mut there = at.clone();
                    there[reply][token] += step;
                    exact(objective, &there, &replies, &at)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                prop_assert!((f64::from(found) - slope).abs() <= 2e-5, "{objective:?}: {found} and {slope}");
            }
        }
    }

    #[test]
    fn the_estimate_is_added_under_the_divisor_of_each_token(replies in replies(), shift in -0.9f32..0.9) {
        for objective in ALL {
            let (plain, with, size) = (loss_of(objective), k3_of(objective), size(&replies));
            let (mut seen, mut compared) = (Seen::default(), Seen::default());
            let without = derivatives(plain, size, &replies, &mut seen);
            let now: Vec<f32> = replies.iter().flat_map(|reply| reply.now.iter().copied()).collect();
            let reference: Vec<f32> = now.iter().enumerate().map(|(i, x)| x + shift * (i % 3) as f32).collect();
            let mut batch = BatchLoss::new(with, size, &mut compared);
            replies.iter().for_each(|reply| batch.push(reply.old.iter().copied(), reply.advantage));
            batch.compare(reference.clone());
            let found = asked(&mut batch, &now);
            let divisors = replies.iter().flat_map(|reply| {
                let count = reply.now.len();
                std::iter::repeat_n(f64::from(plain.divisor(size, count)), count)
            });
            let mut loss = seen.loss;
            for (i, divisor) in divisors.enumerate() {
                let gap = f64::from(reference[i]) - f64::from(now[i]);
                loss += 0.5 * (gap.exp() - gap - 1.0) / divisor;
                let want = f64::from(without[i]) + 0.5 * (1.0 - gap.exp()) / divisor;
                prop_assert!((f64::from(found[i]) - want).abs() <= 1e-5, "{objective:?}: {} and {want}", found[i]);
            }
            prop_assert!((compared.loss - loss).abs() <= 1e-5, "{objective:?}: {} and {loss}", compared.loss);
            prop_assert_eq!(compared.kls.len(), now.len());
        }
    }

    #[test]
    fn no_way_of_cutting_a_step_changes_a_bit_of_a_derivative(replies in replies(), part in 1usize..8) {
        for objective in ALL {
            let (loss, size) = (loss_of(objective), size(&replies));
            let (mut whole, mut cut) = (Seen::default(), Seen::default());
            let at_once = derivatives(loss, size, &replies, &mut whole);
            let parts: Vec<f32> =
                replies.chunks(part).flat_map(|some| derivatives(loss, size, some, &mut cut)).collect();
            let bits = |x: &[f32]| x.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
            prop_assert_eq!(bits(&at_once), bits(&parts), "{:?}", objective);
            prop_assert_eq!(whole, cut, "{:?}", objective);
        }
    }
}
