//! `docs/cli.md` is the help of every command, as the program prints it.

use std::path::Path;

use clap::Command;

/// Columns of the help text, whatever terminal the test runs in.
const WIDTH: usize = 100;

fn section(title: &str, level: &str, command: &mut Command) -> String {
    let help = command.render_long_help().to_string();
    // No blanks at line ends: editors strip them, and the page would differ.
    let lines: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
    format!("\n{level} {title}\n\n```text\n{}\n```\n", lines.join("\n"))
}

/// The help of every subcommand, and of theirs below it.
fn subcommands(command: &mut Command, name: &str, level: &str, page: &mut String) {
    for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
        let name = format!("{name} {}", sub.get_name());
        page.push_str(&section(&name, level, sub));
        subcommands(sub, &name, &format!("{level}#"), page);
    }
}

fn reference() -> String {
    let mut command = osler::cli::command().term_width(WIDTH);
    command.build();
    let mut page =
        "# Command reference\n\nMade from the program's own help by `UPDATE_DOCS=1 cargo test --test \
                    cli_reference`; a test keeps it up to date.\n"
            .to_owned();
    page.push_str(&section("osler", "##", &mut command));
    subcommands(&mut command, "osler", "##", &mut page);
    page
}

#[test]
fn the_command_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let expected = reference();
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &expected).unwrap();
    }
    // A checkout may have other line ends.
    let found = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let stale = "docs/cli.md is stale; UPDATE_DOCS=1 cargo test --test cli_reference rewrites it";
    let difference = expected.lines().zip(found.lines().chain(std::iter::repeat(""))).find(|(a, b)| a != b);
    assert!(found == expected, "{stale}; first difference: {difference:?}");
}
