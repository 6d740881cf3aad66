//! Draws on the device beside the CPU's from the same logits and the same number.

use std::collections::HashSet;

use burn::tensor::{DType, Tensor};
use burn_wgpu::Wgpu;
use osler::doctor::inputs::{Grain, Noise, tensor};
use osler::engine::{Engine, EngineOptions, Request, SamplingParams};
use osler::kernels::KernelBackend;
use osler::kernels::sampling::{Draw, Filters, Sampled, reference};

use super::support::expected;

/// How far a decision may be from where the CPU takes it, as a share of all mass: two sums in f32 in another order.
const ROUNDING: f64 = 2e-5;

const PLAIN: Filters =
    Filters { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 };

fn filters() -> Vec<Filters> {
    vec![
        PLAIN,
        Filters { temperature: 0.0, ..PLAIN },
        Filters { temperature: 0.7, ..PLAIN },
        Filters { top_k: 1, ..PLAIN },
        Filters { top_k: 40, temperature: 1.3, ..PLAIN },
        Filters { top_p: 0.9, ..PLAIN },
        Filters { top_p: 1e-6, ..PLAIN },
        Filters { min_p: 0.05, ..PLAIN },
        Filters { top_k: 50, top_p: 0.95, min_p: 0.01, temperature: 0.8, repetition_penalty: 1.1 },
        Filters { repetition_penalty: 1.5, temperature: 0.0, ..PLAIN },
        Filters { repetition_penalty: 0.8, top_p: 0.5, ..PLAIN },
        // So low that logits over it are infinite.
        Filters { temperature: 1.5e-38, ..PLAIN },
    ]
}

/// Rows as flat as noise, as peaked as a sure model's, and with equals.
fn rows(vocab: usize, noise: &mut Noise) -> Vec<f32> {
    let flat = noise.values(vocab, 2.0, Grain::Fine);
    let peaked = noise.values(vocab, 4.0, Grain::Fine).into_iter().map(|x| x * x * x.abs() / 4.0 - 8.0);
    let mut equal = noise.integers(vocab, 5);
    equal[vocab / 2] = f32::NEG_INFINITY;
    flat.into_iter().chain(peaked).chain(equal).collect()
}

/// What is wrong with what the device drew: it is nothing that the CPU draws, also with `u`, `top_p` and `min_p` moved a little.
fn problem(found: &Sampled, logits: &[f32], vocab: usize, draw: &Draw<'_>) -> Option<String> {
    let close = |a: f32, b: f32| (a - b).abs() <= 3e-5 + 3e-6 * b.abs();
    let cpu = |filters, uniform: f64| {
        // Above 1 as well: the CPU's cumulative sum, rounded, may pass 1 before the last token.
        reference::sample(logits, vocab, &[Draw { filters, uniform: uniform.max(0.0), ..*draw }])[0]
    };
    let right = cpu(draw.filters, draw.uniform);
    let agrees = |filters| {
        let [less, at, more] = [-ROUNDING, 0.0, ROUNDING].map(|moved| cpu(filters, draw.uniform + moved));
        // Between the two may be a token whose mass is less than what `u` was moved by.
        let same = [less, at, more].into_iter().find(|it| it.id == found.id);
        (less.id..=more.id).contains(&found.id)
            && same.is_none_or(|it| {
                close(it.logprob, found.logprob) && close(it.sampling_logprob, found.sampling_logprob)
            })
    };
    let moved = |value: f32, by: f64| (f64::from(value) * (1.0 + by)) as f32;
    let near = [0.0, -ROUNDING, ROUNDING].into_iter().any(|by| {
        let on = draw.filters.top_p < 1.0;
        let top_p = if on { moved(draw.filters.top_p, by) } else { 1.0 };
        [0.0, -ROUNDING, ROUNDING]
            .into_iter()
            .any(|by| agrees(Filters { top_p, min_p: moved(draw.filters.min_p, by), ..draw.filters }))
    });
    let sure = draw.filters.temperature == 0.0 && found.id != right.id;
    (!near || sure).then(|| format!("{found:?}, {right:?} at {}", draw.uniform))
}

