//! What a run comes to: held-out consultations before and after, other doctors, the report, the model.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::adapter::export_adapter;
use super::detected::detected;
use super::error::PipelineError;
use super::evolving::history;
use super::export::export;
use super::playing::Playing;
use super::prepare::Prepared;
use super::report::{curves, facts, time};
use super::run::Run;
use super::seeds::{Draws, seed_of};
use super::watch::Part;
use super::yardsticks::achieved;
use crate::data::Consultation;
use crate::data::hash::{self, fnv1a};
use crate::eval::report::samples;
use crate::eval::{Bootstrap, Evaluated, Evaluation, ReportData, Yardstick, evaluate, render};
use crate::kernels::KernelBackend;
use crate::rl::ReplySampling;
use crate::rl::heldout::{PlayError, play_with};
use crate::rubric::{Generator, RuleJudge};
use crate::sim::TurnLog;
use crate::sim::played::{TurnCounts, UnitNames};
use crate::train::config::{Adapter, RunConfig, Stage};
use crate::train::run::{Gain, Outcome, Summary, read_metrics};

/// Held-out consultations before reinforcement learning.
const BEFORE: &str = "heldout-before.json";
/// After it.
const AFTER: &str = "heldout-after.json";
/// The folder in a run's that the model is exported to.
pub const MODEL: &str = "model";
/// The report, in the run's folder.
pub const REPORT: &str = "report.html";
/// Consultations that the report shows before and after.
const SAMPLES: usize = 6;

/// Held-out consultations, marked.
pub(super) type Measured = Evaluated;

/// Held-out consultations that were just held.
struct Held {
    measured: Measured,
    patient: Option<PlayedBy>,
    /// How each reply of a patient that models play came about.
    turns: Vec<TurnLog>,
}

/// A file of held-out consultations.
#[derive(Serialize)]
struct HeldOutFile<'a> {
    /// The steps before them.
    step: u64,
    /// Of the step and the consultations.
    checksum: String,
    evaluation: &'a Evaluation,
    consultations: &'a [Consultation],
    /// Who played the patients, where models did.
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<&'a PlayedBy>,
}

/// Models that played held-out patients, and how that went.
#[derive(Debug, Serialize)]
pub(super) struct PlayedBy {
    #[serde(flatten)]
    units: UnitNames,
    counts: TurnCounts,
}

/// What is read of it again.
#[derive(Deserialize)]
struct HeldOutRead {
    step: u64,
    checksum: String,
    consultations: Vec<Consultation>,
}

impl HeldOutRead {
    /// Whether it is as it was written, after `step` steps.
    fn is_sound(&self, step: u64) -> bool {
        self.step == step && self.checksum == checksum(self.step, &self.consultations)
    }
}

fn checksum(step: u64, consultations: &[Consultation]) -> String {
    // Strings and whole numbers only, which always have a JSON form.
    hash::text(fnv1a(&serde_json::to_vec(&(step, consultations)).unwrap_or_default()))
}

