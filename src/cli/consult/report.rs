//! A marked consultation as the person who led it reads it.

use serde::Serialize;

use crate::chat::ChatModel;
use crate::data::case::{Case, Sex};
use crate::data::consultation::{Consultation, Ending};
use crate::rubric::model_judge::{ModelJudgeSettings, Tally};
use crate::rubric::{ConsultationMarks, Marked, Marks, ModelJudge, Verdict};
use crate::sim::played::{TurnCounts, UnitNames};

/// Who played the patient, where a model did any of it, and how its turns went.
#[derive(Serialize)]
pub struct PatientFacts {
    #[serde(flatten)]
    pub units: UnitNames,
    pub counts: TurnCounts,
}

impl PatientFacts {
    pub fn in_words(&self) -> String {
        let TurnCounts { turns, lost, safe_replies, stepped_in, .. } = self.counts;
        format!(
            "the patient ({}): of {turns} turns {stepped_in} by rules because a model gave no answer, {safe_replies} because no \
             draft stood; {lost} without a reply",
            self.units
        )
    }
}

/// Which model judged, and how much of it.
#[derive(Serialize)]
pub struct JudgeFacts {
    model: String,
    protocol: &'static str,
    settings: ModelJudgeSettings,
    identity: String,
    criteria: usize,
    judged: usize,
    coverage: Option<f64>,
    work: Tally,
}

impl JudgeFacts {
    /// The facts of `judge`, whose verdicts are in `marks`.
    pub fn new<M: ChatModel + ?Sized>(judge: &ModelJudge<'_, M>, marks: &ConsultationMarks) -> Self {
        let items = || marks.turns.iter().chain([&marks.whole]).flat_map(|marks| &marks.items);
        let criteria = items().count();
        let judged = items().filter(|item| item.judgement.verdict != Verdict::NotJudged).count();
        Self {
            model: judge.model_name().to_owned(),
            protocol: judge.protocol_name(),
            settings: judge.settings(),
            identity: judge.identity(),
            criteria,
            judged,
            coverage: (criteria > 0).then(|| judged as f64 / criteria as f64),
            work: judge.tally(),
        }
    }

    pub fn in_words(&self) -> String {
        let Self { model, protocol, criteria, judged, .. } = self;
        let share = self.coverage.map_or(String::new(), |share| format!(" ({:.1}%)", 100.0 * share));
        let failed = match self.work.failed {
            0 => String::new(),
            failed => format!("; {failed} of {} requests failed", self.work.requests),
        };
        format!("judged by {model} ({protocol}): {judged} of {criteria} criteria{share}{failed}")
    }
}

