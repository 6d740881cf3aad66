//! Attention of packed sequences and its gradients.

use burn::tensor::{DType, Tensor};
use osler::doctor::exact::attention::places;
pub use osler::doctor::exact::attention::{self as exact, Inputs, Results};
use osler::doctor::inputs::{Grain, host, tensor};
use osler::kernels::{Attended, AttentionShape, KernelBackend, Segment, attention};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Held, Wanted};

/// One batch.
#[derive(Debug, Clone)]
pub struct Case {
    pub segments: Vec<Segment>,
    pub shape: AttentionShape,
    /// Scores up to 1e4 and beyond once they are scaled, of numbers whose sums are exact in f32.
    pub extreme: bool,
    pub seed: u64,
}

/// What cases are made of.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Segments of a batch at most.
    pub segments: usize,
    /// Longest segments.
    pub longest: usize,
    pub kv_heads: usize,
    /// Query heads that share a key head.
    pub groups: Vec<usize>,
    pub head_dims: Vec<usize>,
    /// Whether scales so small that f16 has no numbers for the gradients occur.
    pub tiny_scales: bool,
}

/// Tokens of a segment: often none, often one, and both sides of a tile of 64 and of two of them.
fn lengths(longest: usize) -> impl Strategy<Value = usize> {
    let length = prop_oneof![
        2 => Just(0usize),
        3 => Just(1usize),
        5 => 2usize..=20,
        2 => 60usize..=70,
        1 => 120usize..=135,
    ];
    length.prop_map(move |len| len.min(longest))
}

/// Segments, of which some continue an earlier one that continues none; at least one has a token.
fn segments(limits: &Limits) -> impl Strategy<Value = Vec<Segment>> + use<> {
    let segment = (lengths(limits.longest), prop::option::weighted(0.4, any::<Index>()));
    prop::collection::vec(segment, 1..=limits.segments).prop_map(|drawn| {
        let mut segments: Vec<Segment> = Vec::new();
        let mut whole = Vec::new();
        for (place, (len, after)) in drawn.into_iter().enumerate() {
            let after = after.filter(|_| !whole.is_empty()).map(|index| *index.get(&whole));
            if after.is_none() {
                whole.push(place);
            }
            segments.push(Segment { len, after });
        }
        if segments.iter().all(|segment| segment.len == 0) {
            segments.push(Segment::alone(1));
        }
        segments
    })
}

/// Batches within `limits`.
pub fn cases(limits: &Limits) -> impl Strategy<Value = Case> + use<> {
    let dims = prop::sample::select(limits.head_dims.clone());
    let tiny = if limits.tiny_scales { 1e-6f32 } else { 0.5 };
    // Times the usual scale, which gives scores around 1.
    let factor = prop::sample::select(vec![tiny, 0.1, 1.0, 2.0]);
    let heads = (1..=limits.kv_heads, prop::sample::select(limits.groups.clone()), dims);
    // Of extreme scores: 4 times the usual scale, which only for some head dimensions is a power of two, and powers of two, under which
    // no digit is lost; of these the largest is as likely as all smaller ones.
    let most = if limits.tiny_scales { 14 } else { 4 };
    let halvings = prop_oneof![2 => Just(None), 1 => Just(Some(1i32)), 1 => (2i32..=most).prop_map(Some)];
    let numbers = (factor, prop::option::weighted(0.5, halvings), any::<u64>());
    let tiny_scales = limits.tiny_scales;
    (segments(limits), heads, numbers).prop_map(
        move |(segments, (kv_heads, group, head_dim), (factor, halvings, seed))| {
            let usual = (head_dim as f32).sqrt().recip();
            let scale = match halvings {
                None => factor * usual,
                Some(None) => 4.0 * usual,
                Some(Some(halvings)) => (-halvings as f32).exp2(),
            };
            let scale = match seed % 12 {
                0 => 0.0,
                1..=3 => -scale,
                4 if tiny_scales => 1e-30,
                _ => scale,
            };
            let shape = AttentionShape { heads: kv_heads * group, kv_heads, head_dim, scale };
            Case { segments, shape, extreme: halvings.is_some(), seed }
        },
    )
}

impl Case {
    pub fn tokens(&self) -> usize {
        self.segments.iter().map(|segment| segment.len).sum()
    }

