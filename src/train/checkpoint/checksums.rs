//! `CHECKSUMS`: length and CRC-32 of each file of a checkpoint, one a line.
//!
//! ```text
//! 9ae0daaf 84000123 state.safetensors
//! 1c291ca3 912 state.json
//! ```

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// The file's name.
pub(crate) const CHECKSUMS: &str = "CHECKSUMS";

/// What is known of one file, or of the beginning of one. The default is that of no bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checksum {
    /// CRC-32 (IEEE 802.3) of all its bytes.
    pub crc: u32,
    /// How many there are.
    pub bytes: u64,
}

impl Checksum {
    /// Of bytes in memory.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::default().followed_by(bytes)
    }

    /// Whether it is of no bytes.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Of the same bytes and `more` behind them.
    pub(crate) fn followed_by(self, more: &[u8]) -> Self {
        let mut hasher = crc32fast::Hasher::new_with_initial_len(self.crc, self.bytes);
        hasher.update(more);
        Self { crc: hasher.finalize(), bytes: self.bytes + more.len() as u64 }
    }
}

/// The lines for `files`, in the order given.
pub(crate) fn render(files: &[(&str, Checksum)]) -> String {
    let mut text = String::new();
    for (name, checksum) in files {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:08x} {} {name}", checksum.crc, checksum.bytes);
    }
    text
}

/// The checksums of exactly the files `names`, in that order. `None` for any text that [`render`] would not have
/// written, so that no damage to it goes unseen.
pub(crate) fn parse<const N: usize>(text: &[u8], names: [&str; N]) -> Option<[Checksum; N]> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines();
    let mut found = [Checksum { crc: 0, bytes: 0 }; N];
    for checksum in &mut found {
        let mut fields = lines.next()?.split(' ');
        checksum.crc = u32::from_str_radix(fields.next()?, 16).ok()?;
        checksum.bytes = fields.next()?.parse().ok()?;
    }
    let named: Vec<(&str, Checksum)> = names.into_iter().zip(found).collect();
    (render(&named) == text).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_the_common_one() {
        // The check value that catalogues of CRCs give for this polynomial.
        assert_eq!(Checksum::of(b"123456789"), Checksum { crc: 0xcbf4_3926, bytes: 9 });
        assert_eq!(Checksum::of(b"1234").followed_by(b"56789"), Checksum::of(b"123456789"));
        assert_eq!(Checksum::of(b""), Checksum::default());
    }

    #[test]
    fn only_what_was_written_is_read() {
        let [a, b] = [Checksum { crc: 7, bytes: 90 }, Checksum { crc: u32::MAX, bytes: u64::MAX }];
        let text = render(&[("a", a), ("b", b)]);
        assert_eq!(parse(text.as_bytes(), ["a", "b"]), Some([a, b]));
        for at in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..at], ["a", "b"]), None);
            for bit in 0..8 {
                let mut damaged = text.clone().into_bytes();
                damaged[at] ^= 1 << bit;
                assert_ne!(parse(&damaged, ["a", "b"]), Some([a, b]), "byte {at}, bit {bit}");
            }
        }
        for other in
            ["", "x", "00000007 90 a\n", "00000007 90 b\nffffffff 1 b\n", "+0000007 90 a\nffffffff 1 b\n"]
        {
            assert_eq!(parse(other.as_bytes(), ["a", "b"]), None, "{other:?}");
        }
        assert_eq!(parse([text.as_bytes(), b"more"].concat().as_slice(), ["a", "b"]), None);
    }
}
