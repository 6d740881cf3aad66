//! Float types of a device.

use burn::tensor::DType;
use thiserror::Error;

use crate::engine::Device;
use crate::kernels::KernelBackend;

/// Float types that a device may compute in.
const FLOATS: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// A device does not compute in a float type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("device `{device}` does not compute in {dtype}, it has {}", .there.join(", "))]
pub struct UnsupportedFloat {
    /// The device.
    pub device: Device,
    /// What was asked for.
    pub dtype: &'static str,
    /// What it has.
    pub there: Vec<&'static str>,
}

/// Float types that `device` computes in.
pub fn floats<B: KernelBackend>(device: &B::Device) -> Vec<DType> {
    // f32 is what everything else is built on: a device without it is to fail, not to be passed over.
    FLOATS.into_iter().filter(|&dtype| dtype == DType::F32 || B::supports_dtype(device, dtype)).collect()
}

/// The types of `asked` on the device that is named `name`; all must be there. If none are asked for: f32 on the CPU, which
/// computes in f32 whatever it is given; elsewhere bf16 if the device has it.
pub fn chosen<B: KernelBackend>(
    name: Device,
    device: &B::Device,
    asked: &[DType],
) -> Result<Vec<DType>, UnsupportedFloat> {
    let there = floats::<B>(device);
    if asked.is_empty() {
        let half = name != Device::Cpu && there.contains(&DType::BF16);
        return Ok(vec![if half { DType::BF16 } else { DType::F32 }]);
    }
    match asked.iter().find(|dtype| !there.contains(dtype)) {
        Some(&missing) => Err(UnsupportedFloat {
            device: name,
            dtype: dtype_name(missing),
            there: there.into_iter().map(dtype_name).collect(),
        }),
        None => Ok(asked.to_vec()),
    }
}

/// The name of a float type, as commands write it.
pub fn dtype_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F16 => "f16",
        DType::BF16 => "bf16",
        _ => "f32",
    }
}
