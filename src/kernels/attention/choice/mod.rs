//! Which of its kernels attention runs on a GPU, and in what tiles, by what the device says of itself: over packed sequences
//! ([`packed`]), and for single queries over the cache ([`cached`]). No device is needed to ask.

// Without a GPU's backend only the tests here ask.
#![cfg_attr(not(any(feature = "wgpu", feature = "cuda")), allow(dead_code))]

use thiserror::Error;

use crate::kernels::selection::AttentionKernel;

pub(super) mod cached;
pub(super) mod packed;

/// What a device says of itself, as far as attention over one type of numbers asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of shared memory that a cube can have.
    pub shared_bytes: usize,
    /// Units of a plane (warp, subgroup): the fewest and the most.
    pub plane_units: [u32; 2],
    /// Whether the runtime has operations across a plane.
    pub plane_operations: bool,
    /// Whether it multiplies tiles of 16 x 16 and 16 x 8 of the type into f32.
    pub matrices: bool,
}

impl Limits {
    /// Units of a plane, if that is one number and one that the kernels of planes are written for.
    fn plane(self) -> Option<usize> {
        let [fewest, most] = self.plane_units.map(|units| units as usize);
        (fewest == most && most.is_power_of_two() && (4..=64).contains(&most)).then_some(most)
    }
}

/// Why a device has no kernel.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The smallest tiles are too large.
    #[error("attention over {dim} dimensions needs {bytes} bytes of shared memory")]
    SharedMemory {
        /// Elements a head.
        dim: usize,
        /// What it would take.
        bytes: usize,
    },
    /// A kernel was asked for by name.
    #[error("attention over {dim} dimensions has no {kernel} on this device")]
    Asked {
        /// The one asked for.
        kernel: AttentionKernel,
        /// Elements a head.
        dim: usize,
    },
}

/// As CUDA has an H100, with numbers that its tensor cores do not take.
#[cfg(test)]
const H100: Limits =
    Limits { shared_bytes: 227 << 10, plane_units: [32; 2], plane_operations: true, matrices: false };
