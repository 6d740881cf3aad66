//! Measurements as lines of text.

use crate::measure::figure::{Ceiling, Figure, Reference};

/// A ceiling, as a line.
pub fn ceiling(ceiling: &Ceiling) -> String {
    // A CPU's tenths of a TFLOP/s need more digits than a GPU's hundreds.
    let digits = |rate: f64| if rate < 10.0 { 3 } else { 1 };
    let rate = ceiling.rate.map(|rate| format!("{rate:.*} {}", digits(rate), ceiling.unit));
    let said = rate.or_else(|| ceiling.problem.clone()).unwrap_or_default();
    format!("{}: {said}\n", ceiling.name)
}

/// A time, without the end of its line.
pub fn time(figure: &Figure) -> String {
    let Figure {
        op, case, dtype, seconds, achieved, bound, unit, share_of_bound, beyond_bound, problem, ..
    } = figure;
    let start = format!("{op:<29} {case:<58} {dtype:<4}");
    if let Some(problem) = problem {
        return format!("{start} FAIL {problem}");
    }
    let share = share_of_bound.map_or("-".into(), |it| format!("{:.0}%", 100.0 * it));
    let beyond = match (beyond_bound, *unit) {
        (true, "GB/s") => " beyond the bound: in cache or in place, or the ceiling was disturbed",
        (true, _) => " beyond the bound: the ceiling was disturbed",
        (false, _) => "",
    };
    format!(
        "{start} {:>9} ms {:>9} of {:>9} {unit:<7} {share:>5}{beyond}",
        number(seconds.map(|it| it * 1e3)),
        number(*achieved),
        number(*bound)
    )
}

/// What a time is compared with, to go on its line.
pub fn reference(reference: &Reference) -> String {
    let Reference { seconds, ratio, problem } = reference;
    match problem {
        Some(problem) => format!("  plain: {problem}"),
        None => format!("  plain {:>9} ms, {:>6} x", number(seconds.map(|it| it * 1e3)), number(*ratio)),
    }
}

fn number(it: Option<f64>) -> String {
    it.map_or("-".into(), |it| format!("{it:.2}"))
}
