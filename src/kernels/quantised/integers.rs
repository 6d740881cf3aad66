//! Quantised blocks as small integers with their scales, four times 32 values at once, in plain arithmetic.
//!
//! Every block type stands for `scale * integer + OFFSET * least` with integers from 0 to 255. Types without a minimum of
//! their own have `least = scale`: what they subtract from each integer is then [`BlockType::offset`].

use super::BlockType;
use super::decode::{half_to_f32, scale_and_min};

/// Values that are multiplied at once.
pub(crate) const QUAD: usize = 128;

/// Four times 32 values as integers.
#[derive(Clone, Copy)]
pub(crate) struct WeightQuad {
    /// First halves of the four, then last halves.
    pub values: [u8; QUAD],
    /// The scale of the first half of `j` at `2j`, of its last half behind it.
    pub scales: [f32; 8],
    /// The minimum, laid out like the scales.
    pub least: [f32; 8],
}

impl BlockType {
    /// What the minima of a [`WeightQuad`] are multiplied by.
    pub(crate) const fn offset(self) -> f32 {
        match self {
            Self::Q4_1 | Self::Q5_1 => 1.0,
            Self::Q4_K | Self::Q5_K => -1.0,
            Self::Q4_0 => -8.0,
            Self::Q5_0 => -16.0,
            Self::Q6_K => -32.0,
            Self::Q8_0 => -128.0,
        }
    }

    /// Whether the two halves of 32 values have scales of their own.
    pub(crate) const fn has_half_scales(self) -> bool {
        matches!(self, Self::Q6_K)
    }
}

/// The integers of quad `quad` of a row of whole blocks. Where the row ends within the quad, the rest is zero.
///
/// # Panics
/// If the row ends before the quad.
#[inline(always)]
pub(crate) fn quad(block: BlockType, row: &[u8], quad: usize) -> WeightQuad {
    let mut out = WeightQuad { values: [0; QUAD], scales: [0.0; 8], least: [0.0; 8] };
    if block.values() == 32 {
        let blocks = row[4 * quad * block.bytes()..].chunks_exact(block.bytes()).take(4);
        for (j, bytes) in blocks.enumerate() {
            small(block, bytes, j, &mut out);
        }
    } else {
        let bytes = &row[quad / 2 * block.bytes()..][..block.bytes()];
        match block {
            BlockType::Q6_K => sixes(bytes, quad % 2, &mut out),
            _ => with_minima(bytes, quad % 2, block == BlockType::Q5_K, &mut out),
        }
    }
    out
}

#[inline(always)]
fn half_at(bytes: &[u8], at: usize) -> f32 {
    half_to_f32([bytes[at], bytes[at + 1]])
}

#[inline(always)]
fn low_or_high(byte: u8, high: bool) -> u8 {
    if high { byte >> 4 } else { byte & 0x0f }
}

/// A block of 32 values as the `j`th of the quad.
#[inline(always)]
fn small(block: BlockType, bytes: &[u8], j: usize, out: &mut WeightQuad) {
    let scale = half_at(bytes, 0);
    let least = if block.offset() == 1.0 { half_at(bytes, 2) } else { scale };
    out.scales[2 * j..2 * j + 2].fill(scale);
    out.least[2 * j..2 * j + 2].fill(least);
    let quants = match block {
        BlockType::Q4_0 | BlockType::Q8_0 => &bytes[2..],
        BlockType::Q4_1 => &bytes[4..],
        BlockType::Q5_0 => &bytes[6..],
        _ => &bytes[8..],
    };
    let fifth = match block {
        BlockType::Q5_0 => u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
        BlockType::Q5_1 => u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        _ => 0,
    };
    for half in 0..2 {
        let values = &mut out.values[64 * half + 16 * j..][..16];
        for (i, value) in values.iter_mut().enumerate() {
            *value = if block == BlockType::Q8_0 {
                quants[16 * half + i] ^ 0x80
            } else {
                low_or_high(quants[i], half == 1) | (((fifth >> (16 * half + i)) & 1) as u8) << 4
            };
        }
    }
}

/// Half of a block of `Q4_K` or, with fifth bits, `Q5_K`.
#[inline(always)]
fn with_minima(bytes: &[u8], part: usize, fifths: bool, out: &mut WeightQuad) {
    let (scale, least) = (half_at(bytes, 0), half_at(bytes, 2));
    let quants = &bytes[if fifths { 48 } else { 16 }..];
    for j in 0..4 {
        let group = 4 * part + j;
        let (group_scale, group_least) = scale_and_min(&bytes[4..16], group);
        out.scales[2 * j..2 * j + 2].fill(scale * group_scale);
        out.least[2 * j..2 * j + 2].fill(least * group_least);
        for i in 0..32 {
            let fifth = if fifths { (bytes[16 + i] >> group) & 1 } else { 0 };
            let value = low_or_high(quants[32 * (group / 2) + i], group % 2 == 1) | fifth << 4;
            out.values[64 * (i / 16) + 16 * j + i % 16] = value;
        }
    }
}

/// Half of a block of `Q6_K`.
#[inline(always)]
fn sixes(bytes: &[u8], part: usize, out: &mut WeightQuad) {
    let scale = half_at(bytes, 208);
    let (low, high, scales) = (&bytes[64 * part..], &bytes[128 + 32 * part..], &bytes[192 + 8 * part..]);
    for (out, group_scale) in out.scales.iter_mut().zip(scales) {
        *out = scale * f32::from(*group_scale as i8);
    }
    out.least = out.scales;
    for j in 0..4 {
        for i in 0..32 {
            let value = low_or_high(low[32 * (j % 2) + i], j > 1) | ((high[i] >> (2 * j)) & 3) << 4;
            out.values[64 * (i / 16) + 16 * j + i % 16] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any bytes mean something once the scales are finite.
    fn blocks(block: BlockType, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..count * block.bytes()).map(|i| (i * i * 31 + i * 7 + i / 3) as u8).collect();
        for bytes in bytes.chunks_exact_mut(block.bytes()) {
            let at = if block == BlockType::Q6_K { 208 } else { 0 };
            bytes[at + 1] = 0x2c;
            if block != BlockType::Q6_K && block.offset().abs() == 1.0 {
                bytes[3] = 0xa8;
            }
        }
        bytes
    }

    #[test]
    fn integers_and_scales_stand_for_the_values_that_decoding_gives() {
        for block in BlockType::ALL {
            // Five blocks: of the small types, the second quad has one block only.
            let row = blocks(block, 5);
            let mut decoded = vec![0.0; 5 * block.values()];
            block.decode(&row, &mut decoded);
            decoded.resize(decoded.len().next_multiple_of(QUAD), 0.0);
            for (index, decoded) in decoded.chunks_exact(QUAD).enumerate() {
                let found = quad(block, &row, index);
                for (at, decoded) in decoded.iter().enumerate() {
                    let (j, half, i) = (at / 32, at % 32 / 16, at % 16);
                    let scale = f64::from(found.scales[2 * j + half]);
                    let least = f64::from(block.offset()) * f64::from(found.least[2 * j + half]);
                    let value = scale * f64::from(found.values[64 * half + 16 * j + i]) + least;
                    let room = 1e-6 * (255.0 * scale.abs() + least.abs());
                    assert!((value - f64::from(*decoded)).abs() <= room, "{block}: {value} is not {decoded}");
                }
            }
        }
    }
}
