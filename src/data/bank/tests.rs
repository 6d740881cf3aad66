//! What holds of the bundled bank and of any patients drawn from it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::data::case::{Aspect, Case, Finding, Importance, Reveal, StepKind, Topic};
use crate::data::lexicon::{ConceptKind, Lexicon};

fn bank() -> &'static Bank {
    Bank::bundled()
}

#[test]
fn the_bundled_files_parse() {
    if let Err(errors) = Bank::parse(COMMON, SPECIALTIES, Lexicon::bundled()) {
        panic!("{errors}");
    }
}
