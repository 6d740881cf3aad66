//! Numbers as a reader wants them.

/// A reward: three places.
pub(super) fn reward(value: f64) -> String {
    format!("{value:.3}")
}

/// A difference: three places, always with a sign. A true minus sign, not a hyphen.
pub(super) fn signed(value: f64) -> String {
    // What rounds to nothing has no sign.
    if value.abs() < 0.0005 { "0.000".to_owned() } else { with_minus(&format!("{value:+.3}")) }
}

/// What a criterion earns or costs, always with a sign.
pub(super) fn points(points: i8) -> String {
    with_minus(&format!("{points:+}"))
}

/// Any quantity: three or four significant figures.
pub(super) fn quantity(value: f64) -> String {
    let size = value.abs();
    let text = if !value.is_finite() {
        "not a number".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else if size >= 1000.0 {
        format!("{value:.0}")
    } else if size >= 100.0 {
        format!("{value:.1}")
    } else if size >= 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    };
    with_minus(&text)
}

/// A length of time.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "unknown".to_owned();
    }
    let seconds = seconds.max(0.0);
    if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor())
    } else {
        format!("{:.0} h {:02.0} min", (seconds / 3600.0).floor(), (seconds / 60.0 % 60.0).floor())
    }
}

/// An axis label, with as many places as `step` between labels needs; `largest` is the size of the largest label, so that
/// all labels of an axis are written in one way.
pub(super) fn label(value: f64, step: f64, largest: f64) -> String {
    let largest = largest.max(step);
    if value == 0.0 && !(1e-3..1e6).contains(&largest) {
        return "0".to_owned();
    }
    if !(1e-3..1e6).contains(&largest) {
        // As many places as tell neighbours apart.
        let places = (value.abs().max(step).log10().floor() - step.log10().floor()).clamp(0.0, 6.0) as usize;
        return with_minus(&format!("{value:.places$e}"));
    }
    let places = (-step.log10().floor()).clamp(0.0, 8.0) as usize;
    with_minus(&format!("{value:.places$}"))
}

fn with_minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

/// A coordinate of a drawing.
pub(super) fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            (reward(0.41251), signed(0.1), signed(-0.1)),
            ("0.413".into(), "+0.100".into(), "−0.100".into())
        );
        assert_eq!((signed(-0.0001), signed(0.0)), ("0.000".into(), "0.000".into()));
        assert_eq!(quantity(1e-6), "1.00e−6");
        assert_eq!(
            (quantity(15234.4), quantity(0.25), quantity(f64::NAN)),
            ("15234".into(), "0.250".into(), "not a number".into())
        );
        assert_eq!((duration(59.96), duration(125.0)), ("60.0 s".into(), "2 min 05 s".into()));
        assert_eq!((duration(7300.0), duration(f64::NAN)), ("2 h 01 min".into(), "unknown".into()));
        assert_eq!(
            (label(0.5, 0.05, 0.6), label(0.0, 0.1, 0.4), label(20.0, 5.0, 30.0)),
            ("0.50".into(), "0.0".into(), "20".into())
        );
        assert_eq!((label(2e-6, 1e-6, 4e-6), label(0.0, 1e-6, 4e-6)), ("2e−6".into(), "0".into()));
        assert_eq!((coordinate(12.04), coordinate(-3.25)), ("12".into(), "-3.2".into()));
    }
}
