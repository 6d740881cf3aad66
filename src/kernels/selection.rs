//! Which kernels a process runs: ours, or the plain references, to tell a kernel's mistake from a model's.

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
