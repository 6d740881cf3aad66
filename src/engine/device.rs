//! Where a model runs: the devices this build knows, by name.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A compute device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor, with the kernels of this crate.
    #[default]
    Cpu,
    /// The system's default GPU through WebGPU (Vulkan, Metal, DirectX).
    Wgpu,
    /// An NVIDIA GPU by index.
    Cuda(usize),
}

/// Why a device cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DeviceError {
    /// Not a device's name.
    #[error("unknown device `{0}`, legal are: cpu, wgpu, cuda, cuda:N")]
    Unknown(String),
    /// Known, but this binary was built without it.
    #[error(
        "device `{device}` is not in this build: rebuild with `cargo build --release --features {feature}`"
    )]
    NotBuilt {
        /// The device asked for.
        device: Device,
        /// The Cargo feature that has it.
        feature: &'static str,
    },
    /// Built in, but the machine has none or its driver fails.
    #[error("device `{device}` cannot be used here: {message}")]
    Unavailable {
        /// The device asked for.
        device: Device,
        /// What the driver said.
        message: String,
    },
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "wgpu" => Ok(Self::Wgpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => name
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError::Unknown(name.into())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Wgpu => f.write_str("wgpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for name in ["cpu", "wgpu", "cuda:0", "cuda:7"] {
            assert_eq!(name.parse::<Device>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for name in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            assert!(name.parse::<Device>().is_err(), "{name}");
        }
    }
}
