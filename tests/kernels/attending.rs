//! Attention over packed sequences and over a cache.

use super::*;

/// Head counts and the kind of numbers of an attention case.
#[derive(Debug, Clone, Copy)]
struct Heads {
    kv_heads: usize,
    group: usize,
    half: usize,
    /// Logits up to 1e4 and more, from whole numbers, whose dot products are exact in f32.
    extreme: bool,
}

impl Heads {
    fn shape(self) -> AttentionShape {
        let Self { kv_heads, group, half, extreme } = self;
        let head_dim = 2 * half;
        let scale = if extreme { 0.5 } else { (head_dim as f32).sqrt().recip() };
        AttentionShape { heads: kv_heads * group, kv_heads, head_dim, scale }
    }

    fn inputs(self, noise: &mut Noise, count: usize) -> Vec<f32> {
        if self.extreme { noise.integers(count, 64) } else { noise.values(count, 2.0) }
    }
}

fn heads() -> impl Strategy<Value = Heads> {
    let counts = (1usize..=3, 1usize..=7, 3usize..=48, prop::bool::weighted(0.3));
    counts.prop_map(|(kv_heads, group, half, extreme)| Heads { kv_heads, group, half, extreme })
}

/// Scores in f64 of one query `[heads, head_dim]` with `keys` rows of `k` `[keys, kv_heads, head_dim]`, head by head.
fn exact_scores(q: &[f32], k: &[f32], keys: usize, shape: AttentionShape) -> Vec<Vec<f64>> {
    let AttentionShape { heads, kv_heads, head_dim, scale } = shape;
    let score = |h: usize, j: usize| -> f64 {
        let (q, k) = (&q[h * head_dim..], &k[(j * kv_heads + h / (heads / kv_heads)) * head_dim..]);
        let terms = q[..head_dim].iter().zip(k).map(|(&q, &k)| f64::from(q) * f64::from(k));
        terms.sum::<f64>() * f64::from(scale)
    };
    (0..heads).map(|h| (0..keys).map(|j| score(h, j)).collect()).collect()
}

fn exact_sum(scores: &[f64]) -> f64 {
    let peak = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    peak + scores.iter().map(|s| (s - peak).exp()).sum::<f64>().ln()
}

/// The log-sum-exp of each head, in f64.
fn exact_sums(q: &[f32], k: &[f32], keys: usize, shape: AttentionShape) -> Vec<Exact> {
    let sums = exact_scores(q, k, keys, shape).into_iter().map(|scores| {
        let largest = scores.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        Exact { value: exact_sum(&scores), magnitude: 1.0 + largest }
    });
    sums.collect()
}

/// Attention in f64 of one query `[heads, head_dim]` over `keys` rows of `k` and `v` `[keys, kv_heads, head_dim]`.
fn exact_attention(q: &[f32], k: &[f32], v: &[f32], keys: usize, shape: AttentionShape) -> Vec<Exact> {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let mut out = Vec::with_capacity(heads * head_dim);
    for (h, scores) in exact_scores(q, k, keys, shape).iter().enumerate() {
        let total = exact_sum(scores);
        for d in 0..head_dim {
            let mut sum = Exact { value: 0.0, magnitude: 0.0 };
            for (j, score) in scores.iter().enumerate() {
                let at = (j * kv_heads + h / (heads / kv_heads)) * head_dim + d;
                let term = (score - total).exp() * f64::from(v[at]);
                sum = Exact { value: sum.value + term, magnitude: sum.magnitude + term.abs() };
            }
            out.push(sum);
        }
    }
    out
}

