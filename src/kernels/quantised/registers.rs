//! Quantised blocks to f32 in registers, two registers at a time, to the last bit as the plain decoder.

/// Registers of one set of instructions, which the caller's machine must have.
pub(crate) trait Registers {
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

/// A block type whose values come [`Registers::STEP`] at a time.
///
/// The halves of a block (scale, minimum) are converted ahead of the values, a few rows at a time: then a broadcast
/// from memory brings them, which leaves the shuffle unit to the values.
pub(crate) trait Blocks: Copy {
    /// Values in a block.
    const VALUES: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Where the two halves begin that [`convert`] takes; 4 bytes within the block.
    const HALVES_AT: usize;
    /// What the values come in.
    type On: Registers;

    /// Values `STEP step ..` of the block at `block`, whose converted halves are at `halves`.
    ///
    /// # Safety
    /// `block` points to a whole block, `halves` to two floats, `step` is below `VALUES / STEP`, and the machine has the
    /// instructions.
    unsafe fn load(block: *const u8, halves: *const f32, step: usize)
    -> [<Self::On as Registers>::Vector; 2];
}

/// Writes the two halves of the block at `block` to `halves`.
///
/// # Safety
/// As [`Blocks::load`].
#[inline(always)]
pub(crate) unsafe fn convert<F: Blocks>(block: *const u8, halves: *mut f32) {
    // SAFETY: the four bytes lie within the block, the two floats are the caller's.
    unsafe { F::On::widen(block.add(F::HALVES_AT).cast::<i32>().read_unaligned(), halves) }
}

/// Marks for block types.
macro_rules! formats {
    ($($name:ident),*) => {$(
        /// Marks the type of the same name.
        #[derive(Clone, Copy)]
        #[allow(non_camel_case_types)]
        pub(crate) struct $name;
    )*};
}
pub(super) use formats;
