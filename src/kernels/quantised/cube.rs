//! Quantised blocks on a GPU: decoded in registers, eight values at a time, to the values of [`super::decode`].
//!
//! Blocks lie in memory as the file has them, as 32-bit words; most are no whole number of words long, so a word of a block may be two
//! halves of words. Eight values are those of one word of 4-bit numbers (of two words of 8-bit ones): four values that follow each
//! other, and four more [`apart`] of them. Neighbouring units read neighbouring words.

use cubecl::ir::StorageType;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::BlockType;
use crate::kernels::cube::launch::{array, cubes, upload};

/// Values that are decoded at a time.
pub(in crate::kernels) const EIGHT: usize = 8;
/// Values that follow each other.
const FOUR: usize = 4;
/// Units of a cube that decodes rows.
const UNITS: usize = 256;

/// The lower four bits of each byte.
const NIBBLES: u32 = 0x0f0f_0f0f;
/// The f32 whose last bit counts as 1: a byte put in its place is added to it.
const BASE: f32 = 8_388_608.0;
/// The bits of [`BASE`].
const BASE_BITS: u32 = 0x4b00_0000;
/// The step of halves that are no more than a fraction: `2^-24`.
const SUBNORMAL: f32 = 1.0 / 16_777_216.0;

/// What lies between the two fours of eight values.
pub(in crate::kernels) const fn apart(block: BlockType) -> usize {
    match block {
        BlockType::Q4_K | BlockType::Q5_K => 32,
        BlockType::Q6_K => 64,
        _ => 16,
    }
}

/// Bytes of a block before its 4- or 8-bit numbers, which end it where it has 32 values.
const fn quants(block: BlockType) -> usize {
    match block {
        BlockType::Q8_0 => block.bytes() - 32,
        BlockType::Q5_K => 48,
        BlockType::Q4_K => 16,
        BlockType::Q6_K => 0,
        _ => block.bytes() - 16,
    }
}

/// What is taken off the number to make it signed.
const fn middle(block: BlockType) -> f32 {
    match block {
        BlockType::Q4_0 => 8.0,
        BlockType::Q5_0 => 16.0,
        BlockType::Q6_K => 32.0,
        BlockType::Q8_0 => 128.0,
        _ => 0.0,
    }
}

/// The value within its block of the first of eight.
#[cube]
pub(in crate::kernels) fn place(unit: usize, #[comptime] block: BlockType) -> usize {
    if comptime!(block.values() == 32) {
        unit * FOUR
    } else if comptime!(matches!(block, BlockType::Q6_K)) {
        unit / 16 * 128 + unit % 16 * FOUR
    } else {
        unit / 8 * 64 + unit % 8 * FOUR
    }
}

/// The four bytes from `byte` on, which is even.
#[cube]
// CubeCL has no `is_multiple_of`.
#[allow(clippy::manual_is_multiple_of)]
fn word(words: &Array<u32>, byte: usize, #[comptime] block: BlockType) -> u32 {
    let low = words[byte / 4];
    if comptime!(block.bytes().is_multiple_of(4)) {
        low
    } else {
        // There is one word more than the blocks need.
        let high = words[byte / 4 + 1];
        select(byte % 4 == 0, low, (low >> 16u32) | (high << 16u32))
    }
}

/// The f16 in the lower half of `bits`, in integers: WGSL has no f16 everywhere, and GPUs may take subnormal f32 for zero.
#[cube]
fn of_half(bits: u32) -> f32 {
    let magnitude = bits & 0x7fffu32;
    let small = f32::cast_from(magnitude) * SUBNORMAL;
    // The exponent counts from 127 and no longer from 15; that of infinity stays the largest.
    let more = select(magnitude >= 0x7c00u32, 0x7000_0000u32, 0x3800_0000u32);
    let large = f32::reinterpret((magnitude << 13u32) + more);
    let value = select(magnitude < 0x400u32, small, large);
    select((bits & 0x8000u32) == 0u32, value, 0.0f32 - value)
}

/// Byte `index` of `bytes`, as a number.
#[cube]
fn number(bytes: u32, index: usize) -> f32 {
    // A conversion takes a GPU several times as long.
    f32::reinterpret(((bytes >> (index * 8) as u32) & 0xffu32) | BASE_BITS) - BASE
}

