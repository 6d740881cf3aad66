//! Operations on rows: RMSNorm, SwiGLU, rotary embedding, and their gradients. Their formulas in f64.

use burn::tensor::DType;

use super::{Expected, F32, Parity};
use crate::doctor::inputs::{Grain, Noise, host, rounded, tensor, wide};
use crate::kernels::KernelBackend;

/// Rows and their width: widths that no vector and no tile divides, and a model's.
const SHAPES: [(usize, usize); 4] = [(1, 7), (5, 33), (67, 192), (130, 896)];
const EPS: f32 = 1e-6;

impl<B: KernelBackend> Parity<'_, B> {
    pub(super) fn rows(&mut self) {
        for (grain, _) in self.grains() {
            for (seed, (n, d)) in (200..).zip(SHAPES) {
                self.norm(grain, n, d, seed);
                self.swiglu(grain, n, d, seed + 10);
            }
            for (seed, (n, heads, head_dim)) in
                (220..).zip([(1, 1, 2), (67, 3, 64), (33, 2, 96), (20, 7, 128)])
            {
                self.rotary(grain, n, heads, head_dim, seed);
            }
        }
        for (seed, dims) in (250..).zip(SHAPES) {
            self.mixed_gradients(dims, seed);
        }
    }

    fn norm(&mut self, grain: Grain, n: usize, d: usize, seed: u64) {
        let mut noise = Noise(seed);
        let mut draw = |count| noise.values(count, 2.0, grain);
        let (mut x, weight, dy) = (draw(n * d), draw(d), draw(n * d));
        let case = format!("{n} rows of {d}");
        let (forward, dx, dw) = exact_norm(&x, &weight, &dy);
        let backward = [Expected::rows("dx", dx, d), Expected::whole("dw", dw)];
        let forward = [Expected::rows("y", forward, d)];
        for dtype in self.of(grain) {
            let on = |x: &[f32], device: &B::Device| {
                (tensor::<B, 2>(x, [n, d], device, dtype), tensor::<B, 1>(&weight, [d], device, dtype))
            };
            self.check("rms_norm", &case, dtype, &forward, |device| {
                let (x, weight) = on(&x, device);
                vec![host(B::rms_norm(x, &weight, EPS))]
            });
            self.check("rms_norm_backward", &case, dtype, &backward, |device| {
                let (x, weight) = on(&x, device);
                let (dx, dw) = B::rms_norm_backward(x, &weight, EPS, tensor(&dy, [n, d], device, dtype));
                vec![host(dx), host(dw)]
            });
        }
        self.joined_norm(grain, [n, d], seed + 40);
        // A row of nothing is divided by the root of `eps` alone.
        x[..d].fill(0.0);
        let expected = [Expected::rows("y", exact_norm(&x, &weight, &dy).0, d)];
        for dtype in self.of(grain) {
            self.check("rms_norm", &format!("{case}, the first 0"), dtype, &expected, |device| {
                let weight = tensor::<B, 1>(&weight, [d], device, dtype);
                vec![host(B::rms_norm(tensor(&x, [n, d], device, dtype), &weight, EPS))]
            });
        }
    }

    /// A residual stream, what joins it, and the norm of both.
    fn joined_norm(&mut self, grain: Grain, [n, d]: [usize; 2], seed: u64) {
        let mut noise = Noise(seed);
        let mut draw = |count| noise.values(count, 2.0, grain);
        let (x, more, weight, dnormed, dsum) = (draw(n * d), draw(n * d), draw(d), draw(n * d), draw(n * d));
        let case = format!("{n} rows of {d}");
        let sum: Vec<f64> = wide(&x).into_iter().zip(wide(&more)).map(|(x, more)| x + more).collect();
        for dtype in self.of(grain) {
            // What the backward is given is a stream of the type.
            let stream: Vec<f32> = sum.iter().map(|&x| rounded(x as f32, dtype)).collect();
            let (normed, mut dx, dw) = exact_norm(&stream, &weight, &dnormed);
            dx.iter_mut().zip(wide(&dsum)).for_each(|(dx, beside)| *dx += beside);
            let forward = [Expected::rows("sum", sum.clone(), d), Expected::rows("y", normed, d)];
            let backward = [Expected::rows("dx", dx, d), Expected::whole("dw", dw)];
            let on = |x: &[f32], device: &B::Device| tensor::<B, 2>(x, [n, d], device, dtype);
            self.check("add_rms_norm", &case, dtype, &forward, |device| {
                let weight = tensor::<B, 1>(&weight, [d], device, dtype);
                let (sum, y) = B::add_rms_norm(on(&x, device), on(&more, device), &weight, EPS);
                vec![host(sum), host(y)]
            });
            self.check("add_rms_norm_backward", &case, dtype, &backward, |device| {
                let weight = tensor::<B, 1>(&weight, [d], device, dtype);
                let (stream, dnormed) = (on(&stream, device), on(&dnormed, device));
                let beside = tensor(&dsum, [n, d], device, DType::F32);
                let (dx, dw) = B::add_rms_norm_backward(stream, &weight, EPS, dnormed, beside);
                vec![host(dx), host(dw)]
            });
        }
    }

    fn swiglu(&mut self, grain: Grain, n: usize, d: usize, seed: u64) {
        let mut noise = Noise(seed);
        // Gates so far from 0 that the sigmoid is nearly 0 or 1.
        let gate = noise.values(n * d, 16.0, grain);
        let (up, dy) = (noise.values(n * d, 2.0, grain), noise.values(n * d, 2.0, grain));
        let case = format!("{n} rows of {d}");
        let (y, dgate, dup) = exact_swiglu(&gate, &up, &dy);
        let forward = [Expected::rows("y", y, d)];
        let backward = [Expected::rows("dgate", dgate, d), Expected::rows("dup", dup, d)];
        for dtype in self.of(grain) {
            let on = |x: &[f32], device: &B::Device| tensor::<B, 2>(x, [n, d], device, dtype);
            self.check("swiglu", &case, dtype, &forward, |device| {
                vec![host(B::swiglu(on(&gate, device), on(&up, device)))]
            });
            self.check("swiglu_backward", &case, dtype, &backward, |device| {
                let (dgate, dup) = B::swiglu_backward(on(&gate, device), on(&up, device), on(&dy, device));
                vec![host(dgate), host(dup)]
            });
        }
    }

    /// Backwards as the trainer asks for them: in half types with gradients in f32, of which all bits count. The norm by itself has its
    /// weight in f32 too, as models may keep vectors.
    fn mixed_gradients(&mut self, (n, d): (usize, usize), seed: u64) {
        let mut noise = Noise(seed);
        let mut draw = |count, scale, grain| noise.values(count, scale, grain);
        let [x, up] = [(); 2].map(|()| draw(n * d, 2.0, Grain::Coarse));
        let (gate, weight) = (draw(n * d, 16.0, Grain::Coarse), draw(d, 2.0, Grain::Coarse));
        let [dy, dsum] = [(); 2].map(|()| draw(n * d, 2.0, Grain::Fine));
        let fine_weight = draw(d, 2.0, Grain::Fine);
        let (_, dx, dw) = exact_norm(&x, &fine_weight, &dy);
        let of_norm = [Expected::rows("dx", dx, d), Expected::whole("dw", dw)];
        let (_, mut dx, dw) = exact_norm(&x, &weight, &dy);
        dx.iter_mut().zip(wide(&dsum)).for_each(|(dx, beside)| *dx += beside);
        let of_joined = [Expected::rows("dx", dx, d), Expected::whole("dw", dw)];
        let (_, dgate, dup) = exact_swiglu(&gate, &up, &dy);
        let of_swiglu = [Expected::rows("dgate", dgate, d), Expected::rows("dup", dup, d)];
        let case = format!("{n} rows of {d}, gradients in f32");
        let float = |x: &[f32], device: &B::Device| tensor::<B, 2>(x, [n, d], device, DType::F32);
        for dtype in self.of(Grain::Coarse) {
            let on = |x: &[f32], device: &B::Device| tensor::<B, 2>(x, [n, d], device, dtype);
            // What comes out is f32, made in f32 of numbers that the type holds: a gradient that is rounded on the way shows.
            self.check_within(F32, "rms_norm_backward", &case, dtype, &of_norm, |device| {
                let weight = tensor::<B, 1>(&fine_weight, [d], device, DType::F32);
                let (dx, dw) = B::rms_norm_backward(on(&x, device), &weight, EPS, float(&dy, device));
                vec![host(dx), host(dw)]
            });
            self.check_within(F32, "add_rms_norm_backward", &case, dtype, &of_joined, |device| {
                let weight = tensor::<B, 1>(&weight, [d], device, dtype);
                let (dnormed, dsum) = (float(&dy, device), float(&dsum, device));
                let (dx, dw) = B::add_rms_norm_backward(on(&x, device), &weight, EPS, dnormed, dsum);
                vec![host(dx), host(dw)]
            });
            self.check_within(F32, "swiglu_backward", &case, dtype, &of_swiglu, |device| {
                let (gate, up) = (on(&gate, device), on(&up, device));
                let (dgate, dup) = B::swiglu_backward(gate, up, float(&dy, device));
                vec![host(dgate), host(dup)]
            });
        }
    }

    fn rotary(&mut self, grain: Grain, n: usize, heads: usize, head_dim: usize, seed: u64) {
        let half = head_dim / 2;
        let x = Noise(seed).values(n * heads * head_dim, 2.0, grain);
        // Far positions, whose angles are large; none is 0, where nothing turns.
        let angle =
            |i: usize| ((i / half + 3) * 997) as f64 * 10_000f64.powf(-((i % half) as f64) / half as f64);
        let angles: Vec<f64> = (0..n * half).map(angle).collect();
        let table = |of: fn(f64) -> f64| angles.iter().map(|&a| of(a) as f32).collect::<Vec<f32>>();
        let (cos, sin) = (table(f64::cos), table(f64::sin));
        let mut y = vec![0.0; x.len()];
        for (head, (y, x)) in y.chunks_exact_mut(head_dim).zip(x.chunks_exact(head_dim)).enumerate() {
            for i in 0..half {
                let at = head / heads * half + i;
                let (a, b) = (f64::from(x[i]), f64::from(x[i + half]));
                let (cos, sin) = (f64::from(cos[at]), f64::from(sin[at]));
                (y[i], y[i + half]) = (a * cos - b * sin, b * cos + a * sin);
            }
        }
        let case = format!("{n} rows of {heads} heads of {head_dim}");
        let expected = [Expected::rows("y", y, heads * head_dim)];
        for dtype in self.of(grain) {
            self.check("rotary", &case, dtype, &expected, |device| {
                let table = |values: &[f32]| tensor::<B, 2>(values, [n, half], device, DType::F32);
                let x = tensor::<B, 3>(&x, [n, heads, head_dim], device, dtype);
                vec![host(B::rotary(x, &table(&cos), &table(&sin)))]
            });
        }
    }
}