    /// Numbers that `dtype` holds exactly.
    pub fn inputs(&self, dtype: DType) -> Inputs {
        let grain = Grain::of(dtype);
        let make = if self.extreme { Inputs::extreme } else { Inputs::plain };
        let mut inputs = make(self.tokens(), self.shape, grain, self.seed);
        if dtype == DType::F16 && self.extreme {
            // Gradients of keys add up numbers in the thousands; f16 ends at 65504.
            inputs.dout.iter_mut().for_each(|x| *x /= 32.0);
        }
        inputs
    }

    pub fn exact(&self, inputs: &Inputs) -> Results {
        exact::attention(inputs, &self.segments, self.shape)
    }

    /// The results: output, log-sum-exp, and the gradients of queries, keys and values.
    pub fn wanted<'a>(&self, exact: &'a Results) -> [Wanted<'a>; 5] {
        let AttentionShape { heads, kv_heads, head_dim, .. } = self.shape;
        let parts = |width: usize| {
            let part = |(own, _): (std::ops::Range<usize>, _)| own.start * width..own.end * width;
            places(&self.segments).into_iter().map(part).collect::<Vec<_>>()
        };
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        [
            Wanted::new("out", &exact.out, parts(queries)),
            Wanted::logarithms_together("sums", &exact.sums),
            Wanted::gradient("dq", &exact.dq, parts(queries), exact.terms.dq),
            Wanted::gradient("dk", &exact.dk, parts(keys), exact.terms.dk),
            Wanted::new("dv", &exact.dv, parts(keys)),
        ]
    }

    /// That the kernel of a device is right.
    pub fn check_kernel<B: KernelBackend>(
        &self,
        (inputs, exact): (&Inputs, &Results),
        device: &B::Device,
        held: Held,
    ) -> Result<(), TestCaseError> {
        let [q, k, v] = self.operands::<B>(inputs, device, held.dtype);
        let dout = self.dout::<B>(inputs, device, held.dtype);
        let attended = B::attention_packed(q.clone(), k.clone(), v.clone(), &self.segments, self.shape);
        let gradients = B::attention_packed_backward(q, k, v, &self.segments, self.shape, &attended, dout);
        self.check("kernel", exact, (attended, gradients), held)
    }

    /// That the plain reference is.
    pub fn check_reference<B: KernelBackend>(
        &self,
        (inputs, exact): (&Inputs, &Results),
        device: &B::Device,
        dtype: DType,
    ) -> Result<(), TestCaseError> {
        let [q, k, v] = self.operands::<B>(inputs, device, dtype);
        let dout = self.dout::<B>(inputs, device, dtype);
        let (segments, shape) = (&self.segments, self.shape);
        let attended = attention::reference::packed(q.clone(), k.clone(), v.clone(), segments, shape);
        let gradients = attention::reference::packed_backward(q, k, v, segments, shape, dout);
        self.check("reference", exact, (attended, gradients), Held::new(dtype))
    }

    fn check<B: KernelBackend>(
        &self,
        by: &str,
        exact: &Results,
        (attended, (dq, dk, dv)): (Attended<B>, attention::reference::Gradients<B>),
        held: Held,
    ) -> Result<(), TestCaseError> {
        let sums = attended.log_sums(self.shape.scale);
        let found = [host(attended.out), host(sums), host(dq), host(dk), host(dv)];
        for (wanted, found) in self.wanted(exact).iter().zip(&found) {
            wanted.check(by, found, held.bound)?;
        }
        Ok(())
    }

    fn operands<B: KernelBackend>(
        &self,
        inputs: &Inputs,
        device: &B::Device,
        dtype: DType,
    ) -> [Tensor<B, 3>; 3] {
        let AttentionShape { heads, kv_heads, head_dim, .. } = self.shape;
        let n = self.tokens();
        [(&inputs.q, heads), (&inputs.k, kv_heads), (&inputs.v, kv_heads)]
            .map(|(x, heads)| tensor(x, [n, heads, head_dim], device, dtype))
    }

    fn dout<B: KernelBackend>(&self, inputs: &Inputs, device: &B::Device, dtype: DType) -> Tensor<B, 2> {
        let width = self.shape.heads * self.shape.head_dim;
        tensor(&inputs.dout, [self.tokens(), width], device, dtype)
    }
}
