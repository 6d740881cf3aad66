//! Shapes of identifiers in free text, as regular expressions. Their classes and word boundaries are ASCII, but for the
//! letters of names that are listed; the rest that needs letters beyond it is in `names`.

mod addresses;
mod dates;
mod mail;
mod months;
mod persons;
mod phones;
mod places;
mod units;

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use self::units::starts_with_unit;
use super::PhiClass;

/// One shape.
pub(super) struct Pattern {
    pub class: PhiClass,
    pub rule: &'static str,
    /// Group 1, where there is one, is what is reported; else the whole match.
    pub regex: Regex,
    /// Whether a match of the whole is one after all, given what follows it.
    pub accept: fn(found: &str, before: &str, after: &str) -> bool,
}

/// All shapes with the set that tells in one pass which of them occur.
pub(super) struct Patterns {
    pub set: RegexSet,
    pub all: Vec<Pattern>,
}

/// A label's tail: `no.`, `number:`, `#`, `ID =`.
const NUMBER: &str = "(?:[ ]?(?:no|num|number|id|identifier|code|nr))?[.]?[ ]?(?:is|was)?[ ]?[#:=]*[ ]*";

/// What a record number is called.
const RECORD: &str = "MRN|M[.] ?R[.] ?N|MR ?#|medical record|record number|NHS|hospital number|pt[.]? ?id|patient ?id|\
                      patient number|chart number";

/// A capitalised word as a name is written, in Latin letters: `Zyl`, `O'Fallon`, `Müller`. It ends in a small letter.
const NAME: &str = "(?u-i:[A-ZÀ-Þ][A-Za-zÀ-ɏ'’-]*[a-zß-öø-ÿ])";

fn always(_: &str, _: &str, _: &str) -> bool {
    true
}

/// A unit right after a number makes it a measurement.
fn no_unit(_: &str, _: &str, after: &str) -> bool {
    !starts_with_unit(after)
}

fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// A telephone number as it is dialled within a country: ten or eleven digits, the first of them 0.
fn dialled(found: &str, _: &str, after: &str) -> bool {
    (10..=11).contains(&found.bytes().filter(u8::is_ascii_digit).count()) && !starts_with_unit(after)
}

fn dotted_quad(found: &str, _: &str, _: &str) -> bool {
    let parts = numbers(found);
    parts.len() == 4 && parts.iter().all(|&part| part <= 255)
}

fn ip6(found: &str, _: &str, _: &str) -> bool {
    // Times and ratios are decimal and short: `10:30:00:15`.
    found.split(':').count() >= 6 || found.contains(|c: char| c.is_ascii_alphabetic()) || found.contains("::")
}

/// Seven digits as `555-1234`: a range of values has a unit or speaks of a range.
fn local_phone(_: &str, before: &str, after: &str) -> bool {
    let before = before.to_ascii_lowercase();
    !starts_with_unit(after)
        && !["range", "normal", "between", "reference", "from"].iter().any(|w| before.contains(w))
}

/// A long run of digits that is neither a measured value nor part of a decimal number.
fn long_run(_: &str, before: &str, after: &str) -> bool {
    let decimal =
        before.ends_with('.') && before.trim_end_matches('.').ends_with(|c: char| c.is_ascii_digit());
    let fraction = after.starts_with('.') && after[1..].starts_with(|c: char| c.is_ascii_digit());
    !decimal && !fraction && !starts_with_unit(after)
}

/// Letters and at least six digits in one word.
fn mixed_run(found: &str, _: &str, _: &str) -> bool {
    let digits = found.bytes().filter(u8::is_ascii_digit).count();
    let letters = found.bytes().filter(u8::is_ascii_alphabetic).count();
    // Numbers of drug approvals, trials, chromosomal positions and chemical names are nobody's.
    let public = ["NDA", "ANDA", "BLA", "NCT", "PMID", "ISRCTN", "LOINC", "SNOMED"];
    digits >= 6 && letters >= 1 && !public.iter().any(|name| found.to_ascii_uppercase().starts_with(name))
}

