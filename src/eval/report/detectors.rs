//! Replies that detectors of noise refused.

use serde::Serialize;

use super::html::Html;

/// What a detector found in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectorRow {
    /// Its name, as in the configuration.
    pub name: String,
    /// Sampled replies that it fired on: no consultation goes on with one.
    pub refused: u64,
    /// Sampled replies that it was put before.
    pub replies: u64,
}

/// A row each detector.
pub(super) fn table(html: &mut Html, rows: &[DetectorRow]) {
    html.raw("<p class=\"quiet\">Sampled replies that a detector fired on. Consultations do not go on with them; their ");
    html.raw("marks stay.</p>");
    html.within("table", &[], |html| {
        html.raw(
            "<thead><tr><th>detector</th><th>replies refused</th><th>of</th><th>share</th></tr></thead>",
        );
        html.within("tbody", &[], |html| {
            for row in rows {
                let share = 100.0 * row.refused as f64 / row.replies.max(1) as f64;
                html.within("tr", &[], |html| {
                    html.leaf("th", &[("scope", "row")], &row.name.replace('_', " "));
                    html.leaf("td", &[("class", "number")], &row.refused.to_string());
                    html.leaf("td", &[("class", "number")], &row.replies.to_string());
                    html.leaf("td", &[("class", "number")], &format!("{share:.1}%"));
                });
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::super::page_reader::{read, shown, tables_are_even};
    use super::super::{ReportData, render};
    use super::*;

    fn page(rows: &[(&str, u64, u64)]) -> String {
        let row = |(name, refused, replies): &(&str, u64, u64)| DetectorRow {
            name: (*name).to_owned(),
            refused: *refused,
            replies: *replies,
        };
        render(&ReportData { detectors: rows.iter().map(row).collect(), ..ReportData::default() })
    }

    #[test]
    fn each_detector_has_its_row_and_without_any_there_is_no_table() {
        assert!(!page(&[]).contains("Detectors"));
        let html = page(&[("over_long", 3, 40), ("repetition", 0, 0)]);
        let found = read(&html).unwrap();
        assert!(tables_are_even(&found) && html.contains("<h2>Detectors</h2>"));
        for text in ["over long", "3", "40", "7.5%", "repetition", "0.0%"] {
            assert!(found.texts.iter().any(|it| it == text), "{text}: {:?}", found.texts);
        }
    }

    #[test]
    fn hostile_names_stay_words() {
        for text in ["</table><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "&amp; <b>"] {
            let found = read(&page(&[(text, 1, 2)])).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(!found.tags.iter().any(|tag| tag == "script" || tag == "img" || tag == "b"));
            assert!(found.texts.contains(&shown(text)), "{text}");
        }
    }
}
