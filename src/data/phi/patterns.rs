//! Shapes of identifiers in free text, as regular expressions. All match ASCII only: what needs letters beyond it is
//! in `names`.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::PhiClass;

/// One shape.
pub(super) struct Pattern {
    pub class: PhiClass,
    pub rule: &'static str,
    /// Group 1, where there is one, is what is reported; else the whole match.
    pub regex: Regex,
    /// Whether a match of the whole is one after all, given what follows it.
    pub accept: fn(found: &str, before: &str, after: &str) -> bool,
}

/// All shapes with the set that tells in one pass which of them occur.
pub(super) struct Patterns {
    pub set: RegexSet,
    pub all: Vec<Pattern>,
}

/// In any case: notes are typed in a hurry.
const MONTH: &str = "(?i-u:January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|\
                     Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)";

/// A label's tail: `no.`, `number:`, `#`, `ID =`.
const NUMBER: &str = "(?:[ ]?(?:no|num|number|id|identifier|code|nr))?[.]?[ ]?(?:is|was)?[ ]?[#:=]*[ ]*";

fn always(_: &str, _: &str, _: &str) -> bool {
    true
}

/// A unit right after a number makes it a measurement.
fn no_unit(_: &str, _: &str, after: &str) -> bool {
    !starts_with_unit(after)
}

