//! Linear layers on a GPU.

use burn::tensor::Tensor;
use burn_cubecl::element::BoolElement;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::{CubeRuntime, FloatElement, IntElement};

use super::storage::{like, primitive, wrap};
use super::{Gpu, blocks};
use crate::kernels::linear::{LinearWeights, Matrix, cube, reference};
use crate::kernels::selection;

/// One linear layer: rows too few for products in tiles have a kernel of their own.
pub(super) fn linear<R, F, I, BT>(
    x: Tensor<Gpu<R, F, I, BT>, 2>,
    part: &LinearWeights<'_, Gpu<R, F, I, BT>>,
) -> Tensor<Gpu<R, F, I, BT>, 2>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    let [n, k] = x.dims();
    let weight = match part.weight {
        Matrix::Float(weight) if weight.dtype() == x.dtype() && !selection::plain() => weight,
        Matrix::DeviceBlocks(weight) => return blocks::linear(x, weight, part.bias),
        _ => return reference::linear(x, part),
    };
    let weight = primitive(weight.clone());
    if !cube::takes(&weight.client, n) {
        return reference::linear(x, part);
    }
    let [out, _] = part.weight.dims();
    // CUDA's buffers have rows padded to 512 bytes: a copy without would cost more than the product.
    let pitch = match weight.meta.strides()[..] {
        [pitch, 1] if pitch >= k => pitch,
        _ => return reference::linear(x, part),
    };
    let x = into_contiguous(primitive(x));
    let bias = part.bias.map(|bias| into_contiguous(primitive(bias.clone().cast(x.dtype))));
    let bias = bias.as_ref().map(|bias| &bias.handle);
    let y = cube::few_rows(&x.client, [&x.handle, &weight.handle], bias, x.dtype.into(), [n, k, out], pitch);
    wrap(like(&x, y, [n, out]))
}
