//! `osler doctor`

mod following;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::interrupt::Interrupt;
use crate::cli::terminal::Steps;
use crate::cli::{CommandResult, figures, output};
use crate::doctor::report::{AttentionPath, Check, DeviceReport, Hardware, MatrixShape, Problem, Report};
use crate::doctor::{devices, examine};
use crate::engine::Device;
use following::Following;

/// Check that devices compute what they should, and how fast
///
/// Every operation is run on every device that is in this build and on this machine, and compared with the same in f64 on the
/// host; then each is timed against what the device does at best, as measured: the rate of copying and that of
/// multiplying matrices. The exit status is 0 if every check held, 1 if one did not, if a device that was asked for cannot be used,
/// if the driver of one is there and fails, or if one takes too long for a step: a kernel that does not compile can keep a GPU's
/// runtime waiting for ever. Ctrl-C and SIGTERM end it at once, with status 1. What was found is printed in any case; the file of
/// --out has it also while the examination goes on, so that what is killed leaves it behind.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler doctor
  osler doctor --device cuda --out doctor.json
  osler doctor --device cpu --no-bench --json

JSON: {\"version\", \"held\", \"interrupted\", \"devices\": [{\"device\", \"problem\": {\"kind\", ..},
       \"driver\"?: {\"name\", \"version\", \"adapter\"}, \"backend\", \"features\": {\"dtypes\", \"products_in_tf32\"},
       \"hardware\"?: {\"plane_units\", \"plane_operations\", \"shared_memory_bytes\", \"max_cube_count\", \"multiprocessors\",
                    \"cmma\", \"mma\", \"attention\": [{\"dtype\", \"head_dim\", \"kernels\"}, ..]},
       \"checks\": [{\"op\", \"output\", \"case\", \"dtype\", \"error\", \"bound\", \"held\", \"problem\"}, ..],
       \"speed\": {\"ceilings\": [{\"name\", \"rate\", \"unit\", \"problem\"}, ..],
                 \"figures\": [{\"op\", \"case\", \"dtype\", \"seconds\", \"fastest\", \"slowest\", \"achieved\", \"bound\", \"unit\",
                              \"share_of_bound\", \"beyond_bound\", \"problem\"}, ..]}}, ..]}")]
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
    if let Some(path) = &out {
        // An examination takes minutes: too long to lose it for a folder that is not there.
        output::check_writable(path).map_err(|error| unwritten(path, &error))?;
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
    let patience = Duration::from_secs(step_timeout);
    let interrupt = Interrupt::watch()?;
    let steps = Steps::new();
    let named = match device {
        Some(device) => vec![device],
        None => {
            steps.say("counting devices");
            devices(patience, || interrupt.is_pressed())
        }
    };
    let mut following = Following::new(&steps, &interrupt, out.as_deref(), device.is_some());
    let mut left_out = false;
    for it in named {
        left_out = interrupt.is_pressed();
        if left_out {
            break;
        }
        let found = examine(it, !no_bench, patience, &mut following);
        following.done.push(found);
    }
    steps.finish();
    let report = report(following.done, device.is_some(), left_out);
    // What was found is printed before a file that cannot be written ends the command or one that nobody reads holds it up, and written
    // where nobody reads what is printed.
    let printed = match json {
        true => output::json(&report),
        false => output::text(&output::shown(&describe(&report))),
    };
    if let Some(path) = &out {
        write(path, &report).map_err(|error| unwritten(path, &error))?;
    }
    printed?;
    ending(&report)
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    format!("--out {}: {error}", path.display())
}

/// Writes the report in the place of what is in the file.
fn write(path: &Path, report: &Report) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    output::write_atomically(path, text.as_bytes())
}

