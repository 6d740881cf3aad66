//! The top of a report: what was run and what came of it.

use super::bars::sign;
use super::data::{DoctorKind, DoctorRow, ReportData, RunFacts};
use super::html::Html;
use super::number::{reward, signed};
use super::tables::{comparison, interval};
use crate::eval::compare::Comparison;
use crate::eval::statistics::Estimate;

/// What every report says of itself.
const STATUS: &str = "Research software: it trains models on simulated patients and gives no medical advice. The \
     rewards below are marks by a rubric, no measure of clinical safety or benefit.";

/// The run's name and facts.
pub(super) fn facts(html: &mut Html, run: &RunFacts) {
    html.within("header", &[], |html| {
        html.within("h1", &[], |html| {
            html.text(if run.name.is_empty() { "a run without a name" } else { &run.name });
        });
        html.leaf("p", &[("class", "status")], STATUS);
        let seed = run.seed.to_string();
        let own = [("date", run.date.as_str()), ("seed", &seed), ("device", &run.device)];
        let more = run.facts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        html.within("dl", &[("class", "facts")], |html| {
            for (name, value) in own.into_iter().chain(more).filter(|(_, value)| !value.is_empty()) {
                html.within("div", &[], |html| {
                    html.leaf("dt", &[], name).leaf("dd", &[], value);
                });
            }
        });
        for note in &run.notes {
            html.leaf("p", &[("class", "note")], note);
        }
    });
}

/// Before, after and gain in large figures, and what they do and do not show.
pub(super) fn headline(html: &mut Html, data: &ReportData) {
    let Some(found) = &data.comparison else {
        html.leaf("p", &[("class", "note")], "The run was not evaluated, so there is no before and after.");
        return;
    };
    let overall = &found.overall;
    html.within("div", &[("class", "cards")], |html| {
        card(html, "before", "before", &overall.before, reward);
        card(html, "after", "after", &overall.after, reward);
        card(html, sign(&overall.gain), "gain", &overall.gain, signed);
    });
    html.leaf("p", &[("class", "verdict")], &verdict(found, &data.doctors));
    comparison(html, "by how the patients are new", &found.parts);
    html.leaf("p", &[("class", "quiet")], &method(found));
}

fn card(html: &mut Html, class: &str, title: &str, estimate: &Estimate, number: fn(f64) -> String) {
    html.within("div", &[("class", &format!("card {class}"))], |html| {
        html.leaf("p", &[("class", "who")], title);
        html.leaf("p", &[("class", "figure")], &number(estimate.mean));
        html.leaf("p", &[("class", "quiet")], &interval(estimate, number));
    });
}

/// What the numbers show, in a sentence or two.
fn verdict(found: &Comparison, doctors: &[DoctorRow]) -> String {
    let gain = &found.overall.gain;
    let first = if gain.is_above_zero() {
        "Training made the doctor better on patients it never saw: the whole interval of the gain is above zero."
    } else if gain.is_below_zero() {
        "Training made the doctor worse on patients it never saw: the whole interval of the gain is below zero."
    } else if gain.ci95.is_some() {
        "No clear change: the interval of the gain holds zero."
    } else {
        "Too few patients or presentations to say whether training helped."
    };
    let baselines: Vec<&DoctorRow> = doctors.iter().filter(|row| row.kind == DoctorKind::Baseline).collect();
    let unbeaten: Vec<String> = baselines
        .iter()
        .filter(|row| !row.lead.is_some_and(|lead| lead.is_above_zero()))
        .map(|row| row.name.replace('_', " "))
        .collect();
    let second = match (baselines.len(), unbeaten.len()) {
        (0, _) => String::new(),
        (count, 0) => format!(" It is clearly ahead of every baseline ({count})."),
        (count, _) => format!(" Of {count} baselines it is not clearly ahead of: {}.", unbeaten.join(", ")),
    };
    format!("{first}{second}")
}

/// How the numbers came about.
fn method(found: &Comparison) -> String {
    let gain = &found.overall.gain;
    let left_out = match found.left_out {
        0 => String::new(),
        count => format!(" {count} consultations that nobody could judge are left out."),
    };
    let clusters = gain.clusters.map(|count| format!(" of {count} presentations")).unwrap_or_default();
    format!(
        "Rewards are marks of whole consultations, from 0 (no wanted item met, every fault made) to 1. Both doctors met \
         the same {} patients{clusters}. Intervals hold the middle 95% of {} bootstrap means (seed {}), drawn over \
         presentations and, within each, over patients; gains are paired.{left_out}",
        gain.count, found.bootstrap.resamples, found.bootstrap.seed,
    )
}
