//! Writes f32 values as the bytes of a float type, rounded to nearest, ties to even.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::FloatType;
use super::quants::CHUNK;

/// A finite value that the target type cannot hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TooLarge(pub(super) f32);

/// Writes `values` (at most [`CHUNK`]) as little-endian bytes of `target`; `out` holds exactly their bytes.
pub(super) fn from_f32(target: FloatType, values: &[f32], out: &mut [u8]) -> Result<(), TooLarge> {
    match target {
        FloatType::F32 => {
            for (out, value) in out.as_chunks_mut::<4>().0.iter_mut().zip(values) {
                *out = value.to_le_bytes();
            }
        }
        FloatType::BF16 => {
            for (out, value) in out.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                *out = bf16_bits(*value).to_le_bytes();
            }
            refuse_new_infinity(values, 0x7f7f_8000)?;
        }
        FloatType::F16 => {
            // The half crate converts slices with the processor's own instruction.
            let mut halves = [f16::ZERO; CHUNK];
            let halves = &mut halves[..values.len()];
            halves.convert_from_f32_slice(values);
            for (out, half) in out.as_chunks_mut::<2>().0.iter_mut().zip(halves) {
                *out = half.to_le_bytes();
            }
            refuse_new_infinity(values, 65520f32.to_bits())?;
        }
    }
    Ok(())
}

/// The nearest bfloat16; a NaN stays one.
fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    let quiet = (bits >> 16) | 0x40;
    (if value.is_nan() { quiet } else { rounded }) as u16
}

/// Refuses a finite value whose magnitude rounds to infinity: `first` is the bits of the least such
/// magnitude.
fn refuse_new_infinity(values: &[f32], first: u32) -> Result<(), TooLarge> {
    const INFINITY: u32 = 0x7f80_0000;
    let overflows = |value: &f32| (first..INFINITY).contains(&(value.to_bits() & 0x7fff_ffff));
    // Counting first keeps the common case free of an early exit, which would stop vectorisation.
    if values.iter().filter(|value| overflows(value)).count() == 0 {
        return Ok(());
    }
    Err(TooLarge(values.iter().copied().find(overflows).unwrap_or(f32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn bf16_rounds_as_the_half_crate_does() {
        for step in 0..200_000u32 {
            let value = f32::from_bits(step.wrapping_mul(2_654_435_769));
            let (ours, theirs) = (bf16_bits(value), bf16::from_f32(value));
            assert!(ours == theirs.to_bits() || value.is_nan() && bf16::from_bits(ours).is_nan(), "{value}");
        }
        assert_eq!(
            bf16_bits(1.0 + 1.0 / 256.0),
            bf16::from_f32(1.0).to_bits(),
            "a tie goes to the even neighbour"
        );
    }

    #[test]
    fn a_finite_value_never_silently_becomes_infinite() {
        let mut out = [0; 2];
        assert_eq!(from_f32(FloatType::F16, &[65520.0], &mut out), Err(TooLarge(65520.0)));
        assert_eq!(from_f32(FloatType::F16, &[-65519.99], &mut out), Ok(()));
        assert_eq!(f16::from_le_bytes(out), f16::MIN);
        assert_eq!(from_f32(FloatType::F16, &[f32::INFINITY], &mut out), Ok(()));
        assert_eq!(from_f32(FloatType::BF16, &[f32::MAX], &mut out), Err(TooLarge(f32::MAX)));
        assert_eq!(from_f32(FloatType::BF16, &[f32::NAN], &mut out), Ok(()));
        assert!(bf16::from_le_bytes(out).is_nan());
    }
}
