//! The real SmolLM2-135M-Instruct against what `transformers` computes with the same quantised file
//! (`fixtures/make_smollm2_expected.py`), where `OSLER_SMOLLM2_GGUF` names it.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use osler::chat::Message;
use osler::data::{RenderOptions, ThinkingMode};
use osler::engine::affinity::compare;
use osler::engine::{Engine, EngineOptions, ModelBundle, Request, TextEngine};
use osler::kernels::quantised::Activations;
use osler::kernels::softmax::cpu::log_sum_exp;
use osler::model::config::FloatType;
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::model::load::{FileWeights, KeptType, kept_bytes};
use osler::model::weights::export::{ExportOptions, write_folder};
use serde::Deserialize;
use support::{fixtures, max_diff};

#[derive(Deserialize)]
struct Recording {
    chat: Vec<Chat>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Message>,
    rendered: String,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    at: Vec<Row>,
    greedy_ids: Vec<u32>,
    greedy_logprobs: Vec<f32>,
}

/// Some logits of one position: those of `vocab`, or every `stride`th.
#[derive(Deserialize)]
struct Row {
    pos: usize,
    #[serde(default)]
    vocab: Vec<usize>,
    stride: Option<usize>,
    logits: Vec<f32>,
}

fn recording() -> Recording {
    let bytes = std::fs::read(fixtures().join("smollm2_expected.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn model_path() -> Option<PathBuf> {
    let path = std::env::var_os("OSLER_SMOLLM2_GGUF").map(PathBuf::from);
    if path.is_none() {
        println!("skipped: OSLER_SMOLLM2_GGUF does not name SmolLM2-135M-Instruct.Q4_1.gguf");
    }
    path
}

fn decoder(path: &Path) -> (ModelBundle, Decoder<Flex>) {
    kept(path, KeptType::All(FloatType::F32))
}

fn kept(path: &Path, kept: KeptType) -> (ModelBundle, Decoder<Flex>) {
    kept_with(path, kept, Activations::Exact)
}

fn kept_with(path: &Path, kept: KeptType, activations: Activations) -> (ModelBundle, Decoder<Flex>) {
    let bundle = ModelBundle::open(path).unwrap();
    let mut progress = |_| {};
    let mut weights = FileWeights::new(&bundle.files, kept, &mut progress).with_activations(activations);
    let config = bundle.files.config().clone();
    let weights = DecoderWeights::read(&config, &mut weights, &FlexDevice).unwrap();
    (bundle, Decoder::new(config, weights, DType::F32, FlexDevice))
}

fn logits(decoder: &Decoder<Flex>, ids: &[u32]) -> Vec<f32> {
    let logits: Tensor<Flex, 2> = decoder.logits(decoder.forward(ids, &[ids.len()]));
    logits.into_data().to_vec().unwrap()
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |x: &[f32]| x.iter().map(|&v| f64::from(v)).sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let [mut ab, mut aa, mut bb] = [0.0; 3];
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a) - ma, f64::from(b) - mb);
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    ab / (aa * bb).sqrt()
}

#[test]
fn text_and_chat_become_the_recorded_ids() {
    let Some(path) = model_path() else { return };
    let bundle = ModelBundle::open(&path).unwrap();
    let (tokenizer, template) = (bundle.tokenizer().unwrap(), bundle.chat_template().unwrap().unwrap());
    let recording = recording();
    for chat in &recording.chat {
        let rendered = template.render(&chat.messages, &RenderOptions::prompt(ThinkingMode::Auto)).unwrap();
        assert_eq!(rendered, chat.rendered);
    }
    for case in &recording.cases {
        assert_eq!(tokenizer.encode(&case.text, true).unwrap(), case.ids, "{}", case.name);
        assert_eq!(tokenizer.decode(&case.ids, false).unwrap(), case.text, "{}", case.name);
    }
}

#[test]
fn weights_kept_in_their_blocks_give_the_same_bits_as_their_f32_values() {
    let Some(path) = model_path() else { return };
    let (_, floats) = decoder(&path);
    let (bundle, blocks) = kept(&path, KeptType::AsStored);
    assert!(
        kept_bytes(&bundle.files, KeptType::AsStored)
            < kept_bytes(&bundle.files, KeptType::All(FloatType::F32)) / 5
    );
    // Alone, a handful together, and more than fill a tile: each takes its own way through the kernels.
    let case = &recording().cases[0];
    for n in [1, 3, 7] {
        let bits = |decoder| logits(decoder, &case.ids[..n]).iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&blocks), bits(&floats), "{n} ids of {}", case.name);
    }
}

