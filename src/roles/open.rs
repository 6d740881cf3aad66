//! From a configuration to models that answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::chat::SharedModel;
use crate::chat::client::{ApiKey, BaseUrl, Client, ClientSettings, Limits, Timeouts};
use crate::chat::servers::{Servers, ServersSettings};
use crate::data::{BuiltinTemplate, ChatTemplate};
use crate::engine::memory::available_memory;
use crate::engine::{
    Device, EngineChat, EngineChatSettings, EngineOptions, ModelBundle, OpenError, SamplingParams,
};
use crate::roles::OpenRolesError;
use crate::roles::set::Set;
use crate::rubric::model_judge::ModelJudgeSettings;
use crate::train::config::{LocalModel, ModelSource, ReplySettings, Role, RoleOptions, Roles, ServedModel};

/// The most tokens of a conversation with a model of this process, where nothing else is said.
const CONTEXT: usize = 4096;
/// Tokens of one engine step.
const BATCH_TOKENS: usize = 512;

/// Models in their roles.
pub struct OpenedRoles {
    models: BTreeMap<Role, SharedModel>,
    /// What stands over the settings of the judge's questions.
    of_judge: Option<ReplySettings>,
    /// How they play them.
    pub options: RoleOptions,
    /// What the user should know about the models.
    pub notes: Vec<String>,
}

impl OpenedRoles {
    /// The model that plays a role; `None` where rules do, or nobody.
    pub fn model(&self, role: Role) -> Option<&SharedModel> {
        self.models.get(&role)
    }

    /// How a judge that wants to ask as `wanted` says will be answered: by its model's entry in the configuration
    /// ([`ReplySettings::of_judge`]).
    pub fn of_judge(&self, wanted: ModelJudgeSettings) -> ModelJudgeSettings {
        self.of_judge.as_ref().map_or(wanted, |settings| settings.of_judge(wanted))
    }

    /// Each model once, whatever roles it plays.
    pub fn distinct(&self) -> Vec<&SharedModel> {
        let mut distinct: Vec<&SharedModel> = Vec::new();
        for model in self.models.values() {
            if !distinct.iter().any(|it| Arc::ptr_eq(it, model)) {
                distinct.push(model);
            }
        }
        distinct
    }
}

impl Roles {
    /// Opens every model that plays a role, once. Servers are not asked anything yet. `progress` hears, of a model that is loaded, its
    /// name, and its bytes done and in all.
    ///
    /// # Errors
    ///
    /// The first model that cannot be had.
    pub fn open(&self, progress: &mut dyn FnMut(&str, u64, u64)) -> Result<OpenedRoles, OpenRolesError> {
        let mut notes = Vec::new();
        let models = self.shared(|name, source| {
            let model = match source {
                ModelSource::Served(served) => together(name, clients(name, served)?)?,
                ModelSource::Local(local) => load(name, local, &mut notes, progress)?,
            };
            Ok(Set::over(model, source.replies()))
        })?;
        let of_judge = self.played().find(|(role, ..)| *role == Role::Judge);
        let of_judge = of_judge.map(|(_, _, source)| source.replies().clone());
        Ok(OpenedRoles { models, of_judge, options: self.options(), notes })
    }

    /// Bytes that the models of this process which play a role take on `device`, each counted once. One whose files are not there, or
    /// whose device this build has not, counts nothing.
    ///
    /// # Errors
    ///
    /// Files that are there and cannot be used.
    pub fn bytes_on(&self, device: Device) -> Result<u64, OpenRolesError> {
        let mut counted = BTreeSet::new();
        let mut bytes = 0u64;
        for (_, name, source) in self.played() {
            let ModelSource::Local(local) = source else { continue };
            if local.device != device || !local.path.exists() || !counted.insert(name) {
                continue;
            }
            let planned = ModelBundle::open(&local.path).and_then(|bundle| {
                let context = local.context.unwrap_or(CONTEXT.min(longest(&bundle)));
                bundle.plan(device, local.dtype, options(context, None))
            });
            match planned {
                Ok(plan) => bytes = bytes.saturating_add(plan.total()),
                Err(OpenError::Device(_)) => {}
                Err(source) => {
                    return Err(OpenRolesError::Files { name: name.to_owned(), source: Box::new(source) });
                }
            }
        }
        Ok(bytes)
    }

