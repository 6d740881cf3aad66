//! What a device runs for single queries over the cache.

use super::{Limits, Unfit};
use crate::kernels::selection::AttentionKernel;

/// Keys of the cache that one cube takes.
pub(in crate::kernels::attention) const TASK_KEYS: usize = 256;
/// Heads that one read of the keys serves at most: each has units of its own among those of a cube.
const MOST_SHARED: usize = 16;
/// Planes of a cube that takes keys of the cache at most.
const MOST_PLANES: usize = 8;
/// Floats of the queries that a unit holds in registers at most; of sums it holds as many.
const MOST_HELD: usize = 64;
/// Bytes of shared memory that the planes of a cube join their sums in at most, so that several cubes run side by side.
const MOST_JOINED: usize = 32 << 10;

/// Sizes of a launch over the cache.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(in crate::kernels::attention) struct Sizes {
    /// Query heads that share a key head.
    pub group: usize,
    /// Elements a head.
    pub dim: usize,
    /// Elements of a load; divides `dim`.
    pub load: usize,
    /// Tokens of a block of the cache.
    pub block: usize,
}

impl Sizes {
    /// What [`CachePath::Unit`] takes of shared memory: the queries, their scores, each key's place, a part of each unit and a load of
    /// sums of each.
    fn bytes(self) -> usize {
        let Self { group, dim, load, .. } = self;
        (group * (dim + TASK_KEYS) + (2 + load) * TASK_KEYS) * size_of::<f32>()
    }
}

/// How planes take a task's keys: as many at once as a plane has room for beside each other, a plane's number of units in
/// a go, of which each unit then holds one key's scores.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(in crate::kernels::attention) struct Planes {
    /// What is taken.
    pub sizes: Sizes,
    /// Units of a plane.
    pub units: usize,
    /// Planes of a cube.
    pub count: usize,
    /// Units that share a key: a power of two.
    pub lanes: usize,
    /// Heads whose sums the planes join at once: divides the group.
    pub joined: usize,
}

impl Planes {
    /// For planes of `units` and `room` bytes of shared memory; nothing if that is too little.
    fn of(units: usize, sizes: Sizes, room: usize) -> Option<Self> {
        let lanes = (sizes.dim / sizes.load).next_power_of_two().min(units);
        let count = (TASK_KEYS / units).min(MOST_PLANES);
        let planes = |joined| Self { sizes, units, count, lanes, joined };
        let divisors = (1..=sizes.group).rev().filter(|&joined| sizes.group.is_multiple_of(joined));
        divisors.map(planes).find(|it| it.bytes() <= room.min(MOST_JOINED))
    }

    /// Loads of a head.
    pub fn vectors(self) -> usize {
        self.sizes.dim / self.sizes.load
    }

    /// Loads of a unit of one head.
    pub fn held(self) -> usize {
        self.vectors().div_ceil(self.lanes)
    }

    /// Elements of a unit of all heads.
    pub fn elements(self) -> usize {
        self.sizes.group * self.held() * self.sizes.load
    }

    fn bytes(self) -> usize {
        self.count * (self.joined * self.sizes.dim + 2 * self.sizes.group) * size_of::<f32>()
    }
}

/// What a device runs for single queries over the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels::attention) enum CachePath {
    /// Scores and sums in the registers of planes.
    Plane(Planes),
    /// Scores in shared memory.
    Unit,
}

