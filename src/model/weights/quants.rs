//! Turns stored values into f32, for the float types and GGUF's quantised ones.

use super::StoredType;
use crate::kernels::quantised::half_to_f32;

/// Values decoded at a time: a multiple of every block size, small enough to stay in the first-level cache.
pub(super) const CHUNK: usize = 256;

/// Decodes whole blocks: `src` holds exactly the blocks of `out`'s values.
pub(super) fn to_f32(stored: StoredType, src: &[u8], out: &mut [f32]) {
    match (stored, stored.block_type()) {
        (_, Some(block)) => block.decode(src, out),
        (StoredType::F16, _) => floats(src, out, |bytes: [u8; 2]| half_to_f32(bytes)),
        (StoredType::BF16, _) => {
            floats(src, out, |bytes: [u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16))
        }
        _ => floats(src, out, |bytes: [u8; 4]| f32::from_le_bytes(bytes)),
    }
}

fn floats<const N: usize>(src: &[u8], out: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    for (bytes, out) in src.as_chunks::<N>().0.iter().zip(out) {
        *out = value(*bytes);
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    fn fixture() -> serde_json::Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gguf_quants.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn bytes_of(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// Random blocks and what `gguf.quants.dequantize` makes of them (`tests/fixtures/make_gguf_quants.py`).
    #[test]
    fn every_type_equals_the_reference_to_the_last_bit() {
        let fixture = fixture();
        for stored in StoredType::ALL {
            let case = &fixture[stored.name()];
            let src = bytes_of(case["blocks"].as_str().unwrap());
            let expected = bytes_of(case["values"].as_str().unwrap());
            let mut out = vec![0f32; expected.len() / 4];
            assert_eq!(src.len() as u64, stored.bytes_of(out.len() as u64).unwrap(), "{stored}");
            to_f32(stored, &src, &mut out);
            for (index, (found, expected)) in out.iter().zip(expected.as_chunks::<4>().0).enumerate() {
                let expected = f32::from_le_bytes(*expected);
                assert_eq!(
                    found.to_bits(),
                    expected.to_bits(),
                    "{stored} value {index}: {found} vs {expected}"
                );
            }
        }
    }

    #[test]
    fn every_half_becomes_the_single_that_the_half_crate_says() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (half_to_f32(bits.to_le_bytes()), f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan()), "{bits:#06x}");
        }
    }
}
