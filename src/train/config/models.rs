//! Models that play roles: behind servers, or in this process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::addresses::Addresses;
use super::findings::{Findings, join};
use super::legal::{Bound, Legal};
use super::model::FLOATS;
use super::near::near;
use super::part::{Inner, Part, named};
use super::secrets::{KeyVariable, hidden, is_variable, without_keys};
use super::section::{Knob, Section, section, take as take_table};
use super::tree::{Node, Table, Value};
use super::writer::Writer;
use crate::chat::client::{BaseUrl, TokenLimitField};
use crate::data::ThinkingMode;
use crate::engine::Device;
use crate::kernels::quantised::Activations;
use crate::model::config::FloatType;

named!(Activations, ACTIVATIONS: "exact" => Activations::Exact, "q8" => Activations::Q8);

named!(
    ThinkingMode, THINKING:
    "auto" => ThinkingMode::Auto, "on" => ThinkingMode::On, "off" => ThinkingMode::Off,
);

named!(
    TokenLimitField, TOKEN_LIMIT_FIELDS:
    "max_tokens" => TokenLimitField::MaxTokens, "max_completion_tokens" => TokenLimitField::MaxCompletionTokens,
);

/// The longest legal wait, in seconds: a day, as the client of servers has it.
pub(super) const LONGEST_WAIT: u64 = 86_400;

/// Conversations that a model of this process is given at once: it takes them in one batch.
const LOCAL_AT_ONCE: usize = 8;

/// Where a model is.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelSource {
    /// On one server or several.
    Served(ServedModel),
    /// In this process.
    Local(LocalModel),
}

impl ModelSource {
    /// What stands over the settings of those who ask.
    pub fn replies(&self) -> &ReplySettings {
        match self {
            Self::Served(served) => &served.replies,
            Self::Local(local) => &local.replies,
        }
    }

    /// How many conversations it takes at once.
    pub fn at_once(&self) -> usize {
        match self {
            Self::Served(served) => served.concurrency.saturating_mul(served.server.urls().len()).max(1),
            Self::Local(_) => LOCAL_AT_ONCE,
        }
    }
}

section! {
    /// A model behind a server that speaks OpenAI's chat completions (docs/servers.md). All that its roles need is sent there.
    pub struct ServedModel {
        /// What stands before `/chat/completions`, or a list of servers that have the same model.
        server: Addresses,
            Legal::Text { what: "a URL such as \"http://127.0.0.1:8080/v1\", or a list of them", fits: |text| text.parse::<BaseUrl>().is_ok() },
            "", "no default";
        /// The model's name on the server.
        model: String, Legal::Text { what: "a name", fits: |text| !text.trim().is_empty() }, "", "no default";
        /// Environment variable that holds the server's key. The key itself never stands in the file.
        key_env: Option<KeyVariable>,
            Legal::Text { what: "the name of an environment variable: letters, digits and `_`", fits: is_variable }, "", "no default";
        /// File that holds the server's key and nothing else.
        key_file: Option<PathBuf>, Legal::PATH, "", "no default";
        /// The longest time of one request, to the last byte of the answer.
        timeout_seconds: u64 = 600, Legal::Whole { least: 1, most: LONGEST_WAIT }, "seconds", "chosen here";
        /// The longest wait for the first byte of an answer that comes in parts. A whole one may begin only at its end: the server is then asked for
        /// its list of models, again each time that so long has passed, and left if it does not answer that within 10 seconds.
        first_byte_seconds: u64 = 300, Legal::Whole { least: 1, most: LONGEST_WAIT }, "seconds", "chosen here";
        /// The longest silence within an answer.
        silence_seconds: u64 = 120, Legal::Whole { least: 1, most: LONGEST_WAIT }, "seconds", "chosen here";
        /// The most requests at once, to each server.
        concurrency: usize = 4, Legal::Whole { least: 1, most: 4096 }, "requests", "chosen here";
        /// The most requests within any minute, to each server. Where absent, no limit.
        requests_per_minute: Option<u64>, Legal::Whole { least: 1, most: u32::MAX as u64 }, "requests", "no default";
        /// The most tokens within any minute, of conversations and replies, for each server. Where absent, no limit.
        tokens_per_minute: Option<u64>, Legal::COUNT, "tokens", "no default";
        /// Folder where replies are kept; the same request is answered from there.
        cache: Option<PathBuf>, Legal::PATH, "", "no default";
        /// Whether the server sends every reply in parts while it is made, so that `silence_seconds` tells a slow server from one that is stuck.
        stream: bool = false, Legal::Switch, "", "chosen here";
        /// The field of a request that holds the most tokens of a reply. Servers that refuse `max_tokens`, as OpenAI's for its reasoning
        /// models, take `max_completion_tokens`.
        token_limit_field: TokenLimitField = TokenLimitField::MaxTokens, Legal::Choice(TOKEN_LIMIT_FIELDS), "", "chosen here";
    }
    with {
        /// What stands over the settings of those who ask.
        replies: ReplySettings;
    }
}

