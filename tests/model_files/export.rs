//! Exported folders: what comes out is what went in, whole or not at all.

use std::fs;
use std::path::Path;

use osler::model::config::{Architecture, FloatType};
use osler::model::weights::export::{
    ExportOptions, OutputTensor, TensorSink, TensorSource, TextFile, write_folder, write_source,
};
use osler::model::weights::{FileImage, GgufFile, ModelFiles, ModelFormat, StoredType, WeightsError};

use super::images::{self, Rng};

/// A Hugging Face folder of a tiny Qwen2, with a config.json no serialiser would write like this.
fn source_folder(dir: &Path) {
    let config = images::tiny(Architecture::Qwen2, true);
    let text = config.to_hf_json(FloatType::BF16).replace("  ", "\t");
    images::write(dir, "config.json", text.as_bytes());
    images::write(dir, "model.safetensors", &images::safetensors(&images::entries(&config, &mut Rng(9))));
    images::write(dir, "tokenizer.json", b"{}");
}

fn export(model: &ModelFiles, dir: &Path, options: &ExportOptions) -> Result<(), WeightsError> {
    write_folder(model, dir, options, &mut |_, _| {})
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_comes_back_bit_for_bit() {
    let scratch = tempfile::tempdir().unwrap();
    let (from, to) = (scratch.path().join("from"), scratch.path().join("new/to"));
    fs::create_dir(&from).unwrap();
    source_folder(&from);
    let model = ModelFiles::open(&from).unwrap();
    for max_shard_size in [u64::MAX, 20_000, 1] {
        let options = ExportOptions { max_shard_size, overwrite: true, ..ExportOptions::default() };
        let mut steps = Vec::new();
        write_folder(&model, &to, &options, &mut |done, total| steps.push((done, total))).unwrap();
        let total: usize = model.stored_tensors().map(|tensor| tensor.data.len()).sum();
        assert_eq!(steps.last(), Some(&(total as u64, total as u64)));
        let copy = ModelFiles::open(&to).unwrap();
        assert_eq!(copy.stored_tensors().len(), model.stored_tensors().len());
        for (ours, theirs) in copy.stored_tensors().zip(model.stored_tensors()) {
            assert_eq!((ours.name, ours.stored, ours.shape), (theirs.name, theirs.stored, theirs.shape));
            assert_eq!(ours.data, theirs.data, "{}", ours.name);
        }
        for name in ["config.json", "tokenizer.json"] {
            assert_eq!(fs::read(from.join(name)).unwrap(), fs::read(to.join(name)).unwrap(), "{name}");
        }
    }
    let ModelFormat::Safetensors { shards } = ModelFiles::open(&to).unwrap().format() else { panic!() };
    assert_eq!(shards, model.stored_tensors().len(), "shards of at most one byte hold one tensor each");
    assert!(names(&to).contains(&format!("model-00001-of-{shards:05}.safetensors")));
    assert_eq!(names(to.parent().unwrap()), ["to"], "temporary folders stayed behind");
}

#[test]
fn another_float_type_is_written_into_the_config() {
    let scratch = tempfile::tempdir().unwrap();
    source_folder(scratch.path());
    let model = ModelFiles::open(scratch.path()).unwrap();
    let to = scratch.path().join("f16");
    export(&model, &to, &ExportOptions { dtype: Some(FloatType::F16), ..ExportOptions::default() }).unwrap();
    let copy = ModelFiles::open(&to).unwrap();
    assert_eq!(copy.config().dtype, Some(FloatType::F16));
    assert!(copy.stored_tensors().all(|tensor| tensor.stored == StoredType::F16));
    assert_eq!(names(&to), ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"]);
}

#[test]
fn gguf_becomes_a_folder_of_its_decoded_values() {
    let config = images::tiny(Architecture::Llama, false);
    let file = images::gguf(&config, &mut Rng(10)).build();
    let model = ModelFiles::from_gguf(GgufFile::parse(FileImage::new("tiny.gguf", file)).unwrap()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let to = scratch.path().join("to");
    let tokenizer = TextFile { name: "tokenizer.json".to_owned(), contents: b"{}".to_vec() };
    export(&model, &to, &ExportOptions { extra_files: vec![tokenizer], ..ExportOptions::default() }).unwrap();
    let copy = ModelFiles::open(&to).unwrap();
    assert_eq!(copy.config().rms_norm_eps, 1e-6);
    for tensor in model.stored_tensors() {
        let exported = copy.tensor(tensor.name).unwrap();
        let target = tensor.stored.float().unwrap_or(FloatType::F32);
        assert_eq!(exported.stored, StoredType::from(target), "{}", tensor.name);
        let mut decoded = vec![0; tensor.rows() * tensor.columns() * target.bytes()];
        tensor.decode_into(target, &mut decoded).unwrap();
        assert_eq!(exported.data, decoded, "{}", tensor.name);
    }
    let generation = fs::read_to_string(to.join("generation_config.json")).unwrap();
    assert_eq!(generation, "{\n  \"eos_token_id\": 1,\n  \"pad_token_id\": 0\n}\n");
    assert!(names(&to).contains(&"tokenizer.json".to_owned()));
}

#[test]
fn a_folder_in_use_is_not_replaced_unasked() {
    let scratch = tempfile::tempdir().unwrap();
    source_folder(scratch.path());
    let model = ModelFiles::open(scratch.path()).unwrap();
    let to = scratch.path().join("to");
    fs::create_dir(&to).unwrap();
    images::write(&to, "letters.txt", b"keep");
    let overwrite = ExportOptions { overwrite: true, ..ExportOptions::default() };
    for options in [&ExportOptions::default(), &overwrite] {
        assert!(matches!(export(&model, &to, options), Err(WeightsError::TargetExists { .. })));
        assert_eq!(names(&to), ["letters.txt"]);
    }
    images::write(&to, "config.json", b"{}");
    assert!(matches!(export(&model, &to, &ExportOptions::default()), Err(WeightsError::TargetExists { .. })));
    export(&model, &to, &overwrite).unwrap();
    assert!(!names(&to).contains(&"letters.txt".to_owned()));
    let file = scratch.path().join("config.json");
    assert!(matches!(export(&model, &file, &overwrite), Err(WeightsError::TargetExists { .. })));
}

#[test]
fn extra_files_stay_in_the_folder() {
    let scratch = tempfile::tempdir().unwrap();
    source_folder(scratch.path());
    let model = ModelFiles::open(scratch.path()).unwrap();
    for name in ["../evil", "/etc/evil", "", ".hidden", "model.safetensors", "model.safetensors.index.json"] {
        let extra_files = vec![TextFile { name: name.to_owned(), contents: Vec::new() }];
        let result = export(
            &model,
            &scratch.path().join("to"),
            &ExportOptions { extra_files, ..ExportOptions::default() },
        );
        assert!(matches!(result, Err(WeightsError::ExportName { .. })), "{name}: {result:?}");
    }
    assert!(!scratch.path().join("to").exists());
}

/// A model in memory that gives as many bytes as it was told to.
struct InMemory {
    given: usize,
}

impl TensorSource for InMemory {
    fn tensors(&self) -> Vec<OutputTensor> {
        vec![OutputTensor { name: "w".to_owned(), shape: vec![2, 3], dtype: FloatType::F32 }]
    }

    fn push(&mut self, _: &OutputTensor, sink: &mut TensorSink<'_>) -> Result<(), WeightsError> {
        sink.push(&vec![7; self.given / 2])?;
        sink.push(&vec![7; self.given - self.given / 2])
    }
}

#[test]
fn a_model_in_memory_is_written_and_must_keep_its_word() {
    let scratch = tempfile::tempdir().unwrap();
    let to = scratch.path().join("to");
    let config = || vec![TextFile { name: "config.json".to_owned(), contents: b"{}".to_vec() }];
    for given in [23, 25, 0] {
        let mut source = InMemory { given };
        let result = write_source(&mut source, config(), &to, &ExportOptions::default(), &mut |_, _| {});
        assert!(matches!(result, Err(WeightsError::SourceLength { expected: 24, .. })), "{result:?}");
        assert!(names(scratch.path()).is_empty(), "a failed export left something behind");
    }
    write_source(&mut InMemory { given: 24 }, config(), &to, &ExportOptions::default(), &mut |_, _| {})
        .unwrap();
    let file = fs::read(to.join("model.safetensors")).unwrap();
    assert!(file.ends_with(&[7; 24]) && (file.len() - 24).is_multiple_of(8));
}

#[test]
fn a_value_too_large_for_the_type_stops_the_export() {
    let scratch = tempfile::tempdir().unwrap();
    let config = images::tiny(Architecture::Qwen2, true);
    let mut entries = images::entries(&config, &mut Rng(9));
    // BF16 1e38: beyond the largest half.
    let large = entries.iter_mut().find(|entry| entry.name == "model.embed_tokens.weight").unwrap();
    large.data[..2].copy_from_slice(&0x7e96u16.to_le_bytes());
    images::write(scratch.path(), "config.json", config.to_hf_json(FloatType::BF16).as_bytes());
    images::write(scratch.path(), "model.safetensors", &images::safetensors(&entries));
    let model = ModelFiles::open(scratch.path()).unwrap();
    let to = scratch.path().join("to");
    let result =
        export(&model, &to, &ExportOptions { dtype: Some(FloatType::F16), ..ExportOptions::default() });
    assert!(
        matches!(&result, Err(WeightsError::TooLarge { tensor, .. }) if tensor.contains("embed")),
        "{result:?}"
    );
    assert!(!to.exists());
}
