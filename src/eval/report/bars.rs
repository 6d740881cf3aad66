//! Doctors by reward, as bars with whiskers.

use super::data::{DoctorKind, DoctorRow};
use super::html::Html;
use super::number::{coordinate, reward, signed};
use super::tables::{ending_words, interval, quiet_words};
use crate::eval::statistics::Estimate;

/// All doctors, the best first, with what else is known of them.
pub(super) fn doctors(html: &mut Html, rows: &[DoctorRow]) {
    let mut sorted: Vec<&DoctorRow> = rows.iter().collect();
    let value = |row: &DoctorRow| row.reward.map_or(f64::NEG_INFINITY, |reward| reward.mean);
    sorted.sort_by(|left, right| value(right).total_cmp(&value(left)));
    html.within("div", &[("class", "wide")], |html| {
        html.within("table", &[("class", "bars")], |html| {
            html.raw(
                "<thead><tr><th>doctor</th><th class=\"track\">mean reward, 0 to 1</th><th></th><th>95% interval</th>",
            );
            html.raw("<th>after is ahead by</th><th>95% interval</th><th>reward a message</th><th>messages</th></tr></thead>");
            html.within("tbody", &[], |html| {
                for row in sorted {
                    doctor(html, row);
                }
            });
        });
    });
    html.within("p", &[("class", "legend quiet")], |html| {
        html.raw("<span class=\"key after\"></span>after training <span class=\"key before\"></span>before ");
        html.raw("<span class=\"key baseline\"></span>baseline, knows nothing of the case ");
        html.raw("<span class=\"key reference\"></span>script that knows the case, for scale. ");
        html.raw("Whiskers are 95% intervals.");
    });
}

fn doctor(html: &mut Html, row: &DoctorRow) {
    let class = match row.kind {
        DoctorKind::Before => "before",
        DoctorKind::After => "after",
        DoctorKind::Baseline => "baseline",
        DoctorKind::Reference => "reference",
    };
    html.within("tr", &[("class", class)], |html| {
        html.leaf("th", &[("scope", "row")], &row.name.replace('_', " "));
        html.within("td", &[("class", "track")], |html| bar(html, row));
        match row.reward {
            Some(found) => estimate(html, &found, "", reward),
            None => quiet_words(html, &["not judged", ""]),
        }
        match row.lead {
            Some(lead) => estimate(html, &lead, sign(&lead), signed),
            None => quiet_words(html, &["", ""]),
        }
        html.leaf("td", &[("class", "number")], &row.reply_reward.map(reward).unwrap_or_default());
        html.leaf("td", &[("class", "number")], &format!("{:.1}", row.turns));
    });
}

/// A cell with the mean and one with its interval.
fn estimate(html: &mut Html, found: &Estimate, class: &str, number: fn(f64) -> String) {
    html.within("td", &[("class", "number")], |html| {
        html.leaf("b", &[("class", class)], &number(found.mean));
    });
    html.leaf("td", &[("class", "number quiet")], &interval(found, number));
}

/// The class of a difference by what its interval says.
pub(super) fn sign(difference: &Estimate) -> &'static str {
    if difference.is_above_zero() {
        "up"
    } else if difference.is_below_zero() {
        "down"
    } else {
        "level"
    }
}

/// A bar from 0 to the mean, with its interval, on a track from 0 to 1.
fn bar(html: &mut Html, row: &DoctorRow) {
    let Some(found) = row.reward else { return };
    let place = |value: f64| coordinate(value.clamp(0.0, 1.0) * 1000.0);
    let shape = [("viewBox", "0 0 1000 20"), ("preserveAspectRatio", "none"), ("aria-hidden", "true")];
    html.within("svg", &shape, |html| {
        for quarter in ["250", "500", "750", "1000"] {
            let line = [("class", "grid"), ("x1", quarter), ("x2", quarter), ("y1", "0"), ("y2", "20")];
            html.leaf("line", &line, "");
        }
        let width = place(found.mean);
        html.leaf("rect", &[("class", "bar"), ("y", "3"), ("height", "14"), ("width", &width)], "");
        if let Some([low, high]) = found.ci95 {
            let (low, high) = (place(low), place(high));
            html.leaf(
                "line",
                &[("class", "whisker"), ("x1", &low), ("x2", &high), ("y1", "10"), ("y2", "10")],
                "",
            );
            for end in [&low, &high] {
                html.leaf(
                    "line",
                    &[("class", "whisker"), ("x1", end), ("x2", end), ("y1", "6"), ("y2", "14")],
                    "",
                );
            }
        }
    });
}

/// How consultations ended, before and after.
pub(super) fn endings(html: &mut Html, rows: &[DoctorRow]) {
    let of = |kind: DoctorKind| rows.iter().find(|row| row.kind == kind);
    let (Some(before), Some(after)) = (of(DoctorKind::Before), of(DoctorKind::After)) else { return };
    let names = ["concluded", "emergency", "goodbye", "turn_limit", "gave_up", "cut_off"];
    let count = |row: &DoctorRow, name: &str| row.endings.get(name).copied().unwrap_or(0);
    html.within("table", &[], |html| {
        html.raw("<thead><tr><th>how consultations ended</th><th>before</th><th>after</th></tr></thead>");
        html.within("tbody", &[], |html| {
            for name in names.into_iter().filter(|name| count(before, name) + count(after, name) > 0) {
                html.within("tr", &[], |html| {
                    html.leaf("th", &[("scope", "row")], ending_words(name));
                    html.leaf("td", &[("class", "number")], &count(before, name).to_string());
                    html.leaf("td", &[("class", "number")], &count(after, name).to_string());
                });
            }
        });
    });
}