/// The four lowest bits of `bits`, each as the fifth bit of a byte.
#[cube]
fn fifths(bits: u32) -> u32 {
    ((bits & 1u32) << 4u32) | ((bits & 2u32) << 11u32) | ((bits & 4u32) << 18u32) | ((bits & 8u32) << 25u32)
}

/// Writes eight values of the block at byte `at` to `values` from `start` on: four from [`place`] on and four [`apart`] of them.
// A kernel's variables have values from the start.
#[allow(unused_assignments)]
#[cube]
pub(in crate::kernels) fn eight(
    words: &Array<u32>,
    at: usize,
    unit: usize,
    values: &mut Array<f32>,
    #[comptime] start: usize,
    #[comptime] block: BlockType,
) {
    let from = comptime!(quants(block));
    // Four numbers in bytes, with a scale and a minimum: of the first four values, and of the other four.
    let mut first = 0u32;
    let mut other = 0u32;
    let mut first_scale = 0.0f32;
    let mut other_scale = 0.0f32;
    let mut first_least = 0.0f32;
    let mut other_least = 0.0f32;
    if comptime!(block.values() == 32) {
        let head = word(words, at, block);
        let packed = word(words, at + from + unit * 4, block);
        first_scale = of_half(head);
        other_scale = first_scale;
        if comptime!(matches!(block, BlockType::Q4_1 | BlockType::Q5_1)) {
            first_least = of_half(head >> 16u32);
            other_least = first_least;
        }
        if comptime!(matches!(block, BlockType::Q8_0)) {
            first = packed ^ 0x8080_8080u32;
            other = word(words, at + from + 16 + unit * 4, block) ^ 0x8080_8080u32;
        } else {
            first = packed & NIBBLES;
            other = (packed >> 4u32) & NIBBLES;
        }
        if comptime!(matches!(block, BlockType::Q5_0 | BlockType::Q5_1)) {
            let bits = word(words, at + comptime!(from - 4), block) >> (unit * 4) as u32;
            first |= fifths(bits);
            other |= fifths(bits >> 16u32);
        }
    } else if comptime!(matches!(block, BlockType::Q6_K)) {
        // Each half of the block: 64 bytes of nibbles, 32 of bits above them, 8 scales.
        let part = unit / 16;
        let byte = unit % 16 * 4;
        let quarter = (byte / 32) as u32;
        let packed = word(words, at + part * 64 + byte, block);
        let upper = word(words, at + 128 + part * 32 + byte % 32, block) >> (quarter * 2u32);
        first = (packed & NIBBLES) | ((upper & 0x0303_0303u32) << 4u32);
        other = ((packed >> 4u32) & NIBBLES) | (((upper >> 4u32) & 0x0303_0303u32) << 4u32);
        let scale = of_half(word(words, at + 208, block));
        let group = byte / 16;
        let first_groups = word(words, at + 192 + part * 8, block) ^ 0x8080_8080u32;
        let other_groups = word(words, at + 196 + part * 8, block) ^ 0x8080_8080u32;
        first_scale = scale * (number(first_groups, group) - 128.0f32);
        other_scale = scale * (number(other_groups, group) - 128.0f32);
    } else {
        // Four chunks of two groups, whose nibbles share 32 bytes.
        let chunk = unit / 8;
        let byte = unit % 8 * 4;
        let packed = word(words, at + from + chunk * 32 + byte, block);
        first = packed & NIBBLES;
        other = (packed >> 4u32) & NIBBLES;
        if comptime!(matches!(block, BlockType::Q5_K)) {
            // Bit `group` of a byte is the fifth bit of that group's value.
            let bits = word(words, at + 16 + byte, block) >> (chunk * 2) as u32;
            first |= (bits & 0x0101_0101u32) << 4u32;
            other |= ((bits >> 1u32) & 0x0101_0101u32) << 4u32;
        }
        // Twelve bytes hold sixteen numbers of 6 bits: four scales, four minima, and the lower bits of four of each, whose upper
        // bits are above the others.
        let scales = word(words, at + 4, block);
        let minima = word(words, at + 8, block);
        let lower = word(words, at + 12, block);
        let late = chunk >= 2;
        let late_scales = (lower & NIBBLES) | ((scales >> 2u32) & 0x3030_3030u32);
        let late_minima = ((lower >> 4u32) & NIBBLES) | ((minima >> 2u32) & 0x3030_3030u32);
        let scales = select(late, late_scales, scales & 0x3f3f_3f3fu32);
        let minima = select(late, late_minima, minima & 0x3f3f_3f3fu32);
        let head = word(words, at, block);
        let scale = of_half(head);
        let least = 0.0f32 - of_half(head >> 16u32);
        let group = chunk % 2 * 2;
        first_scale = scale * number(scales, group);
        other_scale = scale * number(scales, group + 1);
        first_least = least * number(minima, group);
        other_least = least * number(minima, group + 1);
    }
    let middle = comptime!(middle(block));
    #[unroll]
    for index in 0..FOUR {
        values[start + index] = first_scale * (number(first, index) - middle) + first_least;
        values[start + FOUR + index] = other_scale * (number(other, index) - middle) + other_least;
    }
}

