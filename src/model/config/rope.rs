//! Rotary frequencies and the ways they are stretched for contexts longer than the model was first trained
//! on.
//!
//! Four kinds, with the arithmetic of transformers' `modeling_rope_utils`: `default`, `linear`, `llama3`,
//! `yarn`.

use std::f64::consts::PI;

use serde_json::Value;

use super::check::MOST_POSITIONS;
use super::fields::Fields;
use super::{FieldProblem, ModelConfig};

/// How rotary frequencies are stretched.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every frequency divided by `factor`.
    Linear {
        /// At least 1.
        factor: f64,
    },
    /// Llama 3.1's: long wavelengths divided by `factor`, short ones kept, those between blended.
    Llama3 {
        /// At least 1.
        factor: f64,
        /// Wavelengths above `original / low_freq_factor` are stretched in full.
        low_freq_factor: f64,
        /// Wavelengths below `original / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// Context length of the first training, in tokens.
        original_max_position_embeddings: usize,
    },
    /// YaRN: a ramp over the dimensions between kept and stretched, and cos/sin scaled by an attention
    /// factor.
    Yarn {
        /// At least 1.
        factor: f64,
        /// Context length of the first training, in tokens.
        original_max_position_embeddings: usize,
        /// Multiplies cos and sin; where `None` it follows from `factor`, `mscale` and `mscale_all_dim`.
        attention_factor: Option<f64>,
        /// Rotations over the first context above which a dimension is kept (32 where the file says nothing).
        beta_fast: f64,
        /// Rotations over the first context below which a dimension is stretched in full (1 where the file
        /// says nothing).
        beta_slow: f64,
        /// Numerator's slope in the inferred attention factor.
        mscale: Option<f64>,
        /// Denominator's slope in the inferred attention factor; used only together with `mscale`.
        mscale_all_dim: Option<f64>,
        /// Whether the ramp's ends are rounded outwards to whole dimensions.
        truncate: bool,
    },
}

/// What rotary embedding multiplies positions with.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeFrequencies {
    /// Radians a position, one for each pair of dimensions: `[head_dim / 2]`.
    pub inv_freq: Vec<f32>,
    /// Multiplies cos and sin (1 except for YaRN).
    pub attention_factor: f64,
}

impl ModelConfig {
    /// The rotary frequencies of this model: `[head_dim / 2]`.
    pub fn rope_frequencies(&self) -> RopeFrequencies {
        let plain = plain_frequencies(self.rope_theta, self.head_dim);
        let (stretched, attention_factor) = match &self.rope_scaling {
            RopeScaling::None => (plain, 1.0),
            RopeScaling::Linear { factor } => (plain.into_iter().map(|freq| freq / factor).collect(), 1.0),
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                let original = *original_max_position_embeddings as f64;
                let stretch = |freq| llama3(freq, *factor, *low_freq_factor, *high_freq_factor, original);
                (plain.into_iter().map(stretch).collect(), 1.0)
            }
            RopeScaling::Yarn { factor, attention_factor, mscale, mscale_all_dim, .. } => {
                let inferred = || match (mscale, mscale_all_dim) {
                    (Some(above), Some(below)) if *above != 0.0 && *below != 0.0 => {
                        yarn_mscale(*factor, *above) / yarn_mscale(*factor, *below)
                    }
                    _ => yarn_mscale(*factor, 1.0),
                };
                (self.yarn(plain), attention_factor.unwrap_or_else(inferred))
            }
        };
        RopeFrequencies {
            inv_freq: stretched.into_iter().map(|freq| freq as f32).collect(),
            attention_factor,
        }
    }

    fn yarn(&self, plain: Vec<f64>) -> Vec<f64> {
        let RopeScaling::Yarn {
            factor,
            original_max_position_embeddings,
            beta_fast,
            beta_slow,
            truncate,
            ..
        } = &self.rope_scaling
        else {
            return plain;
        };
        // The dimension that turns `rotations` times over the first context.
        let dimension = |rotations: f64| {
            let ratio = *original_max_position_embeddings as f64 / (rotations * 2.0 * PI);
            self.head_dim as f64 * ratio.ln() / (2.0 * self.rope_theta.ln())
        };
        let (mut low, mut high) = (dimension(*beta_fast), dimension(*beta_slow));
        if *truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        (low, high) = (low.max(0.0), high.min(self.head_dim as f64 - 1.0));
        if low == high {
            high += 0.001;
        }
        let blend = |(index, freq): (usize, f64)| {
            let stretched = ((index as f64 - low) / (high - low)).clamp(0.0, 1.0);
            freq / factor * stretched + freq * (1.0 - stretched)
        };
        plain.into_iter().enumerate().map(blend).collect()
    }
}

