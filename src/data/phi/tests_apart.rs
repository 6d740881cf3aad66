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
            ("patient name: Tomasz Zyl", "Tomasz Zyl"),
            ("Patient Name: TOMASZ ZYL", "TOMASZ ZYL"),
            ("pt name = tomasz zyl", "tomasz zyl"),
            ("surname: Zyl", "Zyl"),
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
            ("since Nov '19", "Nov '19"),
            ("seen in Dec ’19", "Dec ’19"),
            ("since Nov-19", "Nov-19"),
            ("in 03-2019", "03-2019"),
            ("since 3-2019", "3-2019"),
            ("3 mars 2019", "3 mars 2019"),
            ("le 1er août 2019", "1er août 2019"),
            ("en mars 2019", "mars 2019"),
            ("el 3 de marzo de 2019", "3 de marzo de 2019"),
            ("am 3. März", "3. März"),
            ("im Dezember 2019", "Dezember 2019"),
            ("am 3. April 2019", "3. April 2019"),
            ("surgery 6/14", "6/14"),
            ("appendectomy 6/14", "6/14"),
            ("started 6/14", "6/14"),
            ("seen on 24/7", "24/7"),
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
            ("insta: bobk_92", "bobk_92"),
            ("Instagram bobk_92", "bobk_92"),
            ("twitter: bobkins", "bobkins"),
            ("trial subject 1034-A", "1034-A"),
            ("study participant no. P-1034", "P-1034"),
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
            ("plate 7ABC123", "7ABC123"),
            ("plate 7abc123", "7abc123"),
            ("registration 7ABC123", "7ABC123"),
            ("plate AB12 CDE", "AB12 CDE"),
            ("his car is AB12 CDE", "AB12 CDE"),
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
        &[
            ("NINO QQ 12 34 56 C", "QQ 12 34 56 C"),
            ("CPF 111.444.777-35", "111.444.777-35"),
            ("SSN ends in 6789", "6789"),
            ("SSN last four: 6789", "6789"),
            ("last four of social 6789", "6789"),
            ("last 4 of her SSN is 6789", "6789"),
            ("XXX-XX-6789", "XXX-XX-6789"),
            ("***-**-6789", "***-**-6789"),
        ],
    ),
    (
        PhiClass::Device,
        &[
            ("pacemaker serial PZX12345", "PZX12345"),
            ("pacemaker serial 8F4421A", "8F4421A"),
            ("device S/N 8F4421A", "8F4421A"),
        ],
    ),
    (
        PhiClass::Geography,
        &[
            ("lives in 90210", "90210"),
            ("moved here from Boise, Idaho", "Boise"),
            ("lives at 14 Elm Street, Springfield", "14 Elm Street, Springfield"),
            ("comes from 22 Acacia Avenue in Dorking", "22 Acacia Avenue in Dorking"),
            ("14 Elm St., Apt 4, Springfield, IL 62701", "14 Elm St., Apt 4, Springfield, IL 62701"),
            ("2 Mill Lane, Stoke on Trent", "2 Mill Lane, Stoke on Trent"),
            ("P.O. Box 77, Springfield", "P.O. Box 77, Springfield"),
            ("resident of 9 Rue Victor Hugo, Lyon", "9 Rue Victor Hugo, Lyon"),
            ("12 rue de l’Église, Lyon", "12 rue de l’Église, Lyon"),
            ("wohnt Hauptstraße 12, 80331 München", "Hauptstraße 12, 80331 München"),
            ("from Lexington county", "Lexington county"),
            ("from Cook County", "Cook County"),
            ("from County Cork", "County Cork"),
            ("at ST. Mary's Hospital", "ST. Mary's Hospital"),
        ],
    ),
    (
        PhiClass::Age,
        &[
            ("patient is aged ninety-four", "aged ninety-four"),
            ("he turned 93 last week", "93"),
            ("she is in her late nineties", "her late nineties"),
            ("in his 90s", "his 90s"),
            ("a nonagenarian", "nonagenarian"),
            ("he is 92", "92"),
            ("he is 92 and lives alone", "92"),
            ("her mother was 93 when she died", "93"),
            ("I'm 91", "91"),
            ("she’s now 101", "101"),
            ("92M with cough", "92M"),
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
        "needs 24/7 supervision, on 24/7 care, on 24/7 oxygen, nursed on 24/7/365 terms",
        "BP 120/80, 5/5 power, grade 2/6 murmur, T 38.5, C5-C6, L4/L5, vitamin B12, HLA-B27, 2/52",
        "visual acuity 6/12, vision 6/9, seen 6/6 vision, acuity on 6/12 vision",
        "surgery 6/12 ago, review 6/12, started 3/7 before, for 2/52, in 3/12",
        "surgery 2/2 trauma, admitted 2/2 sepsis, biopsy 1/2, CT 3/4 showed it",
        "surgery 5/5 strength after, echo 2/6 systolic murmur, fell 3/10 pain",
        "her pulse is 92, BMI is 92, his weight is 95, the rate was 110",
        "she is 92 kg, he is 95 on room air, she was 94 on 2 L, he is 98.6 today, she is 110/70, he was 120 over 80, patient is 95% saturated",
        "he is 9 of 10, she is 89, I am 45, patient was 100 percent sure, 92 M urea",
        "Chest Pain, 58, male",
        "Acute Appendicitis, 24, female",
        "Serum Sodium, 58, low",
        "Blood Sugar is 58. Heart Rate, 72, regular",
        "Influenza Vaccine, 65 years and older",
        "10-2000 copies, normal 10-2000, 2-3 in 2019, 12-2000 patients",
        "Mayo Clinic 2019 criteria, 2 Mayo stents, MAI 2019, the mars bar, lead aVR",
        "Oct-4 positive, DEC-205, may 10 be enough, the '60s",
        "plate T10 MRI, plate 12, plate CD4 low, CAR T cell, registration of 123 births",
        "a county hospital, the county, in County Hospital, Our county",
        "IgG4 high, IG: low, FB 12mm, a snap heard, facebook: daily, Twitter: none",
        "study subject of 45 years, 3 subjects, participant 12, trial NCT01234567, subject 120 mg",
        "last four days, last 4 social visits, social 4 drinks, XXX karyotype, 47,XXX",
        "St. John's wort, ST elevation, ST. Depression",
        "patient name: not given, patient name: unknown, first name only",
        "6 Minute Walk test, 2 lateral views, 5 Fr catheter, 3 via the tube, via NG",
        "in mars we saw, 5 juniors, 12 dozen, a mai tai",
    ] {
        let found = text::scan(text, &Known::default());
        let shown: Vec<_> = found.iter().map(|hit| (&text[hit.span.clone()], hit.rule)).collect();
        assert!(found.is_empty(), "{text}: {shown:?}");
    }
}

