//! What a device runs for packed sequences, and in what tiles.

use super::{Limits, Unfit};
use crate::kernels::selection::AttentionKernel;

/// Units of a plane, as the instructions of tensor cores have it.
pub(in crate::kernels::attention) const PLANE: usize = 32;
/// Rows of a plane that uses them.
pub(in crate::kernels::attention) const ROWS: usize = 16;
/// Units of a cube along one side where it has 16 x 16 of them.
pub(in crate::kernels::attention) const SIDE: usize = 16;

/// Shape of a launch on tensor cores.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(in crate::kernels::attention) struct Block {
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
pub(in crate::kernels::attention) struct Tile {
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
pub(in crate::kernels::attention) enum Path {
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

#[cfg(test)]
mod tests {
    use super::super::H100;
    use super::*;

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
}
