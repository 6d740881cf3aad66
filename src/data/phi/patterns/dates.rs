//! Dates as they are written in free text. A year alone is none: the rule lets it stay.

use super::units::starts_with_unit;
use super::{Source, always, no_unit, numbers};
use crate::data::phi::PhiClass::Date;

/// In any case: notes are typed in a hurry.
pub(super) const MONTH: &str = "(?i-u:January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|\
                     Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)";

/// Four digits that are a year.
pub(super) const YEAR: &str = "(?:19|20)[0-9]{2}";

/// Before the last two digits of a year.
pub(super) const TICK: &str = "(?u-i:['’‘])";

/// Days that a year makes a date.
const FEASTS: &str = "(?:Christmas|Xmas|X-mas)(?: Day| Eve)?|Good Friday|Easter(?: Sunday| Monday)?|Whitsun|Pentecost|\
                      Thanksgiving|Halloween|New Year'?s?(?: Day| Eve)?|Valentine'?s(?: Day)?|(?:Memorial|Labou?r|\
                      Independence|Boxing) Day|Ramadan|Eid(?: al[- ](?:Fitr|Adha))?|Diwali|Holi|Hanukkah|Chanukah|Passover|\
                      Rosh Hashanah|Yom Kippur";

/// What is done to somebody, or happens, on a day.
const EVENTS: &str = "surgery|operation|procedure|biopsy|[a-z]+ectomy|[a-z]+[ao]scopy|[a-z]+plasty|scan|CT|MRI|x-?ray|\
                      ultrasound|echo|EKG|ECG|LMP|EDD|appointment|appt|admission|discharge|transfusion|accident|MVA|fell|died|\
                      birthday";

/// Day and month in either order, with any year.
fn day_and_month(found: &str, _: &str, after: &str) -> bool {
    let parts = numbers(found);
    let [a, b, ..] = parts[..] else { return false };
    let fits = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
    (fits(a, b) || fits(b, a)) && !starts_with_unit(after)
}

/// The next word in lower case.
fn next_word(after: &str) -> String {
    let word = after.trim_start().split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    word.to_ascii_lowercase()
}

/// Whether a word of content comes next, not one that begins another part of the sentence.
fn goes_on(after: &str) -> bool {
    const BEGIN: [&str; 33] = [
        "a", "after", "an", "and", "as", "at", "because", "before", "but", "by", "due", "during", "for",
        "from", "he", "i", "if", "in", "it", "of", "on", "or", "she", "so", "the", "then", "they", "to",
        "we", "when", "which", "who", "with",
    ];
    let next = next_word(after);
    next.starts_with(|c: char| c.is_ascii_alphabetic()) && !BEGIN.contains(&next.as_str())
}

/// `3/14` after a word that says a date comes; not a score, a power or an acuity, nor `on 24/7 care` (all day, every day) and
/// `admitted 2/2 sepsis` (secondary to).
fn bare_day_and_month(found: &str, before: &str, after: &str) -> bool {
    let scale = [
        "scale",
        "strength",
        "power",
        "motor",
        "score",
        "pulse",
        "in severity",
        "pain",
        "murmur",
        "systolic",
        "diastolic",
        "vision",
        "visual",
        "acuity",
    ];
    let lower = after.trim_start().to_ascii_lowercase();
    let on = before.trim_end().to_ascii_lowercase().ends_with("on");
    let idiom = match numbers(found)[..] {
        [24, 7] => lower.starts_with("/365") || (on && goes_on(after)),
        [2, 2] => goes_on(after),
        _ => false,
    };
    day_and_month(found, before, after.trim_start())
        && !idiom
        && !scale.iter().any(|word| lower.starts_with(word))
}

/// `surgery 6/14`; not how long ago something was (`surgery 6/12 ago`: six months), which one of a few, a half or a third.
fn day_of_event(found: &str, before: &str, after: &str) -> bool {
    const BEHIND_A_SPAN: [&str; 8] =
        ["ago", "later", "earlier", "prior", "before", "previously", "post", "after"];
    let none = match numbers(found)[..] {
        [1, 2..=4] | [2, 3] | [3, 4] | [24, 7] => true,
        [_, 7 | 12] => BEHIND_A_SPAN.contains(&next_word(after).as_str()),
        _ => false,
    };
    bare_day_and_month(found, before, after) && !none
}

