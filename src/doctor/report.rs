//! What an examination found.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::Device;
pub use crate::measure::figure::{Ceiling, Figure};

/// All devices.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of osler.
    pub version: &'static str,
    /// Whether every check of every device held, and every device that was asked for is there.
    pub held: bool,
    /// Whether it was ended before all was examined.
    pub interrupted: bool,
    /// Each device that was looked for; after an interruption those that it came to.
    pub devices: Vec<DeviceReport>,
}

/// One device.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceReport {
    /// Its name, as `--device` takes it.
    pub device: String,
    /// Why nothing more is known of it than what follows.
    pub problem: Option<Problem>,
    /// What it is used through, where that was found; the CPU needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<Driver>,
    /// The backend's name of itself.
    pub backend: Option<String>,
    /// What it can do.
    pub features: Option<Features>,
    /// What its runtime says of it; the CPU has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Hardware>,
    /// Results beside what they should be.
    pub checks: Vec<Check>,
    /// Times, where they were asked for.
    pub speed: Option<Speed>,
}

/// Why an examination did not come to its end.
#[derive(Debug, Clone, PartialEq, Error, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    /// The device cannot be used.
    #[error("{message}")]
    Absent {
        /// Why.
        message: String,
    },
    /// Its driver is there, and yet it cannot be used.
    #[error("{message}, though its driver is there: {driver}")]
    Broken {
        /// The driver, in words.
        driver: String,
        /// Why.
        message: String,
    },
    /// A step did not end, and was not waited for any longer.
    #[error("step `{step}` did not finish in {seconds} s{}", said(.runtime))]
    Unfinished {
        /// Which.
        step: String,
        /// How long it was waited for.
        seconds: f64,
        /// What a thread of the device's runtime panicked with in that step.
        runtime: Option<String>,
    },
    /// Whoever asked for it wanted no more.
    #[error("interrupted in step `{step}`: the rest was not examined")]
    Interrupted {
        /// During which step.
        step: String,
    },
    /// Something failed that is no check and no measurement.
    #[error("step `{step}` failed: {message}")]
    Failed {
        /// During which step.
        step: String,
        /// What it said.
        message: String,
    },
}

fn said(runtime: &Option<String>) -> String {
    runtime.as_ref().map(|it| format!("; a thread of its runtime panicked: {it}")).unwrap_or_default()
}

/// What a device is used through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// The driver's name.
    pub name: String,
    /// Its version, as it writes it.
    pub version: String,
    /// What it calls the device, where it was asked.
    pub adapter: Option<String>,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)?;
        self.adapter.as_ref().map_or(Ok(()), |adapter| write!(f, " of {adapter}"))
    }
}

/// What a device can do.
#[derive(Debug, Clone, Serialize)]
pub struct Features {
    /// Float types that it computes in.
    pub dtypes: Vec<&'static str>,
    /// Whether its matrix products round f32 to the 11 bits of tf32: seen in a result, not read from a list.
    pub products_in_tf32: bool,
}

/// What a runtime says of its device.
#[derive(Debug, Clone, Serialize)]
pub struct Hardware {
    /// Units of a plane (warp, subgroup): the fewest and the most.
    pub plane_units: [u32; 2],
    /// Whether the runtime reports operations across a plane. CubeCL never does of software adapters.
    pub plane_operations: bool,
    /// Bytes of shared memory that a cube (block, workgroup) may have.
    pub shared_memory_bytes: usize,
    /// Cubes of a launch at most, by axis.
    pub max_cube_count: [u32; 3],
    /// Multiprocessors, where the runtime knows.
    pub multiprocessors: Option<u32>,
    /// Products of tensor cores whose operands the compiler lays out.
    pub cmma: Vec<MatrixShape>,
    /// Those whose operands a kernel lays out itself.
    pub mma: Vec<MatrixShape>,
    /// What attention is computed with there.
    pub attention: Vec<AttentionPath>,
}

/// Which kernel attention over packed sequences is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttentionPath {
    /// The type of its inputs.
    pub dtype: &'static str,
    /// Elements a head.
    pub head_dim: usize,
    /// What the device's kernel works with, and what else it could run, in this order; empty where it can run none.
    pub kernels: Vec<&'static str>,
}

/// One product of tensor cores: `c[m, n] += a[m, k] b[k, n]`.
#[derive(Debug, Clone, Serialize)]
pub struct MatrixShape {
    /// Rows of `a`.
    pub m: u32,
    /// Columns of `b`.
    pub n: u32,
    /// What is summed over.
    pub k: u32,
    /// Type of `a`.
    pub a: String,
    /// Type of `b`.
    pub b: String,
    /// Type of the sum.
    pub c: String,
}

/// One result beside what it should be.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// The operation.
    pub op: &'static str,
    /// What of its results.
    pub output: &'static str,
    /// On what.
    pub case: String,
    /// The type of its inputs.
    pub dtype: &'static str,
    /// The relative error; `None` (`null`) where it is no number.
    pub error: Option<f64>,
    /// The most that it may be.
    pub bound: f64,
    /// Whether it is.
    pub held: bool,
    /// Why there is no result.
    pub problem: Option<String>,
}

/// How fast a device is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Speed {
    /// What it does at best, as measured.
    pub ceilings: Vec<Ceiling>,
    /// Operations.
    pub figures: Vec<Figure>,
}

impl DeviceReport {
    /// A device of which nothing is known yet.
    pub(super) fn new(device: Device) -> Self {
        Self {
            device: device.to_string(),
            problem: None,
            driver: None,
            backend: None,
            features: None,
            hardware: None,
            checks: Vec::new(),
            speed: None,
        }
    }

    /// Whether all that was done on it worked and came to its end, and every check held. So it is of a device that cannot be
    /// used, on which nothing was done.
    pub fn held(&self) -> bool {
        if !matches!(self.problem, None | Some(Problem::Absent { .. })) {
            return false;
        }
        let speed = self.speed.iter();
        let measured = speed.flat_map(|it| {
            let ceilings = it.ceilings.iter().map(|ceiling| &ceiling.problem);
            ceilings.chain(it.figures.iter().map(|figure| &figure.problem))
        });
        self.checks.iter().all(|check| check.held) && measured.into_iter().all(Option::is_none)
    }
}
