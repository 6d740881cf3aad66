//! The units against a server that is really there: once each, streamed and not.
//!
//! `OSLER_TEST_SERVER` is its base URL, `OSLER_TEST_MODEL` its model's name. What a small model answers is no matter: each answer is taken
//! or refused as it should be, and nothing is judged that was not.

use std::time::{Duration, Instant};

use osler::chat::ChatError;
use osler::chat::client::{Client, ClientSettings, Retries, Timeouts};
use osler::rubric::Verdict;
use osler::rubric::authoring::writer::Writer;
use osler::rubric::authoring::{Templates, weights};
use osler::rubric::model_judge::{Item, ModelJudge, ModelJudgeSettings, Protocol, Sheet};
use osler::sim::forbidden::names_any;
use osler::sim::played::{PlayedError, Settings};
use osler::sim::{Limits, PlayedPatient, Prompts, Unit, Units};

use super::judge::{exhibit, grader};
use super::patient::{WHEN, script};
use super::writer::merit_and_mistake;

/// A variable of the environment; `None`, and a line that says so, where it is not set.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        eprintln!("skipped: {name} is not set");
    }
    value
}

/// A small model's answer may be refused; a server's failure is one of this test.
fn refused(error: &ChatError) -> String {
    assert!(matches!(error, ChatError::NotAsAsked { .. }), "{error}");
    error.to_string()
}

/// The patient's answer with these units, in a line.
fn answered(units: Units<'_>) -> String {
    let script = script();
    let settings = Settings { again: 0, ..Settings::default() };
    let patient =
        PlayedPatient::new(&script, Limits::default(), units, Prompts::bundled(), 7).with_settings(settings);
    let mut consultation = patient.open();
    match patient.answer(&mut consultation, WHEN) {
        Ok(log) => {
            let log = log.unwrap();
            assert!(log.failures.is_empty());
            assert_eq!((consultation.turns.len(), log.ending), (1, consultation.ending));
            let said = log.patient.clone().unwrap_or_default();
            assert!(!names_any(&said, &script.forbidden), "{said}");
            assert_eq!(said.is_empty(), log.ending.is_some());
            let mut line = Vec::new();
            log.write_line(&mut line).unwrap();
            format!("{:?} {said:?} {} drafts", log.gate.verdict, log.drafts.len())
        }
        Err(PlayedError::Unit { source, .. }) => {
            assert_eq!(consultation, patient.open());
            refused(&source)
        }
        Err(other) => panic!("{other}"),
    }
}

/// Two items by a protocol, in a line.
fn judged(client: &Client, protocol: Protocol, settings: ModelJudgeSettings) -> String {
    let judge = ModelJudge::new(client, protocol, settings).unwrap();
    let items = [("[5] Advises rest.", true), ("[-4] Is rude.", false)];
    let items = items.map(|(text, good)| Item { text: text.into(), good }).to_vec();
    let opinions = judge.judge(&[Sheet { exhibit: exhibit(), items }]).remove(0);
    let mut verdicts = Vec::new();
    for opinion in &opinions {
        let (judgement, votes) = (&opinion.judgement, opinion.votes);
        let counted = (votes.met, votes.not_met, votes.not_judged);
        match judgement.verdict {
            Verdict::Met => assert_eq!(counted, (1, 0, 0)),
            Verdict::NotMet => assert_eq!(counted, (0, 1, 0)),
            Verdict::NotJudged => {
                assert_eq!(counted, (0, 0, 1));
                assert!(judgement.reason.contains("no reply can be read"), "{}", judgement.reason);
            }
        }
        verdicts.push(format!("{:?}", judgement.verdict));
    }
    let tally = judge.tally();
    let given = opinions.iter().filter(|it| it.judgement.verdict != Verdict::NotJudged).count();
    assert_eq!((tally.items, tally.judged, tally.failed), (2, given as u64, 0));
    verdicts.join(", ")
}

/// The points of a merit and a mistake, in a line.
fn weighed(client: &Client) -> String {
    let templates = Templates::bundled();
    let (prompt, chosen) = merit_and_mistake();
    let writer = Writer { max_tokens: 200, again: 0, ..Writer::new(client, &templates, 0) };
    match weights::ask(&writer, &prompt, chosen, &mut ()) {
        Ok((weighted, dropped)) => {
            assert_eq!(weighted.len() + dropped, 2);
            assert!(weighted.iter().all(|it| (it.points < 0) == it.candidate.undesirable));
            format!("{:?}, {dropped} dropped", weighted.iter().map(|it| it.points).collect::<Vec<_>>())
        }
        Err(error) => refused(&error),
    }
}

#[test]
fn units_work_with_a_real_server() {
    let (Some(url), Some(model)) = (variable("OSLER_TEST_SERVER"), variable("OSLER_TEST_MODEL")) else {
        return;
    };
    for stream in [false, true] {
        let settings = ClientSettings {
            timeouts: Timeouts {
                total: Duration::from_secs(300),
                between_bytes: Duration::from_secs(120),
                ..Timeouts::default()
            },
            retries: Retries { most: 1, ..Retries::default() },
            stream,
            ..ClientSettings::new(url.parse().unwrap(), &model)
        };
        let client = Client::new(settings).unwrap();
        let unit = Unit::Model(&client);
        let short = |base| ModelJudgeSettings { again: 0, max_tokens: 512, ..base };
        type Ask<'a> = (&'a str, Box<dyn Fn() -> String + 'a>);
        let asks: [Ask<'_>; 6] = [
            ("gate", Box::new(|| answered(Units { gate: unit, ..Units::rules() }))),
            ("voice", Box::new(|| answered(Units { voice: unit, ..Units::rules() }))),
            ("check", Box::new(|| answered(Units { check: unit, ..Units::rules() }))),
            (
                "judge, report",
                Box::new(|| judged(&client, Protocol::report(), short(ModelJudgeSettings::REPORT))),
            ),
            (
                "judge, healthbench",
                Box::new(|| judged(&client, grader(), short(ModelJudgeSettings::HEALTHBENCH))),
            ),
            ("writer", Box::new(|| weighed(&client))),
        ];
        for (name, ask) in asks {
            let (begun, before) = (Instant::now(), client.figures());
            let said = ask();
            let now = client.figures();
            let (requests, tokens) = (
                now.requests - before.requests,
                now.usage.completion_tokens - before.usage.completion_tokens,
            );
            assert_eq!(now.failures, before.failures, "{name}");
            assert!(requests > 0 && tokens > 0, "{name}: {requests} requests, {tokens} tokens");
            let how = if stream { "streamed" } else { "whole" };
            let seconds = begun.elapsed().as_secs_f64();
            eprintln!("{name}, {how}: {requests} requests, {tokens} tokens, {seconds:.1} s: {said}");
        }
    }
}
