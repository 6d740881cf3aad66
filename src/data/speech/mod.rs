//! What anybody's words show on their face: words and sentences, letters, language, marks of a template.
//!
//! The judge, the detectors of noise in a policy's replies and the check of what a patient's model drafts look here.

pub mod language;
pub mod look_alikes;
pub mod script;
pub mod template;
pub mod words;
