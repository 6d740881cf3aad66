//! The classes of identifier that may not leave a hospital.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The eighteen classes of 45 CFR 164.514(b)(2)(i), (A) to (R), in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhiClass {
    /// (A) Names.
    Name,
    /// (B) Places smaller than a state; three digits of a ZIP code may stay where enough people live.
    Geography,
    /// (C) Elements of dates other than the year.
    Date,
    /// (C) Ages over 89, which are pooled.
    Age,
    /// (D) Telephone numbers.
    Phone,
    /// (E) Fax numbers.
    Fax,
    /// (F) E-mail addresses.
    Email,
    /// (G) Social security numbers.
    SocialSecurity,
    /// (H) Medical record numbers.
    RecordNumber,
    /// (I) Health plan beneficiary numbers.
    HealthPlan,
    /// (J) Account numbers.
    Account,
    /// (K) Certificate and licence numbers.
    Licence,
    /// (L) Vehicle identifiers and plates.
    Vehicle,
    /// (M) Device identifiers and serial numbers.
    Device,
    /// (N) Web addresses.
    Url,
    /// (O) Internet addresses.
    Ip,
    /// (P) Finger, voice and other biometric prints.
    Biometric,
    /// (Q) Full-face photographs and like images.
    Photo,
    /// (R) Any other unique number, characteristic or code.
    OtherId,
}

impl PhiClass {
    /// All classes. Letter (C) of the rule is two here: dates are shifted, ages pooled.
    pub const ALL: [Self; 19] = [
        Self::Name,
        Self::Geography,
        Self::Date,
        Self::Age,
        Self::Phone,
        Self::Fax,
        Self::Email,
        Self::SocialSecurity,
        Self::RecordNumber,
        Self::HealthPlan,
        Self::Account,
        Self::Licence,
        Self::Vehicle,
        Self::Device,
        Self::Url,
        Self::Ip,
        Self::Biometric,
        Self::Photo,
        Self::OtherId,
    ];

    /// What a reader is told was found.
    pub fn label(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Geography => "place",
            Self::Date => "date",
            Self::Age => "age over 89",
            Self::Phone => "telephone number",
            Self::Fax => "fax number",
            Self::Email => "e-mail address",
            Self::SocialSecurity => "social security number",
            Self::RecordNumber => "record number",
            Self::HealthPlan => "health plan number",
            Self::Account => "account number",
            Self::Licence => "licence number",
            Self::Vehicle => "vehicle identifier",
            Self::Device => "device identifier",
            Self::Url => "web address",
            Self::Ip => "internet address",
            Self::Biometric => "biometric print",
            Self::Photo => "photograph",
            Self::OtherId => "other identifier",
        }
    }
}

impl fmt::Display for PhiClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
