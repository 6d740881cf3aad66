use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use proptest::prelude::*;

use super::*;
use crate::doctor::exact::head::{self as exact, Inputs, Results, head};
use crate::kernels::KernelBackend;
use crate::kernels::linear::{AdaptedWeights, LowRankWeights, Matrix};

/// How the loss is computed.
#[derive(Clone, Copy)]
enum Way {
    /// In parts of so many rows.
    Rows(usize),
    /// In parts of so many columns.
    Columns(usize),
    /// In blocks of so many rows, each in parts of so many columns.
    Blocks([usize; 2]),
    /// All logits at once.
    Unfused,
    /// Of the rows that are kept.
    Masked([bool; 9]),
}

struct Case {
    hidden: Vec<f32>,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    adapter: Option<exact::Adapter>,
    targets: Vec<u32>,
    slopes: Vec<f32>,
    width: usize,
    soft_cap: Option<f32>,
    temperature: f32,
    /// As wide as the head.
    reference: Option<exact::Reference>,
}

impl Case {
    fn exact(&self) -> Results {
        head(&Inputs {
            hidden: self.hidden.clone(),
            weight: self.weight.clone(),
            bias: self.bias.clone(),
            adapter: self.adapter.clone(),
            targets: self.targets.clone(),
            slopes: self.slopes.clone(),
            soft_cap: self.soft_cap,
            temperature: self.temperature,
            reference: self.reference.clone(),
        })
    }

    /// What the terms of a logit come to at most, all in one direction: 2 a weight, 0.3 * 0.3 * 2 a rank of an adapter of at most 9, 3
    /// a bias; a cap's own size, to which its `tanh` is rounded.
    fn reach(&self) -> f64 {
        let length = |row: &[f32]| row.iter().map(|x| f64::from(x.abs())).sum::<f64>();
        let longest = self.hidden.chunks_exact(self.width).map(length).fold(0.0, f64::max);
        let cap = self.soft_cap.map_or(0.0, f64::from);
        ((2.0 + 9.0 * 0.18) * longest + 3.0 + cap) / f64::from(self.temperature)
    }

    /// What one way of computing it finds, asked for derivatives `at_once` or one by one.
    fn found(&self, way: Way, at_once: bool) -> HeadGradients<Flex> {
        self.asked(way, at_once, true, at_once)
    }

    /// The same with a head that is trained or frozen, and with entropies or without.
    fn asked(&self, way: Way, at_once: bool, trained: bool, entropies: bool) -> HeadGradients<Flex> {
        let (n, width, vocab) = (self.targets.len(), self.width, self.weight.len() / self.width);
        let tensor = |x: &[f32], dims: [usize; 2]| {
            Tensor::<Flex, 2>::from_data(TensorData::new(x.to_vec(), dims), &FlexDevice)
        };
        let weight = Matrix::Float(tensor(&self.weight, [vocab, width]));
        let matrices = |adapter: &exact::Adapter| {
            let rank = adapter.a.len() / width;
            let a = Matrix::Float(tensor(&adapter.a, [rank, width]));
            (a, Matrix::Float(tensor(&adapter.b, [vocab, rank])), adapter.scale)
        };
        let adapter = self.adapter.as_ref().map(matrices);
        let others = self.reference.as_ref().and_then(|it| it.adapter.as_ref()).map(matrices);
        let bias = self.bias.as_ref().map(|bias| tensor(bias, [1, vocab]).reshape([vocab]));
        let other = self.reference.as_ref().map(|it| Matrix::Float(tensor(&it.weight, [vocab, width])));
        let pair = self.reference.as_ref().zip(other.as_ref());
        let reference = pair.map(|(it, weight)| Reference {
            hidden: tensor(&it.hidden, [n, width]),
            head: AdaptedWeights { weight, bias: None, adapter: borrowed(&others) },
            coefficients: &it.coefficients,
        });
        let input = HeadInput {
            hidden: tensor(&self.hidden, [n, width]),
            head: AdaptedWeights { weight: &weight, bias: bias.as_ref(), adapter: borrowed(&adapter) },
            targets: &self.targets,
            soft_cap: self.soft_cap,
            temperature: self.temperature,
            entropies,
            reference,
            trained,
        };
        let mut next = 0;
        let kept = |row: usize| if let Way::Masked(mask) = way { mask[row] } else { true };
        let slopes: Vec<f32> = (0..n).filter(|&row| kept(row)).map(|row| self.slopes[row]).collect();
        let mut one = |index: usize, log_prob: f32| {
            assert_eq!(index, next, "asked for in order");
            assert!(log_prob <= 1e-4 && log_prob.is_finite(), "{log_prob} is no log-prob");
            next += 1;
            slopes[index]
        };
        let mut derivative = if at_once {
            let count = slopes.len();
            Derivative::all(move |log_probs| {
                assert_eq!(log_probs.len(), count, "all at once");
                log_probs.iter().enumerate().map(|(index, &log_prob)| one(index, log_prob)).collect()
            })
        } else {
            Derivative::each(one)
        };
        match way {
            Way::Rows(part) => rows::loss(input, part, &mut derivative),
            Way::Columns(part) => columns::loss(input, part, &mut derivative),
            Way::Blocks(part) => columns::in_blocks(input, part, &mut derivative),
            Way::Unfused => unfused::loss(input, &mut derivative),
            Way::Masked(mask) => mask::loss(input, &mask[..n], &mut derivative),
        }
    }
}

