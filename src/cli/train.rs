//! `osler train`

mod bars;
mod error;
mod ready;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ValueEnum as _;

use self::bars::Bars;
pub use self::error::StoppedEarly;
use self::error::UsageError;
use self::ready::{can_run, checkpoints_are_there, missing, model_is_there, too_large};
use crate::cli::interrupt::Interrupt;
use crate::cli::{CommandResult, output, terminal};
use crate::data::template_clock::strftime;
use crate::engine::{Device, ModelBundle};
use crate::kernels::selection::{self, Kernels};
use crate::pipeline::{
    ADAPTER, Ended, MODEL, Patients, Prepared, REPORT, Start, Stopped, Watch as _, prepare, prepare_from,
    train,
};
use crate::train::checkpoint::Durability;
use crate::train::config::{Plan, RunConfig};
use crate::train::run::{
    ResumeFrom, Resumed, RunDirectory, RunOptions, Summary, last_attempt, locate, read_summary,
};

/// Where runs go that are given no folder.
const RUNS: &str = "runs";

/// Train a model: patients, supervised steps, reinforcement learning, report, exported model
///
/// CONFIG is one TOML file; docs/config.md explains every field. The run gets a folder of its own, runs/NAME/001 and so on,
/// with its metrics, rollouts, checkpoints, report.html and the exported model. Ctrl-C finishes the step at hand, saves,
/// and says how to go on; pressed again it ends at once. A run that was killed goes on from its newest checkpoint.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler train configs/quickstart.toml
  osler train configs/quickstart.toml --set seed=2 --set stage.rl.lr=5e-4 --out runs/second
  osler train configs/smollm2-135m.toml --dry-run
  osler train --resume                          the newest run in runs/
  osler train --resume runs/quickstart/001      this one, from its newest checkpoint
  osler train --resume runs/quickstart/001/checkpoints/step-000120

JSON: {\"run_dir\", \"seed\", \"before\": {\"reward\"}, \"after\": {\"reward\"}, \"gain\": {\"mean\", \"ci95\": [lo, hi]},
       \"baselines\": {name: reward}, \"seconds\", \"peak_rss_bytes\", \"export\", \"patient\"? (where models play it)}, also in
       summary.json of the run's folder;
       with --dry-run the plan. Rewards are of held-out consultations. A number that is none is \"NaN\".

Exit status: 0 finished, 1 failed, 2 wrong usage, 3 stopped by limits.seconds, 130 stopped by Ctrl-C.")]
pub struct Arguments {
    /// The run's configuration
    #[arg(value_name = "CONFIG", required_unless_present = "resume")]
    config: Option<PathBuf>,

    /// Put a value over the file's, e.g. stage.rl.lr=1e-6; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// The run's folder, new or empty [default: runs/NAME/001, 002 ..]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Go on with a run: its folder or one of its checkpoints [default: the last run of CONFIG, or of all in runs/]
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = RUNS, conflicts_with_all = ["set", "dry_run"])]
    resume: Option<PathBuf>,

    /// Check everything, print the plan, and train nothing
    #[arg(long)]
    dry_run: bool,

    /// The same as --set device=DEVICE
    #[arg(long, value_name = "DEVICE", conflicts_with = "resume", help_heading = "Runtime")]
    device: Option<Device>,

    /// CPU threads; 0 takes all. The same as --set threads=N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..=1024), help_heading = "Runtime")]
    threads: Option<u16>,

    /// The same as --set kernels=KERNELS
    #[arg(long, value_enum, value_name = "KERNELS", conflicts_with = "resume", help_heading = "Runtime")]
    kernels: Option<Kernels>,

    /// Print one JSON object on stdout (progress stays on stderr)
    #[arg(long, help_heading = "Runtime")]
    json: bool,
}

pub fn run(arguments: Arguments) -> CommandResult {
    match arguments.resumed()? {
        Some((folder, from)) => arguments.resume(&folder, from),
        None => arguments.begin(),
    }
}

impl Arguments {
    /// The configuration that was named; a file after `--resume` is one, too.
    fn config(&self) -> Option<&Path> {
        let after_resume = self.resume.as_deref().filter(|path| path.is_file());
        self.config.as_deref().or(after_resume)
    }

    fn overrides(&self) -> Vec<String> {
        let mut overrides = self.set.clone();
        overrides.extend(self.device.map(|device| format!("device={device}")));
        overrides.extend(self.threads.map(|threads| format!("threads={threads}")));
        overrides.extend(
            self.kernels
                .and_then(|kernels| Some(format!("kernels={}", kernels.to_possible_value()?.get_name()))),
        );
        overrides
    }

