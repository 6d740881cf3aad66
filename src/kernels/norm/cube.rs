//! RMSNorm on a GPU: a row a cube, read once.

use cubecl::ir::StorageType;
use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::kernels::cube::launch::{array, cubes};

/// Rows whose weight gradients one cube adds up.
const ROWS: usize = 64;
/// Columns of such a cube.
const COLUMNS: usize = 64;

/// The sum of `value` over the cube's `units`, a power of two, in one fixed order.
#[cube]
pub(in crate::kernels) fn total(value: f32, parts: &mut SharedMemory<f32>, #[comptime] units: usize) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube();
    parts[unit] = value;
    sync_cube();
    let mut half = comptime!(units / 2).runtime();
    while half > 0 {
        if unit < half {
            let other = parts[unit + half];
            parts[unit] += other;
        }
        sync_cube();
        half /= 2;
    }
    parts[0]
}

/// The norm of the row of `x` that begins at `first`, to that of `y`; `square` is the sum of this unit's squares.
#[cube]
#[allow(clippy::too_many_arguments)]
fn write_normed<F: Float, W: Float>(
    x: &Array<F>,
    weight: &Array<W>,
    y: &mut Array<F>,
    first: usize,
    square: f32,
    eps: f32,
    #[comptime] width: usize,
    #[comptime] units: usize,
) {
    let mut parts = SharedMemory::<f32>::new(units);
    let mean = total(square, &mut parts, units) / width as f32;
    let scale = 1.0f32 / (mean + eps).sqrt();
    let mut at = UNIT_POS as usize;
    while at < width {
        let value = f32::cast_from(x[first + at]) * scale * f32::cast_from(weight[at]);
        y[first + at] = F::cast_from(value);
        at += units;
    }
}

#[cube(launch_unchecked)]
fn normalise<F: Float, W: Float>(
    x: &Array<F>,
    weight: &Array<W>,
    y: &mut Array<F>,
    eps: f32,
    #[comptime] width: usize,
    #[comptime] units: usize,
    #[define(F, W)] _dtypes: [StorageType; 2],
) {
    let row = CUBE_POS;
    if row >= y.len() / width {
        terminate!();
    }
    let first = row * width;
    let mut square = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < width {
        let value = f32::cast_from(x[first + at]);
        square += value * value;
        at += units;
    }
    write_normed::<F, W>(x, weight, y, first, square, eps, width, units);
}

/// `sum = x + more`, and its norm `y`. The norm is that of the sum as it is rounded to its type.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn add_normalise<F: Float, W: Float>(
    x: &Array<F>,
    more: &Array<F>,
    weight: &Array<W>,
    sum: &mut Array<F>,
    y: &mut Array<F>,
    eps: f32,
    #[comptime] width: usize,
    #[comptime] units: usize,
    #[define(F, W)] _dtypes: [StorageType; 2],
) {
    let row = CUBE_POS;
    if row >= y.len() / width {
        terminate!();
    }
    let first = row * width;
    let mut square = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < width {
        let joined = F::cast_from(f32::cast_from(x[first + at]) + f32::cast_from(more[first + at]));
        sum[first + at] = joined;
        let value = f32::cast_from(joined);
        square += value * value;
        at += units;
    }
    // A unit reads what it wrote itself.
    write_normed::<F, W>(sum, weight, y, first, square, eps, width, units);
}

/// `dx`, which joins what is there if it `adds`, and `1 / sqrt(mean(x^2) + eps)` of each row.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn input_gradient<F: Float, W: Float, D: Float>(
    x: &Array<F>,
    weight: &Array<W>,
    dy: &Array<D>,
    dx: &mut Array<f32>,
    scales: &mut Array<f32>,
    eps: f32,
    #[comptime] adds: bool,
    #[comptime] width: usize,
    #[comptime] units: usize,
    #[define(F, W, D)] _dtypes: [StorageType; 3],
) {
    let row = CUBE_POS;
    if row >= scales.len() {
        terminate!();
    }
    let first = row * width;
    let mut parts = SharedMemory::<f32>::new(units);
    let mut square = 0.0f32;
    let mut product = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < width {
        let value = f32::cast_from(x[first + at]);
        square += value * value;
        product += f32::cast_from(dy[first + at]) * f32::cast_from(weight[at]) * value;
        at += units;
    }
    let square = total(square, &mut parts, units);
    let product = total(product, &mut parts, units);
    let r = 1.0f32 / (square / width as f32 + eps).sqrt();
    let mean = product * r / width as f32;
    let mut at = UNIT_POS as usize;
    while at < width {
        let dh = f32::cast_from(dy[first + at]) * f32::cast_from(weight[at]);
        let own = r * (dh - f32::cast_from(x[first + at]) * r * mean);
        if adds {
            let before = dx[first + at];
            dx[first + at] = before + own;
        } else {
            dx[first + at] = own;
        }
        at += units;
    }
    if UNIT_POS == 0 {
        scales[row] = r;
    }
}

