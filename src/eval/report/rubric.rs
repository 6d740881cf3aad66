//! How rubrics changed: counts over the steps, and the criteria that changed last.

use super::curve::curve;
use super::data::{ChangedCriterion, RubricHistory};
use super::html::Html;
use super::number::{points, reward};

/// What became of criteria beside those of the cases.
pub(super) fn history(html: &mut Html, history: &RubricHistory) {
    html.within("p", &[("class", "quiet")], |html| {
        html.raw("Criteria mined from replies that scored high, beside those of the cases. They earn nothing on trial, ");
        html.raw("are admitted while they tell replies apart, and are retired once they do not. Held-out consultations ");
        html.raw("are marked without them.");
    });
    html.within("div", &[("class", "curves")], |html| {
        for series in &history.counts {
            curve(html, series);
        }
    });
    let shown = history.newest.len();
    let words = match history.tried {
        all if all > shown => format!("The {shown} of {all} criteria that changed last, the newest first."),
        _ => "All of them, by their last change, the newest first.".to_owned(),
    };
    html.leaf("p", &[("class", "quiet")], &words);
    html.within("div", &[("class", "wide")], |html| {
        html.within("table", &[], |html| {
            html.raw(
                "<thead><tr><th>criterion</th><th>points</th><th>now</th><th>since step</th><th>spread</th>",
            );
            html.raw("<th>found by</th></tr></thead>");
            html.within("tbody", &[], |html| {
                for criterion in &history.newest {
                    row(html, criterion);
                }
            });
        });
    });
}

fn row(html: &mut Html, criterion: &ChangedCriterion) {
    let ChangedCriterion { text, points: worth, state, step, spread, found } = criterion;
    html.within("tr", &[], |html| {
        html.leaf("th", &[("scope", "row")], text);
        html.leaf("td", &[("class", "number")], &points(*worth));
        html.leaf("td", &[], state);
        html.leaf("td", &[("class", "number")], &step.to_string());
        html.leaf("td", &[("class", "number")], &spread.map_or_else(|| "not judged".to_owned(), reward));
        html.leaf("td", &[("class", "quiet")], found);
    });
}
