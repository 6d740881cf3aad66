use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use proptest::prelude::*;

use super::*;
use crate::doctor::exact::head::{Inputs, Results, head};
use crate::kernels::linear::Matrix;

struct Case {
    hidden: Vec<f32>,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    targets: Vec<u32>,
    slopes: Vec<f32>,
    width: usize,
    temperature: f32,
}

impl Case {
    fn exact(&self) -> Results {
        head(&Inputs {
            hidden: self.hidden.clone(),
            weight: self.weight.clone(),
            bias: self.bias.clone(),
            targets: self.targets.clone(),
            slopes: self.slopes.clone(),
            temperature: self.temperature,
        })
    }

    /// What `loss` finds in parts of `part` rows or columns.
    fn found(&self, by_columns: bool, part: usize) -> HeadGradients<Flex> {
        let (n, width, vocab) = (self.targets.len(), self.width, self.weight.len() / self.width);
        let tensor = |x: &[f32], dims: [usize; 2]| {
            Tensor::<Flex, 2>::from_data(TensorData::new(x.to_vec(), dims), &FlexDevice)
        };
        let weight = Matrix::Float(tensor(&self.weight, [vocab, width]));
        let bias = self.bias.as_ref().map(|bias| tensor(bias, [1, vocab]).reshape([vocab]));
        let input = HeadInput {
            hidden: tensor(&self.hidden, [n, width]),
            head: LinearWeights { weight: &weight, bias: bias.as_ref() },
            targets: &self.targets,
            temperature: self.temperature,
        };
        let mut next = 0;
        let mut derivative = |index: usize, log_prob: f32| {
            assert_eq!(index, next, "asked for in order");
            assert!(log_prob <= 1e-4 && log_prob.is_finite(), "{log_prob} is no log-prob");
            next += 1;
            self.slopes[index]
        };
        if by_columns {
            columns::loss(input, part, &mut derivative)
        } else {
            rows::loss(input, part, &mut derivative)
        }
    }
}

fn values(count: usize, size: f32) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-size..size, count)
}

fn case() -> impl Strategy<Value = Case> {
    (1usize..=9, 1usize..=33, 1usize..=8, any::<bool>(), prop_oneof![Just(1.0f32), 0.3f32..2.0])
        .prop_flat_map(|(n, vocab, width, bias, temperature)| {
            let bias = if bias { values(vocab, 3.0).prop_map(Some).boxed() } else { Just(None).boxed() };
            // Some slopes are exactly 0: rows that count for nothing.
            let slope = prop_oneof![1 => Just(0.0f32), 4 => -2.0f32..2.0];
            let rest = (prop::collection::vec(0..vocab as u32, n), prop::collection::vec(slope, n));
            // Now and then logits of some hundreds.
            let size = prop_oneof![3 => Just(1.5f32), 1 => Just(30.0)];
            let matrices =
                size.prop_flat_map(move |size| (values(n * width, size), values(vocab * width, 2.0)));
            (matrices, bias, rest).prop_map(move |((hidden, weight), bias, (targets, slopes))| Case {
                hidden,
                weight,
                bias,
                targets,
                slopes,
                width,
                temperature,
            })
        })
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {}, width {}", self.targets, self.weight.len() / self.width, self.width)
    }
}

fn close(what: &str, found: &[f32], exact: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), exact.len(), "{}", what);
    // Logits of some hundreds are known to 3e-5 only, and so is what comes of their exponentials.
    let largest = exact.iter().fold(1.0f64, |a, b| a.max(b.abs()));
    for (found, exact) in found.iter().zip(exact) {
        let apart = (f64::from(*found) - exact).abs();
        // Written so that NaN fails.
        prop_assert!(apart <= 2e-4 * largest, "{what}: {found:e}, exactly {exact:e}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_of_rows_and_of_columns_give_the_exact_gradients(case in case(), part in 1usize..=40) {
        let exact = case.exact();
        for by_columns in [false, true] {
            let found = case.found(by_columns, part);
            let host = |x: Tensor<Flex, 2>| x.into_data().to_vec::<f32>().unwrap();
            close("log-probs", &found.log_probs, &exact.log_probs)?;
            close("hidden", &host(found.hidden), &exact.hidden)?;
            close("weight", &host(found.weight), &exact.weight)?;
            prop_assert_eq!(found.bias.is_some(), case.bias.is_some());
            if let Some(bias) = found.bias {
                close("bias", &bias.into_data().to_vec::<f32>().unwrap(), &exact.bias)?;
            }
        }
    }
}
