//! `osler bench sim`

use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;

use crate::cli::terminal::Progress;
use crate::cli::{CommandResult, output};
use crate::data::bank::{Bank, SynthOptions};
use crate::data::lexicon::Lexicon;
use crate::rubric::{Generator, RuleJudge, marks};
use crate::sim::doctor::{DoctorQuality, ScriptedDoctor};
use crate::sim::{Limits, Patient, PatientScript, Persona, consult};
use crate::train::run::resident;

/// Measure rule-based simulation and judging
///
/// Scripted doctors of drawn quality consult patients of the bundled bank, and every message and every consultation is
/// marked, all on one thread. Turns a second, and the memory in use at each tenth of the way.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler bench sim
  osler bench sim --turns 1000000 --json

JSON: {\"turns\", \"consultations\", \"seconds\", \"turns_per_second\", \"mean_reward\",
       \"tenths\": [{\"turns\", \"turns_per_second\", \"resident_bytes\"?}, ..]}")]
pub struct Arguments {
    /// Turns to measure; the consultation that reaches them is led to its end
    #[arg(long, default_value_t = 50_000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..))]
    turns: u64,

    /// Cases that are consulted in turn
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    cases: u16,

    /// Messages of a consultation at most
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,

    /// Draws cases, personas and doctors
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    turns: u64,
    consultations: u64,
    seconds: f64,
    turns_per_second: f64,
    /// Of whole consultations; the same for the same options, so that no two measurements did different work.
    mean_reward: f64,
    tenths: Vec<Tenth>,
}

#[derive(Serialize)]
struct Tenth {
    /// Turns so far.
    turns: u64,
    /// Over this tenth.
    turns_per_second: f64,
    /// `None` where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_bytes: Option<u64>,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let limits = Limits { turns: usize::from(arguments.limit), ..Limits::default() };
    let cases = Bank::bundled().synth(arguments.seed, &SynthOptions::any(usize::from(arguments.cases)))?;
    let (generator, judge) = (Generator::bundled(limits.turns), RuleJudge::bundled());
    let (mut turns, mut consultations, mut rewards, mut marked) = (0u64, 0u64, 0.0, 0u64);
    let mut tenths: Vec<Tenth> = Vec::with_capacity(10);
    let progress = Progress::spinner();
    // Lexicon and rules are compiled before the clock starts, as in a run they are once.
    let lexicon = Lexicon::bundled();
    let start = Instant::now();
    let mut before = (0u64, 0.0f64);
    while turns < arguments.turns {
        // `cases` is not empty: at least one was asked for, and the bank draws as many as it is asked for.
        let case = &cases[(consultations % cases.len() as u64) as usize];
        let mut rng = ChaCha8Rng::seed_from_u64(arguments.seed);
        rng.set_stream(consultations);
        let quality = DoctorQuality::draw(rng.next_u64());
        let script = PatientScript::of_case(case, lexicon, Persona::draw(rng.next_u64()), rng.next_u64());
        let mut doctor = ScriptedDoctor::new(case, quality, limits.turns, rng.next_u64());
        let consultation = consult(&mut doctor, &Patient::new(&script, limits), limits.turns);
        let marks = marks(case, &consultation, &generator, &judge);
        if let Some(reward) = marks.whole.value() {
            rewards += reward;
            marked += 1;
        }
        turns += consultation.turns.len() as u64;
        consultations += 1;
        // A long consultation may pass more than one tenth of few turns.
        while turns * 10 >= arguments.turns * (tenths.len() as u64 + 1) && tenths.len() < 10 {
            let now = start.elapsed().as_secs_f64();
            let rate = (turns - before.0) as f64 / (now - before.1).max(1e-9);
            let resident_bytes = resident().map(|resident| resident.now);
            tenths.push(Tenth { turns, turns_per_second: rate, resident_bytes });
            progress.say(&format!("{turns} of {} turns", arguments.turns));
            if turns > before.0 {
                before = (turns, now);
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    progress.finish();
    let report = Report {
        turns,
        consultations,
        seconds,
        turns_per_second: turns as f64 / seconds.max(1e-9),
        mean_reward: rewards / (marked.max(1)) as f64,
        tenths,
    };
    if arguments.json {
        output::json(&report)?;
    } else {
        output::text(&in_words(&report))?;
    }
    Ok(())
}

fn in_words(report: &Report) -> String {
    let Report { turns, consultations, seconds, turns_per_second, mean_reward, tenths } = report;
    let mut text = format!(
        "{turns} turns of {consultations} consultations, simulated and judged on one thread in {seconds:.1} s: \
         {turns_per_second:.0} turns a second (mean reward {mean_reward:.3})\n"
    );
    for tenth in tenths {
        let memory = tenth.resident_bytes.map_or("unknown".to_owned(), output::bytes);
        text.push_str(&format!(
            "{:>10} turns  {:>8.0} a second  {memory} in memory\n",
            tenth.turns, tenth.turns_per_second
        ));
    }
    text
}
