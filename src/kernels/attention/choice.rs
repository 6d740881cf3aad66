//! Which of its kernels attention runs on a GPU, and in what tiles, by what the device says of itself. No device is needed
//! to ask.

// Without a GPU's backend only the tests here ask.
#![cfg_attr(not(any(feature = "wgpu", feature = "cuda")), allow(dead_code))]

use thiserror::Error;

use crate::kernels::selection::AttentionKernel;

/// Units of a plane, as the instructions of tensor cores have it.
pub(super) const PLANE: usize = 32;
/// Rows of a plane that uses them.
pub(super) const ROWS: usize = 16;
/// Units of a cube along one side where it has 16 x 16 of them.
pub(super) const SIDE: usize = 16;
/// Keys of the cache that one cube takes.
pub(super) const TASK_KEYS: usize = 256;
/// Planes of a cube that takes keys of the cache at most.
const MOST_PLANES: usize = 8;
/// Floats of the queries that a unit holds in registers at most; of sums it holds as many.
const MOST_HELD: usize = 64;
/// Bytes of shared memory that the planes of a cube join their sums in at most, so that several cubes run side by side.
const MOST_JOINED: usize = 32 << 10;

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

/// Shape of a launch on tensor cores.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Block {
    /// Planes of a cube; each owns [`ROWS`] rows.
    pub planes: usize,
    /// Rows of the tiles that are walked: a multiple of 16.
    pub walked: usize,
    /// Elements a head: a multiple of 16.
    pub dim: usize,
}

impl Block {
    /// Rows of a cube.
    pub fn rows(self) -> usize {
        self.planes * ROWS
    }

    /// Vectors of a row in shared memory: one more than it has, so that eight rows of a load meet different banks.
    pub fn pitch(self) -> usize {
        self.dim / 8 + 1
    }

    /// Units of a cube.
    pub fn units(self) -> usize {
        self.planes * PLANE
    }

    /// Bytes of shared memory of the kernels: two tiles of the cube's rows, two that are walked.
    fn shared_bytes(self) -> usize {
        2 * (self.rows() + self.walked) * self.pitch() * 16
    }
}

/// Tiles in shared memory, and the units that multiply them. Unit `(y, x)` holds rows `y, y + down, ...` of what is
/// multiplied and its columns `x, x + across, ...`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Tile {
    /// Queries, and keys, of a tile.
    pub rows: usize,
    /// Elements a head.
    pub dim: usize,
    /// Units along the columns; divides `rows`.
    pub across: usize,
    /// Units along the rows; divides `rows`.
    pub down: usize,
}

impl Tile {
    /// Of `rows` rows, a multiple of 16, for a cube of 16 x 16 units.
    fn shared(rows: usize, dim: usize) -> Self {
        Self { rows, dim, across: SIDE, down: SIDE }
    }

    /// Of `rows` rows, a multiple of 16, for planes of `plane` units: those of a row are in one plane.
    fn plane(rows: usize, dim: usize, plane: usize) -> Self {
        let across = plane.min(SIDE);
        Self { rows, dim, across, down: (SIDE * SIDE / across).min(rows) }
    }

    /// Units of a cube.
    pub fn units(self) -> usize {
        self.across * self.down
    }

    /// `dim` filled up to whole columns of units.
    pub fn width(self) -> usize {
        self.dim.div_ceil(self.across) * self.across
    }

    /// Floats between two rows of a tile: one more than a row has, so that units next to each other meet different banks.
    pub fn pitch(self) -> usize {
        self.width() + 1
    }

    /// Rows of a unit.
    pub fn height(self) -> usize {
        self.rows / self.down
    }

    /// Columns of a unit where a tile's rows are the columns, as in scores.
    pub fn share(self) -> usize {
        self.rows / self.across
    }

    /// Columns of a unit where a head's elements are.
    pub fn columns(self) -> usize {
        self.width() / self.across
    }

    /// Bytes of shared memory of the largest kernel without subgroup operations.
    fn bytes(self) -> usize {
        let floats =
            3 * self.rows * self.pitch() + 2 * self.rows * (self.rows + 1) + 4 * self.rows + SIDE * self.rows;
        floats * size_of::<f32>()
    }

    /// Bytes of shared memory of the largest kernel of planes: four tiles, and no scores.
    fn plane_bytes(self) -> usize {
        4 * self.rows * self.pitch() * size_of::<f32>()
    }
}

/// What a device runs for packed sequences of a type and a head dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// Tensor cores: forward, gradients of queries, gradients of keys.
    Tensor([Block; 3]),
    /// Tiles in shared memory, scores in the registers of a plane.
    Plane(Tile),
    /// Tiles and scores in shared memory.
    Unit(Tile),
}

