//! What an examination finds, told as it is found: one that never ends has told all that it came to.

use std::sync::mpsc::Sender;
use std::thread;

use super::report::{Ceiling, Check, Driver, Features, Figure, Hardware};
use crate::engine::DeviceError;
use crate::engine::backend::overheard;
use crate::measure::Watch;
use crate::measure::figure::Reference;

/// One thing that is told.
pub(super) enum Finding {
    /// What begins now.
    Step(String),
    /// What the device is used through.
    Driver(Driver),
    /// The backend's name of itself.
    Backend(String),
    /// What the runtime says of the device.
    Hardware(Hardware),
    /// What the device can do.
    Features(Features),
    /// A result.
    Check(Check),
    /// A rate.
    Ceiling(Ceiling),
    /// A time.
    Figure(Figure),
    /// The end: the device cannot be used.
    Absent(DeviceError),
    /// The end: something that nobody expected to fail did, and said this.
    Failed(String),
    /// The end: all was done.
    Done,
}

/// Where they go.
pub(super) struct Findings(pub Sender<Finding>);

impl Findings {
    /// Tells what begins now.
    pub fn step(&self, what: impl Into<String>) {
        // What was heard of a runtime before has had its effect, or none.
        let _ = overheard();
        self.tell(Finding::Step(what.into()));
    }

    /// Tells what was found.
    pub fn tell(&self, finding: Finding) {
        if self.0.send(finding).is_err() {
            // The examination was given up, and its device came back after all. What is examined now is not to share the
            // machine with it.
            loop {
                thread::park();
            }
        }
    }
}

impl Watch for Findings {
    fn step(&self, what: String, _: usize, _: usize) {
        Self::step(self, what);
    }

    fn ceiling(&self, ceiling: Ceiling) {
        self.tell(Finding::Ceiling(ceiling));
    }

    fn figure(&self, figure: Figure, _: Option<Reference>) {
        self.tell(Finding::Figure(figure));
    }
}
