//! The servers of a model.

use super::findings::Findings;
use super::legal::Legal;
use super::part::{Part, quoted};
use super::problem::Place;
use super::secrets::hidden;
use super::tree::{Node, Value};
use super::writer::Writer;
use crate::chat::client::{BaseUrl, UrlError};

/// Servers that have the same model: one URL, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(Vec<BaseUrl>);

impl Addresses {
    /// The base URLs, at least one, each once.
    pub fn urls(&self) -> &[BaseUrl] {
        &self.0
    }
}

impl Part for Addresses {
    fn take(found: &mut Findings, path: &str, legal: Legal, node: Option<&Node>, _: Option<Self>) -> Self {
        let Some(node) = node else {
            found.refuse(path, Place::Absent, "nothing", legal);
            return Self(Vec::new());
        };
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if items.is_empty() {
            found.refuse(path, node.place.clone(), node, legal);
        }
        let mut urls: Vec<BaseUrl> = Vec::new();
        for item in items {
            match item.text().map(str::parse::<BaseUrl>) {
                None => found.refuse(path, item.place.clone(), item, legal),
                Some(Ok(url)) if urls.contains(&url) => {
                    found.refuse(path, item.place.clone(), item, "each server once");
                }
                Some(Ok(url)) => urls.push(url),
                // What may hold a password or a key is not repeated.
                Some(Err(error @ (UrlError::Credentials | UrlError::Query))) => {
                    let legal = format!("{legal} ({error})");
                    found.refuse(path, hidden(&item.place, path), "more than a base URL", legal);
                }
                Some(Err(UrlError::NotUrl { problem, .. })) => {
                    found.refuse(path, item.place.clone(), item, format!("{legal} ({problem})"));
                }
                Some(Err(error)) => {
                    found.refuse(path, item.place.clone(), item, format!("{legal} ({error})"));
                }
            }
        }
        Self(urls)
    }

    fn write(&self, name: &str, out: &mut Writer) {
        out.value(name, &self.show());
    }

    fn show(&self) -> String {
        match self.0.as_slice() {
            [url] => quoted(&url.to_string()),
            urls => {
                let urls: Vec<String> = urls.iter().map(|url| quoted(&url.to_string())).collect();
                format!("[{}]", urls.join(", "))
            }
        }
    }
}
