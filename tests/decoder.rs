//! The decoder against `transformers` on tiny checkpoints of every architecture it knows.

mod support;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::{AttentionSpan, BLOCK_TOKENS};
use osler::model::build::WeightSource;
use osler::model::cache::{CacheBatch, KvCache};
use osler::model::decoder::{Decoder, DecoderWeights};
use support::{Formula, TINY_MODELS, config, expected, max_diff};

fn decoder(model: &str, bf16: bool) -> Decoder<Flex> {
    let config = config(model);
    let Ok(weights) = DecoderWeights::read(&config, &mut Formula { bf16 }, &FlexDevice);
    Decoder::new(config, weights, DType::F32, FlexDevice)
}

fn values(x: Tensor<Flex, 2>) -> Vec<f32> {
    x.into_data().to_vec().unwrap()
}

/// What all tests that compare with it rest on.
#[test]
fn what_is_no_number_is_as_far_from_every_number_as_can_be() {
    const INFINITE: f32 = f32::INFINITY;
    assert_eq!(max_diff(&[1.0, 2.0, -3.0], &[1.0, 2.5, -3.25]), 0.5);
    assert_eq!(max_diff(&[], &[]), 0.0);
    for (a, b) in [(f32::NAN, 1.0), (f32::NAN, f32::NAN), (f32::NAN, INFINITE), (INFINITE, 1.0)] {
        assert_eq!(max_diff(&[0.0, a, 0.0], &[0.0, b, 0.5]), INFINITE, "{a} and {b}");
        assert_eq!(max_diff(&[0.0, b, 0.0], &[0.0, a, 0.5]), INFINITE, "{b} and {a}");
    }
    assert_eq!(max_diff(&[INFINITE], &[-INFINITE]), INFINITE);
    // Of a filter, for one, nothing else is right.
    assert_eq!(max_diff(&[-INFINITE, 1.0], &[-INFINITE, 1.25]), 0.25);
}

#[test]
fn formula_matches_the_recorded_checksums() {
    for model in TINY_MODELS {
        let path = support::fixtures().join("tiny").join(model).join("weights.json");
        let text = std::fs::read_to_string(path).unwrap();
        let recorded: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(recorded.len(), config(model).tensors().len());
        for (name, entry) in recorded {
            let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone()).unwrap();
            let Ok(data): Result<TensorData, _> = Formula { bf16: false }.read(&name, &shape);
            let hash = data
                .bytes
                .iter()
                .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
            assert_eq!(format!("{hash:016x}"), entry["fnv1a64"].as_str().unwrap(), "{model} {name}");
        }
    }
}

#[test]
fn logits_match_transformers_at_every_position() {
    for model in TINY_MODELS {
        let decoder = decoder(model, false);
        for prompt in expected(model) {
            let hidden = decoder.forward(&prompt.ids, &[prompt.ids.len()]);
            let diff = max_diff(&values(decoder.logits(hidden)), &prompt.logits);
            assert!(diff <= 1e-4, "{model}, {} tokens: {diff:e}", prompt.ids.len());
        }
    }
}

#[test]
fn bf16_weights_stay_close_to_transformers_in_bf16() {
    for model in ["qwen2_tiny", "qwen3_tiny"] {
        let decoder = decoder(model, true);
        for prompt in expected(model) {
            let hidden = decoder.forward(&prompt.ids, &[prompt.ids.len()]);
            let diff = max_diff(&values(decoder.logits(hidden)), &prompt.bf16_logits.unwrap());
            // transformers rounds activations to bf16 as well; at logits of 8 one step is 0.03.
            assert!(diff <= 0.15, "{model}: {diff}");
        }
    }
}

#[test]
fn packed_sequences_give_the_same_bits_as_single_ones() {
    for model in TINY_MODELS {
        let decoder = decoder(model, false);
        let prompts: Vec<Vec<u32>> = expected(model).into_iter().map(|p| p.ids).collect();
        let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
        let packed = values(decoder.logits(decoder.forward(&prompts.concat(), &lengths)));
        let single: Vec<f32> =
            prompts.iter().flat_map(|p| values(decoder.logits(decoder.forward(p, &[p.len()])))).collect();
        assert_eq!(packed, single, "{model}");
    }
}

#[test]
fn cached_decode_gives_the_same_bits_as_the_full_forward() {
    for (model, bf16) in TINY_MODELS.into_iter().flat_map(|m| [(m, false), (m, true)]) {
        let decoder = decoder(model, bf16);
        let ids = expected(model).swap_remove(2).ids;
        let full = values(decoder.logits(decoder.forward(&ids, &[ids.len()])));
        // In chunks of 1, 2, 3, ... tokens, in blocks handed out in no order.
        let blocks: Vec<u32> =
            (0..ids.len().div_ceil(BLOCK_TOKENS) as u32).rev().map(|b| b * 2 + 1).collect();
        let mut cache = KvCache::new(&decoder.config, 2 * blocks.len() + 1, DType::F32, &FlexDevice);
        let mut cached = Vec::new();
        let (mut start, mut step) = (0, 1);
        while start < ids.len() {
            let end = (start + step).min(ids.len());
            let positions: Vec<u32> = (start as u32..end as u32).collect();
            let slot =
                |&p: &u32| blocks[p as usize / BLOCK_TOKENS] * BLOCK_TOKENS as u32 + p % BLOCK_TOKENS as u32;
            let batch = CacheBatch {
                slots: positions.iter().map(slot).collect(),
                spans: vec![AttentionSpan { queries: 0..end - start, keys: end, blocks: blocks.clone() }],
            };
            let hidden = decoder.forward_cached(&ids[start..end], &positions, &batch, &mut cache);
            cached.extend(values(decoder.logits(hidden)));
            (start, step) = (end, step + 1);
        }
        assert_eq!(cached, full, "{model}, bf16 {bf16}");
    }
}
