//! Consultations sampled from a small model made from nothing: what is sampled is what is trained, bit for bit.

mod modes;
mod overlap;

use std::convert::Infallible;

use burn::tensor::{DType, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::data::bank::{Bank, Split, SplitOptions};
use osler::data::bpe;
use osler::data::conversation::{DialogueFormat, DialogueTokens, pack};
use osler::engine::{Engine, EngineOptions};
use osler::eval::{HeldOut, evaluate};
use osler::model::adapter::{LowRankOptions, Projection};
use osler::model::build::WeightSource;
use osler::model::config::{Architecture, ModelConfig, RopeScaling};
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::rl::{
    Clip, Fragment, FragmentOptions, Fragments, NoiseFilter, Policy, PolicyLoss, ReplySampling,
    UpdateOptions, heldout, update,
};
use osler::rubric::{Generator, RuleJudge};
use osler::sim::dialogue::{Demonstrations, Mixture};
use osler::sim::{Initiative, Limits, Mode};
use osler::train::config::{AdvantageScale, Detector, PolicyObjective};
use osler::train::init::{InitialWeights, adapter_values};
use osler::train::{AdamW, AdamWOptions, sft};

const LIMITS: Limits = Limits { turns: 4, patience: 3 };
/// At the quickstart's temperature: dividing by it rounds, and has to round alike in the sampler and in the trainer.
const SAMPLING: ReplySampling = ReplySampling { samples: 4, max_new_tokens: 24, temperature: 0.7 };
const OPTIONS: AdamWOptions =
    AdamWOptions { betas: (0.9, 0.99), eps: 1e-8, weight_decay: 0.01, clip: Some(1.0) };

fn split() -> Split {
    let options = SplitOptions { train: 30, heldout_patients: 3, heldout_presentations: 3, holdout: 0.2 };
    Bank::bundled().split(3, &options).unwrap()
}

struct School {
    split: Split,
    format: DialogueFormat,
    dialogues: Vec<DialogueTokens>,
    config: ModelConfig,
}

fn school() -> School {
    let split = split();
    let lessons = Demonstrations::new(&split.train, Mixture::default(), LIMITS, 3).unwrap().first(40);
    let texts: Vec<String> = lessons
        .iter()
        .flat_map(|lesson| lesson.consultation.messages(None).into_iter().map(|message| message.content))
        .collect();
    let options = bpe::BpeOptions { vocab_size: 600, min_frequency: 2, system: None };
    let tokenizer = bpe::train(&texts, &options).unwrap();
    let template = tokenizer.compile_chat_template().unwrap().unwrap();
    let format = DialogueFormat::new(&tokenizer, &template, Some("You are a doctor.")).unwrap();
    let dialogues =
        lessons.iter().map(|lesson| DialogueTokens::new(&format, &lesson.consultation).unwrap()).collect();
    let config = ModelConfig {
        architecture: Architecture::Qwen2,
        vocab_size: 600,
        hidden_size: 32,
        intermediate_size: 48,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        rms_norm_eps: 1e-6,
        rope_theta: 1e4,
        rope_scaling: RopeScaling::None,
        max_position_embeddings: 1024,
        tie_word_embeddings: true,
        qkv_bias: true,
        o_bias: false,
        qk_norm: false,
        dtype: None,
        bos_token_id: None,
        eos_token_ids: Vec::new(),
        pad_token_id: None,
        unread_fields: Vec::new(),
    };
    School { split, format, dialogues, config }
}

/// A pool of four.
fn pool_options() -> FragmentOptions {
    FragmentOptions {
        consultations: 4,
        sampling: SAMPLING,
        best: false,
        outcome: 0.5,
        limits: LIMITS,
        mode: Initiative::Interactive,
        noise: NoiseFilter::default(),
        length_reward: None,
        advantage: AdvantageScale::Mean,
        seed: 11,
    }
}

/// Weights in another type.
struct Kept {
    source: InitialWeights,
    float: DType,
}

impl WeightSource for Kept {
    type Error = Infallible;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Infallible> {
        self.source.read(name, shape).map(|data| data.convert_dtype(self.float))
    }
}

impl School {
    fn decoder(&self) -> Decoder<Flex> {
        let mut source = InitialWeights { seed: 5, layers: self.config.num_hidden_layers };
        let Ok(weights) = DecoderWeights::read(&self.config, &mut source, &FlexDevice);
        Decoder::new(self.config.clone(), weights, DType::F32, FlexDevice)
    }

    /// With adapters on `targets` among weights that are kept in `float`.
    fn adapted(&self, float: DType, targets: &[Projection]) -> Decoder<Flex> {
        let source = InitialWeights { seed: 5, layers: self.config.num_hidden_layers };
        let Ok(weights) = DecoderWeights::read(&self.config, &mut Kept { source, float }, &FlexDevice);
        let mut decoder = Decoder::new(self.config.clone(), weights, DType::F32, FlexDevice);
        let options = LowRankOptions { rank: 4, alpha: 8.0 };
        decoder.adapt(options, targets, &mut |name, dims| adapter_values(5, name, dims));
        decoder
    }

    fn policy(&self) -> Policy<Flex> {
        self.policy_of(self.decoder())
    }

    fn policy_of(&self, decoder: Decoder<Flex>) -> Policy<Flex> {
        let options = EngineOptions {
            cache_tokens: 32 * 1024,
            batch_tokens: 512,
            memory_limit: None,
            ..EngineOptions::default()
        };
        Policy::new(Engine::new(decoder, 0, None, options).unwrap(), self.format.clone())
    }

    /// `rounds` rounds of a pool of four, each followed by an update.
    fn rounds(
        &self,
        policy: &mut Policy<Flex>,
        rounds: usize,
        micro_batch_tokens: usize,
    ) -> Vec<Vec<Fragment>> {
        self.filtered_rounds(policy, rounds, micro_batch_tokens, NoiseFilter::default())
    }

    /// The same with what `noise` drops.
    fn filtered_rounds(
        &self,
        policy: &mut Policy<Flex>,
        rounds: usize,
        micro_batch_tokens: usize,
        noise: NoiseFilter,
    ) -> Vec<Vec<Fragment>> {
        let judge = RuleJudge::bundled();
        let options = FragmentOptions { noise, ..pool_options() };
        let generator = Generator::bundled(LIMITS.turns);
        let mut fragments = Fragments::new(&self.split.train, generator, &judge, options);
        let mut optimizer = AdamW::new(OPTIONS);
        let step = UpdateOptions {
            loss: PolicyLoss {
                objective: PolicyObjective::M2,
                clip: Clip { low: 0.2, high: 0.28 },
                l_max: SAMPLING.max_new_tokens,
                kl: None,
            },
            temperature: SAMPLING.temperature,
            micro_batch_tokens,
            lr: 1e-3,
            entropy: true,
        };
        (0..rounds)
            .map(|_| {
                let (groups, _) = fragments.round(policy).unwrap();
                let report = update(policy, None, &mut optimizer, &groups, &step);
                for (sampled, trained) in report.seen.pairs {
                    assert_eq!(sampled.to_bits(), trained.to_bits(), "sampler and trainer differ");
                }
                groups
            })
            .collect()
    }
}

fn texts(rounds: &[Vec<Fragment>]) -> Vec<String> {
    rounds
        .iter()
        .flatten()
        .flat_map(|f| f.replies.iter().map(|r| format!("{} {:?}", r.text, r.reward)))
        .collect()
}

fn weights(policy: &mut Policy<Flex>) -> Vec<u32> {
    let mut bits = Vec::new();
    policy.update(|decoder| {
        decoder.visit_parameters(&mut |_, parameter| {
            let values: Vec<f32> = parameter.flat().into_data().convert::<f32>().to_vec().unwrap();
            bits.extend(values.iter().map(|v| v.to_bits()));
        });
    });
    bits
}

#[test]
fn sampler_and_trainer_agree_to_the_last_bit_and_a_run_comes_again() {
    let school = school();
    let (mut one, mut two) = (school.policy(), school.policy());
    let first = school.rounds(&mut one, 3, 2048);
    assert_eq!(texts(&first), texts(&school.rounds(&mut two, 3, 2048)));
    assert!(
        first.iter().flatten().any(|f| f.replies.iter().any(|r| r.advantage != 0.0)),
        "nothing was learned from"
    );
    assert_eq!(weights(&mut one), weights(&mut two));
    assert_ne!(weights(&mut one), weights(&mut school.policy()));
    for fragment in first.iter().flatten() {
        assert_eq!(fragment.group.len(), SAMPLING.samples);
        let sum: f64 = fragment.replies.iter().map(|r| r.advantage).sum();
        assert!(sum.abs() < 1e-9, "{sum}");
        for (trace, reply) in fragment.group.traces().iter().zip(&fragment.replies) {
            // Token in, token out: the trained tokens are the reply's own.
            let ids: Vec<u32> = trace.trainable().map(|t| t.id).collect();
            assert_eq!(school.format.text(&ids).unwrap(), reply.text);
            assert_eq!(trace.ids().skip(trace.prompt().len()).collect::<Vec<_>>(), ids);
        }
    }
}

#[test]
fn detectors_find_noise_and_change_neither_what_is_sampled_nor_what_it_earns() {
    let school = school();
    let plain = school.rounds(&mut school.policy(), 1, 2048);
    assert!(plain.iter().flatten().flat_map(|f| &f.replies).all(|reply| reply.noise.is_empty()));
    let detectors: Vec<Detector> = Detector::all().collect();
    let noise = NoiseFilter { detectors, max_words: 3, ..NoiseFilter::default() };
    let found = school.filtered_rounds(&mut school.policy(), 1, 2048, noise);
    assert_eq!(texts(&plain), texts(&found));
    let fired = |f: &Fragment| f.replies.iter().filter(|reply| !reply.noise.is_empty()).count();
    assert!(found.iter().flatten().map(fired).sum::<usize>() > 0, "an untrained model's words pass");
}

#[test]
fn adapters_are_sampled_as_they_are_trained_and_leave_the_weights_as_they_are() {
    let school = school();
    let with_head = [&Projection::LAYER[..], &[Projection::Head]].concat();
    let kinds = [
        (DType::F32, Projection::LAYER.to_vec()),
        (DType::BF16, Projection::LAYER.to_vec()),
        (DType::BF16, with_head),
        (DType::F32, vec![Projection::Head]),
    ];
    for (float, targets) in kinds {
        let mut policy = school.policy_of(school.adapted(float, &targets));
        let before = weights(&mut policy);
        // Compares the log-probs of each round's first update; from the second on, adapters add something.
        let rounds = school.rounds(&mut policy, 3, 2048);
        assert!(rounds.iter().flatten().flat_map(|f| &f.replies).any(|r| r.advantage != 0.0));
        assert_eq!(weights(&mut policy), before);
        let mut moved = 0;
        policy.visit_trained(&mut |name, parameter| {
            let values: Vec<f32> = parameter.flat().into_data().to_vec().unwrap();
            moved += usize::from(name.ends_with("lora_B.weight") && values.iter().any(|&v| v != 0.0));
        });
        let head = usize::from(targets.contains(&Projection::Head));
        assert_eq!(moved, (targets.len() - head) * school.config.num_hidden_layers + head);
    }
}

#[test]
fn supervised_steps_learn_and_do_not_depend_on_the_micro_batch() {
    // Doctors who ask one to three things at a time, some of them by routine, take longer to foresee than 12 steps.
    const STEPS: usize = 16;
    let school = school();
    let packing = pack(&school.dialogues, 2048, 1, 0);
    assert!(packing.left_out.is_empty() && packing.batches.len() > 2);
    let mut losses: Vec<Vec<f64>> = Vec::new();
    for micro in [2048, 300] {
        let (mut decoder, mut optimizer) = (school.decoder(), AdamW::new(OPTIONS));
        let steps = packing.batches.iter().cycle().take(STEPS);
        losses.push(steps.map(|b| sft::step(&mut decoder, &mut optimizer, b, micro, 1e-2).loss).collect());
    }
    let (whole, cut) = (&losses[0], &losses[1]);
    assert!((whole[0] - (600f64).ln()).abs() < 0.1, "{}", whole[0]);
    assert!(whole[STEPS - 1] < 0.75 * whole[0], "{whole:?}");
    assert!(whole.iter().zip(cut).all(|(a, b)| (a - b).abs() < 1e-2), "{whole:?} {cut:?}");
}

#[test]
fn held_out_consultations_are_played_to_their_end() {
    let school = school();
    let held_out = HeldOut::of_split(&school.split, LIMITS, 9).unwrap();
    let mut policy = school.policy();
    let played = heldout::play(&mut policy, &held_out, SAMPLING, &mut |_| true).unwrap();
    assert_eq!(played.len(), 6);
    assert!(played.iter().all(|c| c.ending.is_some() && c.turns.len() <= LIMITS.turns));
    assert_eq!(played, heldout::play(&mut policy, &held_out, SAMPLING, &mut |_| true).unwrap());
    let marked =
        evaluate("untrained", &held_out, played, &Generator::bundled(LIMITS.turns), &RuleJudge::bundled())
            .unwrap();
    assert!(marked.evaluation.reward.is_some_and(|reward| (0.0..=1.0).contains(&reward)));
}
