//! Weights from files onto a device, one tensor at a time.

use burn::tensor::{AllocationProperty, Bytes, DType, Shape, TensorData, bf16, f16};

use crate::model::build::WeightSource;
use crate::model::config::FloatType;
use crate::model::weights::{ModelFiles, StoredType, WeightsError};

/// Which float type weights are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptType {
    /// Every tensor in this type.
    All(FloatType),
    /// As stored where the kernels read that type as it is (`F32`, `BF16`), else `F32`; vectors (norms, biases)
    /// in `F32`.
    AsStored,
    /// Matrices in this type, vectors in `F32`.
    Matrices(FloatType),
}

/// Reads a model's tensors in a given type.
pub struct FileWeights<'a> {
    files: &'a ModelFiles,
    kept: KeptType,
    bytes: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> FileWeights<'a> {
    /// Reads from `files`; `progress` receives the bytes kept so far.
    pub fn new(files: &'a ModelFiles, kept: KeptType, progress: &'a mut dyn FnMut(u64)) -> Self {
        Self { files, kept, bytes: 0, progress }
    }
}

/// The type a tensor of `rank` dimensions stored as `stored` is kept in.
pub fn kept_type(kept: KeptType, stored: StoredType, rank: usize) -> FloatType {
    match kept {
        KeptType::All(float) => float,
        KeptType::AsStored | KeptType::Matrices(_) if rank < 2 => FloatType::F32,
        KeptType::Matrices(float) => float,
        KeptType::AsStored if stored == StoredType::BF16 => FloatType::BF16,
        KeptType::AsStored => FloatType::F32,
    }
}

/// Bytes the weights of `files` will take when kept as `kept`.
pub fn kept_bytes(files: &ModelFiles, kept: KeptType) -> u64 {
    files
        .stored_tensors()
        .map(|tensor| {
            let elements: u64 = tensor.shape.iter().map(|&n| n as u64).product();
            elements * kept_type(kept, tensor.stored, tensor.shape.len()).bytes() as u64
        })
        .sum()
}

fn dtype(float: FloatType) -> DType {
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
        let float = kept_type(self.kept, stored, shape.len());
        let elements: usize = shape.iter().product();
        self.bytes += (elements * float.bytes()) as u64;
        let bytes = match self.mapped(name, stored, float) {
            Some(bytes) => bytes,
            None => self.decoded(name, float, elements)?,
        };
        (self.progress)(self.bytes);
        Ok(TensorData { bytes, shape: Shape::from(shape.to_vec()), dtype: dtype(float) })
    }
}

impl FileWeights<'_> {
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
