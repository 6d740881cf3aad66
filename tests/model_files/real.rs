//! The real SmolLM2-135M-Instruct, where `OSLER_SMOLLM2_GGUF` names it.

use std::path::Path;

use osler::model::config::FloatType;
use osler::model::weights::export::{ExportOptions, write_folder};
use osler::model::weights::{ModelFiles, ModelFormat};

#[test]
fn smollm2_opens_and_is_exported() {
    let Some(path) = std::env::var_os("OSLER_SMOLLM2_GGUF") else {
        println!("skipped: OSLER_SMOLLM2_GGUF does not name SmolLM2-135M-Instruct.Q4_1.gguf");
        return;
    };
    let model = ModelFiles::open(Path::new(&path)).unwrap();
    let config = model.config();
    assert_eq!(model.format(), ModelFormat::Gguf { version: 3 });
    assert_eq!((config.num_hidden_layers, config.hidden_size, config.head_dim), (30, 576, 64));
    assert_eq!((config.rms_norm_eps, config.rope_theta, config.tie_word_embeddings), (1e-5, 1e5, true));
    assert_eq!(config.num_parameters(), 134_515_008);

    let vocabulary = model.gguf().unwrap().vocabulary().unwrap().unwrap();
    assert_eq!((vocabulary.tokens.len(), vocabulary.merges.len()), (49_152, 48_900));
    assert_eq!((vocabulary.model.as_str(), vocabulary.pre.as_deref()), ("gpt2", Some("smollm")));
    assert!(vocabulary.chat_template.is_some_and(|template| template.contains("<|im_start|>")));

    // OSLER_EXPORT_DIR keeps the folder, for a comparison with another program.
    let scratch = tempfile::tempdir().unwrap();
    let dir = std::env::var_os("OSLER_EXPORT_DIR").map_or_else(|| scratch.path().join("smollm2"), Into::into);
    let options = ExportOptions { max_shard_size: 200_000_000, overwrite: true, ..ExportOptions::default() };
    let mut last = (0, 0);
    write_folder(&model, &dir, &options, &mut |done, total| last = (done, total)).unwrap();
    assert_eq!(last, (134_515_008 * 4, 134_515_008 * 4));
    let exported = ModelFiles::open(&dir).unwrap();
    assert_eq!(exported.format(), ModelFormat::Safetensors { shards: 3 });
    for name in ["model.layers.7.self_attn.k_proj.weight", "model.norm.weight"] {
        let expected = exported.mapped_bytes(name).unwrap();
        let mut decoded = vec![0; expected.len()];
        model.decode_into(name, FloatType::F32, &mut decoded).unwrap();
        assert_eq!(expected, decoded, "{name}");
    }
}
