//! What is done with a field, told by its name and where it stands.

use serde_json::Value;

use super::{Known, PhiClass, Schema};

/// Names that files of a bulk export have.
pub(super) const RESOURCES: [&str; 11] = [
    "Patient",
    "Encounter",
    "Condition",
    "Observation",
    "MedicationRequest",
    "MedicationStatement",
    "Medication",
    "AllergyIntolerance",
    "FamilyMemberHistory",
    "Procedure",
    "Bundle",
];

/// What is done with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    /// It goes.
    Remove(PhiClass),
    /// A postal address: state, country and three digits of the ZIP code stay.
    Address,
    /// The day of birth: kept aside for ages, then it goes.
    BirthDate,
    /// An id or a reference: replaced by a number that means something within the record only.
    Link,
    /// The name of a coding system: stays if it is a public one.
    Vocabulary,
    /// A code of a public coding system: stays if it has that system's shape.
    Code,
    /// An age in years: pooled from 90 on.
    AgeQuantity,
    /// A measured number: a long one is no identifier.
    Measurement,
    /// Anything else: dates are shifted, text is scanned, lists and objects are walked.
    Walk,
}

/// What is done with `key` of an object that holds `beside`.
pub(super) fn handling(schema: Schema, part: &str, key: &str, value: &Value, beside: &[String]) -> Handling {
    use Handling::*;
    let has = |name: &str| beside.iter().any(|key| key == name);
    if schema == Schema::Fhir {
        match key {
            "id" | "reference" | "fullUrl" | "resourceType" if value.is_string() => {
                return if key == "resourceType" { Walk } else { Link };
            }
            "identifier" => return Remove(PhiClass::RecordNumber),
            "telecom" => return Remove(PhiClass::Phone),
            "address" => return Address,
            "birthDate" => return BirthDate,
            "photo" => return Remove(PhiClass::Photo),
            "signature" => return Remove(PhiClass::Biometric),
            "contact"
            | "link"
            | "generalPractitioner"
            | "participant"
            | "performer"
            | "recorder"
            | "asserter"
            | "requester"
            | "author" => return Remove(PhiClass::Name),
            "managingOrganization" | "serviceProvider" | "location" => return Remove(PhiClass::Geography),
            "device" | "udiCarrier" | "serialNumber" | "deviceIdentifier" => return Remove(PhiClass::Device),
            "extension" | "modifierExtension" | "meta" | "communication" | "maritalStatus"
            | "implicitRules"
                if part == "Patient" || key != "communication" =>
            {
                return Remove(PhiClass::OtherId);
            }
            "text" if value.is_object() => return Remove(PhiClass::OtherId),
            "display" if has("reference") => return Remove(PhiClass::Name),
            "system" | "url" => return Vocabulary,
            "code" if value.is_string() && has("system") => return Code,
            "onsetAge" => return AgeQuantity,
            "value" if value.is_number() && (has("unit") || has("code")) => return Measurement,
            _ => {}
        }
    }
    if schema == Schema::Jsonl && key == "identity" {
        return Walk;
    }
    named(key)
}

/// Fields that any schema may have, whatever their spelling: `Date_of_Birth`, `dateOfBirth`, `DOB`.
fn named(key: &str) -> Handling {
    use PhiClass::*;
    let plain: String =
        key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let class = match plain.as_str() {
        "dob" | "dateofbirth" | "birthdate" | "birthday" => return Handling::BirthDate,
        "address" | "homeaddress" | "addresses" => return Handling::Address,
        "name" | "names" | "patientname" | "fullname" | "firstname" | "lastname" | "middlename"
        | "surname" | "familyname" | "givenname" | "maidenname" | "nextofkin" | "emergencycontact" => Name,
        "street" | "streetaddress" | "city" | "town" | "county" | "district" | "zip" | "zipcode"
        | "postalcode" | "postcode" | "geolocation" | "latitude" | "longitude" => Geography,
        "phone" | "phonenumber" | "telephone" | "mobile" | "cell" | "cellphone" | "pager" | "telecom" => {
            Phone
        }
        "fax" | "faxnumber" => Fax,
        "email" | "emailaddress" | "mail" => Email,
        "ssn" | "socialsecurity" | "socialsecuritynumber" => SocialSecurity,
        "mrn" | "medicalrecordnumber" | "recordnumber" | "patientid" | "nhsnumber" | "hospitalnumber" => {
            RecordNumber
        }
        "insuranceid" | "memberid" | "policynumber" | "beneficiarynumber" | "healthplannumber"
        | "subscriberid" => HealthPlan,
        "accountnumber" | "account" | "billingnumber" => Account,
        "licensenumber" | "licencenumber" | "driverslicense" | "certificatenumber" | "passport"
        | "passportnumber" => Licence,
        "vin" | "licenseplate" | "vehicle" | "plate" => Vehicle,
        "serialnumber" | "deviceid" | "deviceidentifier" | "udi" => Device,
        "url" | "website" | "homepage" => Url,
        "ip" | "ipaddress" => Ip,
        "fingerprint" | "fingerprints" | "voiceprint" | "retinascan" | "faceprint" | "biometric"
        | "biometrics" => Biometric,
        "photo" | "photos" | "photograph" | "image" | "picture" => Photo,
        "identifier" | "identifiers" | "nationalid" | "uuid" | "guid" => OtherId,
        _ => return Handling::Walk,
    };
    Handling::Remove(class)
}

