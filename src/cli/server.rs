//! Served models on the command line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::chat::client::{ApiKey, BaseUrl, Client, ClientSettings, Limits, ServerFigures, Timeouts};
use crate::chat::servers::{Servers, ServersSettings};
use crate::chat::{ChatModel, SharedModel};
use crate::cli::terminal;

/// Which model of which servers speaks.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Server")]
pub struct Server {
    /// Base URL of an OpenAI-compatible server, e.g. http://127.0.0.1:8080/v1. All that is said is sent there, and nowhere without this
    /// option. May be given several times, for servers of the same model: what is said of one below holds for each
    #[arg(long, value_name = "URL", requires = "server_model")]
    pub server: Vec<BaseUrl>,

    /// The model's name on that server
    #[arg(long, value_name = "NAME", requires = "server")]
    server_model: Option<String>,

    /// Environment variable that holds the server's key
    #[arg(long, value_name = "VAR", requires = "server", conflicts_with = "server_key_file")]
    server_key_env: Option<String>,

    /// File that holds the server's key and nothing else
    #[arg(long, value_name = "FILE", requires = "server")]
    server_key_file: Option<PathBuf>,

    /// Keep replies in this folder, and answer the same request from there
    #[arg(long, value_name = "DIR", requires = "server")]
    server_cache: Option<PathBuf>,

    /// Longest time of one request, in seconds
    #[arg(long, value_name = "S", requires = "server", default_value_t = 600)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    server_timeout: u32,

    /// Longest wait for the first byte of an answer in parts, in seconds. A whole answer may begin only at its end: after so long the server is asked for
    /// its list of models, and left if it does not answer that either
    #[arg(long, value_name = "S", requires = "server", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    server_first_byte: u32,

    /// Longest silence within an answer, in seconds
    #[arg(long, value_name = "S", requires = "server", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    server_silence: u32,

    /// Most requests within any minute [default: no limit]
    #[arg(long, value_name = "N", requires = "server", value_parser = clap::value_parser!(u32).range(1..))]
    server_requests_per_minute: Option<u32>,

    /// Most tokens within any minute, of conversations and replies [default: no limit]
    #[arg(long, value_name = "N", requires = "server", value_parser = clap::value_parser!(u64).range(1..))]
    server_tokens_per_minute: Option<u64>,
}

impl Server {
    /// How many requests the servers take at once.
    pub fn at_once(&self) -> usize {
        Limits::default().concurrent.saturating_mul(self.server.len()).max(1)
    }

    /// The model of the servers, where one is named.
    pub fn client(&self) -> Result<Option<SharedModel>, Box<dyn std::error::Error>> {
        // The two go together, which the command line has checked.
        let ([_, ..], Some(model)) = (&self.server[..], &self.server_model) else { return Ok(None) };
        let key = match (&self.server_key_env, &self.server_key_file) {
            (Some(variable), _) => Some(ApiKey::from_env(variable)?),
            (None, Some(path)) => Some(ApiKey::from_file(path)?),
            (None, None) => None,
        };
        let seconds = |it: u32| Duration::from_secs(it.into());
        let client = |url: &BaseUrl| {
            Client::new(ClientSettings {
                key: key.clone(),
                timeouts: Timeouts {
                    total: seconds(self.server_timeout),
                    first_byte: seconds(self.server_first_byte),
                    between_bytes: seconds(self.server_silence),
                    ..Timeouts::default()
                },
                limits: Limits {
                    requests_per_minute: self.server_requests_per_minute,
                    tokens_per_minute: self.server_tokens_per_minute,
                    ..Limits::default()
                },
                cache: self.server_cache.clone(),
                ..ClientSettings::new(url.clone(), model)
            })
        };
        if let [url] = &self.server[..] {
            return Ok(Some(Arc::new(client(url)?)));
        }
        let clients = self.server.iter().map(client).collect::<Result<_, _>>()?;
        Ok(Some(Arc::new(Servers::new(clients, ServersSettings::default())?)))
    }
}

/// Shows what was asked of the servers of `model` on stderr, a line a server.
pub fn summarise(model: &dyn ChatModel) {
    let figures = model.servers();
    for each in &figures {
        terminal::line(&summary(each, figures.len() > 1));
    }
}

/// A server's figures in a line; those that only one of `several` has are left out otherwise.
fn summary(figures: &ServerFigures, several: bool) -> String {
    let ServerFigures { url, requests, failures, spills, usage, cached_ratio, queue_seconds, no_schemas } =
        figures;
    let passed = if several { format!(", {spills} passed on") } else { String::new() };
    let cached = match cached_ratio {
        Some(ratio) => format!(", {:.0}% of {} prompt tokens cached", ratio * 100.0, usage.prompt_tokens),
        None => String::new(),
    };
    let words = match no_schemas {
        Some(said) => format!(", told in words and not by a JSON schema since it said: {said}"),
        None => String::new(),
    };
    format!(
        "server {url}: requests {requests}, {failures} failed{passed}{cached}, {queue_seconds:.1} s queued{words}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Usage;

    #[test]
    fn a_summary_says_what_there_is_to_say() {
        let mut figures = ServerFigures {
            url: "http://a/v1".into(),
            requests: 20,
            failures: 1,
            spills: 3,
            usage: Usage { prompt_tokens: 2000, completion_tokens: 10, cached_tokens: 1500 },
            cached_ratio: Some(0.75),
            queue_seconds: 0.5,
            no_schemas: None,
        };
        assert_eq!(
            summary(&figures, true),
            "server http://a/v1: requests 20, 1 failed, 3 passed on, 75% of 2000 prompt tokens cached, 0.5 s queued"
        );
        figures.cached_ratio = None;
        assert_eq!(summary(&figures, false), "server http://a/v1: requests 20, 1 failed, 0.5 s queued");
        figures.no_schemas = Some("unknown field response_format".into());
        let said = summary(&figures, false);
        let wanted = "0.5 s queued, told in words and not by a JSON schema since it said: unknown field response_format";
        assert!(said.ends_with(wanted), "{said}");
    }
}
