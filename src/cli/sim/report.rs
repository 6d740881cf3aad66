//! What `osler sim eval` prints.

use serde::Serialize;

use crate::cli::initiative::Initiative;
use crate::eval::simulated::Scored;
use crate::eval::simulated::page::rows;
use crate::sim::played::{TurnCounts, UnitNames};

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub backend: &'a str,
    pub cases: &'a str,
    pub seed: u64,
    pub turns: u16,
    /// Cases left out because nothing of them can be told.
    pub left_out: usize,
    /// Whether Ctrl-C ended it early.
    pub stopped: bool,
    /// How patients took part, where not with all their initiative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Initiative>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<&'a Played>,
    pub scores: &'a Scored,
}

/// Which models played, and how their turns went.
#[derive(Serialize)]
pub(super) struct Played {
    #[serde(flatten)]
    names: UnitNames,
    counts: TurnCounts,
    share_fallen_back: Option<f64>,
    share_lost: Option<f64>,
}

impl Played {
    pub(super) fn new(names: UnitNames, counts: TurnCounts) -> Self {
        let (share_fallen_back, share_lost) = (counts.share_fallen_back(), counts.share_lost());
        Self { names, counts, share_fallen_back, share_lost }
    }

    /// The same in words.
    pub(super) fn in_words(&self) -> String {
        let share = |share: Option<f64>| share.map_or("-".to_owned(), |it| format!("{:.1}%", 100.0 * it));
        let TurnCounts { turns, lost, safe_replies, stepped_in, fell_back, other_words } = self.counts;
        format!(
            "{}: of {turns} turns {fell_back} ({}) fell back on rules ({stepped_in} where a model gave no answer, \
             {safe_replies} where no draft stood), {lost} ({}) got no reply, {other_words} needed other words",
            self.names,
            share(self.share_fallen_back),
            share(self.share_lost)
        )
    }
}

/// The scores, a row each, a column for each interviewer.
pub(super) fn table(named: &str, left_out: usize, scored: &Scored) -> String {
    let mut columns = vec![("all", rows(&scored.all))];
    columns.extend(scored.by_interviewer.iter().map(|(kind, scores)| (kind.name(), rows(scores))));
    let mut text = format!("{named}; {left_out} left out, which can tell nothing\n\n{:<24}", "");
    for (name, _) in &columns {
        text.push_str(&format!(" {name:>21}"));
    }
    text.push('\n');
    let Some((_, first)) = columns.first() else { return text };
    for (at, (name, _)) in first.iter().enumerate() {
        text.push_str(&format!("{name:<24}"));
        for (_, rows) in &columns {
            text.push_str(&format!(" {:>21}", rows.get(at).map_or("", |(_, value)| value.as_str())));
        }
        text.push('\n');
    }
    text
}
