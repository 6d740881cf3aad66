//! Who follows an examination while it goes on.

use std::time::Duration;

use super::report::DeviceReport;
use crate::engine::Device;

/// How often whoever follows is asked whether more is wanted, at least.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// Is told what happens, and may end it.
pub trait Follow {
    /// `what` begins on `device`.
    fn step(&mut self, device: Device, what: &str);

    /// `report` has what was found on a device so far, `step` is what it is at: after each finding, and ten times a second.
    fn found(&mut self, report: &DeviceReport, step: &str);

    /// Whether no more is wanted: what runs is then given up.
    fn stopped(&self) -> bool;
}
