//! A served model on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::chat::client::{ApiKey, BaseUrl, Client, ClientSettings, Limits, Timeouts};

/// Which model of which server speaks.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Server")]
pub struct Server {
    /// Base URL of an OpenAI-compatible server, e.g. http://127.0.0.1:8080/v1. All that is said is sent there, and nowhere without this
    /// option
    #[arg(long, value_name = "URL", requires = "server_model")]
    pub server: Option<BaseUrl>,

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
    /// A client for the server, where one is named.
    pub fn client(&self) -> Result<Option<Client>, Box<dyn std::error::Error>> {
        // The two go together, which the command line has checked.
        let (Some(url), Some(model)) = (&self.server, &self.server_model) else { return Ok(None) };
        let key = match (&self.server_key_env, &self.server_key_file) {
            (Some(variable), _) => Some(ApiKey::from_env(variable)?),
            (None, Some(path)) => Some(ApiKey::from_file(path)?),
            (None, None) => None,
        };
        let seconds = |it: u32| Duration::from_secs(it.into());
        let settings = ClientSettings {
            key,
            timeouts: Timeouts {
                total: seconds(self.server_timeout),
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
        };
        Ok(Some(Client::new(settings)?))
    }
}
