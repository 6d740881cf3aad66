//! The reference of every field, from the declarations that read them.

use super::models;
use super::part::Inner;
use super::rl::Grpo;
use super::run::RunConfig;
use super::section::{Knob, Section};
use super::stage::{Update, described};

const HEAD: &str = "\
# Configuration reference

Made from the program's own field declarations by `UPDATE_DOCS=1 cargo test train::config`; a test keeps it up to date.

One TOML file describes a run. `configs/` holds examples. Unknown fields are errors, and all errors are reported together.
`osler train run.toml --dry-run` checks a file and prints the plan: parameters, memory, steps, tokens, and what the run
needs that is not built yet.

`--set key=value` puts a value over the file's, any number of times; the last one counts. The key is a path:
`--set seed=2`, `--set data.train=500`. A stage is chosen by its kind, or by its place from 0 where several have that kind:
`--set stage.rl.lr=1e-5`, `--set stage.1.lr=1e-5`. The value is read as TOML, or else as text: `--set device=cuda:0`.
A field that may be absent is taken out with `none`: `--set stage.sft.epochs=none --set stage.sft.steps=50`.

The resolved configuration in a run's folder is such a file with every field in it. A field whose default is *none* may be
absent. *Source* says where a default comes from: a paper, a recipe in use, or a choice made here.
";

/// The page `docs/config.md`.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let knobs = RunConfig::knobs();
    page.push_str(&format!("\n## Top level\n\n{}\n", RunConfig::about()));
    table(&mut page, &knobs);
    for knob in &knobs {
        match knob.inner {
            Inner::Table(inner) => section(&mut page, 2, knob.name, knob.name, &inner()),
            Inner::Stages => stages(&mut page),
            Inner::Models => named_models(&mut page),
            Inner::Value => {}
        }
    }
    page
}

fn stages(page: &mut String) {
    page.push_str("\n## `[[stage]]`\n\nThe stages, done in the order of the file. Each has a `kind`, which says what other fields it has.\n");
    for (kind, about, knobs) in described() {
        heading(page, 3, &format!("kind = \"{kind}\""), &about);
        let (own, shared): (Vec<Knob>, Vec<Knob>) = knobs.into_iter().partition(|knob| knob.shared.is_none());
        table(page, &own);
        let sampled = shared.iter().any(|knob| knob.shared == Some("Grpo"));
        let also =
            if sampled { "those of [reinforcement learning](#all-reinforcement-learning) and " } else { "" };
        page.push_str(&format!(
            "\nAlso {also}those of [every stage](#every-stage). `--set stage.{kind}.FIELD=VALUE`\n"
        ));
        inner(page, 3, &format!("stage.{kind}"), "stage", &own);
    }
    page.push_str(&format!("\n### All reinforcement learning\n\n{}\n", Grpo::about()));
    let own: Vec<Knob> = Grpo::knobs().into_iter().filter(|knob| knob.shared.is_none()).collect();
    table(page, &own);
    page.push_str(&format!("\n### Every stage\n\n{}\n", Update::about()));
    table(page, &Update::knobs());
}

fn named_models(page: &mut String) {
    page.push_str(
        "\n## `[models.NAME]`\n\nModels that play roles, each under a name of one's choice. One with `server` is asked there, one with `path` runs \
         in this process; docs/models.md explains both.\n",
    );
    for (own, about, knobs) in models::described() {
        heading(page, 3, &format!("{own} = ..."), &about);
        table(page, &knobs);
    }
    page.push_str("\n`--set models.NAME.FIELD=VALUE`\n");
}

/// A table with its fields and the tables in it. `path` is what `--set` calls it and `header` what the file does: tables of
/// the last `[[stage]]` are headed `[stage.noise]`, whatever its kind.
fn section(page: &mut String, level: usize, path: &str, header: &str, (about, knobs): &(String, Vec<Knob>)) {
    heading(page, level, &format!("[{header}]"), about);
    table(page, knobs);
    page.push_str(&format!("\n`--set {path}.FIELD=VALUE`\n"));
    inner(page, level, path, header, knobs);
}

fn inner(page: &mut String, level: usize, path: &str, header: &str, knobs: &[Knob]) {
    for knob in knobs {
        if let Inner::Table(inner) = knob.inner {
            let name = knob.name;
            section(page, level + 1, &format!("{path}.{name}"), &format!("{header}.{name}"), &inner());
        }
    }
}

fn heading(page: &mut String, level: usize, title: &str, about: &str) {
    page.push_str(&format!("\n{} `{title}`\n\n{about}\n", "#".repeat(level)));
}

fn table(page: &mut String, knobs: &[Knob]) {
    page.push_str("\n| field | default | legal | meaning |\n| --- | --- | --- | --- |\n");
    for knob in knobs {
        let default = match (&knob.default, knob.inner) {
            (Some(default), _) if default == "none" => "*none*".to_owned(),
            (Some(default), _) => format!("`{}`", cell(default)),
            (None, Inner::Table(_)) => "its fields' own".to_owned(),
            (None, _) => "**must be given**".to_owned(),
        };
        let unit = if knob.unit.is_empty() { String::new() } else { format!(" ({})", knob.unit) };
        let source =
            if knob.source == "no default" { String::new() } else { format!(" *Source: {}.*", knob.source) };
        page.push_str(&format!(
            "| `{}` | {default} | {}{unit} | {}{source} |\n",
            knob.name,
            cell(&knob.legal),
            cell(&knob.about)
        ));
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
                Inner::Table(inner) => walk(&path, &inner().1, paths),
                Inner::Stages => {
                    for (kind, _, knobs) in described() {
                        walk(&format!("{path}.{kind}"), &knobs, paths);
                    }
                }
                Inner::Models => {
                    paths.extend(models::field_names().iter().map(|field| format!("{path}.NAME.{field}")));
                }
            }
        }
    }
    let mut paths = Vec::new();
    walk("", &RunConfig::knobs(), &mut paths);
    paths
}
