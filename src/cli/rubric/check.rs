//! `osler rubric check`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::{CommandResult, output};
use crate::rubric::authoring::problems::{Examined, Problem, Severity, examine};

/// Whether files of rubrics can be used
///
/// Tells everything that is wrong at once, with its line: lines that are no rubric, points that are zero or outside -10 to 10, criteria that
/// are empty or there twice, rubrics that no answer can score by, tags.
#[derive(Args)]
#[command(after_help = "Exits with 1 where there is an error; with --strict, where there is a warning too.

JSON: {\"files\": [{\"path\", \"rubrics\", \"criteria\", \"problems\": [{\"line\", \"criterion\"?, \"severity\", \"what\"}]}]}")]
pub struct Check {
    /// Files in HealthBench's JSONL
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,

    /// Fail on warnings too: criteria that are compound, tags that HealthBench's files have
    #[arg(long)]
    strict: bool,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct File {
    path: String,
    #[serde(flatten)]
    examined: Examined,
}

impl Check {
    pub fn run(self) -> CommandResult {
        #[derive(Serialize)]
        struct Report {
            files: Vec<File>,
        }
        let mut files = Vec::new();
        for path in &self.paths {
            files.push(File { path: path.display().to_string(), examined: examine(path)? });
        }
        let count = |severity| files.iter().map(|file| file.examined.count(severity)).sum::<usize>();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        if self.json {
            output::json(&Report { files })?;
        } else {
            output::text(&output::shown(&files.iter().map(in_words).collect::<String>()))?;
        }
        if errors > 0 || (self.strict && warnings > 0) {
            return Err(format!("{errors} errors, {warnings} warnings").into());
        }
        Ok(())
    }
}

fn in_words(file: &File) -> String {
    let File { path, examined } = file;
    let line = |problem: &Problem| format!("{path}, {problem}\n");
    let mut text: String = examined.problems.iter().map(line).collect();
    text.push_str(&format!(
        "{path}: {} rubrics with {} criteria, {} errors, {} warnings\n",
        examined.rubrics,
        examined.criteria,
        examined.count(Severity::Error),
        examined.count(Severity::Warning)
    ));
    text
}
