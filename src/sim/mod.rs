//! Simulated patients: a script made from a case, a persona, and the consultation they play in.

pub mod persona;
pub mod script;

pub use persona::{Level, Persona};
pub use script::PatientScript;
