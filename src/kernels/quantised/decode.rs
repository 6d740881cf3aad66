//! Quantised blocks to f32, in plain arithmetic.
//!
//! Every formula is a product of a scale with a small integer, less a minimum, in f32 and in the order of
//! operations that ggml uses, so results equal its own to the last bit.

use super::BlockType;

/// Decodes whole blocks: `src` holds exactly the blocks of `out`'s values.
///
/// Callers cut both at block boundaries; what would not fit is left untouched by the iterators below.
#[inline(always)]
pub(super) fn decode(block: BlockType, src: &[u8], out: &mut [f32]) {
    match block {
        BlockType::Q4_0 => blocks(src, out, q4_0),
        BlockType::Q4_1 => blocks(src, out, q4_1),
        BlockType::Q5_0 => blocks(src, out, q5_0),
        BlockType::Q5_1 => blocks(src, out, q5_1),
        BlockType::Q8_0 => blocks(src, out, q8_0),
        BlockType::Q4_K => blocks(src, out, q4_k),
        BlockType::Q5_K => blocks(src, out, q5_k),
        BlockType::Q6_K => blocks(src, out, q6_k),
    }
}

#[inline(always)]
fn blocks<const B: usize, const N: usize>(
    src: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; B], &mut [f32; N]),
) {
    for (block, out) in src.as_chunks::<B>().0.iter().zip(out.as_chunks_mut::<N>().0) {
        decode(block, out);
    }
}

/// Half to single precision in integer arithmetic: no branch on the value, so the loop vectorises.
#[inline(always)]
pub(crate) fn half_to_f32(bytes: [u8; 2]) -> f32 {
    let half = u32::from(u16::from_le_bytes(bytes));
    let (sign, magnitude) = ((half & 0x8000) << 16, half & 0x7fff);
    // Shifted into place the exponent is 112 too small; a multiplication puts that right and normalises
    // subnormals.
    let finite = f32::from_bits(magnitude << 13) * f32::from_bits((254 - 15) << 23);
    let special = f32::from_bits(0x7f80_0000 | (magnitude << 13));
    let value = if magnitude >= 0x7c00 { special } else { finite };
    f32::from_bits(value.to_bits() | sign)
}

#[inline(always)]
fn half_at<const B: usize>(block: &[u8; B], at: usize) -> f32 {
    half_to_f32([block[at], block[at + 1]])
}

/// The low halves of 16 bytes are the first 16 values, the high halves the last 16.
#[inline(always)]
fn nibbles(packed: &[u8], mut store: impl FnMut(usize, u8)) {
    for (index, byte) in packed.iter().enumerate() {
        store(index, byte & 0x0f);
        store(index + 16, byte >> 4);
    }
}

#[inline(always)]
fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    nibbles(&block[2..], |index, nibble| out[index] = scale * f32::from(nibble as i8 - 8));
}

#[inline(always)]
fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    nibbles(&block[4..], |index, nibble| out[index] = scale * f32::from(nibble) + least);
}

/// Bit `index` of the four bytes at `at`, as the fifth bit of a value.
#[inline(always)]
fn fifth_bit(bits: u32, index: usize) -> u8 {
    (((bits >> index) & 1) as u8) << 4
}

#[inline(always)]
fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    let high = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    nibbles(&block[6..], |index, nibble| {
        out[index] = scale * f32::from((nibble | fifth_bit(high, index)) as i8 - 16);
    });
}

#[inline(always)]
fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    let high = u32::from_le_bytes([block[4], block[5], block[6], block[7]]);
    nibbles(&block[8..], |index, nibble| {
        out[index] = scale * f32::from(nibble | fifth_bit(high, index)) + least
    });
}

#[inline(always)]
fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for (out, byte) in out.iter_mut().zip(&block[2..]) {
        *out = scale * f32::from(*byte as i8);
    }
}

/// The 6-bit scale and minimum of one of the eight groups of 32: twelve bytes hold sixteen numbers.
#[inline(always)]
pub(super) fn scale_and_min(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, least) = if group < 4 {
        (packed[group] & 0x3f, packed[group + 4] & 0x3f)
    } else {
        // The lower four bits share a byte, the upper two sit above the numbers of groups 0 to 3.
        let low = packed[group + 4];
        ((low & 0x0f) | ((packed[group - 4] >> 6) << 4), (low >> 4) | ((packed[group] >> 6) << 4))
    };
    (f32::from(scale), f32::from(least))
}

#[inline(always)]
fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    let (packed, quants) = (&block[4..16], &block[16..]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (group_scale, group_min) = scale_and_min(packed, group);
        let (scale, least) = (scale * group_scale, least * group_min);
        let shift = 4 * (group % 2);
        for (out, byte) in out.iter_mut().zip(&quants[32 * (group / 2)..]) {
            *out = scale * f32::from((byte >> shift) & 0x0f) - least;
        }
    }
}

#[inline(always)]
fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    let (packed, high, quants) = (&block[4..16], &block[16..48], &block[48..]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (group_scale, group_min) = scale_and_min(packed, group);
        let (scale, least) = (scale * group_scale, least * group_min);
        let shift = 4 * (group % 2);
        for ((out, byte), high) in out.iter_mut().zip(&quants[32 * (group / 2)..]).zip(high) {
            let value = ((byte >> shift) & 0x0f) | (((high >> group) & 1) << 4);
            *out = scale * f32::from(value) - least;
        }
    }
}

#[inline(always)]
fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = half_at(block, 208);
    // Each half of the block: 64 bytes of low nibbles, 32 bytes with four pairs of high bits.
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (half, quarter) = (group / 4, group % 4);
        let low = &low[64 * half + 32 * (quarter % 2)..];
        let (low_shift, high_shift) = (4 * (quarter / 2), 2 * quarter);
        for (part, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = scale * f32::from(scales[2 * group + part] as i8);
            let pairs = low[16 * part..].iter().zip(&high[32 * half + 16 * part..]);
            for (out, (low, high)) in out.iter_mut().zip(pairs) {
                let value = ((low >> low_shift) & 0x0f) | (((high >> high_shift) & 3) << 4);
                *out = scale * f32::from(value as i8 - 32);
            }
        }
    }
}
