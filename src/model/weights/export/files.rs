//! Exports opened model files.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::super::{FloatType, ModelFiles, Origin, StoredTensor, WeightsError};
use super::{ExportOptions, OutputTensor, TensorSink, TensorSource, TextFile, write_source};

/// Bytes decoded and written at a time.
const PIECE: usize = 4 << 20;

/// Files of a Hugging Face folder that go along unchanged: generation defaults, the tokenizer, the terms of
/// use.
const COPIED: [&str; 10] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "LICENSE",
];

/// Writes an opened model as the folder `dir`.
///
/// From a Hugging Face folder, `config.json` is kept byte for byte where the float type is, and its dtype
/// field is rewritten where it changes; tokenizer files are copied. From GGUF, `config.json` and
/// `generation_config.json` are made from the metadata; a tokenizer can be given as `options.extra_files`.
pub fn write_folder(
    files: &ModelFiles,
    dir: &Path,
    options: &ExportOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), WeightsError> {
    let mut source = FilesSource { files, dtype: options.dtype };
    let texts = match &files.origin {
        Origin::Gguf(_) => made_texts(files, &source.tensors()),
        Origin::Safetensors(config) => {
            let mut texts = copied_texts(files)?;
            texts.push(text_file("config.json", config_text(files, &config.bytes, options.dtype)));
            if !texts.iter().any(|text| text.name == "generation_config.json") {
                texts.extend(made_generation(files));
            }
            texts
        }
    };
    write_source(&mut source, texts, dir, options, progress)
}

struct FilesSource<'a> {
    files: &'a ModelFiles,
    dtype: Option<FloatType>,
}

impl FilesSource<'_> {
    fn dtype_of(&self, tensor: &StoredTensor<'_>) -> FloatType {
        self.dtype.or(tensor.stored.float()).unwrap_or(FloatType::F32)
    }
}

impl TensorSource for FilesSource<'_> {
    fn tensors(&self) -> Vec<OutputTensor> {
        let output = |tensor: StoredTensor<'_>| OutputTensor {
            name: tensor.name.to_owned(),
            shape: tensor.shape.to_vec(),
            dtype: self.dtype_of(&tensor),
        };
        self.files.stored_tensors().map(output).collect()
    }

    fn push(&mut self, output: &OutputTensor, sink: &mut TensorSink<'_>) -> Result<(), WeightsError> {
        let tensor = self.files.tensor(&output.name)?;
        let row = (tensor.columns() * output.dtype.bytes()).max(1);
        let rows_at_once = (PIECE / row).max(1);
        let mut piece = vec![0; row * rows_at_once.min(tensor.rows())];
        for start in (0..tensor.rows()).step_by(rows_at_once) {
            let rows = start..tensor.rows().min(start + rows_at_once);
            let piece = &mut piece[..row * rows.len()];
            tensor.decode_rows_into(rows, output.dtype, piece)?;
            sink.push(piece)?;
        }
        Ok(())
    }
}

fn text_file(name: &str, contents: Vec<u8>) -> TextFile {
    TextFile { name: name.to_owned(), contents }
}

fn copied_texts(files: &ModelFiles) -> Result<Vec<TextFile>, WeightsError> {
    let mut texts = Vec::new();
    let Some(folder) = files.folder() else { return Ok(texts) };
    for name in COPIED {
        let file = folder.join(name);
        match fs::read(&file) {
            Ok(contents) => texts.push(text_file(name, contents)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(WeightsError::Io { file, action: "read", source }),
        }
    }
    Ok(texts)
}

/// The source's own text; with its dtype field rewritten where tensors change their type.
fn config_text(files: &ModelFiles, text: &[u8], dtype: Option<FloatType>) -> Vec<u8> {
    let Some(dtype) = dtype.filter(|dtype| files.config().dtype != Some(*dtype)) else {
        return text.to_vec();
    };
    // The text was parsed when the model was opened, so this cannot fail; kept as it is, it would still be
    // loadable.
    let Ok(Value::Object(mut json)) = serde_json::from_slice(text) else { return text.to_vec() };
    let fields = ["dtype", "torch_dtype"].map(|field| (field, json.contains_key(field)));
    for (field, _) in fields.into_iter().filter(|(_, there)| *there) {
        json.insert(field.to_owned(), json!(dtype.torch_name()));
    }
    if fields.iter().all(|(_, there)| !there) {
        json.insert("torch_dtype".to_owned(), json!(dtype.torch_name()));
    }
    format!("{:#}\n", Value::Object(json)).into_bytes()
}

fn made_texts(files: &ModelFiles, tensors: &[OutputTensor]) -> Vec<TextFile> {
    let mut types = tensors.iter().map(|tensor| tensor.dtype);
    let first = types.next().unwrap_or(FloatType::F32);
    // Of several types the widest is declared, into which the others convert without loss.
    let declared = if types.all(|dtype| dtype == first) { first } else { FloatType::F32 };
    let mut texts = vec![text_file("config.json", files.config().to_hf_json(declared).into_bytes())];
    texts.extend(made_generation(files));
    texts
}

fn made_generation(files: &ModelFiles) -> Option<TextFile> {
    let text = files.config().to_generation_json()?;
    Some(text_file("generation_config.json", text.into_bytes()))
}
