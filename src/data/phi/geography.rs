//! Which places may be named.

/// First three digits of ZIP codes whose areas hold 20,000 people or fewer; they become `000`
/// (census of 2010, as the HHS guidance on de-identification lists them).
const SMALL_AREAS: [&str; 17] = [
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878", "879", "884",
    "890", "893",
];

/// States and territories of the United States: name and postal code.
pub(super) const STATES: [(&str, &str); 53] = [
    ("Alabama", "AL"),
    ("Alaska", "AK"),
    ("Arizona", "AZ"),
    ("Arkansas", "AR"),
    ("California", "CA"),
    ("Colorado", "CO"),
    ("Connecticut", "CT"),
    ("Delaware", "DE"),
    ("District of Columbia", "DC"),
    ("Florida", "FL"),
    ("Georgia", "GA"),
    ("Guam", "GU"),
    ("Hawaii", "HI"),
    ("Idaho", "ID"),
    ("Illinois", "IL"),
    ("Indiana", "IN"),
    ("Iowa", "IA"),
    ("Kansas", "KS"),
    ("Kentucky", "KY"),
    ("Louisiana", "LA"),
    ("Maine", "ME"),
    ("Maryland", "MD"),
    ("Massachusetts", "MA"),
    ("Michigan", "MI"),
    ("Minnesota", "MN"),
    ("Mississippi", "MS"),
    ("Missouri", "MO"),
    ("Montana", "MT"),
    ("Nebraska", "NE"),
    ("Nevada", "NV"),
    ("New Hampshire", "NH"),
    ("New Jersey", "NJ"),
    ("New Mexico", "NM"),
    ("New York", "NY"),
    ("North Carolina", "NC"),
    ("North Dakota", "ND"),
    ("Ohio", "OH"),
    ("Oklahoma", "OK"),
    ("Oregon", "OR"),
    ("Pennsylvania", "PA"),
    ("Puerto Rico", "PR"),
    ("Rhode Island", "RI"),
    ("South Carolina", "SC"),
    ("South Dakota", "SD"),
    ("Tennessee", "TN"),
    ("Texas", "TX"),
    ("Utah", "UT"),
    ("Vermont", "VT"),
    ("Virginia", "VA"),
    ("Washington", "WA"),
    ("West Virginia", "WV"),
    ("Wisconsin", "WI"),
    ("Wyoming", "WY"),
];

/// Countries and regions that free text often names; larger than a state, so they may stay.
const WIDE: [&str; 63] = [
    "Africa",
    "America",
    "Argentina",
    "Asia",
    "Australia",
    "Austria",
    "Bangladesh",
    "Belgium",
    "Brazil",
    "Cambodia",
    "Canada",
    "Central",
    "Chile",
    "China",
    "Colombia",
    "Cuba",
    "Denmark",
    "East",
    "Egypt",
    "England",
    "Ethiopia",
    "Europe",
    "Finland",
    "France",
    "Germany",
    "Ghana",
    "Greece",
    "Haiti",
    "India",
    "Indonesia",
    "Iran",
    "Iraq",
    "Ireland",
    "Israel",
    "Italy",
    "Japan",
    "Kenya",
    "Korea",
    "Latin",
    "Mexico",
    "Nepal",
    "Netherlands",
    "Nigeria",
    "North",
    "Norway",
    "Pakistan",
    "Peru",
    "Philippines",
    "Poland",
    "Portugal",
    "Russia",
    "Scotland",
    "Somalia",
    "South",
    "Spain",
    "Sweden",
    "Switzerland",
    "Thailand",
    "Turkey",
    "Ukraine",
    "Vietnam",
    "Wales",
    "West",
];

/// What may stay of a ZIP code: its first three digits, `000` where few people live there; `None` where it is no ZIP
/// code.
pub fn zip3(zip: &str) -> Option<String> {
    let digits: String = zip.chars().take_while(char::is_ascii_digit).collect();
    if digits.len() < 3 {
        return None;
    }
    let three = digits.get(..3)?;
    Some(if SMALL_AREAS.contains(&three) { "000".to_owned() } else { three.to_owned() })
}

/// Whether a run of capitalised words (`New York`, `South Korea`) names a state, a country or a wider region.
pub fn is_wide(run: &str) -> bool {
    const LONGER: [&str; 8] = [
        "United States",
        "United Kingdom",
        "Saudi Arabia",
        "Sri Lanka",
        "Middle East",
        "New Zealand",
        "South Africa",
        "Southeast Asia",
    ];
    matches!(run, "US" | "USA" | "UK")
        || LONGER.contains(&run)
        || STATES.iter().any(|(name, code)| *code == run || *name == run)
        || run.split(' ').all(|word| WIDE.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_code_keeps_three_digits_unless_few_people_live_there() {
        assert_eq!(zip3("01938").as_deref(), Some("019"));
        assert_eq!(zip3("02139-4307").as_deref(), Some("021"));
        assert_eq!(zip3("03601").as_deref(), Some("000"));
        assert_eq!(zip3("89301").as_deref(), Some("000"));
        assert_eq!(zip3("SW1A 1AA"), None);
    }

    #[test]
    fn states_and_countries_may_be_named_and_towns_not() {
        assert!(["New York", "MA", "South Korea", "Mexico", "West Africa"].iter().all(|run| is_wide(run)));
        assert!(["New Haven", "Boston", "Ipswich", "North Adams"].iter().all(|run| !is_wide(run)));
    }
}