/// Whether a coding system is a public one.
pub(super) fn is_public_system(system: &str) -> bool {
    const PUBLIC: [&str; 12] = [
        "http://loinc.org",
        "http://snomed.info/sct",
        "http://www.nlm.nih.gov/research/umls/rxnorm",
        "http://hl7.org/fhir/sid/icd-",
        "http://hl7.org/fhir/sid/ndc",
        "http://hl7.org/fhir/sid/cvx",
        "http://unitsofmeasure.org",
        "http://terminology.hl7.org/",
        "http://hl7.org/fhir/",
        "http://www.ama-assn.org/go/cpt",
        "http://www.whocc.no/atc",
        "urn:iso:std:iso:11073",
    ];
    let personal = system.starts_with("http://hl7.org/fhir/sid/us-");
    !personal && system.len() <= 120 && PUBLIC.iter().any(|public| system.starts_with(public))
}

/// Whether `code` has the shape that codes of `system` have.
pub(super) fn is_public_code(system: &str, code: &str) -> bool {
    if !is_public_system(system) {
        return false;
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if system.starts_with("http://loinc.org") {
        let shape = code.strip_prefix("LP").unwrap_or(code);
        return shape
            .split_once('-')
            .is_some_and(|(a, b)| digits(a) && a.len() <= 7 && digits(b) && b.len() == 1);
    }
    if system.starts_with("http://snomed.info/sct") {
        return digits(code) && (6..=18).contains(&code.len());
    }
    if system.contains("rxnorm") || system.contains("/sid/cvx") {
        return digits(code) && code.len() <= 8;
    }
    if system.contains("/sid/icd-") {
        let mut plain = code.bytes().filter(|&b| b != b'.');
        let first = plain.next().is_some_and(|b| b.is_ascii_alphanumeric());
        return first && code.len() <= 8 && plain.all(|b| b.is_ascii_alphanumeric());
    }
    code.len() <= 32 && code.bytes().filter(u8::is_ascii_digit).count() <= 5
}

/// Collects what the structured fields say of this patient, to be looked for in the free text.
pub(super) fn harvest(schema: Schema, part: &str, value: &Value, known: &mut Known) {
    if schema == Schema::Fhir && part != "Patient" {
        return;
    }
    harvest_in(value, None, 0, known);
}

/// The same within a field; `class` is that of the nearest field above that has one.
fn harvest_in(value: &Value, class: Option<PhiClass>, depth: usize, known: &mut Known) {
    // Parsed JSON is at most 128 deep; records made in memory may be deeper.
    if depth > 128 {
        return;
    }
    match value {
        Value::Object(map) => {
            // The name before marriage stands in an extension, told by its address.
            let maiden = map.get("url").and_then(Value::as_str).is_some_and(|url| url.contains("aiden"));
            for (name, value) in map {
                let own = match name.as_str() {
                    "valueString" if maiden => Some(PhiClass::Name),
                    "name" | "family" | "given" => Some(PhiClass::Name),
                    "telecom" => Some(PhiClass::Phone),
                    "identifier" | "identifiers" => Some(PhiClass::RecordNumber),
                    "address" | "line" | "city" | "district" | "postalCode" => Some(PhiClass::Geography),
                    // What kind of name or number it is, not what it is.
                    "use" | "system" | "type" | "period" | "prefix" | "suffix" | "state" | "country"
                    | "extension"
                        if class.is_some() =>
                    {
                        continue;
                    }
                    _ => match named(name) {
                        Handling::Remove(class) => Some(class),
                        Handling::Address => Some(PhiClass::Geography),
                        _ => None,
                    },
                };
                harvest_in(value, own.or(class), depth + 1, known);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| harvest_in(item, class, depth + 1, known)),
        Value::String(text) => match class {
            Some(PhiClass::Name) => known.name(text),
            Some(PhiClass::Geography) if text.chars().all(|c| c.is_alphabetic() || c == ' ') => {
                known.town(text)
            }
            Some(class) => known.code(text, class),
            None => {}
        },
        Value::Number(number) => {
            if let Some(class) = class {
                known.code(&number.to_string(), class);
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
}
