//! Replies kept on disk, by the exact request, but for whether it comes in parts: the reply is the same.
//!
//! An entry is a file named by the SHA-256 of its request, and holds the request, the reply and a checksum. The key is no part of it.
//! An entry that is damaged, or of another request, is as if it were not there, and is written anew.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::chat::error::ChatError;
use crate::chat::reply::Reply;
use crate::files::{self, Fsync, Mode, Options, Writers};

/// How entries are written. One that a power cut tore is found damaged, and asked for again.
const WRITING: Options = Options { fsync: Fsync::Nothing, mode: Mode::Private, writers: Writers::Any };
/// The form of entries; one of another form is not read.
const FORM: u32 = 1;

/// A folder of replies.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// What was asked, whatever order its fields had, and as if its reply came whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    url: String,
    body: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    form: u32,
    request: Asked,
    reply: Reply,
    /// Of the request and the reply.
    sha256: String,
}

impl Asked {
    /// What is sent to `url`.
    pub fn new(url: &str, body: &Value) -> Self {
        let mut body = body.clone();
        if let Some(fields) = body.as_object_mut().filter(|fields| fields.contains_key("stream")) {
            fields.insert("stream".into(), false.into());
            fields.remove("stream_options");
        }
        Self { url: url.to_owned(), body: sorted(&body) }
    }

    /// The same as entries of replies in parts once had it; `None` of what says nothing of parts.
    fn in_parts(&self) -> Option<Self> {
        let mut body = self.body.clone();
        let fields = body.as_object_mut().filter(|fields| fields.contains_key("stream"))?;
        fields.insert("stream".into(), true.into());
        fields.insert("stream_options".into(), json!({"include_usage": true}));
        Some(Self { url: self.url.clone(), body: sorted(&body) })
    }

    /// The name of its entry.
    fn name(&self) -> Result<String, serde_json::Error> {
        Ok(format!("{}.json", digest(self)?))
    }
}

impl Cache {
    /// A cache in a folder, which is made where it is not there. Others may not look into a folder that is made: it holds conversations.
    pub fn open(folder: &Path) -> Result<Self, ChatError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|source| ChatError::Cache { path: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The reply that was kept for a request.
    pub fn find(&self, asked: &Asked) -> Option<Reply> {
        self.entry(asked).or_else(|| self.entry(&asked.in_parts()?))
    }

    fn entry(&self, asked: &Asked) -> Option<Reply> {
        let text = fs::read(self.folder.join(asked.name().ok()?)).ok()?;
        let entry: Entry = serde_json::from_slice(&text).ok()?;
        let whole = digest(&(&entry.request, &entry.reply)).ok()? == entry.sha256;
        (whole && entry.form == FORM && entry.request == *asked).then_some(entry.reply)
    }

    /// Keeps the reply to a request: the whole entry is there or none.
    pub fn keep(&self, asked: &Asked, reply: &Reply) -> Result<(), ChatError> {
        let name = asked.name().map_err(|error| self.failed(error.into()))?;
        self.write(&name, asked, reply).map_err(|error| self.failed(error))
    }

    /// Takes the reply to a request away, if one was kept.
    pub fn forget(&self, asked: &Asked) -> Result<(), ChatError> {
        for asked in [Some(asked.clone()), asked.in_parts()].into_iter().flatten() {
            let name = asked.name().map_err(|error| self.failed(error.into()))?;
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, asked: &Asked, reply: &Reply) -> io::Result<()> {
        let sha256 = digest(&(asked, reply))?;
        let entry = Entry { form: FORM, request: asked.clone(), reply: reply.clone(), sha256 };
        let text = serde_json::to_vec(&entry)?;
        files::replace(&self.folder.join(name), WRITING, &text).map_err(|error| error.source)
    }

    fn failed(&self, source: io::Error) -> ChatError {
        ChatError::Cache { path: self.folder.clone(), source }
    }
}

/// The SHA-256 of a value's JSON, in hexadecimal digits.
fn digest(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let hash = Sha256::digest(serde_json::to_vec(value)?);
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The same JSON with the fields of every object in the order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::message::Message;
    use crate::chat::reply::{Finish, Usage};

    fn said(text: &str) -> Reply {
        let usage = Some(Usage { prompt_tokens: 3, completion_tokens: 1, cached_tokens: 0 });
        Reply { message: Message::assistant(text).with_thinking("hm"), finish: Finish::Stop, usage }
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
    }

    #[test]
    fn a_reply_is_found_by_its_exact_request_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("a/b")).unwrap();
        let asked = Asked::new(
            "http://a",
            &json!({"model": "m", "seed": 1, "x": {"b": [1, {"d": 1, "c": 2}], "a": 2}}),
        );
        assert_eq!(cache.find(&asked), None);
        cache.keep(&asked, &said("Hi")).unwrap();
        let same = Asked::new(
            "http://a",
            &json!({"x": {"a": 2, "b": [1, {"c": 2, "d": 1}]}, "seed": 1, "model": "m"}),
        );
        assert_eq!(cache.find(&same), Some(said("Hi")));
        for other in [
            Asked::new(
                "http://b",
                &json!({"model": "m", "seed": 1, "x": {"b": [1, {"d": 1, "c": 2}], "a": 2}}),
            ),
            Asked::new(
                "http://a",
                &json!({"model": "m", "seed": 2, "x": {"b": [1, {"d": 1, "c": 2}], "a": 2}}),
            ),
            Asked::new(
                "http://a",
                &json!({"model": "m", "seed": 1, "x": {"b": [{"d": 1, "c": 2}, 1], "a": 2}}),
            ),
        ] {
            assert_eq!(cache.find(&other), None, "{other:?}");
        }
        // Another cache of the folder, as after a restart.
        assert_eq!(Cache::open(&cache.folder).unwrap().find(&asked), Some(said("Hi")));
    }

