//! 10,000 damaged images of each kind: no panic, no large allocation, and whatever opens can be read.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use osler::model::config::{Architecture, FloatType, ModelConfig};
use osler::model::weights::{FileImage, GgufFile, ModelFiles, ShardIndex, WeightsError};

use super::images::{self, Rng};

const TRIES: usize = 10_000;
/// No image here holds more than 60 kB, and the list of tensors of the largest legal model about 1 MB.
const LARGEST_ALLOCATION: usize = 4 << 20;

/// The system's allocator, noting the largest request of each thread.
struct Noting;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // A thread that is ending has no note left to keep.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

/// Tries damaged copies of `image`; `open` must return, and what it returns must be readable.
fn try_all(image: &[u8], seed: u64, open: impl Fn(Vec<u8>) -> Result<ModelFiles, WeightsError>) {
    let mut rng = Rng(seed);
    let mut opened = 0;
    for attempt in 0..TRIES {
        let mut damaged = image.to_vec();
        images::mutate(&mut rng, &mut damaged);
        LARGEST.set(0);
        let result = open(damaged);
        let largest = LARGEST.get();
        assert!(largest <= LARGEST_ALLOCATION, "attempt {attempt} asked for {largest} bytes");
        match result {
            Ok(model) => {
                opened += 1;
                read_all(&model);
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.ends_with('.') || message.contains("\n  - "), "attempt {attempt}: {message}");
            }
        }
    }
    println!("{opened} of {TRIES} damaged images opened, and every tensor of them was read");
    assert!(opened > 0 && opened < TRIES, "{opened} opened: the mutations test only one side");
}

pub fn read_all(model: &ModelFiles) {
    for tensor in model.stored_tensors() {
        let mut out = vec![0; tensor.rows() * tensor.columns() * 4];
        tensor.decode_into(FloatType::F32, &mut out).unwrap();
        assert_eq!(
            tensor.row(tensor.rows() - 1).map(<[u8]>::len),
            Some(tensor.row_bytes()),
            "{}",
            tensor.name
        );
        if let Some(bytes) = model.mapped_bytes(tensor.name) {
            assert_eq!(bytes, tensor.data);
        }
    }
    if let Some(file) = model.gguf() {
        // Refused or read; a vocabulary is not part of what opening promises.
        let _ = file.vocabulary();
    }
}

fn image(name: &str, bytes: impl Into<Vec<u8>>) -> FileImage {
    FileImage::new(name, bytes.into())
}

#[test]
fn damaged_safetensors() {
    let config = images::tiny(Architecture::Qwen2, true);
    let text = config.to_hf_json(FloatType::BF16);
    let file = images::safetensors(&images::entries(&config, &mut Rng(1)));
    try_all(&file, 11, |damaged| {
        ModelFiles::from_safetensors(image("config.json", text.clone()), image("model.safetensors", damaged))
    });
}

#[test]
fn damaged_index() {
    let config = images::tiny(Architecture::Qwen3, false);
    let text = config.to_hf_json(FloatType::BF16);
    let entries = images::entries(&config, &mut Rng(2));
    let (first, second) = entries.split_at(entries.len() / 2);
    let shards =
        [("a.safetensors", images::safetensors(first)), ("b.safetensors", images::safetensors(second))];
    let map: serde_json::Map<_, _> = [(first, "a.safetensors"), (second, "b.safetensors")]
        .into_iter()
        .flat_map(|(entries, shard)| entries.iter().map(move |entry| (entry.name.clone(), shard.into())))
        .collect();
    let index = serde_json::json!({ "metadata": { "total_size": 1234 }, "weight_map": map }).to_string();
    try_all(index.as_bytes(), 22, |damaged| {
        let index = ShardIndex::parse(&image("model.safetensors.index.json", damaged))?;
        let shards = shards.iter().map(|(name, bytes)| image(name, bytes.clone())).collect();
        ModelFiles::from_shards(image("config.json", text.clone()), &index, shards)
    });
}

#[test]
fn damaged_gguf() {
    let config = images::tiny(Architecture::Llama, false);
    let file = images::gguf(&config, &mut Rng(3)).build();
    try_all(&file, 33, |damaged| ModelFiles::from_gguf(GgufFile::parse(image("tiny.gguf", damaged))?));
}

#[test]
fn damaged_config() {
    let config = images::tiny(Architecture::Qwen2, true);
    let text = config.to_hf_json(FloatType::BF16);
    let file = images::safetensors(&images::entries(&config, &mut Rng(4)));
    try_all(text.as_bytes(), 44, |damaged| {
        let read = ModelConfig::from_hf_json(&damaged, "config.json".as_ref());
        if let Ok(config) = &read {
            // Whatever is accepted can be computed with.
            assert_eq!(config.rope_frequencies().inv_freq.len(), config.head_dim / 2);
            assert!(config.num_parameters() > 0);
        }
        read?;
        ModelFiles::from_safetensors(image("config.json", damaged), image("model.safetensors", file.clone()))
    });
}