    /// The run to go on with, where one is asked for.
    fn resumed(&self) -> Result<Option<(PathBuf, ResumeFrom)>, Box<dyn std::error::Error>> {
        let Some(given) = &self.resume else { return Ok(None) };
        if given.is_file() && given.extension().is_none_or(|extension| extension != "toml") {
            return Err(UsageError::NoFolder(given.to_owned()).into());
        }
        if given.as_path() != Path::new(RUNS) && !given.is_file() {
            if let Some(out) = &self.out {
                return Err(UsageError::TwoFolders { resume: given.to_owned(), out: out.to_owned() }.into());
            }
            return Ok(Some(locate(given)));
        }
        if let Some(out) = &self.out {
            return Ok(Some(locate(out)));
        }
        let base = Path::new(RUNS);
        let last = match self.config() {
            Some(path) => last_attempt(base, &RunConfig::load(path, &[])?.name)?,
            None => newest_run(base),
        };
        let last = last.ok_or_else(|| UsageError::NoRun(base.to_owned()))?;
        Ok(Some((last, ResumeFrom::Newest)))
    }

    fn begin(&self) -> CommandResult {
        let path = self.config.clone().unwrap_or_default();
        let config = RunConfig::load(&path, &self.overrides())?;
        let plan = plan(&config)?;
        if self.dry_run {
            let tell = || if self.json { output::json(&plan) } else { output::text(&plan.to_string()) };
            if let Some(problem) = too_large(&config, &plan) {
                tell()?;
                // A plan may be made for a larger machine than this one; what the file itself forbids is wrong anywhere.
                if plan.over_memory() {
                    return Err(UsageError::CannotRun(problem).into());
                }
                terminal::line(&format!("no case was read:{problem}"));
                return Ok(());
            }
            // Reads the cases, too: what is wrong with them shows now. A plan can be made before they are there.
            let missing: Vec<&PathBuf> = config.data.cases.iter().filter(|path| !path.exists()).collect();
            match missing.first() {
                Some(path) => {
                    terminal::line(&format!("{} is not there, so no case was read", path.display()))
                }
                None => drop(Patients::of(&config)?),
            }
            return Ok(tell()?);
        }
        can_run(&config, &plan)?;
        model_is_there(&config)?;
        match &self.out {
            Some(dir) => RunDirectory::check_in(dir)?,
            None => RunDirectory::check(Path::new(RUNS), &config.name)?,
        }
        start(&config, self.threads)?;
        let mut bars = Bars::new(Interrupt::watch()?);
        let prepared = prepare(config, &mut bars)?;
        let (text, options) = (prepared.config.resolved(), run_options(&prepared.config));
        let run = match &self.out {
            Some(dir) => RunDirectory::create_in(dir, &text, options)?,
            None => RunDirectory::create(Path::new(RUNS), &prepared.config.name, &text, options)?,
        };
        self.go(&prepared, Start::New(run), bars)
    }

    fn resume(&self, folder: &Path, from: ResumeFrom) -> CommandResult {
        if from == ResumeFrom::Newest
            && let Some(summary) = read_summary(folder).map_err(|source| UsageError::Summary { source })?
        {
            if let Ok(resolved) = std::fs::read_to_string(folder.join("config.toml")) {
                self.same_config(folder, &resolved)?;
            }
            let Some(gone) = missing(folder) else {
                terminal::line(&format!("{} is finished already", folder.display()));
                // Where it is now, should it have been moved.
                let text = |path: &Path| path.to_string_lossy().into_owned();
                let (run_dir, export) = (text(folder), text(&folder.join(MODEL)));
                return self.tell(&Summary { run_dir, export, ..summary });
            };
            terminal::line(&format!(
                "{} is finished, but its {gone} is gone: it is made again",
                folder.display()
            ));
        }
        let resolved = folder.join("config.toml");
        let options = match RunConfig::load(&resolved, &[]) {
            Ok(config) => run_options(&config),
            // Said better below.
            Err(_) => RunOptions::default(),
        };
        let resumed = Resumed::hold(folder, from, options)?;
        let config = RunConfig::parse(resumed.config(), &resolved, &[])?;
        self.same_config(folder, resumed.config())?;
        checkpoints_are_there(&resumed, &config)?;
        can_run(&config, &plan(&config)?)?;
        model_is_there(&config)?;
        start(&config, self.threads)?;
        let mut bars = Bars::new(Interrupt::watch()?);
        bars.note(&match resumed.checkpoint() {
            Some(checkpoint) => {
                format!("going on in {} after step {}", folder.display(), checkpoint.state().progress.step)
            }
            None => format!("{} ended before its first checkpoint and begins again", folder.display()),
        });
        let first = resumed.checkpoint().map_or(0, |checkpoint| checkpoint.state().progress.stage);
        let prepared = prepare_from(config, first, &mut bars)?;
        self.go(&prepared, Start::Again(resumed), bars)
    }

