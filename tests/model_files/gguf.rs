//! One test for each lie that a GGUF file can tell, and what an honest one says.

use osler::model::config::{Architecture, ConfigError, RopeScaling};
use osler::model::weights::{
    FileImage, GgufFile, ModelFiles, ModelFormat, RowOrder, TensorProblem, WeightsError,
};

use super::images::{self, Gguf, GgufEntry, Rng, array_value, f32_value, string_value, u32_value};
use super::mutations::read_all;

pub(super) fn tiny(architecture: Architecture) -> Gguf {
    images::gguf(&images::tiny(architecture, false), &mut Rng(5))
}

pub(super) fn open(file: &Gguf) -> Result<ModelFiles, WeightsError> {
    ModelFiles::from_gguf(GgufFile::parse(FileImage::new("tiny.gguf", file.build()))?)
}

fn open_with(lie: impl FnOnce(&mut Gguf)) -> Result<ModelFiles, WeightsError> {
    let mut file = tiny(Architecture::Llama);
    lie(&mut file);
    open(&file)
}

/// The configuration fields that are refused.
fn refused(lie: impl FnOnce(&mut Gguf)) -> Vec<String> {
    match open_with(lie) {
        Err(WeightsError::Config(ConfigError::Fields { problems, .. })) => {
            problems.into_iter().map(|problem| problem.field).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn honest_files_of_each_architecture_open() {
    for architecture in Architecture::ALL {
        for version in [2, 3] {
            let mut file = tiny(architecture);
            file.version = version;
            let model = open(&file).unwrap();
            assert_eq!(model.format(), ModelFormat::Gguf { version });
            let mut expected = images::tiny(architecture, false);
            expected.dtype = None;
            assert_eq!(model.config(), &expected);
            read_all(&model);
        }
    }
}

#[test]
fn a_file_without_an_output_tensor_is_tied() {
    let file = images::gguf(&images::tiny(Architecture::Qwen3, true), &mut Rng(5));
    assert!(open(&file).unwrap().config().tie_word_embeddings);
}

#[test]
fn only_q_and_k_of_llama_are_reordered() {
    for architecture in Architecture::ALL {
        let model = open(&tiny(architecture)).unwrap();
        for tensor in model.stored_tensors() {
            let rotary = tensor.name.contains("q_proj") || tensor.name.contains("k_proj");
            let reordered = tensor.row_order != RowOrder::Same;
            assert_eq!(reordered, rotary && architecture == Architecture::Llama, "{}", tensor.name);
        }
    }
}

#[test]
fn vocabulary_and_metadata_are_plain_fields() {
    let model = open_with(|file| {
        file.set("tokenizer.ggml.pre", string_value("smollm"));
        file.set("tokenizer.chat_template", string_value("{{ messages }}"));
        file.set("tokenizer.ggml.token_type", array_value(5, 6, &[1i32; 6].map(i32::to_le_bytes).concat()));
    })
    .unwrap();
    let file = model.gguf().unwrap();
    let vocabulary = file.vocabulary().unwrap().unwrap();
    assert_eq!(vocabulary.tokens, ["t0", "t1", "t2", "t3", "t4", "t5"]);
    assert_eq!((vocabulary.token_types, vocabulary.scores.len()), (vec![1; 6], 0));
    assert_eq!((vocabulary.pre.as_deref(), vocabulary.name.as_deref()), (Some("smollm"), Some("tiny")));
    assert_eq!((vocabulary.eos_token_id, vocabulary.padding_token_id), (Some(1), Some(0)));
    assert_eq!(file.metadata().number("llama.attention.layer_norm_rms_epsilon").unwrap(), Some(1e-6));
    assert!(matches!(file.metadata().number("general.name"), Err(WeightsError::GgufKey { .. })));
    assert_eq!(file.metadata().string("absent").unwrap(), None);
}

#[test]
fn token_ids_and_lists_that_do_not_fit_the_vocabulary() {
    let model = open_with(|file| file.set("tokenizer.ggml.unknown_token_id", u32_value(6))).unwrap();
    assert!(matches!(model.gguf().unwrap().vocabulary(), Err(WeightsError::GgufKey { .. })));
    let model = open_with(|file| file.set("tokenizer.ggml.scores", array_value(6, 1, &[0; 4]))).unwrap();
    assert!(matches!(model.gguf().unwrap().vocabulary(), Err(WeightsError::GgufKey { .. })));
}

#[test]
fn versions_and_byte_orders_that_are_not_read_are_named() {
    for (version, name) in [(1, "version 1"), (4, "version 4"), (3u32.swap_bytes(), "big-endian")] {
        let message = open_with(|file| file.version = version).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn another_magic_number() {
    let result = GgufFile::parse(FileImage::new("x.gguf", &b"GGML\x03\0\0\0"[..]));
    assert!(matches!(result, Err(WeightsError::GgufMagic { .. })));
}

#[test]
fn counts_that_the_file_has_no_room_for() {
    for count in [1 << 60, u64::MAX, 100_000] {
        let lies: [fn(&mut Gguf, u64); 4] = [
            |file, count| file.tensor_count = Some(count),
            |file, count| file.pair_count = Some(count),
            |file, count| file.set("tokenizer.ggml.merges", array_value(8, count, &[])),
            |file, count| file.set("tokenizer.ggml.scores", array_value(6, count, &[])),
        ];
        for lie in lies {
            let result = open_with(|file| lie(file, count));
            assert!(
                matches!(&result, Err(WeightsError::GgufCount { found, .. }) if *found == count),
                "{result:?}"
            );
        }
    }
}

#[test]
fn a_string_longer_than_the_file() {
    let length = [&8u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat();
    let result = open_with(|file| file.set("general.name", length));
    assert!(matches!(result, Err(WeightsError::CutShort { needed: u64::MAX, .. })), "{result:?}");
}

#[test]
fn metadata_of_illegal_types() {
    let lies = [
        [&99u32.to_le_bytes()[..], &[0; 8]].concat(),
        [&7u32.to_le_bytes()[..], &[2]].concat(),
        array_value(9, 1, &[0; 12]),
        [&8u32.to_le_bytes()[..], &1u64.to_le_bytes(), &[0xff]].concat(),
    ];
    for lie in lies {
        let result = open_with(|file| file.set("general.extra", lie));
        assert!(matches!(result, Err(WeightsError::GgufKey { .. })), "{result:?}");
    }
}

#[test]
fn a_key_or_a_tensor_given_twice() {
    let result = open_with(|file| file.pairs.push(("general.name".to_owned(), string_value("again"))));
    assert!(matches!(&result, Err(WeightsError::GgufKey { key, .. }) if key == "general.name"), "{result:?}");
    let result = open_with(|file| file.tensors.push(file.tensors[0].clone()));
    assert!(matches!(result, Err(WeightsError::DuplicateTensor { .. })), "{result:?}");
}

#[test]
fn storage_types_that_are_not_read_are_named() {
    for (kind, name) in [(10, "Q2_K"), (16, "IQ2_XXS"), (99, "unknown type 99")] {
        let message = open_with(|file| file.tensors[0].kind = kind).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains("token_embd.weight"), "{message}");
    }
}

#[test]
fn illegal_alignments() {
    for alignment in [0, 4, 24, u32::MAX] {
        let result = open_with(|file| file.set("general.alignment", u32_value(alignment)));
        assert!(matches!(result, Err(WeightsError::GgufKey { .. })), "{alignment}: {result:?}");
    }
    let model = open_with(|file| {
        file.set("general.alignment", u32_value(64));
        file.alignment = 64;
    });
    read_all(&model.unwrap());
}

#[test]
fn offsets_that_lie() {
    let result = open_with(|file| file.tensors[1].offset = Some(u64::MAX - 3));
    assert!(matches!(result, Err(WeightsError::OutsideFile { .. })), "{result:?}");
    let result = open_with(|file| file.tensors[1].offset = Some(0));
    assert!(matches!(result, Err(WeightsError::Overlap { .. })), "{result:?}");
    let result = open_with(|file| file.tensors[1].offset = Some(file.tensors[0].data.len() as u64 + 1));
    assert!(matches!(result, Err(WeightsError::Gap { .. })), "{result:?}");
}

#[test]
fn a_file_cut_short_anywhere() {
    let whole = tiny(Architecture::Llama).build();
    for length in (0..whole.len()).step_by(37) {
        let result = GgufFile::parse(FileImage::new("cut.gguf", whole[..length].to_vec()));
        assert!(result.is_err(), "{length} of {} bytes opened", whole.len());
    }
    let longer = [whole, vec![0; 64]].concat();
    assert!(matches!(GgufFile::parse(FileImage::new("long.gguf", longer)), Err(WeightsError::Gap { .. })));
}

#[test]
fn shapes_that_lie() {
    for sizes in [vec![], vec![32; 5], vec![33, 6], vec![0, 6], vec![1 << 40, 1 << 40], vec![u64::MAX]] {
        let result = open_with(|file| file.tensor("blk.0.attn_q.weight").sizes = sizes.clone());
        assert!(
            matches!(
                result,
                Err(WeightsError::Shape { .. } | WeightsError::OutsideFile { .. } | WeightsError::Gap { .. })
            ),
            "{result:?}"
        );
    }
    // The same number of bytes, and another shape.
    let result = open_with(|file| file.tensor("blk.1.attn_k.weight").sizes.reverse());
    let Err(WeightsError::Tensors { problems, .. }) = result else {
        // Rows of 16 values are refused earlier where the type has blocks of 32.
        assert!(matches!(result, Err(WeightsError::Shape { .. })), "{result:?}");
        return;
    };
    assert!(matches!(&problems[0], TensorProblem::Shape { tensor, .. } if tensor == "blk.1.attn_k.weight"));
}

#[test]
fn a_quantised_vector_is_refused() {
    let result = open_with(|file| {
        let norm = file.tensor("output_norm.weight");
        (norm.kind, norm.data) = (8, vec![0; 34]);
    });
    let Err(WeightsError::Tensors { problems, .. }) = result else { panic!("{result:?}") };
    assert!(matches!(&problems[..], [TensorProblem::Type { tensor, .. }] if tensor == "output_norm.weight"));
}

#[test]
fn a_missing_and_an_unexpected_tensor_are_both_reported() {
    let result =
        open_with(|file| file.tensor("blk.0.attn_q.weight").name = "blk.0.attn_qkv.weight".to_owned());
    let Err(WeightsError::Tensors { problems, .. }) = result else { panic!("{result:?}") };
    assert!(
        matches!(&problems[0], TensorProblem::Missing { tensor, .. } if tensor.ends_with("0.self_attn.q_proj.weight"))
    );
    assert!(
        matches!(&problems[1], TensorProblem::Unexpected { tensor, .. } if tensor == "blk.0.attn_qkv.weight")
    );
}

#[test]
fn architectures_and_keys_that_are_not_built_are_named() {
    let message =
        open_with(|file| file.set("general.architecture", string_value("gemma2"))).unwrap_err().to_string();
    assert!(message.contains("gemma2") && message.contains("qwen2, qwen3, llama"), "{message}");
    assert_eq!(refused(|file| file.set("llama.expert_count", u32_value(8))), ["llama.expert_count"]);
    assert_eq!(refused(|file| file.set("llama.new_trick", u32_value(1))), ["llama.new_trick"]);
    assert_eq!(
        refused(|file| file.set("llama.rope.scaling.type", string_value("longrope"))),
        ["llama.rope.scaling.type"]
    );
    assert_eq!(
        refused(|file| file.set("llama.rope.dimension_count", u32_value(4))),
        ["llama.rope.dimension_count"]
    );
    assert_eq!(refused(|file| file.set("llama.vocab_size", u32_value(7))), ["llama.vocab_size"]);
    assert_eq!(refused(|file| file.set("split.count", u32_value(2))), ["split.count"]);
    assert_eq!(
        refused(|file| file.set("llama.attention.head_count_kv", u32_value(3))),
        ["llama.attention.head_count_kv"]
    );
    assert!(open_with(|file| file.set("llama.expert_count", u32_value(0))).is_ok());
}

#[test]
fn every_bad_key_is_reported_at_once() {
    let fields = refused(|file| {
        file.set("llama.block_count", string_value("two"));
        file.pairs.retain(|(key, _)| key != "llama.context_length");
        file.set("llama.expert_count", u32_value(8));
    });
    assert_eq!(fields, ["llama.context_length", "llama.block_count", "llama.expert_count"]);
}

#[test]
fn rope_scaling_is_read_from_its_keys() {
    let model = open_with(|file| {
        file.set("llama.rope.scaling.type", string_value("yarn"));
        file.set("llama.rope.scaling.factor", f32_value(4.0));
        file.set("llama.rope.scaling.original_context_length", u32_value(16));
    });
    let scaling = model.unwrap().config().rope_scaling.clone();
    assert!(matches!(
        scaling,
        RopeScaling::Yarn { factor: 4.0, original_max_position_embeddings: 16, attention_factor: None, .. }
    ));
    let model = open_with(|file| {
        file.set("llama.rope.scaling.type", string_value("linear"));
        file.set("llama.rope.scaling.factor", f32_value(2.5));
    });
    assert_eq!(model.unwrap().config().rope_scaling, RopeScaling::Linear { factor: 2.5 });
}

/// The table that llama.cpp's converter writes for Llama 3.1, in f32: one divisor a rotary pair.
fn llama3_table(factor: f32, pairs: usize) -> GgufEntry {
    let divisor = |pair: usize| {
        let wavelength = 2.0 * std::f32::consts::PI * 10_000f32.powf(pair as f32 / pairs as f32);
        if wavelength < 8192.0 / 4.0 {
            1.0
        } else if wavelength > 8192.0 {
            factor
        } else {
            let smooth = (8192.0 / wavelength - 1.0) / 3.0;
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    let data = (0..pairs).flat_map(|pair| divisor(pair).to_le_bytes()).collect();
    GgufEntry { name: "rope_freqs.weight".to_owned(), sizes: vec![pairs as u64], kind: 0, data, offset: None }
}

#[test]
fn a_rope_table_is_recognised_or_refused_by_name() {
    // Heads of 64: enough rotary pairs that some lie in each of the three ranges.
    let mut config = images::tiny(Architecture::Llama, false);
    (config.head_dim, config.num_attention_heads, config.num_key_value_heads) = (64, 1, 1);
    let mut file = images::gguf(&config, &mut Rng(6));
    file.tensors.push(llama3_table(32.0, 32));
    let scaling = open(&file).unwrap().config().rope_scaling.clone();
    assert!(matches!(
        scaling,
        RopeScaling::Llama3 { factor: 32.0, original_max_position_embeddings: 8192, .. }
    ));

    file.tensor("rope_freqs.weight").data[3] ^= 0x10;
    let message = open(&file).unwrap_err().to_string();
    assert!(message.contains("rope_freqs.weight") && message.contains("another scaling"), "{message}");
}
