//! Runs that train all weights in bf16.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use half::bf16;
use osler::engine::ModelBundle;
use osler::pipeline::Ended;
use osler::train::checkpoint::Checkpoint;
use osler::train::run::read_metrics;

use super::{RL_STEPS, SFT_STEPS, config, same, sit};

/// The tensors of an exported model, all in bf16.
fn exported(run: &Path) -> BTreeMap<String, Vec<bf16>> {
    let bytes = fs::read(run.join("model/model.safetensors")).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = read.tensors().into_iter().map(|(name, tensor)| {
        assert_eq!(tensor.dtype(), safetensors::Dtype::BF16, "{name}");
        let values = tensor.data().chunks_exact(2).map(|b| bf16::from_le_bytes(b.try_into().unwrap()));
        (name, values.collect())
    });
    tensors.collect()
}

/// Stopped within a stage, where master weights go on, between two, where they do as well, and in one that holds the model to where it
/// began, which is in bf16 too.
#[test]
fn all_weights_in_bf16_learn_go_on_bit_for_bit_and_are_exported() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for tied in [true, false] {
        let tied = format!("model.shape.tie_embeddings={tied}");
        let half = config(&["model.dtype=bf16", "stage.rl.kl=0.1", &tied]);
        let (one, two) = (at(&format!("{tied}, whole")), at(&format!("{tied}, parts")));
        assert!(matches!(sit(&one, &half, None).0, Ended::Finished(_)));
        for stop in [Some(2), Some(SFT_STEPS), Some(SFT_STEPS + 2)] {
            assert!(matches!(sit(&two, &half, stop).0, Ended::Stopped(_)));
        }
        assert!(matches!(sit(&two, &half, None).0, Ended::Finished(_)));
        same(&one, &two);

        let steps = read_metrics(&one.join("metrics.jsonl")).unwrap();
        assert!(steps[SFT_STEPS as usize - 1].loss < steps[0].loss);
        for step in &steps[SFT_STEPS as usize..] {
            let gap = &step.rl.as_ref().unwrap().gap;
            assert_eq!((gap.max, gap.kl), (0.0, 0.0), "what is sampled is what is trained");
        }

        // The checkpoint has more digits than the model, which is its rounding.
        let model = exported(&one);
        let last = format!("checkpoints/step-{:06}", SFT_STEPS + RL_STEPS);
        let last = Checkpoint::load(&one.join(last)).unwrap();
        let mut finer = 0;
        for stored in last.tensors() {
            let values = stored.values();
            let rounded: Vec<bf16> = values.iter().map(|&x| bf16::from_f32(x)).collect();
            assert!(model[stored.name] == rounded, "{}", stored.name);
            finer += values.iter().zip(&rounded).filter(|(x, rounded)| rounded.to_f32() != **x).count();
        }
        assert!(finer > 0);
        assert_eq!(last.tensors().len(), model.len());
        let bundle = ModelBundle::open(&one.join("model")).unwrap();
        assert!(bundle.tokenizer().is_ok() && bundle.chat_template().unwrap().is_some());
    }
}
