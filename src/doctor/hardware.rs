//! What a device's runtime says of it.

use super::report::Hardware;
use crate::engine::Device;

/// What the runtime of `device` says, where it has one.
pub(super) fn hardware(device: Device) -> Option<Hardware> {
    match device {
        #[cfg(feature = "wgpu")]
        Device::Wgpu => Some(cube::hardware(cube::WGPU, &burn_wgpu::WgpuDevice::default())),
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => Some(cube::hardware(cube::CUDA, &burn_cuda::CudaDevice::new(index))),
        _ => None,
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube {
    use std::collections::BTreeSet;
    use std::marker::PhantomData;

    use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
    use cubecl::features::{MmaConfig, Plane};

    use crate::doctor::report::{AttentionPath, Hardware, MatrixShape};
    use crate::kernels::KernelBackend;
    use crate::measure::floats::{dtype_name, floats};

    /// Elements of the heads of models.
    const HEAD_DIMS: [usize; 3] = [64, 96, 128];

    #[cfg(feature = "wgpu")]
    pub const WGPU: PhantomData<burn_wgpu::Wgpu> = PhantomData;
    #[cfg(feature = "cuda")]
    pub const CUDA: PhantomData<burn_cuda::Cuda> = PhantomData;

    /// What the runtime of a backend says of `device`. The backend is asked for because burn does not name CUDA's runtime.
    pub fn hardware<R, F, I, BT>(_: PhantomData<CubeBackend<R, F, I, BT>>, device: &R::Device) -> Hardware
    where
        R: CubeRuntime,
        F: FloatElement,
        I: IntElement,
        BT: BoolElement,
    {
        let client = R::client(device);
        let (limits, matmul) = (&client.properties().hardware, &client.features().matmul);
        let (x, y, z) = limits.max_cube_count;
        Hardware {
            plane_units: [limits.plane_size_min, limits.plane_size_max],
            plane_operations: client.features().plane.contains(Plane::Ops),
            shared_memory_bytes: limits.max_shared_memory_size,
            max_cube_count: [x, y, z],
            multiprocessors: limits.num_streaming_multiprocessors,
            cmma: shapes(&matmul.cmma),
            mma: shapes(&matmul.mma),
            attention: attention::<CubeBackend<R, F, I, BT>>(device),
        }
    }

    fn attention<B: KernelBackend>(device: &B::Device) -> Vec<AttentionPath> {
        let dtypes = floats::<B>(device).into_iter();
        let pairs = dtypes.flat_map(|dtype| HEAD_DIMS.map(|head_dim| (dtype, head_dim)));
        let path = |(dtype, head_dim)| AttentionPath {
            dtype: dtype_name(dtype),
            head_dim,
            kernels: B::attention_kernels(device, dtype, head_dim).into_iter().map(|it| it.name()).collect(),
        };
        pairs.map(path).collect()
    }

    fn shapes(configurations: &BTreeSet<MmaConfig>) -> Vec<MatrixShape> {
        let shape = |it: &MmaConfig| MatrixShape {
            m: it.m,
            n: it.n,
            k: it.k,
            a: it.a_type.to_string(),
            b: it.b_type.to_string(),
            c: it.cd_type.to_string(),
        };
        configurations.iter().map(shape).collect()
    }
}
