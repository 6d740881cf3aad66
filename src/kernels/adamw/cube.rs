//! AdamW on a GPU, in place: weights and moments are read and written once, the gradient read once.

use cubecl::ir::{ElemType, FloatKind, StorageType};
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::{AdamWStep, Factors};
use crate::kernels::cube::launch::{Elementwise, array, elementwise};

/// The new weights at this unit's place; moments are written.
#[cube]
#[allow(clippy::too_many_arguments)]
fn stepped<N: Size>(
    weights: &Array<Vector<f32, N>>,
    gradient: &Array<Vector<f32, N>>,
    m: &mut Array<Vector<f32, N>>,
    v: &mut Array<Vector<f32, N>>,
    keep: f32,
    b1: f32,
    b2: f32,
    rest1: f32,
    rest2: f32,
    rate: f32,
    root: f32,
    eps: f32,
    scale: f32,
) -> Vector<f32, N> {
    let g = gradient[ABSOLUTE_POS] * Vector::new(scale);
    let first = Vector::new(b1) * m[ABSOLUTE_POS] + Vector::new(rest1) * g;
    let second = Vector::new(b2) * v[ABSOLUTE_POS] + Vector::new(rest2) * (g * g);
    let size = second.sqrt() / Vector::new(root) + Vector::new(eps);
    m[ABSOLUTE_POS] = first;
    v[ABSOLUTE_POS] = second;
    Vector::new(keep) * weights[ABSOLUTE_POS] - first / size * Vector::new(rate)
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn update<N: Size>(
    weights: &mut Array<Vector<f32, N>>,
    gradient: &Array<Vector<f32, N>>,
    m: &mut Array<Vector<f32, N>>,
    v: &mut Array<Vector<f32, N>>,
    keep: f32,
    b1: f32,
    b2: f32,
    rest1: f32,
    rest2: f32,
    rate: f32,
    root: f32,
    eps: f32,
    scale: f32,
) {
    if ABSOLUTE_POS < weights.len() {
        weights[ABSOLUTE_POS] =
            stepped::<N>(weights, gradient, m, v, keep, b1, b2, rest1, rest2, rate, root, eps, scale);
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn update_masters<H: Float, N: Size>(
    masters: &mut Array<Vector<f32, N>>,
    gradient: &Array<Vector<f32, N>>,
    m: &mut Array<Vector<f32, N>>,
    v: &mut Array<Vector<f32, N>>,
    weights: &mut Array<Vector<H, N>>,
    keep: f32,
    b1: f32,
    b2: f32,
    rest1: f32,
    rest2: f32,
    rate: f32,
    root: f32,
    eps: f32,
    scale: f32,
    #[define(H)] _dtype: StorageType,
) {
    if ABSOLUTE_POS < masters.len() {
        let master =
            stepped::<N>(masters, gradient, m, v, keep, b1, b2, rest1, rest2, rate, root, eps, scale);
        masters[ABSOLUTE_POS] = master;
        weights[ABSOLUTE_POS] = Vector::cast_from(master);
    }
}

/// One step over `len` weights with their gradient and moments, all in f32.
pub(in crate::kernels) fn adamw<R: Runtime>(
    client: &ComputeClient<R>,
    [weights, gradient, m, v]: [&Handle; 4],
    len: usize,
    step: &AdamWStep,
) {
    let Factors { keep, b1, b2, rest, rate, root, eps, scale } = step.factors();
    let float = ElemType::Float(FloatKind::F32).into();
    if let Some(Elementwise { count, units, load }) = elementwise(client, float, len) {
        // SAFETY: units beyond the end do nothing.
        unsafe {
            update::launch_unchecked::<R>(
                client,
                count,
                units,
                load,
                array(weights, len),
                array(gradient, len),
                array(m, len),
                array(v, len),
                keep,
                b1,
                b2,
                rest[0],
                rest[1],
                rate,
                root,
                eps,
                scale,
            );
        }
    }
}

/// [`adamw`] of master weights; returns these rounded to `dtype`.
pub(in crate::kernels) fn adamw_master<R: Runtime>(
    client: &ComputeClient<R>,
    [masters, gradient, m, v]: [&Handle; 4],
    len: usize,
    step: &AdamWStep,
    dtype: StorageType,
) -> Handle {
    let Factors { keep, b1, b2, rest, rate, root, eps, scale } = step.factors();
    let weights = client.empty(len * dtype.size());
    // A load has as many elements as one of the wider type.
    let float = ElemType::Float(FloatKind::F32).into();
    if let Some(Elementwise { count, units, load }) = elementwise(client, float, len) {
        // SAFETY: units beyond the end do nothing.
        unsafe {
            update_masters::launch_unchecked::<R>(
                client,
                count,
                units,
                load,
                array(masters, len),
                array(gradient, len),
                array(m, len),
                array(v, len),
                array(&weights, len),
                keep,
                b1,
                b2,
                rest[0],
                rest[1],
                rate,
                root,
                eps,
                scale,
                dtype,
            );
        }
    }
    weights
}
