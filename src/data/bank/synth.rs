//! Any number of distinct patients, balanced over specialties, ages, sexes and severities.
//!
//! Each next patient is drawn from the specialty with fewest patients so far, in it from the presentation with
//! fewest, and in that from the cell (age band, sex, severity) with fewest; among cells of equal count the one whose
//! band, sex and severity are together rarest in the whole set is taken, and ties are drawn. So specialties are even,
//! presentations are even within a specialty, cells are even within a presentation, and the whole set is as even over
//! age, sex and severity as the presentations' own limits allow.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Bank;
use super::dice::Dice;
use super::draw::Draw;
use super::error::SynthError;
use super::hash::content_hash;
use super::presentation::Presentation;
use super::wording::Patient;
use crate::data::case::{Age, AgeBand, Case, Severity, Sex};

/// How often a patient who is already in the set is drawn again before giving up.
const REDRAWS: usize = 200;

/// The most patients that a command or a configuration may ask for: they are held in memory, some ten kilobytes each.
pub const MOST_PATIENTS: usize = 1_000_000;

/// Which patients are wanted; an empty list allows all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SynthOptions {
    /// How many.
    pub count: usize,
    /// Specialties to draw from.
    pub specialties: Vec<String>,
    /// Presentations to draw from.
    pub presentations: Vec<String>,
    /// Age bands to draw from.
    pub ages: Vec<AgeBand>,
    /// Sexes to draw from.
    pub sexes: Vec<Sex>,
    /// Severities to draw from.
    pub severities: Vec<Severity>,
}

impl SynthOptions {
    /// `count` patients of any kind.
    pub fn any(count: usize) -> Self {
        Self { count, ..Self::default() }
    }
}

type Cell = (AgeBand, Sex, Severity);

/// All age bands with their first and last year.
const BANDS: [(AgeBand, u32, u32); 5] = [
    (AgeBand::Child, 0, 12),
    (AgeBand::Adolescent, 13, 17),
    (AgeBand::Young, 18, 39),
    (AgeBand::Middle, 40, 64),
    (AgeBand::Older, 65, Age::POOLED_FROM),
];

/// The cells a presentation has patients in.
pub(super) fn cells(presentation: &Presentation, options: &SynthOptions) -> Vec<Cell> {
    fn allowed<T: PartialEq>(list: &[T], item: &T) -> bool {
        list.is_empty() || list.contains(item)
    }
    let mut cells = Vec::new();
    for (band, first, last) in BANDS {
        let overlaps = presentation.ages.0 <= last && first <= presentation.ages.1;
        if !overlaps || !allowed(&options.ages, &band) {
            continue;
        }
        for &sex in presentation.sexes.iter().filter(|sex| allowed(&options.sexes, sex)) {
            let severities = presentation.severities.iter().filter(|it| allowed(&options.severities, it));
            cells.extend(severities.map(|&severity| (band, sex, severity)));
        }
    }
    cells
}

/// Draws patients one by one, none twice.
#[derive(Debug)]
pub(super) struct Synth<'a> {
    bank: &'a Bank,
    seed: u64,
    drawn: u64,
    seen: BTreeSet<u128>,
    sources: Vec<Source<'a>>,
    specialties: BTreeMap<&'a str, usize>,
    bands: BTreeMap<AgeBand, usize>,
    sexes: BTreeMap<u8, usize>,
    severities: BTreeMap<u8, usize>,
}

#[derive(Debug)]
struct Source<'a> {
    presentation: &'a Presentation,
    count: usize,
    cells: Vec<(Cell, usize)>,
}

impl<'a> Synth<'a> {
    pub fn new(bank: &'a Bank, seed: u64, options: &SynthOptions) -> Result<Self, SynthError> {
        let specialties: BTreeSet<_> =
            bank.presentations().iter().map(|it| it.specialty.0.as_str()).collect();
        let presentations: BTreeSet<_> = bank.presentations().iter().map(|it| it.id.as_str()).collect();
        known("specialties", &options.specialties, &specialties)?;
        known("presentations", &options.presentations, &presentations)?;
        let wanted = |list: &[String], name: &str| list.is_empty() || list.iter().any(|it| it == name);
        let mut sources = Vec::new();
        for presentation in bank.presentations() {
            let cells = cells(presentation, options);
            if wanted(&options.specialties, &presentation.specialty.0)
                && wanted(&options.presentations, &presentation.id)
                && !cells.is_empty()
            {
                let cells = cells.into_iter().map(|cell| (cell, 0)).collect();
                sources.push(Source { presentation, count: 0, cells });
            }
        }
        if sources.is_empty() {
            return Err(SynthError::Nobody);
        }
        // Ties between specialties and presentations go to the first, in an order of the seed's.
        Dice::new(seed, u64::MAX).shuffle(&mut sources);
        let specialties =
            sources.iter().map(|source| (source.presentation.specialty.0.as_str(), 0)).collect();
        Ok(Self {
            bank,
            seed,
            drawn: 0,
            seen: BTreeSet::new(),
            sources,
            specialties,
            bands: BTreeMap::new(),
            sexes: BTreeMap::new(),
            severities: BTreeMap::new(),
        })
    }

