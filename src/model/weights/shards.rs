//! `model.safetensors.index.json`: which shard holds which tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{FileImage, WeightsError};
use crate::model::config::JsonPairs;

/// Longest index that is read, in bytes; the index of a model with a thousand layers holds under 2 MiB.
const LONGEST: u64 = 64 << 20;

/// A checked index: every shard is a plain file name, every tensor is named once.
#[derive(Debug, Clone)]
pub struct ShardIndex {
    /// The index file, for errors.
    pub(super) file: PathBuf,
    shard_of: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawIndex {
    weight_map: JsonPairs<String>,
    /// `total_size` and whatever else a writer noted; not relied on, since the shards themselves are
    /// measured.
    #[serde(default, rename = "metadata")]
    _metadata: IgnoredAny,
}

impl ShardIndex {
    /// Reads the text of an index.
    pub fn parse(image: &FileImage) -> Result<Self, WeightsError> {
        let file = image.path.clone();
        let broken = |reason: String| WeightsError::Json { file: file.clone(), part: "index", reason };
        if image.len() > LONGEST {
            return Err(broken(format!("it holds {} bytes; legal: at most {LONGEST}", image.len())));
        }
        let raw: RawIndex =
            serde_json::from_slice(&image.bytes).map_err(|error| broken(error.to_string()))?;
        if let Some(tensor) = raw.weight_map.duplicate() {
            return Err(WeightsError::DuplicateTensor { file, tensor: tensor.to_owned() });
        }
        if let Some((tensor, shard)) = raw.weight_map.0.iter().find(|(_, shard)| !is_plain(shard)) {
            return Err(WeightsError::ShardName { file, tensor: tensor.clone(), found: shard.clone() });
        }
        Ok(Self { file, shard_of: raw.weight_map.0.into_iter().collect() })
    }

    /// The shards' file names, sorted, each once.
    pub fn shards(&self) -> BTreeSet<&str> {
        self.shard_of.values().map(String::as_str).collect()
    }

    /// Refuses a tensor found in `shard` that the index puts elsewhere or does not know.
    pub(super) fn check_found(&self, tensor: &str, shard: &str) -> Result<(), WeightsError> {
        let said = match self.shard_of.get(tensor) {
            Some(said) if said == shard => return Ok(()),
            Some(said) => said.clone(),
            None => "no shard".to_owned(),
        };
        let (file, tensor, actual) = (self.file.clone(), tensor.to_owned(), format!("in {shard}"));
        Err(WeightsError::WrongShard { file, tensor, said, actual })
    }

    /// Refuses an index that names a tensor which no shard holds; `found` holds what they do hold.
    pub(super) fn check_complete(&self, found: &BTreeSet<&str>) -> Result<(), WeightsError> {
        match self.shard_of.iter().find(|(tensor, _)| !found.contains(tensor.as_str())) {
            Some((tensor, said)) => Err(WeightsError::WrongShard {
                file: self.file.clone(),
                tensor: tensor.clone(),
                said: said.clone(),
                actual: "not there".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Whether a shard's name stays in its folder on every system.
fn is_plain(name: &str) -> bool {
    name.ends_with(".safetensors")
        && !name.starts_with('.')
        && !name.contains(['/', '\\', ':'])
        && !name.chars().any(char::is_control)
}
