//! An examination on a thread of its own: a runtime whose kernel does not compile, or whose driver hangs, may never give the
//! thread back.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::findings::{Finding, Findings};
use super::follow::{Follow, LOOK};
use super::report::{DeviceReport, Driver, Problem};
use crate::engine::backend::{caught, overheard};
use crate::engine::{Device, DeviceError};

/// What is done before the first step is told.
const FIRST: &str = "looking for the device";
/// As a main thread's.
const STACK: usize = 8 << 20;

/// One that has begun.
pub(super) struct Examination {
    device: Device,
    findings: Receiver<Finding>,
}

impl Examination {
    /// Begins `work` on `device`.
    pub fn begin(
        device: Device,
        work: impl FnOnce(&Findings) -> Result<(), DeviceError> + Send + 'static,
    ) -> Self {
        let (sender, findings) = mpsc::channel();
        let own = sender.clone();
        let examine = move || {
            let findings = Findings(own);
            let end = match caught(|| work(&findings)) {
                Ok(Ok(())) => Finding::Done,
                Ok(Err(error)) => Finding::Absent(error),
                Err(message) => Finding::Failed(message),
            };
            // Whoever gave up does not want to know.
            let _ = findings.0.send(end);
        };
        let name = format!("examine-{device}");
        if let Err(error) = thread::Builder::new().name(name).stack_size(STACK).spawn(examine) {
            let _ = sender.send(Finding::Failed(format!("no thread for it: {error}")));
        }
        Self { device, findings }
    }

    /// Waits for its end, as long as a step begins at least every `patience` and `follow` wants more; it is told of each. The thread
    /// of one that is given up is left behind.
    pub fn report(self, patience: Duration, follow: &mut dyn Follow) -> DeviceReport {
        let mut report = DeviceReport::new(self.device);
        let (mut step, mut begun) = (FIRST.to_owned(), Instant::now());
        follow.step(self.device, &step);
        report.problem = loop {
            if follow.stopped() {
                break Some(Problem::Interrupted { step });
            }
            let left = patience.saturating_sub(begun.elapsed());
            match self.findings.recv_timeout(left.min(LOOK)) {
                Ok(Finding::Step(next)) => {
                    follow.step(self.device, &next);
                    (step, begun) = (next, Instant::now());
                }
                Ok(Finding::Driver(driver)) => report.driver = Some(driver),
                Ok(Finding::Backend(name)) => report.backend = Some(name),
                Ok(Finding::Hardware(hardware)) => report.hardware = Some(hardware),
                Ok(Finding::Features(features)) => report.features = Some(features),
                Ok(Finding::Check(check)) => report.checks.push(check),
                Ok(Finding::Ceiling(it)) => report.speed.get_or_insert_default().ceilings.push(it),
                Ok(Finding::Figure(it)) => report.speed.get_or_insert_default().figures.push(it),
                Ok(Finding::Done) => break None,
                Ok(Finding::Absent(error)) => break Some(unusable(&error, report.driver.as_ref())),
                Ok(Finding::Failed(message)) => break Some(Problem::Failed { step, message }),
                Err(RecvTimeoutError::Timeout) if begun.elapsed() < patience => (),
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = patience.as_secs_f64();
                    break Some(Problem::Unfinished { step, seconds, runtime: overheard() });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    break Some(Problem::Failed { step, message: "it ended without a result".into() });
                }
            }
            follow.found(&report, &step);
        };
        report
    }
}