/// Whether a text begins with a unit of measurement or a count.
pub(super) fn starts_with_unit(text: &str) -> bool {
    const UNITS: [&str; 44] = [
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

fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Day and month in either order, with any year.
fn day_and_month(found: &str, _: &str, after: &str) -> bool {
    let parts = numbers(found);
    let [a, b, ..] = parts[..] else { return false };
    let fits = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
    (fits(a, b) || fits(b, a)) && !starts_with_unit(after)
}

/// `3/14` after a word that says a date comes; not a score or a power.
fn bare_day_and_month(found: &str, before: &str, after: &str) -> bool {
    let scale = ["scale", "strength", "power", "motor", "score", "pulse", "in severity", "pain", "murmur"];
    let after = after.trim_start();
    day_and_month(found, before, after)
        && !scale.iter().any(|word| after.to_ascii_lowercase().starts_with(word))
}

fn year_month_day(found: &str, before: &str, after: &str) -> bool {
    let parts = numbers(found);
    let [year, month, day] = parts[..] else { return false };
    (1800..=2200).contains(&year) && day_and_month(&format!("{day} {month}"), before, after)
}

fn month_and_year(found: &str, _: &str, _: &str) -> bool {
    matches!(numbers(found)[..], [month, year] if (1..=12).contains(&month) && (1900..=2100).contains(&year))
}

fn month_word(found: &str, _: &str, after: &str) -> bool {
    let parts = numbers(found);
    let year = |n: &u32| (1800..=2200).contains(n);
    // In small letters `3 may be` and `march 10 steps` are no dates, unless a year or an ordinal says so.
    let verb =
        found.split(|c: char| !c.is_ascii_alphabetic()).any(|word| matches!(word, "may" | "march" | "mar"));
    let ordinal = ["st", "nd", "rd", "th"].iter().any(|end| found.contains(end));
    let clear = !verb || ordinal || parts.iter().any(year);
    // `May 10 mg be given`, `Mar 50 mmHg`.
    clear && !starts_with_unit(after) && parts.first().is_some_and(|n| (1..=31).contains(n) || year(n))
}

/// A telephone number as it is dialled within a country: ten or eleven digits, the first of them 0.
fn dialled(found: &str, _: &str, after: &str) -> bool {
    (10..=11).contains(&found.bytes().filter(u8::is_ascii_digit).count()) && !starts_with_unit(after)
}

fn dotted_quad(found: &str, _: &str, _: &str) -> bool {
    let parts = numbers(found);
    parts.len() == 4 && parts.iter().all(|&part| part <= 255)
}

fn ip6(found: &str, _: &str, _: &str) -> bool {
    // Times and ratios are decimal and short: `10:30:00:15`.
    found.split(':').count() >= 6 || found.contains(|c: char| c.is_ascii_alphabetic()) || found.contains("::")
}

/// Seven digits as `555-1234`: a range of values has a unit or speaks of a range.
fn local_phone(_: &str, before: &str, after: &str) -> bool {
    let before = before.to_ascii_lowercase();
    !starts_with_unit(after)
        && !["range", "normal", "between", "reference", "from"].iter().any(|w| before.contains(w))
}

/// A long run of digits that is neither a measured value nor part of a decimal number.
fn long_run(_: &str, before: &str, after: &str) -> bool {
    let decimal =
        before.ends_with('.') && before.trim_end_matches('.').ends_with(|c: char| c.is_ascii_digit());
    let fraction = after.starts_with('.') && after[1..].starts_with(|c: char| c.is_ascii_digit());
    !decimal && !fraction && !starts_with_unit(after)
}

/// Letters and at least six digits in one word.
fn mixed_run(found: &str, _: &str, _: &str) -> bool {
    let digits = found.bytes().filter(u8::is_ascii_digit).count();
    let letters = found.bytes().filter(u8::is_ascii_alphabetic).count();
    // Numbers of drug approvals, trials, chromosomal positions and chemical names are nobody's.
    let public = ["NDA", "ANDA", "BLA", "NCT", "PMID", "ISRCTN", "LOINC", "SNOMED"];
    digits >= 6 && letters >= 1 && !public.iter().any(|name| found.to_ascii_uppercase().starts_with(name))
}

fn has_digit(found: &str, _: &str, _: &str) -> bool {
    found.bytes().any(|b| b.is_ascii_digit())
}

fn ten_digits(found: &str, _: &str, _: &str) -> bool {
    found.bytes().filter(u8::is_ascii_digit).count() >= 10
}

/// `@jsmith61` and `@j_smith`, but not `meds @bedtime`.
fn digit_or_tie(found: &str, _: &str, _: &str) -> bool {
    found.contains(|c: char| c.is_ascii_digit() || c == '_')
}

/// A plate or VIN: seventeen characters, letters and digits mixed.
fn vin(found: &str, _: &str, _: &str) -> bool {
    found.bytes().filter(u8::is_ascii_digit).count() >= 3 && found.bytes().any(|b| b.is_ascii_alphabetic())
}

/// A British postcode that is no dose or interval.
fn postcode(found: &str, _: &str, _: &str) -> bool {
    !found.ends_with("HR") && !found.ends_with("AB")
}

/// The shapes, compiled once.
///
/// # Panics
/// If an expression is broken, which the tests rule out.
pub(super) fn patterns() -> &'static Patterns {
    static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
        let sources = sources();
        let set = RegexSet::new(sources.iter().map(|(.., source, _)| source.as_str()));
        let set = set.unwrap_or_else(|error| panic!("a PHI pattern is broken: {error}"));
        let all = sources.into_iter().map(|(class, rule, source, accept)| {
            let regex = Regex::new(&source)
                .unwrap_or_else(|error| panic!("the PHI pattern {rule} is broken: {error}"));
            Pattern { class, rule, regex, accept }
        });
        Patterns { all: all.collect(), set }
    });
    &PATTERNS
}