impl CachePath {
    /// As [`Path::choose`](super::packed::Path::choose): planes where there are subgroup operations, and where a unit's
    /// share fits its registers. `None` where more heads share their keys than a cube serves, or than have room in shared memory: these
    /// go through the tiles of packed sequences.
    ///
    /// # Errors
    /// If planes are asked for of heads that a cube serves, and the device cannot run them.
    pub fn choose(
        limits: Limits,
        sizes: Sizes,
        asked: Option<AttentionKernel>,
    ) -> Result<Option<Self>, Unfit> {
        if sizes.group > MOST_SHARED {
            return Ok(None);
        }
        let planes = limits.plane().and_then(|units| Planes::of(units, sizes, limits.shared_bytes));
        // Values are taken a load a unit.
        let fits = sizes.bytes() <= limits.shared_bytes && sizes.dim / sizes.load <= TASK_KEYS;
        let unit = fits.then_some(Self::Unit);
        match asked {
            Some(kernel @ AttentionKernel::Plane) => {
                planes.map(|it| Some(Self::Plane(it))).ok_or(Unfit::Asked { kernel, dim: sizes.dim })
            }
            // Tensor cores have no kernel for single queries.
            Some(AttentionKernel::Tensor | AttentionKernel::Shared) => Ok(unit),
            None => {
                let able = |it: &Planes| limits.plane_operations && it.elements() <= MOST_HELD;
                Ok(planes.filter(able).map(Self::Plane).or(unit))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::H100;
    use super::*;

    const SIZES: Sizes = Sizes { group: 4, dim: 128, load: 8, block: 16 };

    #[test]
    fn single_queries_take_planes_where_registers_hold_them() {
        let choose = |limits, sizes| CachePath::choose(limits, sizes, None).unwrap().unwrap();
        let four = Planes { sizes: SIZES, units: 32, count: 8, lanes: 16, joined: 4 };
        assert_eq!(choose(H100, SIZES), CachePath::Plane(four));
        assert_eq!(choose(Limits { plane_operations: false, ..H100 }, SIZES), CachePath::Unit);
        assert_eq!(choose(Limits { plane_units: [32, 64], ..H100 }, SIZES), CachePath::Unit);
        // 16 heads of 8 elements a unit, twice.
        let many = Sizes { group: 16, ..SIZES };
        assert_eq!(choose(H100, many), CachePath::Unit);
        let asked = CachePath::choose(H100, many, Some(AttentionKernel::Plane));
        assert!(matches!(asked, Ok(Some(CachePath::Plane(_)))), "{asked:?}");
    }

    /// 16 heads of 128 have 6,144 floats of queries and scores, beside which each of 256 units has 6, or 10 where a load is 8 elements.
    #[test]
    fn what_has_no_room_goes_through_tiles() {
        let software = Limits { shared_bytes: 32 << 10, plane_operations: false, ..H100 };
        let choose = |sizes, asked| CachePath::choose(software, sizes, asked).unwrap();
        let sixteen = Sizes { group: 16, load: 4, ..SIZES };
        assert_eq!(sixteen.bytes(), 30_720);
        assert_eq!(choose(sixteen, None), Some(CachePath::Unit));
        let halves = Sizes { load: 8, ..sixteen };
        assert_eq!((halves.bytes(), choose(halves, None)), (34_816, None));
        assert_eq!(choose(halves, Some(AttentionKernel::Shared)), None);
        assert_eq!(choose(Sizes { group: 17, dim: 16, ..SIZES }, None), None);
        assert_eq!(choose(Sizes { group: 1, dim: 258, load: 1, ..SIZES }, None), None);
    }

    #[test]
    fn heads_are_joined_at_once_as_far_as_shared_memory_goes() {
        let joined = |group, room| Planes::of(32, Sizes { group, ..SIZES }, room).map(|it| it.joined);
        // 8 planes times 7 heads of 128 floats, a peak and a sum each: 29,120 bytes.
        assert_eq!(joined(7, 227 << 10), Some(7));
        assert_eq!(joined(7, 16 << 10), Some(1));
        assert_eq!(joined(4, 16 << 10), Some(2));
        assert_eq!(joined(1, 1 << 10), None);
    }

    #[test]
    fn planes_hold_every_element_and_take_every_key() {
        for units in [4, 8, 16, 32, 64] {
            for (dim, load) in [(20, 4), (64, 8), (96, 8), (96, 4), (128, 4), (24, 1)] {
                let it = Planes::of(units, Sizes { dim, load, ..SIZES }, 32 << 10).unwrap();
                assert!(it.lanes.is_power_of_two() && it.lanes <= units, "{it:?}");
                assert!(it.lanes * it.held() * load >= dim, "{it:?}");
                assert!(TASK_KEYS.is_multiple_of(it.count * units), "{it:?}");
                // Units of a cube write a head's peak each.
                assert!(it.count * units >= 16, "{it:?}");
            }
        }
    }
}
