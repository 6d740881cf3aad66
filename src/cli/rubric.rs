//! `osler rubric`

mod agree;
mod check;
mod generate;

use clap::Subcommand;

use crate::cli::CommandResult;

/// Rubrics: make prompts with rubrics, check them, compare two sets
///
/// Files are in HealthBench's JSONL; docs/rubrics.md says how they are made.
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
}

pub fn run(arguments: Arguments) -> CommandResult {
    match arguments.command {
        Command::Generate(arguments) => arguments.run(),
        Command::Check(arguments) => arguments.run(),
        Command::Agree(arguments) => arguments.run(),
    }
}
