//! One test for each lie that a safetensors file or its index can tell.

use osler::model::config::{Architecture, FloatType, ModelConfig};
use osler::model::weights::{FileImage, ModelFiles, ModelFormat, ShardIndex, TensorProblem, WeightsError};
use serde_json::{Value, json};

use super::images::{self, Entry, Rng};
use super::mutations::read_all;

const EMBEDDING: &str = "model.embed_tokens.weight";

fn config() -> ModelConfig {
    images::tiny(Architecture::Qwen2, true)
}

fn tensors() -> Vec<Entry> {
    images::entries(&config(), &mut Rng(7))
}

fn open(file: Vec<u8>) -> Result<ModelFiles, WeightsError> {
    let text = config().to_hf_json(FloatType::BF16);
    ModelFiles::from_safetensors(
        FileImage::new("config.json", text),
        FileImage::new("model.safetensors", file),
    )
}

/// Opens a file whose header was changed.
fn with_header(lie: impl FnOnce(&mut Value)) -> Result<ModelFiles, WeightsError> {
    let (mut header, data) = images::header_and_data(&tensors());
    lie(&mut header);
    open(images::join(&header.to_string(), &data))
}

/// Opens a file whose tensors were changed.
fn with_tensors(lie: impl FnOnce(&mut Vec<Entry>)) -> Result<ModelFiles, WeightsError> {
    let mut tensors = tensors();
    lie(&mut tensors);
    open(images::safetensors(&tensors))
}