    #[test]
    fn whether_a_reply_comes_in_parts_makes_no_other_request() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let whole = Asked::new("u", &json!({"model": "m", "stream": false}));
        let parts = json!({"stream_options": {"include_usage": true}, "model": "m", "stream": true});
        assert_eq!(Asked::new("u", &parts), whole);
        // Whole requests are called what they always were.
        assert_eq!(whole.body.to_string(), "{\"model\":\"m\",\"stream\":false}");
        // An entry of when requests for parts had names of their own.
        cache.keep(&Asked { url: "u".into(), body: sorted(&parts) }, &said("Old")).unwrap();
        assert_eq!(cache.find(&whole), Some(said("Old")));
        cache.keep(&whole, &said("New")).unwrap();
        assert_eq!(cache.find(&Asked::new("u", &parts)), Some(said("New")));
        assert_eq!(files(folder.path()).len(), 2);
    }

    #[test]
    fn what_is_forgotten_is_gone_in_either_form() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let whole = Asked::new("u", &json!({"model": "m", "stream": false}));
        let other = Asked::new("u", &json!({"model": "n", "stream": false}));
        for asked in [whole.clone(), whole.in_parts().unwrap(), other.clone()] {
            cache.keep(&asked, &said("Hm.")).unwrap();
        }
        cache.forget(&whole).unwrap();
        assert_eq!((cache.find(&whole), cache.find(&other)), (None, Some(said("Hm."))));
        // Nothing is there to be taken away.
        cache.forget(&whole).unwrap();
        assert_eq!(files(folder.path()).len(), 1);
        // What cannot be taken away is told: a folder is no file.
        fs::create_dir(folder.path().join(whole.name().unwrap())).unwrap();
        assert!(matches!(cache.forget(&whole), Err(ChatError::Cache { .. })));
    }

    #[test]
    fn a_damaged_entry_is_none_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let asked = Asked::new("http://a", &json!({"model": "m"}));
        cache.keep(&asked, &said("Hello")).unwrap();
        let [file] = &files(folder.path())[..] else { panic!("not one file") };
        let sound = fs::read(file).unwrap();
        for at in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(file, &damaged).unwrap();
            assert_eq!(cache.find(&asked), None, "byte {at}");
            fs::write(file, &sound[..at]).unwrap();
            assert_eq!(cache.find(&asked), None, "cut at {at}");
        }
        cache.keep(&asked, &said("Hello again")).unwrap();
        assert_eq!(cache.find(&asked), Some(said("Hello again")));
        assert_eq!(files(folder.path()).len(), 1, "a temporary file was left");
    }

    #[test]
    fn an_entry_of_another_request_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let (asked, other) = (Asked::new("http://a", &json!(1)), Asked::new("http://a", &json!(2)));
        cache.keep(&other, &said("Hi")).unwrap();
        fs::rename(folder.path().join(other.name().unwrap()), folder.path().join(asked.name().unwrap()))
            .unwrap();
        assert_eq!(cache.find(&asked), None);
    }

    #[test]
    fn what_cannot_be_kept_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Cache::open(&file).unwrap_err();
        assert!(matches!(&error, ChatError::Cache { path, .. } if *path == file), "{error}");
        let cache = Cache::open(&folder.path().join("gone")).unwrap();
        fs::remove_dir(&cache.folder).unwrap();
        assert!(matches!(cache.keep(&Asked::new("u", &json!(1)), &said("Hi")), Err(ChatError::Cache { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn others_cannot_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("kept")).unwrap();
        cache.keep(&Asked::new("u", &json!(1)), &said("Hi")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&cache.folder), mode(&files(&cache.folder)[0])), (0o700, 0o600));
    }

    /// Against coreutils: `printf '{"url":"u","body":1}' | sha256sum`.
    #[test]
    fn names_are_the_digest_of_the_canonical_request() {
        assert_eq!(
            Asked::new("u", &json!(1)).name().unwrap(),
            "cb6dfcef72bff44b11576bb83b55cde8530c1c59317f50355969afaff514ac50.json"
        );
    }
}
