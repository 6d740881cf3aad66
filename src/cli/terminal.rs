//! What goes to stderr: errors, notes, progress.

use std::error::Error;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use super::output;

/// Prints a line. A terminal that was closed, or a log on a full disk, is no reason to lose what is being done, so a line that
/// cannot be written is lost.
pub fn line(text: &str) {
    self::text(&format!("{text}\n"));
}

/// Prints text, as [`line()`] does.
pub fn text(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Prints an error and its causes.
pub fn report(error: &(dyn Error + 'static)) {
    let mut message = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many messages already quote their cause.
        if !message.contains(&cause_text) {
            message.push_str(&format!("\n  because: {cause_text}"));
        }
        source = cause.source();
    }
    line(&output::shown(&message));
}

/// A progress bar on stderr; nothing where stderr is not a terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that counts bytes.
    pub fn bytes(what: &'static str) -> Self {
        let bar = ProgressBar::new(0).with_message(what);
        // The template is a constant; a typo in it would show as the plain style.
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {bar:30} {binary_bytes}/{binary_total_bytes} {eta}")
        {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// A bar that counts tokens, with their rate.
    pub fn tokens(budget: usize) -> Self {
        let bar = ProgressBar::new(budget as u64).with_message("generating");
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} tokens, {per_sec}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// A bar that counts judged criteria, with the rest of the time.
    pub fn criteria(all: usize) -> Self {
        let bar = ProgressBar::new(all as u64).with_message("judging");
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} criteria, {eta}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// A bar that counts measurements, with a changing message.
    pub fn measurements(all: usize) -> Self {
        let bar = ProgressBar::new(all as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// A spinner with a changing message.
    pub fn spinner() -> Self {
        Self(ProgressBar::new_spinner())
    }

    /// Sets how much of how much is done.
    pub fn set(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }

    /// Sets the message.
    pub fn say(&self, message: &str) {
        self.0.set_message(message.to_owned());
        self.0.tick();
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// Steps as they begin: a spinner's message on a terminal, a line each elsewhere, so that what is killed leaves how far it came.
pub struct Steps(Option<Progress>);

impl Steps {
    /// Nothing has begun yet.
    pub fn new() -> Self {
        Self(io::stderr().is_terminal().then(Progress::spinner))
    }

    /// Shows what begins.
    pub fn say(&self, step: &str) {
        match &self.0 {
            Some(spinner) => spinner.say(step),
            None => line(step),
        }
    }

    /// Takes the spinner away.
    pub fn finish(&self) {
        if let Some(spinner) = &self.0 {
            spinner.finish();
        }
    }
}
