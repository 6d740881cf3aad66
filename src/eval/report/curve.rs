//! A learning curve as inline SVG: the raw values faint, a smoothed line bold.

use super::data::Series;
use super::html::Html;
use super::number::{coordinate, label, quantity};
use super::scale::{Scale, is_drawable};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 26.0;
/// Longer raw lines are drawn by the least and the greatest value of each of this many stretches.
const STRETCHES: usize = 400;
/// Shorter series are drawn as they are, each value a dot.
const FEW: usize = 8;

/// Draws `series` with its name and last value above.
pub(super) fn curve(html: &mut Html, series: &Series) {
    let drawn: Vec<[f64; 2]> = series.points.iter().copied().filter(is_point).collect();
    let smooth = smoothed(&series.points);
    html.within("figure", &[("class", "curve")], |html| {
        html.within("figcaption", &[], |html| {
            html.leaf("strong", &[], &series.name);
            if !series.unit.is_empty() {
                html.raw(" ").leaf("span", &[("class", "quiet")], &series.unit);
            }
            html.leaf("span", &[("class", "last")], &last(&drawn, &smooth));
        });
        let x = Scale::around(drawn.iter().map(|point| point[0]), 0.0);
        let y = Scale::around(drawn.iter().map(|point| point[1]), 0.06);
        match (x, y) {
            (Some(x), Some(y)) => {
                let frame = Frame { x, y };
                let view = format!("0 0 {WIDTH} {HEIGHT}");
                let name = format!("{} over {} steps", series.name, drawn.len());
                html.within("svg", &[("viewBox", &view), ("role", "img"), ("aria-label", &name)], |html| {
                    frame.axes(html, drawn.iter().all(|point| point[0].fract() == 0.0));
                    frame.lines(html, &series.points, smooth.as_deref());
                });
            }
            _ => {
                html.leaf("p", &[("class", "empty")], "nothing to draw");
            }
        }
        let missing = series.points.len() - drawn.len();
        if missing > 0 {
            let text = format!("{missing} of {} values are no numbers and left out", series.points.len());
            html.leaf("p", &[("class", "quiet")], &text);
        }
    });
}

fn is_point(point: &[f64; 2]) -> bool {
    point.iter().all(|number| is_drawable(*number))
}

/// The last value in words.
fn last(drawn: &[[f64; 2]], smooth: &Option<Vec<[f64; 2]>>) -> String {
    let smoothed = smooth.as_ref().and_then(|points| points.iter().rev().find(|point| is_point(point)));
    match (drawn.last(), smoothed) {
        (Some(last), Some(smooth)) => format!("{} (smoothed {})", quantity(last[1]), quantity(smooth[1])),
        (Some(last), None) => quantity(last[1]),
        _ => String::new(),
    }
}

/// Each value replaced by a straight line's through the values around it (least squares over a tenth of the series; at
/// its ends the first or last tenth). In the middle that is their mean; at the ends, unlike a mean, it does not lag
/// behind a trend. `None` for short series.
fn smoothed(points: &[[f64; 2]]) -> Option<Vec<[f64; 2]>> {
    if points.len() < FEW {
        return None;
    }
    let reach = (points.len() / 20).max(2);
    let point = |(at, point): (usize, &[f64; 2])| {
        let first = at.saturating_sub(reach).min(points.len().saturating_sub(2 * reach + 1));
        let around = points.get(first..points.len().min(first + 2 * reach + 1)).unwrap_or_default();
        let near = (first..).zip(around).filter(|(_, point)| is_point(point));
        let near: Vec<[f64; 2]> = near.map(|(place, point)| [place as f64 - at as f64, point[1]]).collect();
        [point[0], if is_point(point) { line_at_zero(&near) } else { f64::NAN }]
    };
    Some(points.iter().enumerate().map(point).collect())
}

/// Where the least-squares line through `points` crosses 0, held between their least and greatest value so that no
/// outlier at an end throws it off.
fn line_at_zero(points: &[[f64; 2]]) -> f64 {
    // Each is divided before it is added, so that large values do not overflow.
    let count = points.len() as f64;
    let mean = |of: usize| points.iter().map(|point| point[of] / count).sum::<f64>();
    let (x, y) = (mean(0), mean(1));
    let spread: f64 = points.iter().map(|point| (point[0] - x).powi(2)).sum();
    let slope = if spread > 0.0 {
        points.iter().map(|point| (point[0] - x) * ((point[1] - y) / spread)).sum::<f64>()
    } else {
        0.0
    };
    let values = || points.iter().map(|point| point[1]);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    (y - slope * x).max(low).min(high)
}

/// What lies where.
struct Frame {
    x: Scale,
    y: Scale,
}

