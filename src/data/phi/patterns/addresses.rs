//! Streets with the town that follows them, and places told by a word: counties, houses named after saints.

use super::{NAME, Source, always};
use crate::data::phi::PhiClass::Geography;
use crate::data::phi::name_lists::NameLists;

/// A word of a town's name, in whatever case behind its capital: `Springfield`, `YORK`, `IL`.
const WORD: &str = "(?u-i:[A-ZÀ-Þ][A-Za-zÀ-ɏ'’-]*)";

/// The shapes of both.
pub(super) fn sources() -> Vec<Source> {
    let rest = rest_of_address();
    vec![
        (
            Geography,
            "street",
            format!(
                r"(?-u)\b[0-9]{{1,5}}[A-Za-z]?,? (?:[NSEW][.]? )?(?:[A-Z0-9][A-Za-z0-9'.-]* ){{1,4}}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Way|Terrace|Ter|Circle|Cir|Highway|Hwy|Square|Sq|Parkway|Pkwy|Trail|Alley|Row|Close|Crescent|Grove|Gardens|Mews)\b{rest}"
            ),
            always,
        ),
        (
            Geography,
            "street of a Romance language",
            format!(
                r"(?-u)\b[0-9]{{1,4}}(?: ?(?:bis|ter|[A-Z]))?,? (?:[Rr]ue|Avenue|[Bb]oulevard|[Cc]hemin|Quai|Impasse|All(?u-i:é|e)e|Place d(?:e|u|es)|Calle|Avenida|Paseo|Via|Viale|Piazza|Corso|Rua) (?:(?:de|du|des|la|le|les|del|della|di|da|do|dos|das|los|las) |(?u-i:[ld]['’]))*{WORD}(?: {WORD}){{0,3}}{rest}"
            ),
            always,
        ),
        (
            Geography,
            "German street",
            format!(
                r"(?-u)(?u-i:[A-ZÄÖÜ][a-zäöüß]*)(?:(?:(?: S|s)tra(?u-i:ß|ss)e|str[.]|weg|platz|gasse|allee) [0-9]{{1,4}}[a-z]?\b){rest}"
            ),
            always,
        ),
        (Geography, "post box", format!(r"(?-u)\b(?i-u:P[.]?[ ]?O[.]?[ ]?box[ #]*)[0-9]+{rest}"), always),
        (Geography, "county", format!(r"(?-u)\b(?:{NAME} )?{NAME} (?:[Cc]ounty|Parish|Township)\b"), named),
        (Geography, "county", format!(r"(?-u)\b(?i-u:from|in|of|near) (County {NAME})"), named),
        (
            Geography,
            "house named after a saint",
            format!(
                r"(?-u)\b(?:St|ST|Saint|SAINT)[.]? {NAME}(?: (?:(?:and|&) )?{NAME})? (?:Hospital|Hospice|Infirmary|Clinic|(?:Medical|Health) Cent(?:er|re)|Nursing Home|School|Church)\b"
            ),
            always,
        ),
    ]
}

/// What stands behind a street: flat, town, county, state, ZIP code. All capitalised words after a comma, `in` or a blank
/// are taken for these.
fn rest_of_address() -> String {
    let flat = "(?:[.]?,? ?(?:#|(?i-u:apt|apartment|unit|suite|flat|floor)[.]? #?)[0-9]+[A-Za-z]?\\b)?";
    let joined = "(?: (?:of|on|upon|under|the|le|la|les|de|du|sur|am|an|der|im))*";
    let town = format!("(?:(?:St|Ste|Mt|Ft)[.] )?{WORD}(?:{joined} {WORD}){{0,3}}");
    format!(
        "{flat}(?:(?:[.]?,(?: in)?| in)? (?:[0-9]{{4,5}} )?{town}){{0,3}}(?:,? [0-9]{{5}}\\b(?:-[0-9]{{4}}\\b)?)?"
    )
}

/// A county with its name: not `The county`, `Every County`, `in County Hospital`.
fn named(found: &str, _: &str, _: &str) -> bool {
    const NONE: [&str; 18] = [
        "Our",
        "Your",
        "Their",
        "Its",
        "Each",
        "Every",
        "Another",
        "Same",
        "Local",
        "Rural",
        "Neighboring",
        "Neighbouring",
        "In",
        "From",
        "Hospital",
        "General",
        "Jail",
        "Clinic",
    ];
    let no_names = &NameLists::bundled().no_names;
    let no_name =
        |word: &str| NONE.contains(&word) || no_names.contains(word) || word.eq_ignore_ascii_case("county");
    let mut words = found.split(' ').filter(|word| !matches!(*word, "Parish" | "Township"));
    words.any(|word| !no_name(word))
}