#[test]
fn a_continuation_sees_what_it_continues_and_gets_the_bits_of_the_whole_sequence() {
    let lengths = (1usize..=70, prop::collection::vec(1usize..=40, 1..4));
    run(40, (lengths, heads(), any::<u64>()), |((before, replies), heads, seed)| {
        let shape = heads.shape();
        let (row, kv_row) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let n = before + replies.iter().sum::<usize>();
        let mut noise = Noise(seed);
        let (q, k) = (heads.inputs(&mut noise, n * row), heads.inputs(&mut noise, n * kv_row));
        let v = noise.values(n * kv_row, 5.0);
        let cube = |x: &[f32], heads: usize| {
            let width = heads * shape.head_dim;
            tensor(x, [x.len() / width, heads, shape.head_dim])
        };
        let mut segments = vec![Segment::alone(before)];
        segments.extend(replies.iter().map(|&len| Segment { len, after: Some(0) }));
        let inputs = || (cube(&q, shape.heads), cube(&k, shape.kv_heads), cube(&v, shape.kv_heads));
        let (tq, tk, tv) = inputs();
        let found = values(Flex::attention_packed(tq, tk, tv, &segments, shape).out);
        let (tq, tk, tv) = inputs();
        let reference = values(attention::reference::packed(tq, tk, tv, &segments, shape).out);
        let mut start = before;
        for &len in &replies {
            let whole = |x: &[f32], width: usize| {
                [&x[..before * width], &x[start * width..(start + len) * width]].concat()
            };
            let (q, k, v) = (whole(&q, row), whole(&k, kv_row), whole(&v, kv_row));
            for i in 0..len {
                let exact = exact_attention(&q[(before + i) * row..][..row], &k, &v, before + i + 1, shape);
                check("kernel", &found[(start + i) * row..][..row], &exact)?;
                check("reference", &reference[(start + i) * row..][..row], &exact)?;
            }
            let (q, k, v) = (cube(&q, shape.heads), cube(&k, shape.kv_heads), cube(&v, shape.kv_heads));
            let alone = values(Flex::attention_packed(q, k, v, &[Segment::alone(before + len)], shape).out);
            prop_assert_eq!(bits(&alone[before * row..]), bits(&found[start * row..(start + len) * row]));
            start += len;
        }
        Ok(())
    });
}

#[test]
fn packed_attention_agrees_with_the_reference_and_does_not_see_its_neighbours() {
    let length = prop_oneof![Just(1usize), 2usize..=20, 60usize..=70, 120usize..=135];
    let segments = prop::collection::vec(length, 1..5);
    run(70, (segments, heads(), any::<u64>()), |(segments, heads, seed)| {
        let shape = heads.shape();
        let (row, kv_row) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let n: usize = segments.iter().sum();
        let mut noise = Noise(seed);
        let (q, k) = (heads.inputs(&mut noise, n * row), heads.inputs(&mut noise, n * kv_row));
        let v = noise.values(n * kv_row, 5.0);
        let part = |x: &[f32], rows: &Range<usize>, heads: usize| {
            let width = heads * shape.head_dim;
            tensor(&x[rows.start * width..rows.end * width], [rows.len(), heads, shape.head_dim])
        };
        let inputs = |rows: Range<usize>| {
            (part(&q, &rows, shape.heads), part(&k, &rows, shape.kv_heads), part(&v, &rows, shape.kv_heads))
        };
        let (tq, tk, tv) = inputs(0..n);
        let alone = Segment::all(&segments);
        let attended = Flex::attention_packed(tq.clone(), tk.clone(), tv.clone(), &alone, shape);
        let (found, sums) = (values(attended.out.clone()), values(attended.log_sums(shape.scale)));
        let attended = attention::reference::packed(tq, tk, tv, &alone, shape);
        let (reference, reference_sums) =
            (values(attended.out.clone()), values(attended.log_sums(shape.scale)));
        let mut start = 0;
        for &len in &segments {
            let (k, v) = (&k[start * kv_row..], &v[start * kv_row..]);
            for i in 0..len {
                let at = (start + i) * row..(start + i + 1) * row;
                let exact = exact_attention(&q[at.clone()], k, v, i + 1, shape);
                check("kernel", &found[at.clone()], &exact)?;
                check("reference", &reference[at], &exact)?;
                let exact = exact_sums(&q[(start + i) * row..][..row], k, i + 1, shape);
                let at = (start + i) * shape.heads..(start + i + 1) * shape.heads;
                check("kernel's sums", &sums[at.clone()], &exact)?;
                check("reference's sums", &reference_sums[at], &exact)?;
            }
            let (q, k, v) = inputs(start..start + len);
            let alone = values(Flex::attention_packed(q, k, v, &[Segment::alone(len)], shape).out);
            prop_assert_eq!(bits(&alone), bits(&found[start * row..(start + len) * row]));
            start += len;
        }
        Ok(())
    });
}

/// Sequences in a cache whose blocks lie in no order; the newest few tokens of each are queries.
struct Cached {
    shape: AttentionShape,
    spans: Vec<AttentionSpan>,
    /// `[keys, kv_heads, head_dim]` a sequence.
    k: Vec<Vec<f32>>,
    v: Vec<Vec<f32>>,
    q: Vec<f32>,
    blocks: usize,
    /// A block that no sequence holds.
    spare: u32,
    /// Sequence, position and slot of every token, in the order they are written.
    tokens: Vec<(usize, usize, u32)>,
}

