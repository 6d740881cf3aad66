//! Where each tensor lies in `state.safetensors`.

use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Name and shape of a tensor, in 32-bit floats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// Its sizes; no size is a single value.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// A tensor of this name and shape.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into() }
    }

    /// How many values it has; `None` where that is no number this machine can count to in bytes.
    pub fn values(&self) -> Option<usize> {
        let count = self.shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size))?;
        count.checked_mul(size_of::<f32>()).map(|_| count)
    }
}

/// The beginning of a safetensors file that holds `tensors` one after another: the header's length and the header,
/// padded so that the values after it are aligned. The same tensors always give the same bytes.
pub(super) fn header(tensors: &[TensorSpec]) -> Result<Vec<u8>, String> {
    let mut names = BTreeSet::new();
    for tensor in tensors {
        if tensor.name.is_empty() || tensor.name == "__metadata__" {
            return Err(format!("{:?} is no name for a tensor", tensor.name));
        }
        if !names.insert(&tensor.name) {
            return Err(format!("there are two tensors `{}`", tensor.name));
        }
    }
    let mut entries = Vec::with_capacity(tensors.len());
    let mut end = 0usize;
    for tensor in tensors {
        let begin = end;
        let too_large = || format!("`{}` has the shape {:?}, which is too large", tensor.name, tensor.shape);
        let bytes = tensor.values().ok_or_else(too_large)? * size_of::<f32>();
        end = begin.checked_add(bytes).ok_or_else(too_large)?;
        entries.push((tensor, [begin, end]));
    }
    let mut json = serde_json::to_vec(&Header(&entries)).map_err(|error| error.to_string())?;
    json.resize(json.len().next_multiple_of(8), b' ');
    Ok([&(json.len() as u64).to_le_bytes()[..], &json].concat())
}

/// The header's JSON object, its entries in the order of the data.
struct Header<'a>(&'a [(&'a TensorSpec, [usize; 2])]);

#[derive(serde::Serialize)]
struct Entry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (tensor, data_offsets) in self.0 {
            let entry = Entry { dtype: "F32", shape: &tensor.shape, data_offsets: *data_offsets };
            map.serialize_entry(&tensor.name, &entry)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_of_the_format_reads_it() {
        let specs = [
            TensorSpec::new("weight", [2, 3]),
            TensorSpec::new("adamw.m/\"odd\" name\n", [1]),
            TensorSpec::new("one value", []),
            TensorSpec::new("none", [0, 9]),
        ];
        let header = header(&specs).unwrap();
        assert!(header.len().is_multiple_of(8));
        let file = [header, vec![0; 4 * 8]].concat();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&file).unwrap();
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(metadata.offset_keys(), names);
        for spec in &specs {
            assert_eq!(metadata.info(&spec.name).unwrap().shape, spec.shape);
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let twice = [TensorSpec::new("a", [1]), TensorSpec::new("a", [2])];
        assert!(header(&twice).unwrap_err().contains("two tensors `a`"));
        for name in ["", "__metadata__"] {
            assert!(header(&[TensorSpec::new(name, [1])]).is_err());
        }
        assert!(header(&[TensorSpec::new("a", [usize::MAX, 2])]).unwrap_err().contains("too large"));
        let half = usize::MAX / 8 + 1;
        let both = [TensorSpec::new("a", [half]), TensorSpec::new("b", [half])];
        assert!(header(&both).unwrap_err().contains("`b`"));
    }
}
