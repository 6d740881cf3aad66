//! Identifiers as a tester wrote them who got them through, beside what looks like them and has to pass.

use super::tests::{admit, note};
use super::*;

/// What is written, and what of it has to be named.
const WRITTEN: &[(PhiClass, &[(&str, &str)])] = &[
    (
        PhiClass::Name,
        &[
            ("Mr. T. Ng", "T. Ng"),
            ("Mrs. M. L. Adeyemi", "M. L. Adeyemi"),
            ("Prof. H.-J. Weber", "H.-J. Weber"),
            ("Dr. A. Nakamura referred him", "A. Nakamura"),
            ("Dr. van der Berg", "van der Berg"),
            ("dr van der Berg", "van der Berg"),
            ("Mr. de la Cruz", "de la Cruz"),
            ("Rabbi Moshe Cohen", "Moshe Cohen"),
            ("Lt. Dan Taylor", "Dan Taylor"),
            ("Herr Schmidt", "Schmidt"),
            ("Frau Weber", "Weber"),
            ("Mme Dupont", "Dupont"),
            ("signed: J. Smith", "J. Smith"),
            ("signed J. Smith", "J. Smith"),
            ("referred by T. Ng", "T. Ng"),
            ("Mary née Jones", "Jones"),
            ("seen by nurse Betty", "Betty"),
        ],
    ),
    (
        PhiClass::RecordNumber,
        &[
            ("MR# 445566", "445566"),
            ("M.R.N. 445566", "445566"),
            ("MRN 44 55 66", "44 55 66"),
            ("pt id: 445566", "445566"),
            ("medical record number 44 55 66", "44 55 66"),
        ],
    ),
    (
        PhiClass::Date,
        &[
            ("in 2018-12", "2018-12"),
            ("Jun-14-2020", "Jun-14-2020"),
            ("Jun/14/2020", "Jun/14/2020"),
            ("Jun.14.2020", "Jun.14.2020"),
            ("seen 14.Jun.2020", "14.Jun.2020"),
            ("in 12.2018", "12.2018"),
            ("since 3.2018", "3.2018"),
            ("Q3/2019", "Q3/2019"),
            ("Q3-19", "Q3-19"),
            ("Q3 '19", "Q3 '19"),
            ("Q3 ’19", "Q3 ’19"),
            ("2019 Q3", "2019 Q3"),
            ("2019-Q3", "2019-Q3"),
            ("3Q19", "3Q19"),
            ("Xmas 2018", "Xmas 2018"),
            ("Christmas '18", "Christmas '18"),
            ("Easter Sunday 2020", "Easter Sunday 2020"),
            ("Hanukkah 2019", "Hanukkah 2019"),
            ("Eid 2021", "Eid 2021"),
            ("Summer '19", "Summer '19"),
            ("Fall 2020", "Fall 2020"),
            ("the fall of 2020", "fall of 2020"),
            ("2019-W12", "2019-W12"),
            ("week 12 of 2019", "week 12 of 2019"),
        ],
    ),
    (
        PhiClass::OtherId,
        &[
            ("@drsmith", "@drsmith"),
            ("employee number 44213", "44213"),
            ("badge 99213", "99213"),
            ("Twitter: @jane", "@jane"),
            ("tiktok @mary.k", "@mary.k"),
            ("ring 5 5 5 0 1 9 9", "5 5 5 0 1 9 9"),
            ("ring 5-5-5-0-1-9-9", "5-5-5-0-1-9-9"),
        ],
    ),
    (
        PhiClass::Email,
        &[
            ("jane [at] clinic", "jane [at] clinic"),
            ("john at example dot com", "john at example dot com"),
            ("john@example", "john@example"),
        ],
    ),
    (
        PhiClass::Vehicle,
        &[
            ("number plate M-AB 1234", "M-AB 1234"),
            ("license plate is B-MW 1234", "B-MW 1234"),
            ("Kennzeichen M-AB 1234", "M-AB 1234"),
            ("car reg AB12CDE", "AB12CDE"),
            ("reg. no. AB 123 CD", "AB 123 CD"),
        ],
    ),
    (
        PhiClass::Phone,
        &[
            ("call five five five zero one nine nine", "five five five zero one nine nine"),
            ("tel 123456", "123456"),
        ],
    ),
    (
        PhiClass::HealthPlan,
        &[("medicare 1EG4-TE5-MK73", "1EG4-TE5-MK73"), ("insurance policy AX-99-1231", "AX-99-1231")],
    ),
    (
        PhiClass::SocialSecurity,
        &[("NINO QQ 12 34 56 C", "QQ 12 34 56 C"), ("CPF 111.444.777-35", "111.444.777-35")],
    ),
    (
        PhiClass::Device,
        &[
            ("pacemaker serial PZX12345", "PZX12345"),
            ("pacemaker serial 8F4421A", "8F4421A"),
            ("device S/N 8F4421A", "8F4421A"),
        ],
    ),
    (PhiClass::Geography, &[("lives in 90210", "90210"), ("moved here from Boise, Idaho", "Boise")]),
    (
        PhiClass::Age,
        &[
            ("patient is aged ninety-four", "aged ninety-four"),
            ("he turned 93 last week", "93"),
            ("she is in her late nineties", "her late nineties"),
            ("in his 90s", "his 90s"),
            ("a nonagenarian", "nonagenarian"),
        ],
    ),
];