section! {
    /// A model that runs in this process. Nothing leaves it.
    pub struct LocalModel {
        /// A Hugging Face folder, a safetensors file beside its `config.json`, or a GGUF file.
        path: PathBuf, Legal::PATH, "", "no default";
        /// The device: `cpu`, `wgpu`, `cuda` or `cuda:N`. GPUs need a build with that feature.
        device: Device = Device::Cpu,
            Legal::Text { what: "cpu, wgpu, cuda or cuda:N", fits: |text| text.parse::<Device>().is_ok() }, "",
            "chosen here";
        /// Type the weights are kept in. Where absent, whatever loses nothing: as `--dtype auto` of `osler generate`.
        dtype: Option<FloatType>, Legal::Choice(FLOATS), "", "no default";
        /// How products with quantised weights take their input: as it is, or rounded to 8 bits (CPU only).
        activations: Activations = Activations::Exact, Legal::Choice(ACTIVATIONS), "", "chosen here";
        /// The most tokens of a conversation and its reply together. Where absent, the model's own and at most 4096.
        context: Option<usize>, Legal::Whole { least: 2, most: 1 << 30 }, "tokens", "chosen here";
        /// Whether a thinking model is to think; `auto` leaves it to its template.
        thinking: ThinkingMode = ThinkingMode::Auto, Legal::Choice(THINKING), "", "chosen here";
    }
    with {
        /// What stands over the settings of those who ask.
        replies: ReplySettings;
    }
}

section! {
    /// Settings of a model's replies, whatever its role asks for.
    pub struct ReplySettings {
        /// Divides the logits; 0 takes the likeliest token. Where absent, what the role asks for.
        temperature: Option<f64>, Legal::Real { least: Bound::At(0.0), most: Bound::At(100.0) }, "", "no default";
        /// The likeliest tokens that together reach this probability are kept. Where absent, what the role asks for.
        top_p: Option<f64>, Legal::Real { least: Bound::Beyond(0.0), most: Bound::At(1.0) }, "", "no default";
        /// The most new tokens of a reply, thinking included. Where absent, what the role asks for.
        max_tokens: Option<usize>, Legal::COUNT, "tokens", "no default";
    }
}

/// Models by the names that `[roles]` calls them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Models(BTreeMap<String, ModelSource>);

impl Models {
    /// The model of this name.
    pub fn get(&self, name: &str) -> Option<&ModelSource> {
        self.0.get(name)
    }

    /// Every model with its name, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ModelSource)> {
        self.0.iter().map(|(name, model)| (name.as_str(), model))
    }
}

/// The field that says which kind a model is of, what the kind is about, and its fields.
pub(super) fn described() -> [(&'static str, String, Vec<Knob>); 2] {
    [
        ("server", ServedModel::about(), ServedModel::knobs()),
        ("path", LocalModel::about(), LocalModel::knobs()),
    ]
}

/// Of each field a model may have, its name, once.
pub(super) fn field_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for knob in described().iter().flat_map(|(_, _, knobs)| knobs) {
        if !names.contains(&knob.name) {
            names.push(knob.name);
        }
    }
    names
}

