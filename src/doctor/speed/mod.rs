//! The time of each operation beside what the device does at best: the rate at which it copies memory, and that at which it
//! multiplies matrices.

mod cases;
mod timer;

use burn::tensor::{DType, Tensor};

use super::dtype_name;
use super::features::floats;
use super::findings::{Finding, Findings};
use super::report::{Ceiling, Figure};
use crate::engine::Device;
use crate::engine::backend::caught;
use crate::kernels::{KernelBackend, ceiling};
use timer::seconds;

/// What an operation has to do at least.
#[derive(Clone, Copy)]
struct Work {
    /// Floating-point operations, a multiply-add two; 0 where memory alone counts.
    flops: f64,
    /// Bytes read and written.
    bytes: f64,
}

/// Sizes that keep a device of a kind busy, and no longer than is needed.
#[derive(Clone, Copy)]
struct Sizes {
    /// Bytes of the tensor that is copied.
    copy: usize,
    /// Rows and columns of matrices that are multiplied.
    product: usize,
    /// Tokens of attention's sequences.
    attention: &'static [usize],
    /// Query heads and their elements.
    heads: (usize, usize),
    /// Key heads, each measured.
    kv_heads: &'static [usize],
    /// Rows of a batch.
    rows: usize,
    /// Width of the rows.
    width: usize,
    /// Rows of logits, and their width.
    logits: (usize, usize),
    /// Width of the rows that an output head takes.
    head: usize,
    /// Sequences in the cache, and keys of each.
    cached: (usize, usize),
}

impl Sizes {
    fn of(device: Device) -> Self {
        match device {
            Device::Cpu => Self {
                copy: 0,
                product: 512,
                attention: &[1024],
                heads: (8, 64),
                kv_heads: &[8],
                rows: 4096,
                width: 1024,
                logits: (64, 49_152),
                head: 576,
                cached: (8, 1024),
            },
            // Small enough for an adapter in software, and for the 128 MiB that WebGPU promises for a binding.
            Device::Wgpu => Self {
                copy: 64 << 20,
                product: 1024,
                attention: &[512],
                heads: (4, 64),
                kv_heads: &[4, 2],
                rows: 4096,
                width: 1024,
                logits: (128, 49_152),
                head: 256,
                cached: (4, 256),
            },
            Device::Cuda(_) => Self {
                copy: 1 << 30,
                product: 8192,
                attention: &[4096, 16_384],
                heads: (16, 128),
                kv_heads: &[16, 2],
                rows: 16_384,
                width: 4096,
                logits: (2048, 151_936),
                head: 1024,
                cached: (32, 4096),
            },
        }
    }
}

/// Figures of one device.
struct Bench<'a, B: KernelBackend> {
    device: &'a B::Device,
    sizes: Sizes,
    dtypes: Vec<DType>,
    /// Bytes a second.
    bandwidth: Option<f64>,
    /// Operations a second of products in each type.
    rates: Vec<(DType, f64)>,
    findings: &'a Findings,
}

/// Times every operation on `device`.
pub(super) fn measure<B: KernelBackend>(name: Device, device: &B::Device, findings: &Findings) {
    let sizes = Sizes::of(name);
    // The CPU computes in f32 whatever it is given.
    let floats = floats::<B>(device).into_iter();
    let dtypes = floats.filter(|&it| it == DType::F32 || it == DType::BF16 && name != Device::Cpu).collect();
    let mut bench = Bench::<B> { device, sizes, dtypes, bandwidth: None, rates: Vec::new(), findings };
    bench.ceilings(name);
    bench.all();
}