type Source = (PhiClass, &'static str, String, fn(&str, &str, &str) -> bool);

fn sources() -> Vec<Source> {
    use PhiClass::*;
    let states = super::geography::STATES.map(|(_, code)| code).join("|");
    let labelled =
        |labels: &str| format!("(?i-u)\\b(?:{labels}){NUMBER}([A-Z]{{0,6}}[0-9-]*[0-9][A-Z0-9-]{{3,}})\\b");
    // A label that is an ordinary word needs `no`, `number`, `id`, `#` or a colon after it.
    let numbered = |labels: &str| {
        format!(
            "(?i-u)\\b(?:{labels})(?:[ ](?:no|num|number|id|identifier|code|nr)[.]?|[ ]?[#:=])[ ]?(?:is|was)?[ ]?[#:=]*\
             [ ]*([A-Z]{{0,6}}[0-9-]*[0-9][A-Z0-9-]{{3,}})\\b"
        )
    };
    vec![
        (Email, "mail address", r"(?i-u)\b[A-Z0-9._%+-]+@[A-Z0-9-]+(?:[.][A-Z0-9-]+)*[.][A-Z]{2,}\b".into(), always),
        (
            Email,
            "mail address in words",
            r"(?i-u)\b[A-Z0-9._%+-]+ ?[\[({] ?at ?[\])}] ?[A-Z0-9-]+ ?(?:[.]|[\[({] ?dot ?[\])}]) ?[A-Z]{2,}\b".into(),
            always,
        ),
        (Url, "web address", r"(?i-u)\b(?:https?|ftp)://[!-~]+|\bwww[.][A-Z0-9-]+[.][!-~]+".into(), always),
        (
            Url,
            "host name",
            r"(?i-u)\b(?:[A-Z0-9-]{2,}[.])+(?:com|org|net|edu|gov|io|info|biz)\b(?:/[!-~]*)?".into(),
            always,
        ),
        (
            SocialSecurity,
            "nine digits as 3-2-4",
            r"(?-u)\b([0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4})\b".into(),
            always,
        ),
        (
            SocialSecurity,
            "labelled",
            r"(?i-u)\b(?:SSN|social security)(?:[ ](?:no|number))?[.]?[ ]?(?:is )?[#:]?[ ]*([0-9][0-9 -]{2,}[0-9])".into(),
            always,
        ),
        (
            Fax,
            "labelled",
            r"(?i-u)\bfax(?:[ ](?:no|number))?[.]?[ ]?(?:is )?[#:]?[ ]*([+(]?[0-9][0-9(). -]{5,}[0-9])".into(),
            always,
        ),
        (
            Phone,
            "labelled",
            r"(?i-u)\b(?:phone|telephone|tel|cell|mobile|pager|call(?:ed)?(?: at| on)?|reached? at)(?:[ ](?:no|number))?[.]?[ ]?(?:is )?[#:]?[ ]*([+(]?[0-9][0-9(). -]{5,}[0-9])".into(),
            no_unit,
        ),
        (
            Phone,
            "ten digits as 3-3-4",
            r"(?-u)(?:\+?1[-. ]?)?(?:\([0-9]{3}\)[ ]?|\b[0-9]{3}[-. ])[0-9]{3}[-. ][0-9]{4}\b".into(),
            always,
        ),
        (Phone, "international", r"(?-u)\+[0-9][0-9 ().-]{7,16}[0-9]\b".into(), no_unit),
        (Phone, "ten or eleven digits from 0", r"(?-u)\b0[0-9]{2,4}[ -]?[0-9]{3,4}[ -]?[0-9]{3,6}\b".into(), dialled),
        (Phone, "seven digits as 3-4", r"(?-u)\b[2-9][0-9]{2}-[0-9]{4}\b".into(), local_phone),
        (
            RecordNumber,
            "labelled",
            labelled("MRN|medical record|record number|NHS|hospital number|patient ?id|patient number|chart number"),
            has_digit,
        ),
        (RecordNumber, "labelled", numbered("record|chart|patient|hospital|case|accession|encounter|visit"), has_digit),
        (
            HealthPlan,
            "labelled",
            numbered(
                "(?:health )?plan|member|subscriber|beneficiary|policy|insurance|medicare|medicaid|group|HICN|payer",
            ),
            has_digit,
        ),
        (
            Account,
            "labelled",
            numbered("(?:bank )?account|acct|invoice|claim|billing|IBAN|credit card|card|guarantor"),
            has_digit,
        ),
        (
            Account,
            "international account number",
            r"(?-u)\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?\b".into(),
            ten_digits,
        ),
        (
            Licence,
            "labelled",
            numbered("(?:driver'?s? )?licen[cs]e|certificate|passport|DEA|NPI|registration|permit"),
            has_digit,
        ),
        (
            Vehicle,
            "plate",
            r"(?i-u)\b(?:licen[cs]e plate|number plate|plate (?:no|number)|plate ?#)(?:[ ]?(?:no|number|is|was))?[.]?[ ]?[#:]*[ ]*([A-Z0-9]{1,4}[ -]?[A-Z0-9]{1,4}[0-9][A-Z0-9]{0,3})\b".into(),
            has_digit,
        ),
        (
            Vehicle,
            "registration",
            r"(?-u)\b(?i-u:registration|plates?)(?i-u:[ ]?(?:no|number|is|was))?[.]?[ ]?[#:]*[ ]*([A-Z]{2,3}[ -]?[0-9]{3,4}|[A-Z]{2}[0-9]{2} ?[A-Z]{3})\b".into(),
            always,
        ),
        (Vehicle, "labelled", labelled("VIN|vehicle identification|vehicle"), has_digit),
        (Vehicle, "seventeen characters", r"(?-u)\b[A-HJ-NPR-Z0-9]{17}\b".into(), vin),
        (Device, "labelled", numbered("serial|device|UDI|lot|implant|pacemaker|IMEI|SN|S/N"), has_digit),
        (Device, "hardware address", r"(?i-u)\b(?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2}\b".into(), always),
        (
            Biometric,
            "labelled",
            r"(?i-u)\b(?:finger ?prints?|voice ?prints?|retina(?:l)?(?: scan)?|iris(?: scan)?|face ?prints?|palm ?prints?|biometrics?)[ ](?:template|hash|id|code|no|number|record|file)[ ]?(?:is )?[#:]?[ ]*([A-Z0-9+/=_-]{4,})".into(),
            has_digit,
        ),
        (
            Photo,
            "image file",
            r"(?i-u)\b[A-Z0-9_-]+[.](?:jpe?g|png|gif|heic|tiff?|bmp|dcm)\b|\bdata:image/[!-~]+".into(),
            always,
        ),
        (Ip, "four numbers", r"(?-u)\b[0-9]{1,3}(?:[.][0-9]{1,3}){3}\b".into(), dotted_quad),
        (Ip, "groups of hex digits", r"(?i-u)\b(?:[0-9A-F]{1,4}:{1,2}){3,7}[0-9A-F]{1,4}\b".into(), ip6),
        (
            Date,
            "year-month-day",
            r"(?-u)\b[0-9]{4}(?:[-/.][0-9]{1,2}[-/.]| ?/ ?[0-9]{1,2} ?/ ?| ?- ?[0-9]{1,2} ?- ?)[0-9]{1,2}(?:\b|T)".into(),
            year_month_day,
        ),
        (
            Date,
            "day, month and year",
            r"(?-u)\b[0-9]{1,2}(?: ?/ ?[0-9]{1,2} ?/ ?|-[0-9]{1,2}-|[.][0-9]{1,2}[.])(?:[0-9]{4}|[0-9]{2})\b".into(),
            day_and_month,
        ),
        (
            Date,
            "day, month and year apart",
            r"(?-u)\b[0-9]{1,2}(?: ?- ?[0-9]{1,2} ?- ?|[.] [0-9]{1,2}[.] )(?:18|19|20|21)[0-9]{2}\b".into(),
            day_and_month,
        ),
        (
            Date,
            "day and month after a word for a date",
            r"(?i-u)\b(?:on|since|until|dated?|dob|born|admitted|discharged|seen|as of)[: ]+([0-9]{1,2} ?/ ?[0-9]{1,2})\b".into(),
            bare_day_and_month,
        ),
        (Date, "month and year", r"(?-u)\b(?:0?[1-9]|1[0-2]) ?/ ?(?:19|20)[0-9]{2}\b".into(), month_and_year),
        (Date, "year and month", r"(?-u)\b(?:19|20)[0-9]{2} ?/ ?(?:0[1-9]|1[0-2])\b".into(), no_unit),
        (
            Date,
            "quarter, season or feast of a year",
            r"(?i-u)\b(?:Q[1-4]|(?:first|second|third|fourth|last) quarter|spring|summer|autumn|winter|Christmas(?: Day| Eve)?|Easter|Thanksgiving|Halloween|New Year'?s?(?: Day| Eve)?|Ramadan|Diwali)(?: of|,)? (?:19|20)[0-9]{2}\b".into(),
            always,
        ),
        (
            Date,
            "month and day or year",
            format!(r"(?-u)\b{MONTH}[.]?,?[ ](?:of )?(?:[0-9]{{1,2}}(?:st|nd|rd|th)?\b(?:,? [0-9]{{4}}\b)?|(?:18|19|20)[0-9]{{2}}\b)"),
            month_word,
        ),
        (
            Date,
            "day and month",
            format!(r"(?-u)\b[0-9]{{1,2}}(?:st|nd|rd|th)?[ -](?:of )?{MONTH}\b(?:[,-]? ?[0-9]{{2,4}}\b)?"),
            month_word,
        ),
        (
            Age,
            "years",
            r"(?i-u)\b(?:9[0-9]|1[0-4][0-9])[ -]?(?:years?|yrs?|y)[ -]?(?:old|o\b|of age)|\b(?:9[0-9]|1[0-4][0-9]) ?(?:y/o|yo|y[.]o[.])".into(),
            always,
        ),
        (Age, "aged", r"(?i-u)\bage[ds]?(?: of| is)?[: ]+((?:9[0-9]|1[0-4][0-9]))\b".into(), no_unit_but_years),
        (Age, "in words", r"(?i-u)\b(?:ninety(?:[ -][A-Z]+)?|(?:one|a) hundred(?: and)?(?:[ -][A-Z]+)?)[ -]years?[ -](?:old|of age)".into(), always),
        (Geography, "ZIP code", r"(?-u)\b[0-9]{5}-[0-9]{4}\b".into(), always),
        (Geography, "ZIP code after its name", r"(?i-u)\b(?:zip(?: code)?|postal code|postcode)[: ]+([A-Z0-9][A-Z0-9 -]{2,8})".into(), has_digit),
        (Geography, "state and ZIP code", format!(r"(?-u)\b(?:{states}),?[ ]+[0-9]{{5}}\b"), no_unit),
        (Geography, "town and state", format!(r"(?-u)\b(?:[A-Z][a-z]+ )?[A-Z][a-z]+, (?:{states})\b"), always),
        (
            Geography,
            "postcode",
            r"(?-u)\b[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][ABD-HJLNP-UW-Z]{2}\b".into(),
            postcode,
        ),
        (
            Geography,
            "street",
            r"(?-u)\b[0-9]{1,5}[A-Za-z]?,? (?:[NSEW][.]? )?(?:[A-Z0-9][A-Za-z0-9'.-]* ){1,4}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Way|Terrace|Ter|Circle|Cir|Highway|Hwy|Square|Sq|Parkway|Pkwy|Trail|Alley|Row|Close|Crescent)\b".into(),
            always,
        ),
        (Geography, "post box", r"(?i-u)\bP[.]?[ ]?O[.]?[ ]?box[ #]*[0-9]+".into(), always),
        (Geography, "apartment", r"(?i-u)\b(?:apt|apartment|suite)[.]? #?[0-9]+[A-Z]?\b".into(), always),
        (OtherId, "unique identifier", r"(?i-u)\b[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}\b".into(), always),
        (OtherId, "account of a network", r"(?-u)(?:^|[\s(])(@[A-Za-z][A-Za-z0-9_.]{2,})".into(), digit_or_tie),
        (OtherId, "single digits apart", r"(?-u)\b[0-9](?: -? ?[0-9]\b){8,}".into(), always),
        (OtherId, "long run of digits", r"(?-u)\b[0-9](?:[ -]?[0-9]){6,}\b".into(), long_run_or_spaced),
        (OtherId, "letters and digits", r"(?-u)\b[A-Za-z0-9]{7,}\b".into(), mixed_run),
    ]
}

/// `aged 95` is an age; `age 95 percentile` is not.
fn no_unit_but_years(_: &str, _: &str, after: &str) -> bool {
    let after = after.trim_start().to_ascii_lowercase();
    !after.starts_with('%') && !after.starts_with("percentile") && !after.starts_with("th percentile")
}

/// Digits in one run, or in groups as card and account numbers are written; values in a list are shorter than that.
fn long_run_or_spaced(found: &str, before: &str, after: &str) -> bool {
    let groups: Vec<&str> = found.split([' ', '-']).collect();
    let grouped = groups.len() == 1 || (groups.len() >= 3 && groups.iter().all(|group| group.len() >= 3));
    (grouped || groups.iter().any(|group| group.len() >= 7)) && long_run(found, before, after)
}