    /// The model of each role, where `open` is called once for each model that plays any.
    fn shared(
        &self,
        mut open: impl FnMut(&str, &ModelSource) -> Result<SharedModel, OpenRolesError>,
    ) -> Result<BTreeMap<Role, SharedModel>, OpenRolesError> {
        let mut opened: BTreeMap<&str, SharedModel> = BTreeMap::new();
        let mut models = BTreeMap::new();
        for (role, name, source) in self.played() {
            let model = match opened.get(name) {
                Some(model) => Arc::clone(model),
                None => open(name, source)?,
            };
            opened.insert(name, Arc::clone(&model));
            models.insert(role, model);
        }
        Ok(models)
    }
}

/// A client for each server of a model.
fn clients(name: &str, served: &ServedModel) -> Result<Vec<Client>, OpenRolesError> {
    let key = match (&served.key_env, &served.key_file) {
        (Some(variable), _) => Some(ApiKey::from_env(variable.as_str())),
        (None, Some(path)) => Some(ApiKey::from_file(path)),
        (None, None) => None,
    };
    let key = key.transpose().map_err(|source| OpenRolesError::Key { name: name.to_owned(), source })?;
    let client = |url: &BaseUrl| {
        let settings = ClientSettings {
            key: key.clone(),
            timeouts: Timeouts {
                total: Duration::from_secs(served.timeout_seconds),
                first_byte: Duration::from_secs(served.first_byte_seconds),
                between_bytes: Duration::from_secs(served.silence_seconds),
                ..Timeouts::default()
            },
            limits: Limits {
                concurrent: served.concurrency,
                // The configuration allows no more than fits.
                requests_per_minute: served.requests_per_minute.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
                tokens_per_minute: served.tokens_per_minute,
                ..Limits::default()
            },
            cache: served.cache.clone(),
            stream: served.stream,
            token_limit_field: served.token_limit_field,
            ..ClientSettings::new(url.clone(), &served.model)
        };
        Client::new(settings).map_err(|source| OpenRolesError::Client { name: name.to_owned(), source })
    };
    served.server.urls().iter().map(client).collect()
}

/// The servers of a model as one.
fn together(name: &str, clients: Vec<Client>) -> Result<SharedModel, OpenRolesError> {
    match <[Client; 1]>::try_from(clients) {
        Ok([client]) => Ok(Arc::new(client)),
        Err(clients) => Servers::new(clients, ServersSettings::default())
            .map(|servers| Arc::new(servers) as SharedModel)
            .map_err(|source| OpenRolesError::Servers { name: name.to_owned(), source }),
    }
}

