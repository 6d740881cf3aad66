//! The reference of every field, from the declarations that read them.

use super::part::Inner;
use super::run::RunConfig;
use super::section::{Knob, Section};
use super::stage::described;

const HEAD: &str = "\
# Configuration reference

Made from the program's own field declarations by `UPDATE_DOCS=1 cargo test train::config`; a test keeps it up to date.

One TOML file describes a run. `configs/` holds examples. Unknown fields are errors, and all errors are reported together.
`osler train run.toml --dry-run` checks a file and prints the plan: parameters, memory, steps, tokens, and what the run
needs that is not built yet.

`--set key=value` puts a value over the file's, any number of times; the last one counts. The key is a path:
`--set seed=2`, `--set data.train=500`. A stage is chosen by its kind, or by its place from 0 where several have that kind:
`--set stage.rl.lr=1e-5`, `--set stage.1.lr=1e-5`. The value is read as TOML, or else as text: `--set device=cuda:0`.

The resolved configuration in a run's folder is such a file with every field in it. A field whose default is *none* may be
absent. *Source* says where a default comes from: a paper, a recipe in use, or a choice made here.
";

/// The page `docs/config.md`.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    heading(&mut page, 2, "Top level", &RunConfig::about());
    let knobs = RunConfig::knobs();
    table(&mut page, "", &knobs);
    for knob in &knobs {
        match knob.inner {
            Inner::Table(inner) => {
                section(&mut page, 2, &format!("[{}]", knob.name), knob.name, &knob.about, &inner())
            }
            Inner::Stages => stages(&mut page),
            Inner::Value => {}
        }
    }
    page
}

fn stages(page: &mut String) {
    let about =
        "The stages, done in the order of the file. Each has a `kind`, which says what other fields it has.";
    heading(page, 2, "[[stage]]", about);
    for (kind, about, knobs) in described() {
        section(page, 3, &format!("kind = \"{kind}\""), &format!("stage.{kind}"), &about, &knobs);
    }
}

fn section(page: &mut String, level: usize, title: &str, path: &str, about: &str, knobs: &[Knob]) {
    heading(page, level, title, about);
    table(page, path, knobs);
    for knob in knobs {
        if let Inner::Table(inner) = knob.inner {
            let inner_path = format!("{path}.{}", knob.name);
            // In the file the stage's own table is the last [[stage]], so its tables are headed [stage.noise].
            let table =
                if path.starts_with("stage.") { format!("stage.{}", knob.name) } else { inner_path.clone() };
            section(page, level + 1, &format!("[{table}]"), &inner_path, &knob.about, &inner());
        }
    }
}

fn heading(page: &mut String, level: usize, title: &str, about: &str) {
    page.push_str(
        &format!("\n{} `{title}`\n\n{about}\n", "#".repeat(level)).replace("`Top level`", "Top level"),
    );
}

fn table(page: &mut String, path: &str, knobs: &[Knob]) {
    page.push_str("\n| field | default | legal | meaning |\n| --- | --- | --- | --- |\n");
    for knob in knobs {
        let default = match (&knob.default, knob.inner) {
            (Some(default), _) if default == "none" => "*none*".to_owned(),
            (Some(default), _) => format!("`{default}`"),
            (None, Inner::Table(_)) => "its fields' own".to_owned(),
            (None, _) => "**must be given**".to_owned(),
        };
        let unit = if knob.unit.is_empty() { String::new() } else { format!(" In {}.", knob.unit) };
        let unit = unit.replace("In per", "Per");
        let source =
            if knob.source == "no default" { String::new() } else { format!(" *Source: {}.*", knob.source) };
        let line = format!(
            "| `{}` | {default} | {} | {}{unit}{source} |\n",
            knob.name,
            cell(&knob.legal),
            cell(&knob.about)
        );
        page.push_str(&line);
    }
    if !path.is_empty() {
        page.push_str(&format!("\n`--set {path}.FIELD=VALUE`\n"));
    }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Every path that `--set` takes.
pub(super) fn paths() -> Vec<String> {
    fn walk(prefix: &str, knobs: &[Knob], paths: &mut Vec<String>) {
        for knob in knobs {
            let path =
                if prefix.is_empty() { knob.name.to_owned() } else { format!("{prefix}.{}", knob.name) };
            match knob.inner {
                Inner::Value => paths.push(path),
                Inner::Table(inner) => walk(&path, &inner(), paths),
                Inner::Stages => {
                    for (kind, _, knobs) in described() {
                        walk(&format!("{path}.{kind}"), &knobs, paths);
                    }
                }
            }
        }
    }
    let mut paths = Vec::new();
    walk("", &RunConfig::knobs(), &mut paths);
    paths
}
