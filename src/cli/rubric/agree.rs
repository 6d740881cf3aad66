//! `osler rubric agree`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::chat::ChatError;
use crate::cli::interrupt::{Interrupt, Waiting};
use crate::cli::models;
use crate::cli::options::RoleKernels;
use crate::cli::rubric::asked::{client, templates};
use crate::cli::server::Server;
use crate::cli::terminal::Steps;
use crate::cli::{CommandResult, output};
use crate::data::lexicon::Lexicon;
use crate::data::utterance::Understanding;
use crate::eval::agreement::{Agreement, Shares};
use crate::eval::{Bootstrap, Estimate};
use crate::rubric::authoring::agreement::{Compared, Grouping, Referee, compare};
use crate::rubric::authoring::writer::{Writer, is_about_this};
use crate::rubric::authoring::{RubricRow, lines};
use crate::train::config::Role;

/// How far two sets of rubrics agree
///
/// Criteria agree where they are of the same dimension and have the same intent, whatever their wording. Rules say so, or with --server a
/// model; with --models it is the one in the role `judge`. Prompts are matched by their prompt_id.
#[derive(Args)]
#[command(group = ArgGroup::new("referee").args(["server", "models"]))]
#[command(after_help = "Examples:
  osler rubric agree experts.jsonl generated.jsonl
  osler rubric agree experts.jsonl generated.jsonl --server http://127.0.0.1:8080/v1 --server-model qwen --json
  osler rubric agree experts.jsonl generated.jsonl --models configs/models-servers.toml

JSON: {\"referee\", \"only_first\", \"only_second\", \"failures\": [{\"prompt_id\", \"why\"}], \"agreement\": {\"prompts\", \"grouping\",
       \"all\": {\"first\", \"first_in_second\", \"second\", \"second_in_first\", \"recall\", \"precision\", \"f1\"}, \"groups\": {..},
       \"points\": {\"pairs\", \"mean_difference\", \"within_two\"}}}")]
pub struct Agree {
    /// The set that is the standard
    #[arg(value_name = "FIRST")]
    first: PathBuf,

    /// The set that is measured
    #[arg(value_name = "SECOND")]
    second: PathBuf,

    /// Resamples of the intervals
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,

    /// Seed of the resamples, and of the model
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// Folder of prompts for the model, in place of the bundled ones
    #[arg(long, value_name = "DIR", requires = "referee")]
    prompts: Option<PathBuf>,

    /// File of models and roles; the model in the role `judge` compares
    #[arg(long, value_name = "FILE")]
    models: Option<PathBuf>,

    #[command(flatten)]
    kernels: RoleKernels,

    #[command(flatten)]
    server: Server,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    referee: String,
    only_first: usize,
    only_second: usize,
    failures: Vec<Failure>,
    agreement: Agreement,
}

/// A prompt that the model could not compare. It counts for nothing.
#[derive(Serialize)]
struct Failure {
    prompt_id: String,
    why: String,
}

