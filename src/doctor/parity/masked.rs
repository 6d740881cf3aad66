//! The output head's loss of the rows that a mask keeps, beside the same in f64 of all rows, of which the others count for nothing.

use burn::tensor::DType;

use super::head::{Beside, Case, Ignored, Logits, RANK, asked};
use super::{Expected, Parity};
use crate::doctor::exact::head::{self as exact, Inputs};
use crate::doctor::inputs::host;
use crate::kernels::KernelBackend;
use crate::kernels::head::{Derivative, LowRankGradients, mask};

impl<B: KernelBackend> Parity<'_, B> {
    /// With all that a row can have: an entropy, a divergence, a share of an adapter's gradients.
    pub(super) fn masked(&mut self) {
        let dims = [67, 96, 1031];
        let (beside, logits, ignored) = (Beside::Both, Logits::Plain, Ignored::Some);
        let case = Case { dims, beside, logits, ignored, seed: 608 };
        // Rows side by side and single ones are kept, the first and the last are not.
        let some: Vec<bool> = (0..dims[0]).map(|row| row % 7 > 3 || row % 11 == 5).collect();
        let none = vec![false; dims[0]];
        for (what, mask) in [("some rows left out", some), ("all rows left out", none)] {
            self.masked_loss(case, &format!("{}, {what}", case.text()), &mask);
        }
    }

    fn masked_loss(&mut self, case: Case, text: &str, mask: &[bool]) {
        let [n, width, _] = case.dims;
        let kept: Vec<usize> = (0..n).filter(|&row| mask[row]).collect();
        let left_out = n - kept.len();
        for (grain, dtypes) in self.grains() {
            let inputs = case.inputs(grain);
            let exact = exact::head(&inputs.silenced(mask));
            let terms = exact.terms;
            let mut expected = vec![
                // Where nothing but 0 is expected, nothing else is within any bound.
                Expected::whole("rows left out", vec![0.0; left_out * (width + 3)]),
                Expected::gradient("dweight", exact.weight, width, terms.weight),
                Expected::whole("dbias", exact.bias),
                Expected::gradient("dA", exact.a, width, terms.a),
                Expected::gradient("dB", exact.b, RANK, terms.b),
            ];
            if !kept.is_empty() {
                let take = |values: &[f64], width: usize| -> Vec<f64> {
                    kept.iter().flat_map(|&row| &values[row * width..][..width]).copied().collect()
                };
                let logarithms = self.logarithms(grain);
                expected.extend([
                    Expected::gradient("dhidden", take(&exact.hidden, width), width, terms.hidden),
                    logarithms("log p", take(&exact.log_probs, 1)),
                    logarithms("entropy", take(&exact.entropies, 1)),
                    logarithms("kl", take(&exact.kls, 1)),
                ]);
            }
            let inputs = inputs.spoiled(mask);
            for dtype in dtypes {
                self.check_product("head_loss", text, dtype, &expected, |device| {
                    found::<B>(&inputs, mask, device, dtype)
                });
            }
        }
    }
}

/// What the loss of the rows in `mask` gives in `dtype`, in the order of what is expected.
fn found<B: KernelBackend>(
    inputs: &Inputs,
    mask: &[bool],
    device: &B::Device,
    dtype: DType,
) -> Vec<Vec<f32>> {
    let slopes: Vec<f32> =
        inputs.slopes.iter().zip(mask).filter(|(_, kept)| **kept).map(|(slope, _)| *slope).collect();
    let found = asked::<B>(inputs, true, device, dtype, |input| {
        mask::loss(input, mask, &mut Derivative::each(|index, _| slopes[index]))
    });
    let (weight, bias) = (found.weight.map(host), found.bias.map(host));
    let (a, b) = found.adapter.map_or_else(Default::default, |LowRankGradients { a, b }| (host(a), host(b)));
    let of_rows = [host(found.hidden), found.log_probs, found.entropies, found.kls];
    // Values of the rows that are in the mask, or of those that are not.
    let take = |values: &[f32], wanted: bool| -> Vec<f32> {
        let rows = values.chunks_exact((values.len() / mask.len()).max(1)).zip(mask);
        rows.filter(|(_, kept)| **kept == wanted).flat_map(|(row, _)| row).copied().collect()
    };
    let left_out = of_rows.iter().flat_map(|values| take(values, false)).collect();
    let mut all = vec![left_out, weight.unwrap_or_default(), bias.unwrap_or_default(), a, b];
    all.extend(of_rows.iter().map(|values| take(values, true)));
    all
}
