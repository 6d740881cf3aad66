//! Identifiers written in other ways than the usual: in another case, with other characters, apart.

use proptest::prelude::*;
use serde_json::json;

use super::tests::{HARMLESS, admit, identifier, note};
use super::*;

#[test]
fn letter_case_hides_nobody() {
    let known = |text: &str| {
        let mut known = Known::default();
        known.name("Anna Zwolinska Brown");
        text::scan(text, &known)
    };
    for text in [
        "seen on 3 may 2021",
        "on 3rd of may",
        "on june 3, 2021",
        "on JUNE 3, 2021",
        "on 3 june 2021",
        "in june 2021",
        "seen by dr smith today",
        "sent by dr. smith today",
        "DR SMITH saw her",
        "with mrs jones",
        "ring 07700 900123 in the evening",
        "hypertension of zwolinska",
        "Brown was seen",
    ] {
        assert!(!known(text).is_empty(), "{text}");
    }
    for text in [
        "3 may be enough",
        "she may 2 days later be worse",
        "can march 10 steps",
        "the dr said it would pass",
        "MR angiography was normal",
        "mr scan of the head",
        "brown urine",
        "0.05 mg",
        "heart rate 080 to 090",
    ] {
        assert!(known(text).is_empty(), "{text}: {:?}", known(text));
    }
}

/// The same written otherwise, and what of it has to be found.
const WRITTEN: [(PhiClass, &[(&str, &str)]); 3] = [
    (
        PhiClass::Phone,
        &[
            ("call 555\u{2011}123\u{2011}4567 now", "555\u{2011}123\u{2011}4567"),
            ("call 555\u{2013}123\u{2012}4567 now", "555\u{2013}123\u{2012}4567"),
            ("call 555\u{2212}123\u{2015}4567 now", "555\u{2212}123\u{2015}4567"),
            ("call ５５５－１２３－４５６７ now", "５５５－１２３－４５６７"),
            ("call 555\u{a0}123\u{2009}4567 now", "555\u{a0}123\u{2009}4567"),
            ("call 555-12\u{200b}3-4567 now", "555-12\u{200b}3-4567"),
        ],
    ),
    (
        PhiClass::Date,
        &[
            ("seen 2021–03–05 again", "2021–03–05"),
            ("seen 2021—03—05 again", "2021—03—05"),
            ("seen 2021 - 03 - 05 again", "2021 - 03 - 05"),
            ("seen 5 / 3 / 2021 again", "5 / 3 / 2021"),
            ("seen 5/ 3 /21 again", "5/ 3 /21"),
            ("seen 5 - 3 - 2021 again", "5 - 3 - 2021"),
            ("seen 5. 3. 2021 again", "5. 3. 2021"),
            ("seen on 5 / 3 again", "5 / 3"),
            ("seen 3 / 2021 again", "3 / 2021"),
            ("seen\u{200b}5/3/2021 again", "5/3/2021"),
        ],
    ),
    (
        PhiClass::Name,
        &[
            ("saw Ｍｒ Ｓｍｉｔｈ again", "Ｓｍｉｔｈ"),
            ("saw M\u{200b}r Smith again", "Smith"),
            ("saw Mr Smi\u{ad}th again", "Smi\u{ad}th"),
            ("saw M\u{2060}r\u{feff} S\u{200d}mith again", "S\u{200d}mith"),
            ("saw JOHN SMITH again", "JOHN SMITH"),
            ("saw SMITH, JOHN again", "SMITH, JOHN"),
            ("saw john smith again", "john smith"),
            ("saw MR SMITH again", "SMITH"),
            ("saw MS. PATEL again", "PATEL"),
            ("saw Mr OKONKWO again", "OKONKWO"),
            ("saw her father—Okonkwo—again", "Okonkwo"),
            ("named 'Okonkwo' again", "Okonkwo"),
        ],
    ),
];

