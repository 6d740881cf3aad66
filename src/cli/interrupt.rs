//! Ctrl-C (and a polite request to end, SIGTERM) as a flag: the first press asks the running step to be the last, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::chat::{Listener, Part};

/// Signals within this time are one press: `timeout` sends its signal to a program and then to the program's group.
const ONE_PRESS: Duration = Duration::from_millis(200);

/// Set by Ctrl-C.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches for Ctrl-C from now on.
    pub fn watch() -> Result<Self, ctrlc::Error> {
        let interrupt = Self::default();
        let flag = Arc::clone(&interrupt.0);
        let mut last: Option<Instant> = None;
        ctrlc::set_handler(move || {
            let now = Instant::now();
            let twin = last.replace(now).is_some_and(|last| now.duration_since(last) < ONE_PRESS);
            if flag.swap(true, Ordering::SeqCst) && !twin {
                // 128 + SIGINT, as shells report it.
                std::process::exit(130);
            }
        })?;
        Ok(interrupt)
    }

    /// Whether it was pressed. It is not forgotten, so that the next press ends the process.
    pub fn is_pressed(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether it was pressed since last asked; forgets it.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

/// Waits for a model's reply, which Ctrl-C stops.
pub struct Waiting<'a>(pub &'a Interrupt);

impl Listener for Waiting<'_> {
    fn hear(&mut self, _: Part<'_>) {}

    fn stopped(&mut self) -> bool {
        self.0.is_pressed()
    }
}