#[test]
fn draws_are_those_of_the_cpu_from_the_same_numbers() {
    let (mut wrong, mut same, mut all) = (Vec::new(), 0, 0);
    for vocab in [7usize, 1000, 49_152] {
        let mut noise = Noise(vocab as u64);
        let logits = rows(vocab, &mut noise);
        let seen: HashSet<u32> = noise.below(vocab.min(60), vocab).into_iter().collect();
        let none = HashSet::new();
        for filters in filters() {
            let seen = if filters.repetition_penalty == 1.0 { &none } else { &seen };
            let draws: Vec<Draw<'_>> = (0..3)
                .flat_map(|row| [0.0, 1.0 - f64::EPSILON].map(|uniform| (row, uniform)))
                .chain((0..24).map(|i| (i / 8, noise.word() as f64 / 2f64.powi(64))))
                .map(|(row, uniform)| Draw { row, filters, seen, uniform: uniform.min(1.0 - f64::EPSILON) })
                .collect();
            let on_device: Tensor<Wgpu, 2> = tensor(&logits, [3, vocab], &super::device(), DType::F32);
            let found = Wgpu::sample(on_device, &draws);
            assert_eq!(found.len(), draws.len());
            for (found, draw) in found.iter().zip(&draws) {
                let right = reference::sample(&logits, vocab, &[*draw])[0];
                (same, all) = (same + usize::from(found.id == right.id), all + 1);
                let problem = problem(found, &logits, vocab, draw);
                wrong.extend(problem.map(|it| format!("{vocab}, row {}, {filters:?}: {it}", draw.row)));
            }
        }
    }
    eprintln!("{same} of {all} draws are the same token");
    assert!(wrong.is_empty(), "{} of {all}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    // Only among 49152 tokens of nearly one probability is a border often so near.
    assert!(same * 100 >= all * 97, "{same} of {all}");
}

/// What else is drawn changes which steps run.
#[test]
fn a_draw_does_not_depend_on_its_neighbours() {
    let vocab = 1000;
    let mut noise = Noise(5);
    let logits = rows(vocab, &mut noise);
    let seen: HashSet<u32> = noise.below(20, vocab).into_iter().collect();
    let draws: Vec<Draw<'_>> = filters()
        .into_iter()
        .zip([0.1, 0.9, 0.5].into_iter().cycle())
        .map(|(filters, uniform)| Draw { row: 1, filters, seen: &seen, uniform })
        .collect();
    let sample = |draws: &[Draw<'_>]| {
        let logits: Tensor<Wgpu, 2> = tensor(&logits, [3, vocab], &super::device(), DType::F32);
        let bits = |it: Sampled| (it.id, it.logprob.to_bits(), it.sampling_logprob.to_bits());
        Wgpu::sample(logits, draws).into_iter().map(bits).collect::<Vec<_>>()
    };
    let together = sample(&draws);
    for (draw, together) in draws.iter().zip(together) {
        assert_eq!(sample(&[*draw]), [together], "{:?}", draw.filters);
    }
}

/// Samples of one prompt beside another request, each as alone.
#[test]
fn the_engine_draws_the_same_alone_as_in_a_batch() {
    let prompts = expected("qwen3_tiny");
    let sampling =
        SamplingParams { temperature: 0.9, top_p: 0.9, repetition_penalty: 1.2, ..Default::default() };
    let request = |prompt: usize, seed, samples| Request {
        sampling: SamplingParams { seed, ..sampling },
        samples,
        ..Request::greedy(prompts[prompt].ids.clone(), 6)
    };
    let options =
        EngineOptions { cache_tokens: 256, batch_tokens: 32, memory_limit: None, ..EngineOptions::default() };
    let mut engine = Engine::new(super::decoder("qwen3_tiny"), 0, None, options).unwrap();
    let mut ids = |requests: &[Request]| -> Vec<Vec<Vec<u32>>> {
        let queued: Vec<_> = requests.iter().map(|it| engine.submit(it.clone()).unwrap()).collect();
        let outputs = engine.run(&queued);
        outputs.into_iter().map(|it| it.into_iter().map(|output| output.ids).collect()).collect()
    };
    let together = ids(&[request(0, 1, 2), request(1, 2, 1)]);
    assert_ne!(together[0][0], together[0][1], "two samples");
    assert_eq!(ids(&[request(0, 1, 2)])[0], together[0]);
    assert_eq!(ids(&[request(1, 2, 1)])[0], together[1]);
}
