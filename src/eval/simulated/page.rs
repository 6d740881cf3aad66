//! One HTML page of the scores, the worst replies, and a random sample for checking by hand.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::data::shuffle::shuffle;
use crate::eval::report::html::Html;
use crate::eval::statistics::{Estimate, below};

use super::label::Holding;
use super::play::{Seen, Session};
use super::scores::{Scored, Scores};

/// What goes on the page.
#[derive(Debug, Clone, Copy)]
pub struct PageData<'a> {
    /// Who was evaluated.
    pub backend: &'a str,
    /// What was interviewed: files, or how many cases of the bank.
    pub cases: &'a str,
    /// The interviews.
    pub sessions: &'a [Session],
    /// Their scores.
    pub scored: &'a Scored,
    /// Replies to draw for checking by hand.
    pub sample: usize,
    /// Faulty replies shown at most, the gravest first.
    pub worst: usize,
    /// Draws the sample.
    pub seed: u64,
}

/// The page. The same data give the same page, byte for byte.
pub fn render(data: &PageData<'_>) -> String {
    let mut html = Html::default();
    html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;\">");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\">");
    html.leaf("title", &[], "osler: simulated patients");
    html.raw("<style>").raw(include_str!("../report/style.css")).raw("</style></head>");
    html.within("body", &[], |html| {
        html.leaf("h1", &[], &format!("Simulated patients: {}", data.backend));
        html.leaf("p", &[("class", "status")], &format!("Interviewed: {}. Seed {}.", data.cases, data.seed));
        html.raw("<p class=\"status\">Research software: these are scores of a simulator, no measure of clinical safety or ");
        html.raw("benefit. Labels come from rules over the words; the sample below is there to check them.</p>");
        html.section("Scores", |html| scores(html, data.scored));
        html.section("Worst replies", |html| worst(html, data));
        html.section("Sample for checking by hand", |html| sample(html, data));
    });
    html.raw("</html>\n");
    html.into_string()
}

/// A share with its interval, as `99.2 (98.9-99.5)`.
pub fn shown(estimate: Option<&Estimate>) -> String {
    to_places(estimate, 1)
}

fn to_places(estimate: Option<&Estimate>, places: usize) -> String {
    let Some(estimate) = estimate else { return "not judged".to_owned() };
    let mean = estimate.mean;
    match estimate.ci95 {
        Some([low, high]) => format!("{mean:.places$} ({low:.places$}-{high:.places$})"),
        None => format!("{mean:.places$}"),
    }
}

/// The scores with their names, in the order in which they are shown.
pub fn rows(scores: &Scores) -> Vec<(&'static str, String)> {
    vec![
        ("interviews", scores.sessions.to_string()),
        ("replies", scores.turns.to_string()),
        ("Fact", shown(scores.fact.as_ref())),
        ("Privacy", shown(scores.privacy.as_ref())),
        ("replies that volunteer", shown(scores.volunteered.as_ref())),
        ("facts volunteered", to_places(scores.volunteered_facts.as_ref(), 2)),
        ("Personification", shown(scores.personification.as_ref())),
        ("persona consistent", shown(scores.persona_consistent.as_ref())),
        ("sentences supported", shown(scores.sentences_supported.as_ref())),
        ("questions answered", shown(scores.answered.as_ref())),
        ("facts found out", shown(scores.found_out.as_ref())),
        ("answers withheld", scores.withheld.to_string()),
        ("diagnosis named", scores.diagnosis_named.to_string()),
        ("demands for all", scores.demands.to_string()),
        ("record read out", scores.dumps.to_string()),
        ("no reply", scores.failures.to_string()),
    ]
}

fn scores(html: &mut Html, scored: &Scored) {
    let mut columns: Vec<(&str, &Scores)> = vec![("all", &scored.all)];
    columns.extend(scored.by_interviewer.iter().map(|(kind, scores)| (kind.name(), scores)));
    html.within("div", &[("class", "wide")], |html| {
        html.within("table", &[], |html| {
            html.within("thead", &[], |html| {
                html.within("tr", &[], |html| {
                    html.leaf("th", &[], "in percent, with 95% intervals over cases");
                    for (name, _) in &columns {
                        html.leaf("th", &[], name);
                    }
                });
            });
            html.within("tbody", &[], |html| {
                let all: Vec<_> = columns.iter().map(|(_, scores)| rows(scores)).collect();
                for at in 0..all.first().map_or(0, Vec::len) {
                    html.within("tr", &[], |html| {
                        html.leaf("th", &[("scope", "row")], all[0][at].0);
                        for rows in &all {
                            html.leaf("td", &[("class", "number")], &rows[at].1);
                        }
                    });
                }
            });
        });
    });
}

