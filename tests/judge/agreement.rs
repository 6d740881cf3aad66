//! The rules for written criteria beside hand-checked verdicts. The verdicts are kept by ids and hashes; the texts are read from where the
//! environment says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use osler::rubric::Verdict;
use osler::rubric::healthbench::{GradeKey, Ideals, own_samples, read_rows, samples};
use osler::rubric::written::WrittenJudge;
use serde::Deserialize;

/// What the rules made of hand-checked verdicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    right_met: usize,
    right_not_met: usize,
    wrong_met: usize,
    wrong_not_met: usize,
    not_judged_met: usize,
    not_judged_not_met: usize,
}

impl Counts {
    fn add(&mut self, checked: Verdict, given: Verdict) {
        use Verdict::{Met, NotJudged, NotMet};
        let count = match (checked, given) {
            (Met, Met) => &mut self.right_met,
            (NotMet, NotMet) => &mut self.right_not_met,
            (NotMet, Met) => &mut self.wrong_met,
            (Met, NotMet) => &mut self.wrong_not_met,
            (Met, NotJudged) => &mut self.not_judged_met,
            (NotMet, NotJudged) => &mut self.not_judged_not_met,
            (NotJudged, _) => panic!("a hand-checked verdict is met or not"),
        };
        *count += 1;
    }
}

type Table = BTreeMap<String, Counts>;

fn show(title: &str, table: &Table) {
    println!(
        "{title}\n{:<12}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "kind", "met", "not met", "wrong", "wrong", "open", "open"
    );
    println!(
        "{:<12}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "", "right", "right", "met", "not met", "met", "not met"
    );
    for (kind, it) in table {
        println!(
            "{kind:<12}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
            it.right_met,
            it.right_not_met,
            it.wrong_met,
            it.wrong_not_met,
            it.not_judged_met,
            it.not_judged_not_met
        );
    }
    let sum = |of: fn(&Counts) -> usize| table.values().map(of).sum::<usize>();
    let (right, wrong) =
        (sum(|it| it.right_met + it.right_not_met), sum(|it| it.wrong_met + it.wrong_not_met));
    let open = sum(|it| it.not_judged_met + it.not_judged_not_met);
    println!("{right} right, {wrong} wrong, {open} not judged");
}

fn file(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        println!("skipped: {variable} is not set");
    }
    path
}

fn fixture<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join(name)).unwrap()).unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/judge")
}

#[test]
fn healthbenchs_criteria() {
    /// The rows in three parts, by what is judged and whether the rules were made with it.
    #[derive(Deserialize)]
    struct Checked {
        seen: Part,
        unseen: Part,
        own: Part,
    }
    #[derive(Deserialize)]
    struct Part {
        rows: Vec<CheckedRow>,
        confusion: Table,
    }
    #[derive(Deserialize)]
    struct CheckedRow {
        prompt_id: String,
        completion_id: String,
        criteria: usize,
        verdicts: Vec<CheckedItem>,
    }
    #[derive(Deserialize)]
    struct CheckedItem {
        criterion: usize,
        criterion_id: String,
        verdict: Verdict,
    }

    let Some(path) = file("OSLER_HEALTHBENCH_JSONL") else { return };
    let checked: Checked = fixture("healthbench.json");
    let rows = read_rows(&path).unwrap();
    let mut all = own_samples(&rows, Ideals::Written);
    let replies = fixtures().join("healthbench_replies.jsonl");
    all.extend(samples(&rows, &replies).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    let judge = WrittenJudge::bundled();
    let mut counts = Vec::new();
    for (title, part) in [
        ("physicians' completions, with which the rules were made", &checked.seen),
        ("other physicians' completions", &checked.unseen),
        ("replies of our own", &checked.own),
    ] {
        let mut table = Table::new();
        let mut count = 0;
        for wanted in &part.rows {
            let sample = all.iter().find(|it| it.completion_id == wanted.completion_id);
            let sample = sample.unwrap_or_else(|| panic!("{} is not in the file", wanted.prompt_id));
            let row = &rows[sample.row];
            assert_eq!((&row.prompt_id, row.rubrics.len()), (&wanted.prompt_id, wanted.criteria));
            let keys = GradeKey::all(row, sample);
            for item in &wanted.verdicts {
                assert_eq!(keys[item.criterion].criterion_id, item.criterion_id);
                let given = judge.judge(&row.rubrics[item.criterion].criterion, &sample.text);
                table
                    .entry(given.kind.name().to_owned())
                    .or_default()
                    .add(item.verdict, given.judgement.verdict);
                count += 1;
            }
        }
        show(&format!("HealthBench, {title}"), &table);
        assert_eq!(table, part.confusion, "{title}");
        counts.push((part.rows.len(), count));
    }
    // All thirty rows.
    assert_eq!(counts, [(18, 169), (6, 62), (6, 37)]);
}

#[test]
fn primock57s_checklists() {
    #[derive(Deserialize)]
    struct Checked {
        consultations: Vec<CheckedNote>,
        confusion: Table,
    }
    #[derive(Deserialize)]
    struct CheckedNote {
        day: u8,
        consultation: u8,
        note_id: String,
        verdicts: Vec<CheckedItem>,
    }
    #[derive(Deserialize)]
    struct CheckedItem {
        row: usize,
        item_id: String,
        verdict: Verdict,
    }
    #[derive(Deserialize)]
    struct Checklist {
        day: u8,
        consultation: u8,
        note: String,
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        row: usize,
        text: String,
        mark: String,
    }

    let Some(path) = file("OSLER_PRIMOCK57_DIR") else { return };
    let checked: Checked = fixture("primock57.json");
    let text = std::fs::read_to_string(path.join("checklists.jsonl")).unwrap();
    let lists: Vec<Checklist> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let judge = WrittenJudge::bundled();
    let mut table = Table::new();
    assert!(checked.consultations.len() >= 6);
    for wanted in &checked.consultations {
        let list =
            lists.iter().find(|it| (it.day, it.consultation) == (wanted.day, wanted.consultation)).unwrap();
        assert_eq!(fnv1a(&list.note), wanted.note_id, "day {} consultation {}", list.day, list.consultation);
        for checked in &wanted.verdicts {
            let item = list.items.iter().find(|item| item.row == checked.row).unwrap();
            assert_eq!(fnv1a(&item.text), checked.item_id, "row {}", item.row);
            let given = judge.judge_finding(&item.text, &list.note);
            let mark = if item.mark == "c" { "critical" } else { "other" };
            table.entry(mark.to_owned()).or_default().add(checked.verdict, given.judgement.verdict);
        }
    }
    show("PriMock57, clinicians' notes", &table);
    assert_eq!(table, checked.confusion);
}

/// FNV-1a, 128 bits, as osler writes it.
fn fnv1a(text: &str) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let hash = text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("fnv1a128:{hash:032x}")
}
