//! Tables of means with intervals.

use super::bars::sign;
use super::data::TimeShare;
use super::html::Html;
use super::number::{coordinate, duration, reward, signed};
use crate::eval::compare::Row;
use crate::eval::statistics::Estimate;

/// An interval in words; empty where there is none.
pub(super) fn interval(estimate: &Estimate, number: fn(f64) -> String) -> String {
    estimate.ci95.map(|[low, high]| format!("{} to {}", number(low), number(high))).unwrap_or_default()
}

/// Cells that hold no number.
pub(super) fn quiet_words(html: &mut Html, cells: &[&str]) {
    for words in cells {
        html.leaf("td", &[("class", "number quiet")], words);
    }
}

/// How a consultation ended, in words, from its name in files.
pub(super) fn ending_words(name: &str) -> &'static str {
    match name {
        "concluded" => "with a diagnosis and a plan",
        "emergency" => "sent to an emergency department",
        "goodbye" => "with a goodbye only",
        "turn_limit" => "at the turn limit",
        "gave_up" => "the patient gave up",
        _ => "cut off",
    }
}

/// Before, after and gain, one row each.
pub(super) fn comparison(html: &mut Html, heading: &'static str, rows: &[Row]) {
    html.within("div", &[("class", "wide")], |html| {
        html.within("table", &[], |html| {
            html.within("thead", &[], |html| {
                html.within("tr", &[], |html| {
                    html.leaf("th", &[], heading);
                    html.raw(
                        "<th>patients</th><th>before</th><th>after</th><th>gain</th><th>95% interval</th>",
                    );
                    html.raw("<th class=\"slope\"></th>");
                });
            });
            html.within("tbody", &[], |html| {
                for row in rows {
                    html.within("tr", &[], |html| {
                        html.leaf("th", &[("scope", "row")], &row.name.replace('_', " "));
                        html.leaf("td", &[("class", "number")], &row.gain.count.to_string());
                        html.leaf("td", &[("class", "number")], &reward(row.before.mean));
                        html.leaf("td", &[("class", "number")], &reward(row.after.mean));
                        html.within("td", &[("class", "number")], |html| {
                            html.leaf("b", &[("class", sign(&row.gain))], &signed(row.gain.mean));
                        });
                        let words = interval(&row.gain, signed);
                        let words = if words.is_empty() { "too few to say" } else { &words };
                        html.leaf("td", &[("class", "number quiet")], words);
                        html.within("td", &[("class", "slope")], |html| move_of(html, row));
                    });
                }
            });
        });
    });
}

/// From where to where on a line from 0 to 1.
fn move_of(html: &mut Html, row: &Row) {
    let place = |value: f64| coordinate(value.clamp(0.0, 1.0) * 116.0 + 2.0);
    let (from, to) = (place(row.before.mean), place(row.after.mean));
    html.within("svg", &[("viewBox", "0 0 120 14"), ("aria-hidden", "true")], |html| {
        html.leaf("line", &[("class", "grid"), ("x1", "2"), ("x2", "118"), ("y1", "7"), ("y2", "7")], "");
        html.leaf("line", &[("class", "move"), ("x1", &from), ("x2", &to), ("y1", "7"), ("y2", "7")], "");
        html.leaf("circle", &[("class", "from"), ("cx", &from), ("cy", "7"), ("r", "3")], "");
        html.leaf("circle", &[("class", "to"), ("cx", &to), ("cy", "7"), ("r", "4")], "");
    });
}

/// Where the time went.
pub(super) fn time(html: &mut Html, shares: &[TimeShare]) {
    let seconds = |share: &TimeShare| if share.seconds.is_finite() { share.seconds.max(0.0) } else { 0.0 };
    let total: f64 = shares.iter().map(seconds).sum();
    let part = |share: &TimeShare| if total > 0.0 { seconds(share) / total } else { 0.0 };
    html.within("table", &[("class", "time")], |html| {
        html.raw("<thead><tr><th>part</th><th>time</th><th>share</th><th class=\"track\"></th></tr></thead>");
        html.within("tbody", &[], |html| {
            for share in shares {
                html.within("tr", &[], |html| {
                    html.leaf("th", &[("scope", "row")], &share.name);
                    html.leaf("td", &[("class", "number")], &duration(share.seconds));
                    html.leaf("td", &[("class", "number")], &format!("{:.1}%", 100.0 * part(share)));
                    html.within("td", &[("class", "track")], |html| {
                        let shape = [
                            ("viewBox", "0 0 1000 20"),
                            ("preserveAspectRatio", "none"),
                            ("aria-hidden", "true"),
                        ];
                        html.within("svg", &shape, |html| {
                            let width = coordinate(1000.0 * part(share));
                            html.leaf(
                                "rect",
                                &[("class", "bar"), ("y", "4"), ("height", "12"), ("width", &width)],
                                "",
                            );
                        });
                    });
                });
            }
        });
        html.within("tfoot", &[], |html| {
            html.raw("<tr><th scope=\"row\">all</th>");
            html.leaf("td", &[("class", "number")], &duration(total)).raw("<td></td><td></td></tr>");
        });
    });
}