    /// That the configuration which was named, if any, is `resolved`, that of the run in `folder`.
    fn same_config(&self, folder: &Path, resolved: &str) -> Result<(), Box<dyn std::error::Error>> {
        match self.config() {
            Some(path) if RunConfig::load(path, &[])?.resolved() != resolved => {
                let (config, run) = (path.to_owned(), folder.to_owned());
                Err(UsageError::OtherConfig { config, run }.into())
            }
            _ => Ok(()),
        }
    }

    fn go(&self, prepared: &Prepared, start: Start, mut bars: Bars) -> CommandResult {
        bars.note(&format!("run folder: {}", start.dir().display()));
        for note in &prepared.patients.notes {
            bars.note(note);
        }
        // A time that cannot be printed is left out.
        let date = strftime(SystemTime::now(), "%Y-%m-%d %H:%M UTC").unwrap_or_default();
        let ended = train(prepared, start, &date, &mut bars)?;
        bars.finish();
        match ended {
            Ended::Finished(summary) => self.tell(&summary),
            Ended::Stopped(Stopped { run_dir, step, out_of_time }) => {
                let (why, status) = if out_of_time { ("by limits.seconds", 3) } else { ("as asked", 130) };
                Err(StoppedEarly { why, step, folder: run_dir, status }.into())
            }
        }
    }

    fn tell(&self, summary: &Summary) -> CommandResult {
        if self.json { Ok(output::json(summary)?) } else { Ok(output::text(&in_words(summary))?) }
    }
}

fn run_options(config: &RunConfig) -> RunOptions {
    let keep = std::num::NonZeroUsize::new(config.checkpoint.keep);
    let default = RunOptions::default();
    let durability = Durability::Within(Duration::from_secs(config.checkpoint.flush_seconds));
    RunOptions { keep_checkpoints: keep.unwrap_or(default.keep_checkpoints), durability, ..default }
}

/// Before the first model: kernels are chosen for the whole process.
fn start(config: &RunConfig, threads: Option<u16>) -> Result<(), rayon::ThreadPoolBuildError> {
    selection::select(config.kernels);
    let threads = threads.map_or(config.threads, usize::from);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()
}

/// The plan; the headers of models' files are read where they are there.
fn plan(config: &RunConfig) -> Result<Plan, Box<dyn std::error::Error>> {
    let there = config.model.path.as_deref().filter(|path| path.exists());
    let files = there.map(ModelBundle::open).transpose()?;
    let plan = Plan::new(config, files.as_ref().map(|files| files.files.config()))?;
    Ok(plan.with_role_models(config.roles.bytes_on(config.device)?))
}

/// The run in `base` whose configuration was written last.
fn newest_run(base: &Path) -> Option<PathBuf> {
    let folders = |dir: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    let attempts = folders(base).into_iter().flat_map(|run| folders(&run));
    let dated = attempts.filter_map(|run| {
        let written = std::fs::metadata(run.join("config.toml")).and_then(|data| data.modified()).ok()?;
        Some((written, run))
    });
    dated.max().map(|(_, run)| run)
}

fn in_words(summary: &Summary) -> String {
    let [low, high] = summary.gain.ci95;
    let mut text = format!(
        "held-out reward  before {:.3}, after {:.3}, gain {:+.3} (95% interval {low:+.3} to {high:+.3})\n",
        summary.before.reward, summary.after.reward, summary.gain.mean
    );
    let baselines: Vec<String> =
        summary.baselines.iter().map(|(name, reward)| format!("{name} {reward:.3}")).collect();
    let minutes = summary.seconds / 60.0;
    let adapter = Path::new(&summary.run_dir).join(ADAPTER);
    let adapter = match adapter.is_dir() {
        true => format!("adapter          {}\n", adapter.display()),
        false => String::new(),
    };
    if let Some(patient) = &summary.patient {
        let _ = writeln!(text, "patient          {patient}");
    }
    let _ = write!(
        text,
        "baselines        {}\ntook             {minutes:.1} minutes, {} at most\nreport           {}\nmodel            {}\n{adapter}\
         This is research software: what it trains gives no medical advice.\n",
        baselines.join(", "),
        output::bytes(summary.peak_rss_bytes),
        Path::new(&summary.run_dir).join(REPORT).display(),
        summary.export,
    );
    text
}