/// Why a device cannot be used: that is nothing wrong where it is not there at all.
fn unusable(error: &DeviceError, driver: Option<&Driver>) -> Problem {
    let message = error.to_string();
    match (error, driver) {
        (DeviceError::Unavailable { .. }, Some(driver)) => {
            Problem::Broken { driver: driver.to_string(), message }
        }
        _ => Problem::Absent { message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::{Ceiling, Check};

    /// Notes steps, and wants no more once so many checks were found.
    #[derive(Default)]
    struct Noting {
        steps: Vec<String>,
        found: usize,
        enough: Option<usize>,
    }

    impl Follow for Noting {
        fn step(&mut self, _: Device, what: &str) {
            self.steps.push(what.to_owned());
        }

        fn found(&mut self, report: &DeviceReport, _: &str) {
            self.found = report.checks.len();
        }

        fn stopped(&self) -> bool {
            self.enough.is_some_and(|enough| self.found >= enough)
        }
    }

    fn check(op: &'static str) -> Check {
        Check {
            op,
            output: "y",
            case: "case".into(),
            dtype: "f16",
            error: Some(0.0),
            bound: 1.0,
            held: true,
            problem: None,
        }
    }

    /// The only test that tells steps: those of one that ran beside it would forget what its runtime said.
    #[test]
    fn a_step_that_does_not_end_is_named_with_what_was_found_before() {
        let (release, held_up) = mpsc::channel::<()>();
        let (here, reached) = mpsc::channel();
        let examination = Examination::begin(Device::Cuda(1), move |findings| {
            findings.step("norm, f16");
            findings.tell(Finding::Check(check("norm")));
            findings.tell(Finding::Ceiling(Ceiling {
                name: "copy",
                rate: None,
                unit: "GB/s",
                problem: None,
            }));
            findings.step("attention, f16");
            let runtime: thread::JoinHandle<()> = thread::spawn(|| panic!("it does not compile"));
            assert!(runtime.join().is_err());
            here.send(()).unwrap();
            // As a read of what is never computed. An error: the test is over.
            let _ = held_up.recv();
            Ok(())
        });
        // It has told all that it will, so no time has to pass.
        reached.recv().unwrap();
        let mut noting = Noting::default();
        let report = examination.report(Duration::ZERO, &mut noting);
        drop(release);
        assert_eq!(noting.steps, [FIRST, "norm, f16", "attention, f16"]);
        assert_eq!(report.device, "cuda:1");
        assert_eq!(report.checks.iter().map(|check| check.op).collect::<Vec<_>>(), ["norm"]);
        assert_eq!(report.speed.as_ref().unwrap().ceilings.len(), 1);
        assert!(!report.held(), "every check held, and yet it is not well");
        let problem = report.problem.unwrap();
        let runtime = Some("it does not compile".to_owned());
        assert_eq!(problem, Problem::Unfinished { step: "attention, f16".into(), seconds: 0.0, runtime });
        assert_eq!(
            problem.to_string(),
            "step `attention, f16` did not finish in 0 s; a thread of its runtime panicked: it does not compile"
        );
    }

    #[test]
    fn what_was_found_before_an_interruption_stands() {
        let (release, held_up) = mpsc::channel::<()>();
        let examination = Examination::begin(Device::Cpu, move |findings| {
            findings.tell(Finding::Check(check("norm")));
            findings.tell(Finding::Check(check("rotary")));
            let _ = held_up.recv();
            Ok(())
        });
        let mut noting = Noting { enough: Some(2), ..Noting::default() };
        let report = examination.report(Duration::MAX, &mut noting);
        drop(release);
        assert_eq!(report.checks.iter().map(|check| check.op).collect::<Vec<_>>(), ["norm", "rotary"]);
        assert!(!report.held(), "not all was examined");
        assert_eq!(report.problem, Some(Problem::Interrupted { step: FIRST.into() }));
    }

    #[test]
    fn a_device_whose_driver_is_there_and_fails_is_not_well() {
        const NO_CONTEXT: &str = "no context";
        let driver = Driver { name: "NVIDIA".into(), version: "535.104.05".into(), adapter: None };
        let fail = |error: DeviceError, driver: Option<Driver>| {
            let work = |findings: &Findings| {
                driver.into_iter().for_each(|driver| findings.tell(Finding::Driver(driver)));
                Err(error)
            };
            Examination::begin(Device::Cuda(0), work).report(Duration::MAX, &mut Noting::default())
        };
        let unavailable = || DeviceError::Unavailable { device: Device::Cuda(0), message: NO_CONTEXT.into() };
        let broken = fail(unavailable(), Some(driver.clone()));
        assert!(!broken.held());
        assert_eq!(broken.driver.as_ref(), Some(&driver));
        let Some(problem @ Problem::Broken { .. }) = broken.problem else { panic!("{:?}", broken.problem) };
        let text = problem.to_string();
        assert!(
            text.contains(NO_CONTEXT) && text.ends_with("its driver is there: NVIDIA 535.104.05"),
            "{text}"
        );
        // Without a driver there is no such device, and without its feature it was not asked.
        let not_built = DeviceError::NotBuilt { device: Device::Cuda(0), feature: "cuda" };
        for absent in [fail(unavailable(), None), fail(not_built, Some(driver))] {
            assert!(absent.held() && matches!(absent.problem, Some(Problem::Absent { .. })));
        }
    }

    #[test]
    fn one_that_ends_is_not_waited_for() {
        let report = |work: fn(&Findings) -> Result<(), DeviceError>| {
            Examination::begin(Device::Cpu, work).report(Duration::MAX, &mut Noting::default())
        };
        let done = report(|findings| {
            findings.tell(Finding::Check(check("norm")));
            Ok(())
        });
        assert!(done.held() && done.problem.is_none() && done.checks.len() == 1);
        let absent = report(|_| Err(DeviceError::NotBuilt { device: Device::Wgpu, feature: "wgpu" }));
        assert!(absent.held(), "a device that is not there is no failure of it");
        let Some(Problem::Absent { message }) = absent.problem else { panic!("{:?}", absent.problem) };
        assert!(message.contains("--features wgpu"), "{message}");
        let failed = report(|_| panic!("out of memory"));
        let problem = Problem::Failed { step: FIRST.into(), message: "out of memory".into() };
        assert!(!failed.held());
        assert_eq!(failed.problem, Some(problem));
    }
}
