//! Sizes as people write them: `500MB`, `5GiB`.

/// A size that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not a size; legal: a whole number above 0 and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, e.g. 2GB."
)]
pub struct SizeError {
    /// What was given.
    pub found: String,
}

const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Reads a size in bytes: `2GB` is 2 * 10^9, `5GiB` is 5 * 2^30, a bare number is bytes. Case does not
/// matter.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let refused = || SizeError { found: text.chars().take(40).collect() };
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
    let number: u64 = number.parse().map_err(|_| refused())?;
    number.checked_mul(scale).filter(|size| *size > 0).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let cases = [
            ("2GB", 2_000_000_000),
            ("500MB", 500_000_000),
            ("5GiB", 5 << 30),
            (" 7 kib ", 7168),
            ("12", 12),
        ];
        for (text, size) in cases {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "GB",
            "0GB",
            "-1GB",
            "1.5GB",
            "2XB",
            "99999999999TB",
            "184467440737095516160",
            "2 G B",
            "²GB",
        ] {
            assert_eq!(parse_size(text), Err(SizeError { found: text.to_owned() }), "{text}");
        }
    }
}
