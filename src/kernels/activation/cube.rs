//! SwiGLU and its gradients on a GPU: one pass over memory.

use cubecl::ir::{ElemType, FloatKind, StorageType};
use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::kernels::cube::launch::{Elementwise, array, elementwise};

#[cube(launch_unchecked)]
fn gated<F: Float, N: Size>(
    gate: &Array<Vector<F, N>>,
    up: &Array<Vector<F, N>>,
    y: &mut Array<Vector<F, N>>,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS < y.len() {
        let g = Vector::<f32, N>::cast_from(gate[ABSOLUTE_POS]);
        let u = Vector::<f32, N>::cast_from(up[ABSOLUTE_POS]);
        let one = Vector::<f32, N>::new(1.0f32);
        let s = one / (one + (Vector::<f32, N>::new(0.0f32) - g).exp());
        y[ABSOLUTE_POS] = Vector::cast_from(g * s * u);
    }
}

#[cube(launch_unchecked)]
fn gradients<G: Float, U: Float, D: Float, N: Size>(
    gate: &Array<Vector<G, N>>,
    up: &Array<Vector<U, N>>,
    dy: &Array<Vector<D, N>>,
    dgate: &mut Array<Vector<f32, N>>,
    dup: &mut Array<Vector<f32, N>>,
    #[define(G, U, D)] _dtypes: [StorageType; 3],
) {
    if ABSOLUTE_POS < dup.len() {
        let g = Vector::<f32, N>::cast_from(gate[ABSOLUTE_POS]);
        let u = Vector::<f32, N>::cast_from(up[ABSOLUTE_POS]);
        let d = Vector::<f32, N>::cast_from(dy[ABSOLUTE_POS]);
        let one = Vector::<f32, N>::new(1.0f32);
        let s = one / (one + (Vector::<f32, N>::new(0.0f32) - g).exp());
        dgate[ABSOLUTE_POS] = d * u * s * (one + g * (one - s));
        dup[ABSOLUTE_POS] = d * g * s;
    }
}

/// `silu(gate) * up`, all of `len` elements of `dtype`.
pub(in crate::kernels) fn swiglu<R: Runtime>(
    client: &ComputeClient<R>,
    [gate, up]: [&Handle; 2],
    dtype: StorageType,
    len: usize,
) -> Handle {
    let y = client.empty(len * dtype.size());
    if let Some(Elementwise { count, units, load }) = elementwise(client, dtype, len) {
        // SAFETY: units beyond the end do nothing.
        unsafe {
            gated::launch_unchecked::<R>(
                client,
                count,
                units,
                load,
                array(gate, len),
                array(up, len),
                array(&y, len),
                dtype,
            )
        };
    }
    y
}

/// `(dgate, dup)` in f32, all of `len` elements; `dtypes` are those of `gate`, `up` and `dy`.
pub(in crate::kernels) fn swiglu_backward<R: Runtime>(
    client: &ComputeClient<R>,
    [gate, up, dy]: [&Handle; 3],
    dtypes: [StorageType; 3],
    len: usize,
) -> (Handle, Handle) {
    // A load has as many elements as one of the widest type that is read or written.
    let float = ElemType::Float(FloatKind::F32).into();
    let [dgate, dup] = [(); 2].map(|()| client.empty(len * size_of::<f32>()));
    if let Some(Elementwise { count, units, load }) = elementwise(client, float, len) {
        // SAFETY: units beyond the end do nothing.
        unsafe {
            gradients::launch_unchecked::<R>(
                client,
                count,
                units,
                load,
                array(gate, len),
                array(up, len),
                array(dy, len),
                array(&dgate, len),
                array(&dup, len),
                dtypes,
            );
        }
    }
    (dgate, dup)
}
