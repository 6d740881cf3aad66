//! `osler rubric grade`

mod conversations;
mod model;
mod report;

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::chat::Pooled;
use crate::cli::interrupt::Interrupt;
use crate::cli::models;
use crate::cli::options::RoleKernels;
use crate::cli::server::Server;
use crate::cli::terminal::Progress;
use crate::cli::{CommandResult, output, terminal};
use crate::rubric::criterion::Verdict;
use crate::rubric::healthbench::{
    Grade, GradeKey, Ideals, Ledger, LedgerError, Row, Sample, own_samples, read_rows, samples,
};
use crate::rubric::written::WrittenJudge;
use crate::train::config::{ModelSource, Role, Roles};

use self::conversations::{Open, judge_each};
use self::report::{Graded, JudgeFacts, Report};

/// Grade completions of HealthBench, criterion by criterion
///
/// Each criterion gets one verdict: met, not met, or not judged; what was not judged is in no sum, and the coverage says how much that
/// is. Grades go to --out as they are made, one a line, without any of HealthBench's text: a run that was stopped goes on where it was,
/// and asks again for what was not judged.
///
/// Judges: a model on a server (all conversations are sent there), the model in the role `judge` of a file, or rules, which are sure of a small share only and need no model.
#[derive(Args)]
#[command(after_help = "Examples:
  osler rubric grade hard.jsonl --completions mine.jsonl --out grades.jsonl --grader healthbench_eval.py --server https://api.example.org/v1 \\
    --server-model gpt-4.1-2025-04-14 --server-key-env EXAMPLE_KEY
  osler rubric grade healthbench.jsonl --ideal written --out grades.jsonl --judge rules
  osler rubric grade healthbench.jsonl --completions mine.jsonl --out grades.jsonl --server URL --server-model NAME --votes 3
  osler rubric grade hard.jsonl --completions mine.jsonl --out grades.jsonl --models configs/models-servers.toml

Exits with 1 where every criterion that was to be judged failed, as with a server that is not there; the grades are written all the same.