/// Finds a record with `text` refused, a place of which covers `what`; returns the classes of those that do.
fn refused(text: &str, what: &str) -> Vec<PhiClass> {
    let text = format!("Came with cough; {text}, and then went home.");
    let refusal = admit(FreeText::Refuse, Schema::Jsonl, &note(&text)).expect_err(&text);
    let at = text.find(what).unwrap();
    let covers = |found: &&PhiFinding| found.start <= at && found.end >= at + what.len();
    let classes: Vec<_> = refusal.findings.iter().filter(covers).map(|found| found.class).collect();
    assert!(!classes.is_empty(), "{text}: {:?}", refusal.findings);
    let redacted = admit(FreeText::Redact, Schema::Jsonl, &note(&text)).unwrap();
    assert!(!redacted.get().parts[0].value.to_string().contains(what), "{text}");
    classes
}

#[test]
fn what_a_tester_got_through_is_refused_with_its_place() {
    for (class, texts) in WRITTEN {
        for (text, what) in *texts {
            assert_eq!(refused(text, what), [*class], "{text}");
        }
    }
    // Shapes of telephone numbers lie within these, so the class may be another.
    for text in ["de89 3704 0044 0532 0130 00", "DE89-3704-0044-0532-0130-00"] {
        refused(&format!("pays from {text}"), text);
    }
}

#[test]
fn what_looks_like_them_passes() {
    for text in [
        "Dr. A. advised rest, discussed with the GP",
        "Nurse I think, Vitamin B. Doctor, I have pain",
        "MR T spine, mr t spine, Lt. Knee pain, Lt Lower lobe, LT BELL'S PALSY",
        "signed Consent, signed off, the doctor signed it",
        "followed by E. Coli sepsis, known as von Recklinghausen disease",
        "medical record of 12 patients, MR 3 T, pt 12",
        "week 12 of pregnancy, week 20, 38 weeks in 2019",
        "5-10 mg, q4-12 hours, q2-24 h, Q4-6h, Q4-12, Q6H",
        "2018, between 2015 and 2018, 1900-2000 ml, 2000-10 mg",
        "had a fall in 2018, a fall 2019, after a fall, falls of 2 m, risk of falling",
        "last fall, the fall hurt, easter egg, eid was kept",
        "10.2018 mg/dL, INR 2.5, ratio 1.12, 0.2019",
        "trisomy 21, 3q21, del(1q21), 17q12, dup 3Q21.3, gain of 1Q21",
        "meds @bedtime, pain @rest, murmur @apex, tender @RLQ, @home.",
        "SpO2@rest 98%, 98%@RA, 2L@night, dot plot, pain (at) rest",
        "strength 5 5 5 5 5 5 5 5, pain 7 8 6 7 5 4 6, toes 1 2 3 4 5 6 7",
        "counts one two three four five six seven, one or two, three to four times",
        "serial troponins, serial CA125, serial ECG 12 leads, serial sevens, serial HbA1c",
        "growth plate 12, dental plate, registration of 120 births, reg 3",
        "CD10 CD19 CD20 CD22 CD34 CD38",
        "T cell 120000, cell 1200, mobile on day 3, tel: none",
        "moved to 10 cm, born at 32 weeks, lives at 10000 feet",
        "turned 90 degrees, sats in the 90s, heart rate in the 90s, his 90 minute class, moved back to bed",
        "S/N ratio 4, serial CT 2021, staff of 12, student nurse, nurse practitioner, nurse Said she",
    ] {
        let found = text::scan(text, &Known::default());
        let shown: Vec<_> = found.iter().map(|hit| (&text[hit.span.clone()], hit.rule)).collect();
        assert!(found.is_empty(), "{text}: {shown:?}");
    }
}
