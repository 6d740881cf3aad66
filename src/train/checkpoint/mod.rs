//! Checkpoints: all that a run needs to go on bit for bit.
//!
//! ```text
//! checkpoints/
//!   latest                 name of the newest, for people and scripts
//!   step-000123/
//!     state.safetensors    named 32-bit floats: weights, AdamW's moments
//!     state.json           [`State`]: steps, generators, data position, how far the logs are covered
//!     CHECKSUMS            length and CRC-32 of both
//! ```
//!
//! A checkpoint is a folder that is written under a hidden name and renamed when it is complete, so a folder named
//! `step-...` is whole. Reading order: [`State`], `writer.rs`, `load.rs`.

pub(crate) mod checksums;
pub mod disk;
mod error;
mod folder;
mod layout;
mod load;
mod state;
mod writer;

#[cfg(test)]
mod tests;

pub use checksums::Checksum;
pub use disk::{DiskError, Durability};
pub use error::{CheckpointError, TensorProblem};
pub(crate) use folder::LATEST;
pub(super) use folder::previous;
pub use folder::{folder_name, latest, list, step_of};
pub use layout::TensorSpec;
pub use load::{Checkpoint, StoredValues};
pub use state::{Covered, FORMAT, Progress, RngState, State};
pub use writer::{CheckpointWriter, PendingCheckpoint};
