//! What an examination found.

use serde::Serialize;

use super::{Device, DeviceError};

/// All devices.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of osler.
    pub version: &'static str,
    /// Whether every check of every device held, and every device that was asked for is there.
    pub held: bool,
    /// Each device that was looked for.
    pub devices: Vec<DeviceReport>,
}

/// One device.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceReport {
    /// Its name, as `--device` takes it.
    pub device: String,
    /// Why it cannot be used; nothing else is known of it then.
    pub problem: Option<String>,
    /// The backend's name of itself.
    pub backend: Option<String>,
    /// What it can do.
    pub features: Option<Features>,
    /// Results beside what they should be.
    pub checks: Vec<Check>,
    /// Times, where they were asked for.
    pub speed: Option<Speed>,
}

/// What a device can do.
#[derive(Debug, Clone, Serialize)]
pub struct Features {
    /// Float types that it computes in.
    pub dtypes: Vec<&'static str>,
    /// Whether its matrix products round f32 to the 11 bits of tf32: seen in a result, not read from a list.
    pub products_in_tf32: bool,
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
#[derive(Debug, Clone, Serialize)]
pub struct Speed {
    /// What it does at best, as measured.
    pub ceilings: Vec<Ceiling>,
    /// Operations.
    pub figures: Vec<Figure>,
}

/// A rate that operations are measured against.
#[derive(Debug, Clone, Serialize)]
pub struct Ceiling {
    /// What was measured.
    pub name: &'static str,
    /// The rate; `None` where it could not be measured.
    pub rate: Option<f64>,
    /// `GB/s` or `TFLOP/s`.
    pub unit: &'static str,
    /// Why there is no rate.
    pub problem: Option<String>,
}

/// The time of one operation.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The operation.
    pub op: &'static str,
    /// On what.
    pub case: String,
    /// The type of its inputs.
    pub dtype: &'static str,
    /// The median time.
    pub seconds: Option<f64>,
    /// What that comes to.
    pub achieved: Option<f64>,
    /// The ceiling in the same unit.
    pub bound: Option<f64>,
    /// `GB/s` or `TFLOP/s`, whichever takes longer at the ceilings.
    pub unit: &'static str,
    /// The time at the ceilings over the time taken.
    pub share_of_bound: Option<f64>,
    /// Why there is no time.
    pub problem: Option<String>,
}

impl DeviceReport {
    /// A device that cannot be used.
    pub(super) fn absent(device: Device, error: &DeviceError) -> Self {
        let (device, problem) = (device.to_string(), Some(error.to_string()));
        Self { device, problem, backend: None, features: None, checks: Vec::new(), speed: None }
    }

    /// A device that was examined.
    pub(super) fn present(
        device: Device,
        backend: String,
        features: Features,
        checks: Vec<Check>,
        speed: Option<Speed>,
    ) -> Self {
        let (backend, features) = (Some(backend), Some(features));
        Self { device: device.to_string(), problem: None, backend, features, checks, speed }
    }

    /// Whether all that was done on it worked, and every check held. So it is of a device on which nothing was done.
    pub fn held(&self) -> bool {
        let speed = self.speed.iter();
        let measured = speed.flat_map(|it| {
            let ceilings = it.ceilings.iter().map(|ceiling| &ceiling.problem);
            ceilings.chain(it.figures.iter().map(|figure| &figure.problem))
        });
        self.checks.iter().all(|check| check.held) && measured.into_iter().all(Option::is_none)
    }
}