/// An adapter's matrices and scale as kernels take them.
fn borrowed(matrices: &Option<(Matrix<Flex>, Matrix<Flex>, f32)>) -> Option<LowRankWeights<'_, Flex>> {
    matrices.as_ref().map(|(a, b, scale)| LowRankWeights { a, b, scale: *scale })
}

/// Blocks of 1 to 5 rows, in parts of `part` columns.
fn blocks(part: usize) -> Way {
    Way::Blocks([1 + part % 5, part])
}

fn values(count: usize, size: f32) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-size..size, count)
}

/// An adapter of a head `[vocab, width]`, whose rank may be larger than either.
fn adapter(vocab: usize, width: usize) -> impl Strategy<Value = exact::Adapter> {
    // Small enough that logits stay as large as the head makes them.
    (1usize..=9, prop_oneof![Just(1.0f32), 0.1f32..2.0]).prop_flat_map(move |(rank, scale)| {
        (values(rank * width, 0.3), values(vocab * rank, 0.3)).prop_map(move |(a, b)| exact::Adapter {
            a,
            b,
            scale,
        })
    })
}

fn case() -> impl Strategy<Value = Case> {
    (1usize..=9, 1usize..=33, 1usize..=8, any::<bool>(), prop_oneof![Just(1.0f32), 0.3f32..2.0])
        .prop_flat_map(|(n, vocab, width, bias, temperature)| {
            let bias = if bias { values(vocab, 3.0).prop_map(Some).boxed() } else { Just(None).boxed() };
            // Some slopes are exactly 0: rows that count for nothing.
            let slope = prop_oneof![1 => Just(0.0f32), 4 => -2.0f32..2.0];
            let soft_cap = prop_oneof![2 => Just(None), 1 => (0.5f32..40.0).prop_map(Some)];
            let rest = (prop::collection::vec(0..vocab as u32, n), prop::collection::vec(slope, n), soft_cap);
            // Now and then logits of some hundreds.
            let size = prop_oneof![3 => Just(1.5f32), 1 => Just(30.0)];
            let matrices =
                size.prop_flat_map(move |size| (values(n * width, size), values(vocab * width, 2.0)));
            let coefficient = prop_oneof![1 => Just(0.0f32), 2 => -2.0f32..2.0];
            let adapter = move || prop::option::of(adapter(vocab, width));
            let reference = (
                (values(n * width, 1.5), values(vocab * width, 2.0)),
                adapter(),
                prop::collection::vec(coefficient, n),
            );
            let reference = reference.prop_map(|((hidden, weight), adapter, coefficients)| {
                exact::Reference { hidden, weight, bias: None, adapter, coefficients }
            });
            let added = (bias, adapter());
            (matrices, added, rest, prop::option::of(reference)).prop_map(
                move |((hidden, weight), (bias, adapter), (targets, slopes, soft_cap), reference)| Case {
                    hidden,
                    weight,
                    bias,
                    adapter,
                    targets,
                    slopes,
                    width,
                    soft_cap,
                    temperature,
                    reference,
                },
            )
        })
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {}, width {}", self.targets, self.weight.len() / self.width, self.width)
    }
}

