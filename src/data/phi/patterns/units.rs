//! What makes a number a measurement.

/// Whether a text begins with a unit of measurement or a count.
pub(super) fn starts_with_unit(text: &str) -> bool {
    const UNITS: [&str; 45] = [
        "mg",
        "mcg",
        "ug",
        "g",
        "kg",
        "ml",
        "l",
        "dl",
        "mm",
        "mm3",
        "mmhg",
        "cm",
        "m",
        "meq",
        "mmol",
        "umol",
        "nmol",
        "iu",
        "u",
        "units",
        "unit",
        "cells",
        "copies",
        "bpm",
        "hz",
        "kcal",
        "cal",
        "hours",
        "hr",
        "hrs",
        "h",
        "hour",
        "min",
        "minutes",
        "days",
        "weeks",
        "months",
        "years",
        "times",
        "steps",
        "per",
        "wbc",
        "rbc",
        "beats",
        "platelets",
    ];
    let text = text.trim_start_matches([' ', '-', '\u{a0}']);
    if text.starts_with(['/', '%', '°', 'μ', 'µ', '×', '^']) {
        return true;
    }
    let word: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    UNITS.contains(&word.to_ascii_lowercase().as_str())
}