/// `cargo test --test smollm2 -- --nocapture` prints how close.
#[test]
fn rounded_activations_stay_close_and_give_the_same_bits_alone_in_a_batch_and_in_decoding() {
    let Some(path) = model_path() else { return };
    let (_, exact) = kept(&path, KeptType::AsStored);
    let (bundle, rounded) = kept_with(&path, KeptType::AsStored, Activations::Q8);
    let vocab = exact.config.vocab_size;
    let (mut scored, mut drift, mut worst, mut least, mut same, mut rows) = (0.0, 0.0, 0f32, 1f64, 0, 0);
    let recording = recording();
    for case in &recording.cases {
        let (a, b) = (logits(&exact, &case.ids), logits(&rounded, &case.ids));
        for (position, (a, b)) in a.chunks_exact(vocab).zip(b.chunks_exact(vocab)).enumerate() {
            least = least.min(correlation(a, b));
            worst = worst.max(max_diff(a, b));
            let likeliest = |row: &[f32]| (0..vocab).max_by(|&i, &j| row[i].total_cmp(&row[j]));
            same += usize::from(likeliest(a) == likeliest(b));
            rows += 1;
            if let Some(&id) = case.ids.get(position + 1) {
                let log_prob = |row: &[f32]| f64::from(row[id as usize] - log_sum_exp(row));
                drift += log_prob(b) - log_prob(a);
                scored += 1.0;
            }
        }
    }
    let mean = drift / scored;
    println!(
        "{rows} positions: least correlation {least:.5}, largest difference {worst:.3}, {same} same likeliest"
    );
    println!("mean log-prob of {scored} tokens: {mean:+.5} against exact activations");
    assert!(least >= 0.99 && worst.is_finite() && mean.abs() <= 0.05 && same * 10 >= rows * 9);

    let ids = &recording.cases[0].ids[..7];
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let all = logits(&rounded, ids);
    for n in [1, 2, 5] {
        assert_eq!(bits(&logits(&rounded, &ids[..n])), bits(&all[..n * vocab]), "{n} ids");
    }
    let options = EngineOptions {
        cache_tokens: 1024,
        batch_tokens: 512,
        memory_limit: None,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(rounded, 0, bundle.tokenizer.clone(), options).unwrap();
    let submitted = [3, 7].map(|n| engine.submit(Request::greedy(ids[..n].to_vec(), 6)).unwrap());
    for (n, output) in [3, 7].into_iter().zip(engine.run(&submitted)) {
        let whole = [&ids[..n], &output[0].ids[..]].concat();
        let scores: Vec<f32> = engine.score(&whole).unwrap()[n..].iter().map(|s| s.unwrap()).collect();
        assert_eq!(bits(&output[0].logprobs), bits(&scores), "decoding and scoring differ");
    }
}

#[test]
fn numbers_are_those_of_transformers_and_survive_an_export() {
    let Some(path) = model_path() else { return };
    let (bundle, decoder) = decoder(&path);
    let vocab = decoder.config.vocab_size;
    let recording = recording();
    let mut kept = Vec::new();
    let log_prob = |row: &[f32], id: u32| row[id as usize] - log_sum_exp(row);
    for case in &recording.cases {
        let all = logits(&decoder, &case.ids);
        for row in &case.at {
            let own = &all[row.pos * vocab..(row.pos + 1) * vocab];
            let found: Vec<f32> = match row.stride {
                Some(stride) => own.iter().copied().step_by(stride).collect(),
                None => row.vocab.iter().map(|&id| own[id]).collect(),
            };
            let diff = max_diff(&found, &row.logits);
            let together = correlation(&found, &row.logits);
            assert!(diff <= 1e-2 && together >= 0.9999, "{} at {}: {diff:e}, {together}", case.name, row.pos);
        }
        let rows = all.chunks_exact(vocab).zip(&case.ids[1..]);
        let found: Vec<f32> = rows.map(|(row, &id)| log_prob(row, id)).collect();
        let diff = max_diff(&found, &case.logprobs);
        assert!(diff <= 1e-3, "{}: {diff:e}", case.name);
        kept.push(all);
    }

    // Another program's folder, the same bits.
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("exported");
    let extra_files = bundle.made_tokenizer_files();
    let options = ExportOptions { max_shard_size: 200_000_000, extra_files, ..ExportOptions::default() };
    write_folder(&bundle.files, &folder, &options, &mut |_, _| {}).unwrap();
    let (exported_bundle, exported) = self::decoder(&folder);
    let shortest = (0..kept.len()).min_by_key(|&i| kept[i].len()).unwrap();
    let again = logits(&exported, &recording.cases[shortest].ids);
    assert!(again.iter().zip(&kept[shortest]).all(|(a, b)| a.to_bits() == b.to_bits()), "the export differs");
    let case = &recording.cases[0];
    assert_eq!(exported_bundle.tokenizer().unwrap().encode(&case.text, true).unwrap(), case.ids);
    assert_eq!(exported_bundle.stop_ids(), bundle.stop_ids());
    drop((exported, exported_bundle, kept));

    // One batch of all prompts.
    let options = EngineOptions {
        cache_tokens: 1024,
        batch_tokens: 512,
        memory_limit: None,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(decoder, 0, bundle.tokenizer.clone(), options).unwrap();
    let case = &recording.cases[shortest];
    let scores: Vec<f32> = engine.score(&case.ids).unwrap()[1..].iter().map(|s| s.unwrap()).collect();
    assert!(max_diff(&scores, &case.logprobs) <= 1e-3);
    let requests = recording.cases.iter().map(|c| Request::greedy(c.ids.clone(), c.greedy_ids.len()));
    let submitted: Vec<_> = requests.map(|request| engine.submit(request).unwrap()).collect();
    for (outputs, case) in engine.run(&submitted).iter().zip(&recording.cases) {
        assert_eq!(outputs[0].ids, case.greedy_ids, "{}", case.name);
        let diff = max_diff(&outputs[0].logprobs, &case.greedy_logprobs);
        assert!(diff <= 1e-3, "{}: {diff:e}", case.name);
        let tokenizer: &Arc<_> = bundle.tokenizer().unwrap();
        assert_eq!(outputs[0].text, tokenizer.decode(&case.greedy_ids, true).unwrap());
    }
}

/// A conversation of `tokens` tokens or a few more.
fn consultation(bundle: &ModelBundle, tokens: usize) -> String {
    const TURNS: [&str; 6] = [
        "Patient: I have had a cough for nine days and it keeps me awake at night.",
        "Doctor: Do you bring anything up when you cough, and have you seen any blood in it?",
        "Patient: Only a little clear phlegm in the morning. No blood. I am more tired than usual.",
        "Doctor: Have you had a fever, chills, or pain in your chest when you breathe in?",
        "Patient: On two evenings I had 38.2 degrees. There is no pain. My son was ill the week before.",
        "Doctor: Do you smoke, and do you take any medicine every day?",
    ];
    let tokenizer = bundle.tokenizer().unwrap();
    let mut text = String::new();
    for (number, turn) in (1..).zip(TURNS.iter().cycle()) {
        text.push_str(&format!("{number}. {turn}\n"));
        if tokenizer.encode(&text, false).unwrap().len() >= tokens {
            break;
        }
    }
    text
}

/// `cargo test --release --test smollm2 -- --nocapture` prints both times.
#[test]
fn twenty_criteria_of_one_conversation_share_it_and_have_the_same_verdicts() {
    const CRITERIA: [&str; 20] = [
        "fever",
        "chills",
        "blood",
        "phlegm",
        "smoking",
        "medicine",
        "pain",
        "weight",
        "travel",
        "allergies",
        "asthma",
        "sleep",
        "work",
        "pets",
        "alcohol",
        "appetite",
        "family",
        "surgery",
        "vaccines",
        "breathing",
    ];
    let Some(path) = model_path() else { return };
    let bundle = ModelBundle::open(&path).unwrap();
    let template = bundle.chat_template().unwrap().unwrap();
    let conversation = consultation(&bundle, 1000);
    let requests = CRITERIA.map(|criterion| {
        let ask = format!("{conversation}\nDoes the doctor ask about {criterion}? Answer yes or no.");
        let options = RenderOptions::prompt(ThinkingMode::Auto);
        let rendered = template.render(&[Message::user(ask)], &options).unwrap();
        Request::greedy(bundle.tokenizer().unwrap().encode(&rendered, false).unwrap(), 1)
    });
    let tokens: usize = requests.iter().map(|it| it.prompt.len()).sum();
    // Without optimisation a few computed whole must do.
    let few = if cfg!(debug_assertions) { 3 } else { CRITERIA.len() };
    let [separate, shared] = [(false, few), (true, CRITERIA.len())].map(|(prefix_reuse, count)| {
        let (_, decoder) = kept(&path, KeptType::AsStored);
        // Fewer than all prompts take: what they have in common is there once.
        let options =
            EngineOptions { cache_tokens: 4096, batch_tokens: 512, memory_limit: None, prefix_reuse };
        let mut engine = Engine::new(decoder, 0, None, options).unwrap();
        let start = Instant::now();
        let ids: Vec<_> = requests[..count].iter().map(|it| engine.submit(it.clone()).unwrap()).collect();
        while !engine.is_idle() {
            engine.step();
        }
        let seconds = start.elapsed().as_secs_f64();
        let cached: usize = ids.iter().map(|id| engine.cached_tokens(*id)).sum();
        let verdicts: Vec<_> = ids.iter().map(|id| engine.take(*id).unwrap().remove(0)).collect();
        (seconds / count as f64, cached, verdicts)
    });
    let ratio = shared.1 as f64 / tokens as f64;
    let (same, largest) = compare(&separate.2, &shared.2[..few]);
    println!(
        "{tokens} prompt tokens, {:.1}% of them cached; {:.2} s a prompt separate, {:.2} s shared, {:.1} times as fast; log-probs differ by \
         {largest:e}",
        100.0 * ratio,
        separate.0,
        shared.0,
        separate.0 / shared.0
    );
    assert_eq!(separate.1, 0);
    assert!(ratio >= 0.9, "{ratio}");
    assert!(same && largest <= 1e-5, "{largest:e}");
}
