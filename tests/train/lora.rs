//! Runs that train adapters on a model that an earlier run exported.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use half::bf16;
use osler::engine::ModelBundle;
use osler::model::adapter::Projection;
use osler::pipeline::{ADAPTER, Ended, PipelineError, Start, prepare, train};
use osler::train::checkpoint::Checkpoint;
use osler::train::config::{RunConfig, Stage};
use osler::train::run::{ResumeFrom, Resumed, RunOptions, read_metrics};
use serde_json::{Value, json};

use super::{CONFIG, RL_STEPS, SFT_STEPS, Stopper, config, same, sit};

/// The tiny run, with adapters of rank 4 and a scale of 2 on the model in `base`: on each layer's projections, and on the `head` too.
fn adapting(base: &Path, dtype: &str, head: bool) -> RunConfig {
    let (before, rest) = CONFIG.split_once("[model.shape]").unwrap();
    let (_, rest) = rest.split_once("[data]").unwrap();
    let path = base.to_str().unwrap();
    let model = format!("[model]\npath = {path:?}\ndtype = {dtype:?}\nadapter = \"lora\"\n");
    let text = format!("{before}{model}\n[model.lora]\nrank = 4\nalpha = 8\n\n[data]{rest}");
    let mut config = RunConfig::parse(&text, Path::new("lora.toml"), &[]).unwrap();
    if head {
        config.model.lora.targets.push(Projection::Head);
    }
    config
}

fn finished(ended: Ended) {
    assert!(matches!(ended, Ended::Finished(_)), "{ended:?}");
}

/// A model that was trained for a few steps.
fn base(dir: &Path, tied: bool) {
    let tied = format!("model.shape.tie_embeddings={tied}");
    finished(sit(dir, &config(&["stage.sft.steps=3", "stage.rl.steps=1", &tied]), None).0);
}

/// Tensors of a safetensors file in f32.
fn floats(file: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(file).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = read.tensors().into_iter().map(|(name, tensor)| {
        let values = match tensor.dtype() {
            safetensors::Dtype::F32 => {
                tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
            }
            safetensors::Dtype::BF16 => tensor
                .data()
                .chunks_exact(2)
                .map(|b| bf16::from_le_bytes(b.try_into().unwrap()).to_f32())
                .collect(),
            other => panic!("{name} is {other:?}"),
        };
        (name, (tensor.shape().to_vec(), values))
    });
    tensors.collect()
}

#[test]
fn adapters_learn_go_on_bit_for_bit_and_are_exported_while_the_weights_stay() {
    let dir = tempfile::tempdir().unwrap();
    base(&dir.path().join("tied"), true);
    for dtype in ["f32", "bf16"] {
        learns(dir.path(), "tied", dtype, false);
    }
}

/// peft's `lm_head` among the targets: of a model that has a head, and of one whose head is the embedding, which is left alone.
#[test]
fn an_adapter_on_the_head_learns_goes_on_and_is_exported_with_the_others() {
    let dir = tempfile::tempdir().unwrap();
    for (name, dtype) in [("tied", "f32"), ("untied", "bf16")] {
        base(&dir.path().join(name), name == "tied");
        learns(dir.path(), name, dtype, true);
    }
}

/// A run on the model `base` in `dir`, at once and in parts, and what it leaves.
fn learns(dir: &Path, base: &str, dtype: &str, head: bool) {
    let at = |name: &str| dir.join(name);
    let path = at(base).join("model");
    let config = adapting(&path, dtype, head);
    let (one, two) = (at(&format!("{dtype}-whole")), at(&format!("{dtype}-parts")));
    finished(sit(&one, &config, None).0);
    for stop in [Some(2), Some(SFT_STEPS), Some(SFT_STEPS + 2)] {
        assert!(matches!(sit(&two, &config, stop).0, Ended::Stopped(_)));
    }
    finished(sit(&two, &config, None).0);
    same(&one, &two);
    for name in ["adapter_model.safetensors", "adapter_config.json"] {
        let read = |run: &Path| fs::read(run.join(ADAPTER).join(name)).unwrap();
        assert!(read(&one) == read(&two), "{name} differs");
    }

    let steps = read_metrics(&one.join("metrics.jsonl")).unwrap();
    // Beside adapters that stay where they begin, on the same lessons.
    let still = at(&format!("{dtype}-still"));
    let mut slow = config.clone();
    for stage in &mut slow.stage {
        if let Stage::Sft(stage) = stage {
            stage.lr = 1e-9;
        }
    }
    assert!(matches!(sit(&still, &slow, Some(SFT_STEPS)).0, Ended::Stopped(_)));
    let still = read_metrics(&still.join("metrics.jsonl")).unwrap();
    let last = SFT_STEPS as usize - 1;
    assert!((steps[0].loss - still[0].loss).abs() < 1e-6, "{dtype}: B begins at zero");
    assert!(steps[last].loss < still[last].loss - 0.005, "{dtype}: nothing was learned");
    for step in &steps[SFT_STEPS as usize..] {
        let gap = &step.rl.as_ref().unwrap().gap;
        assert_eq!((gap.max, gap.kl), (0.0, 0.0), "{dtype}: what is sampled is what is trained");
    }

    // A checkpoint holds adapters and their moments and nothing else.
    let last = format!("checkpoints/step-{:06}", SFT_STEPS + RL_STEPS);
    let last = Checkpoint::load(&one.join(last)).unwrap();
    assert!(last.tensors().all(|tensor| tensor.name.contains(".lora_")));
    let adapter = floats(&one.join(ADAPTER).join("adapter_model.safetensors"));
    assert_eq!(adapter.len(), 2 * (7 * 2 + usize::from(head)));
    for (name, (shape, values)) in &adapter {
        let stored = last.tensor(name.strip_prefix("base_model.model.").unwrap()).unwrap();
        assert_eq!((stored.shape, &*stored.values()), (shape.as_slice(), values.as_slice()), "{name}");
    }
    let peft: Value =
        serde_json::from_slice(&fs::read(one.join(ADAPTER).join("adapter_config.json")).unwrap()).unwrap();
    assert_eq!((&peft["peft_type"], &peft["r"]), (&json!("LORA"), &json!(4)));
    assert_eq!(peft["base_model_name_or_path"], path.to_str().unwrap());
    let layer = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let targets: Vec<&str> = layer.into_iter().chain(head.then_some("lm_head")).collect();
    assert_eq!(peft["target_modules"], json!(targets));

    // The exported model is the one it began from with B A on it, and opens.
    let bundle = ModelBundle::open(&one.join("model")).unwrap();
    assert!(bundle.tokenizer().is_ok() && bundle.chat_template().unwrap().is_some());
    let tied = base == "tied";
    assert_eq!(bundle.files.config().tie_word_embeddings, tied && !head);
    merged(
        &floats(&path.join("model.safetensors")),
        adapter,
        &floats(&one.join("model/model.safetensors")),
        dtype,
    );
    let exported = bundle.files.tensor("lm_head.weight");
    assert_eq!(exported.is_ok(), head || !tied);
}

