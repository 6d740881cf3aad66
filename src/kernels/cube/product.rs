//! Products of matrices on a GPU, by cubek's kernels.
//!
//! Which kernel runs follows from the type and the device alone. burn's autotune would compile and time every kernel at each new
//! shape: the first training step of a small model took 226 s so on an H100, and what is picked, and with it the rounding,
//! varies from run to run. f32 stays f32: the tensor cores' tf32 has 10 bits of mantissa.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::matmul::init_matmul_output;
use burn_cubecl::tensor::CubeTensor;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::std::InputBinding;

/// Kernels for products of `dtype`, the fastest first; the last one takes every shape.
fn strategies(dtype: DType) -> Vec<Strategy> {
    let anywhere = [Strategy::SimpleUnit(Default::default()), Strategy::Naive];
    let tensor_cores = matches!(dtype, DType::F16 | DType::BF16);
    let accelerated = tensor_cores.then(|| Strategy::SimpleCyclicCmma(Default::default()));
    accelerated.into_iter().chain(anywhere).collect()
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
    for strategy in strategies(lhs.dtype) {
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
