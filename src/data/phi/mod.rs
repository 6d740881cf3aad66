//! The gate that stands before everything: no identifier of a person gets past it.
//!
//! It knows the eighteen classes of the Safe Harbor rule (45 CFR 164.514(b)(2)). A record is a tree of JSON, and the
//! gate walks all of it:
//!
//! - **structured fields** are told by their names (`structured`): identifiers are removed, addresses cut to the state
//!   and three digits of the ZIP code, dates shifted by the patient's own constant offset ([`date::offset`]), ages
//!   over 89 pooled, links between resources replaced by numbers;
//! - **every other string**, names of fields included where they are free, is made plain (`fold`) and scanned
//!   ([`text::scan`]) for the shapes of identifiers, and for this patient's own names and numbers. What looks suspicious is refused with its place
//!   named, unless the user chose otherwise ([`FreeText`]).
//!
//! What passed is a [`Deidentified`] record. Only [`PhiGate::admit`] makes one, and the importers build cases of
//! nothing else.

pub mod account;
pub mod class;
pub mod date;
pub mod finding;
mod fold;
pub mod gate;
pub mod geography;
pub mod known;
mod name_lists;
mod names;
mod pairs;
mod patterns;
pub mod policy;
mod structured;
pub mod text;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_apart;
#[cfg(test)]
mod tests_writing;

pub use account::PhiAccount;
pub use class::PhiClass;
pub use date::{Moment, Precision};
pub use finding::{Hit, PhiFinding, PhiRefusal, Place, mask};
pub use gate::{Deidentified, PhiGate, RawPart, RawRecord, Schema};
pub use known::Known;
pub use policy::{FreeText, PhiPolicy};
