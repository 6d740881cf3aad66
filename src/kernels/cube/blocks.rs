//! Products with quantised blocks in a GPU's memory.

use burn::tensor::{DType, Shape, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, FloatElement, IntElement, element::BoolElement};

use super::Gpu;
use super::storage::{like, primitive, wrap};
use crate::kernels::quantised::cube::{Rows, decode_rows};
use crate::kernels::quantised::{DeviceBlocks, part_rows};
use crate::kernels::{KernelBackend, linear};

/// `x W^T + b` in the type of `x` `[n, in]`. Few rows read blocks where they are; for more, the values of a part of the weight are
/// made at a time.
pub(super) fn linear<R, F, I, BT>(
    x: Tensor<Gpu<R, F, I, BT>, 2>,
    weight: &DeviceBlocks<Gpu<R, F, I, BT>>,
    bias: Option<&Tensor<Gpu<R, F, I, BT>, 1>>,
) -> Tensor<Gpu<R, F, I, BT>, 2>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    let ([n, k], [out, _], dtype) = (x.dims(), weight.dims(), x.dtype());
    if n == 0 || out == 0 {
        return Tensor::zeros([n, out], (&x.device(), dtype));
    }
    let words = words(weight);
    if linear::cube::takes(&words.client, n) {
        let x = into_contiguous(primitive(x));
        let bias = bias.map(|bias| into_contiguous(primitive(bias.clone().cast(dtype))));
        let bias = bias.as_ref().map(|bias| &bias.handle);
        let held = (&words.handle, len(&words));
        let dims = [n, k, out];
        let y = linear::cube_blocks::few_rows(
            &x.client,
            &x.handle,
            held,
            bias,
            dtype.into(),
            dims,
            weight.block(),
        );
        return wrap(like(&x, y, [n, out]));
    }
    let part = part_rows(k, dtype.size());
    let mut products: Vec<_> = (0..out)
        .step_by(part)
        .map(|first| {
            let count = part.min(out - first);
            let values = values(weight, Rows::From(first, count), count, dtype);
            Gpu::<R, F, I, BT>::product(x.clone(), values.transpose())
        })
        .collect();
    let y = if products.len() == 1 { products.swap_remove(0) } else { Tensor::cat(products, 1) };
    match bias {
        Some(bias) => y + bias.clone().cast(dtype).unsqueeze_dim(0),
        None => y,
    }
}

/// The values of `count` rows `[count, columns]` in `dtype`.
pub(super) fn values<R, F, I, BT>(
    blocks: &DeviceBlocks<Gpu<R, F, I, BT>>,
    rows: Rows<'_>,
    count: usize,
    dtype: DType,
) -> Tensor<Gpu<R, F, I, BT>, 2>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    let [_, columns] = blocks.dims();
    let words = words(blocks);
    let held = (&words.handle, len(&words));
    let handle = decode_rows(&words.client, held, rows, columns, blocks.block(), dtype.into());
    let shape = Shape::from([count, columns]);
    wrap(CubeTensor::new_contiguous(words.client.clone(), words.device.clone(), shape, handle, dtype))
}

fn words<R, F, I, BT>(blocks: &DeviceBlocks<Gpu<R, F, I, BT>>) -> CubeTensor<R>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    blocks.words().clone().into_primitive()
}

fn len<R: CubeRuntime>(words: &CubeTensor<R>) -> usize {
    words.meta.shape().num_elements()
}