impl Cached {
    fn new(sequences: &[(usize, usize)], heads: Heads, noise: &mut Noise) -> Self {
        let shape = heads.shape();
        let used: usize = sequences.iter().map(|(keys, _)| keys.div_ceil(BLOCK_TOKENS)).sum();
        let blocks = used + 1 + noise.below(5);
        let mut order: Vec<u32> = (0..blocks as u32).collect();
        noise.shuffle(&mut order);
        let (mut spans, mut k, mut v, mut tokens, mut rows) = (vec![], vec![], vec![], vec![], 0);
        for (index, &(keys, queries)) in sequences.iter().enumerate() {
            let own = order.split_off(order.len() - keys.div_ceil(BLOCK_TOKENS));
            let kv = keys * shape.kv_heads * shape.head_dim;
            k.push(heads.inputs(noise, kv));
            v.push(noise.values(kv, 5.0));
            let slot = |p: usize| own[p / BLOCK_TOKENS] * BLOCK_TOKENS as u32 + (p % BLOCK_TOKENS) as u32;
            tokens.extend((0..keys).map(|p| (index, p, slot(p))));
            let queries = queries.min(keys);
            spans.push(AttentionSpan { queries: rows..rows + queries, keys, blocks: own });
            rows += queries;
        }
        noise.shuffle(&mut tokens);
        let q = heads.inputs(noise, rows * shape.heads * shape.head_dim);
        Self { shape, spans, k, v, q, blocks, spare: order[0], tokens }
    }

    /// The tokens' rows of `x`, and their slots.
    fn rows(&self, x: &[Vec<f32>], tokens: &[(usize, usize, u32)]) -> Tensor<Flex, 3> {
        let AttentionShape { kv_heads, head_dim, .. } = self.shape;
        let row = kv_heads * head_dim;
        let flat: Vec<f32> =
            tokens.iter().flat_map(|&(s, p, _)| x[s][p * row..(p + 1) * row].iter().copied()).collect();
        tensor(&flat, [tokens.len(), kv_heads, head_dim])
    }

    /// Pools with every token written, in two calls, over what earlier tenants of the blocks left.
    fn kernel_pools(&self) -> (Tensor<Flex, 2>, Tensor<Flex, 2>) {
        let AttentionShape { kv_heads, head_dim, .. } = self.shape;
        let (keys, values) = Flex::cache_block_elements(kv_heads, head_dim);
        let stale = |elements: usize| tensor(&vec![1e30; self.blocks * elements], [self.blocks, elements]);
        let mut pools = (stale(keys), stale(values));
        let (first, second) = self.tokens.split_at(self.tokens.len() / 2);
        for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
            let slots: Vec<u32> = part.iter().map(|t| t.2).collect();
            pools = Flex::cache_write(pools, self.rows(&self.k, part), self.rows(&self.v, part), &slots);
        }
        pools
    }

    fn reference_pool(&self, x: &[Vec<f32>]) -> Tensor<Flex, 2> {
        let row = self.shape.kv_heads * self.shape.head_dim;
        let elements = row * BLOCK_TOKENS;
        let pool = tensor(&vec![1e30; self.blocks * elements], [self.blocks, elements]);
        let slots: Vec<u32> = self.tokens.iter().map(|t| t.2).collect();
        let rows = self.rows(x, &self.tokens).reshape([self.tokens.len(), row]);
        attention::reference::write_cache(pool, rows, &slots)
    }

    fn queries(&self, rows: &Range<usize>) -> Tensor<Flex, 3> {
        let AttentionShape { heads, head_dim, .. } = self.shape;
        let row = heads * head_dim;
        tensor(&self.q[rows.start * row..rows.end * row], [rows.len(), heads, head_dim])
    }
}