#[test]
fn a_name_before_an_age_opens_a_text() {
    for text in [
        "Tomasz Zyl, 58, cough",
        "Tomasz Zyl (58) has a cough",
        "Tomasz Zyl is a 58-year-old man with cough",
        "Tomasz Zyl, 58M with cough",
        "Cough\nTomasz Zyl, 58.",
        "Name: Tomasz Zyl",
    ] {
        let found = text::scan(text, &Known::default());
        let places: Vec<_> = found.iter().map(|hit| (hit.class, &text[hit.span.clone()])).collect();
        assert_eq!(places, [(PhiClass::Name, "Tomasz Zyl")], "{text}");
    }
}

/// `lives at [place], Springfield` was once left of the first.
#[test]
fn nothing_of_an_address_is_left() {
    for (text, left) in [
        ("lives at 14 Elm Street, Springfield", "lives at [place]"),
        ("comes from 22 Acacia Avenue in Dorking. Smokes", "comes from [place]. Smokes"),
        ("14 Elm Street, Little Sutton, Cheshire, and smokes", "[place], and smokes"),
        ("seen at St. Mary's Hospital with cough", "seen at [place] with cough"),
        ("14 Elm Street in pain", "[place] in pain"),
    ] {
        assert_eq!(text::redact(text, &text::scan(text, &Known::default())), left);
    }
}
