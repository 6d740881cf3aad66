//! Attention on GPUs: one source for CUDA and wgpu.
//!
//! Forward and backward keep no score matrix. Tiles of queries walk the keys they see, tiles of keys the queries that see
//! them ([`plan`]); what a device multiplies tiles with is [`super::choice`]'s.

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::server::Handle;

use super::choice::packed::Path;
use super::{AttentionShape, Segment, cover};
use launch::{Inputs, Upstream};

mod cached;
mod cached_plane;
mod dot;
pub(in crate::kernels) mod launch;
mod mma;
pub(in crate::kernels) mod paged;
mod plan;
mod plane;
mod tensor;
mod tile;
mod unit;

/// `q` `[n, heads, head_dim]`, `k` and `v` `[n, kv_heads, head_dim]` on one device.
pub(in crate::kernels) struct Operands<R: CubeRuntime> {
    q: CubeTensor<R>,
    inputs: Inputs,
    path: Path,
}

impl<R: CubeRuntime> Operands<R> {
    /// Of packed sequences.
    ///
    /// # Panics
    /// If the sizes are not those of the segments and the shape, the types differ, the device has less shared memory than the
    /// smallest tile takes, or it cannot run what this thread asked for.
    pub fn new([q, k, v]: [CubeTensor<R>; 3], segments: &[Segment], shape: AttentionShape) -> Self {
        let dims = [&q, &k, &v].map(|x| x.shape().dims::<3>());
        cover::packed(segments, dims, shape);
        let (q, k, v) = (into_contiguous(q), into_contiguous(k), into_contiguous(v));
        assert!(q.dtype == k.dtype && q.dtype == v.dtype, "queries, keys and values differ in type");
        let path = launch::path(&q.client, q.dtype.into(), shape.head_dim);
        let dtype = q.dtype.into();
        let (rows, key_rows) = (q.shape()[0], k.shape()[0]);
        let inputs = Inputs { q: q.handle.clone(), k: k.handle, v: v.handle, dtype, rows, key_rows };
        Self { q, inputs, path }
    }

    fn wrap<const D: usize>(&self, handle: Handle, dims: [usize; D], dtype: DType) -> CubeTensor<R> {
        let (client, device) = (self.q.client.clone(), self.q.device.clone());
        CubeTensor::new_contiguous(client, device, Shape::from(dims), handle, dtype)
    }

    /// Output `[n, heads * head_dim]` and sums `[n, heads, 2]`, as [`Attended`](super::Attended) has them.
    pub fn forward(&self, segments: &[Segment], shape: AttentionShape) -> (CubeTensor<R>, CubeTensor<R>) {
        let n = self.inputs.rows;
        let (out, sums) = launch::forward(&self.q.client, self.path, &self.inputs, segments, shape);
        (
            self.wrap(out, [n, shape.heads * shape.head_dim], self.q.dtype),
            self.wrap(sums, [n, shape.heads, 2], DType::F32),
        )
    }

    /// Gradients of the operands; `out` and `sums` as [`Self::forward`] gave them, `dout` like `out`.
    pub fn backward(
        &self,
        segments: &[Segment],
        shape: AttentionShape,
        out: CubeTensor<R>,
        sums: CubeTensor<R>,
        dout: CubeTensor<R>,
    ) -> [CubeTensor<R>; 3] {
        let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
        let [out, sums, dout] = [out, sums, dout].map(into_contiguous);
        let n = self.inputs.rows;
        for (x, elements) in [(&out, heads * head_dim), (&dout, heads * head_dim), (&sums, 2 * heads)] {
            let [found, wanted] = [x.shape().num_elements(), n * elements];
            assert!(found == wanted, "an output, its sums or its gradient of {found} elements, not {wanted}");
        }
        assert!(out.dtype == self.q.dtype && dout.dtype == self.q.dtype, "the output differs in type");
        let upstream = Upstream { out: out.handle, sums: sums.handle, dout: dout.handle };
        let [dq, dk, dv] =
            launch::backward(&self.q.client, self.path, &self.inputs, &upstream, segments, shape);
        [(dq, heads), (dk, kv_heads), (dv, kv_heads)]
            .map(|(handle, heads)| self.wrap(handle, [n, heads, head_dim], self.q.dtype))
    }
}