/// The name that a value of an enumeration has in files.
fn name(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

/// What is seen of a patient at the door.
pub fn who(case: &Case) -> String {
    let person = match case.stratum.sex {
        Sex::Female => ", female",
        Sex::Male => ", male",
        Sex::Other => "",
    };
    format!("A patient aged {}{person}.", case.stratum.age)
}

/// Why it ended; `who` was the doctor.
pub fn ending(ending: Option<Ending>, who: &str) -> String {
    match ending {
        Some(Ending::Concluded) => {
            format!("The consultation is over: {who} said what it is and what to do.")
        }
        Some(Ending::Goodbye) => format!("The consultation is over: {who} said goodbye."),
        Some(Ending::Emergency) => {
            format!("The consultation is over: {who} sent the patient to emergency care.")
        }
        Some(Ending::TurnLimit) => {
            "The consultation is over: that was the last message there is time for.".to_owned()
        }
        Some(Ending::GaveUp) => {
            "The consultation is over: the patient gave up, after messages that repeated or made no sense."
                .to_owned()
        }
        None => "You ended the consultation.".to_owned(),
    }
}

/// What the patient told, in the chart's words.
pub fn told(case: &Case, consultation: &Consultation) -> String {
    let mut lines: Vec<String> = Vec::new();
    for id in consultation.turns.iter().flat_map(|turn| &turn.told) {
        if let Some(fact) = case.fact(id.as_str()) {
            let line = format!("  {}: {}\n", name(&fact.topic), fact.text);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    if lines.is_empty() { "Nothing yet but the first words.\n".into() } else { lines.concat() }
}

/// The marks of each message, and with `whole` of the consultation.
pub fn in_words(consultation: &Consultation, marks: &ConsultationMarks, whole: bool) -> String {
    let mut text = String::new();
    for (at, (turn, turn_marks)) in consultation.turns.iter().zip(&marks.turns).enumerate() {
        let number = at + 1;
        text.push_str(&format!("\nmessage {number}: {}  {}\n", value(turn_marks), quote(&turn.doctor, 70)));
        items(&mut text, turn_marks, |_| Some(turn.doctor.as_str()));
    }
    if let Some(mean) = marks.mean_reply() {
        text.push_str(&format!("\nmean of the messages: {mean:.2}\n"));
    }
    if whole {
        text.push_str(&format!("\nthe consultation as a whole: {}\n", value(&marks.whole)));
        if let Some(reward) = &marks.whole.reward {
            let axes = reward.axes.iter();
            let axes = axes.filter_map(|(axis, part)| Some(format!("{} {:.2}", name(axis), part.value()?)));
            text.push_str(&format!("  {}\n", axes.collect::<Vec<_>>().join(", ")));
        }
        items(&mut text, &marks.whole, |at| Some(consultation.turns.get(at?)?.doctor.as_str()));
    }
    text
}

fn value(marks: &Marks) -> String {
    marks.value().map_or_else(|| "not judged".into(), |value| format!("{value:.2}"))
}

/// What was gained, missed and done wrong, each with the points; `message` gives the text that evidence points into.
fn items<'a>(text: &mut String, marks: &Marks, message: impl Fn(Option<usize>) -> Option<&'a str>) {
    let shown = |item: &Marked| item.judgement.verdict == Verdict::Met || item.criterion.points > 0;
    let judged = |item: &&Marked| item.judgement.verdict != Verdict::NotJudged;
    for item in marks.items.iter().filter(judged).filter(|item| shown(item)) {
        let (points, judgement) = (item.criterion.points, &item.judgement);
        let got = match (judgement.verdict, points > 0) {
            (Verdict::Met, true) => format!("{points:+} of {points}"),
            (Verdict::Met, false) => format!("{points:+}"),
            _ => format!("0 of {points}"),
        };
        let evidence = judgement.evidence.and_then(|(start, end)| message(judgement.turn)?.get(start..end));
        let why = match evidence {
            Some(evidence) => {
                let place = judgement.turn.map(|at| format!("message {}: ", at + 1)).unwrap_or_default();
                format!("  [{place}{}]", quote(evidence, 60))
            }
            None if judgement.verdict == Verdict::Met && !judgement.reason.is_empty() => {
                format!("  [{}]", judgement.reason)
            }
            None => String::new(),
        };
        text.push_str(&format!("  {got:>8}  {}\n", wrapped(&format!("{}{why}", item.criterion.text), 12)));
    }
    let avoided = marks.items.iter().filter(judged).filter(|item| !shown(item)).count();
    let not_judged = marks.items.len() - marks.items.iter().filter(judged).count();
    for (count, what) in [(avoided, "mistakes looked for and not made"), (not_judged, "items not judged")] {
        if count > 0 {
            text.push_str(&format!("  {count:>8}  {what}\n"));
        }
    }
}

/// Text in lines of at most 100 columns, all but the first after `indent` spaces; a longer word has a line of its own.
fn wrapped(text: &str, indent: usize) -> String {
    let (mut lines, mut column) = (String::new(), indent);
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > indent && column + 1 + width > 100 {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}

/// Text in quotation marks, cut to `most` characters.
fn quote(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("\"{}...\"", text.get(..at).unwrap_or_default()),
        None => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_words() {
        let text = format!("{} {} {} end", "a".repeat(60), "b".repeat(27), "c".repeat(120));
        let lines = wrapped(&text, 12);
        let wanted = ["a".repeat(60) + " " + &"b".repeat(27), "c".repeat(120), "end".into()];
        assert_eq!(lines.lines().map(str::trim_start).collect::<Vec<_>>(), wanted);
        assert!(lines.lines().skip(1).all(|line| line.starts_with(&" ".repeat(12))));
        assert_eq!(wrapped("", 3), "");
    }

    #[test]
    fn quotations_are_cut_at_characters() {
        assert_eq!(quote("h\u{e9}llo", 2), "\"h\u{e9}...\"");
        assert_eq!(quote("h\u{e9}", 2), "\"h\u{e9}\"");
    }
}
