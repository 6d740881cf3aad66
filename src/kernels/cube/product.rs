//! Products of matrices on a GPU, by cubek's kernels.
//!
//! Which kernel runs follows from the type, the shape, its layout and the device. burn's autotune would compile and time every kernel at each new
//! shape: the first training step of a small model took 226 s so on an H100, and what is picked, and with it the rounding,
//! varies from run to run. f32 stays f32: the tensor cores' tf32 has 10 bits of mantissa.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::matmul::init_matmul_output;
use burn_cubecl::tensor::CubeTensor;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::std::InputBinding;

/// Each side of a product has to be this long for the kernel that copies whole tiles: it takes tiles of 128.
const LARGE: usize = 256;
/// Rows that the copy engine reads begin at multiples of so many bytes.
const ALIGNMENT: usize = 16;

/// Kernels for a product, the fastest first; the last one takes every shape. Of 8192 x 8192 x 8192 in bf16 an H100 makes, in
/// TFLOP/s: 304 with planes that only copy by the copy engine, 211 with two buffers, 107 with one.
fn strategies<R: CubeRuntime>(lhs: &CubeTensor<R>, rhs: &CubeTensor<R>) -> Vec<Strategy> {
    let anywhere = [Strategy::SimpleUnit(Default::default()), Strategy::Naive];
    if !matches!(lhs.dtype, DType::F16 | DType::BF16) {
        return anywhere.into();
    }
    let tensor_cores =
        [Strategy::DoubleCyclicMma(Default::default()), Strategy::SimpleCyclicCmma(Default::default())];
    let copied = copied_whole(lhs) && copied_whole(rhs);
    let copied = copied.then(|| Strategy::SpecializedTmaMma(Default::default()));
    copied.into_iter().chain(tensor_cores).chain(anywhere).collect()
}

/// Whether the copy engine, where there is one, can take tiles of `x`, and they are worth it.
fn copied_whole<R: CubeRuntime>(x: &CubeTensor<R>) -> bool {
    let [rows, columns] = x.meta.shape()[..] else { return false };
    let pitch = match x.meta.strides()[..] {
        [pitch, 1] if pitch >= columns => pitch,
        [1, pitch] if pitch >= rows => pitch,
        _ => return false,
    };
    (pitch * x.dtype.size()).is_multiple_of(ALIGNMENT) && rows.min(columns) >= LARGE
}

/// `lhs` `[m, k]` times `rhs` `[k, n]`, which are of one type, in `dtype`; either may be transposed in memory.
///
/// # Panics
/// If the types differ, or no kernel takes the shape on this device.
pub(super) fn product<R: CubeRuntime>(lhs: CubeTensor<R>, rhs: CubeTensor<R>, dtype: DType) -> CubeTensor<R> {
    assert!(lhs.dtype == rhs.dtype, "a product of {:?} and {:?}", lhs.dtype, rhs.dtype);
    let out = init_matmul_output(&lhs, &rhs, dtype);
    let (from, to_type) = (lhs.dtype.into(), dtype.into());
    let mut problems = Vec::new();
    for strategy in strategies(&lhs, &rhs) {
        let mut types = MatmulElems::from_globals(&MatmulGlobalElems { lhs: from, rhs: from, out: to_type });
        let operand = |x: &CubeTensor<R>| InputBinding::new(x.clone().binding(), from);
        let (a, b, to) = (operand(&lhs), operand(&rhs), out.clone().binding());
        match launch_ref(&strategy, &out.client, a, b, to, &mut types) {
            Ok(()) => return out,
            Err(problem) => problems.push(format!("{strategy}: {problem:?}")),
        }
    }
    panic!("no kernel multiplies {:?} by {:?}: {}", lhs.meta, rhs.meta, problems.join("; "))
}
