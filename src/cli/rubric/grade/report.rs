//! What grading found, and what it took.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::Work;
use crate::chat::{Reading, Usage};
use crate::cli::output;
use crate::rubric::healthbench::{Ledger, Summary};
use crate::rubric::model_judge::{ModelJudgeSettings, Tally};

/// Who judged.
#[derive(Serialize)]
pub struct JudgeFacts {
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<ModelJudgeSettings>,
    pub identity: String,
}

/// The grades, and how it went.
pub struct Graded {
    pub ledger: Ledger,
    /// Criteria whose verdict was there already.
    pub resumed: usize,
    /// Whether Ctrl-C ended it early.
    pub stopped: bool,
    /// How long judging took.
    pub waited: Duration,
    /// Why the first criterion that was not judged in this run was not.
    pub why: Option<String>,
}

/// What a model was asked in this run.
pub struct WorkDone {
    pub tally: Tally,
    /// How long its verdicts were waited for.
    pub waited: Duration,
    /// What reading took it, where that can be seen.
    pub reading: Option<Reading>,
}

#[derive(Serialize)]
pub struct Report {
    judge: JudgeFacts,
    summary: Summary,
    /// What the model was asked in this run; absent with rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<Tally>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disagreement: Option<f64>,
    resumed: usize,
    pub stopped: bool,
    /// What to say where a model was asked in this run and nothing was judged, since requests failed.
    #[serde(skip)]
    pub all_failed: Option<String>,
}

/// How long a model judged, and what it saved that it had read the conversations before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Time {
    /// How long its verdicts were waited for.
    judge_seconds: f64,
    /// Tokens of all that was sent, as far as they were counted.
    prompt_tokens: u64,
    /// Those that were not read again; 0 where nobody says.
    cached_tokens: u64,
    /// The others.
    computed_tokens: u64,
    /// At which rate they were read; `None` with servers, whose reading is not seen from here.
    prefill_tokens_per_second: Option<f64>,
    /// How long reading the cached ones would have taken at that rate. An estimate: nobody has read them.
    saved_seconds_estimate: Option<f64>,
}

impl Time {
    fn of(work: &WorkDone) -> Self {
        let Usage { prompt_tokens, cached_tokens, .. } = work.tally.usage;
        let rate = work.reading.and_then(Reading::tokens_per_second);
        Self {
            judge_seconds: work.waited.as_secs_f64(),
            prompt_tokens,
            cached_tokens,
            computed_tokens: prompt_tokens.saturating_sub(cached_tokens),
            prefill_tokens_per_second: rate,
            saved_seconds_estimate: rate.map(|rate| cached_tokens as f64 / rate),
        }
    }

    fn in_words(&self) -> String {
        let Self { judge_seconds, prompt_tokens, cached_tokens, computed_tokens, .. } = self;
        let mut text = format!("judging took {judge_seconds:.1} s");
        if *prompt_tokens > 0 {
            let share = 100.0 * *cached_tokens as f64 / *prompt_tokens as f64;
            text.push_str(&format!(
                "; of {prompt_tokens} prompt tokens {cached_tokens} ({share:.1}%) were read before, {computed_tokens} computed"
            ));
        }
        text.push('\n');
        if let (Some(rate), Some(saved)) = (self.prefill_tokens_per_second, self.saved_seconds_estimate) {
            text.push_str(&format!(
                "that saved about {saved:.1} s (an estimate, by the {rate:.0} tokens a second at which the others were read)\n"
            ));
        }
        text
    }
}

impl Report {
    /// The report on what was graded of `work`. `seed` is the bootstrap's.
    pub fn new(work: &Work, graded: Graded, judge: JudgeFacts, done: Option<WorkDone>, seed: u64) -> Self {
        let Graded { ledger, resumed, stopped, why, .. } = graded;
        let tally = done.as_ref().map(|done| done.tally);
        let all_failed = tally.filter(|tally| tally.judged == 0 && tally.failed > 0).map(|tally| {
            let Tally { failed, requests, .. } = tally;
            let why = why.unwrap_or_default();
            format!("no criterion could be judged, {failed} of {requests} requests failed: {why}")
        });
        Self {
            judge,
            summary: Summary::of(&work.rows, &work.samples, &ledger, seed),
            time: done.as_ref().map(Time::of),
            cached_ratio: tally.and_then(|tally| tally.cached_ratio()),
            disagreement: tally.and_then(|tally| tally.disagreement()),
            work: tally,
            resumed,
            stopped,
            all_failed,
        }
    }

