//! What the tensors of a GGUF file decode to, and what is kept of their blocks.

use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::quantised::Activations;
use osler::model::build::{MatrixData, WeightSource};
use osler::model::config::{Architecture, FloatType};
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::model::load::{FileWeights, KeptType, decoded_bytes, keeps_blocks, kept_bytes};

use super::gguf::{open, tiny};

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn rows_decode_alone_as_they_do_together() {
    let model = open(&tiny(Architecture::Llama)).unwrap();
    for tensor in model.stored_tensors() {
        for target in FloatType::ALL {
            // Random half-precision scales are sometimes infinite, so only the types that hold them are
            // compared.
            let mut whole = vec![0; tensor.rows() * tensor.columns() * target.bytes()];
            if tensor.decode_into(target, &mut whole).is_err() {
                assert_eq!(target, FloatType::F16, "{}", tensor.name);
                continue;
            }
            let row_bytes = tensor.columns() * target.bytes();
            for row in 0..tensor.rows() {
                let mut one = vec![0; row_bytes];
                model.decode_rows_into(tensor.name, row..row + 1, target, &mut one).unwrap();
                assert_eq!(one, whole[row * row_bytes..][..row_bytes], "{} row {row}", tensor.name);
            }
        }
    }
}

#[test]
fn q_of_llama_decodes_in_hugging_face_order() {
    let mut file = tiny(Architecture::Llama);
    // Row r of the file holds the value r throughout.
    let q = file.tensor("blk.0.attn_q.weight");
    (q.kind, q.data) = (0, (0..32u8).flat_map(|row| f32::from(row).to_le_bytes().repeat(32)).collect());
    let model = open(&file).unwrap();
    let name = "model.layers.0.self_attn.q_proj.weight";
    let mut out = vec![0; 32 * 32 * 4];
    model.decode_into(name, FloatType::F32, &mut out).unwrap();
    let first: Vec<f32> = f32s(&out).into_iter().step_by(32).take(8).collect();
    assert_eq!(first, [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]);
    assert!(model.mapped_bytes(name).is_none(), "reordered rows cannot be shared as they lie");
}

/// Blocks are kept in Hugging Face order, also where the file has Q and K in another.
#[test]
fn kept_blocks_hold_the_values_that_decoding_gives() {
    for architecture in Architecture::ALL {
        let model = open(&tiny(architecture)).unwrap();
        let mut progress = |_| {};
        let mut weights = FileWeights::new(&model, KeptType::AsStored, &mut progress);
        let mut blocks = 0;
        for tensor in model.stored_tensors().filter(|t| t.shape.len() == 2) {
            let shape = [tensor.shape[0], tensor.shape[1]];
            let MatrixData::Blocks(kept) = weights.read_matrix(tensor.name, shape).unwrap() else { continue };
            let mut decoded = vec![0; shape[0] * shape[1] * 4];
            model.decode_into(tensor.name, FloatType::F32, &mut decoded).unwrap();
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(kept.decode_rows(0..shape[0])), bits(f32s(&decoded)), "{}", tensor.name);
            blocks += 1;
        }
        assert!(blocks > 0, "{architecture:?} has no quantised matrix");
    }
}

/// What a GPU keeps, and the room it needs for the values of a part.
#[test]
fn blocks_are_kept_beside_floats_of_any_type() {
    let model = open(&tiny(Architecture::Qwen2)).unwrap();
    let largest = model
        .stored_tensors()
        .filter(|tensor| tensor.shape.len() == 2 && tensor.stored.block_type().is_some())
        .map(|tensor| tensor.shape.iter().product::<usize>() as u64)
        .max()
        .unwrap();
    for (float, size) in [(FloatType::F32, 4), (FloatType::BF16, 2)] {
        let kept = KeptType::BlocksAnd(float);
        assert!(keeps_blocks(&model, kept));
        // Everything here is smaller than a part.
        assert_eq!(decoded_bytes(&model, kept), largest * size);
        assert_eq!(decoded_bytes(&model, KeptType::All(float)), 0);
        let expected: u64 = model
            .stored_tensors()
            .map(|tensor| match (tensor.stored.block_type(), tensor.shape.len()) {
                (Some(_), 2) => tensor.data.len() as u64,
                _ => tensor.shape.iter().product::<usize>() as u64 * size,
            })
            .sum();
        assert_eq!(kept_bytes(&model, kept), expected);
    }
    assert_eq!(decoded_bytes(&model, KeptType::AsStored), 0);
}

/// A file of random blocks is a model as good as any to compare with itself.
#[test]
fn a_file_runs_with_rounded_activations_alone_as_in_a_batch_and_not_quite_as_exactly() {
    let model = open(&tiny(Architecture::Qwen3)).unwrap();
    assert!(keeps_blocks(&model, KeptType::AsStored));
    assert!(!keeps_blocks(&model, KeptType::Matrices(FloatType::F32)));
    let decoder = |activations| {
        let mut progress = |_| {};
        let mut source =
            FileWeights::new(&model, KeptType::AsStored, &mut progress).with_activations(activations);
        let weights = DecoderWeights::read(model.config(), &mut source, &FlexDevice).unwrap();
        Decoder::<Flex>::new(model.config().clone(), weights, DType::F32, FlexDevice)
    };
    let logits = |decoder: &Decoder<Flex>, ids: &[u32], segments: &[usize]| -> Vec<u32> {
        let logits: Tensor<Flex, 2> = decoder.logits(decoder.forward(ids, segments));
        logits.into_data().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    };
    let (exact, rounded) = (decoder(Activations::Exact), decoder(Activations::Q8));
    let together = logits(&rounded, &[1, 2, 3, 4, 5], &[2, 3]);
    let alone = [logits(&rounded, &[1, 2], &[2]), logits(&rounded, &[3, 4, 5], &[3])].concat();
    assert_eq!(together, alone);
    assert_ne!(together, logits(&exact, &[1, 2, 3, 4, 5], &[2, 3]));
}
