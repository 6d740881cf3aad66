//! `osler doctor`

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::terminal::Steps;
use crate::cli::{CommandResult, figures, output};
use crate::doctor::report::{Check, DeviceReport, Hardware, MatrixShape, Problem, Report};
use crate::doctor::{devices, examine};
use crate::engine::Device;

/// Check that devices compute what they should, and how fast
///
/// Every operation is run on every device that is in this build and on this machine, and compared with the same in f64 on the
/// host; then each is timed against what the device does at best, as measured: the rate of copying and that of
/// multiplying matrices. The exit status is 0 if every check held, 1 if one did not, if a device that was asked for cannot be used,
/// or if one takes too long for a step: a kernel that does not compile can keep a GPU's runtime waiting for ever. What was found
/// is printed in any case.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler doctor
  osler doctor --device cuda --out doctor.json
  osler doctor --device cpu --no-bench --json

JSON: {\"version\", \"held\", \"devices\": [{\"device\", \"problem\": {\"kind\", ..}, \"backend\",
       \"features\": {\"dtypes\", \"products_in_tf32\"},
       \"hardware\": {\"plane_units\", \"shared_memory_bytes\", \"max_cube_count\", \"multiprocessors\", \"cmma\", \"mma\"},
       \"checks\": [{\"op\", \"output\", \"case\", \"dtype\", \"error\", \"bound\", \"held\", \"problem\"}, ..],
       \"speed\": {\"ceilings\": [{\"name\", \"rate\", \"unit\", \"problem\"}, ..],
                 \"figures\": [{\"op\", \"case\", \"dtype\", \"seconds\", \"fastest\", \"slowest\", \"achieved\", \"bound\", \"unit\",
                              \"share_of_bound\", \"problem\"}, ..]}}, ..]}")]
pub struct Arguments {
    /// Only this device: cpu, wgpu, cuda or cuda:N [default: all that are there]
    #[arg(long, value_name = "DEVICE")]
    device: Option<Device>,

    /// Time nothing
    #[arg(long)]
    no_bench: bool,

    /// Give a device up that takes longer than this for one step
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    step_timeout: u64,

    /// Write the JSON to this file as well
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// CPU threads, at most 1024; 0 takes all
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024), value_name = "N")]
    #[arg(help_heading = "Runtime")]
    threads: u16,

    /// Print one JSON object on stdout (logs stay on stderr)
    #[arg(long, help_heading = "Runtime")]
    json: bool,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let Arguments { device, no_bench, step_timeout, out, threads, json } = arguments;
    let unwritten = |path: &Path, error: std::io::Error| format!("--out {}: {error}", path.display());
    if let Some(path) = &out {
        // An examination takes minutes: too long to lose it for a folder that is not there.
        output::check_writable(path).map_err(|error| unwritten(path, error))?;
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
    let patience = Duration::from_secs(step_timeout);
    let steps = Steps::new();
    let say = &mut |step: &str| steps.say(step);
    let named = match device {
        Some(device) => vec![device],
        None => {
            say("counting devices");
            devices(patience)
        }
    };
    let found: Vec<DeviceReport> =
        named.into_iter().map(|it| examine(it, !no_bench, patience, say)).collect();
    steps.finish();
    let missing = device.is_some() && found.iter().any(|it| it.problem.is_some());
    let held = !missing && found.iter().all(DeviceReport::held);
    let report = Report { version: env!("CARGO_PKG_VERSION"), held, devices: found };
    if let Some(path) = &out {
        let mut text = serde_json::to_string_pretty(&report)?;
        text.push('\n');
        output::write_atomically(path, text.as_bytes()).map_err(|error| unwritten(path, error))?;
    }
    if json {
        output::json(&report)?;
    } else {
        output::text(&output::shown(&describe(&report)))?;
    }
    if report.held {
        return Ok(());
    }
    Err(failure(&report).into())
}