    /// What the report says, in lines.
    pub fn in_words(&self) -> Result<String, std::fmt::Error> {
        let summary = &self.summary;
        let mut text = String::new();
        let share = |it: f64| format!("{:.1}%", 100.0 * it);
        let completions = |count| output::count(count, "completion", "completions");
        writeln!(
            text,
            "{}, {}: {} judged ({}), {} met; {} judged whole",
            completions(summary.completions),
            output::count(summary.criteria, "criterion", "criteria"),
            summary.judged,
            share(summary.coverage),
            summary.met,
            completions(summary.whole)
        )?;
        if summary.empty > 0 {
            writeln!(text, "{} empty", completions(summary.empty))?;
        }
        match &summary.score {
            Some(score) => writeln!(
                text,
                "score {:.4} (bootstrap std {:.4}, {})",
                score.mean,
                score.bootstrap_std,
                completions(score.count)
            )?,
            None => writeln!(text, "no score: no criterion above 0 was judged")?,
        }
        if let Some([low, high]) = summary.bounds.filter(|_| summary.judged < summary.criteria) {
            writeln!(
                text,
                "over judged criteria only; with the rest it lies between {low:.4} and {high:.4}"
            )?;
        }
        for (k, worst) in summary.worst_at_k.iter().enumerate().skip(1) {
            writeln!(text, "worst at {}: {worst:.4}", k + 1)?;
        }
        for (prefix, title) in [("axis:", "axis"), ("theme:", "theme")] {
            for (tag, metric) in summary.tags.iter().filter(|(tag, _)| tag.starts_with(prefix)) {
                let name = tag.strip_prefix(prefix).unwrap_or(tag);
                writeln!(text, "{title:<6} {name:<28} {:.4}  {:>5}", metric.mean, metric.count)?;
            }
        }
        if let Some(work) = &self.work {
            let requests = output::count(work.requests, "request", "requests");
            write!(text, "{requests}, {} saved, {} failed", work.saved, work.failed)?;
            if work.kept > 0 {
                write!(text, "; {} answered from the cache", work.kept)?;
            }
            text.push('\n');
        }
        if let Some(time) = &self.time {
            text.push_str(&time.in_words());
        }
        if let Some(rate) = self.disagreement {
            writeln!(text, "votes differ on {} of the criteria judged more than once", share(rate))?;
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(reading: Option<Reading>) -> WorkDone {
        let usage = Usage { prompt_tokens: 1000, completion_tokens: 50, cached_tokens: 900 };
        WorkDone { tally: Tally { usage, ..Tally::default() }, waited: Duration::from_millis(2500), reading }
    }

    #[test]
    fn what_is_saved_is_estimated_where_the_rate_was_measured() {
        let time = Time::of(&done(Some(Reading { tokens: 100, seconds: 0.5 })));
        assert_eq!((time.computed_tokens, time.saved_seconds_estimate), (100, Some(4.5)));
        assert_eq!(
            time.in_words(),
            "judging took 2.5 s; of 1000 prompt tokens 900 (90.0%) were read before, 100 computed\n\
             that saved about 4.5 s (an estimate, by the 200 tokens a second at which the others were read)\n"
        );
        for reading in [None, Some(Reading::default())] {
            let time = Time::of(&done(reading));
            assert_eq!((time.prefill_tokens_per_second, time.saved_seconds_estimate), (None, None));
            assert_eq!(time.in_words().lines().count(), 1);
        }
        let nothing = WorkDone { tally: Tally::default(), ..done(None) };
        assert_eq!(Time::of(&nothing).in_words(), "judging took 2.5 s\n");
    }
}
