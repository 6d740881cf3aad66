//! `osler bench kernels`

mod memory;

use std::cell::RefCell;

use burn::tensor::DType;
use clap::ValueEnum;
use serde::Serialize;

use crate::cli::interrupt::Interrupt;
use crate::cli::options::{Runtime, Size, available_memory};
use crate::cli::terminal::Progress;
use crate::cli::{CommandResult, figures, output};
use crate::engine::Device;
use crate::engine::backend::{OnBackend, on_device};
use crate::kernels::selection::Kernels;
use crate::kernels::{KernelBackend, simd};
use crate::measure::figure::{Ceiling, Figure, Reference};
use crate::measure::floats::{UnsupportedFloat, chosen};
use crate::measure::memory::Subject;
use crate::measure::{Kernel, Plan, Shapes, Timer, Watch, measure};

/// Bytes that a reference may materialise on a CUDA device, whose free memory is not asked for.
const CUDA_REFERENCE_BYTES: u64 = 24 << 30;
/// On an adapter of WebGPU.
const WGPU_REFERENCE_BYTES: u64 = 1 << 30;

/// Measure every kernel, or the memory that training takes
///
/// The long version of the times in `osler doctor`: each operation over the shapes of real models, its share of what the device does
/// at best, as measured (the rate of reading or copying memory, the rate of multiply-adds or of matrix products), and on the same
/// machine the time of the same in burn's plain tensor operations, where that fits memory: scores and logits materialised. With
/// --memory: the peak above inputs and gradients, each subject in a process of its own: on the CPU (Linux) of the resident set, on GPUs
/// of what their runtime counts. Ctrl-C ends after the
/// measurement that runs, and prints what there is. The exit status is 1 if something could not be timed or a bound of
/// memory is not held.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler bench kernels
  osler bench kernels --only attention,head --repeats 9 --json
  osler bench kernels --device cuda --dtype bf16 --only attention
  osler bench kernels --memory

JSON: {\"device\", \"threads\", \"instruction_set\", \"interrupted\", \"ceilings\": [{\"name\", \"rate\", \"unit\", \"problem\"}, ..],
       \"kernels\": [{\"op\", \"case\", \"dtype\", \"seconds\", \"fastest\", \"slowest\", \"achieved\", \"bound\", \"unit\",
                    \"share_of_bound\", \"beyond_bound\", \"problem\", \"reference\": {\"seconds\", \"ratio\", \"problem\"}}, ..]}
      With --memory: {\"device\", \"threads\", \"interrupted\", \"figures\": [{\"subject\", \"case\", \"taken\": {\"inputs_bytes\",
       \"gradients_bytes\", \"above_bytes\", \"reserved_above_bytes\"?}, \"problem\"}, ..], \"bounds\": [{\"name\", \"bytes\", \"at_most\",
       \"materialised_bytes\", \"materialised_heads\", \"held\"}, ..]}")]
pub struct Arguments {
    /// Types of the inputs, each measured [default: f32 on the CPU, on GPUs bf16 if they have it]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TYPE,..")]
    dtype: Vec<Float>,

    /// Only these: linear, quantised, attention, cached, norm, swiglu, rotary, head, products, log-probs, sampling, adamw [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME,..")]
    only: Vec<Kernel>,

    /// Times each is measured, after at least two that are not counted; the median is reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    repeats: u16,

    /// Leave the plain references out
    #[arg(long)]
    no_reference: bool,

    /// Leave out references that materialise more [default: the memory now available; 24 GiB on CUDA, 1 GiB on wgpu]
    #[arg(long, value_name = "SIZE", conflicts_with = "no_reference")]
    reference_memory: Option<Size>,

    /// Measure memory instead of time
    #[arg(long, conflicts_with_all = ["dtype", "only", "repeats", "no_reference", "reference_memory"])]
    memory: bool,

    /// What `--memory` runs in a process of its own
    #[arg(long, hide = true, value_name = "SUBJECT", conflicts_with = "memory")]
    memory_of: Option<Subject>,

    #[command(flatten)]
    runtime: Runtime,
}

/// `--dtype`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
enum Float {
    /// 32-bit floats
    F32,
    /// 16-bit floats
    F16,
    /// bfloat16
    Bf16,
}

impl From<Float> for DType {
    fn from(float: Float) -> Self {
        match float {
            Float::F32 => Self::F32,
            Float::F16 => Self::F16,
            Float::Bf16 => Self::BF16,
        }
    }
}

