//! The models that play roles in a run: opened once, before anything is written, so that a model which cannot be had leaves no folder behind.

use std::fmt;
use std::sync::Arc;

use super::error::PipelineError;
use super::evolving::FlawFinding;
use super::judging::Judging;
use super::playing::Playing;
use super::run::Run;
use super::watch::{Part, Watch};
use crate::chat::SharedModel;
use crate::chat::client::ServerFigures;
use crate::kernels::KernelBackend;
use crate::train::config::{ModelSource, Role, Roles, RunConfig};

/// The most conversations with a model at once, and the most criteria of one reply.
const MOST_AT_ONCE: usize = 16;

/// Who plays what that rules do not.
#[derive(Debug)]
pub(super) struct Casting {
    /// The model that judges replies.
    pub judging: Option<Judging>,
    /// The model that adds to rubrics that change.
    pub finding: Option<FlawFinding>,
    /// The models that play patients.
    pub playing: Option<Playing>,
    /// Each of these models once.
    models: Models,
    /// The first stage whose models are there.
    pub first: usize,
}

struct Models(Vec<SharedModel>);

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|model| model.name())).finish()
    }
}

impl Casting {
    /// Opens the models that are needed from stage number `first` of `config` on.
    pub fn open(config: &RunConfig, first: usize, watch: &mut dyn Watch) -> Result<Self, PipelineError> {
        // What can be wrong is looked for before a model is loaded.
        let (judge, player) = (Judging::asked(config, first)?, Playing::asked(config)?);
        let finder = FlawFinding::asked(config, first)?;
        let mut needed = Vec::new();
        if judge.is_some() {
            needed.push(Role::Judge);
        }
        if finder.is_some() {
            needed.push(Role::Rubric);
        }
        if player.is_some() {
            needed.extend(Role::UNITS);
        }
        let roles = config.roles.only(&needed);
        let opened = roles.open(&mut |_, done, total| watch.part(Part::Weights, done, total))?;
        opened.notes.iter().for_each(|note| watch.note(note));
        let judging = judge.and_then(|asked| Judging::new(config, asked, &opened));
        let finding = finder.and_then(|templates| FlawFinding::new(config, templates, &opened));
        let playing = player.map(|prompts| Playing::new(config, prompts, &opened));
        let models = Models(opened.distinct().into_iter().map(Arc::clone).collect());
        Ok(Self { judging, finding, playing, models, first })
    }
}

impl<B: KernelBackend> Run<'_, B> {
    /// Tells, once of each server, that it holds no replies to schemas, and what it said.
    pub(super) fn tell_of_schemas(&mut self) {
        for server in self.prepared.casting.models.0.iter().flat_map(|model| model.servers()) {
            let ServerFigures { url, no_schemas: Some(said), .. } = server else { continue };
            if self.without_schemas.contains(&url) {
                continue;
            }
            self.watch.note(&format!(
                "{url} holds no replies to a JSON schema, so their shape is told in words from now on. It said: {said}"
            ));
            self.without_schemas.insert(url);
        }
    }
}

/// How many conversations a model may have at once.
pub(super) fn at_once(source: &ModelSource) -> usize {
    source.at_once().min(MOST_AT_ONCE)
}

/// Those of some roles that models play, with the models' names, e.g. "patient (`actor`)".
pub(super) fn names_of(roles: &Roles, some: &[Role]) -> String {
    let played = roles.played().filter(|(role, ..)| some.contains(role));
    played.map(|(role, name, _)| format!("{role} (`{name}`)")).collect::<Vec<_>>().join(", ")
}
