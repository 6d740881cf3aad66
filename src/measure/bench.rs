//! Times of operations beside what the device does at best: the rates at which it reads and copies memory, and that at which it
//! multiplies matrices.

use std::cell::Cell;

use burn::tensor::{DType, Tensor};

use super::figure::{Ceiling, Figure, Reference};
use super::floats::dtype_name;
use super::kernel::Kernel;
use super::shapes::Shapes;
use super::timer::{Timer, Times};
use crate::engine::Device;
use crate::engine::backend::caught;
use crate::kernels::{KernelBackend, ceiling};

/// What is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The device's name.
    pub device: Device,
    /// Kernels, in this order.
    pub kernels: Vec<Kernel>,
    /// On which shapes.
    pub shapes: Shapes,
    /// Types of the inputs.
    pub dtypes: Vec<DType>,
    /// How often.
    pub timer: Timer,
    /// Bytes that a plain reference may materialise; `None` times no reference.
    pub reference_bytes: Option<u64>,
}

/// Who is told.
pub trait Watch {
    /// `what` begins; of `all` groups of figures `done` are there.
    fn step(&self, what: String, done: usize, all: usize);
    /// A ceiling was measured.
    fn ceiling(&self, ceiling: Ceiling);
    /// An operation was timed, and the same in plain tensor operations where that was wanted.
    fn figure(&self, figure: Figure, reference: Option<Reference>);
    /// Whether what has not begun is to be left out.
    fn stopped(&self) -> bool {
        false
    }
}

/// What an operation has to do at least.
#[derive(Clone, Copy)]
pub(super) struct Work {
    /// Floating-point operations, a multiply-add two; 0 where memory alone counts.
    pub flops: f64,
    /// Bytes read and written.
    pub bytes: f64,
    /// Those of them that are written.
    pub written: f64,
}

/// Shares of a bound above this are no inaccuracy of the measurement.
const BEYOND: f64 = 1.05;

/// Bytes a second.
#[derive(Clone, Copy)]
struct Memory {
    /// Of a read; `None` where it is not measured apart from a copy.
    read: Option<f64>,
    /// Of a copy, those read and those written.
    copy: Option<f64>,
}

impl Memory {
    /// The rate at which an operation's bytes cross memory at best: what is written with as much that is read at the rate of a copy,
    /// the rest at that of a read. `None` where neither was measured.
    fn rate(self, Work { bytes, written, .. }: Work) -> Option<f64> {
        let (copy, read) = (self.copy.or(self.read)?, self.read.or(self.copy)?);
        let paired = (2.0 * written).min(bytes);
        let seconds = paired / copy + (bytes - paired) / read.max(copy);
        (seconds > 0.0).then(|| bytes / seconds)
    }
}

/// An operation on inputs of one shape and type.
pub(super) struct Case {
    /// The operation.
    pub op: &'static str,
    /// The shape, in words.
    pub case: String,
    /// The type.
    pub dtype: DType,
    /// What it has to do.
    pub work: Work,
}

/// Figures of one device.
pub(super) struct Bench<'a, B: KernelBackend> {
    pub device: &'a B::Device,
    pub plan: &'a Plan,
    watch: &'a dyn Watch,
    memory: Memory,
    /// Operations a second of products in each type.
    rates: Vec<(DType, f64)>,
    /// Groups that are done, of how many.
    done: Cell<usize>,
    all: usize,
}

/// Measures what `plan` says on `device`.
pub fn measure<B: KernelBackend>(plan: &Plan, device: &B::Device, watch: &dyn Watch) {
    let (memory, rates, done) = (Memory { read: None, copy: None }, Vec::new(), Cell::new(0));
    let mut bench = Bench::<B> { device, plan, watch, memory, rates, done, all: plan.groups() };
    bench.ceilings();
    for &kernel in &plan.kernels {
        bench.kernel(kernel);
    }
}

impl Plan {
    /// The types that a kernel is measured in.
    pub(super) fn dtypes_of(&self, kernel: Kernel) -> &[DType] {
        if kernel.is_f32_only() { &[DType::F32] } else { &self.dtypes }
    }

