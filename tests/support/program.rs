//! The program itself, run to its end with the command that a file of tests is about, its `COMMAND`.

use std::process::{Command, Output};

/// What becomes of it. Nothing may panic, whatever the arguments.
pub fn osler(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_osler"));
    let output = command.arg(crate::COMMAND).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    output
}

/// What it prints where it succeeds.
pub fn stdout(arguments: &[&str]) -> String {
    let output = osler(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What it says where it fails.
pub fn refused(arguments: &[&str]) -> String {
    let output = osler(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}