fn problems(result: Result<ModelFiles, WeightsError>) -> Vec<TensorProblem> {
    match result {
        Err(WeightsError::Tensors { problems, .. }) => problems,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_honest_file_opens_and_its_bytes_are_shared() {
    let model = with_tensors(|_| {}).unwrap();
    assert_eq!(model.format(), ModelFormat::Safetensors { shards: 1 });
    read_all(&model);
    let tensors = tensors();
    let embedding = tensors.iter().find(|entry| entry.name == EMBEDDING).unwrap();
    let bytes = model.mapped_bytes(EMBEDDING).unwrap();
    assert_eq!(bytes.as_ptr(), model.tensor(EMBEDDING).unwrap().data.as_ptr(), "the bytes were copied");
    drop(model);
    assert_eq!(bytes, embedding.data, "the bytes outlive the model");
}

#[test]
fn a_name_that_is_not_there_is_an_error() {
    let model = with_tensors(|_| {}).unwrap();
    assert!(matches!(model.tensor("model.layers.9.x"), Err(WeightsError::NoSuchTensor { .. })));
    assert!(model.mapped_bytes("model.layers.9.x").is_none());
}

#[test]
fn header_length_past_the_end() {
    let mut file = images::safetensors(&tensors());
    file[..8].copy_from_slice(&50_000_000u64.to_le_bytes());
    assert!(matches!(open(file), Err(WeightsError::CutShort { needed: 50_000_000, .. })));
}

#[test]
fn header_length_that_no_header_has() {
    for length in [0, 1, u64::MAX, 1 << 60] {
        let mut file = images::safetensors(&tensors());
        file[..8].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(open(file), Err(WeightsError::HeaderLength { found, .. }) if found == length));
    }
}

#[test]
fn file_shorter_than_its_first_number() {
    assert!(matches!(open(vec![1, 2, 3]), Err(WeightsError::CutShort { left: 3, .. })));
    assert!(matches!(open(Vec::new()), Err(WeightsError::CutShort { left: 0, .. })));
}

#[test]
fn file_cut_short() {
    let mut file = images::safetensors(&tensors());
    file.pop();
    assert!(matches!(open(file), Err(WeightsError::OutsideFile { .. })));
}

#[test]
fn bytes_behind_the_last_tensor() {
    let mut file = images::safetensors(&tensors());
    file.push(0);
    assert!(matches!(open(file), Err(WeightsError::Gap { .. })));
}

#[test]
fn offsets_outside_the_file() {
    for offsets in [json!([1u64 << 60, (1u64 << 60) + 384]), json!([384, 0]), json!([0, u64::MAX])] {
        let result = with_header(|header| header[EMBEDDING]["data_offsets"] = offsets.clone());
        assert!(
            matches!(&result, Err(WeightsError::OutsideFile { tensor, .. }) if tensor == EMBEDDING),
            "{result:?}"
        );
    }
}

#[test]
fn offsets_that_do_not_fit_the_shape() {
    let result = with_header(|header| {
        let end = header[EMBEDDING]["data_offsets"][1].as_u64().unwrap();
        header[EMBEDDING]["data_offsets"][1] = json!(end - 2);
    });
    assert!(
        matches!(result, Err(WeightsError::TensorLength { expected: 384, found: 382, .. })),
        "{result:?}"
    );
}

#[test]
fn overlapping_tensors() {
    let (q, o) = ("model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.o_proj.weight");
    let result = with_header(|header| header[q]["data_offsets"] = header[o]["data_offsets"].clone());
    // Both tensors are of one size, so what q left behind is a gap, found first or second by position.
    assert!(matches!(result, Err(WeightsError::Overlap { .. } | WeightsError::Gap { .. })), "{result:?}");
    let result = with_header(|header| {
        let map = header.as_object_mut().unwrap();
        let first = map.values().filter_map(|entry| entry["data_offsets"][0].as_u64()).min().unwrap();
        let last = map.values_mut().filter(|entry| entry["data_offsets"].is_array());
        let last = last.max_by_key(|entry| entry["data_offsets"][0].as_u64()).unwrap();
        let bytes = last["data_offsets"][1].as_u64().unwrap() - last["data_offsets"][0].as_u64().unwrap();
        last["data_offsets"] = json!([first + 4, first + 4 + bytes]);
    });
    assert!(matches!(result, Err(WeightsError::Overlap { .. })), "{result:?}");
}

#[test]
fn a_gap_between_tensors() {
    let (mut header, mut data) = images::header_and_data(&tensors());
    data.extend_from_slice(&[0; 8]);
    let map = header.as_object_mut().unwrap();
    let last = map.values_mut().filter(|entry| entry["data_offsets"].is_array());
    let last = last.max_by_key(|entry| entry["data_offsets"][0].as_u64()).unwrap();
    let moved = [0, 1].map(|at| last["data_offsets"][at].as_u64().unwrap() + 8);
    last["data_offsets"] = json!(moved);
    let result = open(images::join(&header.to_string(), &data));
    assert!(matches!(result, Err(WeightsError::Gap { .. })), "{result:?}");
}

#[test]
fn one_name_twice() {
    let (header, data) = images::header_and_data(&tensors());
    let text = header.to_string();
    let again = format!("{},\"{EMBEDDING}\":{}}}", &text[..text.len() - 1], header[EMBEDDING]);
    let result = open(images::join(&again, &data));
    assert!(
        matches!(&result, Err(WeightsError::DuplicateTensor { tensor, .. }) if tensor == EMBEDDING),
        "{result:?}"
    );
}

#[test]
fn a_shape_whose_size_overflows() {
    let result = with_header(|header| header[EMBEDDING]["shape"] = json!([u64::MAX, u64::MAX]));
    assert!(matches!(result, Err(WeightsError::Shape { .. })), "{result:?}");
}

#[test]
fn a_shape_of_a_million_dimensions() {
    let result = with_header(|header| header[EMBEDDING]["shape"] = json!(vec![1; 100_000]));
    assert!(matches!(result, Err(WeightsError::Json { .. })), "{result:?}");
}

#[test]
fn another_shape_than_the_configuration_says() {
    let result = with_header(|header| header[EMBEDDING]["shape"] = json!([32, 6]));
    let expected =
        TensorProblem::Shape { tensor: EMBEDDING.to_owned(), found: vec![32, 6], expected: vec![6, 32] };
    assert_eq!(problems(result), [expected]);
}

#[test]
fn a_type_that_cannot_hold_weights() {
    let result = with_header(|header| header[EMBEDDING]["dtype"] = json!("I16"));
    assert!(matches!(&problems(result)[..], [TensorProblem::Type { found, .. }] if found == "I16"));
    let result = with_header(|header| header[EMBEDDING]["dtype"] = json!("F4"));
    assert!(matches!(&result, Err(WeightsError::UnknownType { found, .. }) if found == "F4"), "{result:?}");
}

#[test]
fn a_missing_and_an_unexpected_tensor_are_both_reported() {
    let result = with_tensors(|tensors| tensors[0].name = "model.layers.7.extra".to_owned());
    let found = problems(result);
    assert!(matches!(&found[0], TensorProblem::Missing { .. }));
    assert!(
        matches!(&found[1], TensorProblem::Unexpected { tensor, .. } if tensor == "model.layers.7.extra")
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn rotary_buffers_of_old_checkpoints_are_passed_over() {
    let model = with_tensors(|tensors| {
        let name = "model.layers.0.self_attn.rotary_emb.inv_freq".to_owned();
        tensors.insert(0, Entry { name, dtype: "F32", shape: vec![4], data: vec![0; 16] });
    });
    assert!(model.unwrap().stored_tensors().all(|tensor| !tensor.name.contains("inv_freq")));
}

#[test]
fn a_tied_head_must_equal_the_embedding() {
    let head = |changed: bool| {
        with_tensors(|tensors| {
            let mut head = tensors.iter().find(|entry| entry.name == EMBEDDING).unwrap().clone();
            head.name = "lm_head.weight".to_owned();
            head.data[5] ^= u8::from(changed);
            tensors.push(head);
        })
    };
    let model = head(false).unwrap();
    assert!(model.tensor("lm_head.weight").is_err(), "a tied model has no head of its own");
    assert!(matches!(head(true), Err(WeightsError::TiedHeadDiffers { .. })));
}

/// Two shards and the index over them, which `lie` may change.
fn sharded(lie: impl FnOnce(&mut Value)) -> Result<ModelFiles, WeightsError> {
    let tensors = tensors();
    let (first, second) = tensors.split_at(4);
    let mut index = json!({ "metadata": { "total_size": 1 }, "weight_map": {} });
    first.iter().for_each(|entry| index["weight_map"][&entry.name] = json!("a.safetensors"));
    second.iter().for_each(|entry| index["weight_map"][&entry.name] = json!("b.safetensors"));
    lie(&mut index);
    let index = FileImage::new("dir/model.safetensors.index.json", index.to_string());
    let shards = [("dir/a.safetensors", first), ("dir/b.safetensors", second)];
    let shards = shards.map(|(name, entries)| FileImage::new(name, images::safetensors(entries)));
    let text = config().to_hf_json(FloatType::BF16);
    ModelFiles::from_shards(FileImage::new("config.json", text), &ShardIndex::parse(&index)?, shards.into())
}

#[test]
fn honest_shards_open() {
    let model = sharded(|_| {}).unwrap();
    assert_eq!(model.format(), ModelFormat::Safetensors { shards: 2 });
    read_all(&model);
}

#[test]
fn index_entries_that_leave_the_folder() {
    let names =
        ["../a.safetensors", "/etc/a.safetensors", "x/a.safetensors", "x\\a.safetensors", "C:a.safetensors"];
    for name in names.into_iter().chain(["..", "", ".safetensors", "a.bin", "a\0.safetensors"]) {
        let result = sharded(|index| index["weight_map"][EMBEDDING] = json!(name));
        assert!(
            matches!(&result, Err(WeightsError::ShardName { found, .. }) if found == name),
            "{name}: {result:?}"
        );
    }
}

#[test]
fn index_names_a_shard_that_is_missing() {
    let result = sharded(|index| index["weight_map"][EMBEDDING] = json!("c.safetensors"));
    assert!(
        matches!(&result, Err(WeightsError::ShardMissing { shard, .. }) if shard == "c.safetensors"),
        "{result:?}"
    );
}

#[test]
fn tensor_in_another_shard_than_the_index_says() {
    let result = sharded(|index| {
        let now = index["weight_map"][EMBEDDING].as_str().unwrap();
        let other = if now == "a.safetensors" { "b.safetensors" } else { "a.safetensors" };
        index["weight_map"][EMBEDDING] = json!(other);
    });
    assert!(
        matches!(&result, Err(WeightsError::WrongShard { tensor, .. }) if tensor == EMBEDDING),
        "{result:?}"
    );
}

#[test]
fn tensor_that_the_index_does_not_know() {
    let result = sharded(|index| drop(index["weight_map"].as_object_mut().unwrap().remove(EMBEDDING)));
    assert!(
        matches!(&result, Err(WeightsError::WrongShard { said, .. }) if said == "no shard"),
        "{result:?}"
    );
}

#[test]
fn index_names_a_tensor_that_no_shard_holds() {
    let result = sharded(|index| index["weight_map"]["model.more"] = json!("a.safetensors"));
    assert!(
        matches!(&result, Err(WeightsError::WrongShard { actual, .. }) if actual == "not there"),
        "{result:?}"
    );
}

#[test]
fn index_names_a_tensor_twice() {
    let text = r#"{"weight_map": {"x": "a.safetensors", "x": "b.safetensors"}}"#;
    let result = ShardIndex::parse(&FileImage::new("index", text));
    assert!(matches!(result, Err(WeightsError::DuplicateTensor { .. })));
}

#[test]
fn folders_without_a_model_say_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let message = || ModelFiles::open(dir.path()).unwrap_err().to_string();
    assert!(message().contains("holds neither"), "{}", message());
    images::write(dir.path(), "part.safetensors", b"");
    assert!(message().contains("part.safetensors but neither"), "{}", message());
    images::write(dir.path(), "model.gguf", b"");
    assert!(message().contains("both .gguf and .safetensors"), "{}", message());
    std::fs::remove_file(dir.path().join("part.safetensors")).unwrap();
    assert!(message().contains("cut short"), "an empty GGUF file: {}", message());
    images::write(dir.path(), "other.gguf", b"");
    assert!(message().contains("2 .gguf files"), "{}", message());
    images::write(dir.path(), "weights.bin", b"");
    let bin = ModelFiles::open(&dir.path().join("weights.bin")).unwrap_err();
    assert!(matches!(bin, WeightsError::NotAModel { .. }));
    let absent = ModelFiles::open(&dir.path().join("absent")).unwrap_err();
    assert!(matches!(absent, WeightsError::Io { action: "opened", .. }));
}

#[test]
fn a_file_without_its_config_names_the_config() {
    let dir = tempfile::tempdir().unwrap();
    images::write(dir.path(), "model.safetensors", &images::safetensors(&tensors()));
    let message = ModelFiles::open(dir.path()).unwrap_err().to_string();
    assert!(message.contains("config.json could not be read"), "{message}");
}

#[test]
fn an_opened_model_can_be_read_from_many_threads() {
    fn check<T: Send + Sync>(_: &T) {}
    check(&with_tensors(|_| {}).unwrap());
}