impl<B: KernelBackend> Run<'_, B> {
    /// Measures what the policy does before reinforcement learning, and writes it down. `None` where the run is to stop.
    pub(super) fn measure_before(&mut self) -> Result<Option<Measured>, PipelineError> {
        let Some(held) = self.measure("before")? else { return Ok(None) };
        self.before = Some(hash::text(fnv1a(&self.write_held_out(BEFORE, &held)?)));
        Ok(Some(held.measured))
    }

    /// Measures the policy between steps, where `evaluation.every` says so. `false` where the run is to stop before that
    /// is done.
    pub(super) fn evaluate_between(&mut self) -> Result<bool, PipelineError> {
        let every = self.prepared.config.evaluation.every;
        if !every.is_some_and(|every| self.place.stage_step.is_multiple_of(every)) {
            return Ok(true);
        }
        let Some(held) = self.measure("between")? else { return Ok(false) };
        self.write_held_out(&between(self.place.step), &held)?;
        Ok(true)
    }

    /// Measures what an earlier sitting owes: it ended after the step and before its measurement, or that is no longer as
    /// it was written. `false` as in [`Self::evaluate_between`].
    pub(super) fn evaluate_owed(&mut self) -> Result<bool, PipelineError> {
        let read = fs::read(self.dir.dir().join(between(self.place.step)));
        let read = read.ok().and_then(|text| serde_json::from_slice::<HeldOutRead>(&text).ok());
        let written = read.is_some_and(|read| read.is_sound(self.place.step));
        if self.place.stage_step > 0 && !written { self.evaluate_between() } else { Ok(true) }
    }

    /// Returns what was written; beside it lies how the patients' replies came about, where models played them.
    fn write_held_out(&self, name: &str, held: &Held) -> Result<Vec<u8>, PipelineError> {
        let Evaluated { evaluation, consultations, .. } = &held.measured;
        let (step, patient) = (self.place.step, held.patient.as_ref());
        if patient.is_some() {
            let mut lines = Vec::new();
            for turn in &held.turns {
                // Strings and whole numbers only, and memory takes all there is.
                let _ = turn.write_line(&mut lines);
            }
            self.dir.write_file(&name.replace(".json", ".patients.jsonl"), &lines)?;
        }
        let checksum = checksum(step, consultations);
        let file = HeldOutFile { step, checksum, evaluation, consultations, patient };
        // Strings and finite numbers only, which always have a JSON form.
        let mut text = serde_json::to_vec(&file).unwrap_or_default();
        text.push(b'\n');
        self.dir.write_file(name, &text)?;
        Ok(text)
    }

    /// Leads all held-out consultations; `None` where the run is to stop.
    fn measure(&mut self, name: &'static str) -> Result<Option<Held>, PipelineError> {
        let (prepared, step) = (self.prepared, self.place.step);
        let held_out = &prepared.patients.held_out;
        let total = held_out.cases().len() as u64;
        let sampling = ReplySampling {
            samples: 1,
            max_new_tokens: longest_reply(&prepared.config),
            temperature: prepared.config.evaluation.temperature as f32,
        };
        let (playing, halt) = (prepared.casting.playing.as_ref(), AtomicBool::new(false));
        let company = playing.map(|playing| playing.held_out_company(prepared.patients.limits, &halt));
        let watch = &mut *self.watch;
        let played = play_with(&mut self.policy, held_out, company.as_ref(), sampling, &mut |done| {
            watch.part(Part::HeldOut(name), done as u64, total);
            !watch.should_stop()
        });
        self.tell_of_schemas();
        match played {
            Ok((consultations, turns)) => {
                self.watch.part(Part::HeldOut(name), total, total);
                let measured = mark(self.prepared, name, consultations)?;
                let mut counts = TurnCounts::default();
                turns.iter().for_each(|turn| counts.add(turn));
                let patient = company.map(|company| PlayedBy { units: company.names(), counts });
                Ok(Some(Held { measured, patient, turns }))
            }
            Err(PlayError::Interrupted) => Ok(None),
            Err(PlayError::Company(error)) => PipelineError::of_held_out(step, error).map_or(Ok(None), Err),
            Err(PlayError::Request(error)) => {
                Err(self.refused(&error).unwrap_or(PlayError::Request(error).into()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The file of a measurement after `step` steps.
fn between(step: u64) -> String {
    format!("heldout-{step:06}.json")
}

/// What the policy of the run in `dir` did before reinforcement learning, where that was measured in an earlier sitting,
/// with the file's checksum, which is to be `written`. `begins_at` is the step that the run stands at where reinforcement is
/// only to begin: then nothing says what the file was but the file itself, and what is missing or is not as it was written is
/// measured again. Where reinforcement has begun it no longer can be, and that is an error.
pub(super) fn read_before(
    prepared: &Prepared,
    dir: &Path,
    begins_at: Option<u64>,
    written: Option<&str>,
) -> Result<Option<(Measured, String)>, PipelineError> {
    let path = dir.join(BEFORE);
    let damaged = |what: String| PipelineError::Before { file: path.clone(), what };
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && begins_at.is_some() => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(damaged("is missing".to_owned())),
        Err(error) => return Err(damaged(format!("could not be read: {error}"))),
    };
    let found = hash::text(fnv1a(&text));
    if written.is_some_and(|written| written != found) {
        return Err(damaged("is not as it was written: its checksum is another".to_owned()));
    }
    let read = serde_json::from_slice::<HeldOutRead>(&text);
    if let Some(step) = begins_at
        && !read.as_ref().is_ok_and(|read| read.is_sound(step))
    {
        return Ok(None);
    }
    let read = read.map_err(|error| damaged(format!("is not as it was written: {error}")))?;
    let measured = mark(prepared, "before", read.consultations)
        .map_err(|error| damaged(format!("does not fit: {error}")))?;
    Ok(Some((measured, found)))
}

fn mark(
    prepared: &Prepared,
    name: &str,
    consultations: Vec<Consultation>,
) -> Result<Measured, PipelineError> {
    let patients = &prepared.patients;
    let generator = Generator::bundled(patients.limits.turns);
    Ok(evaluate(name, &patients.held_out, consultations, &generator, &RuleJudge::bundled())?)
}

/// The longest reply of any stage of reinforcement learning; without one, a quarter of the model's context.
pub(super) fn longest_reply(config: &RunConfig) -> usize {
    let replies = config.stage.iter().filter_map(|stage| match stage {
        Stage::Rl(stage) => Some(stage.grpo.max_new_tokens),
        _ => None,
    });
    let positions = config.model.shape.as_ref().map_or(2048, |shape| shape.max_positions);
    replies.max().unwrap_or((positions / 4).clamp(1, 512))
}

/// That the trained model can be written in the run's folder: what lies there in its place is a model, or nothing.
pub(super) fn check_model(dir: &Path) -> Result<(), PipelineError> {
    let model = dir.join(MODEL);
    let in_the_way = match fs::read_dir(&model) {
        Ok(mut entries) => entries.next().is_some() && !model.join("config.json").is_file(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    };
    if in_the_way { Err(PipelineError::ModelInTheWay { path: model }) } else { Ok(()) }
}

/// Measures what the run came to and writes it down; `None` where it is to stop before it is done.
pub(super) fn finish<B: KernelBackend>(
    run: &mut Run<'_, B>,
    before: &Measured,
    date: &str,
) -> Result<Option<Summary>, PipelineError> {
    let prepared = run.prepared;
    let Some(held) = run.measure("after")? else { return Ok(None) };
    run.write_held_out(AFTER, &held)?;
    let after = held.measured;
    let held_out = &prepared.patients.held_out;
    let yardsticks = Yardstick::all();
    let count = yardsticks.len() as u64;
    let mut others = Vec::new();
    for (done, &yardstick) in (0..).zip(&yardsticks) {
        run.watch.part(Part::Baselines, done, count);
        if run.should_stop() {
            return Ok(None);
        }
        let Some(measured) = achieved(run, yardstick)? else { return Ok(None) };
        others.push((yardstick, measured));
    }
    run.watch.part(Part::Baselines, count, count);
    let dir = run.dir.dir().to_owned();
    let model = dir.join(MODEL);
    let config = &prepared.config;
    if config.model.adapter == Adapter::Lora {
        export_adapter(prepared, &mut run.policy, &run.dir)?;
    }
    export(prepared, &mut run.policy, &model, run.watch)?;

    let resamples = config.evaluation.resamples;
    let bootstrap = Bootstrap { resamples, seed: seed_of(config.seed, Draws::Intervals) };
    let steps = read_metrics(&run.dir.metrics_path())?;
    let mut data = ReportData::new(facts(prepared, date, &steps));
    let pairs = others.iter().map(|(yardstick, measured)| (*yardstick, &measured.evaluation));
    data.compare(&before.evaluation, &after.evaluation, pairs, bootstrap)?;
    data.samples = samples(held_out, before, &after, SAMPLES);
    data.curves = curves(&steps);
    data.detectors = detected(&steps);
    data.rubric = history(&run.dir, &steps)?;
    data.time = time(&steps, run.seconds());
    data.configuration = config.resolved();
    run.dir.write_file(REPORT, render(&data).as_bytes())?;

    let gain = data.comparison.as_ref().map(|comparison| comparison.overall.gain);
    let summary = Summary {
        run_dir: path_text(&dir),
        seed: config.seed,
        before: Outcome { reward: before.evaluation.reward.unwrap_or(f64::NAN) },
        after: Outcome { reward: after.evaluation.reward.unwrap_or(f64::NAN) },
        gain: Gain {
            mean: gain.map_or(f64::NAN, |gain| gain.mean),
            ci95: gain.and_then(|gain| gain.ci95).unwrap_or([f64::NAN; 2]),
        },
        baselines: others
            .iter()
            .filter(|(yardstick, _)| yardstick.is_baseline())
            .map(|(yardstick, measured)| {
                (yardstick.name().to_owned(), measured.evaluation.reward.unwrap_or(f64::NAN))
            })
            .collect(),
        seconds: run.seconds(),
        peak_rss_bytes: crate::train::run::peak_rss_bytes(),
        export: path_text(&model),
        patient: prepared.casting.playing.as_ref().map(Playing::names),
    };
    run.dir.write_summary(&summary)?;
    Ok(Some(summary))
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
