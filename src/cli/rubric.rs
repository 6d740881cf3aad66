//! `osler rubric`

mod grade;

use clap::{Args, Subcommand};

use crate::cli::CommandResult;

/// Rubrics: grade completions by them
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Grade(grade::Arguments),
}

pub fn run(arguments: Arguments) -> CommandResult {
    match arguments.command {
        Command::Grade(arguments) => grade::run(arguments),
    }
}