/// The same after a word that often has a span of time behind it: `review 6/12` is in six months, `started 3/7` for three
/// days.
fn day_of_visit(found: &str, before: &str, after: &str) -> bool {
    let span = matches!(numbers(found)[..], [_, 7 | 12]);
    day_of_event(found, before, after) && !span
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

/// Neither part of a longer number nor a value.
fn lone_no_unit(_: &str, before: &str, after: &str) -> bool {
    let longer = |c: char| matches!(c, '.' | '-' | '/' | '+' | '<' | '>' | '=' | '$');
    let goes_on = after
        .strip_prefix(['.', '-', '/'])
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    !before.ends_with(longer) && !goes_on && !starts_with_unit(after)
}

/// `03-2019`, not the ends of a range: `10-2000 copies`.
fn month_dash_year(found: &str, before: &str, after: &str) -> bool {
    let range = ["range", "between", "normal", "reference"];
    let context = before.to_ascii_lowercase();
    // A month is seldom written `03` where it is none.
    let clear = found.starts_with('0') || !goes_on(after);
    clear && lone_no_unit(found, before, after) && !range.iter().any(|word| context.contains(word))
}

/// `Q3-19`, but not every four to twelve hours.
fn quarter(found: &str, _: &str, after: &str) -> bool {
    let short = found.as_bytes().get(2) == Some(&b'-') && found.len() == 5;
    let interval = short && numbers(found).last().is_some_and(|year| *year <= 12);
    !interval && !starts_with_unit(after)
}

/// `3Q19`, but not a band of a chromosome.
fn no_gene(_: &str, before: &str, after: &str) -> bool {
    let before = before.to_ascii_lowercase();
    let words = ["chromosom", "del", "dup", "band", "gain", "loss", "somy", "locus", "t("];
    let band = after
        .strip_prefix(['.', '-'])
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    !band && !words.iter().any(|word| before.contains(word))
}

/// The season, not what an old person had in that year.
fn no_tumble(_: &str, before: &str, after: &str) -> bool {
    let last = before.trim_end().rsplit([' ', '\n', ',']).next().unwrap_or_default().to_ascii_lowercase();
    let had =
        ["a", "his", "her", "their", "my", "another", "after", "mechanical", "recent", "bad", "ground-level"];
    !had.contains(&last.as_str()) && !starts_with_unit(after)
}

/// A day of the month, not the how-manieth time: `on Monday the 2nd dose`.
fn no_turn(_: &str, _: &str, after: &str) -> bool {
    let nouns = [
        "dose",
        "time",
        "attempt",
        "day",
        "week",
        "visit",
        "episode",
        "cycle",
        "injection",
        "course",
        "session",
    ];
    let next = after.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    !nouns.contains(&next.to_ascii_lowercase().as_str())
}

/// The shapes of dates.
pub(super) fn sources() -> Vec<Source> {
    vec![
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
        (
            Date,
            "day and month of an event",
            format!(r"(?i-u)\b(?:{EVENTS})[: ]+([0-9]{{1,2}}/[0-9]{{1,2}})\b"),
            day_of_event,
        ),
        (
            Date,
            "day and month of a visit",
            r"(?i-u)\b(?:follow[- ]?up|f/u|review(?:ed)?|(?:re)?started|stopped|began|last (?:seen|dose|visit)|labs?|vaccinated)[: ]+([0-9]{1,2}/[0-9]{1,2})\b".into(),
            day_of_visit,
        ),
        (Date, "month and year", r"(?-u)\b(?:0?[1-9]|1[0-2]) ?/ ?(?:19|20)[0-9]{2}\b".into(), month_and_year),
        (Date, "year and month", r"(?-u)\b(?:19|20)[0-9]{2} ?/ ?(?:0[1-9]|1[0-2])\b".into(), no_unit),
        (
            Date,
            "year and month",
            r"(?-u)\b(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])\b".into(),
            lone_no_unit,
        ),
        (
            Date,
            "month and year",
            r"(?-u)\b(?:0[1-9]|1[0-2])[.](?:19|20)[0-9]{2}\b".into(),
            lone_no_unit,
        ),
        (Date, "month and year", format!(r"(?-u)\b(?:0[1-9]|1[0-2])-{YEAR}\b"), month_dash_year),
        (
            Date,
            "month and year after a word for a date",
            format!(r"(?i-u)\b(?:in|on|since|until|dated?|born|admitted|discharged|seen)[: ]+((?:[1-9]|1[0-2]) ?- ?{YEAR})\b"),
            month_dash_year,
        ),
        (
            Date,
            "month and year in two digits",
            format!(r"(?-u)\b{MONTH}(?:[.]?,? ?(?:of )?{TICK}|[-/])[0-9]{{2}}\b"),
            lone_no_unit,
        ),
        (
            Date,
            "month and year after a word for a date",
            r"(?i-u)\b(?:in|on|since|until|dated?|born|admitted|discharged|seen)[: ]+([1-9][.](?:19|20)[0-9]{2})\b".into(),
            lone_no_unit,
        ),
        (
            Date,
            "quarter of a year",
            format!(r"(?i-u)\b(?:(?:Q[1-4]|(?:first|second|third|fourth|last) quarter)(?: of |, ?| ?[/-] ?| )?{YEAR}|(?-i:Q[1-4]) ?(?:-|{TICK})[0-9]{{2}})\b"),
            quarter,
        ),
        (Date, "year and quarter", r"(?i-u)\b(?:19|20)[0-9]{2}(?: ?[/-] ?| )?Q[1-4]\b".into(), no_unit),
        (Date, "quarter of a year", format!(r"(?-u)\b[1-4]Q ?(?:{YEAR}|{TICK}?[0-9]{{2}})\b"), no_gene),
        (Date, "week of a year", r"(?-u)\b(?:19|20)[0-9]{2}-?W(?:0[1-9]|[1-4][0-9]|5[0-3])(?:-?[1-7])?\b".into(), always),
        (
            Date,
            "week of a year",
            format!(r"(?i-u)\b(?:week|wk|KW)[ ]?[0-9]{{1,2}}(?: of (?:the year )?| in | ?/ ?){YEAR}\b"),
            no_unit,
        ),
        (
            Date,
            "season or feast of a year",
            format!(r"(?i-u)\b(?:spring|summer|autumn|winter|{FEASTS})(?: of|,)? (?:{YEAR}|{TICK}[0-9]{{2}})\b"),
            always,
        ),
        (Date, "fall of a year", format!(r"(?i-u)\bfall(?: of)? (?:{YEAR}|{TICK}[0-9]{{2}})\b"), no_tumble),
        (
            Date,
            "month and day or year",
            format!(r"(?-u)\b{MONTH}[.]?,?[ ](?:of )?(?:[0-9]{{1,2}}(?:st|nd|rd|th)?\b(?:,? [0-9]{{4}}\b)?|(?:18|19|20)[0-9]{{2}}\b)"),
            month_word,
        ),
        (
            Date,
            "weekday and day of a month",
            r"(?i-u)\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? (?:the )?(?:[12][0-9]|3[01]|[1-9])(?:st|nd|rd|th)\b".into(),
            no_turn,
        ),
        (
            Date,
            "month, day and year",
            format!(r"(?-u)\b{MONTH}[./-][0-9]{{1,2}}(?:st|nd|rd|th)?[./-](?:{YEAR}|[0-9]{{2}})\b"),
            always,
        ),
        (Date, "day, month and year", format!(r"(?-u)\b[0-9]{{1,2}}[./]{MONTH}[./](?:{YEAR}|[0-9]{{2}})\b"), always),
        (
            Date,
            "day and month",
            format!(r"(?-u)\b[0-9]{{1,2}}(?:st|nd|rd|th)?[ -](?:of )?{MONTH}\b(?:[,-]? ?[0-9]{{2,4}}\b)?"),
            month_word,
        ),
    ]
}
