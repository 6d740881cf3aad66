//! `strftime_now`: the date, for templates that tell the model what day it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minijinja::{Environment, Error, ErrorKind};

/// Makes `strftime_now(format)` answer with `now`.
pub(super) fn install(env: &mut Environment<'static>, now: SystemTime) {
    env.add_function("strftime_now", move |format: &str| strftime(now, format));
}

/// `strftime_now(format)` at `now`, in UTC: the directives that templates use to print a date.
pub(crate) fn strftime(now: SystemTime, format: &str) -> Result<String, Error> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day, day_of_year) = civil_date(days);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let (month_name, day_name) = (MONTHS[month - 1], DAYS[(days % 7) as usize]);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = chars.next();
        // `%-d` is glibc's form of `%d` without padding.
        let bare = directive == Some('-');
        if bare {
            directive = chars.next();
        }
        let piece = match directive {
            Some('Y') => format!("{year:04}"),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('e') => format!("{day:2}"),
            Some('H') => format!("{hour:02}"),
            Some('I') => format!("{:02}", (hour + 11) % 12 + 1),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('p') => (if hour < 12 { "AM" } else { "PM" }).into(),
            Some('j') => format!("{day_of_year:03}"),
            Some('B') => month_name.into(),
            Some('b' | 'h') => month_name[..3].into(),
            Some('A') => day_name.into(),
            Some('a') => day_name[..3].into(),
            Some('F') => format!("{year:04}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('D') => format!("{month:02}/{day:02}/{:02}", year % 100),
            Some('Z') => "UTC".into(),
            Some('z') => "+0000".into(),
            Some('n') => "\n".into(),
            Some('t') => "\t".into(),
            Some('%') => "%".into(),
            other => {
                let found = other.map_or_else(|| "nothing".to_owned(), |c| format!("`{c}`"));
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("strftime_now: after `%` stands {found}, supported are YymdeHIMSpjBbhAaFTDZznt%"),
                ));
            }
        };
        out.push_str(if bare { piece.trim_start_matches(['0', ' ']) } else { &piece });
    }
    Ok(out)
}

/// Year, month, day and day of the year of a count of days since 1970-01-01.
fn civil_date(mut days: u64) -> (u64, usize, u64, u64) {
    let leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    // Whole 400-year cycles first, so that an absurd clock costs no more than an honest one.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let day_of_year = days + 1;
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while month < 11 && days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month + 1, days + 1, day_of_year)
}