#[test]
fn cached_attention_agrees_with_the_reference_wherever_its_blocks_lie() {
    let keys = prop_oneof![1usize..=20, 30usize..=34, 60usize..=70, 125usize..=200];
    let queries = prop_oneof![Just(1usize), 1usize..=20];
    let sequences = prop::collection::vec((keys, queries), 1..5);
    run(70, (sequences, heads(), any::<u64>()), |(sequences, heads, seed)| {
        let case = Cached::new(&sequences, heads, &mut Noise(seed));
        let shape = case.shape;
        let (row, kv_row) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let all = 0..case.q.len() / row;
        let (keys, cached_values) = case.kernel_pools();
        let attend = |rows: &Range<usize>, spans: &[AttentionSpan]| {
            values(Flex::attention_cached(case.queries(rows), &keys, &cached_values, spans, shape))
        };
        let found = attend(&all, &case.spans);
        let (rk, rv) = (case.reference_pool(&case.k), case.reference_pool(&case.v));
        let reference =
            values(attention::reference::cached(case.queries(&all), &rk, &rv, &case.spans, shape));
        for (index, span) in case.spans.iter().enumerate() {
            for (i, query) in span.queries.clone().enumerate() {
                let at = query * row..(query + 1) * row;
                let visible = span.keys - span.queries.len() + i + 1;
                let exact =
                    exact_attention(&case.q[at.clone()], &case.k[index], &case.v[index], visible, shape);
                check("kernel", &found[at.clone()], &exact)?;
                check("reference", &reference[at], &exact)?;
            }
            let own = span.queries.start * row..span.queries.end * row;
            let alone = AttentionSpan { queries: 0..span.queries.len(), ..span.clone() };
            prop_assert_eq!(bits(&attend(&span.queries, &[alone])), bits(&found[own.clone()]), "span alone");
            let last = span.queries.end - 1..span.queries.end;
            let one = AttentionSpan { queries: 0..1, ..span.clone() };
            prop_assert_eq!(
                bits(&attend(&last, &[one])),
                bits(&found[own.end - row..own.end]),
                "query alone"
            );
            if span.queries.len() == span.keys {
                let whole = |x: &[f32]| tensor(x, [span.keys, shape.kv_heads, shape.head_dim]);
                prop_assert_eq!(case.k[index].len(), span.keys * kv_row);
                let (k, v) = (whole(&case.k[index]), whole(&case.v[index]));
                let packed = Flex::attention_packed(
                    case.queries(&span.queries),
                    k,
                    v,
                    &[Segment::alone(span.keys)],
                    shape,
                );
                prop_assert_eq!(bits(&values(packed.out)), bits(&found[own]), "uncached");
            }
        }
        // A sequence that goes on from a copied block reads the same.
        let first = &case.spans[0];
        let copied = Flex::cache_copy((keys.clone(), cached_values.clone()), first.blocks[0], case.spare);
        let mut moved = AttentionSpan { queries: 0..first.queries.len(), ..first.clone() };
        moved.blocks[0] = case.spare;
        let again =
            Flex::attention_cached(case.queries(&first.queries), &copied.0, &copied.1, &[moved], shape);
        prop_assert_eq!(bits(&values(again)), bits(&found[..first.queries.len() * row]), "copied block");
        Ok(())
    });
}

/// A few queries against a long cache: with one thread the keys are not split, with more they are.
#[test]
fn splitting_the_keys_of_a_long_cache_changes_no_bit() {
    let pools = [1usize, 2, 3, 16].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap());
    let sequence = (900usize..=1700, 1usize..=4);
    let scale = prop::sample::select(vec![1.0f32, 1.0, -1.0, 0.0]);
    run(
        24,
        (prop::collection::vec(sequence, 1..=2), heads(), scale, any::<u64>()),
        |(sequences, heads, sign, seed)| {
            let mut case = Cached::new(&sequences, heads, &mut Noise(seed));
            case.shape.scale *= sign;
            let (keys, cached_values) = case.kernel_pools();
            let rows = 0..case.q.len() / (case.shape.heads * case.shape.head_dim);
            let found = pools.each_ref().map(|pool| {
                let attend = || {
                    Flex::attention_cached(
                        case.queries(&rows),
                        &keys,
                        &cached_values,
                        &case.spans,
                        case.shape,
                    )
                };
                values(pool.install(attend))
            });
            for other in &found[1..] {
                prop_assert_eq!(bits(&found[0]), bits(other));
            }
            let (rk, rv) = (case.reference_pool(&case.k), case.reference_pool(&case.v));
            let reference =
                attention::reference::cached(case.queries(&rows), &rk, &rv, &case.spans, case.shape);
            let largest = found[0].iter().fold(1.0f32, |most, x| most.max(x.abs()));
            for (found, reference) in found[0].iter().zip(values(reference)) {
                prop_assert!((found - reference).abs() <= 1e-4 * largest, "{found} and {reference}");
            }
            Ok(())
        },
    );
}