#[derive(Serialize)]
struct Report {
    device: String,
    threads: usize,
    instruction_set: String,
    interrupted: bool,
    ceilings: Vec<Ceiling>,
    kernels: Vec<Timed>,
}

/// One operation.
#[derive(Serialize)]
struct Timed {
    #[serde(flatten)]
    figure: Figure,
    reference: Option<Reference>,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let Arguments { dtype, only, repeats, no_reference, reference_memory, memory, memory_of, runtime } =
        arguments;
    runtime.start()?;
    if let Some(subject) = memory_of {
        return memory::measure_one(subject, runtime.device);
    }
    if runtime.kernels == Kernels::Reference {
        return Err("--kernels reference is what every kernel is compared with here already".into());
    }
    if memory {
        return memory::run(&runtime);
    }
    let device = runtime.device;
    let most = match device {
        Device::Cpu => available_memory(device).unwrap_or(0),
        Device::Wgpu => WGPU_REFERENCE_BYTES,
        Device::Cuda(_) => CUDA_REFERENCE_BYTES,
    };
    let most = reference_memory.map_or(most, |Size(bytes)| bytes);
    let watched = Watched {
        progress: Progress::measurements(0),
        interrupt: Interrupt::watch()?,
        ceilings: RefCell::default(),
        kernels: RefCell::default(),
    };
    let everything = Everything {
        device,
        kernels: if only.is_empty() { Kernel::ALL.to_vec() } else { super::named_once(only) },
        dtypes: super::named_once(dtype.into_iter().map(DType::from)),
        timer: Timer::exactly(repeats.into()),
        reference_bytes: (!no_reference).then_some(most),
        watched: &watched,
    };
    on_device(device, everything)??;
    watched.progress.finish();
    let report = Report {
        device: device.to_string(),
        threads: rayon::current_num_threads(),
        instruction_set: simd::instruction_set(),
        interrupted: watched.interrupt.is_pressed(),
        ceilings: watched.ceilings.into_inner(),
        kernels: watched.kernels.into_inner(),
    };
    if runtime.json {
        output::json(&report)?;
    } else {
        output::text(&output::shown(&describe(&report)))?;
    }
    if report.interrupted {
        return Err("interrupted: not everything was measured".into());
    }
    let ceilings = report.ceilings.iter().filter(|it| it.problem.is_some()).count();
    match ceilings + report.kernels.iter().filter(|it| it.figure.problem.is_some()).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} measurements failed").into()),
    }
}

/// What is told, as it comes.
struct Watched {
    progress: Progress,
    interrupt: Interrupt,
    ceilings: RefCell<Vec<Ceiling>>,
    kernels: RefCell<Vec<Timed>>,
}

impl Watch for Watched {
    fn step(&self, what: String, done: usize, all: usize) {
        self.progress.set(done as u64, all as u64);
        self.progress.say(&what);
    }

    fn ceiling(&self, ceiling: Ceiling) {
        self.ceilings.borrow_mut().push(ceiling);
    }

    fn figure(&self, figure: Figure, reference: Option<Reference>) {
        self.kernels.borrow_mut().push(Timed { figure, reference });
    }

    fn stopped(&self) -> bool {
        self.interrupt.is_pressed()
    }
}

/// All that is asked for, on any backend.
struct Everything<'a> {
    device: Device,
    kernels: Vec<Kernel>,
    dtypes: Vec<DType>,
    timer: Timer,
    reference_bytes: Option<u64>,
    watched: &'a Watched,
}

impl OnBackend for Everything<'_> {
    type Output = Result<(), UnsupportedFloat>;

    fn on<B: KernelBackend>(self, device: B::Device) -> Self::Output {
        let Self { device: name, kernels, dtypes, timer, reference_bytes, watched } = self;
        let dtypes = chosen::<B>(name, &device, &dtypes)?;
        let shapes = Shapes::many(name);
        let plan = Plan { device: name, kernels, shapes, dtypes, timer, reference_bytes };
        measure::<B>(&plan, &device, watched);
        Ok(())
    }
}

fn describe(report: &Report) -> String {
    let Report { device, threads, instruction_set, interrupted, ceilings, kernels } = report;
    let mut text = format!("{device}, {threads} x {instruction_set}\n");
    for ceiling in ceilings {
        text.push_str(&figures::ceiling(ceiling));
    }
    text.push('\n');
    for Timed { figure, reference } in kernels {
        let plain = reference.as_ref().map(figures::reference).unwrap_or_default();
        text.push_str(&format!("{}{plain}\n", figures::time(figure)));
    }
    if *interrupted {
        text.push_str("interrupted: the rest was not measured\n");
    }
    text
}
