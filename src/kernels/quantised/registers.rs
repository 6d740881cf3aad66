//! Quantised blocks to f32 in registers, two registers at a time, to the last bit as the plain decoder
//! (any NaN for a NaN).

use super::BlockType;

/// Registers of one set of instructions.
pub(crate) trait Registers {
    /// Only a machine that has the instructions makes one.
    type Simd: pulp::Simd;
    /// Values that two of them hold.
    const STEP: usize;
    /// One of them.
    type Vector: Copy;

    /// Writes the two halves that `both` holds, the lower bits first, to `halves`.
    ///
    /// # Safety
    /// `halves` points to two floats, and the machine has the instructions.
    unsafe fn widen(both: i32, halves: *mut f32);
}

/// A block type as a type.
pub(crate) trait Format {
    /// Which it is.
    const BLOCK: BlockType;
    /// Where the two halves begin that [`convert`] takes; 4 bytes within the block. Of a type that has one
    /// half, the other float is any number: the second, but the first of Q6_K, whose half ends the block.
    const HALVES_AT: usize;
    /// Values in a block.
    const VALUES: usize = Self::BLOCK.values();
    /// Bytes of a block.
    const BYTES: usize = Self::BLOCK.bytes();
}

/// A block type whose values come [`Registers::STEP`] at a time.
///
/// The halves of a block (scale, minimum) are converted ahead of the values, a few rows at a time: then a broadcast
/// from memory brings them, which leaves the shuffle unit to the values.
pub(crate) trait Blocks<R: Registers>: Format {
    /// Values `STEP step ..` of the block at `block`, whose converted halves are at `halves`.
    ///
    /// # Safety
    /// `block` points to a whole block, `halves` to two floats, `step` is below `VALUES / STEP`, and the machine has the
    /// instructions.
    unsafe fn load(block: *const u8, halves: *const f32, step: usize) -> [R::Vector; 2];
}

/// Writes the two halves of the block at `block` to `halves`.
///
/// # Safety
/// As [`Blocks::load`].
#[inline(always)]
pub(crate) unsafe fn convert<R: Registers, F: Format>(block: *const u8, halves: *mut f32) {
    const { assert!(F::HALVES_AT + 4 <= F::BYTES, "halves beyond the block") }
    // SAFETY: the four bytes lie within the block, the two floats are the caller's.
    unsafe { R::widen(block.add(F::HALVES_AT).cast::<i32>().read_unaligned(), halves) }
}

macro_rules! formats {
    ($($name:ident: $halves_at:expr),*) => {$(
        /// Marks the type of the same name.
        #[allow(non_camel_case_types)]
        pub(crate) struct $name;

        impl Format for $name {
            const BLOCK: BlockType = BlockType::$name;
            const HALVES_AT: usize = $halves_at;
        }
    )*};
}
formats!(Q4_0: 0, Q4_1: 0, Q5_0: 0, Q5_1: 0, Q8_0: 0, Q4_K: 0, Q5_K: 0, Q6_K: 206);