    /// Draws from these presentations only from now on, balanced anew; patients drawn before are still not drawn again.
    pub fn restart(&mut self, presentations: &BTreeSet<String>) {
        self.sources.retain(|source| presentations.contains(&source.presentation.id));
        for source in &mut self.sources {
            source.count = 0;
            source.cells.iter_mut().for_each(|(_, count)| *count = 0);
        }
        self.specialties.values_mut().for_each(|count| *count = 0);
        self.bands.clear();
        self.sexes.clear();
        self.severities.clear();
    }

    /// `count` more patients.
    pub fn take(&mut self, count: usize) -> Result<Vec<Case>, SynthError> {
        let mut cases = Vec::with_capacity(count);
        while cases.len() < count {
            match self.next() {
                Some(case) => cases.push(case),
                None => return Err(SynthError::Exhausted { found: cases.len(), wanted: count }),
            }
        }
        Ok(cases)
    }

    fn next(&mut self) -> Option<Case> {
        let number = self.drawn;
        self.drawn += 1;
        let mut dice = Dice::new(self.seed, number);
        let at = (0..self.sources.len()).min_by_key(|&at| {
            let source = self.sources.get(at);
            source.map(|it| (self.specialties.get(it.presentation.specialty.0.as_str()), it.count))
        })?;
        let cell_at = self.rarest_cell(at, &mut dice)?;
        let source = self.sources.get_mut(at)?;
        let (cell, used) = source.cells.get_mut(cell_at)?;
        let cell = *cell;
        *used += 1;
        source.count += 1;
        let presentation = source.presentation;
        *self.specialties.entry(presentation.specialty.0.as_str()).or_default() += 1;
        *self.bands.entry(cell.0).or_default() += 1;
        *self.sexes.entry(cell.1 as u8).or_default() += 1;
        *self.severities.entry(cell.2 as u8).or_default() += 1;
        for _ in 0..REDRAWS {
            let patient = patient(presentation, cell, &mut dice);
            let id = format!("{}-{}-{number:06}", presentation.specialty.0, presentation.id);
            let case = Draw::new(presentation, patient, &mut dice).case(
                id,
                self.seed,
                self.bank.common(),
                self.bank.lexicon(),
            );
            if self.seen.insert(content_hash(&case)) {
                return Some(case);
            }
        }
        None
    }

    fn rarest_cell(&self, source: usize, dice: &mut Dice) -> Option<usize> {
        let cells = &self.sources.get(source)?.cells;
        let count = |map: &BTreeMap<u8, usize>, key: u8| map.get(&key).copied().unwrap_or(0);
        let rarity = |&(cell, used): &(Cell, usize)| {
            let band = self.bands.get(&cell.0).copied().unwrap_or(0);
            (used, band + count(&self.sexes, cell.1 as u8) + count(&self.severities, cell.2 as u8))
        };
        let least = cells.iter().map(rarity).min()?;
        let ties: Vec<usize> =
            (0..cells.len()).filter(|&at| cells.get(at).is_some_and(|cell| rarity(cell) == least)).collect();
        dice.pick(&ties).copied()
    }
}

fn patient(presentation: &Presentation, (band, sex, severity): Cell, dice: &mut Dice) -> Patient {
    let (low, high) =
        BANDS.iter().find(|(it, _, _)| *it == band).map_or(presentation.ages, |&(_, low, high)| {
            (low.max(presentation.ages.0), high.min(presentation.ages.1))
        });
    let years = low + dice.below(u64::from(high.saturating_sub(low)) + 1) as u32;
    Patient { severity, sex, age: Age::new(years) }
}

fn known(field: &'static str, names: &[String], legal: &BTreeSet<&str>) -> Result<(), SynthError> {
    match names.iter().find(|name| !legal.contains(name.as_str())) {
        Some(found) => {
            let legal = legal.iter().copied().collect::<Vec<_>>().join(", ");
            Err(SynthError::Unknown { field, found: found.clone(), legal })
        }
        None => Ok(()),
    }
}
