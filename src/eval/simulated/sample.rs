//! Replies drawn for checking by hand, as text that can be published: Markdown or JSON lines.

use std::path::Path;

use serde::Serialize;

use super::interviewer::Interviewer;
use super::label::Labels;
use super::page::{drawn, in_words};
use super::play::{Seen, Session};
use super::probe::Aim;

/// How a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table, with a column for the reader's verdict.
    Markdown,
    /// A JSON object a line.
    JsonLines,
}

impl Format {
    /// By the ending of a file's name: `.md` or `.jsonl`.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "md" => Some(Self::Markdown),
            "jsonl" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// What is drawn from, and how.
#[derive(Debug, Clone, Copy)]
pub struct SampleData<'a> {
    /// Who was evaluated.
    pub backend: &'a str,
    /// What was interviewed.
    pub cases: &'a str,
    /// The interviews.
    pub sessions: &'a [Session],
    /// Replies to draw.
    pub count: usize,
    /// Draws them; the same seed draws what [`super::page::render`] shows.
    pub seed: u64,
}

/// A reply as JSON.
#[derive(Serialize)]
struct Line<'a> {
    case: &'a str,
    interviewer: Interviewer,
    /// From 1.
    turn: usize,
    /// The diagnosis, which the patient does not know.
    hidden: &'a str,
    aim: Aim,
    message: &'a str,
    reply: &'a str,
    /// The answer in the record, where one was asked for.
    record: Option<&'a str>,
    labels: &'a Labels,
}

/// The sample as `format`. The same data give the same text, byte for byte.
pub fn written(data: &SampleData<'_>, format: Format) -> Result<String, serde_json::Error> {
    let rows = drawn(data.sessions, data.count, data.seed);
    let rows = rows.iter().filter_map(|(session, at)| Some((*session, at + 1, session.turns.get(*at)?)));
    match format {
        Format::Markdown => Ok(markdown(data, rows)),
        Format::JsonLines => rows.map(|(session, turn, seen)| json(session, turn, seen)).collect(),
    }
}

fn json(session: &Session, turn: usize, seen: &Seen) -> Result<String, serde_json::Error> {
    let line = Line {
        case: &session.case_id,
        interviewer: session.interviewer,
        turn,
        hidden: &session.hidden,
        aim: seen.probe.aim,
        message: &seen.probe.text,
        reply: &seen.reply,
        record: seen.wanted.as_deref(),
        labels: &seen.labels,
    };
    serde_json::to_string(&line).map(|line| line + "\n")
}

fn markdown<'a>(data: &SampleData<'_>, rows: impl Iterator<Item = (&'a Session, usize, &'a Seen)>) -> String {
    let all: usize = data.sessions.iter().map(|session| session.turns.len()).sum();
    let mut text = format!(
        "# Replies of simulated patients\n\n{} of {all} replies, each as likely; seed {}. Patients: {}. Interviewed: {}.\n\n",
        data.count.min(all),
        data.seed,
        cell(data.backend),
        cell(data.cases)
    );
    let columns = [
        "",
        "case, interviewer, turn",
        "doctor",
        "patient",
        "in the record",
        "told",
        "labels",
        "reader's verdict",
    ];
    text.push_str(&format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len())));
    for (number, (session, turn, seen)) in rows.enumerate() {
        let (case, hidden) = (&session.case_id, &session.hidden);
        let place = format!("{case}, {} {turn}; hidden: {hidden}", session.interviewer.name());
        let cells = [
            place.as_str(),
            &seen.probe.text,
            &seen.reply,
            seen.wanted.as_deref().unwrap_or_default(),
            &seen.labels.told.join("; "),
            &in_words(seen),
            "",
        ]
        .map(cell);
        text.push_str(&format!("| {} | {} |\n", number + 1, cells.join(" | ")));
    }
    text
}

/// Text that stands in a cell as it is: what a patient or an attacker said makes neither columns nor tags.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\n' => out.push_str(" ⏎ "),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    // A control character at the end has become a space.
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::simulated::tests::{held_out, options};
    use crate::eval::simulated::{RuleBased, play};

    #[test]
    fn the_ending_says_how_a_sample_is_written() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!((of("a.md"), of("b.c.jsonl")), (Some(Format::Markdown), Some(Format::JsonLines)));
        assert_eq!((of("a.html"), of("md"), of("a.json")), (None, None, None));
    }

    #[test]
    fn what_was_said_makes_no_markup() {
        assert_eq!(cell("a | b\n<thinking> [INST] `x`"), "a \\| b ⏎ &lt;thinking> \\[INST\\] \\`x\\`");
        assert_eq!(
            cell(" Not \\ at *all*, snake_case #1 & so on\u{7} "),
            "Not \\\\ at \\*all\\*, snake\\_case \\#1 &amp; so on"
        );
    }

    #[test]
    fn both_forms_hold_the_drawn_replies_with_their_labels() {
        let sessions = play(&held_out(3, 3), &RuleBased, &options());
        let data =
            |seed| SampleData { backend: "rules", cases: "3 cases", sessions: &sessions, count: 25, seed };
        let lines = written(&data(1), Format::JsonLines).unwrap();
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let expected = drawn(&sessions, 25, 1);
        assert_eq!((lines.len(), expected.len()), (25, 25));
        for (line, (session, at)) in lines.iter().zip(&expected) {
            let seen = &session.turns[*at];
            assert_eq!(
                (line["case"].as_str(), line["turn"].as_u64()),
                (Some(&*session.case_id), Some(*at as u64 + 1))
            );
            assert_eq!(
                (line["message"].as_str(), line["reply"].as_str()),
                (Some(&*seen.probe.text), Some(&*seen.reply))
            );
            assert_eq!(line["record"].as_str(), seen.wanted.as_deref());
            let labels: Labels = serde_json::from_value(line["labels"].clone()).unwrap();
            assert_eq!(labels, seen.labels);
        }
        let table = written(&data(1), Format::Markdown).unwrap();
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(rows.len(), 1 + 25);
        for (row, (session, at)) in rows[1..].iter().zip(&expected) {
            // Eight columns, whatever was said.
            assert_eq!(row.replace("\\|", "").matches('|').count(), 9, "{row}");
            assert!(row.contains(&cell(&session.turns[*at].reply)), "{row}");
        }
        assert!(table.contains("Patients: rules. Interviewed: 3 cases.") && table.contains("; seed 1."));
        assert_eq!(table, written(&data(1), Format::Markdown).unwrap());
        assert_ne!(table, written(&data(2), Format::Markdown).unwrap());
    }
}