impl Path {
    /// The fastest kernel over heads of `dim` elements that the device can run, or the one that is `asked` for. Planes are
    /// taken where their tiles are as large as those without would be.
    ///
    /// # Errors
    /// If the device has too little shared memory for the smallest tiles, or cannot run what is asked for. A device that does
    /// not say that it has subgroup operations is taken at its word only where nothing is asked for: CubeCL has software
    /// adapters never say so.
    pub fn choose(limits: Limits, dim: usize, asked: Option<AttentionKernel>) -> Result<Self, Unfit> {
        let room = limits.shared_bytes;
        let rows = [64, 32, 16];
        let unfit = |kernel| Unfit::Asked { kernel, dim };
        let planes = |plane| {
            let tiles = rows.map(|rows| Tile::plane(rows, dim, plane));
            let found = tiles.into_iter().find(|tile| tile.plane_bytes() <= room);
            found.ok_or(Unfit::SharedMemory { dim, bytes: tiles[2].plane_bytes() })
        };
        let units = || {
            let tiles = rows.map(|rows| Tile::shared(rows, dim));
            let found = tiles.into_iter().find(|tile| tile.bytes() <= room);
            found.ok_or(Unfit::SharedMemory { dim, bytes: tiles[2].bytes() })
        };
        match asked {
            Some(kernel @ AttentionKernel::Tensor) => {
                Self::tensor(limits, dim).map(Self::Tensor).ok_or(unfit(kernel))
            }
            Some(kernel @ AttentionKernel::Plane) => {
                planes(limits.plane().ok_or(unfit(kernel))?).map(Self::Plane)
            }
            Some(AttentionKernel::Shared) => units().map(Self::Unit),
            None => {
                if let Some(blocks) = Self::tensor(limits, dim) {
                    return Ok(Self::Tensor(blocks));
                }
                let unit = units()?;
                let plane = limits.plane().filter(|_| limits.plane_operations);
                let plane = plane.and_then(|plane| planes(plane).ok());
                Ok(plane.filter(|tile| tile.rows == unit.rows).map_or(Self::Unit(unit), Self::Plane))
            }
        }
    }

    fn tensor(limits: Limits, dim: usize) -> Option<[Block; 3]> {
        // The first of each that fits: what was fastest on an H100 (docs/benchmarks.md), then what smaller shared memories
        // hold. Planes that own 32 rows, so that an operand read from shared memory serves two products, were not faster.
        let block = |[planes, walked]: [usize; 2]| Block { planes, walked, dim };
        let fitting = |choices: &[[usize; 2]]| {
            choices.iter().map(|&it| block(it)).find(|block| block.shared_bytes() <= limits.shared_bytes)
        };
        let forward = fitting(&[[8, 128], [4, 64], [4, 32], [2, 16]])?;
        let queries = fitting(&[[4, 64], [4, 32], [2, 16]])?;
        let keys = fitting(&[[4, 64], [4, 32], [2, 16]])?;
        let able = limits.plane_units == [PLANE as u32; 2] && dim.is_multiple_of(16) && limits.matrices;
        able.then_some([forward, queries, keys])
    }

    /// Rows of a tile of queries in the forward.
    pub fn query_rows(self) -> usize {
        self.rows()[0]
    }

    /// Rows of a tile of queries in the forward and in the backward, and of a tile of keys.
    pub fn rows(self) -> [usize; 3] {
        match self {
            Self::Tensor(blocks) => blocks.map(Block::rows),
            Self::Plane(tile) | Self::Unit(tile) => [tile.rows; 3],
        }
    }
}

/// Sizes of a launch over the cache.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Query heads that share a key head.
    pub group: usize,
    /// Elements a head.
    pub dim: usize,
    /// Elements of a load; divides `dim`.
    pub load: usize,
    /// Tokens of a block of the cache.
    pub block: usize,
}

/// How planes take a task's keys: as many at once as a plane has room for beside each other, a plane's number of units in
/// a go, of which each unit then holds one key's scores.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Planes {
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
pub(super) enum CachePath {
    /// Scores and sums in the registers of planes.
    Plane(Planes),
    /// Scores in shared memory.
    Unit,
}

