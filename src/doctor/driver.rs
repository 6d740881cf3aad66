//! The driver of a device, as far as it can be found without the device.

use super::report::Driver;
use crate::engine::Device;

/// The driver that `device` is used through, where one is there. This comes before anything that is done on the device.
pub(super) fn driver(device: Device) -> Option<Driver> {
    match device {
        #[cfg(feature = "wgpu")]
        Device::Wgpu => adapter(),
        #[cfg(feature = "cuda")]
        Device::Cuda(_) => nvidia(),
        _ => None,
    }
}

/// Of the default adapter. CubeCL tells it only to who sets the adapter up, in the same way as it would itself.
#[cfg(feature = "wgpu")]
fn adapter() -> Option<Driver> {
    use burn_wgpu::{RuntimeOptions, WgpuDevice, graphics::AutoGraphicsApi, init_setup};

    use crate::engine::backend::caught;

    // It panics where there is none, and where something was done on it already.
    let set_up = || init_setup::<AutoGraphicsApi>(&WgpuDevice::default(), RuntimeOptions::default());
    let info = caught(|| set_up().adapter.get_info()).ok()?;
    Some(Driver { name: info.driver, version: info.driver_info, adapter: Some(info.name) })
}

/// NVIDIA's, as its kernel module says on Linux. A container that was given no GPU sees the module, but not the device that it is
/// spoken to by.
#[cfg(feature = "cuda")]
fn nvidia() -> Option<Driver> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    std::path::Path::new("/dev/nvidiactl").exists().then(|| Driver {
        name: "NVIDIA".into(),
        version: nvidia_version(&text).unwrap_or("not known").to_owned(),
        adapter: None,
    })
}

/// The version in the text of `/proc/driver/nvidia/version`: of its first line, the first word that is numbers with dots between.
#[cfg(any(feature = "cuda", test))]
fn nvidia_version(text: &str) -> Option<&str> {
    let is_version = |word: &&str| {
        let numbers = || word.split('.');
        numbers().count() > 1 && numbers().all(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()))
    };
    text.lines().next()?.split_whitespace().find(is_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_nvidias_driver_is_read_from_its_modules_text() {
        for (text, version) in [
            (
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version:  gcc version 12.2.0\n",
                Some("535.104.05"),
            ),
            (
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build  (dvs-builder)\n",
                Some("560.35.03"),
            ),
            ("GCC version: none\n12.2\n", None),
            ("", None),
        ] {
            assert_eq!(nvidia_version(text), version, "{text}");
        }
    }

    #[test]
    fn the_processor_has_none() {
        assert_eq!(driver(Device::Cpu), None);
    }
}
