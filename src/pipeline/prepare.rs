//! All that is made or read before the first step: it is the same each time, so a resumed run makes it again.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::casting::Casting;
use super::error::PipelineError;
use super::fingerprint::Fingerprint;
use super::patients::Patients;
use super::seeds::{Draws, seed_of};
use super::watch::{Part, Watch};
use crate::data::Tokenizer;
use crate::data::bpe::{self, BpeOptions};
use crate::data::case::Case;
use crate::data::consultation::{Consultation, DOCTOR_PROMPT};
use crate::data::conversation::DialogueFormat;
use crate::engine::ModelBundle;
use crate::model::config::ModelConfig;
use crate::sim::Limits;
use crate::sim::dialogue::{Demonstrations, Mixture};
use crate::train::config::{Doctors, RunConfig, Sft, Stage};

/// Consultations that a vocabulary is trained on in a run without a supervised stage.
const VOCABULARY_CONSULTATIONS: u64 = 1000;
/// A pair that is rarer in the training consultations is not merged.
const MIN_FREQUENCY: u64 = 2;

/// What a run starts from.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration.
    pub config: RunConfig,
    /// Whom it meets.
    pub patients: Patients,
    /// How text becomes tokens.
    pub tokenizer: Arc<Tokenizer>,
    /// How consultations are written.
    pub format: DialogueFormat,
    /// The decoder's sizes, with the token that ends a reply.
    pub model: ModelConfig,
    /// The files that weights come from; `None` where the model is made from scratch.
    pub files: Option<ModelBundle>,
    /// What a run that goes on is compared by.
    pub fingerprint: Fingerprint,
    /// The models that play roles in it.
    pub(super) casting: Casting,
}

/// Makes or reads it, and opens the models that play roles. Nothing is written.
pub fn prepare(config: RunConfig, watch: &mut dyn Watch) -> Result<Prepared, PipelineError> {
    prepare_from(config, 0, watch)
}

/// The same for a run that has only the stages from number `first` on before it: a model that no role is left for is not opened.
pub fn prepare_from(
    config: RunConfig,
    first: usize,
    watch: &mut dyn Watch,
) -> Result<Prepared, PipelineError> {
    watch.part(Part::Patients, 0, 1);
    let patients = Patients::of(&config)?;
    watch.part(Part::Patients, 1, 1);
    let files = config.model.path.as_deref().map(ModelBundle::open).transpose()?;
    let tokenizer = match &files {
        Some(files) => Arc::clone(files.tokenizer()?),
        None => Arc::new(vocabulary(&config, &patients, watch)?),
    };
    let template = match &files {
        Some(files) => files.chat_template()?,
        None => tokenizer.compile_chat_template().transpose()?,
    };
    let template = template.ok_or(PipelineError::NoTemplate)?;
    let format = DialogueFormat::new(&tokenizer, &template, Some(DOCTOR_PROMPT))?;
    let mut model = match (&files, config.model_config()) {
        (Some(files), _) => files.files.config().clone(),
        (None, Some(model)) => model,
        (None, None) => return Err(PipelineError::NoModel),
    };
    if !model.eos_token_ids.contains(&format.end()) {
        model.eos_token_ids.push(format.end());
    }
    model.pad_token_id = model.pad_token_id.or(tokenizer.pad_id());
    let casting = Casting::open(&config, first, watch)?;
    let fingerprint = Fingerprint::of(&patients, &tokenizer, &config)?;
    Ok(Prepared { config, patients, tokenizer, format, model, files, fingerprint, casting })
}

/// The consultations that stage `place` learns from.
pub(super) fn lessons(
    config: &RunConfig,
    patients: &Patients,
    place: usize,
    stage: &Sft,
) -> Result<Vec<Consultation>, PipelineError> {
    let seed = seed_of(config.seed, Draws::Presentations(place));
    let cases = of_some(&patients.train, stage.presentations, seed);
    held(config, &cases, patients.limits, place, stage.doctors.clone(), stage.consultations)
}

/// The cases of `share` of the presentations in `cases`, rounded up, by lot.
fn of_some(cases: &[Case], share: f64, seed: u64) -> Cow<'_, [Case]> {
    if share >= 1.0 {
        return Cow::Borrowed(cases);
    }
    let all: BTreeSet<&str> = cases.iter().map(|case| case.presentation.as_str()).collect();
    let count = (share * all.len() as f64).ceil() as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all: Vec<(u64, &str)> = all.into_iter().map(|name| (rng.next_u64(), name)).collect();
    all.sort_unstable();
    let chosen: BTreeSet<&str> = all.into_iter().take(count).map(|(_, name)| name).collect();
    cases.iter().filter(|case| chosen.contains(case.presentation.as_str())).cloned().collect()
}

fn held(
    config: &RunConfig,
    cases: &[Case],
    limits: Limits,
    place: usize,
    doctors: Doctors,
    count: u64,
) -> Result<Vec<Consultation>, PipelineError> {
    let Doctors { good, middling, poor, routine } = doctors;
    let mixture = Mixture { good, middling, poor, routine };
    let seed = seed_of(config.seed, Draws::Lessons(place));
    let drawn = Demonstrations::new(cases, mixture, limits, seed)?.first(count);
    Ok(drawn.into_iter().map(|lesson| lesson.consultation).collect())
}

/// A vocabulary of the first supervised stage's consultations, or of some held for it.
fn vocabulary(
    config: &RunConfig,
    patients: &Patients,
    watch: &mut dyn Watch,
) -> Result<Tokenizer, PipelineError> {
    watch.part(Part::Vocabulary, 0, 1);
    let first = config.stage.iter().enumerate().find_map(|(place, stage)| match stage {
        Stage::Sft(stage) if stage.consultations > 0 => Some((place, stage)),
        _ => None,
    });
    let consultations = match first {
        Some((place, stage)) => lessons(config, patients, place, stage)?,
        None => {
            let doctors = Doctors { good: 1.0, middling: 1.0, poor: 1.0, routine: 1.0 };
            let place = config.stage.len();
            held(config, &patients.train, patients.limits, place, doctors, VOCABULARY_CONSULTATIONS)?
        }
    };
    let texts: Vec<String> = consultations
        .iter()
        .flat_map(|consultation| consultation.messages(Some(DOCTOR_PROMPT)))
        .map(|message| message.content)
        .collect();
    let vocab_size = config.tokenizer.vocab_size.ok_or(PipelineError::NoModel)?;
    let options = BpeOptions { vocab_size, min_frequency: MIN_FREQUENCY, system: None };
    let tokenizer = bpe::train(&texts, &options)?;
    watch.part(Part::Vocabulary, 1, 1);
    Ok(tokenizer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};

    #[test]
    fn a_share_of_the_presentations_with_all_their_patients() {
        let cases = Bank::bundled().synth(3, &SynthOptions::any(200)).unwrap();
        let names = |cases: &[Case]| -> BTreeSet<String> {
            cases.iter().map(|case| case.presentation.clone()).collect()
        };
        let all = names(&cases);
        assert_eq!(*of_some(&cases, 1.0, 7), cases[..]);
        let half = of_some(&cases, 0.5, 7);
        let chosen = names(&half);
        assert_eq!(chosen.len(), all.len().div_ceil(2));
        let theirs = cases.iter().filter(|case| chosen.contains(&case.presentation));
        assert!(theirs.eq(half.iter()));
        assert_eq!(of_some(&cases, 0.5, 7), half);
        assert_ne!(names(&of_some(&cases, 0.5, 8)), chosen);
        assert_eq!(names(&of_some(&cases, 1e-9, 7)).len(), 1);
    }
}
