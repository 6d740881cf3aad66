//! What is in a set of cases.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::case::{Case, Importance};

/// Counts over a set of cases, from the bank or imported.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CaseStats {
    /// How many cases.
    pub cases: usize,
    /// Cases that are emergencies.
    pub emergencies: usize,
    /// Cases by specialty.
    pub by_specialty: BTreeMap<String, usize>,
    /// Cases by age band.
    pub by_age_band: BTreeMap<String, usize>,
    /// Cases by sex.
    pub by_sex: BTreeMap<String, usize>,
    /// Cases by severity.
    pub by_severity: BTreeMap<String, usize>,
    /// Cases by presentation.
    pub by_presentation: BTreeMap<String, usize>,
    /// Facts by topic.
    pub facts_by_topic: BTreeMap<String, usize>,
    /// Facts a case.
    pub facts: Spread,
    /// Essential facts a case.
    pub essential_facts: Spread,
}

/// Least, mean and most of a count; all 0 over nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub min: usize,
    /// The mean.
    pub mean: f64,
    /// The most.
    pub max: usize,
}

impl Spread {
    fn of(counts: &[usize]) -> Self {
        let (Some(&min), Some(&max)) = (counts.iter().min(), counts.iter().max()) else {
            return Self::default();
        };
        Self { min, mean: counts.iter().sum::<usize>() as f64 / counts.len() as f64, max }
    }
}

/// Counts `cases`.
pub fn stats<'a>(cases: impl IntoIterator<Item = &'a Case>) -> CaseStats {
    let mut stats = CaseStats::default();
    let (mut facts, mut essential) = (Vec::new(), Vec::new());
    for case in cases {
        stats.cases += 1;
        stats.emergencies += usize::from(case.truth.is_emergency());
        let stratum = &case.stratum;
        count(&mut stats.by_specialty, &stratum.specialty);
        count(&mut stats.by_age_band, &stratum.age.band());
        count(&mut stats.by_sex, &stratum.sex);
        count(&mut stats.by_severity, &stratum.severity);
        count(&mut stats.by_presentation, &case.presentation);
        for fact in &case.facts {
            count(&mut stats.facts_by_topic, &fact.topic);
        }
        facts.push(case.facts.len());
        essential.push(case.facts.iter().filter(|fact| fact.importance == Importance::Essential).count());
    }
    stats.facts = Spread::of(&facts);
    stats.essential_facts = Spread::of(&essential);
    stats
}

/// Counts `value` under the name it has in files.
fn count(counts: &mut BTreeMap<String, usize>, value: &impl Serialize) {
    let name = match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        // Enums of unit variants and strings always serialise.
        Err(_) => return,
    };
    *counts.entry(name).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_spread() {
        let none = stats(&[]);
        assert_eq!((none.cases, none.facts), (0, Spread::default()));
        assert_eq!(Spread::of(&[1, 2, 6]), Spread { min: 1, mean: 3.0, max: 6 });
    }
}
