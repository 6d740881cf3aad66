//! FHIR R4: bundles (transaction, collection, searchset) and bulk-export NDJSON.
//!
//! Resources are read as JSON trees and not as typed structs of the whole standard: real exports hold hundreds of
//! resource types and local deviations, which must be counted and passed over rather than fail, and the account
//! needs to see the fields that nothing reads. Of each resource only the fields in [`READ`] are kept, so nothing else
//! can reach a case.

mod build;
mod bundle;
mod encounter;
mod fields;
mod group;
mod history;
mod legal;
mod observation;
mod procedure;

pub(super) use build::case;
pub(super) use bundle::read_bundle;
pub(super) use group::Patients;

/// Resource types that are read, each with the fields that are kept. All others are counted as not covered.
pub const READ: [(&str, &[&str]); 10] = [
    (
        "Patient",
        &[
            "id",
            "gender",
            "birthDate",
            "name",
            "telecom",
            "address",
            "identifier",
            "contact",
            "extension",
            "photo",
        ],
    ),
    (
        "Encounter",
        &[
            "id",
            "status",
            "class",
            "type",
            "subject",
            "period",
            "reasonCode",
            "reasonReference",
            "diagnosis",
            "serviceType",
            "priority",
        ],
    ),
    (
        "Condition",
        &[
            "id",
            "clinicalStatus",
            "verificationStatus",
            "category",
            "severity",
            "code",
            "subject",
            "encounter",
            "onsetDateTime",
            "onsetPeriod",
            "abatementDateTime",
            "abatementPeriod",
            "recordedDate",
            "bodySite",
        ],
    ),
    (
        "Observation",
        &[
            "id",
            "status",
            "category",
            "code",
            "subject",
            "encounter",
            "effectiveDateTime",
            "effectivePeriod",
            "effectiveInstant",
            "issued",
            "valueQuantity",
            "valueCodeableConcept",
            "valueString",
            "valueBoolean",
            "valueInteger",
            "valueRange",
            "interpretation",
            "component",
            "dataAbsentReason",
        ],
    ),
    (
        "MedicationRequest",
        &[
            "id",
            "status",
            "intent",
            "medicationCodeableConcept",
            "medicationReference",
            "subject",
            "encounter",
            "authoredOn",
            "dosageInstruction",
            "doNotPerform",
        ],
    ),
    (
        "MedicationStatement",
        &[
            "id",
            "status",
            "medicationCodeableConcept",
            "medicationReference",
            "subject",
            "context",
            "effectiveDateTime",
            "effectivePeriod",
            "dateAsserted",
            "dosage",
        ],
    ),
    (
        "AllergyIntolerance",
        &[
            "id",
            "clinicalStatus",
            "verificationStatus",
            "type",
            "category",
            "criticality",
            "code",
            "patient",
            "onsetDateTime",
            "recordedDate",
            "reaction",
        ],
    ),
    (
        "FamilyMemberHistory",
        &["id", "status", "patient", "date", "relationship", "sex", "condition", "deceasedBoolean"],
    ),
    (
        "Procedure",
        &[
            "id",
            "status",
            "category",
            "code",
            "subject",
            "encounter",
            "performedDateTime",
            "performedPeriod",
            "outcome",
        ],
    ),
    ("Medication", &["id", "code"]),
];

/// The fields kept of a resource type.
fn kept(kind: &str) -> Option<&'static [&'static str]> {
    READ.iter().find(|(name, _)| *name == kind).map(|(_, fields)| *fields)
}
