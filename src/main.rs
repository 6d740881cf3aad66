//! The `osler` command.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

/// Activations are megabytes that come and go every layer; the system allocator returns such blocks to the kernel each
/// time and pays for their page faults again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of `mimalloc.h`, which the bindings leave out: milliseconds after which what is free goes back to the system.
const PURGE_DELAY: mi_option_t = 15;

/// Steps of training need the same blocks again many times within this. Whatever is free at the end of a delay goes back, so the allocator's
/// own second costs them 7% of their time in page faults, and ten seconds up to 10% where a step takes some. What is free for good still goes
/// back.
const PURGE_MILLISECONDS: std::ffi::c_long = 60_000;

/// Makes a write beyond the limit on the size of files (`ulimit -f`) fail as any other write does, so that it is reported and what was half written
/// is taken away. Otherwise the system ends the process there, without a word.
#[cfg(unix)]
fn let_writes_fail() {
    // SAFETY: no handler runs, and no other thread does yet. It cannot fail: the signal is one that may be ignored.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    let_writes_fail();
    // SAFETY: an option of the allocator is set before any other thread runs. What the environment says (MIMALLOC_PURGE_DELAY) stands.
    unsafe { mi_option_set_default(PURGE_DELAY, PURGE_MILLISECONDS) };
    osler::cli::main()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_allocators_delay() {
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            // SAFETY: reads a number.
            assert_eq!(
                unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) },
                1000,
                "mimalloc's own default"
            );
        }
    }
}
