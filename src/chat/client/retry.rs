//! When a request is sent again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::settings::Retries;

impl Retries {
    /// How long to wait after a request has failed `failed + 1` times, `None` where it is not to be sent again: it was sent often enough,
    /// or the server asks for more patience than there is. `asked` is what it asks for, `draw` a number from 0 to 1.
    pub(in crate::chat) fn wait(&self, failed: u32, asked: Option<Duration>, draw: f64) -> Option<Duration> {
        if failed >= self.most || asked.is_some_and(|it| it > self.longest_asked) {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(2u32.saturating_pow(failed)).min(self.longest_wait);
        let drawn = doubled.mul_f64(0.5 + 0.5 * draw.clamp(0.0, 1.0));
        Some(drawn.max(asked.unwrap_or_default()))
    }
}

/// Reads `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date, of which what is left at `now` counts. Some servers send fractions
/// of a second. What is neither is as if it were not there.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        // A wait that no duration holds is one that nobody waits.
        return (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    let date = UNIX_EPOCH + Duration::from_secs(http_date(value)?);
    Some(date.duration_since(now).unwrap_or_default())
}

/// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`, the form that all servers must send.
fn http_date(text: &str) -> Option<u64> {
    let (_, date) = text.split_once(", ")?;
    let [day, month, year, time, "GMT"] = date.split(' ').collect::<Vec<_>>()[..] else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|it| *it == month)? as u64;
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else { return None };
    let number = |text: &str, range: std::ops::RangeInclusive<u64>| {
        let digits = text.bytes().all(|it| it.is_ascii_digit());
        text.parse::<u64>().ok().filter(|it| digits && range.contains(it))
    };
    let (day, year) = (number(day, 1..=31)?, number(year, 1970..=9999)?);
    // 60 is a leap second.
    let (hour, minute, second) = (number(hour, 0..=23)?, number(minute, 0..=59)?, number(second, 0..=60)?);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days: u64 = (1970..year).map(|it| if leap(it) { 366 } else { 365 }).sum::<u64>()
        + lengths.iter().take(month as usize).sum::<u64>()
        + day
        - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_double_to_a_limit_and_end() {
        let retries = Retries {
            most: 6,
            first_wait: seconds(1),
            longest_wait: seconds(10),
            longest_asked: seconds(60),
        };
        let waits: Vec<_> = (0..8).map(|failed| retries.wait(failed, None, 1.0)).collect();
        let expected = [1, 2, 4, 8, 10, 10].map(|it| Some(seconds(it)));
        assert_eq!(waits, [&expected[..], &[None, None]].concat());
        assert_eq!(retries.wait(1, None, 0.0), Some(seconds(1)));
        assert_eq!(retries.wait(0, Some(seconds(60)), 1.0), Some(seconds(60)));
        assert_eq!(retries.wait(2, Some(seconds(1)), 1.0), Some(seconds(4)));
        assert_eq!(retries.wait(0, Some(seconds(61)), 1.0), None);
    }

    proptest! {
        #[test]
        fn no_wait_is_beyond_its_bounds(
            failed in 0u32..100, asked in prop::option::of(0u64..200), draw in 0.0f64..1.0,
            most in 0u32..100, first in 1u64..1_000_000, longest in 1u64..1_000_000,
        ) {
            let longest_wait = Duration::from_millis(longest);
            let retries = Retries {
                most, first_wait: Duration::from_millis(first), longest_wait, longest_asked: seconds(60),
            };
            match retries.wait(failed, asked.map(seconds), draw) {
                Some(wait) => {
                    prop_assert!(failed < most);
                    prop_assert!(wait <= longest_wait.max(seconds(60)));
                    prop_assert!(wait >= asked.map(seconds).unwrap_or_default());
                }
                None => prop_assert!(failed >= most || asked.is_some_and(|it| it > 60)),
            }
        }
    }

    /// The dates' seconds are GNU date's: `date -u -d '...' +%s`.
    #[test]
    fn what_a_server_asks_for_is_read() {
        let now = UNIX_EPOCH + seconds(784_111_770);
        let after = |value| retry_after(value, now);
        assert_eq!(after("120"), Some(seconds(120)));
        assert_eq!(after(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(after("1e300"), Some(Duration::MAX));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(seconds(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        for (date, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Fri, 27 Nov 2026 07:50:00 GMT", 1_795_765_800),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ] {
            assert_eq!(http_date(date), Some(expected), "{date}");
        }
        for bad in [
            "",
            "soon",
            "-1",
            "NaN",
            "inf?",
            "06 Nov 1994",
            "Sun, 06 Nov 1994 8:49:61 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
        ] {
            assert_eq!(after(bad), None, "{bad}");
        }
    }
}
