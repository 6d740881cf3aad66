//! Consultations before and after, side by side, with the marks of every message.

use super::data::{Sample, SampleSide};
use super::evidence::pieces;
use super::html::Html;
use super::number::{points, reward};
use super::tables::ending_words;
use crate::eval::evaluation::{axis_name, ending_name};
use crate::rubric::{Marked, Marks, Verdict};

/// One patient, before and after.
pub(super) fn sample(html: &mut Html, sample: &Sample) {
    html.within("article", &[("class", "sample")], |html| {
        html.leaf("h3", &[], &sample.patient);
        html.within("p", &[("class", "quiet")], |html| {
            html.raw("To find out: ").leaf("b", &[], &sample.diagnosis).raw("; ");
            html.text(sample.part.title())
                .raw("; ")
                .text(&sample.reason)
                .raw("; case ")
                .text(&sample.case_id);
        });
        html.within("div", &[("class", "pair")], |html| {
            side(html, "before", &sample.before);
            side(html, "after", &sample.after);
        });
    });
}

fn side(html: &mut Html, title: &'static str, side: &SampleSide) {
    let consultation = &side.consultation;
    html.within("section", &[("class", title)], |html| {
        html.within("h4", &[], |html| {
            html.text(title);
            score(html, &side.marks.whole);
        });
        said(html, "patient", &consultation.opening);
        for (at, turn) in consultation.turns.iter().enumerate() {
            let marks = side.marks.turns.get(at);
            html.within("div", &[("class", "say doctor")], |html| {
                html.within("p", &[("class", "who")], |html| {
                    html.text(&format!("doctor, message {}", at + 1));
                    if let Some(marks) = marks {
                        score(html, marks);
                    }
                });
                message(html, &turn.doctor, marks);
                if let Some(marks) = marks {
                    items(html, marks);
                }
            });
            match &turn.patient {
                Some(reply) if turn.understood => said(html, "patient", reply),
                Some(reply) => said(html, "patient lost", reply),
                None => {}
            }
        }
        let ending = ending_words(ending_name(consultation.ending));
        html.within("p", &[("class", "ending")], |html| {
            html.raw("Ended: ").text(ending);
        });
        html.within("div", &[("class", "whole")], |html| {
            html.leaf("p", &[("class", "who")], "the consultation as a whole");
            items(html, &side.marks.whole);
        });
    });
}

fn said(html: &mut Html, who: &'static str, text: &str) {
    html.within("div", &[("class", &format!("say {who}"))], |html| {
        let title = if who == "patient" { "patient" } else { "patient, did not understand" };
        html.leaf("p", &[("class", "who")], title);
        html.leaf("p", &[("class", "words")], text);
    });
}

fn score(html: &mut Html, marks: &Marks) {
    let words = marks.value().map_or_else(|| "not judged".to_owned(), reward);
    html.raw(" ").leaf("span", &[("class", "score")], &words);
}

/// The doctor's words, with what earned or cost points highlighted.
fn message(html: &mut Html, text: &str, marks: Option<&Marks>) {
    html.within("p", &[("class", "words")], |html| {
        if text.trim().is_empty() {
            html.raw("<i class=\"quiet\">says nothing</i>");
        }
        for piece in pieces(text, marks.iter().flat_map(|marks| &marks.items)) {
            match piece.class() {
                Some(class) => {
                    let why: Vec<String> = piece.shows.iter().map(|item| item_words(item)).collect();
                    html.leaf("mark", &[("class", class), ("title", &why.join("; "))], piece.text);
                }
                None => {
                    html.text(piece.text);
                }
            }
        }
    });
}

/// Items that were met, and behind a fold those that were not.
fn items(html: &mut Html, marks: &Marks) {
    let of = |verdict: Verdict, good: bool| -> Vec<&Marked> {
        let fits = |item: &&Marked| item.judgement.verdict == verdict && (item.criterion.points > 0) == good;
        marks.items.iter().filter(fits).collect()
    };
    list(html, &[("fault", of(Verdict::Met, false)), ("earned", of(Verdict::Met, true))]);
    let (missed, avoided) = (of(Verdict::NotMet, true), of(Verdict::NotMet, false));
    let open: Vec<&Marked> =
        marks.items.iter().filter(|item| item.judgement.verdict == Verdict::NotJudged).collect();
    let counts = [(missed.len(), "not met"), (avoided.len(), "faults avoided"), (open.len(), "not judged")];
    let words: Vec<String> =
        counts.iter().filter(|it| it.0 > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if !words.is_empty() {
        html.within("details", &[], |html| {
            html.leaf("summary", &[], &words.join(", "));
            list(html, &[("missed", missed), ("avoided", avoided), ("open", open)]);
        });
    }
}

fn list(html: &mut Html, groups: &[(&'static str, Vec<&Marked>)]) {
    if groups.iter().all(|(_, items)| items.is_empty()) {
        return;
    }
    html.within("ul", &[("class", "marks")], |html| {
        for (class, items) in groups {
            for item in items {
                html.within("li", &[("class", class)], |html| {
                    html.leaf("b", &[], &points(item.criterion.points)).raw(" ");
                    html.text(&item.criterion.text);
                    let place = item.judgement.turn.map(|turn| format!("message {}", turn + 1));
                    let reason = Some(item.judgement.reason.clone()).filter(|it| !it.is_empty());
                    let more: Vec<String> = place.into_iter().chain(reason).collect();
                    if !more.is_empty() {
                        html.leaf("span", &[("class", "quiet")], &format!(" ({})", more.join(", ")));
                    }
                });
            }
        }
    });
}

fn item_words(item: &Marked) -> String {
    let (points, axis) = (points(item.criterion.points), axis_name(item.criterion.axis));
    format!("{points} {} ({axis})", item.criterion.text)
}