/// `(y, dx, dw)` of rows.
fn exact_norm(x: &[f32], weight: &[f32], dy: &[f32]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let d = weight.len();
    let weight = wide(weight);
    let (mut y, mut dx, mut dw) = (Vec::new(), Vec::new(), vec![0.0; d]);
    for (x, dy) in x.chunks_exact(d).zip(dy.chunks_exact(d)) {
        let (x, dy) = (wide(x), wide(dy));
        let square: f64 = x.iter().map(|x| x * x).sum();
        let r = (square / d as f64 + f64::from(EPS)).sqrt().recip();
        let dot: f64 = (0..d).map(|i| dy[i] * weight[i] * x[i] * r).sum();
        for i in 0..d {
            let h = x[i] * r;
            y.push(h * weight[i]);
            dx.push(r * (dy[i] * weight[i] - h * dot / d as f64));
            dw[i] += dy[i] * h;
        }
    }
    (y, dx, dw)
}

/// `(y, dgate, dup)`.
fn exact_swiglu(gate: &[f32], up: &[f32], dy: &[f32]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut y, mut dgate, mut dup) = (Vec::new(), Vec::new(), Vec::new());
    for ((g, u), dy) in wide(gate).into_iter().zip(wide(up)).zip(wide(dy)) {
        let s = 1.0 / (1.0 + (-g).exp());
        y.push(g * s * u);
        dgate.push(dy * u * s * (1.0 + g * (1.0 - s)));
        dup.push(dy * g * s);
    }
    (y, dgate, dup)
}
