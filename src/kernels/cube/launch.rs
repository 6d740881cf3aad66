//! What every launch of a kernel needs.

use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::StorageType;
use cubecl::prelude::*;
use cubecl::server::Handle;

/// An argument of `len` scalars.
pub(in crate::kernels) fn array<R: Runtime>(handle: &Handle, len: usize) -> ArrayArg<R> {
    // SAFETY: callers pass the length that they made or were promised the buffer with.
    unsafe { ArrayArg::from_raw_parts(handle.clone(), len) }
}

/// Numbers on the device, and how many.
pub(in crate::kernels) fn upload<R: Runtime>(client: &ComputeClient<R>, numbers: &[u32]) -> (Handle, usize) {
    // A buffer of no bytes is none.
    let numbers = if numbers.is_empty() { &[0] } else { numbers };
    (client.create_from_slice(u32::as_bytes(numbers)), numbers.len())
}

/// `n` cubes or a few more, in as many dimensions as the device needs: kernels ask `CUBE_POS` which one they are.
pub(in crate::kernels) fn cubes<R: Runtime>(client: &ComputeClient<R>, n: usize) -> CubeCount {
    let [columns, rows] = rectangle(client, n);
    CubeCount::Static(columns, rows, 1)
}

/// Columns and rows, as few as hold `n` with no more columns than the device has cubes along x.
fn rectangle<R: Runtime>(client: &ComputeClient<R>, n: usize) -> [u32; 2] {
    let rows = n.div_ceil(client.properties().hardware.max_cube_count.0 as usize);
    [n.div_ceil(rows.max(1)) as u32, rows as u32]
}

/// [`cubes`] times `heads` along y, so that what is beyond the device's most is along z: kernels ask [`cube_number`] which one they are.
pub(in crate::kernels) fn over<R: Runtime>(client: &ComputeClient<R>, n: usize, heads: usize) -> CubeCount {
    let [columns, rows] = rectangle(client, n);
    CubeCount::Static(columns, heads as u32, rows)
}

/// Which of the `n` of [`over`] a cube is; `n` and more for the few beyond.
#[cube]
pub(in crate::kernels) fn cube_number() -> usize {
    (CUBE_POS_Z * CUBE_COUNT_X + CUBE_POS_X) as usize
}

/// Elements of a load of `dtype` from rows of `width` elements: 16 bytes where the width and the device allow it.
pub(in crate::kernels) fn load<R: Runtime>(
    client: &ComputeClient<R>,
    dtype: StorageType,
    width: usize,
) -> usize {
    let most = (16 / dtype.size()).min(client.properties().hardware.max_vector_size);
    [8, 4, 2, 1].into_iter().find(|&n| n <= most && width.is_multiple_of(n)).unwrap_or(1)
}

/// A launch with a unit for every load of a buffer.
pub(in crate::kernels) struct Elementwise {
    /// Cubes.
    pub count: CubeCount,
    /// Units of a cube.
    pub units: CubeDim,
    /// Elements of a load.
    pub load: usize,
}

/// The launch over `len` elements of `dtype`; none where there are none.
pub(in crate::kernels) fn elementwise<R: Runtime>(
    client: &ComputeClient<R>,
    dtype: StorageType,
    len: usize,
) -> Option<Elementwise> {
    let load = load(client, dtype, len);
    let units = CubeDim::new(client, len / load);
    let count = calculate_cube_count_elemwise(client, len / load, units);
    (len > 0).then_some(Elementwise { count, units, load })
}