fn largest(exact: &[f64]) -> f64 {
    exact.iter().fold(1.0f64, |a, b| a.max(b.abs()))
}

fn close(what: &str, found: &[f32], exact: &[f64]) -> Result<(), TestCaseError> {
    // Logits of some hundreds are known to 3e-5 only, and so is what comes of their exponentials.
    within(2e-4 * largest(exact), what, found, exact)
}

/// Logits that are each wrong by `e` make an entropy `H` wrong by up to `e sum_v p_v |log p_v + H|`, which is at most `2 e H`. The
/// rest is its own rounding, which is not measured by less than 1.
fn entropies_are_close(reach: f64, found: &[f32], exact: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), exact.len(), "entropies");
    for (found, exact) in found.iter().zip(exact) {
        let (apart, rounding) = ((f64::from(*found) - exact).abs(), 5e-7 * reach);
        // Written so that NaN fails.
        let close = apart <= 1e-5 * exact.max(1.0) + 2.0 * rounding * exact;
        prop_assert!(close, "entropies: {found:e}, exactly {exact:e}, logits to {rounding:e}");
    }
    Ok(())
}

fn within(bound: f64, what: &str, found: &[f32], exact: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), exact.len(), "{}", what);
    for (found, exact) in found.iter().zip(exact) {
        let apart = (f64::from(*found) - exact).abs();
        // Written so that NaN fails.
        prop_assert!(apart <= bound, "{what}: {found:e}, exactly {exact:e}");
    }
    Ok(())
}