/// What did not hold, in a line.
fn failure(report: &Report) -> String {
    // That one of several is not there is no failure.
    let alone = report.devices.len() == 1;
    let problem = |it: &DeviceReport| match &it.problem {
        Some(problem @ Problem::Absent { .. }) => alone.then(|| problem.to_string()),
        problem => problem.as_ref().map(|problem| format!("{}: {problem}", it.device)),
    };
    let mut failures: Vec<String> = report.devices.iter().filter_map(problem).collect();
    let checks = report.devices.iter().flat_map(|it| &it.checks);
    let failed = checks.filter(|it| !it.held).count();
    if failed > 0 {
        failures.push(format!("{failed} checks failed"));
    }
    if failures.is_empty() { "not everything could be timed".into() } else { failures.join("; ") }
}

fn describe(report: &Report) -> String {
    let mut text = format!("osler {}\n", report.version);
    for device in &report.devices {
        text.push_str(&format!("\n{}: ", device.device));
        if let Some(problem @ Problem::Absent { .. }) = &device.problem {
            text.push_str(&format!("{problem}\n"));
            continue;
        }
        describe_device(device, &mut text);
        if let Some(problem) = &device.problem {
            text.push_str(&format!("FAIL {problem}\n"));
        }
    }
    text
}

fn describe_device(device: &DeviceReport, text: &mut String) {
    text.push_str(device.backend.as_deref().unwrap_or("not known"));
    if let Some(features) = &device.features {
        let rounded = if features.products_in_tf32 { ", products of f32 in tf32" } else { "" };
        text.push_str(&format!(", {}{rounded}", features.dtypes.join(", ")));
    }
    text.push('\n');
    if let Some(hardware) = &device.hardware {
        describe_hardware(hardware, text);
    }
    for check in &device.checks {
        text.push_str(&row(check));
    }
    let failed = device.checks.iter().filter(|it| !it.held).count();
    text.push_str(&format!("{} checks, {failed} failed\n", device.checks.len()));
    let Some(speed) = &device.speed else { return };
    text.push('\n');
    for ceiling in &speed.ceilings {
        text.push_str(&figures::ceiling(ceiling));
    }
    for figure in &speed.figures {
        text.push_str(&format!("{}\n", figures::time(figure)));
    }
}

fn describe_hardware(hardware: &Hardware, text: &mut String) {
    let [fewest, most] = hardware.plane_units;
    let planes = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
    let shared = output::bytes(hardware.shared_memory_bytes as u64);
    let cubes = hardware.max_cube_count.map(|it| it.to_string()).join(" x ");
    let processors = hardware.multiprocessors.map(|it| format!("{it} multiprocessors, ")).unwrap_or_default();
    text.push_str(&format!(
        "{processors}planes of {planes}, {shared} of shared memory a cube, up to {cubes} cubes\n"
    ));
    for (name, shapes) in [("cmma", &hardware.cmma), ("mma", &hardware.mma)] {
        let shape = |it: &MatrixShape| format!("{}x{}x{} {} {} {}", it.m, it.n, it.k, it.a, it.b, it.c);
        let shapes: Vec<String> = shapes.iter().map(shape).collect();
        let shapes = if shapes.is_empty() { "none".into() } else { shapes.join(", ") };
        text.push_str(&format!("tensor cores, {name}: {shapes}\n"));
    }
}

fn row(check: &Check) -> String {
    let Check { op, output, case, dtype, bound, .. } = check;
    let error = check.error.map_or("none".into(), |error| format!("{error:.1e}"));
    let verdict = if check.held { "ok" } else { "FAIL" };
    let problem = check.problem.as_ref().map(|it| format!(" {it}")).unwrap_or_default();
    format!(
        "{verdict:<4} {:<33} {case:<46} {dtype:<4} {error:>8} of {bound:.1e}{problem}\n",
        format!("{op} {output}")
    )
}