impl Agree {
    pub fn run(self) -> CommandResult {
        let first = read(&self.first)?;
        let second = read(&self.second)?;
        let grouping = Grouping::of(first.values().chain(second.values()));
        let open = |file: &Path| models::open(file, &[Role::Judge], self.kernels);
        let roles = self.models.as_deref().map(open).transpose()?;
        let templates = templates(self.prompts.as_deref(), roles.as_ref())?;
        let client = client(Role::Judge, roles.as_ref(), &self.server)?;
        let writer = client.as_deref().map(|client| Writer::new(client, &templates, self.seed));
        let referee = match &writer {
            Some(writer) => Referee::Model(writer),
            None => Referee::Rules(Understanding::bundled(), Lexicon::bundled()),
        };
        let ids: BTreeSet<&String> = first.keys().filter(|id| second.contains_key(*id)).collect();
        if ids.is_empty() {
            return Err("the two sets have no prompt_id in common, so there is nothing to compare".into());
        }
        let interrupt = Interrupt::watch()?;
        let steps = Steps::new();
        let (mut compared, mut failures): (Vec<Compared>, Vec<Failure>) = Default::default();
        for (at, id) in ids.iter().enumerate() {
            let (Some(a), Some(b)) = (first.get(*id), second.get(*id)) else { continue };
            if writer.is_some() {
                steps.say(&format!("comparing {} of {}", at + 1, ids.len()));
            }
            match compare(a, b, grouping, referee, &mut Waiting(&interrupt)) {
                Ok(it) => compared.push(it),
                Err(error) if is_about_this(&error) => {
                    failures.push(Failure { prompt_id: (*id).clone(), why: error.to_string() });
                }
                Err(ChatError::Stopped) => return Err("stopped before all prompts were compared".into()),
                Err(error) => return Err(error.into()),
            }
        }
        steps.finish();
        if let (true, Some(failure)) = (compared.is_empty(), failures.first()) {
            return Err(format!("no prompt could be compared; {}: {}", failure.prompt_id, failure.why).into());
        }
        let bootstrap = Bootstrap { resamples: self.resamples as usize, seed: self.seed };
        let report = Report {
            referee: writer.as_ref().map_or("rules", |writer| writer.model.name()).to_owned(),
            only_first: first.len() - ids.len(),
            only_second: second.len() - ids.len(),
            failures,
            agreement: Agreement::of(&compared, grouping, &bootstrap)?,
        };
        if self.json {
            output::json(&report)?;
        } else {
            output::text(&output::shown(&in_words(&report)))?;
        }
        Ok(())
    }
}

/// The rubrics of a file by their ids.
fn read(path: &Path) -> Result<BTreeMap<String, RubricRow>, Box<dyn std::error::Error>> {
    let mut rows = BTreeMap::new();
    for row in lines::read::<RubricRow>(path)? {
        if let Some(before) = rows.insert(row.prompt_id.clone(), row) {
            let id = before.prompt_id;
            return Err(format!("{}: prompt_id `{id}` is there twice, legal is once", path.display()).into());
        }
    }
    Ok(rows)
}

fn in_words(report: &Report) -> String {
    let it = &report.agreement;
    let mut text = format!(
        "{} prompts compared by {}; {} only in the first set, {} only in the second, {} not compared\n\n\
         {:<24}{:>10} {:<28}{:>10} {:<28}{:>6}\n",
        it.prompts,
        report.referee,
        report.only_first,
        report.only_second,
        report.failures.len(),
        "",
        "first",
        "in the second",
        "second",
        "in the first",
        "F1"
    );
    for (name, shares) in
        std::iter::once(("all", &it.all)).chain(it.groups.iter().map(|(name, it)| (name.as_str(), it)))
    {
        text.push_str(&row(name, shares));
    }
    match &it.points {
        Some(points) => {
            let _ = writeln!(
                text,
                "\npoints of {} pairs: mean difference {:.2}, within two {:.1}%",
                points.pairs,
                points.mean_difference,
                100.0 * points.within_two
            );
        }
        None => text.push_str("\nno two criteria have the same intent\n"),
    }
    text
}

fn row(name: &str, shares: &Shares) -> String {
    let share = |it: &Option<Estimate>| match it {
        Some(Estimate { mean, ci95: Some([low, high]), .. }) => {
            format!("{:.1}% ({:.1} to {:.1})", 100.0 * mean, 100.0 * low, 100.0 * high)
        }
        Some(Estimate { mean, .. }) => format!("{:.1}%", 100.0 * mean),
        None => "-".to_owned(),
    };
    let f1 = shares.f1.map_or("-".to_owned(), |it| format!("{it:.2}"));
    format!(
        "{name:<24}{:>10} {:<28}{:>10} {:<28}{f1:>6}\n",
        shares.first,
        share(&shares.recall),
        shares.second,
        share(&shares.precision)
    )
}