    /// Groups of figures: one for each kernel, shape and type.
    fn groups(&self) -> usize {
        let shapes = |kernel| match kernel {
            Kernel::Linear => self.shapes.linear.len(),
            Kernel::Quantised => self.shapes.quantised.len(),
            Kernel::Attention => self.shapes.attention.len(),
            Kernel::Cached => self.shapes.cached.len(),
            Kernel::Norm | Kernel::Swiglu => self.shapes.rows.len(),
            Kernel::Rotary => self.shapes.rotary.len(),
            Kernel::Head => self.shapes.head.len(),
            Kernel::Products => self.shapes.products.len(),
            Kernel::LogProbs => self.shapes.logits.len(),
            Kernel::Sampling => self.shapes.draws.len(),
            Kernel::AdamW => self.shapes.weights.len(),
        };
        self.kernels.iter().map(|&kernel| shapes(kernel) * self.dtypes_of(kernel).len()).sum()
    }
}

impl<B: KernelBackend> Bench<'_, B> {
    /// Does `work` for each of `shapes` in each type. What stops one before anything is timed, as memory that its inputs do not get,
    /// is a figure of its own.
    pub fn each<S: Copy>(&self, kernel: Kernel, shapes: &[S], work: fn(&Self, S, DType)) {
        for &dtype in self.plan.dtypes_of(kernel) {
            for &shape in shapes {
                if self.watch.stopped() {
                    return;
                }
                if let Err(problem) = caught(|| work(self, shape, dtype)) {
                    let work = Work { flops: 0.0, bytes: 0.0, written: 0.0 };
                    let case = Case { op: kernel.name(), case: "inputs".into(), dtype, work };
                    self.watch.figure(self.figure(case, Err(problem)), None);
                }
                self.done.set(self.done.get() + 1);
            }
        }
    }

    /// Measures the rates that operations are held against.
    fn ceilings(&mut self) {
        if self.plan.device == Device::Cpu {
            self.memory.read = self.ceiling("memory read", |_| Ok(ceiling::read_bandwidth()), 1e9, "GB/s");
            self.memory.copy = self.ceiling("memory copy", |_| Ok(ceiling::copy_bandwidth()), 1e9, "GB/s");
            self.arithmetic("f32 multiply-adds", DType::F32, |_| Ok(ceiling::arithmetic_rate()));
            return;
        }
        self.memory.copy = self.ceiling("copy", Self::copy_bandwidth, 1e9, "GB/s");
        for &dtype in &self.plan.dtypes {
            // No vendor's library is asked, so the card may do more.
            let name = match dtype {
                DType::F16 => "f16 products (osler's own)",
                DType::BF16 => "bf16 products (osler's own)",
                _ => "f32 products (osler's own)",
            };
            self.arithmetic(name, dtype, |it| it.product_rate(dtype));
        }
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
        if self.watch.stopped() {
            return None;
        }
        self.step(format!("measuring {name}"));
        let measured = measure(self);
        let rate = measured.as_ref().ok().copied();
        let problem = measured.err();
        self.watch.ceiling(Ceiling { name, rate: rate.map(|it| it / scale), unit, problem });
        rate
    }

    fn step(&self, what: String) {
        self.watch.step(what, self.done.get(), self.all);
    }

    /// Bytes a second of a copy within the device, those read and those written.
    fn copy_bandwidth(&self) -> Result<f64, String> {
        let n = self.plan.shapes.copy / size_of::<f32>();
        let x = caught(|| Tensor::<B, 1>::ones([n], self.device))?;
        // burn has no copy: adding 0 reads all and writes all, and is not done in place while `x` is held.
        let times = self.plan.timer.times::<B, _, _>(self.device, || x.clone(), |x| x.add_scalar(0.0))?;
        Ok(2.0 * self.plan.shapes.copy as f64 / times.median)
    }

    /// Operations a second of the backend's matrix product.
    fn product_rate(&self, dtype: DType) -> Result<f64, String> {
        let n = self.plan.shapes.product;
        let x = caught(|| self.noise([n, n], dtype))?;
        let product = |x: Tensor<B, 2>| B::product(x.clone(), x);
        let times = self.plan.timer.times::<B, _, _>(self.device, || x.clone(), product)?;
        Ok(2.0 * (n as f64).powi(3) / times.median)
    }

    /// Values of no pattern, small enough that nothing overflows.
    pub fn noise<const D: usize>(&self, dims: [usize; D], dtype: DType) -> Tensor<B, D> {
        let uniform = burn::tensor::Distribution::Uniform(-0.5, 0.5);
        Tensor::<B, D>::random(dims, uniform, (self.device, DType::F32)).cast(dtype)
    }

    /// Times `run` on what `make` gives, which is not timed, and the same in plain tensor operations, which materialise so many
    /// `bytes`: 0 where they need a few times their inputs and no more.
    pub fn compare<I, O, P>(
        &self,
        case: Case,
        make: impl Fn() -> I,
        run: impl Fn(I) -> O,
        bytes: u64,
        plain: impl Fn(I) -> P,
    ) {
        let Some(figure) = self.timed(case, &make, run) else { return };
        let most = self.plan.reference_bytes.filter(|_| !self.watch.stopped());
        let reference = most.map(|most| {
            if bytes > most {
                let (needs, has) = (bytes as f64 / 1e9, most as f64 / 1e9);
                let problem = format!("left out: it takes {needs:.1} GB, {has:.1} GB may be used");
                return Reference { seconds: None, ratio: None, problem: Some(problem) };
            }
            self.step(format!("timing {}, {}, {}, plain", figure.op, figure.case, figure.dtype));
            let measured = self.plan.timer.times::<B, _, _>(self.device, make, plain);
            let seconds = measured.as_ref().ok().map(|times| times.median);
            let ratio = seconds.zip(figure.seconds).map(|(plain, own)| plain / own);
            Reference { seconds, ratio, problem: measured.err() }
        });
        self.watch.figure(figure, reference);
    }

    /// Times `run` where no plain version is another one.
    pub fn alone<I, O>(&self, case: Case, make: impl Fn() -> I, run: impl Fn(I) -> O) {
        if let Some(figure) = self.timed(case, make, run) {
            self.watch.figure(figure, None);
        }
    }

    fn timed<I, O>(&self, case: Case, make: impl Fn() -> I, run: impl Fn(I) -> O) -> Option<Figure> {
        if self.watch.stopped() {
            return None;
        }
        self.step(format!("timing {}, {}, {}", case.op, case.case, dtype_name(case.dtype)));
        let measured = self.plan.timer.times::<B, _, _>(self.device, make, run);
        Some(self.figure(case, measured))
    }

    /// A time beside the ceiling that holds it up longest.
    fn figure(&self, case: Case, measured: Result<Times, String>) -> Figure {
        let Case { op, case, dtype, work } = case;
        // The CPU computes in f32 whatever it is given.
        let computed = if self.plan.device == Device::Cpu { DType::F32 } else { dtype };
        let rate = self.rates.iter().find(|(it, _)| *it == computed).map(|(_, rate)| *rate);
        let bandwidth = self.memory.rate(work);
        let taken = measured.as_ref().ok().copied();
        let least = |amount: f64, rate: Option<f64>| rate.map(|rate| amount / rate).unwrap_or_default();
        let (arithmetic, memory) = (least(work.flops, rate), least(work.bytes, bandwidth));
        let (amount, bound, scale, unit) = if arithmetic > memory {
            (work.flops, rate, 1e12, "TFLOP/s")
        } else {
            (work.bytes, bandwidth, 1e9, "GB/s")
        };
        let achieved = taken.map(|times| amount / times.median);
        let share = achieved.zip(bound).map(|(achieved, bound)| achieved / bound);
        Figure {
            op,
            case,
            dtype: dtype_name(dtype),
            seconds: taken.map(|times| times.median),
            fastest: taken.map(|times| times.fastest),
            slowest: taken.map(|times| times.slowest),
            achieved: achieved.map(|it| it / scale),
            bound: bound.map(|it| it / scale),
            unit,
            share_of_bound: share,
            beyond_bound: share.is_some_and(|share| share > BEYOND),
            problem: measured.err(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_crosses_memory_at_the_rate_of_a_copy() {
        let memory = Memory { read: Some(30.0), copy: Some(20.0) };
        let work = |bytes, written| Work { flops: 0.0, bytes, written };
        assert_eq!(memory.rate(work(60.0, 0.0)), Some(30.0));
        assert_eq!(memory.rate(work(40.0, 20.0)), Some(20.0));
        // 40 bytes of a copy in 2 seconds and 60 of a read in 2.
        assert_eq!(memory.rate(work(100.0, 20.0)), Some(25.0));
        assert_eq!(memory.rate(work(40.0, 40.0)), Some(20.0));
        assert_eq!(memory.rate(work(0.0, 0.0)), None);
        assert_eq!(Memory { read: None, ..memory }.rate(work(100.0, 20.0)), Some(20.0));
        assert_eq!(Memory { read: None, copy: None }.rate(work(100.0, 20.0)), None);
    }
}
