//! The `osler` command.

fn main() -> std::process::ExitCode {
    osler::cli::main()
}
