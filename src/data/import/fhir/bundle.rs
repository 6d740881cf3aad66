//! Reading a bundle entry by entry, so that the whole of it is never in memory as a tree.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Patients;
use crate::data::import::error::found;
use crate::data::import::strict::Strict;
use crate::data::import::{ImportAccount, ImportError, ImportOptions};
use crate::data::phi::Place;

/// Reads all entries of the bundle in `path` into `patients`.
pub(in crate::data::import) fn read_bundle(
    path: &Path,
    options: &ImportOptions,
    patients: &mut Patients,
    account: &mut ImportAccount,
) -> Result<(), ImportError> {
    let name = path.display().to_string();
    let read = |source| ImportError::Read { file: name.clone(), source };
    let file = File::open(path).map_err(read)?;
    let found = file.metadata().map_err(read)?.len();
    let limit = options.max_file_bytes;
    if found > limit {
        return Err(ImportError::FileTooLarge { file: name, found, limit });
    }
    let mut sink = Sink { name: &name, entry: 0, options, patients, account, stopped: None, kind: None };
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(file));
    let parsed = BundleSeed(&mut sink).deserialize(&mut json).and_then(|()| json.end());
    let Sink { entry, stopped, kind, .. } = sink;
    if let Some(error) = stopped {
        return Err(error);
    }
    let place = Place::new(name.as_str(), entry.max(1));
    parsed.map_err(|error| ImportError::NotJson { place: place.clone(), problem: error.to_string() })?;
    if kind.as_deref() != Some("Bundle") {
        return Err(ImportError::Shape {
            place: Place::new(name.as_str(), 1),
            field: "resourceType".to_owned(),
            found: kind
                .map_or_else(|| "missing".to_owned(), |kind| format!("a text of {} bytes", kind.len())),
            legal: "Bundle (single resources are read from .ndjson files)".to_owned(),
        });
    }
    Ok(())
}

/// Where entries go.
struct Sink<'a> {
    name: &'a str,
    entry: u64,
    options: &'a ImportOptions,
    patients: &'a mut Patients,
    account: &'a mut ImportAccount,
    stopped: Option<ImportError>,
    kind: Option<String>,
}

impl Sink<'_> {
    /// Takes one entry; false where the import has to stop.
    fn take(&mut self, mut entry: Value) -> bool {
        self.entry += 1;
        let place = Place::new(self.name, self.entry);
        let url = entry.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
        let result = match entry.get_mut("resource").map(Value::take) {
            Some(resource) => self.patients.take(place, url.as_deref(), resource, self.account),
            None if entry.is_object() => {
                // Entries of a transaction that delete something have a request and no resource.
                self.account.skipped("(entry without resource)", "holds no resource");
                Ok(())
            }
            None => Err(ImportError::Shape {
                place,
                field: "entry".to_owned(),
                found: found(Some(&entry)),
                legal: "an object with a resource".to_owned(),
            }),
        };
        match result {
            Ok(()) => self.account.record_mapped(),
            Err(error) if self.options.skip_bad && error.is_of_one_record() => {
                self.account.record_skipped(error.reason(), error.to_string());
            }
            Err(error) => {
                self.stopped = Some(error);
                return false;
            }
        }
        true
    }
}

struct BundleSeed<'a, 'b>(&'a mut Sink<'b>);

impl<'de> DeserializeSeed<'de> for BundleSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BundleSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a FHIR Bundle")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "resourceType" => self.0.kind = map.next_value::<Value>()?.as_str().map(str::to_owned),
                "entry" => map.next_value_seed(EntriesSeed(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct EntriesSeed<'a, 'b>(&'a mut Sink<'b>);

impl<'de> DeserializeSeed<'de> for EntriesSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for EntriesSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(Strict(entry)) = seq.next_element()? {
            if !self.0.take(entry) {
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}
