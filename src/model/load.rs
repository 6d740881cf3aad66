//! Weights from files onto a device, one tensor at a time.

use burn::tensor::{AllocationProperty, Bytes, DType, Shape, TensorData, bf16, f16};

use crate::kernels::quantised::{Activations, BlockType, QuantisedMatrix, part_rows};
use crate::model::build::{MatrixData, WeightSource};
use crate::model::config::FloatType;
use crate::model::weights::{ModelFiles, StoredType, WeightsError};

/// Which float type weights are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptType {
    /// Every tensor in this type.
    All(FloatType),
    /// As stored where the CPU kernels read that type as it is (`F32`, `BF16`, quantised blocks), else `F32`; vectors
    /// (norms, biases) in `F32`.
    AsStored,
    /// Matrices in this type, vectors in `F32`.
    Matrices(FloatType),
    /// Quantised matrices in their blocks, every other tensor in this type.
    BlocksAnd(FloatType),
}

/// Reads a model's tensors in a given type.
pub struct FileWeights<'a> {
    files: &'a ModelFiles,
    kept: KeptType,
    activations: Activations,
    bytes: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> FileWeights<'a> {
    /// Reads from `files`; `progress` receives the bytes kept so far.
    pub fn new(files: &'a ModelFiles, kept: KeptType, progress: &'a mut dyn FnMut(u64)) -> Self {
        Self { files, kept, activations: Activations::Exact, bytes: 0, progress }
    }

    /// The same, with quantised matrices whose products take their input so.
    pub fn with_activations(self, activations: Activations) -> Self {
        Self { activations, ..self }
    }
}

/// How one tensor is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In floats.
    Float(FloatType),
    /// In the file's own quantised blocks.
    Blocks(BlockType),
}

/// How a tensor of `rank` dimensions stored as `stored` is kept.
pub fn kept_as(kept: KeptType, stored: StoredType, rank: usize) -> Kept {
    match (kept, stored.block_type()) {
        (KeptType::All(float), _) => Kept::Float(float),
        (KeptType::BlocksAnd(_), Some(block)) if rank == 2 => Kept::Blocks(block),
        (KeptType::BlocksAnd(float), _) => Kept::Float(float),
        (KeptType::AsStored | KeptType::Matrices(_), _) if rank < 2 => Kept::Float(FloatType::F32),
        (KeptType::Matrices(float), _) => Kept::Float(float),
        (KeptType::AsStored, Some(block)) => Kept::Blocks(block),
        (KeptType::AsStored, None) if stored == StoredType::BF16 => Kept::Float(FloatType::BF16),
        (KeptType::AsStored, None) => Kept::Float(FloatType::F32),
    }
}

/// Bytes that `elements` values take when kept so.
fn bytes_of(kept: Kept, elements: u64) -> u64 {
    match kept {
        Kept::Float(float) => elements * float.bytes() as u64,
        Kept::Blocks(block) => elements / block.values() as u64 * block.bytes() as u64,
    }
}

/// Bytes the weights of `files` will take when kept as `kept`.
pub fn kept_bytes(files: &ModelFiles, kept: KeptType) -> u64 {
    files
        .stored_tensors()
        .map(|tensor| {
            let elements: u64 = tensor.shape.iter().map(|&n| n as u64).product();
            bytes_of(kept_as(kept, tensor.stored, tensor.shape.len()), elements)
        })
        .sum()
}

/// Bytes of the largest part of a quantised matrix of `files` whose values a product has at hand while it runs: on a device that
/// decodes parts, which is where [`KeptType::BlocksAnd`] is for.
pub fn decoded_bytes(files: &ModelFiles, kept: KeptType) -> u64 {
    let KeptType::BlocksAnd(float) = kept else { return 0 };
    files
        .stored_tensors()
        .filter(|tensor| matches!(kept_as(kept, tensor.stored, tensor.shape.len()), Kept::Blocks(_)))
        .map(|tensor| {
            let rows = tensor.rows().min(part_rows(tensor.columns(), float.bytes()));
            (rows * tensor.columns() * float.bytes()) as u64
        })
        .max()
        .unwrap_or(0)
}

/// Whether some matrix of `files` stays in quantised blocks when kept as `kept`.
pub fn keeps_blocks(files: &ModelFiles, kept: KeptType) -> bool {
    files
        .stored_tensors()
        .any(|tensor| matches!(kept_as(kept, tensor.stored, tensor.shape.len()), Kept::Blocks(_)))
}

/// The tensors' name of a float type.
pub fn dtype(float: FloatType) -> DType {
    match float {
        FloatType::F32 => DType::F32,
        FloatType::BF16 => DType::BF16,
        FloatType::F16 => DType::F16,
    }
}

impl WeightSource for FileWeights<'_> {
    type Error = WeightsError;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, WeightsError> {
        let stored = self.files.tensor(name)?.stored;
        let float = match kept_as(self.kept, stored, shape.len()) {
            Kept::Float(float) => float,
            // Asked for as values, so as values it is given.
            Kept::Blocks(_) => FloatType::F32,
        };
        let elements: usize = shape.iter().product();
        let bytes = match self.mapped(name, stored, float) {
            Some(bytes) => bytes,
            None => self.decoded(name, float, elements)?,
        };
        self.count(bytes_of(Kept::Float(float), elements as u64));
        Ok(TensorData { bytes, shape: Shape::from(shape.to_vec()), dtype: dtype(float) })
    }

    fn read_matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<MatrixData, WeightsError> {
        let stored = self.files.tensor(name)?.stored;
        let Kept::Blocks(block) = kept_as(self.kept, stored, 2) else {
            return self.read(name, &shape).map(MatrixData::Float);
        };
        let bytes = self.files.block_rows(name)?;
        let found = bytes.len();
        let [rows, columns] = shape;
        let matrix = QuantisedMatrix::new(block, rows, columns, bytes).ok_or_else(|| {
            let expected = bytes_of(Kept::Blocks(block), (rows * columns) as u64) as usize;
            WeightsError::BufferLength { tensor: name.to_owned(), found, expected }
        })?;
        self.count(found as u64);
        Ok(MatrixData::Blocks(matrix.with_activations(self.activations)))
    }
}

impl FileWeights<'_> {
    fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
        (self.progress)(self.bytes);
    }

    /// The file's own pages, where type and alignment let a kernel read them in place.
    fn mapped(&self, name: &str, stored: StoredType, float: FloatType) -> Option<Bytes> {
        let bytes = self.files.mapped_bytes(name).filter(|_| stored.float() == Some(float))?;
        let aligned = (bytes.as_ptr() as usize).is_multiple_of(float.bytes());
        aligned.then(|| Bytes::from_shared(bytes, AllocationProperty::File))
    }

    fn decoded(&self, name: &str, float: FloatType, elements: usize) -> Result<Bytes, WeightsError> {
        Ok(match float {
            FloatType::F32 => {
                let mut values = vec![0f32; elements];
                self.files.decode_into(name, float, bytemuck::cast_slice_mut(&mut values))?;
                Bytes::from_elems(values)
            }
            FloatType::BF16 => {
                let mut values = vec![bf16::ZERO; elements];
                self.files.decode_into(name, float, bytemuck::cast_slice_mut(&mut values))?;
                Bytes::from_elems(values)
            }
            FloatType::F16 => {
                let mut values = vec![f16::ZERO; elements];
                self.files.decode_into(name, float, bytemuck::cast_slice_mut(&mut values))?;
                Bytes::from_elems(values)
            }
        })
    }
}