/// Sums of `dy x r` over [`ROWS`] rows and [`COLUMNS`] columns a cube: `dw` `[ceil(n / ROWS), width]`.
#[cube(launch_unchecked)]
fn weight_gradient<F: Float, D: Float>(
    x: &Array<F>,
    dy: &Array<D>,
    scales: &Array<f32>,
    dw: &mut Array<f32>,
    #[comptime] width: usize,
    #[define(F, D)] _dtypes: [StorageType; 2],
) {
    let blocks = comptime!(width.div_ceil(COLUMNS));
    let column = CUBE_POS % blocks * COLUMNS + UNIT_POS as usize;
    let part = CUBE_POS / blocks;
    let first = part * ROWS;
    let rows = scales.len();
    if column < width && first < rows {
        let mut sum = 0.0f32;
        for row in first..min(first + ROWS, rows) {
            let at = row * width + column;
            sum += f32::cast_from(dy[at]) * f32::cast_from(x[at]) * scales[row];
        }
        dw[part * width + column] = sum;
    }
}

/// Units for a row of `width` elements.
fn units(width: usize) -> usize {
    (width / 4).next_power_of_two().clamp(32, 256)
}

/// `y` `[n, width]` in the first of `dtypes`, that of `x`; the second is that of `weight` `[width]`.
pub(in crate::kernels) fn rms_norm<R: Runtime>(
    client: &ComputeClient<R>,
    [x, weight]: [&Handle; 2],
    dtypes: [StorageType; 2],
    [n, width]: [usize; 2],
    eps: f32,
) -> Handle {
    let y = client.empty(n * width * dtypes[0].size());
    let units = units(width);
    if n * width > 0 {
        // SAFETY: a cube a row.
        unsafe {
            normalise::launch_unchecked::<R>(
                client,
                cubes(client, n),
                CubeDim::new_1d(units as u32),
                array(x, n * width),
                array(weight, width),
                array(&y, n * width),
                eps,
                width,
                units,
                dtypes,
            );
        }
    }
    y
}

/// `(x + more, rms_norm(x + more))` `[n, width]` in the first of `dtypes`, that of `x` and `more`; the second is that of `weight`
/// `[width]`.
pub(in crate::kernels) fn add_rms_norm<R: Runtime>(
    client: &ComputeClient<R>,
    [x, more, weight]: [&Handle; 3],
    dtypes: [StorageType; 2],
    [n, width]: [usize; 2],
    eps: f32,
) -> (Handle, Handle) {
    let [sum, y] = [(); 2].map(|()| client.empty(n * width * dtypes[0].size()));
    let units = units(width);
    if n * width > 0 {
        // SAFETY: a cube a row.
        unsafe {
            add_normalise::launch_unchecked::<R>(
                client,
                cubes(client, n),
                CubeDim::new_1d(units as u32),
                array(x, n * width),
                array(more, n * width),
                array(weight, width),
                array(&sum, n * width),
                array(&y, n * width),
                eps,
                width,
                units,
                dtypes,
            );
        }
    }
    (sum, y)
}

/// `dx` `[n, width]`, and sums of `dw` to be added up `[parts, width]` with the number of parts, in f32; `dtypes` are those of `x`,
/// `weight` and `dy`. It joins `beside` `[n, width]` in place, where there is such a thing.
pub(in crate::kernels) fn rms_norm_backward<R: Runtime>(
    client: &ComputeClient<R>,
    [x, weight, dy]: [&Handle; 3],
    dtypes: [StorageType; 3],
    [n, width]: [usize; 2],
    eps: f32,
    beside: Option<Handle>,
) -> (Handle, Handle, usize) {
    let parts = n.div_ceil(ROWS);
    let empty = |len: usize| client.empty(len * size_of::<f32>());
    let (scales, dw) = (empty(n), empty(parts * width));
    let adds = beside.is_some();
    let dx = beside.unwrap_or_else(|| empty(n * width));
    let units = units(width);
    if n * width > 0 {
        let [of_x, _, of_dy] = dtypes;
        // SAFETY: a cube a row, and a cube a block of rows and columns that looks at both borders.
        unsafe {
            input_gradient::launch_unchecked::<R>(
                client,
                cubes(client, n),
                CubeDim::new_1d(units as u32),
                array(x, n * width),
                array(weight, width),
                array(dy, n * width),
                array(&dx, n * width),
                array(&scales, n),
                eps,
                adds,
                width,
                units,
                dtypes,
            );
            weight_gradient::launch_unchecked::<R>(
                client,
                cubes(client, width.div_ceil(COLUMNS) * parts),
                CubeDim::new_1d(COLUMNS as u32),
                array(x, n * width),
                array(dy, n * width),
                array(&scales, n),
                array(&dw, parts * width),
                width,
                [of_x, of_dy],
            );
        }
    }
    (dx, dw, parts)
}