const NAME: &str = "a name of 1 to 64 letters, digits, `-` and `_`, other than `rules`";

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&text.len()) && text.chars().all(fits) && text != super::roles::RULES
}

impl Part for Models {
    fn take(found: &mut Findings, path: &str, legal: Legal, node: Option<&Node>, _: Option<Self>) -> Self {
        let Some(node) = node else { return Self::default() };
        let Value::Table(table) = &node.value else {
            found.refuse(path, node.place.clone(), node, legal);
            return Self::default();
        };
        let models = table.iter().map(|(name, node)| {
            let path = join(path, name);
            if !is_name(name) {
                found.refuse(&path, node.place.clone(), "not a model's name", NAME);
            }
            (name.clone(), one(found, &path, node))
        });
        Self(models.collect())
    }

    fn write(&self, name: &str, out: &mut Writer) {
        if self.0.is_empty() {
            return;
        }
        out.table(name, |out| {
            for (name, model) in &self.0 {
                out.table(name, |out| match model {
                    ModelSource::Served(served) => served.write_fields(out),
                    ModelSource::Local(local) => local.write_fields(out),
                });
            }
        });
    }

    fn show(&self) -> String {
        "tables".into()
    }

    fn inner() -> Inner {
        Inner::Models
    }

    fn optional() -> bool {
        true
    }
}

/// Reads a model, whose kind shows in whether it has a `server` or a `path`.
fn one(found: &mut Findings, path: &str, node: &Node) -> ModelSource {
    // What its fields lack is no news where it is not known what they are.
    let unknown =
        || ModelSource::Local(LocalModel::read_fields(&mut Findings::default(), path, &Table::new()));
    let Value::Table(table) = &node.value else {
        found.refuse(path, node.place.clone(), node, Legal::Table);
        return unknown();
    };
    let mut table = without_keys(found, path, table);
    // `--set` takes a field away with `none`, so that a model may move.
    table.retain(|name, node| {
        node.given.as_deref() != Some("none") || !field_names().contains(&name.as_str())
    });
    match (table.contains_key("server"), table.get("path")) {
        (true, None) => ModelSource::Served(read(found, path, node, table, "server")),
        (false, Some(_)) => ModelSource::Local(read(found, path, node, table, "path")),
        (true, Some(files)) => {
            let legal = "nothing where `server` is given: a model is served or runs in this process";
            found.refuse(&join(path, "path"), files.place.clone(), files, legal);
            unknown()
        }
        (false, None) => {
            let like =
                |name: &String| near(name, ["server", "path"]).first().map(|meant| (name.clone(), *meant));
            let meant = table.keys().find_map(like);
            let hint = meant.map(|(name, meant)| format!(" (is `{name}` meant to be `{meant}`?)"));
            let legal =
                format!("a table with `server` and `model`, or with `path`{}", hint.unwrap_or_default());
            found.refuse(path, node.place.clone(), node, legal);
            unknown()
        }
    }
}

/// Reads the fields of a model of the kind that has `own`; those of the other kind are refused by name.
fn read<S: Section>(found: &mut Findings, path: &str, node: &Node, mut table: Table, own: &str) -> S {
    let known: Vec<&str> = S::knobs().iter().map(|knob| knob.name).collect();
    for (kind, _, knobs) in described() {
        for knob in knobs.iter().filter(|knob| kind != own && !known.contains(&knob.name)) {
            if let Some(node) = table.remove(knob.name) {
                let legal = format!("nothing beside `{own}`: it is for a model with `{kind}`");
                let path = join(path, knob.name);
                // A field of a key may hold the key itself.
                found.refuse(&path, hidden(&node.place, &path), "given", legal);
            }
        }
    }
    let node = Node { value: Value::Table(table), ..node.clone() };
    take_table(found, path, Legal::Table, Some(&node))
}