/// The report of `devices`; a device that was `named` has to be there. Where others were `left_out`, or the last was interrupted, it
/// has not been shown that all holds.
fn report(devices: Vec<DeviceReport>, named: bool, left_out: bool) -> Report {
    let cut = |it: &DeviceReport| matches!(it.problem, Some(Problem::Interrupted { .. }));
    let interrupted = left_out || devices.iter().any(cut);
    let missing = named && devices.iter().any(|it| it.problem.is_some());
    let held = !missing && !interrupted && devices.iter().all(DeviceReport::held);
    Report { version: env!("CARGO_PKG_VERSION"), held, interrupted, devices }
}

/// How the command ends: an error is its exit status 1.
fn ending(report: &Report) -> CommandResult {
    if report.held { Ok(()) } else { Err(failure(report).into()) }
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
    if failures.is_empty() && report.interrupted {
        // Between two devices.
        return "interrupted: not every device was examined".into();
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
        match &device.problem {
            Some(problem @ Problem::Interrupted { .. }) => text.push_str(&format!("{problem}\n")),
            Some(problem) => text.push_str(&format!("FAIL {problem}\n")),
            None => (),
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
    if let Some(driver) = &device.driver {
        text.push_str(&format!("driver: {driver}\n"));
    }
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
    let operations = if hardware.plane_operations { "with" } else { "without" };
    text.push_str(&format!(
        "{processors}planes of {planes} {operations} operations across them, {shared} of shared memory a cube, up to {cubes} cubes\n"
    ));
    for (name, shapes) in [("cmma", &hardware.cmma), ("mma", &hardware.mma)] {
        let shape = |it: &MatrixShape| format!("{}x{}x{} {} {} {}", it.m, it.n, it.k, it.a, it.b, it.c);
        let shapes: Vec<String> = shapes.iter().map(shape).collect();
        let shapes = if shapes.is_empty() { "none".into() } else { shapes.join(", ") };
        text.push_str(&format!("tensor cores, {name}: {shapes}\n"));
    }
    for AttentionPath { dtype, head_dim, kernels } in &hardware.attention {
        let Some((own, others)) = kernels.split_first() else {
            text.push_str(&format!("attention, heads of {head_dim} in {dtype}: no kernel fits\n"));
            continue;
        };
        let others =
            if others.is_empty() { String::new() } else { format!(" (also: {})", others.join(", ")) };
        text.push_str(&format!("attention, heads of {head_dim} in {dtype}: by {own}{others}\n"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::{Driver, Features, Figure, Speed};

    fn check(held: bool) -> Check {
        Check {
            op: "rms_norm",
            output: "y",
            case: "5 rows of 33".into(),
            dtype: "f32",
            error: Some(if held { 1e-7 } else { 0.5 }),
            bound: 1e-5,
            held,
            problem: None,
        }
    }

    fn device(name: &str, checks: Vec<Check>) -> DeviceReport {
        DeviceReport {
            device: name.into(),
            problem: None,
            driver: None,
            backend: Some("flex".into()),
            features: Some(Features { dtypes: vec!["f32"], products_in_tf32: false }),
            hardware: None,
            checks,
            speed: None,
        }
    }

    fn unusable(name: &str, problem: Problem) -> DeviceReport {
        let driver = Driver { name: "NVIDIA".into(), version: "535.104.05".into(), adapter: None };
        let driver = matches!(problem, Problem::Broken { .. }).then_some(driver);
        DeviceReport {
            problem: Some(problem),
            driver,
            backend: None,
            features: None,
            ..device(name, Vec::new())
        }
    }

    /// What the command ends with, and what it prints before.
    fn ended(devices: Vec<DeviceReport>, named: bool) -> (Option<String>, String) {
        let report = report(devices, named, false);
        (ending(&report).err().map(|error| error.to_string()), describe(&report))
    }

    #[test]
    fn checks_that_all_held_are_no_failure() {
        let (error, text) = ended(vec![device("cpu", vec![check(true), check(true)])], true);
        assert_eq!(error, None);
        assert!(text.contains("2 checks, 0 failed"), "{text}");
    }

    #[test]
    fn one_check_that_fails_is_the_commands_failure() {
        let devices = vec![device("cpu", vec![check(true)]), device("wgpu", vec![check(true), check(false)])];
        let (error, text) = ended(devices, false);
        assert_eq!(error.as_deref(), Some("1 checks failed"));
        assert!(text.contains("\nFAIL rms_norm y") && text.contains("2 checks, 1 failed"), "{text}");
    }

    #[test]
    fn a_device_that_is_not_there_is_a_failure_only_where_it_was_named() {
        let absent = || unusable("cuda:0", Problem::Absent { message: "it is not here".into() });
        let well = || device("cpu", vec![check(true)]);
        assert_eq!(ended(vec![well(), absent()], false).0, None);
        assert_eq!(ended(vec![absent()], true).0.as_deref(), Some("it is not here"));
    }

    #[test]
    fn a_driver_that_is_there_and_fails_is_always_a_failure() {
        let problem = Problem::Broken { driver: "NVIDIA 535.104.05".into(), message: "no context".into() };
        let (error, text) = ended(vec![device("cpu", vec![check(true)]), unusable("cuda:0", problem)], false);
        let what = "no context, though its driver is there: NVIDIA 535.104.05";
        assert_eq!(error, Some(format!("cuda:0: {what}")));
        assert!(text.contains("driver: NVIDIA 535.104.05\n"), "{text}");
        assert!(text.ends_with(&format!("FAIL {what}\n")), "{text}");
    }

    #[test]
    fn what_was_interrupted_is_a_failure_with_what_was_found() {
        let problem = Problem::Interrupted { step: "norm, f16".into() };
        let interrupted = DeviceReport { problem: Some(problem), ..device("cpu", vec![check(true)]) };
        let report = report(vec![interrupted], false, false);
        assert!(!report.held && report.interrupted);
        let message = "cpu: interrupted in step `norm, f16`: the rest was not examined";
        assert_eq!(failure(&report), message);
        let text = describe(&report);
        assert!(text.contains("1 checks, 0 failed\n") && !text.contains("FAIL"), "{text}");
        let between = self::report(vec![device("cpu", vec![check(true)])], false, true);
        assert_eq!(failure(&between), "interrupted: not every device was examined");
    }

    #[test]
    fn what_could_not_be_timed_is_a_failure() {
        let figure = Figure {
            op: "rms_norm",
            case: "inputs".into(),
            dtype: "f32",
            seconds: None,
            fastest: None,
            slowest: None,
            achieved: None,
            bound: None,
            unit: "GB/s",
            share_of_bound: None,
            beyond_bound: false,
            problem: Some("out of memory".into()),
        };
        let speed = Some(Speed { ceilings: Vec::new(), figures: vec![figure] });
        let (error, _) = ended(vec![DeviceReport { speed, ..device("cpu", vec![check(true)]) }], true);
        assert_eq!(error.as_deref(), Some("not everything could be timed"));
    }

    /// What a GPU's runtime says of it, as the table has it.
    #[test]
    fn hardware_is_described_with_planes_and_what_attention_runs_by() {
        let path = |head_dim, kernels: &[&'static str]| AttentionPath {
            dtype: "bf16",
            head_dim,
            kernels: kernels.to_vec(),
        };
        let hardware = Hardware {
            plane_units: [32, 32],
            plane_operations: true,
            shared_memory_bytes: 1 << 10,
            max_cube_count: [7, 7, 7],
            multiprocessors: Some(132),
            cmma: Vec::new(),
            mma: Vec::new(),
            attention: vec![path(128, &["tensor cores", "planes"]), path(96, &["planes"]), path(4096, &[])],
        };
        let mut text = String::new();
        describe_hardware(&hardware, &mut text);
        assert!(
            text.starts_with("132 multiprocessors, planes of 32 with operations across them, "),
            "{text}"
        );
        let attention: Vec<&str> = text.lines().filter(|line| line.starts_with("attention")).collect();
        assert_eq!(
            attention,
            [
                "attention, heads of 128 in bf16: by tensor cores (also: planes)",
                "attention, heads of 96 in bf16: by planes",
                "attention, heads of 4096 in bf16: no kernel fits",
            ]
        );
    }
}
