//! Every unit that a model may play, through the client, against servers that fail in every way: a patient's voice, gate and check, the
//! judge with each of its protocols, the writer of rubrics. What comes of it is the right answer or a failure that is told, in time, and
//! no verdict that nobody gave.

mod faults;
mod judge;
mod patient;
mod real;
mod writer;

use std::time::Instant;

use osler::chat::client::Client;

use self::faults::{Deed, End, cases};
use super::{Quick, scripted};

/// A unit that asks a model one thing.
trait Unit {
    /// The right answer, as a model says it.
    fn right(&self) -> String;

    /// How often it asks again after an answer of another shape.
    fn again(&self) -> usize;

    /// Answers that are JSON of another shape, and what has to be said of them.
    fn wrong(&self) -> Vec<(String, &'static str)>;

    /// Asks `client`. Checks that the right answer was taken, or else that nothing was, and says why.
    fn ask(&self, client: &Client<Quick>) -> Result<(), String>;
}

/// Holds a unit against every fault, streamed and not.
fn stands(unit: &dyn Unit) {
    for streamed in [false, true] {
        for case in cases(unit) {
            let name = format!("{}, {}", case.name, if streamed { "streamed" } else { "whole" });
            let begun = Instant::now();
            let (server, client, clock) = case.set(&unit.right(), streamed);
            let found = unit.ask(&client);
            match (&case.end, &found) {
                (End::Right(waited), Ok(())) => assert_eq!(clock.waited(), *waited, "{name}"),
                (End::Failed(words), Err(said)) => {
                    assert!(said.contains(words), "{name}: {words}\nnot in\n{said}")
                }
                _ => panic!("{name}: {found:?}"),
            }
            for _ in case.deeds.iter().filter(|deed| !matches!(deed, Deed::Drop)) {
                let body = server.request().body;
                assert_eq!(body["stream"], streamed, "{name}");
                // Whatever it was told before, it is not told megabytes again.
                assert!(body.to_string().len() < 100_000, "{name}");
            }
            assert!(server.requests().is_empty(), "{name}: it was asked more often");
            if case.deeds.iter().any(|deed| matches!(deed, Deed::Flood)) {
                // What was on its way when it was left: buffers of the system, and a few pieces.
                let written = server.flood();
                assert!((7 << 20..32 << 20).contains(&written), "{name}: {written}");
            }
            assert!(begun.elapsed() < scripted::PATIENCE, "{name}: {:?}", begun.elapsed());
        }
    }
}