fn gradients_are_close(
    case: &Case,
    found: HeadGradients<Flex>,
    exact: &Results,
) -> Result<(), TestCaseError> {
    let host = |x: Tensor<Flex, 2>| x.into_data().to_vec::<f32>().unwrap();
    // In the gradient of a divergence of hundreds of nats, differences of such numbers cancel.
    let terms = largest(&exact.kls);
    let close =
        |what: &str, found: &[f32], exact: &[f64]| within(2e-4 * terms * largest(exact), what, found, exact);
    close("hidden", &host(found.hidden), &exact.hidden)?;
    close("weight", &host(found.weight.unwrap()), &exact.weight)?;
    prop_assert_eq!(found.bias.is_some(), case.bias.is_some());
    if let Some(bias) = found.bias {
        close("bias", &bias.into_data().to_vec::<f32>().unwrap(), &exact.bias)?;
    }
    prop_assert_eq!(found.adapter.is_some(), case.adapter.is_some());
    if let Some(LowRankGradients { a, b }) = found.adapter {
        close("A", &host(a), &exact.a)?;
        close("B", &host(b), &exact.b)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_of_rows_or_columns_and_all_at_once_give_the_exact_gradients(case in case(), part in 1usize..=40) {
        let exact = case.exact();
        let ways = [Way::Rows(part), Way::Columns(part), blocks(part), Way::Unfused];
        for (way, at_once) in ways.into_iter().flat_map(|way| [(way, false), (way, true)]) {
            let found = case.found(way, at_once);
            close("log-probs", &found.log_probs, &exact.log_probs)?;
            close("divergences", &found.kls, &exact.kls)?;
            if at_once {
                entropies_are_close(case.reach(), &found.entropies, &exact.entropies)?;
            } else {
                prop_assert!(found.entropies.is_empty());
            }
            gradients_are_close(&case, found, &exact)?;
        }
    }

    #[test]
    fn asking_for_all_derivatives_at_once_changes_no_bit(case in case(), part in 1usize..=40) {
        for way in [Way::Rows(part), Way::Columns(part), blocks(part), Way::Unfused] {
            let (one, all) = (case.asked(way, false, true, false), case.asked(way, true, true, false));
            let bits = |x: &[f32]| x.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
            let host = |x: Tensor<Flex, 2>| bits(&x.into_data().to_vec::<f32>().unwrap());
            prop_assert_eq!(bits(&one.log_probs), bits(&all.log_probs));
            prop_assert_eq!(host(one.hidden), host(all.hidden));
            prop_assert_eq!(host(one.weight.unwrap()), host(all.weight.unwrap()));
        }
    }

    #[test]
    fn a_frozen_head_has_no_gradient_and_changes_no_bit_of_the_rest(case in case(), part in 1usize..=40) {
        for way in [Way::Rows(part), Way::Columns(part), blocks(part), Way::Unfused] {
            let (trained, frozen) = (case.found(way, false), case.asked(way, false, false, false));
            prop_assert!(frozen.weight.is_none() && frozen.bias.is_none());
            let bits = |x: &[f32]| x.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
            let host = |x: Tensor<Flex, 2>| bits(&x.into_data().to_vec::<f32>().unwrap());
            prop_assert_eq!(bits(&trained.log_probs), bits(&frozen.log_probs));
            prop_assert_eq!(host(trained.hidden), host(frozen.hidden));
            // An adapter is trained on a frozen head, too.
            prop_assert_eq!(frozen.adapter.is_some(), case.adapter.is_some());
            for (trained, frozen) in trained.adapter.into_iter().zip(frozen.adapter) {
                prop_assert_eq!(host(trained.a), host(frozen.a));
                prop_assert_eq!(host(trained.b), host(frozen.b));
            }
        }
    }

    #[test]
    fn rows_that_count_for_nothing_have_no_gradient(
        case in case(),
        part in 1usize..=40,
        counts in prop_oneof![Just(vec![false; 9]), prop::collection::vec(any::<bool>(), 9)],
    ) {
        let mut case = case;
        let leave = |values: &mut Vec<f32>| {
            values.iter_mut().zip(&counts).filter(|(_, counts)| !**counts).for_each(|(value, _)| *value = 0.0);
        };
        leave(&mut case.slopes);
        case.reference.iter_mut().for_each(|it| leave(&mut it.coefficients));
        let exact = case.exact();
        for way in [Way::Rows(part), Way::Columns(part), blocks(part), Way::Unfused] {
            let found = case.found(way, false);
            close("log-probs", &found.log_probs, &exact.log_probs)?;
            close("divergences", &found.kls, &exact.kls)?;
            let host = |x: Tensor<Flex, 2>| x.into_data().to_vec::<f32>().unwrap();
            let hidden = host(found.hidden);
            for (row, counts) in hidden.chunks(case.width).zip(&counts) {
                prop_assert!(*counts || row.iter().all(|x| *x == 0.0), "{row:?}");
            }
            let adapter = found.adapter.into_iter().flat_map(|it| [it.a, it.b]);
            let rest: Vec<f32> = found.weight.into_iter().chain(adapter).flat_map(host).collect();
            let bias = found.bias.into_iter().flat_map(|it| it.into_data().to_vec::<f32>().unwrap());
            let nothing = counts[..case.targets.len()].iter().all(|counts| !counts);
            prop_assert!(!nothing || rest.into_iter().chain(bias).all(|x| x == 0.0));
        }
    }

    #[test]
    fn rows_that_a_mask_leaves_out_are_as_if_they_were_not_there(
        case in case(),
        at_once in any::<bool>(),
        mask in prop_oneof![Just([false; 9]), Just([true; 9]), any::<[bool; 9]>()],
    ) {
        let mut case = case;
        let left_out: Vec<usize> = (0..case.slopes.len()).filter(|&row| !mask[row]).collect();
        for &row in &left_out {
            case.slopes[row] = 0.0;
            case.reference.iter_mut().for_each(|it| it.coefficients[row] = 0.0);
        }
        let mut exact = case.exact();
        for all in [&mut exact.log_probs, &mut exact.entropies, &mut exact.kls] {
            left_out.iter().for_each(|&row| all.get_mut(row).into_iter().for_each(|value| *value = 0.0));
        }
        // Nothing of them is read.
        let width = case.width;
        for &row in &left_out {
            case.hidden[row * width..][..width].fill(f32::NAN);
            case.targets[row] = u32::MAX;
            case.slopes[row] = f32::NAN;
            if let Some(it) = &mut case.reference {
                it.hidden[row * width..][..width].fill(f32::NAN);
                it.coefficients[row] = f32::NAN;
            }
        }
        // Without entropies or with a frozen head, the rest is what it was.
        let bits = |x: &[f32]| x.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
        let (found, least) = (case.asked(Way::Masked(mask), at_once, true, true), case.asked(Way::Masked(mask), at_once, false, false));
        prop_assert!(least.entropies.is_empty() && least.weight.is_none() && least.bias.is_none());
        prop_assert_eq!(bits(&found.log_probs), bits(&least.log_probs));
        prop_assert_eq!(bits(&found.kls), bits(&least.kls));
        let hidden = found.hidden.clone().into_data().to_vec::<f32>().unwrap();
        for &row in &left_out {
            for all in [&found.log_probs, &found.entropies, &found.kls] {
                prop_assert_eq!(all.get(row).copied().unwrap_or(0.0).to_bits(), 0);
            }
            prop_assert!(hidden[row * width..][..width].iter().all(|x| x.to_bits() == 0));
        }
        close("log-probs", &found.log_probs, &exact.log_probs)?;
        close("divergences", &found.kls, &exact.kls)?;
        entropies_are_close(case.reach(), &found.entropies, &exact.entropies)?;
        gradients_are_close(&case, found, &exact)?;
    }

    /// What is sampled from is what is trained on: the trainer's log-probs have the bits of those of a layer's own logits.
    #[test]
    fn parts_of_rows_have_the_bits_of_the_adapted_layer(case in case(), part in 1usize..=40) {
        let plain = Case { soft_cap: None, temperature: 1.0, reference: None, ..case };
        let found = plain.found(Way::Rows(part), false);
        let rows = |x: &[f32], width: usize| {
            let dims = [x.len() / width, width];
            Tensor::<Flex, 2>::from_data(TensorData::new(x.to_vec(), dims), &FlexDevice)
        };
        let (width, vocab) = (plain.width, plain.weight.len() / plain.width);
        let weight = Matrix::Float(rows(&plain.weight, width));
        let bias: Option<Tensor<Flex, 1>> = plain.bias.as_ref().map(|it| rows(it, vocab).reshape([vocab]));
        let matrices = plain.adapter.as_ref().map(|it| {
            let rank = it.a.len() / width;
            (Matrix::Float(rows(&it.a, width)), Matrix::Float(rows(&it.b, rank)), it.scale)
        });
        let layer = AdaptedWeights { weight: &weight, bias: bias.as_ref(), adapter: borrowed(&matrices) };
        // One row at a time, as decoding has them.
        for ((hidden, &target), found) in plain.hidden.chunks(width).zip(&plain.targets).zip(found.log_probs) {
            let [logits] = crate::kernels::linear::low_rank::products(rows(hidden, width), [&layer]);
            let (alone, _) = Flex::log_probs(&logits, &[target]);
            prop_assert_eq!(alone[0].to_bits(), found.to_bits());
        }
    }
}
