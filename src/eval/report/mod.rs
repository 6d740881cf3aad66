//! The report of a run: one HTML file that needs nothing else, no script to be read and no network.
//!
//! [`data`] holds what goes in, [`render`] makes the page. All text from outside goes through one writer that escapes it
//! (`html`), and the page's own policy forbids scripts and any outside resource, so that a consultation's words stay words.

mod bars;
mod curve;
pub mod data;
mod detectors;
mod evidence;
mod head;
pub(super) mod html;
mod number;
#[cfg(test)]
pub(super) mod page_reader;
mod rubric;
mod sample;
mod scale;
mod tables;
#[cfg(test)]
mod tests;

pub use data::{
    ChangedCriterion, DoctorKind, DoctorRow, ReportData, RubricHistory, RunFacts, Sample, SampleSide, Series,
    TimeShare, samples,
};
pub use detectors::DetectorRow;

use html::Html;

/// The report as one HTML document. The same data give the same document, byte for byte.
pub fn render(data: &ReportData) -> String {
    let mut html = Html::default();
    html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;\">");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\">");
    html.leaf("title", &[], &format!("{}: osler report", data.run.name));
    html.raw("<style>").raw(include_str!("style.css")).raw("</style></head>");
    html.within("body", &[], |html| {
        head::facts(html, &data.run);
        html.section("Result", |html| head::headline(html, data));
        if !data.doctors.is_empty() {
            html.section("Against other doctors", |html| {
                bars::doctors(html, &data.doctors);
                bars::endings(html, &data.doctors);
            });
        }
        html.section("Training", |html| curves(html, data));
        if !data.detectors.is_empty() {
            html.section("Detectors", |html| detectors::table(html, &data.detectors));
        }
        if let Some(history) = &data.rubric {
            html.section("Rubrics that changed", |html| rubric::history(html, history));
        }
        if let Some(comparison) = &data.comparison {
            html.section("Where the gain comes from", |html| {
                tables::comparison(html, "axis", &comparison.axes);
                tables::comparison(html, "specialty", &comparison.specialties);
            });
        }
        if !data.samples.is_empty() {
            html.section("Consultations", |html| samples_of(html, data));
        }
        if !data.time.is_empty() {
            html.section("Time", |html| tables::time(html, &data.time));
        }
        if !data.configuration.is_empty() {
            html.section("Configuration", |html| {
                html.leaf("pre", &[], &data.configuration);
            });
        }
    });
    html.raw("</html>\n");
    html.into_string()
}

fn curves(html: &mut Html, data: &ReportData) {
    if data.curves.is_empty() {
        html.leaf("p", &[("class", "empty")], "No step was recorded.");
        return;
    }
    html.within("div", &[("class", "curves")], |html| {
        for series in &data.curves {
            curve::curve(html, series);
        }
    });
    html.raw("<p class=\"quiet\">Over the steps of training. The faint line is each step, the bold one is smoothed over a ");
    html.raw("tenth of them.</p>");
}

fn samples_of(html: &mut Html, data: &ReportData) {
    html.raw("<p class=\"quiet\">Shown from the greatest gain to the greatest loss at even distances, so they are no ");
    html.raw("selection of successes. Words that earned points are <mark class=\"good\">marked so</mark>, words that cost ");
    html.raw("points <mark class=\"bad\">so</mark>. Each message is marked by what would have helped at its point.</p>");
    for sample in &data.samples {
        sample::sample(html, sample);
    }
}