impl<B: KernelBackend> Bench<'_, B> {
    /// Measures the rates that operations are held against.
    fn ceilings(&mut self, name: Device) {
        if name == Device::Cpu {
            self.memory("memory read", |_| Ok(ceiling::read_bandwidth()));
            self.arithmetic("f32 multiply-adds", DType::F32, |_| Ok(ceiling::arithmetic_rate()));
            return;
        }
        self.memory("copy", Self::copy_bandwidth);
        for dtype in self.dtypes.clone() {
            let name = if dtype == DType::F32 { "f32 products" } else { "bf16 products" };
            self.arithmetic(name, dtype, |it| it.product_rate(dtype));
        }
    }

    /// Takes what `measure` gives, in bytes a second, for what memory does at best.
    fn memory(&mut self, name: &'static str, measure: impl FnOnce(&Self) -> Result<f64, String>) {
        self.bandwidth = self.ceiling(name, measure, 1e9, "GB/s");
    }

    /// Takes what `measure` gives, in operations a second, for what products in `dtype` do at best.
    fn arithmetic(
        &mut self,
        name: &'static str,
        dtype: DType,
        measure: impl FnOnce(&Self) -> Result<f64, String>,
    ) {
        let rate = self.ceiling(name, measure, 1e12, "TFLOP/s");
        self.rates.extend(rate.map(|rate| (dtype, rate)));
    }

    fn ceiling(
        &self,
        name: &'static str,
        measure: impl FnOnce(&Self) -> Result<f64, String>,
        scale: f64,
        unit: &'static str,
    ) -> Option<f64> {
        self.findings.step(format!("measuring {name}"));
        let measured = measure(self);
        let rate = measured.as_ref().ok().copied();
        let problem = measured.err();
        self.findings.tell(Finding::Ceiling(Ceiling {
            name,
            rate: rate.map(|it| it / scale),
            unit,
            problem,
        }));
        rate
    }

    /// Bytes a second of a copy within the device, those read and those written.
    fn copy_bandwidth(&self) -> Result<f64, String> {
        let n = self.sizes.copy / size_of::<f32>();
        let x = caught(|| Tensor::<B, 1>::ones([n], self.device))?;
        // burn has no copy: adding 0 reads all and writes all, and is not done in place while `x` is held.
        let seconds = seconds::<B, _, _>(self.device, || x.clone(), |x| x.add_scalar(0.0))?;
        Ok(2.0 * self.sizes.copy as f64 / seconds)
    }

    /// Operations a second of burn's matrix product.
    fn product_rate(&self, dtype: DType) -> Result<f64, String> {
        let n = self.sizes.product;
        let x = caught(|| self.noise([n, n], dtype))?;
        let seconds = seconds::<B, _, _>(self.device, || x.clone(), |x| B::product(x.clone(), x))?;
        Ok(2.0 * (n as f64).powi(3) / seconds)
    }

    /// Values of no pattern, small enough that nothing overflows.
    fn noise<const D: usize>(&self, dims: [usize; D], dtype: DType) -> Tensor<B, D> {
        let uniform = burn::tensor::Distribution::Uniform(-0.5, 0.5);
        Tensor::<B, D>::random(dims, uniform, (self.device, DType::F32)).cast(dtype)
    }

    /// Times `run` on what `make` gives, which is not timed.
    fn figure<I, O>(
        &mut self,
        op: &'static str,
        case: String,
        dtype: DType,
        work: Work,
        make: impl Fn() -> I,
        run: impl Fn(I) -> O,
    ) {
        self.findings.step(format!("timing {op}, {case}, {}", dtype_name(dtype)));
        let measured = seconds::<B, _, _>(self.device, make, run);
        let rate = self.rates.iter().find(|(it, _)| *it == dtype).map(|(_, rate)| *rate);
        let taken = measured.as_ref().ok().copied();
        let least = |amount: f64, rate: Option<f64>| rate.map(|rate| amount / rate).unwrap_or_default();
        let (arithmetic, memory) = (least(work.flops, rate), least(work.bytes, self.bandwidth));
        let (amount, bound, scale, unit) = if arithmetic > memory {
            (work.flops, rate, 1e12, "TFLOP/s")
        } else {
            (work.bytes, self.bandwidth, 1e9, "GB/s")
        };
        let achieved = taken.map(|seconds| amount / seconds);
        let share = achieved.zip(bound).map(|(achieved, bound)| achieved / bound);
        self.findings.tell(Finding::Figure(Figure {
            op,
            case,
            dtype: dtype_name(dtype),
            seconds: taken,
            achieved: achieved.map(|it| it / scale),
            bound: bound.map(|it| it / scale),
            unit,
            share_of_bound: share,
            problem: measured.err(),
        }));
    }
}
