//! Why a model for a role cannot be had.

use thiserror::Error;

use crate::chat::client::{ClientError, KeyError};
use crate::chat::servers::ServersError;
use crate::data::TemplateError;
use crate::engine::OpenError;

/// Why a model of `[models]` cannot be opened.
#[derive(Debug, Error)]
pub enum OpenRolesError {
    /// Its server's key cannot be had.
    #[error("[models.{name}]: {source}")]
    Key {
        /// The model.
        name: String,
        /// Why.
        source: KeyError,
    },
    /// It cannot be asked like this.
    #[error("[models.{name}]: {source}")]
    Client {
        /// The model.
        name: String,
        /// Why.
        source: ClientError,
    },
    /// Its servers cannot be asked together.
    #[error("[models.{name}]: `server`: {source}")]
    Servers {
        /// The model.
        name: String,
        /// Why.
        source: ServersError,
    },
    /// Its files cannot be used.
    #[error("[models.{name}]: {source}")]
    Files {
        /// The model.
        name: String,
        /// Why.
        source: Box<OpenError>,
    },
    /// The template that stands in for its own cannot be used.
    #[error("[models.{name}]: {source}")]
    Template {
        /// The model.
        name: String,
        /// Why.
        source: TemplateError,
    },
    /// It has no positions for so many tokens.
    #[error("[models.{name}]: `context` is {found}, legal is at most the model's own, {most}")]
    Context {
        /// The model.
        name: String,
        /// What the configuration says.
        found: usize,
        /// The model's longest sequence.
        most: usize,
    },
}
