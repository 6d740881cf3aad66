//! The most memory this process has had.

use std::sync::atomic::{AtomicU64, Ordering};

/// The largest resident set of this process so far, in bytes; 0 where the system does not tell.
///
/// Linux keeps it itself (`VmHWM`). Elsewhere the present size is asked for and the largest answer so far is given, so
/// it is as good as it is asked for often: once a step.
pub fn peak_rss_bytes() -> u64 {
    if let Some(resident) = resident() {
        return resident.peak;
    }
    static LARGEST: AtomicU64 = AtomicU64::new(0);
    let now = resident_now().unwrap_or(0);
    LARGEST.fetch_max(now, Ordering::Relaxed).max(now)
}

/// What Linux keeps count of for this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Bytes in memory now (`VmRSS`).
    pub now: u64,
    /// The most that it ever had (`VmHWM`), in bytes.
    pub peak: u64,
}

/// Both counts; `None` on any other system.
pub fn resident() -> Option<Resident> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The counts of a `/proc/<pid>/status`, which gives them in units of 1024 bytes.
fn parse(status: &str) -> Option<Resident> {
    let bytes = |name: &str| -> Option<u64> {
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
        kib.checked_mul(1024)
    };
    Some(Resident { now: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// What the system says this process has in memory now.
fn resident_now() -> Option<u64> {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
    let pid = sysinfo::get_current_pid().ok()?;
    let mut system = System::new();
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        ProcessRefreshKind::nothing().with_memory(),
    );
    system.process(pid).map(|process| process.memory()).filter(|&bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_are_read_in_bytes() {
        let status = "Name:\tosler\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(parse(status), Some(Resident { now: 1024, peak: 12_641_280 }));
        for mark in ["", "VmHWM:\t12 MB", "VmHWM: x kB", "VmHWM:\t18446744073709551615 kB"] {
            assert_eq!(parse(&format!("VmRSS:\t 1 kB\n{mark}")), None, "{mark}");
        }
        assert_eq!(parse("VmHWM:\t 1 kB"), None, "a count alone");
    }

    #[test]
    fn the_peak_covers_what_was_used() {
        let before = resident_now().unwrap();
        // Touched, so that it is in memory and not only promised.
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        let with_block = resident_now().unwrap();
        assert!(with_block >= before.max(60 << 20), "{before} {with_block}");
        drop(block);
        assert!(peak_rss_bytes() + (8 << 20) >= with_block);
        assert!(peak_rss_bytes() < 1 << 40);
    }
}