/// `theta^(-2i / head_dim)` for each pair `i`.
fn plain_frequencies(theta: f64, head_dim: usize) -> Vec<f64> {
    // The exponent is rounded to f32 first, as the reference computes it.
    (0..head_dim / 2).map(|pair| 1.0 / theta.powf(f64::from((2 * pair) as f32 / head_dim as f32))).collect()
}

fn llama3(freq: f64, factor: f64, low: f64, high: f64, original: f64) -> f64 {
    let wavelength = 2.0 * PI / freq;
    if wavelength < original / high {
        freq
    } else if wavelength > original / low {
        freq / factor
    } else {
        let smooth = (original / wavelength - low) / (high - low);
        (1.0 - smooth) * freq / factor + smooth * freq
    }
}

fn yarn_mscale(factor: f64, slope: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * slope * factor.ln() + 1.0 }
}

impl RopeScaling {
    pub(super) fn check(&self, problems: &mut Vec<FieldProblem>) {
        let mut require = |field: &str, found: f64, fits: bool, legal: &str| {
            if !fits || !found.is_finite() {
                problems.push(FieldProblem::new(format!("rope_scaling.{field}"), found, legal));
            }
        };
        let factor_legal = "a number of at least 1";
        match self {
            Self::None => {}
            Self::Linear { factor } => require("factor", *factor, *factor >= 1.0, factor_legal),
            Self::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings,
            } => {
                require("factor", *factor, *factor >= 1.0, factor_legal);
                require("low_freq_factor", *low, *low > 0.0, "a number above 0");
                require("high_freq_factor", *high, high > low, "a number above low_freq_factor");
                let original = *original_max_position_embeddings;
                require("original_max_position_embeddings", original as f64, original >= 1, "at least 1");
            }
            Self::Yarn {
                factor,
                original_max_position_embeddings,
                attention_factor,
                beta_fast,
                beta_slow,
                ..
            } => {
                require("factor", *factor, *factor >= 1.0, factor_legal);
                require("beta_slow", *beta_slow, *beta_slow > 0.0, "a number above 0");
                require("beta_fast", *beta_fast, beta_fast >= beta_slow, "a number of at least beta_slow");
                if let Some(scale) = attention_factor {
                    require("attention_factor", *scale, *scale > 0.0, "a number above 0");
                }
                let original = *original_max_position_embeddings;
                require("original_max_position_embeddings", original as f64, original >= 1, "at least 1");
            }
        }
    }
}

/// What `config.json` says about rotary embedding.
pub(super) struct RopeFields {
    pub(super) theta: f64,
    pub(super) scaling: RopeScaling,
}

const DEFAULT_THETA: f64 = 10_000.0;

pub(super) fn read(fields: &mut Fields, max_position_embeddings: usize) -> RopeFields {
    let top_theta = fields.number("rope_theta");
    refuse_partial(fields);
    let outer_original = fields.size("original_max_position_embeddings", MOST_POSITIONS);
    let (old, new) = (take_object(fields, "rope_scaling"), take_object(fields, "rope_parameters"));
    if let (Some(old), Some(new)) = (&old, &new)
        && old != new
    {
        fields.refuse(
            "rope_scaling",
            "different from `rope_parameters`",
            "one of the two, or the same in both",
        );
    }
    let (name, object) = match (old, new) {
        (Some(object), _) => ("rope_scaling.", object),
        (None, Some(object)) => ("rope_parameters.", object),
        (None, None) => {
            return RopeFields { theta: top_theta.unwrap_or(DEFAULT_THETA), scaling: RopeScaling::None };
        }
    };
    let mut inner = Fields::new(name, object);
    let theta = inner.number("rope_theta").or(top_theta).unwrap_or(DEFAULT_THETA);
    refuse_partial(&mut inner);
    let scaling = read_scaling(&mut inner, max_position_embeddings, outer_original);
    let (left, problems) = inner.finish();
    fields.problems.extend(problems);
    for (key, value) in left.into_iter().filter(|(_, value)| !value.is_null()) {
        fields.refuse(&format!("{name}{key}"), value, "absent: it has no meaning for this rope_type here");
    }
    RopeFields { theta, scaling }
}