FILE is HealthBench's own. --completions is JSONL too, one a line, and a row may have several:
  {\"prompt_id\": \"..\", \"completion\": \"..\", \"prompt\"?: [{\"role\": \"system\", \"content\": \"..\"}, ..]}

JSON: {\"judge\": {\"kind\", \"model\"?, \"protocol\"?, \"settings\"?, \"identity\"}, \"summary\": {\"completions\", \"criteria\", \"judged\", \"coverage\",
       \"whole\", \"met\", \"empty\", \"score\", \"bounds\", \"tags\", \"worst_at_k\"}, \"work\"?: {..},
       \"time\"?: {\"judge_seconds\", \"prompt_tokens\", \"cached_tokens\", \"computed_tokens\", \"prefill_tokens_per_second\", \"saved_seconds_estimate\"},
       \"cached_ratio\"?, \"disagreement\"?, \"resumed\", \"stopped\"}
       score and each of tags: {\"mean\", \"count\", \"bootstrap_std\"}")]
pub struct Arguments {
    /// A file of HealthBench, JSONL
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What is graded: a file of completions, JSONL
    #[arg(long, value_name = "FILE", required_unless_present = "ideal", conflicts_with = "ideal")]
    completions: Option<PathBuf>,

    /// Grade the completions in the rows: what physicians wrote, or what they were shown
    #[arg(long, value_name = "WHICH")]
    ideal: Option<Which>,

    /// Where the grades go, one a line
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Who judges
    #[arg(long, value_name = "WHO", default_value = "model")]
    judge: Who,

    /// File of models and roles; the model in the role `judge` judges, as [roles.options] says where no option here does
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    models: Option<PathBuf>,

    /// HealthBench's grader: healthbench_eval.py of simple-evals, or a file with its template alone; it is no part of osler
    #[arg(long, value_name = "FILE")]
    grader: Option<PathBuf>,

    /// Which questions a model is asked [default: healthbench with --grader; with --models, judge_templates of the file; otherwise report]
    #[arg(long, value_name = "NAME")]
    protocol: Option<Questions>,

    /// With --protocol report: the texts, in the shape of data/prompts/judge/report.toml [default: those that come with osler, or of the file of --models]
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,

    /// How often a model judges each criterion; more than half decide [default: 1; with --models, judge_majority of the file]
    #[arg(long, value_name = "N")]
    votes: Option<usize>,

    /// How often more a reply that cannot be read is asked for [default: healthbench 4, report 2]
    #[arg(long, value_name = "N")]
    again: Option<usize>,

    /// Temperature of a judging model [default: healthbench 0.5, report 0; with several votes, 0.5]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,

    /// Most new tokens of a judging model's reply [default: healthbench 2048, report 512]
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,

    /// Seed of a judging model's replies and of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    kernels: RoleKernels,

    #[command(flatten)]
    server: Server,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Written,
    References,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Who {
    Model,
    Rules,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Questions {
    Healthbench,
    Report,
}

/// Everything that is to be graded.
struct Work {
    rows: Vec<Row>,
    samples: Vec<Sample>,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let interrupt = Interrupt::watch()?;
    let rows = read_rows(&arguments.file)?;
    let samples = match (&arguments.completions, arguments.ideal) {
        (Some(file), _) => samples(&rows, file)?,
        (None, Some(Which::References)) => own_samples(&rows, Ideals::References),
        (None, _) => own_samples(&rows, Ideals::Written),
    };
    if samples.is_empty() {
        return Err(format!("{}: no row has completions of this kind", arguments.file.display()).into());
    }
    let work = Work { rows, samples };
    let empty = work.samples.iter().filter(|sample| sample.is_empty()).count();
    if empty > 0 {
        let replies = output::count(empty, "completion says", "completions say");
        terminal::line(&format!("note: {replies} nothing; an empty reply is judged like any other"));
    }
    let read = match (arguments.judge, &arguments.models) {
        (Who::Rules, Some(_)) => return Err("--judge rules asks no model: leave one of the two out".into()),
        (Who::Model, Some(file)) => Some((file, Roles::load(file)?)),
        (_, None) => None,
    };
    let roles = match &read {
        Some((file, read)) => Some(models::open_read(file, read, &[Role::Judge], arguments.kernels)?),
        None => None,
    };
    let source = read.as_ref().and_then(|(_, read)| read.played().find(|(role, ..)| *role == Role::Judge));
    let at_once = match source.map(|(.., source)| source) {
        // It reads conversations one after the other, and shares what the questions about one have in common.
        Some(ModelSource::Local(_)) => None,
        Some(source) => Some(source.at_once()),
        None => Some(arguments.server.at_once()),
    };
    let client = match &roles {
        Some(roles) => roles.model(Role::Judge).cloned(),
        None => arguments.server.client()?,
    };
    let report = match (arguments.judge, client) {
        (Who::Rules, None) => arguments.by_rules(&work, &interrupt)?,
        (Who::Rules, Some(_)) => return Err("--judge rules asks no server: leave one of the two out".into()),
        (Who::Model, Some(client)) => {
            arguments.by_model(&work, &client, at_once, roles.as_ref(), &interrupt)?
        }
        (Who::Model, None) => {
            return Err(
                "a model judges, so name one with --server and --server-model, or with --models, or say --judge rules"
                    .into(),
            );
        }
    };
    if arguments.json {
        output::json(&report)?;
    } else {
        output::text(&output::shown(&report.in_words()?))?;
    }
    if report.stopped {
        return Err("stopped; the same command goes on".into());
    }
    match report.all_failed {
        Some(why) => Err(why.into()),
        None => Ok(()),
    }
}

impl Arguments {
    fn by_rules(&self, work: &Work, interrupt: &Interrupt) -> Result<Report, Box<dyn Error>> {
        let judge = WrittenJudge::bundled();
        let identity = WrittenJudge::identity();
        let facts = JudgeFacts { kind: "rules", model: None, protocol: None, settings: None, identity };
        let name = facts.identity.clone();
        let grade = |it: &Open| -> Vec<Grade> {
            let grade = |key: &GradeKey| {
                let criterion = it.row.rubrics.get(key.criterion).map_or("", |item| item.criterion.as_str());
                Grade::by_rules(key.clone(), judge.judge(criterion, &it.sample.text).judgement, &name)
            };
            it.keys.iter().map(grade).collect()
        };
        let graded = self.grade(work, &name, interrupt, None, &AtomicBool::default(), &grade)?;
        Ok(Report::new(work, graded, facts, None, self.seed))
    }

    /// Grades what was not judged before, in the places of `pool` where there is one, and keeps each completion's grades as soon as they are there.
    /// `given_up` is set where they cannot be kept.
    fn grade(
        &self,
        work: &Work,
        judge: &str,
        interrupt: &Interrupt,
        pool: Option<&Pooled>,
        given_up: &AtomicBool,
        grade: &(dyn Fn(&Open) -> Vec<Grade> + Sync),
    ) -> Result<Graded, Box<dyn Error>> {
        let mut ledger = Ledger::open(&self.out, judge)?;
        let (mut keys, mut open) = (Vec::new(), Vec::new());
        for sample in &work.samples {
            let Some(row) = work.rows.get(sample.row) else { continue };
            let of_sample = GradeKey::all(row, sample);
            let left: Vec<GradeKey> =
                of_sample.iter().filter(|key| !ledger.is_judged(key)).cloned().collect();
            keys.extend(of_sample);
            if !left.is_empty() {
                open.push(Open { row, sample, keys: left });
            }
        }
        let all = keys.len();
        let resumed = all - open.iter().map(|it| it.keys.len()).sum::<usize>();
        let progress = Progress::criteria(all);
        let mut done = resumed;
        progress.set(done as u64, all as u64);
        let begun = Instant::now();
        let mut why = None;
        let stopped = || interrupt.is_pressed() || given_up.load(Ordering::SeqCst);
        let give_up = || given_up.store(true, Ordering::SeqCst);
        judge_each(&open, pool, &stopped, &give_up, grade, |grades| {
            done += grades.len();
            if why.is_none() {
                let failed = grades.iter().find(|grade| grade.verdict == Verdict::NotJudged);
                why = failed.map(|grade| grade.reason.clone());
            }
            ledger.add(grades)?;
            progress.set(done as u64, all as u64);
            Ok::<(), LedgerError>(())
        })?;
        let waited = begun.elapsed();
        progress.finish();
        let stopped = interrupt.is_pressed();
        if resumed > 0 {
            terminal::line(&format!("{resumed} of {all} criteria were judged before"));
        }
        if !stopped {
            let finished = ledger.finished(keys.iter())?;
            output::write_atomically(&self.out, &finished)
                .map_err(|error| format!("{}: {error}", self.out.display()))?;
            let all = output::count(all, "criterion", "criteria");
            terminal::line(&format!("{all} in {:.1} s", begun.elapsed().as_secs_f64()));
        }
        Ok(Graded { ledger, resumed, stopped, waited, why })
    }
}
