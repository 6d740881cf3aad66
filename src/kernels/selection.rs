//! Which kernels a process runs: ours, or the plain references, to tell a kernel's mistake from a model's.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// The operations behind [`KernelBackend`](super::KernelBackend).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Kernels {
    /// Kernels of osler's own, where the device has them
    #[default]
    Fused,
    /// Plain tensor operations: slow, and they hold every score
    Reference,
}

/// Whether the references were asked for.
static PLAIN: AtomicBool = AtomicBool::new(false);

/// Chooses for the whole process, before its first model: the layout of cached keys is a kernel's own, so a cache written under
/// one choice means nothing under the other.
pub fn select(kernels: Kernels) {
    PLAIN.store(kernels == Kernels::Reference, Ordering::Relaxed);
}

/// Whether an operation answers with its reference.
pub(super) fn plain() -> bool {
    PLAIN.load(Ordering::Relaxed)
}

/// What attention on a GPU is multiplied and summed with. All give the same results up to rounding; commonly the device
/// decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionKernel {
    /// Tensor cores, where sequences are packed.
    Tensor,
    /// Registers of a plane (warp, subgroup), whose units read each other's.
    Plane,
    /// Shared memory, without subgroup operations.
    Shared,
}

impl AttentionKernel {
    /// Every one, the fastest first.
    pub const ALL: [Self; 3] = [Self::Tensor, Self::Plane, Self::Shared];

    /// What it works with, as reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tensor => "tensor cores",
            Self::Plane => "planes",
            Self::Shared => "shared memory",
        }
    }
}

impl fmt::Display for AttentionKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tensor => "kernel for tensor cores",
            Self::Plane => "kernel for planes of one size",
            Self::Shared => "kernel for shared memory",
        })
    }
}

thread_local! {
    /// What this thread asked for.
    static ATTENTION: Cell<Option<AttentionKernel>> = const { Cell::new(None) };
}

/// Does `work` with attention on GPUs by `kernel`, as far as this thread asks for it. For comparing kernels: a device that cannot
/// run `kernel` panics.
pub fn with_attention<T>(kernel: AttentionKernel, work: impl FnOnce() -> T) -> T {
    /// Puts back what stood there, after a panic too.
    struct Before(Option<AttentionKernel>);
    impl Drop for Before {
        fn drop(&mut self) {
            ATTENTION.set(self.0);
        }
    }
    let _before = Before(ATTENTION.replace(Some(kernel)));
    work()
}

/// The kernel that attention on this thread was asked to use.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(super) fn attention() -> Option<AttentionKernel> {
    ATTENTION.get()
}
