//! Draws on a GPU: logits stay there.

use burn::tensor::{DType, Int, Shape, Tensor, TensorData};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, FloatElement, IntElement, element::BoolElement};

use super::Gpu;
use super::storage::{dense, owned, wrap};
use crate::kernels::sampling::cube::penalty::penalise_rows;
use crate::kernels::sampling::cube::{RESULTS, draw_rows};
use crate::kernels::sampling::{Draw, Sampled, reference};
use crate::kernels::selection;

/// Draws whose penalised scores are there at once.
const DRAWS: usize = 64;

/// The tokens of `draws` from `logits` `[n, vocab]` in f32.
pub(super) fn sample<R, F, I, BT>(logits: Tensor<Gpu<R, F, I, BT>, 2>, draws: &[Draw<'_>]) -> Vec<Sampled>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    if selection::plain() {
        return reference::fetched(logits, draws);
    }
    let [rows, vocab] = logits.dims();
    let logits = dense(logits);
    let results: Vec<Tensor<Gpu<R, F, I, BT>, 1, Int>> = draws
        .chunks(DRAWS)
        .map(|draws| {
            let penalised = draws.iter().any(|draw| draw.filters.repetition_penalty != 1.0);
            let scores = penalised.then(|| {
                let ids: Vec<i32> = draws.iter().map(|draw| draw.row as i32).collect();
                let data = TensorData::new(ids, [draws.len()]);
                let index = Tensor::<Gpu<R, F, I, BT>, 1, Int>::from_data(data, &logits.device);
                let scores: Tensor<Gpu<R, F, I, BT>, 2> = wrap(logits.clone());
                let scores = owned(dense(scores.select(0, index)));
                penalise_rows(&scores.client, &scores.handle, vocab, draws);
                scores
            });
            let scores = scores.as_ref().map(|scores| &scores.handle);
            let handle = draw_rows(&logits.client, (&logits.handle, rows), scores, vocab, draws);
            let shape = Shape::from([draws.len() * RESULTS]);
            let (client, device) = (logits.client.clone(), logits.device.clone());
            Tensor::from_primitive(CubeTensor::new_contiguous(client, device, shape, handle, DType::I32))
        })
        .collect();
    let words: Vec<u32> = results
        .into_iter()
        .flat_map(|it| it.into_data().iter::<i32>().collect::<Vec<_>>())
        .map(|it| it as u32)
        .collect();
    let sampled = |words: &[u32; RESULTS]| {
        let [id, logprob, sampling_logprob] = *words;
        Sampled { id, logprob: f32::from_bits(logprob), sampling_logprob: f32::from_bits(sampling_logprob) }
    };
    words.as_chunks::<RESULTS>().0.iter().map(sampled).collect()
}
