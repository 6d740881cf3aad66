//! Numbers that are the same on every machine and in every version: for keys, weights and draws by what something says.

use sha2::{Digest, Sha256};

/// The first 8 bytes of a SHA-256 as a number, the lowest first.
pub(crate) fn number(hash: Sha256) -> u64 {
    let hash: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of `abc` in FIPS 180-2, appendix B.1, begins with `ba7816bf 8f01cfea`.
    #[test]
    fn the_first_bytes_are_the_lowest() {
        assert_eq!(number(Sha256::new().chain_update("abc")), 0xeacf_018f_bf16_78ba);
    }
}