/// That `exported` is the model `weights` with the matrices of `adapter` in it, all of which are used.
fn merged(
    weights: &BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    mut adapter: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    exported: &BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    dtype: &str,
) {
    let matrices = adapter.len() / 2;
    let (mut alike, mut merged) = (0, 0);
    for (name, (shape, found)) in exported {
        let kept = |v: f32| if dtype == "bf16" { bf16::from_f32(v).to_f32() } else { v };
        // A head that was the embedding began with its values.
        let before = weights.get(name).unwrap_or_else(|| {
            assert_eq!(name, "lm_head.weight");
            &weights["model.embed_tokens.weight"]
        });
        let before: Vec<f32> = before.1.iter().map(|&v| kept(v)).collect();
        let projection = format!("base_model.model.{}", name.strip_suffix(".weight").unwrap_or("-"));
        let Some((_, a)) = adapter.remove(&format!("{projection}.lora_A.weight")) else {
            assert_eq!(found, &before, "{name} was not to be trained");
            alike += 1;
            continue;
        };
        let (_, b) = adapter.remove(&format!("{projection}.lora_B.weight")).unwrap();
        assert!(found != &before, "{name} is as it was");
        let input = shape[1];
        for (place, (&found, &before)) in found.iter().zip(&before).enumerate() {
            let (row, column) = (place / input, place % input);
            let sum: f64 = (0..4).map(|r| f64::from(b[row * 4 + r]) * f64::from(a[r * input + column])).sum();
            let wanted = f64::from(before) + 2.0 * sum;
            // bf16 has 8 bits, so it is off by half of the eighth.
            let bound = if dtype == "bf16" { wanted.abs() / 256.0 + 1e-6 } else { 1e-6 };
            assert!((f64::from(found) - wanted).abs() <= bound, "{name} {place}: {found} {wanted}");
        }
        merged += 1;
    }
    // The embedding, two norms and three biases of each layer, the last norm.
    assert_eq!((alike, merged, adapter.len()), (1 + 2 * (2 + 3) + 1, matrices, 0));
}

#[test]
fn a_run_goes_on_with_the_weights_beneath_its_adapters_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (first, out) = (dir.path().join("base"), dir.path().join("run"));
    base(&first, true);
    let config = adapting(&first.join("model"), "f32", false);
    assert!(matches!(sit(&out, &config, Some(2)).0, Ended::Stopped(_)));
    let on = || {
        let resumed = Resumed::hold(&out, ResumeFrom::Newest, RunOptions::default()).unwrap();
        let prepared = prepare(config.clone(), &mut Stopper::default()).unwrap();
        let mut watch = Stopper { stop_after: Some(3), ..Stopper::default() };
        train(&prepared, Start::Again(resumed), "today", &mut watch)
    };
    let file = first.join("model/model.safetensors");
    let sound = fs::read(&file).unwrap();
    let mut other = sound.clone();
    // The least bit of one weight.
    let place = other.len() - 4;
    other[place] ^= 1;
    fs::write(&file, other).unwrap();
    let refused = on();
    assert!(matches!(refused, Err(PipelineError::State { .. })), "{refused:?}");
    let message = refused.unwrap_err().to_string();
    for wanted in ["step-000002", "model.path", first.to_str().unwrap(), "checksum"] {
        assert!(message.contains(wanted), "{message}");
    }
    fs::write(&file, sound).unwrap();
    assert!(matches!(on(), Ok(Ended::Stopped(_))));
}
