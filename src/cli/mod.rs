//! The command line: one file a command, each thin.

mod bench;
mod cases;
mod chat;
mod consult;
mod doctor;
mod export;
mod figures;
mod generate;
mod initiative;
mod inspect;
mod interrupt;
mod models;
mod options;
mod output;
mod rubric;
mod score;
mod server;
mod sim;
mod terminal;
mod tokenize;
mod train;

use std::error::Error;
use std::process::ExitCode;

use clap::{Command, CommandFactory, Parser, Subcommand};

/// What a command returns: its error goes to stderr, with its causes.
type CommandResult = Result<(), Box<dyn Error>>;

/// Train medical language models in consultation. Research software: it trains models and gives no medical advice.
#[derive(Parser)]
#[command(name = "osler", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    Train(train::Arguments),
    Generate(generate::Arguments),
    Chat(chat::Arguments),
    Tokenize(tokenize::Arguments),
    Score(score::Arguments),
    Inspect(inspect::Arguments),
    Export(export::Arguments),
    Bench(bench::Arguments),
    Cases(cases::Arguments),
    Consult(consult::Arguments),
    Rubric(rubric::Arguments),
    Sim(sim::Arguments),
    Doctor(doctor::Arguments),
}

/// The definition of every command, for the generated reference.
pub fn command() -> Command {
    Cli::command()
}

/// Reads the arguments, runs the command and returns its exit status: 0 done, 1 failed, 2 wrong usage; `train` has two
/// more.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Subcommands::Train(arguments) => train::run(arguments),
        Subcommands::Generate(arguments) => generate::run(arguments),
        Subcommands::Chat(arguments) => chat::run(arguments),
        Subcommands::Tokenize(arguments) => tokenize::run(arguments),
        Subcommands::Score(arguments) => score::run(arguments),
        Subcommands::Inspect(arguments) => inspect::run(arguments),
        Subcommands::Export(arguments) => export::run(arguments),
        Subcommands::Bench(arguments) => bench::run(arguments),
        Subcommands::Cases(arguments) => cases::run(arguments),
        Subcommands::Consult(arguments) => consult::run(arguments),
        Subcommands::Rubric(arguments) => rubric::run(arguments),
        Subcommands::Sim(arguments) => sim::run(arguments),
        Subcommands::Doctor(arguments) => doctor::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::report(error.as_ref());
            let stopped = error.downcast_ref::<train::StoppedEarly>();
            stopped.map_or(ExitCode::FAILURE, |stopped| ExitCode::from(stopped.status))
        }
    }
}
