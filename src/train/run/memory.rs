//! The most memory this process has had.

use std::sync::atomic::{AtomicU64, Ordering};

/// The largest resident set of this process so far, in bytes; 0 where the system does not tell.
///
/// Linux keeps it itself (`VmHWM`). Elsewhere the present size is asked for and the largest answer so far is given, so
/// it is as good as it is asked for often: once a step.
pub fn peak_rss_bytes() -> u64 {
    if let Some(bytes) =
        std::fs::read_to_string("/proc/self/status").ok().as_deref().and_then(high_water_mark)
    {
        return bytes;
    }
    static LARGEST: AtomicU64 = AtomicU64::new(0);
    let now = resident_now().unwrap_or(0);
    LARGEST.fetch_max(now, Ordering::Relaxed).max(now)
}

/// `VmHWM` of a `/proc/<pid>/status`, which gives it in units of 1024 bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
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
    fn the_mark_is_read_in_bytes() {
        assert_eq!(high_water_mark("Name:\tosler\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12_641_280));
        for other in ["", "VmHWM:\t12 MB", "VmHWM: x kB", "VmHWM:\t18446744073709551615 kB"] {
            assert_eq!(high_water_mark(other), None, "{other}");
        }
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
