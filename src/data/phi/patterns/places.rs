//! Ages over 89, and places.

use super::units::starts_with_unit;
use super::{Source, always, has_digit, no_unit};
use crate::data::phi::PhiClass::{Age, Geography, OtherId};
use crate::data::phi::geography::STATES;

/// The shapes of both.
pub(super) fn sources() -> Vec<Source> {
    let states = STATES.map(|(_, code)| code).join("|");
    vec![
        (
            Age,
            "years",
            r"(?i-u)\b(?:9[0-9]|1[0-4][0-9])[ -]?(?:years?|yrs?|y)[ -]?(?:old|o\b|of age)|\b(?:9[0-9]|1[0-4][0-9]) ?(?:y/o|yo|y[.]o[.])".into(),
            always,
        ),
        (Age, "aged", r"(?i-u)\bage[ds]?(?: of| is)?[: ]+((?:9[0-9]|1[0-4][0-9]))\b".into(), no_unit_but_years),
        (Age, "aged, in words", r"(?i-u)\baged (?:ninety|(?:one|a) hundred)\b(?:[ -](?:one|two|three|four|five|six|seven|eight|nine)\b)?".into(), always),
        (Age, "an age turned", r"(?i-u)\bturn(?:ed|s|ing)[ ]((?:9[0-9]|1[0-4][0-9]))\b".into(), no_angle),
        (
            Age,
            "of somebody",
            r"(?i-u)\b(?:(?:he|she|patient|pt|(?:grand)?(?:mother|father)|mum|mom|dad|husband|wife|brother|sister|uncle|aunt|who)(?:(?u-i:['’])s| is| was)|I(?:(?u-i:['’])m| am| was)) (?:now |currently |already |almost |nearly |about )?((?:9[0-9]|1[0-4][0-9]))\b".into(),
            no_value,
        ),
        (Age, "and sex", r"(?-u)\b((?:9[0-9]|1[01][0-9]) ?M)\b".into(), comes_with),
        (
            Age,
            "decade of life",
            r"(?i-u)\b(?:his|her|their|my|your)[ ](?:(?:early|mid|late)[ -])?(?:nineties|hundreds|90'?s|100'?s)\b".into(),
            no_unit,
        ),
        (Age, "word for an age", r"(?i-u)\b(?:nonagenarian|centenarian|supercentenarian)s?\b".into(), always),
        (Age, "in words", r"(?i-u)\b(?:ninety(?:[ -][A-Z]+)?|(?:one|a) hundred(?: and)?(?:[ -][A-Z]+)?)[ -]years?[ -](?:old|of age)".into(), always),
        (Geography, "ZIP code", r"(?-u)\b[0-9]{5}-[0-9]{4}\b".into(), always),
        (Geography, "ZIP code after its name", r"(?i-u)\b(?:zip(?: code)?|postal code|postcode)[: ]+([A-Z0-9][A-Z0-9 -]{2,8})".into(), has_digit),
        (
            Geography,
            "ZIP code where somebody lives",
            r"(?i-u)\b(?:lived?s?|living|resid(?:es?|ed|ing|ent)|moved|relocated|born|raised|grew up)[ ](?:in|at|to|of|near)[ ]+([0-9]{5})\b".into(),
            no_height,
        ),
        (Geography, "state and ZIP code", format!(r"(?-u)\b(?:{states}),?[ ]+[0-9]{{5}}\b"), no_unit),
        (Geography, "town and state", format!(r"(?-u)\b(?:[A-Z][a-z]+ )?[A-Z][a-z]+, (?:{states})\b"), always),
        (
            Geography,
            "postcode",
            r"(?-u)\b[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][ABD-HJLNP-UW-Z]{2}\b".into(),
            postcode,
        ),
        (
            Geography,
            "room or bed",
            r"(?i-u)\b(?:room|rm|ward|bay|cubicle)[ ]?(?:(?:no|number)[.]?[ ])?#?[ ]?[0-9]{1,4}[A-H]?\b(?:,?[ ]bed[ ]#?[0-9]{1,3}[A-H]?\b)?".into(),
            no_count,
        ),
        (Geography, "apartment", r"(?i-u)\b(?:apt|apartment|suite)[.]? #?[0-9]+[A-Z]?\b".into(), always),
        (
            OtherId,
            "number of an employee",
            r"(?i-u)\b(?:employee|badge|staff|student|personnel)[ ](?:(?:no|num|number|id|code)[.]?[ ])?(?:is )?[#:]?[ ]*([A-Z]{0,3}-?[0-9]{4,})\b".into(),
            no_unit,
        ),
        (OtherId, "unique identifier", r"(?i-u)\b[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}\b".into(), always),
    ]
}

/// A British postcode that is no dose or interval.
fn postcode(found: &str, _: &str, _: &str) -> bool {
    !found.ends_with("HR") && !found.ends_with("AB")
}

/// `aged 95` is an age; `age 95 percentile` is not.
fn no_unit_but_years(_: &str, _: &str, after: &str) -> bool {
    let after = after.trim_start().to_ascii_lowercase();
    !after.starts_with('%') && !after.starts_with("percentile") && !after.starts_with("th percentile")
}

/// `turned 93`, not `turned 90 degrees`.
fn no_angle(_: &str, _: &str, after: &str) -> bool {
    !starts_with_unit(after) && !after.trim_start().to_ascii_lowercase().starts_with("deg")
}

/// An age, not what somebody weighs or what is measured of them: `she is 92 kg`, `he is 95 on room air`, `she is 120 over 80`.
fn no_value(_: &str, _: &str, after: &str) -> bool {
    let fraction = after
        .strip_prefix(['.', '-', ','])
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let words = [
        "over",
        "percent",
        "per",
        "pounds",
        "pound",
        "lbs",
        "lb",
        "stone",
        "kilos",
        "kilograms",
        "kgs",
        "degrees",
        "to",
        "or",
        "f",
        "c",
        "inches",
        "centimetres",
        "centimeters",
        "cms",
        "feet",
        "ft",
        "day",
        "week",
        "month",
    ];
    let lower = after.trim_start().to_ascii_lowercase();
    let next = lower.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let years = lower.starts_with("years");
    let air = ["room", "ra", "air", "oxygen", "o2", "nasal", "supplemental"];
    let breathes = lower.strip_prefix("on ").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) || air.iter().any(|word| rest.starts_with(word))
    });
    !fraction && !breathes && (years || !starts_with_unit(after)) && !words.contains(&next)
}

/// `92M with cough`, not an amount.
fn comes_with(_: &str, _: &str, after: &str) -> bool {
    let next = after.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    matches!(
        next,
        "with" | "w" | "presents" | "presented" | "presenting" | "who" | "admitted" | "found" | "complaining"
    )
}

/// A room's number, not how often or how long somebody was in one: `emergency room 2 times`, `room 20 C`.
fn no_count(_: &str, _: &str, after: &str) -> bool {
    let words = ["x", "c", "f", "degrees", "nights", "visits", "occasions", "patients", "people"];
    let next = after.trim_start().split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    !starts_with_unit(after) && !words.contains(&next.to_ascii_lowercase().as_str())
}

/// A ZIP code, unless it is a height or a size: `lives at 10000 feet`, `born at 12000 g`.
fn no_height(_: &str, _: &str, after: &str) -> bool {
    let words = ["feet", "ft", "metre", "meter", "people", "inhabitant", "souls"];
    let next = after.trim_start().to_ascii_lowercase();
    !starts_with_unit(after) && !words.iter().any(|word| next.starts_with(word))
}
