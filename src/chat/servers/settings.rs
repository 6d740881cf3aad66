//! How requests are shared among servers.

use std::time::Duration;

use super::error::ServersError;
use crate::chat::client::{Retries, SettingError, legal_time};

/// How requests are shared, and how patiently.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServersSettings {
    /// A server that has more than this times the mean of outstanding requests passes requests on. At 1 all have as many as each other, and
    /// the larger it is, the more requests stay with the server that has read their conversation.
    pub load_factor: f64,
    /// When a server is left alone.
    pub outages: Outages,
    /// The first request of a conversation.
    pub warming: Warming,
    /// How often a request goes through all servers, one after the other, and how long it waits before it does so again. The clients' own
    /// repeats are not used.
    pub retries: Retries,
    /// The longest wait for a place at a server.
    pub longest_wait: Duration,
}

/// When a server is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outages {
    /// Failures in a row that take it out of use.
    pub failures: u32,
    /// How long it is out at first; the time doubles with each failure that follows.
    pub first: Duration,
    /// The longest time.
    pub longest: Duration,
}

/// The first request of a conversation goes alone, so that a server has read its beginning when the others come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warming {
    /// The most conversations that are remembered as read.
    pub most: usize,
    /// The longest that a request waits for the first.
    pub longest_wait: Duration,
}

impl ServersSettings {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), ServersError> {
        let Self { load_factor, outages, warming, retries, longest_wait } = self;
        if !(load_factor.is_finite() && *load_factor >= 1.0) {
            return Err(ServersError::LoadFactor { found: *load_factor });
        }
        for (name, found) in [
            ("outages.first", outages.first),
            ("outages.longest", outages.longest),
            ("warming.longest_wait", warming.longest_wait),
            ("retries.first_wait", retries.first_wait),
            ("retries.longest_wait", retries.longest_wait),
            ("retries.longest_asked", retries.longest_asked),
            ("longest_wait", *longest_wait),
        ] {
            legal_time(name, found)?;
        }
        for (name, zero) in [("outages.failures", outages.failures == 0), ("warming.most", warming.most == 0)]
        {
            if zero {
                return Err(SettingError::Zero { name }.into());
            }
        }
        Ok(())
    }
}

impl Outages {
    /// How long a server is out after so many failures more than take it out.
    pub(super) fn time(&self, more: u32) -> Duration {
        self.first.saturating_mul(2u32.saturating_pow(more)).min(self.longest)
    }
}

impl Default for ServersSettings {
    fn default() -> Self {
        Self {
            load_factor: 1.25,
            outages: Outages::default(),
            warming: Warming::default(),
            retries: Retries::default(),
            longest_wait: Duration::from_secs(600),
        }
    }
}

impl Default for Outages {
    fn default() -> Self {
        Self { failures: 3, first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

impl Default for Warming {
    fn default() -> Self {
        Self { most: 4096, longest_wait: Duration::from_secs(60) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert!(ServersSettings::default().check().is_ok());
        let with = |change: fn(&mut ServersSettings)| {
            let mut settings = ServersSettings::default();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        for (error, name) in [
            (with(|it| it.load_factor = 0.9), "load_factor"),
            (with(|it| it.load_factor = f64::NAN), "load_factor"),
            (with(|it| it.outages.failures = 0), "outages.failures"),
            (with(|it| it.outages.longest = Duration::MAX), "outages.longest"),
            (with(|it| it.warming.most = 0), "warming.most"),
            (with(|it| it.warming.longest_wait = Duration::ZERO), "warming.longest_wait"),
            (with(|it| it.longest_wait = Duration::ZERO), "longest_wait"),
        ] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn times_double_to_a_limit() {
        let times: Vec<u64> = (0..8).map(|more| Outages::default().time(more).as_secs()).collect();
        assert_eq!(times, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(Outages::default().time(u32::MAX), Duration::from_secs(60));
    }
}