impl Frame {
    fn across(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn down(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, html: &mut Html, whole_steps: bool) {
        let floor = HEIGHT - BOTTOM;
        let (ticks, step) = self.y.ticks(5, false);
        let largest = size(&ticks);
        for tick in ticks {
            let y = self.down(tick);
            line(html, "grid", [LEFT, y, WIDTH - RIGHT, y]);
            text(html, "end", LEFT - 6.0, y + 3.5, &label(tick, step, largest));
        }
        let (ticks, step) = self.x.ticks(5, whole_steps);
        let largest = size(&ticks);
        for tick in ticks {
            let x = self.across(tick);
            line(html, "tick", [x, floor, x, floor + 4.0]);
            text(html, "middle", x, floor + 16.0, &label(tick, step, largest));
        }
        text(html, "end", LEFT - 6.0, floor + 16.0, "step");
        line(html, "axis", [LEFT, floor, WIDTH - RIGHT, floor]);
    }

    fn lines(&self, html: &mut Html, points: &[[f64; 2]], smooth: Option<&[[f64; 2]]>) {
        let Some(smooth) = smooth else {
            self.path(html, "mean", points);
            for point in points.iter().filter(|point| is_point(point)) {
                self.dot(html, point);
            }
            return;
        };
        self.path(html, "rawline", &thinned(points));
        self.path(html, "mean", smooth);
        // A value between two gaps has no line to either side.
        let lonely = |at: usize| {
            let neighbour = |at: Option<usize>| at.and_then(|at| smooth.get(at)).is_some_and(is_point);
            !neighbour(at.checked_sub(1)) && !neighbour(Some(at + 1))
        };
        for (_, point) in smooth.iter().enumerate().filter(|(at, point)| is_point(point) && lonely(*at)) {
            self.dot(html, point);
        }
    }

    fn dot(&self, html: &mut Html, point: &[f64; 2]) {
        let (x, y) = (coordinate(self.across(point[0])), coordinate(self.down(point[1])));
        html.leaf("circle", &[("class", "dot"), ("cx", &x), ("cy", &y), ("r", "2.5")], "");
    }

    /// A line with a gap wherever a point is no point.
    fn path(&self, html: &mut Html, class: &str, points: &[[f64; 2]]) {
        let mut data = String::new();
        let mut pen = 'M';
        for point in points {
            if is_point(point) {
                data.push(pen);
                data.push_str(&coordinate(self.across(point[0])));
                data.push(' ');
                data.push_str(&coordinate(self.down(point[1])));
                pen = 'L';
            } else {
                pen = 'M';
            }
        }
        if !data.is_empty() {
            html.leaf("path", &[("class", class), ("d", &data)], "");
        }
    }
}

/// At most two points a stretch, its least and its greatest value in their order, so that no spike is lost. Points that
/// are none stay where the whole stretch has no other.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    if points.len() <= 2 * STRETCHES {
        return points.to_vec();
    }
    let size = points.len().div_ceil(STRETCHES);
    let mut kept = Vec::with_capacity(2 * STRETCHES);
    for stretch in points.chunks(size) {
        let drawable = || stretch.iter().enumerate().filter(|(_, point)| is_point(point));
        let least = drawable().min_by(|left, right| left.1[1].total_cmp(&right.1[1]));
        let greatest = drawable().max_by(|left, right| left.1[1].total_cmp(&right.1[1]));
        match (least, greatest) {
            (Some(least), Some(greatest)) => {
                let (first, second) =
                    if least.0 <= greatest.0 { (least, greatest) } else { (greatest, least) };
                kept.push(*first.1);
                if first.0 != second.0 {
                    kept.push(*second.1);
                }
            }
            _ => kept.extend(stretch.first()),
        }
    }
    kept
}

/// The size of the largest tick.
fn size(ticks: &[f64]) -> f64 {
    ticks.iter().fold(0.0, |size, tick| tick.abs().max(size))
}

fn line(html: &mut Html, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
    let ends = [x1, y1, x2, y2].map(coordinate);
    let [x1, y1, x2, y2] = ends.each_ref().map(String::as_str);
    html.leaf("line", &[("class", class), ("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)], "");
}

fn text(html: &mut Html, anchor: &str, x: f64, y: f64, text: &str) {
    let (x, y) = (coordinate(x), coordinate(y));
    html.leaf("text", &[("text-anchor", anchor), ("x", &x), ("y", &y)], text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[[f64; 2]]) -> String {
        let mut html = Html::default();
        curve(&mut html, &Series::new("loss", points.to_vec()));
        html.into_string()
    }

    #[test]
    fn odd_series_are_drawn() {
        let nan = f64::NAN;
        assert!(drawn(&[]).contains("nothing to draw"));
        assert!(drawn(&[[0.0, nan], [1.0, f64::INFINITY]]).contains("2 of 2 values are no numbers"));
        let one = drawn(&[[5.0, 0.3]]);
        assert_eq!(one.matches("<circle").count(), 1);
        let flat = drawn(&(0..50).map(|at| [f64::from(at), 0.5]).collect::<Vec<_>>());
        assert!(flat.contains("class=\"mean\"") && flat.contains("(smoothed 0.500)"));
        let gap: Vec<[f64; 2]> =
            (0..40).map(|at| [f64::from(at), if (10..20).contains(&at) { nan } else { 1.0 }]).collect();
        let gap = drawn(&gap);
        let mean = gap.split("class=\"mean\" d=\"").nth(1).unwrap();
        assert_eq!(mean.split('"').next().unwrap().matches('M').count(), 2);
        for html in [&one, &flat, &gap] {
            assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
        }
    }

    #[test]
    fn smoothing_keeps_a_straight_line_and_no_spike_is_thinned_away() {
        let straight: Vec<[f64; 2]> = (0..100).map(|at| [f64::from(at), f64::from(at)]).collect();
        let smooth = smoothed(&straight).unwrap();
        assert!(smooth.iter().zip(&straight).all(|(found, want)| (found[1] - want[1]).abs() < 1e-9));
        let mut long: Vec<[f64; 2]> = (0..10_000).map(|at| [f64::from(at), 0.0]).collect();
        long[777][1] = 9.0;
        let thin = thinned(&long);
        assert!(thin.len() <= 2 * STRETCHES && thin.contains(&[777.0, 9.0]));
        assert!(thin.windows(2).all(|pair| pair[0][0] < pair[1][0]));
    }
}
