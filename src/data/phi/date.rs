//! Dates of records, and shifting them by a patient's own constant offset.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// How much of a date was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// A year.
    Year,
    /// A year and a month.
    Month,
    /// A day.
    Day,
    /// A time of a day.
    Time,
}

/// A date or time as FHIR writes it: `2011`, `2011-08`, `2011-08-22`, `2011-08-22T10:19:35+00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970-01-01 UTC of its beginning.
    pub seconds: i64,
    /// How much of it was given.
    pub precision: Precision,
}

impl Moment {
    /// Reads a FHIR date, dateTime or instant. `None` for anything else, and for years outside 1800 to 2200.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let part = bytes.get(from..to)?;
            if !part.iter().all(u8::is_ascii_digit) {
                return None;
            }
            std::str::from_utf8(part).ok()?.parse().ok()
        };
        let dash = |at: usize| bytes.get(at) == Some(&b'-');
        let year = number(0, 4)?;
        if !(1800..=2200).contains(&year) {
            return None;
        }
        let at = |month, day, seconds, precision| {
            Some(Self { seconds: day_number(year, month, day)? * DAY + seconds, precision })
        };
        match bytes.len() {
            4 => at(1, 1, 0, Precision::Year),
            7 if dash(4) => at(number(5, 7)?, 1, 0, Precision::Month),
            10 if dash(4) && dash(7) => at(number(5, 7)?, number(8, 10)?, 0, Precision::Day),
            16.. if dash(4) && dash(7) && bytes.get(10) == Some(&b'T') => {
                let seconds = clock(text.get(11..)?)?;
                at(number(5, 7)?, number(8, 10)?, seconds, Precision::Time)
            }
            _ => None,
        }
    }

    /// The same moment `days` later. A year stays as it is, and a month becomes its year: Safe Harbor lets years stay.
    pub fn shifted(self, days: i64) -> Self {
        match self.precision {
            Precision::Year => self,
            Precision::Month => {
                let (year, ..) = civil(self.seconds.div_euclid(DAY));
                let seconds = day_number(year, 1, 1).map_or(self.seconds, |day| day * DAY);
                Self { seconds, precision: Precision::Year }
            }
            Precision::Day | Precision::Time => Self { seconds: self.seconds + days * DAY, ..self },
        }
    }

    /// Whole days from `self` to `later`, below 0 where `later` is earlier.
    pub fn days_until(self, later: Self) -> i64 {
        later.seconds.div_euclid(DAY) - self.seconds.div_euclid(DAY)
    }

    /// Whole years from `self` to `later`, as an age is counted; 0 where `later` is not later.
    pub fn years_until(self, later: Self) -> u32 {
        let (y0, m0, d0) = civil(self.seconds.div_euclid(DAY));
        let (y1, m1, d1) = civil(later.seconds.div_euclid(DAY));
        let years = y1 - y0 - i64::from((m1, d1) < (m0, d0));
        u32::try_from(years).unwrap_or(0)
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = civil(self.seconds.div_euclid(DAY));
        match self.precision {
            Precision::Year => write!(f, "{year:04}"),
            Precision::Month => write!(f, "{year:04}-{month:02}"),
            Precision::Day => write!(f, "{year:04}-{month:02}-{day:02}"),
            Precision::Time => {
                let s = self.seconds.rem_euclid(DAY);
                let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
                write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
            }
        }
    }
}

