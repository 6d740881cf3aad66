//! No attack on patient and judge earns what an honest mediocre doctor does.

use osler::eval::gaming::{ATTACKS, Kind, Target, play, table};

/// Patients of one seed.
const CASES: usize = 100;

#[test]
fn no_attack_beats_an_honest_mediocre_doctor() {
    let mut won = Vec::new();
    for seed in [1, 2] {
        for round in play(CASES, seed).unwrap() {
            let (terms, rows) = (round.terms, round.rows);
            let name = format!("seed {seed}, {}, outcome {}", terms.name, terms.outcome);
            eprintln!("{name}, {CASES} patients\n{}", table(&rows));
            for row in rows.iter().filter(|row| row.kind == Kind::Attack) {
                let over = row.over_honest.as_ref().unwrap();
                if !over.is_below_zero() {
                    won.push(format!("{name}: {} {:+.3} {:?}", row.name, over.mean, over.ci95));
                }
            }
            // Nobody gets the patient to tell what must not be told, honest doctors included.
            for row in &rows {
                assert_eq!(row.leaks, 0, "{name}: {}", row.name);
            }
        }
    }
    assert!(won.is_empty(), "{}", won.join("\n"));
}

#[test]
fn the_list_of_attacks_in_the_documentation_is_whole() {
    let listed: Vec<&str> = include_str!("../docs/gaming.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    for attack in ATTACKS {
        assert!(listed.contains(&attack.name), "{} is not in docs/gaming.md", attack.name);
    }
    let on = |target| ATTACKS.iter().filter(|attack| attack.target == target).count();
    assert!(on(Target::Judge) >= 34 && on(Target::Patient) >= 8);
}
