//! All of its kernels that a GPU can run over packed sequences, so that each can be examined there.

// Without a GPU's backend only the tests here ask.
#![cfg_attr(not(any(feature = "wgpu", feature = "cuda")), allow(dead_code))]

use super::choice::Limits;
use super::choice::packed::Path;
use crate::kernels::selection::AttentionKernel;

/// The kernels over heads of `dim` elements, the one that the device takes by itself first.
pub(super) fn kernels(limits: Limits, dim: usize) -> Vec<AttentionKernel> {
    let kernel = |path| match path {
        Path::Tensor(_) => AttentionKernel::Tensor,
        Path::Plane(_) => AttentionKernel::Plane,
        Path::Unit(_) => AttentionKernel::Shared,
    };
    let own = Path::choose(limits, dim, None).ok().map(kernel);
    let others = AttentionKernel::ALL
        .into_iter()
        .filter(|&it| Some(it) != own && Path::choose(limits, dim, Some(it)).is_ok());
    own.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use AttentionKernel::{Plane, Shared, Tensor};

    use super::*;

    #[test]
    fn what_is_taken_comes_first_and_all_others_that_can_run_follow() {
        let h100 =
            Limits { shared_bytes: 227 << 10, plane_units: [32; 2], plane_operations: true, matrices: true };
        assert_eq!(kernels(h100, 128), [Tensor, Plane, Shared]);
        assert_eq!(kernels(h100, 72), [Plane, Shared], "no whole tiles");
        assert_eq!(kernels(Limits { matrices: false, ..h100 }, 128), [Plane, Shared]);
        // As CubeCL speaks of software adapters: they are not said to have subgroup operations.
        let software =
            Limits { shared_bytes: 32 << 10, plane_units: [8; 2], plane_operations: false, matrices: false };
        assert_eq!(kernels(software, 64), [Shared, Plane]);
        assert_eq!(kernels(software, 128), [Shared], "four tiles of 16 rows of 129 floats are too large");
        assert_eq!(kernels(Limits { plane_units: [8, 128], ..software }, 64), [Shared]);
        assert!(kernels(Limits { shared_bytes: 1 << 10, ..software }, 64).is_empty(), "there is no room");
    }
}
