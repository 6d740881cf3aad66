//! Writes tensors into safetensors files of limited size.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::WeightsError;
use super::{OutputTensor, TensorSource};

/// Receives the bytes of one tensor and writes them behind one another.
pub struct TensorSink<'a> {
    out: BufWriter<&'a File>,
    file: &'a Path,
    tensor: &'a OutputTensor,
    pushed: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl TensorSink<'_> {
    /// Writes the next bytes of the tensor.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), WeightsError> {
        self.pushed += bytes.len() as u64;
        if self.pushed > self.tensor.bytes() {
            return Err(self.wrong_length());
        }
        self.out.write_all(bytes).map_err(|source| written(self.file, source))?;
        (self.progress)(bytes.len() as u64);
        Ok(())
    }

    fn finish(mut self) -> Result<(), WeightsError> {
        if self.pushed != self.tensor.bytes() {
            return Err(self.wrong_length());
        }
        self.out.flush().map_err(|source| written(self.file, source))
    }

    fn wrong_length(&self) -> WeightsError {
        let (tensor, expected) = (self.tensor.name.clone(), self.tensor.bytes());
        WeightsError::SourceLength { tensor, found: self.pushed, expected }
    }
}

/// Writes every tensor of `source` into `dir`, as `model.safetensors` or as numbered shards with an index.
///
/// `dir` is the temporary folder, so names need no care here. `progress` receives the bytes done and the
/// total.
pub(super) fn write_shards(
    source: &mut dyn TensorSource,
    dir: &Path,
    max_shard_size: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), WeightsError> {
    let tensors = source.tensors();
    let total = tensors.iter().map(OutputTensor::bytes).sum();
    let shards = plan(tensors, max_shard_size);
    let mut done = 0;
    let mut count = |bytes: u64| {
        done += bytes;
        progress(done, total);
    };
    if let [shard] = shards.as_slice() {
        return write_shard(source, shard, &dir.join("model.safetensors"), &mut count);
    }
    let mut weight_map = serde_json::Map::new();
    for (index, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", index + 1, shards.len());
        write_shard(source, shard, &dir.join(&name), &mut count)?;
        for tensor in shard {
            weight_map.insert(tensor.name.clone(), json!(name));
        }
    }
    let index = json!({ "metadata": { "total_size": total }, "weight_map": weight_map });
    write_file(&dir.join("model.safetensors.index.json"), format!("{index:#}\n").as_bytes())
}

/// Writes a small file and waits until it is on disk.
pub(super) fn write_file(path: &Path, contents: &[u8]) -> Result<(), WeightsError> {
    let mut file = File::create_new(path).map_err(|source| written(path, source))?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(|source| written(path, source))
}

/// Cuts the tensors into shards, in order; within a shard, wider types come first so that every value is
/// aligned.
fn plan(tensors: Vec<OutputTensor>, max_shard_size: u64) -> Vec<Vec<OutputTensor>> {
    let mut shards: Vec<Vec<OutputTensor>> = vec![Vec::new()];
    let mut filled = 0u64;
    for tensor in tensors {
        let bytes = tensor.bytes();
        if filled > 0 && filled.saturating_add(bytes) > max_shard_size {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += bytes;
        if let Some(shard) = shards.last_mut() {
            shard.push(tensor);
        }
    }
    for shard in &mut shards {
        shard.sort_by(|a, b| b.dtype.bytes().cmp(&a.dtype.bytes()).then_with(|| a.name.cmp(&b.name)));
    }
    shards
}

fn write_shard(
    source: &mut dyn TensorSource,
    shard: &[OutputTensor],
    path: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), WeightsError> {
    let file = File::create_new(path).map_err(|source| written(path, source))?;
    (&file).write_all(&header(shard)).map_err(|source| written(path, source))?;
    for tensor in shard {
        let out = BufWriter::new(&file);
        let mut sink = TensorSink { out, file: path, tensor, pushed: 0, progress: &mut *progress };
        source.push(tensor, &mut sink)?;
        sink.finish()?;
    }
    file.sync_all().map_err(|source| written(path, source))
}

/// The header of a file: its length, and JSON padded with spaces so that the data begins at a multiple of 8.
fn header(shard: &[OutputTensor]) -> Vec<u8> {
    let mut json = String::from(r#"{"__metadata__":{"format":"pt"}"#);
    let mut begin = 0;
    for tensor in shard {
        let end = begin + tensor.bytes();
        let entry = json!({
            "dtype": tensor.dtype.safetensors_name(),
            "shape": tensor.shape,
            "data_offsets": [begin, end],
        });
        json.push_str(&format!(",{}:{entry}", json!(tensor.name)));
        begin = end;
    }
    json.push('}');
    while !json.len().is_multiple_of(8) {
        json.push(' ');
    }
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.extend_from_slice(json.as_bytes());
    header
}

fn written(path: &Path, source: std::io::Error) -> WeightsError {
    WeightsError::Io { file: PathBuf::from(path), action: "written", source }
}

#[cfg(test)]
mod tests {
    use super::super::super::FloatType;
    use super::*;

    fn tensor(name: &str, values: usize, dtype: FloatType) -> OutputTensor {
        OutputTensor { name: name.to_owned(), shape: vec![values], dtype }
    }

    #[test]
    fn shards_are_cut_before_they_grow_too_large() {
        let tensors =
            ["a", "b", "c", "d"].map(|name| tensor(name, if name == "c" { 100 } else { 10 }, FloatType::F32));
        let shards = plan(tensors.to_vec(), 80);
        let names: Vec<Vec<&str>> =
            shards.iter().map(|s| s.iter().map(|t| t.name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["a", "b"], vec!["c"], vec!["d"]]);
    }

    #[test]
    fn wide_values_come_first_and_the_data_is_aligned() {
        let shard =
            plan(vec![tensor("a", 3, FloatType::BF16), tensor("b", 1, FloatType::F32)], 1000).remove(0);
        assert_eq!(shard[0].name, "b");
        let header = header(&shard);
        assert!(header.len().is_multiple_of(8));
        assert_eq!(header[..8], (header.len() as u64 - 8).to_le_bytes());
    }
}
