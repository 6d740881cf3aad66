//! Finds the files of a model on disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::{FileImage, GgufFile, ModelFiles, ShardIndex, WeightsError};
use crate::model::config;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const CONFIG: &str = "config.json";

impl ModelFiles {
    /// Opens and checks a model: a Hugging Face folder, one `.safetensors` file with `config.json` beside it,
    /// a `.gguf` file, or a folder with exactly one `.gguf` file and no safetensors. Files are mapped, not
    /// read.
    ///
    /// As in transformers, `model.safetensors` is taken before an index where a folder has both.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let failed = |source| WeightsError::Io { file: path.to_owned(), action: "opened", source };
        let is_folder = fs::metadata(path).map_err(failed)?.is_dir();
        let mut model = if is_folder { open_folder(path)? } else { open_file(path)? };
        // The parent of a bare file name is the empty path, which joins to names in the current folder.
        model.folder = if is_folder { Some(path.to_owned()) } else { path.parent().map(Path::to_owned) };
        Ok(model)
    }
}

fn open_file(path: &Path) -> Result<ModelFiles, WeightsError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gguf") => ModelFiles::from_gguf(GgufFile::open(path)?),
        Some("safetensors") => open_single(path),
        _ => Err(not_a_model(path, "its name ends neither in .safetensors nor in .gguf".to_owned())),
    }
}

fn open_folder(folder: &Path) -> Result<ModelFiles, WeightsError> {
    let single = folder.join(SINGLE);
    if single.is_file() {
        return open_single(&single);
    }
    let index = folder.join(INDEX);
    if index.is_file() {
        return open_shards(folder, &index);
    }
    let (ggufs, others) = weight_files(folder)?;
    match (ggufs.as_slice(), others.as_slice()) {
        ([one], []) => ModelFiles::from_gguf(GgufFile::open(one)?),
        ([], []) => {
            Err(not_a_model(folder, format!("the folder holds neither {SINGLE}, {INDEX} nor a .gguf file")))
        }
        ([], [other, ..]) => {
            let name = other.display();
            Err(not_a_model(folder, format!("the folder holds {name} but neither {SINGLE} nor {INDEX}")))
        }
        ([_, ..], [_, ..]) => {
            Err(not_a_model(folder, "the folder holds both .gguf and .safetensors files".to_owned()))
        }
        ([_, _, ..], []) => Err(not_a_model(
            folder,
            format!("the folder holds {} .gguf files; name the one that is meant", ggufs.len()),
        )),
    }
}

/// The `.gguf` files and the `.safetensors` files of a folder, sorted.
fn weight_files(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), WeightsError> {
    let failed = |source| WeightsError::Io { file: folder.to_owned(), action: "listed", source };
    let (mut ggufs, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gguf") => ggufs.push(path),
            Some("safetensors") => others.push(path),
            _ => {}
        }
    }
    ggufs.sort();
    others.sort();
    Ok((ggufs, others))
}

fn open_single(path: &Path) -> Result<ModelFiles, WeightsError> {
    let config = read_config_text(&path.with_file_name(CONFIG))?;
    ModelFiles::from_safetensors(config, FileImage::map(path)?)
}

fn open_shards(folder: &Path, index: &Path) -> Result<ModelFiles, WeightsError> {
    let config = read_config_text(&folder.join(CONFIG))?;
    let index = ShardIndex::parse(&FileImage::map(index)?)?;
    let mut shards = Vec::new();
    for name in index.shards() {
        let path = folder.join(name);
        // A missing shard is left out here and reported, with the index's name, by `from_shards`.
        if path.is_file() {
            shards.push(FileImage::map(&path)?);
        }
    }
    ModelFiles::from_shards(config, &index, shards)
}

fn read_config_text(path: &Path) -> Result<FileImage, WeightsError> {
    Ok(FileImage::new(path, config::read_text(path)?))
}

fn not_a_model(path: &Path, reason: String) -> WeightsError {
    WeightsError::NotAModel { file: path.to_owned(), reason }
}