/// Rows `first ..`, or those that `rows` lists, eight values a unit.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn decode<F: Float, N: Size>(
    words: &Array<u32>,
    rows: &Array<u32>,
    out: &mut Array<Vector<F, N>>,
    row_units: u32,
    first: u32,
    total: u32,
    #[comptime] block: BlockType,
    #[comptime] listed: bool,
    #[define(F)] _dtype: StorageType,
) {
    let per_block = comptime!(block.values() / EIGHT);
    let row_units = row_units as usize;
    let position = ABSOLUTE_POS;
    if position >= total as usize {
        terminate!();
    }
    let row = position / row_units;
    let index = position % row_units / per_block;
    let unit = position % per_block;
    let mut stored = row + first as usize;
    if comptime!(listed) {
        stored = rows[row] as usize;
    }
    let at = (stored * (row_units / per_block) + index) * comptime!(block.bytes());
    let mut values = Array::<f32>::new(EIGHT);
    eight(words, at, unit, &mut values, 0usize, block);
    let to = (row * row_units * EIGHT + index * comptime!(block.values()) + place(unit, block)) / FOUR;
    let mut low = Vector::<F, N>::empty();
    let mut high = Vector::<F, N>::empty();
    #[unroll]
    for i in 0..FOUR {
        low[i] = F::cast_from(values[i]);
        high[i] = F::cast_from(values[i + FOUR]);
    }
    out[to] = low;
    out[to + comptime!(apart(block) / FOUR)] = high;
}

/// Rows of a matrix.
pub(in crate::kernels) enum Rows<'a> {
    /// So many, from the first of them on.
    From(usize, usize),
    /// These.
    These(&'a [u32]),
}

/// The values of some rows of a matrix of `columns` in `block`s, `[rows, columns]` in `dtype`; all of them are among the `words`.
pub(in crate::kernels) fn decode_rows<R: Runtime>(
    client: &ComputeClient<R>,
    words: (&Handle, usize),
    rows: Rows<'_>,
    columns: usize,
    block: BlockType,
    dtype: StorageType,
) -> Handle {
    let (first, count, list) = match rows {
        Rows::From(first, count) => (first, count, None),
        Rows::These(list) => (0, list.len(), Some(upload(client, list))),
    };
    let out = client.empty(count * columns * dtype.size());
    let row_units = columns / EIGHT;
    let total = count * row_units;
    if total == 0 {
        return out;
    }
    let listed = list.is_some();
    let (rows, len) = list.unwrap_or_else(|| (words.0.clone(), words.1));
    // SAFETY: units beyond the end do nothing; rows that are not listed are not read.
    unsafe {
        decode::launch_unchecked::<R>(
            client,
            cubes(client, total.div_ceil(UNITS)),
            CubeDim::new_1d(UNITS as u32),
            FOUR,
            array(words.0, words.1),
            array(&rows, len),
            array(&out, count * columns),
            row_units as u32,
            first as u32,
            total as u32,
            block,
            listed,
            dtype,
        );
    }
    out
}
