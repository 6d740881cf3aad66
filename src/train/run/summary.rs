//! What came of a run: `summary.json`, and the one object that `osler train --json` prints.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::number;
use crate::train::checkpoint::DiskError;

/// The file's name.
pub(super) const SUMMARY: &str = "summary.json";

/// The end of a run. Rewards are means over held-out consultations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The run's folder.
    pub run_dir: String,
    /// Its seed.
    pub seed: u64,
    /// Before reinforcement learning.
    pub before: Outcome,
    /// After it.
    pub after: Outcome,
    /// What it gained, consultation by consultation.
    pub gain: Gain,
    /// Mean reward of each baseline, by name.
    #[serde(with = "numbers")]
    pub baselines: BTreeMap<String, f64>,
    /// Wall-clock time of training, all sittings together.
    #[serde(with = "number")]
    pub seconds: f64,
    /// The most memory the process had, in bytes; 0 where it is not known.
    pub peak_rss_bytes: u64,
    /// The folder of the exported model.
    pub export: String,
    /// Who played the patients in reinforcement and in all held-out consultations, where models did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub patient: Option<String>,
}

/// The summary of the finished run in `folder`; `None` where it is not finished.
pub fn read_summary(folder: &Path) -> Result<Option<Summary>, RunError> {
    let path = folder.join(SUMMARY);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(DiskError::on(&path, "read")(error).into()),
    };
    serde_json::from_str(&text).map(Some).map_err(|error| RunError::Line {
        file: path,
        line: error.line(),
        reason: error.to_string(),
    })
}

/// How well a policy does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Its mean reward.
    #[serde(with = "number")]
    pub reward: f64,
}

/// A paired difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gain {
    /// Mean of after minus before.
    #[serde(with = "number")]
    pub mean: f64,
    /// Its 95% confidence interval.
    #[serde(with = "pair")]
    pub ci95: [f64; 2],
}

/// One float as [`number`] writes it, for lists and maps of them.
#[derive(Serialize, Deserialize)]
struct Number(#[serde(with = "number")] f64);

mod pair {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Number;

    pub fn serialize<S: Serializer>(value: &[f64; 2], serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Number).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 2], D::Error> {
        <[Number; 2]>::deserialize(deserializer).map(|pair| pair.map(|Number(value)| value))
    }
}

mod numbers {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Number;

    pub fn serialize<S: Serializer>(value: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(value.iter().map(|(name, value)| (name, Number(*value))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        let read = BTreeMap::<String, Number>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|(name, Number(value))| (name, value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_promised_shape() {
        let summary = Summary {
            run_dir: "runs/quickstart/001".into(),
            seed: u64::MAX,
            before: Outcome { reward: 0.25 },
            after: Outcome { reward: 0.5 },
            gain: Gain { mean: 0.25, ci95: [0.125, f64::NAN] },
            baselines: BTreeMap::from([("empty".into(), 0.1), ("copy".into(), f64::INFINITY)]),
            seconds: 1.5,
            peak_rss_bytes: 7,
            export: "runs/quickstart/001/model".into(),
            patient: None,
        };
        let text = serde_json::to_string(&summary).unwrap();
        let expected = concat!(
            r#"{"run_dir":"runs/quickstart/001","seed":18446744073709551615,"before":{"reward":0.25},"#,
            r#""after":{"reward":0.5},"gain":{"mean":0.25,"ci95":[0.125,"NaN"]},"#,
            r#""baselines":{"copy":"inf","empty":0.1},"seconds":1.5,"peak_rss_bytes":7,"#,
            r#""export":"runs/quickstart/001/model"}"#
        );
        assert_eq!(text, expected);
        let patient = Some("gate rules, voice m, check rules".to_owned());
        let played = serde_json::to_string(&Summary { patient, ..summary.clone() }).unwrap();
        let end = r#","patient":"gate rules, voice m, check rules"}"#;
        assert_eq!(played, format!("{}{end}", &expected[..expected.len() - 1]));
        let read: Summary = serde_json::from_str(&text).unwrap();
        assert_eq!(read.baselines, summary.baselines);
        assert!(read.gain.ci95[1].is_nan());
    }
}