/// More digits than names of tests and of markers have: `serial CA125`.
fn four_digits(found: &str, _: &str, _: &str) -> bool {
    found.bytes().filter(u8::is_ascii_digit).count() >= 4
}

fn has_digit(found: &str, _: &str, _: &str) -> bool {
    found.bytes().any(|b| b.is_ascii_digit())
}

/// An international account number; `CD10 CD19 CD20 CD34` are marks of cells.
fn bank_account(found: &str, before: &str, _: &str) -> bool {
    // The last groups of a UUID can look like one: `43e1-aa70-5131896df402`.
    !before.ends_with('-')
        && found.bytes().filter(u8::is_ascii_digit).count() >= 10
        && !found.to_ascii_uppercase().starts_with("CD")
}

/// A plate or VIN: seventeen characters, letters and digits mixed.
fn vin(found: &str, _: &str, _: &str) -> bool {
    found.bytes().filter(u8::is_ascii_digit).count() >= 3 && found.bytes().any(|b| b.is_ascii_alphabetic())
}

/// The shapes, compiled once.
///
/// # Panics
/// If an expression is broken, which the tests rule out.
pub(super) fn patterns() -> &'static Patterns {
    static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
        let sources = sources();
        let set = RegexSet::new(sources.iter().map(|(.., source, _)| source.as_str()));
        let set = set.unwrap_or_else(|error| panic!("a PHI pattern is broken: {error}"));
        let all = sources.into_iter().map(|(class, rule, source, accept)| {
            let regex = Regex::new(&source)
                .unwrap_or_else(|error| panic!("the PHI pattern {rule} is broken: {error}"));
            Pattern { class, rule, regex, accept }
        });
        Patterns { all: all.collect(), set }
    });
    &PATTERNS
}