/// Seconds after midnight UTC of `hh:mm[:ss[.fff]][Z|+hh:mm|-hh:mm]`.
fn clock(text: &str) -> Option<i64> {
    let two = |from: usize| -> Option<i64> {
        let part = text.get(from..from + 2)?;
        if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None }
    };
    let (hour, minute) = (two(0)?, two(3)?);
    let mut rest = text.get(5..)?;
    let mut second = 0;
    if text.as_bytes().get(2) != Some(&b':') {
        return None;
    }
    if rest.starts_with(':') {
        second = two(6)?;
        rest = text.get(8..)?;
        if let Some(fraction) = rest.strip_prefix('.') {
            rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let zone = match rest {
        "" | "Z" => 0,
        _ => {
            let sign = if rest.starts_with('+') { 1 } else { -1 };
            let part = rest.strip_prefix(['+', '-'])?;
            let (hours, minutes) = part.split_once(':')?;
            if hours.len() != 2 || minutes.len() != 2 {
                return None;
            }
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            if !(0..=14).contains(&hours) || !(0..=59).contains(&minutes) {
                return None;
            }
            sign * (hours * 3600 + minutes * 60)
        }
    };
    Some(hour * 3600 + minute * 60 + second - zone)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` where there is no such day.
fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at the end, so the days before a month are a straight line.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day - 1;
    Some(days - 719_468)
}

/// Year, month and day of a day number.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let y = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * y + y / 4 - y / 100);
    let m = (5 * of_year + 2) / 153;
    let day = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    (era * 400 + y + i64::from(month <= 2), month, day)
}

/// The offset in days of a patient: -364 to 364, never 0, the same for one seed and one patient.
///
/// The patient's number is absorbed in blocks of 32 bytes: each is added (xor) to the next 32 bytes of the generator,
/// and the sum keys the next one.
pub fn offset(seed: u64, patient: &str) -> i64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bytes = (patient.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(patient.as_bytes());
    for block in bytes.chunks(32) {
        let mut key = [0u8; 32];
        rng.fill_bytes(&mut key);
        key.iter_mut().zip(block).for_each(|(k, b)| *k ^= b);
        rng = ChaCha8Rng::from_seed(key);
    }
    // 728 values from 64 bits: the bias is below 1e-16.
    let drawn = i64::try_from(rng.next_u64() % 728).unwrap_or(0);
    if drawn < 364 { drawn - 364 } else { drawn - 363 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_of_every_precision_are_read_and_written() {
        for text in ["2011", "2011-08", "2011-08-22", "2012-02-29", "1899-12-31"] {
            assert_eq!(Moment::parse(text).unwrap().to_string(), text);
        }
        let zoned = Moment::parse("2011-08-22T01:19:35.870+02:00").unwrap();
        assert_eq!(zoned.to_string(), "2011-08-21T23:19:35Z");
        for text in ["", "120/80", "2011-13", "2011-02-30", "2011-08-22T", "2011-08-22Tx", "9999", "20110822"]
        {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
        assert_eq!(Moment::parse("1970-01-01").unwrap().seconds, 0);
    }

    #[test]
    fn an_age_is_counted_in_whole_years() {
        let born = Moment::parse("1963-07-29").unwrap();
        assert_eq!(born.years_until(Moment::parse("2011-07-28").unwrap()), 47);
        assert_eq!(born.years_until(Moment::parse("2011-07-29").unwrap()), 48);
        assert_eq!(born.years_until(Moment::parse("1950-01-01").unwrap()), 0);
    }

    proptest! {
        #[test]
        fn shifting_keeps_intervals_and_is_never_nothing(
            seed: u64, patient in "\\PC{0,80}", a in 0i64..80_000, b in 0i64..80_000,
        ) {
            let days = offset(seed, &patient);
            prop_assert!(days != 0 && days.abs() <= 364);
            prop_assert_eq!(days, offset(seed, &patient));
            let moment = |day: i64| Moment { seconds: (day - 40_000) * DAY, precision: Precision::Day };
            let (a, b) = (moment(a), moment(b));
            prop_assert_eq!(a.shifted(days).days_until(b.shifted(days)), a.days_until(b));
            prop_assert_eq!(Moment::parse(&a.to_string()), Some(a));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9T:+.Z-]{0,30}|\\PC{0,30}") {
            let _ = Moment::parse(&text);
        }
    }
}