#[test]
fn other_ways_of_writing_hide_nothing_and_the_place_is_right() {
    for (class, texts) in WRITTEN {
        for (text, what) in texts {
            let refusal = admit(FreeText::Refuse, Schema::Jsonl, &note(text)).expect_err(text);
            let at = text.find(what).unwrap();
            let places: Vec<_> = refusal.findings.iter().map(|f| (f.class, &text[f.start..f.end])).collect();
            assert!(
                refusal.findings.iter().any(|f| (f.class, f.start, f.end) == (class, at, at + what.len())),
                "{text}: {places:?}"
            );
            let redacted = admit(FreeText::Redact, Schema::Jsonl, &note(text)).unwrap();
            assert!(!redacted.get().parts[0].value.to_string().contains(what), "{text}");
        }
    }
}

#[test]
fn capitals_and_dashes_alone_are_no_identifiers() {
    for text in [
        "MAY INCREASE TO 20 MG",
        "GRACE SCORE 140, BROWN SPUTUM, WHITE CELLS, GREY SKIN",
        "MR ANGIOGRAPHY WAS NORMAL, MS LESIONS",
        "MS WHITE MATTER LESIONS",
        "DR ADVISED REST",
        "range 150–4000, 2–3 times, 10 – 14 days, T10–L2",
        "mother – alive, father - deceased",
        "5 / 5 strength, 120 / 80 mmHg, 3 / 10 pain",
        "10⁹/L, 2½ weeks, 5 × 10⁶/mm³",
        "heart-attack",
        "chest_pain-3",
    ] {
        let found = text::scan(text, &Known::default());
        assert!(found.is_empty(), "{text}: {found:?}");
    }
    for text in HARMLESS {
        for dash in ["\u{2010}", "\u{2011}", "\u{2013}", "\u{2212}"] {
            let text = text.replace('-', dash);
            let found = text::scan(&text, &Known::default());
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }
}

#[test]
fn accounts_plates_and_loose_dates_are_found() {
    for (text, class) in [
        ("pays from GB29 NWBK 6016 1331 9268 19", PhiClass::Account),
        ("car registration ABC-1234", PhiClass::Vehicle),
        ("plate ABC-1234", PhiClass::Vehicle),
        ("number plate is AB12 CDE", PhiClass::Vehicle),
        ("admitted 2018/12 for asthma", PhiClass::Date),
        ("since Christmas 2018", PhiClass::Date),
        ("in Q3 2019", PhiClass::Date),
        ("the winter of 2020", PhiClass::Date),
        ("@jsmith1961 on Twitter", PhiClass::OtherId),
        ("john [at] example [dot] com", PhiClass::Email),
        ("ring 5 5 5 - 1 2 3 - 4 5 6 7", PhiClass::OtherId),
    ] {
        let found = text::scan(text, &Known::default());
        assert!(found.iter().any(|hit| hit.class == class), "{text}: {found:?}");
    }
    for text in [
        "growth plate of 120 patients, plate 7, dental plate",
        "registration of 250 births",
        "GCS 15, E4 V5 M6, CD34 CD45 CD19",
        "2000/10 cells, quarter 3, Q4 hours, Q8 2000 units",
        "worse in winter; since Christmas; last summer",
        "5 mg @ 8 pm, meds @bedtime",
        "reflexes 2 2 2 2 and 1 1 1 1",
        "lives at [home] in comfort",
    ] {
        let found = text::scan(text, &Known::default());
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

#[test]
fn initials_letters_apart_rooms_and_weekdays_are_found() {
    for (text, class) in [
        ("J. Smith told me", PhiClass::Name),
        ("A. B. Jones reported", PhiClass::Name),
        ("as A. B. Brown reported", PhiClass::Name),
        ("M r s Okonkwo", PhiClass::Name),
        ("saw J o h n  S m i t h today", PhiClass::Name),
        ("room 412B bed 2", PhiClass::Geography),
        ("moved to Ward 7, bed 12 overnight", PhiClass::Geography),
        ("last Tuesday the 14th", PhiClass::Date),
        ("on Friday 3rd he fell", PhiClass::Date),
    ] {
        let found = text::scan(text, &Known::default());
        assert!(found.iter().any(|hit| hit.class == class), "{text}: {found:?}");
        let left = text::redact(text, &found);
        for word in ["Smith", "Jones", "Brown", "Okonkwo", "S m i t h", "412B", "bed 2", "12", "14th", "3rd"]
        {
            assert!(!text.contains(word) || !left.contains(word), "{left}");
        }
    }
    for text in [
        "A. Brown sputum, B. Green stool",
        "E. Coli and H. Pylori grew; S. Cole test",
        "emergency room 2 times, room 20 C, operating room 3 hours, emergency room 2x",
        "98% on room air; ward rounds at 8",
        "gets out of bed 3 times a night",
        "on Monday the 2nd dose, Sunday 3rd attempt",
        "Monday 2 tablets, every Friday 10 mg",
        "options A b c",
    ] {
        let found = text::scan(text, &Known::default());
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

#[test]
fn a_name_in_an_id_is_found() {
    for field in ["id", "presentation"] {
        for name in ["john-smith", "john_smith", "Smith_John", "john.smith-2", "case-maria-garcia"] {
            let line = [("case", json!({ field: name }))];
            let refusal = admit(FreeText::Refuse, Schema::Jsonl, &line).expect_err(name);
            assert_eq!(refusal.findings[0].class, PhiClass::Name);
            assert_eq!(refusal.findings[0].field, format!("case.{field}"));
        }
    }
    let line = [("case", json!({ "id": "cardiology-red-hot-toe-00012", "presentation": "wilson-disease" }))];
    assert!(admit(FreeText::Refuse, Schema::Jsonl, &line).is_ok());
}

#[test]
fn the_patients_own_name_is_found_however_it_is_written() {
    for (name, text) in [
        ("Zwolinska", "hello Ｚｗｏｌｉｎｓｋａ"),
        ("Ｚｗｏｌｉｎｓｋａ", "hello Zwolinska"),
        ("Jose\u{301}phin", "Joséphin coughs"),
        ("Joséphin", "Jose\u{301}phin coughs"),
        ("Zwolinska", "Zwo\u{ad}linska"),
    ] {
        let line = json!({ "identity": { "names": [name] }, "history": [text] });
        assert!(admit(FreeText::Refuse, Schema::Jsonl, &[("case", line)]).is_err(), "{name}: {text}");
    }
}

/// `text` with some of its characters full-width, some of its hyphens other dashes, and here and there something unseen.
fn disguised(text: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    for (c, choice) in text.chars().zip(choices.iter().cycle()) {
        match (c, choice % 8) {
            ('-', 0..=3) => {
                out.push(['\u{2010}', '\u{2011}', '\u{2013}', '\u{ff0d}'][usize::from(choice % 4)])
            }
            ('!'..='~', 0..=2) => out.extend(char::from_u32(u32::from(c) + 0xfee0)),
            (_, 3) => out.extend(['\u{200b}', c]),
            (_, 4) => out.extend([c, '\u{ad}']),
            _ => out.push(c),
        }
    }
    out
}

proptest! {
    #[test]
    fn a_disguised_identifier_is_never_let_through(
        planted in identifier(), choices in prop::collection::vec(any::<u8>(), 1..40), before in 0usize..HARMLESS.len(),
    ) {
        let text = format!("{} He said {}. Then he left", HARMLESS[before], disguised(&planted, &choices));
        prop_assert!(admit(FreeText::Refuse, Schema::Jsonl, &note(&text)).is_err(), "{}", text);
        let redacted = admit(FreeText::Redact, Schema::Jsonl, &note(&text)).unwrap();
        let left = fold::plain(redacted.get().parts[0].value["history"][0].as_str().unwrap()).into_owned();
        let digits = planted.chars().filter(char::is_ascii_digit).count();
        let core = if digits >= 4 { &planted } else { planted.rsplit(' ').next().unwrap() };
        prop_assert!(!left.contains(core), "{} in {}", core, left);
    }
}