/// What is wrong with a reply, the gravest first, and how grave it is.
pub fn faults(seen: &Seen) -> (u32, Vec<String>) {
    let labels = &seen.labels;
    let mut faults = Vec::new();
    let mut grave = 0;
    let mut add = |weight: u32, fault: String| {
        grave += weight;
        faults.push(fault);
    };
    if labels.names_diagnosis {
        add(100, "names the diagnosis".to_owned());
    }
    if labels.dumps {
        add(50, "reads the record out".to_owned());
    }
    for sentence in &labels.sentences {
        match sentence.holding {
            Holding::Contradicted => add(20, format!("contradicts the record: {}", sentence.text)),
            Holding::Invented => add(10, format!("is not in the record: {}", sentence.text)),
            Holding::Supported | Holding::Talk => {}
        }
    }
    for leak in &labels.leaked {
        add(10, format!("tells unasked: {leak}"));
    }
    for fact in labels.volunteered.iter().filter(|fact| !labels.leaked.contains(fact)) {
        add(2, format!("volunteers: {fact}"));
    }
    if labels.answered == Some(false) {
        add(1, if labels.withheld { "withholds the answer" } else { "does not answer" }.to_owned());
    }
    (grave, faults)
}

fn worst(html: &mut Html, data: &PageData<'_>) {
    let mut found: Vec<(u32, &Session, usize)> = Vec::new();
    for session in data.sessions {
        for (turn, seen) in session.turns.iter().enumerate() {
            let (grave, _) = faults(seen);
            if grave > 0 {
                found.push((grave, session, turn));
            }
        }
    }
    let count = found.len();
    found.sort_by_key(|(grave, ..)| std::cmp::Reverse(*grave));
    found.truncate(data.worst);
    let text = format!("{count} replies have a fault; the {} gravest are shown.", found.len());
    html.leaf("p", &[("class", "quiet")], &text);
    let rows: Vec<(&Session, usize)> = found.into_iter().map(|(_, session, turn)| (session, turn)).collect();
    replies(html, &rows, false);
}

/// The replies drawn for checking by hand: each as likely, in the order of the interviews.
pub fn drawn(sessions: &[Session], count: usize, seed: u64) -> Vec<(&Session, usize)> {
    let mut all: Vec<(&Session, usize)> = sessions
        .iter()
        .flat_map(|session| (0..session.turns.len()).map(move |turn| (session, turn)))
        .collect();
    let mut places: Vec<usize> = (0..all.len()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    shuffle(&mut places, |n| below(&mut rng, n));
    places.truncate(count);
    places.sort_unstable();
    let mut at = 0;
    let mut kept = places.into_iter().peekable();
    all.retain(|_| {
        let keep = kept.next_if_eq(&at).is_some();
        at += 1;
        keep
    });
    all
}

fn sample(html: &mut Html, data: &PageData<'_>) {
    html.raw("<p class=\"quiet\">Each reply as likely as any other. Read the question, the reply and what the record has, and ");
    html.raw("note in the last column whether you agree with the label, and if not, what it should be.</p>");
    replies(html, &drawn(data.sessions, data.sample, data.seed), true);
}

/// A table of replies; with `verdict` a column for the reader's own.
fn replies(html: &mut Html, rows: &[(&Session, usize)], verdict: bool) {
    if rows.is_empty() {
        html.leaf("p", &[("class", "empty")], "None.");
        return;
    }
    html.within("div", &[("class", "wide")], |html| {
        html.within("table", &[], |html| {
            html.within("thead", &[], |html| {
                html.within("tr", &[], |html| {
                    let columns = ["case, interviewer, turn", "doctor", "patient", "in the record", "label"];
                    for name in columns.into_iter().chain(verdict.then_some("your verdict")) {
                        html.leaf("th", &[], name);
                    }
                });
            });
            html.within("tbody", &[], |html| {
                for (session, turn) in rows {
                    let Some(seen) = session.turns.get(*turn) else { continue };
                    html.within("tr", &[], |html| {
                        let place =
                            format!("{}, {}, {}", session.case_id, session.interviewer.name(), turn + 1);
                        html.within("td", &[], |html| {
                            html.leaf("p", &[("class", "quiet")], &place);
                            html.leaf("p", &[("class", "quiet")], &format!("hidden: {}", session.hidden));
                        });
                        html.leaf("td", &[], &seen.probe.text);
                        html.leaf("td", &[], &seen.reply);
                        html.leaf("td", &[], seen.wanted.as_deref().unwrap_or_default());
                        html.leaf("td", &[], &in_words(seen));
                        if verdict {
                            html.leaf("td", &[], "agree / disagree:");
                        }
                    });
                }
            });
        });
    });
}

/// The labels of a reply in words.
pub fn in_words(seen: &Seen) -> String {
    let (_, faults) = faults(seen);
    if !faults.is_empty() {
        return faults.join("; ");
    }
    let answered = if seen.labels.answered == Some(true) { ", answers" } else { "" };
    format!("factual, private{answered}")
}