/// A model of this process.
fn load(
    name: &str,
    local: &LocalModel,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<SharedModel, OpenRolesError> {
    let files = |source: OpenError| OpenRolesError::Files { name: name.to_owned(), source: Box::new(source) };
    let bundle = ModelBundle::open(&local.path).map_err(files)?;
    bundle.tokenizer().map_err(files)?;
    let template = match bundle.chat_template().map_err(files)? {
        Some(template) => template,
        None => {
            notes.push(format!("{} has no chat template, ChatML is used", local.path.display()));
            ChatTemplate::builtin(BuiltinTemplate::ChatMl)
                .map_err(|source| OpenRolesError::Template { name: name.to_owned(), source })?
        }
    };
    let most = longest(&bundle);
    let context = local.context.unwrap_or(CONTEXT.min(most));
    if context > most {
        return Err(OpenRolesError::Context { name: name.to_owned(), found: context, most });
    }
    let options = options(context, available_memory(local.device));
    let mut show = |done, all| progress(name, done, all);
    let engine =
        bundle.engine(local.device, local.dtype, local.activations, options, &mut show).map_err(files)?;
    let sampling = SamplingParams::default();
    let settings = EngineChatSettings { template, thinking: local.thinking, context, sampling };
    Ok(Arc::new(EngineChat::new(&bundle, engine, settings).map_err(files)?))
}

/// The model's longest sequence.
fn longest(bundle: &ModelBundle) -> usize {
    bundle.files.config().max_position_embeddings
}

/// The engine of a model whose conversations have at most `context` tokens.
fn options(context: usize, memory_limit: Option<u64>) -> EngineOptions {
    EngineOptions {
        cache_tokens: context,
        batch_tokens: BATCH_TOKENS,
        memory_limit,
        ..EngineOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::chat::{ChatError, ChatModel, ChatOptions, Listener, Message, Reply};

    struct Named(String);

    impl ChatModel for Named {
        fn name(&self) -> &str {
            &self.0
        }

        fn reply(&self, _: &[Message], _: &ChatOptions, _: &mut dyn Listener) -> Result<Reply, ChatError> {
            Err(ChatError::Stopped)
        }
    }

    fn roles(text: &str) -> Roles {
        Roles::parse(text, Path::new("models.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(text: &str) -> OpenRolesError {
        roles(text).open(&mut |_, _, _| {}).err().expect("should be refused")
    }

    #[test]
    fn a_model_that_plays_several_roles_is_opened_once() {
        let text = "[models.a]\npath = 'a'\n[models.b]\nserver = 'http://127.0.0.1:1'\nmodel = 'm'\n[models.unused]\npath = 'c'\n\
            [roles]\npatient = 'a'\nrubric = 'b'\njudge = 'a'\n";
        let roles = roles(text);
        let mut opened = Vec::new();
        let models = roles.shared(|name, _| {
            opened.push(name.to_owned());
            Ok(Arc::new(Named(name.to_owned())))
        });
        let models = models.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(opened, ["a", "b"]);
        let names: Vec<(Role, &str)> = models.iter().map(|(role, model)| (*role, model.name())).collect();
        assert_eq!(names, [(Role::Patient, "a"), (Role::Rubric, "b"), (Role::Judge, "a")]);
        assert!(Arc::ptr_eq(&models[&Role::Patient], &models[&Role::Judge]));
    }

    #[test]
    fn servers_are_opened_and_not_asked() {
        let text = "[models.b]\nserver = ['http://127.0.0.1:1', 'http://127.0.0.1:2']\nmodel = 'm'\n[roles]\npolicy = 'b'\njudge = 'b'\n";
        let opened = roles(text).open(&mut |_, _, _| {}).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(opened.model(Role::Policy).map(|model| model.name()), Some("m"));
        assert!(opened.model(Role::Patient).is_none() && opened.notes.is_empty());
        assert_eq!(opened.options, RoleOptions::default());
    }

    #[test]
    fn a_judge_is_asked_as_its_models_entry_says() {
        let of = |entry: &str, role: &str| {
            let text = format!(
                "[models.b]\nserver = 'http://127.0.0.1:1'\nmodel = 'm'\n{entry}[roles]\n{role} = 'b'\n"
            );
            let opened = roles(&text).open(&mut |_, _, _| {}).unwrap_or_else(|error| panic!("{error}"));
            opened.of_judge(ModelJudgeSettings::REPORT)
        };
        let entry = "temperature = 0.25\nmax_tokens = 9\n";
        let warm = ModelJudgeSettings { temperature: 0.25, max_tokens: 9, ..ModelJudgeSettings::REPORT };
        assert_eq!(of(entry, "judge"), warm);
        assert_eq!(of("", "judge"), ModelJudgeSettings::REPORT);
        // Of another role's model it says nothing.
        assert_eq!(of(entry, "patient"), ModelJudgeSettings::REPORT);
    }

    #[test]
    fn a_served_model_streams_where_its_entry_says_so() {
        for (line, stream) in [("", false), ("stream = true\n", true)] {
            let text = format!(
                "[models.b]\nserver = 'http://127.0.0.1:1'\nmodel = 'm'\n{line}[roles]\njudge = 'b'\n"
            );
            let roles = roles(&text);
            let (_, name, ModelSource::Served(served)) = roles.played().next().unwrap() else {
                panic!("it is on a server");
            };
            let clients = clients(name, served).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((clients.len(), clients[0].settings().stream), (1, stream));
        }
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let keyed = "[models.b]\nserver = 'https://a.example.org'\nmodel = 'm'\nkey_env = 'OSLER_NO_SUCH_KEY'\n[roles]\njudge = 'b'\n";
        let error = refused(keyed);
        assert!(matches!(&error, OpenRolesError::Key { name, .. } if name == "b"), "{error}");
        assert!(
            error.to_string().starts_with("[models.b]: the environment variable OSLER_NO_SUCH_KEY"),
            "{error}"
        );
        let missing = refused("[models.a]\npath = 'no/such/model'\n[roles]\njudge = 'a'\n");
        assert!(matches!(&missing, OpenRolesError::Files { name, .. } if name == "a"), "{missing}");
        let unused = roles("[models.a]\npath = 'no/such/model'\n");
        assert!(unused.open(&mut |_, _, _| {}).is_ok(), "a model without a role is not opened");
    }
}