/// An object field; an empty object reads as absent, as it does in transformers.
fn take_object(fields: &mut Fields, field: &str) -> Option<serde_json::Map<String, Value>> {
    match fields.take(field)? {
        Value::Object(object) => Some(object).filter(|object| !object.is_empty()),
        other => {
            fields.refuse(field, other, "an object, or null");
            None
        }
    }
}

fn refuse_partial(fields: &mut Fields) {
    if let Some(part) = fields.number("partial_rotary_factor").filter(|part| *part != 1.0) {
        fields.refuse("partial_rotary_factor", part, "1: rotating part of a head is not built");
    }
}

fn read_scaling(inner: &mut Fields, max_positions: usize, outer_original: Option<usize>) -> RopeScaling {
    let (old, new) = (inner.string("type"), inner.string("rope_type"));
    if let (Some(old), Some(new)) = (&old, &new)
        && old != new
    {
        inner.refuse("type", old, format!("`{new}`, as rope_type says"));
    }
    let kind = new.or(old).unwrap_or_else(|| "default".to_owned());
    match kind.as_str() {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: required(inner, "factor") },
        "llama3" => {
            let factor = required(inner, "factor");
            let low_freq_factor = required(inner, "low_freq_factor");
            // Twice the low factor is a legal stand-in where the field is missing and reported.
            let high_freq_factor = required_or(inner, "high_freq_factor", 2.0 * low_freq_factor);
            let original_max_position_embeddings = read_original(inner, max_positions, outer_original);
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            }
        }
        "yarn" => read_yarn(inner, max_positions, outer_original),
        _ => {
            inner.refuse("rope_type", kind, "default, linear, llama3 or yarn");
            RopeScaling::None
        }
    }
}

fn read_yarn(inner: &mut Fields, max_positions: usize, outer_original: Option<usize>) -> RopeScaling {
    let original = read_original(inner, max_positions, outer_original);
    // An explicit null means the ratio of the two context lengths; a missing factor is an error in the
    // reference too.
    let factor = if inner.mentions("factor") && !inner.has("factor") {
        max_positions as f64 / original as f64
    } else {
        required(inner, "factor")
    };
    // 0 stands for "the default" in the reference (`or`).
    let mut beta = |field, default| inner.number(field).filter(|beta| *beta != 0.0).unwrap_or(default);
    RopeScaling::Yarn {
        beta_fast: beta("beta_fast", 32.0),
        beta_slow: beta("beta_slow", 1.0),
        factor,
        original_max_position_embeddings: original,
        attention_factor: inner.number("attention_factor"),
        mscale: inner.number("mscale"),
        mscale_all_dim: inner.number("mscale_all_dim"),
        truncate: inner.boolean("truncate").unwrap_or(true),
    }
}

/// The first context length: the field beside `rope_scaling` first, then the one inside it, then the model's
/// own.
fn read_original(inner: &mut Fields, max_positions: usize, outer: Option<usize>) -> usize {
    let own = inner.size("original_max_position_embeddings", MOST_POSITIONS);
    outer.or(own).unwrap_or(max_positions).max(1)
}

fn required(inner: &mut Fields, field: &str) -> f64 {
    required_or(inner, field, 1.0)
}

/// A number without a default; `stand_in` is returned where it is missing and reported.
fn required_or(inner: &mut Fields, field: &str, stand_in: f64) -> f64 {
    let known = inner.problems.len();
    inner.number(field).unwrap_or_else(|| {
        if inner.problems.len() == known {
            inner.refuse(field, "nothing", "a number");
        }
        stand_in
    })
}
