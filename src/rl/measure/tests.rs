use burn_flex::{Flex, FlexDevice};

use super::*;
use crate::engine::Device;
use crate::engine::open::precision;

fn config() -> ModelConfig {
    let text = r#"{
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 300, "hidden_size": 32,
        "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
        "hidden_act": "silu", "max_position_embeddings": 32, "rms_norm_eps": 1e-6, "tie_word_embeddings": true
    }"#;
    ModelConfig::from_hf_json(text.as_bytes(), std::path::Path::new("test")).unwrap()
}

const SHAPE: StepShape =
    StepShape { prompts: 2, group_size: 3, prompt_tokens: 5, new_tokens: 4, micro_batch_tokens: 64 };

fn measured(
    matrices: FloatType,
    (lora_rank, lora_head): (Option<usize>, bool),
    shape: StepShape,
    repeats: usize,
    said: &mut dyn FnMut(usize),
) -> Result<Vec<StepSeconds>, MeasureError> {
    let (config, precision) = (config(), precision(Device::Cpu, Some(matrices), None).unwrap());
    let model = StepModel { config: &config, matrices, precision, lora_rank, lora_head };
    measure_step::<Flex>(model, shape, repeats, Some(1 << 30), FlexDevice, said)
}

#[test]
fn the_parts_are_within_the_step() {
    let mut said = Vec::new();
    for (matrices, lora) in [
        (FloatType::F32, (None, false)),
        (FloatType::F32, (Some(4), false)),
        (FloatType::F32, (Some(4), true)),
        (FloatType::BF16, (Some(4), true)),
        (FloatType::BF16, (None, false)),
    ] {
        said.clear();
        let mut say = |number| said.push(number);
        let found = measured(matrices, lora, SHAPE, 2, &mut say).unwrap();
        assert_eq!((found.len(), said.as_slice()), (2, &[0, 1, 2][..]));
        for it in found {
            assert!(it.rollout > 0.0 && it.forward_backward > 0.0 && it.optimizer > 0.0, "{it:?}");
            assert!(it.rollout + it.forward_backward + it.optimizer <= it.step, "{it:?}");
        }
    }
}

#[test]
fn the_head_is_trained_where_it_is_asked_for() {
    let trained = |lora_head| {
        let (config, precision) = (config(), precision(Device::Cpu, Some(FloatType::F32), None).unwrap());
        let model =
            StepModel { config: &config, matrices: FloatType::F32, precision, lora_rank: Some(4), lora_head };
        let mut names = Vec::new();
        let mut policy = policy::<Flex>(model, SHAPE, None, FlexDevice).unwrap();
        policy.visit_trained(&mut |name, _| names.push(name.to_owned()));
        names
    };
    let (layers, all) = (trained(false), trained(true));
    assert_eq!((layers.len(), all.len()), (2 * Projection::LAYER.len(), 2 * Projection::LAYER.len() + 2));
    let of_head = |names: &[String]| names.iter().filter(|name| name.contains("lm_head")).count();
    assert_eq!((of_head(&layers), of_head(&all)), (0, 2));
}

/// A model of 15,904 values; adapters of rank 4 have 1,664 at the layers and 1,328 at the head.
#[test]
fn what_trains_a_model_counts_before_it_is_made() {
    let (config, small) = (config(), StepShape { prompts: 1, group_size: 2, ..SHAPE });
    for (matrices, lora_rank, lora_head, bytes) in [
        (FloatType::F32, None, false, 15_904 * (4 + 12)),
        (FloatType::BF16, None, false, 15_904 * (2 + 16)),
        (FloatType::F32, Some(4), false, 15_904 * 4 + 1_664 * 16),
        (FloatType::BF16, Some(4), true, 15_904 * 2 + (1_664 + 1_328) * 16),
    ] {
        let precision = precision(Device::Cpu, Some(matrices), None).unwrap();
        let model = StepModel { config: &config, matrices, precision, lora_rank, lora_head };
        let plan = plan::<Flex>(model, engine_options(small, None));
        assert_eq!(plan.weights, bytes, "{matrices:?}, {lora_rank:?}");
        let within = |limit| policy::<Flex>(model, small, Some(limit), FlexDevice).map(|_| ());
        let refused = within(plan.total() - 1).unwrap_err().to_string();
        assert!(refused.contains("what trains them 1,"), "{refused}");
        within(plan.total()).unwrap();
    }
}

#[test]
fn what_is_too_much_is_told_by_its_parts() {
    let plan = MemoryPlan { weights: 10 << 20, cache: 3 << 20, activations: 1 << 20, logits: 1 };
    let refused = check_memory(plan, 4 << 20, Some(14 << 20)).unwrap_err().to_string();
    let parts = "needs 15 MiB at its peak (weights 4, what trains them 6, sampling 5), there are 14 MiB: train adapters";
    assert!(refused.starts_with(parts), "{refused}");
    let advice = |kept: u64, limit: u64| check_memory(plan, kept << 20, Some(limit)).unwrap_err().to_string();
    assert!(advice(9, 1).ends_with("a smaller model, or weights in bf16"));
    let many = MemoryPlan { cache: 30 << 20, ..plan };
    let refused = check_memory(many, 4 << 20, Some(1)).unwrap_err().to_string();
    assert!(refused.ends_with("fewer prompts, replies or tokens"), "{refused}");
    check_memory(plan, 4 << 20, Some((14 << 20) + 1)).unwrap();
    check_memory(plan, 4 << 20, None).unwrap();
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused =
        |shape| measured(FloatType::F32, (None, false), shape, 1, &mut |_| {}).unwrap_err().to_string();
    assert!(refused(StepShape { new_tokens: 28, ..SHAPE }).contains("33, legal is at most 32"));
    assert!(refused(StepShape { group_size: 0, ..SHAPE }).contains("group_size is 0, legal is at least 2"));
    assert!(refused(StepShape { prompts: 0, ..SHAPE }).contains("prompts is 0, legal is at least 1"));
    let many = refused(StepShape { prompts: usize::MAX, ..SHAPE });
    let legal = "legal is at most 349525: a step has at most 1048576 replies";
    assert_eq!(many, format!("prompts is {}, {legal}", usize::MAX));
    let many = refused(StepShape { group_size: usize::MAX, ..SHAPE });
    let legal = "legal is at most 1048576: a step has at most 1048576 replies";
    assert_eq!(many, format!("group_size is {}, {legal}", usize::MAX));
    let large = refused(StepShape { prompts: 1 << 16, group_size: 16, prompt_tokens: 20, ..SHAPE });
    assert!(large.contains("there are 1024 MiB"), "{large}");
    assert!(refused(StepShape { group_size: 1, ..SHAPE }).contains("group_size is 1, legal is at least 2"));
    let rank = measured(FloatType::F32, (Some(0), false), SHAPE, 1, &mut |_| {}).unwrap_err();
    assert_eq!(rank.to_string(), "lora is 0, legal is 1 to 4096");
    let rank = measured(FloatType::F32, (Some(5000), false), SHAPE, 1, &mut |_| {}).unwrap_err();
    assert_eq!(rank.to_string(), "lora is 5000, legal is 1 to 4096");
}