impl CachePath {
    /// As [`Path::choose`]: planes where there are subgroup operations, and where a unit's share fits its registers.
    ///
    /// # Errors
    /// If planes are asked for, and the device cannot run them.
    pub fn choose(limits: Limits, sizes: Sizes, asked: Option<AttentionKernel>) -> Result<Self, Unfit> {
        let planes = limits.plane().and_then(|units| Planes::of(units, sizes, limits.shared_bytes));
        match asked {
            Some(kernel @ AttentionKernel::Plane) => {
                planes.map(Self::Plane).ok_or(Unfit::Asked { kernel, dim: sizes.dim })
            }
            // Tensor cores have no kernel for single queries.
            Some(AttentionKernel::Tensor | AttentionKernel::Shared) => Ok(Self::Unit),
            None => {
                let able = |it: &Planes| limits.plane_operations && it.elements() <= MOST_HELD;
                Ok(planes.filter(able).map_or(Self::Unit, Self::Plane))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As CUDA has an H100, with numbers that its tensor cores do not take.
    const H100: Limits =
        Limits { shared_bytes: 227 << 10, plane_units: [32; 2], plane_operations: true, matrices: false };

    fn path(limits: Limits, dim: usize) -> Path {
        Path::choose(limits, dim, None).unwrap()
    }

    #[test]
    fn tensor_cores_come_first_and_need_planes_of_32_and_whole_tiles() {
        let able = Limits { matrices: true, ..H100 };
        assert!(matches!(path(able, 128), Path::Tensor(_)));
        assert!(matches!(path(able, 72), Path::Plane(_)));
        assert!(matches!(path(Limits { plane_units: [16; 2], ..able }, 128), Path::Plane(_)));
        assert!(matches!(path(Limits { plane_units: [16, 32], ..able }, 128), Path::Unit(_)));
    }

    #[test]
    fn planes_need_subgroup_operations_and_one_size() {
        let rows = Tile { rows: 64, dim: 128, across: 16, down: 16 };
        assert_eq!(path(H100, 128), Path::Plane(rows));
        assert_eq!(path(Limits { plane_operations: false, ..H100 }, 128), Path::Unit(rows));
        for units in [[8, 128], [32, 64], [2, 2], [24, 24], [128, 128], [0, 0]] {
            let limits = Limits { plane_units: units, ..H100 };
            assert_eq!(path(limits, 128), Path::Unit(rows), "{units:?}");
            let asked = AttentionKernel::Plane;
            let refused = Err(Unfit::Asked { kernel: asked, dim: 128 });
            assert_eq!(Path::choose(limits, 128, Some(asked)), refused, "{units:?}");
        }
    }

    /// 48 KiB hold 32 rows of 96 elements with scores, but not four tiles of them.
    #[test]
    fn planes_are_not_bought_with_smaller_tiles() {
        let limits = Limits { shared_bytes: 48 << 10, ..H100 };
        assert!(matches!(path(limits, 64), Path::Plane(Tile { rows: 32, .. })));
        assert!(matches!(path(limits, 96), Path::Unit(Tile { rows: 32, .. })));
        let asked = Path::choose(limits, 96, Some(AttentionKernel::Plane));
        assert!(matches!(asked, Ok(Path::Plane(Tile { rows: 16, .. }))), "{asked:?}");
    }

    #[test]
    fn what_is_asked_for_is_taken_or_refused() {
        let of = |limits, dim, asked| Path::choose(limits, dim, Some(asked));
        let quiet = Limits { plane_operations: false, plane_units: [8; 2], ..H100 };
        assert!(matches!(of(H100, 128, AttentionKernel::Shared), Ok(Path::Unit(_))));
        assert!(matches!(of(quiet, 64, AttentionKernel::Plane), Ok(Path::Plane(_))));
        let kernel = AttentionKernel::Tensor;
        assert_eq!(of(H100, 128, kernel), Err(Unfit::Asked { kernel, dim: 128 }));
        // Mesa's software adapter: four tiles of 16 rows with 129 floats.
        let small = Limits { shared_bytes: 32 << 10, ..quiet };
        let missing = Unfit::SharedMemory { dim: 128, bytes: 33_024 };
        assert_eq!(of(small, 128, AttentionKernel::Plane), Err(missing));
        assert!(matches!(of(small, 128, AttentionKernel::Shared), Ok(Path::Unit(Tile { rows: 16, .. }))));
    }

    #[test]
    fn units_of_a_row_are_in_one_plane_and_planes_are_whole() {
        for plane in [4, 8, 16, 32, 64] {
            for rows in [16, 32, 64] {
                for dim in [20, 64, 96, 128] {
                    let tile = Tile::plane(rows, dim, plane);
                    assert!(
                        plane.is_multiple_of(tile.across) && tile.units().is_multiple_of(plane),
                        "{tile:?}"
                    );
                    assert!(rows.is_multiple_of(tile.across) && rows.is_multiple_of(tile.down), "{tile:?}");
                    assert!(tile.units() <= 256 && tile.width() >= dim, "{tile:?}");
                }
            }
        }
    }

    const SIZES: Sizes = Sizes { group: 4, dim: 128, load: 8, block: 16 };

    #[test]
    fn single_queries_take_planes_where_registers_hold_them() {
        let choose = |limits, sizes| CachePath::choose(limits, sizes, None).unwrap();
        let four = Planes { sizes: SIZES, units: 32, count: 8, lanes: 16, joined: 4 };
        assert_eq!(choose(H100, SIZES), CachePath::Plane(four));
        assert_eq!(choose(Limits { plane_operations: false, ..H100 }, SIZES), CachePath::Unit);
        assert_eq!(choose(Limits { plane_units: [32, 64], ..H100 }, SIZES), CachePath::Unit);
        // 16 heads of 8 elements a unit, twice.
        let many = Sizes { group: 16, ..SIZES };
        assert_eq!(choose(H100, many), CachePath::Unit);
        let asked = CachePath::choose(H100, many, Some(AttentionKernel::Plane));
        assert!(matches!(asked, Ok(CachePath::Plane(_))), "{asked:?}");
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
