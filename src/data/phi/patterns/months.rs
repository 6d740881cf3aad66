//! Dates with months in French, Spanish, German, Italian and Portuguese, as they stay in notes of people from elsewhere.

use super::dates::{MONTH, TICK, YEAR};
use super::units::starts_with_unit;
use super::{Source, numbers};
use crate::data::phi::PhiClass::Date;

/// Months, where they are not written as in English; with accents and without.
const OTHER: &str = "(?i-u:janvier|janv|f(?u-i:[éÉeE])vrier|f(?u-i:[éÉeE])vr|mars|avril|mai|juin|juillet|juil|ao(?u-i:[ûÛuU])t|\
                     septembre|octobre|novembre|d(?u-i:[éÉeE])cembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|\
                     septiembre|setiembre|octubre|noviembre|diciembre|januar|j(?u-i:[äÄ])nner|februar|m(?:(?u-i:[äÄ])|ae)rz|juni|\
                     juli|oktober|okt|dezember|dez|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|\
                     janeiro|fevereiro|mar(?u-i:[çÇcC])o|maio|junho|julho|setembro|outubro|novembro|dezembro)";

/// The shapes of such dates.
pub(super) fn sources() -> Vec<Source> {
    let of = "(?:(?i-u:de|del|do) )?";
    vec![
        (
            Date,
            "day and month",
            format!(
                r"(?-u)\b[0-9]{{1,2}}(?:er|[.]|(?u-i:[º°]))?[ -]?(?:(?i-u:de) |(?u-i:[dD]['’]))?{OTHER}\b(?:[.,]?[ -]{of}(?:{YEAR}|{TICK}[0-9]{{2}})\b|-[0-9]{{2}}\b)?"
            ),
            day_of_month,
        ),
        // In English months `3. April 2019` is German.
        (Date, "day, month and year", format!(r"(?-u)\b[0-9]{{1,2}}[.] ?{MONTH}[.]? {YEAR}\b"), day_of_month),
        (
            Date,
            "month and year",
            format!(r"(?-u)\b{OTHER}[.,]?[ -]{of}(?:{YEAR}|{TICK}[0-9]{{2}})\b"),
            month_of_year,
        ),
    ]
}

/// A day, and neither a value nor the clinic: `2 mayo clinic visits`.
fn day_of_month(found: &str, _: &str, after: &str) -> bool {
    let parts = numbers(found);
    let lower = found.to_ascii_lowercase();
    let place = lower.ends_with("mayo") && !lower.contains("de ");
    // `MAI` is a mycobacterium as well.
    let germ = found.ends_with("MAI");
    parts.first().is_some_and(|day| (1..=31).contains(day)) && !place && !germ && !starts_with_unit(after)
}

/// Neither the clinic's nor the mycobacterium's: `Mayo 2019`, `MAI 2019`.
fn month_of_year(found: &str, _: &str, _: &str) -> bool {
    let lower = found.to_ascii_lowercase();
    !(found.starts_with("MAI") || lower.starts_with("mayo") && !lower.contains(" de"))
}