type Source = (PhiClass, &'static str, String, fn(&str, &str, &str) -> bool);

/// All shapes, in order of how much they know: of two that overlap the first gives the class.
fn sources() -> Vec<Source> {
    let mut all = mail::addresses();
    for more in [
        people(),
        persons::sources(),
        social_security(),
        phones::labelled(),
        records(),
        dates::sources(),
        months::sources(),
        places::sources(),
        addresses::sources(),
        mail::handles(),
        phones::apart(),
        runs(),
    ] {
        all.extend(more);
    }
    all
}

/// Names in letters apart, web addresses, and numbers by which people are known and called.
fn people() -> Vec<Source> {
    use PhiClass::*;
    vec![
        (
            Name,
            "title in letters apart",
            r"(?-u)\b(?:M r s|M r|M s|D r)[.]? +([A-Z][A-Za-z'-]+)".into(),
            always,
        ),
        (Name, "letters apart", r"(?-u)\b[A-Z](?: [a-z]){2,}(?: {1,3}[A-Z](?: [a-z]){2,})+\b".into(), always),
        (Url, "web address", r"(?i-u)\b(?:https?|ftp)://[!-~]+|\bwww[.][A-Z0-9-]+[.][!-~]+".into(), always),
        (
            Url,
            "host name",
            r"(?i-u)\b(?:[A-Z0-9-]{2,}[.])+(?:com|org|net|edu|gov|io|info|biz)\b(?:/[!-~]*)?".into(),
            always,
        ),
        (
            SocialSecurity,
            "nine digits as 3-2-4",
            r"(?-u)\b([0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4})\b".into(),
            always,
        ),
        (
            SocialSecurity,
            "labelled",
            r"(?i-u)\b(?:SSN|social security)(?:[ ](?:no|number))?[.]?[ ]?(?:is )?[#:]?[ ]*([0-9][0-9 -]{2,}[0-9])".into(),
            always,
        ),
        (
            SocialSecurity,
            "British insurance number",
            r"(?i-u)\b(?:NINO|NI (?:number|no)|national insurance(?: (?:number|no))?)[.]?[ ]?(?:is )?[#:]?[ ]*([A-Z]{2}(?: ?[0-9]{2}){3} ?[A-D]?)\b".into(),
            always,
        ),
        (SocialSecurity, "British insurance number", r"(?-u)\b[A-Z]{2}(?: [0-9]{2}){3} [A-D]\b".into(), always),
        (SocialSecurity, "Brazilian taxpayer number", r"(?-u)\b[0-9]{3}[.][0-9]{3}[.][0-9]{3}-[0-9]{2}\b".into(), always),
        (
            Fax,
            "labelled",
            r"(?i-u)\bfax(?:[ ](?:no|number))?[.]?[ ]?(?:is )?[#:]?[ ]*([+(]?[0-9][0-9(). -]{5,}[0-9])".into(),
            always,
        ),
        (
            Phone,
            "labelled",
            r"(?i-u)\b(?:phone|telephone|tel|cell|mobile|pager|call(?:ed)?(?: at| on)?|reached? at)(?:[ ](?:no|number))?[.]?[ ]?(?:is )?[#:]?[ ]*([+(]?[0-9][0-9(). -]{5,}[0-9])".into(),
            no_unit,
        ),
        (
            Phone,
            "ten digits as 3-3-4",
            r"(?-u)(?:\+?1[-. ]?)?(?:\([0-9]{3}\)[ ]?|\b[0-9]{3}[-. ])[0-9]{3}[-. ][0-9]{4}\b".into(),
            always,
        ),
        (Phone, "international", r"(?-u)\+[0-9][0-9 ().-]{7,16}[0-9]\b".into(), no_unit),
        (Phone, "ten or eleven digits from 0", r"(?-u)\b0[0-9]{2,4}[ -]?[0-9]{3,4}[ -]?[0-9]{3,6}\b".into(), dialled),
        (Phone, "seven digits as 3-4", r"(?-u)\b[2-9][0-9]{2}-[0-9]{4}\b".into(), local_phone),
    ]
}

/// Social security numbers of which the last digits are left.
fn social_security() -> Vec<Source> {
    use PhiClass::SocialSecurity;
    let number = "(?:SSN|social(?: security)?)(?: (?:no[.]?|num|number))?";
    vec![
        (
            SocialSecurity,
            "last digits",
            format!(
                r"(?i-u)\b{number}[ ,:]*(?:(?:that |which )?end(?:s|ed|ing)?(?: in| with)?|(?:the )?last ?(?:four|4)(?: digits)?)(?: is| are)?[ ]?[:#=]?[ ]*([0-9]{{3,4}})\b"
            ),
            always,
        ),
        (
            SocialSecurity,
            "last digits",
            format!(
                r"(?i-u)\blast ?(?:four|4)(?: digits)?(?: of| for)?(?: (?:the|his|her|their|my|your|patient'?s))? {number}(?: is| are| was| were)?[ ]?[:#=]?[ ]*([0-9]{{4}})\b"
            ),
            always,
        ),
        (
            SocialSecurity,
            "masked",
            r"(?i-u)(?:\bX{3}-?XX|[*]{3}-?[*]{2}|#{3}-?##)-?[0-9]{4}\b".into(),
            always,
        ),
    ]
}

/// Numbers that are given out: to records, plans, accounts, licences, vehicles, devices.
fn records() -> Vec<Source> {
    use PhiClass::*;
    let labelled =
        |labels: &str| format!("(?i-u)\\b(?:{labels}){NUMBER}([A-Z]{{0,6}}[0-9-]*[0-9][A-Z0-9-]{{3,}})\\b");
    // A label that is an ordinary word needs `no`, `number`, `id`, `#` or a colon after it.
    let numbered = |labels: &str| {
        format!(
            "(?i-u)\\b(?:{labels})(?:[ ](?:no|num|number|id|identifier|code|nr)[.]?|[ ]?[#:=])[ ]?(?:is|was)?[ ]?[#:=]*\
             [ ]*([A-Z]{{0,6}}[0-9-]*[0-9][A-Z0-9-]{{3,}})\\b"
        )
    };
    vec![
        (
            RecordNumber,
            "labelled",
            labelled(RECORD),
            has_digit,
        ),
        (
            RecordNumber,
            "labelled, in groups",
            format!("(?i-u)\\b(?:{RECORD}){NUMBER}([0-9]{{2,4}}(?:[ -][0-9]{{2,4}}){{1,4}})\\b"),
            no_unit,
        ),
        (RecordNumber, "labelled", numbered("record|chart|patient|hospital|case|accession|encounter|visit"), has_digit),
        (
            HealthPlan,
            "labelled",
            numbered(
                "(?:health )?plan|member|subscriber|beneficiary|policy|insurance|medicare|medicaid|group|HICN|payer",
            ),
            has_digit,
        ),
        (
            HealthPlan,
            "policy",
            r"(?i-u)\b(?:insurance|health)[ ]policy[ ](?:is )?[#:]?[ ]*([A-Z]{0,4}-?[0-9][A-Z0-9-]{4,})\b".into(),
            four_digits,
        ),
        (
            HealthPlan,
            "Medicare number",
            r"(?i-u)\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9][ -]?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9][ -]?[AC-HJKMNP-RT-Y]{2}[0-9]{2}\b".into(),
            always,
        ),
        (
            Account,
            "labelled",
            numbered("(?:bank )?account|acct|invoice|claim|billing|IBAN|credit card|card|guarantor"),
            has_digit,
        ),
        (
            Account,
            "international account number",
            r"(?i-u)\b[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){3,7}(?:[ -]?[A-Z0-9]{1,4})?\b".into(),
            bank_account,
        ),
        (
            Licence,
            "labelled",
            numbered("(?:driver'?s? )?licen[cs]e|certificate|passport|DEA|NPI|registration|permit"),
            has_digit,
        ),
        (
            Vehicle,
            "plate",
            r"(?i-u)\b(?:licen[cs]e plate|number plate|plate (?:no|number)|plate ?#)(?:[ ]?(?:no|number|is|was))?[.]?[ ]?[#:]*[ ]*([A-Z0-9]{1,4}[ -]?[A-Z0-9]{1,4}[0-9][A-Z0-9]{0,3})\b".into(),
            has_digit,
        ),
        (
            Vehicle,
            "plate in groups",
            r"(?-u)\b(?i-u:licen[cs]e plate|number plate|registration plate|Kennzeichen|(?:car|vehicle) reg(?:istration)?|reg(?:istration)?[.]? (?:no|nr|number|plate))[.]?(?i-u:[ ](?:no|nr|number))?[.]?(?i-u: is| was| reads)?[ ]?[#:]*[ ]*([A-Z]{1,3}[ -][A-Z]{1,3}[ -]?[0-9]{1,4}[EH]?|[A-Z]{1,3}[ -]?[0-9]{2,4}[ -]?[A-Z]{1,3}|[0-9]{1,4}[ -]?[A-Z]{1,3}[ -]?[0-9]{1,4}|[A-Z]{1,3}[ -]?[0-9]{2,4})\b".into(),
            always,
        ),
        (
            Vehicle,
            "registration",
            r"(?-u)\b(?i-u:registration|plates?)(?i-u:[ ]?(?:no|number|is|was))?[.]?[ ]?[#:]*[ ]*([A-Z]{2,3}[ -]?[0-9]{3,4}|[A-Z]{2}[0-9]{2} ?[A-Z]{3})\b".into(),
            always,
        ),
        (
            Vehicle,
            "plate in one word",
            r"(?i-u)\b(?:registration|plates?|reg|car|vehicle|truck|van)(?:[ ]?(?:no|number|is|was|reads))?[.]?[ ]?[#:]*[ ]*((?-i:[A-Z]{2}[0-9]{2} [A-Z]{3}|[A-Z][0-9]{3} [A-Z]{3})|[A-Z]{2}[0-9]{2}[A-Z]{3}|[0-9][A-Z]{3}[0-9]{3}|[A-Z]{3}[0-9]{4})\b".into(),
            always,
        ),
        (Vehicle, "labelled", labelled("VIN|vehicle identification|vehicle"), has_digit),
        (Vehicle, "seventeen characters", r"(?-u)\b[A-HJ-NPR-Z0-9]{17}\b".into(), vin),
        (Device, "labelled", numbered("serial|device|UDI|lot|implant|pacemaker|IMEI|SN|S/N"), has_digit),
        (Device, "serial number", r"(?i-u)\bserial(?: is)?[ ]?[:#]?[ ]*([A-Z]{0,6}-?[0-9]{5,}[A-Z0-9-]*)\b".into(), no_unit),
        (Device, "serial number", r"(?i-u)\bserial(?: is)?[ ]?[:#]?[ ]*([A-Z0-9][A-Z0-9-]{5,})\b".into(), four_digits),
        (Device, "serial number", r"(?i-u)\bS/N[ ]?[:#]?[ ]*([A-Z0-9][A-Z0-9-]{3,})\b".into(), four_digits),
        (Device, "hardware address", r"(?i-u)\b(?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2}\b".into(), always),
        (
            Biometric,
            "labelled",
            r"(?i-u)\b(?:finger ?prints?|voice ?prints?|retina(?:l)?(?: scan)?|iris(?: scan)?|face ?prints?|palm ?prints?|biometrics?)[ ](?:template|hash|id|code|no|number|record|file)[ ]?(?:is )?[#:]?[ ]*([A-Z0-9+/=_-]{4,})".into(),
            has_digit,
        ),
        (
            Photo,
            "image file",
            r"(?i-u)\b[A-Z0-9_-]+[.](?:jpe?g|png|gif|heic|tiff?|bmp|dcm)\b|\bdata:image/[!-~]+".into(),
            always,
        ),
        (Ip, "four numbers", r"(?-u)\b[0-9]{1,3}(?:[.][0-9]{1,3}){3}\b".into(), dotted_quad),
        (Ip, "groups of hex digits", r"(?i-u)\b(?:[0-9A-F]{1,4}:{1,2}){3,7}[0-9A-F]{1,4}\b".into(), ip6),
    ]
}

/// Runs of digits and letters that nothing says the meaning of.
fn runs() -> Vec<Source> {
    use PhiClass::OtherId;
    vec![
        (
            OtherId,
            "participant of a study",
            r"(?i-u)\b(?:(?:trial|study|research) (?:subject|participant|patient|volunteer|id)|subject|participant|enrollee)[ ](?:(?:no|num|number|id|code)[.]?[ ]?)?(?:is )?[#:]?[ ]*([A-Z]{0,4}-?[0-9]{3,}(?:-?[A-Z]|(?:-[A-Z0-9]+)+)?)\b".into(),
            of_a_participant,
        ),
        (OtherId, "long run of digits", r"(?-u)\b[0-9](?:[ -]?[0-9]){6,}\b".into(), long_run_or_spaced),
        (OtherId, "letters and digits", r"(?-u)\b[A-Za-z0-9]{7,}\b".into(), mixed_run),
    ]
}

/// A participant's number; not that of the trial, which is public, nor how many there were.
fn of_a_participant(found: &str, before: &str, after: &str) -> bool {
    !found.to_ascii_uppercase().starts_with("NCT") && no_unit(found, before, after)
}

/// Digits in one run, or in groups as card and account numbers are written; values in a list are shorter than that.
fn long_run_or_spaced(found: &str, before: &str, after: &str) -> bool {
    let groups: Vec<&str> = found.split([' ', '-']).collect();
    let grouped = groups.len() == 1 || (groups.len() >= 3 && groups.iter().all(|group| group.len() >= 3));
    (grouped || groups.iter().any(|group| group.len() >= 7)) && long_run(found, before, after)
}
