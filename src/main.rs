//! The `osler` command.

/// Activations are megabytes that come and go every layer; the system allocator returns such blocks to the kernel each
/// time and pays for their page faults again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    osler::cli::main()
}
