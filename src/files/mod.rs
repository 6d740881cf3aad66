//! Files that are written whole or not at all, and the few operations on a disk that this takes.
//!
//! Reading order: [`replace()`], then [`Disk`], which tests put in the way of everything that is written.

mod disk;
#[cfg(test)]
pub(crate) mod faulty;
mod replace;

pub use disk::{Disk, DiskFile, OPEN, RealDisk};
pub use replace::{Fsync, Mode, Options, ReplaceError, Writers, probe, replace, replace_on, sync_folder};
