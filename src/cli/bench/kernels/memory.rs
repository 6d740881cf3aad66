//! `osler bench kernels --memory`

use std::process::{Command, Stdio};

use serde::Serialize;

use crate::cli::interrupt::Interrupt;
use crate::cli::options::{Runtime, available_memory};
use crate::cli::terminal::Progress;
use crate::cli::{CommandResult, output};
use crate::engine::Device;
use crate::measure::memory::{Bound, HEADS, MemoryFigure, Subject, Taken, bounds, check, measure};

#[derive(Serialize)]
struct Report {
    device: String,
    threads: usize,
    interrupted: bool,
    figures: Vec<MemoryFigure>,
    bounds: Vec<Bound>,
}

/// Measures one subject in this process and prints what it took as JSON.
pub fn measure_one(subject: Subject, device: Device) -> CommandResult {
    // A measurement that nobody waits for any more would hold its memory to its end.
    // SAFETY: the call sets a flag of this process.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    Ok(output::json(&measure(subject, device)?)?)
}

/// Measures every subject that memory is there for, each in a process of its own.
pub fn run(runtime: &Runtime) -> CommandResult {
    check(runtime.device)?;
    let interrupt = Interrupt::watch()?;
    let subjects = match runtime.device {
        Device::Cpu => Subject::all(available_memory(Device::Cpu).unwrap_or(0)).to_vec(),
        device => Subject::of_gpu(device),
    };
    let progress = Progress::measurements(subjects.len());
    let threads = rayon::current_num_threads();
    let (mut figures, mut measured) = (Vec::new(), Vec::new());
    for (&subject, done) in subjects.iter().zip(0..) {
        progress.set(done, subjects.len() as u64);
        progress.say(&subject.describe());
        let taken = in_a_child(subject, threads, runtime);
        // Ctrl-C ends the child as well: what it did not say is no failure.
        if interrupt.is_pressed() {
            break;
        }
        measured.extend(taken.as_ref().ok().map(|&taken| (subject, taken)));
        figures.push(MemoryFigure {
            subject: subject.to_string(),
            case: subject.describe(),
            taken: taken.as_ref().ok().copied(),
            problem: taken.err(),
        });
    }
    progress.finish();
    let interrupted = interrupt.is_pressed();
    let device = runtime.device.to_string();
    let report = Report { device, threads, interrupted, figures, bounds: bounds(&measured) };
    if runtime.json {
        output::json(&report)?;
    } else {
        output::text(&output::shown(&describe(&report)))?;
    }
    match report.bounds.iter().find(|bound| bound.held == Some(false)) {
        Some(bound) => Err(format!("`{}` takes more memory than its bound", bound.name).into()),
        None if interrupted => Err("interrupted: not everything was measured".into()),
        None if report.bounds.is_empty() => Err("no bound could be measured".into()),
        None => Ok(()),
    }
}

/// What `subject` takes in a process that does nothing else; or why that is not known.
fn in_a_child(subject: Subject, threads: usize, runtime: &Runtime) -> Result<Taken, String> {
    // A GPU's free memory is not known: what does not fit there fails by itself.
    let cpu = runtime.device == Device::Cpu;
    let (needs, has) = (subject.needs(), available_memory(runtime.device).unwrap_or(0));
    if cpu && needs > has {
        return Err(format!(
            "not measured: it needs about {}, {} are free",
            output::bytes(needs),
            output::bytes(has)
        ));
    }
    let (subject, threads, device) = (subject.to_string(), threads.to_string(), runtime.device.to_string());
    let program = std::env::current_exe().map_err(|error| format!("this program's file: {error}"))?;
    let child = Command::new(program)
        .args(["bench", "kernels", "--memory-of", &subject, "--threads", &threads, "--device", &device])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("a process of its own: {error}"))?;
    if !child.status.success() {
        return Err(format!("{}: {}", child.status, String::from_utf8_lossy(&child.stderr).trim()));
    }
    serde_json::from_slice(&child.stdout).map_err(|error| format!("what its process said: {error}"))
}

fn describe(report: &Report) -> String {
    let mut text =
        format!("peak above inputs and gradients, {}, {} threads\n\n", report.device, report.threads);
    for MemoryFigure { case, taken, problem, .. } in &report.figures {
        let said = taken.map(|taken| {
            let [inputs, gradients] = [taken.inputs_bytes, taken.gradients_bytes].map(output::bytes);
            let above = output::bytes(taken.above_bytes);
            let reserved = taken.reserved_above_bytes.map(output::bytes);
            let reserved = reserved.map(|it| format!("; reserved {it}")).unwrap_or_default();
            format!("{above:>12} (inputs {inputs}, gradients {gradients}{reserved})")
        });
        let said = said.or_else(|| problem.clone()).unwrap_or_default();
        text.push_str(&format!("{case:<95} {said}\n"));
    }
    text.push('\n');
    for bound in &report.bounds {
        let verdict = match bound.held {
            Some(true) => "ok",
            Some(false) => "FAIL",
            None => "?",
        };
        let (bytes, most) = (bound.bytes as f64 / 1e6, bound.at_most / 1e6);
        text.push_str(&format!("{verdict:<4} {}: {bytes:.1} MB of at most {most:.1} MB", bound.name));
        if let Some((materialised, heads)) = bound.materialised_bytes.zip(bound.materialised_heads) {
            let materialised = materialised as f64;
            let (share, size) = (100.0 * bound.bytes as f64 / materialised, materialised / 1e9);
            text.push_str(&match heads {
                HEADS => format!("; {share:.2}% of {size:.2} GB materialised"),
                _ => format!(
                    "; at most {share:.2}%: {size:.2} GB materialised by {heads} of {HEADS} heads, all of which do not fit"
                ),
            });
        }
        text.push('\n');
    }
    if report.interrupted {
        text.push_str("interrupted: the rest was not measured\n");
    }
    text
}
