//! `osler rubric`

mod agree;
mod asked;
mod check;
mod generate;
mod grade;

use clap::Subcommand;

use crate::cli::CommandResult;

/// Rubrics: make prompts with rubrics, check and compare them, grade completions by them
///
/// Files are in HealthBench's JSONL; docs/rubrics.md says how they are made, docs/judge.md who judges.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Generate(Box<generate::Generate>),
    Check(check::Check),
    Agree(Box<agree::Agree>),
    Grade(Box<grade::Arguments>),
}

pub fn run(arguments: Arguments) -> CommandResult {
    match arguments.command {
        Command::Generate(arguments) => arguments.run(),
        Command::Check(arguments) => arguments.run(),
        Command::Agree(arguments) => arguments.run(),
        Command::Grade(arguments) => grade::run(*arguments),
    }
}
