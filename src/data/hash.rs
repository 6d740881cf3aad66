//! A hash that is the same on every machine and in every version, for what is written down and compared later.

/// FNV-1a, 128 bits (offset basis and prime of the IETF draft draft-eastlake-fnv), of `bytes`.
pub(crate) fn fnv1a(bytes: &[u8]) -> u128 {
    go_on(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, bytes)
}

/// The hash of what `hash` is the hash of, followed by `bytes`.
pub(crate) fn go_on(hash: u128, bytes: &[u8]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// Goes on with bytes after their length, so that it counts where one ends and the next begins.
pub(crate) fn whole(hash: u128, bytes: &[u8]) -> u128 {
    go_on(go_on(hash, &(bytes.len() as u64).to_le_bytes()), bytes)
}

/// A hash as text, as JSON readers know no whole numbers this long.
pub(crate) fn text(hash: u128) -> String {
    format!("fnv1a128:{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published values of the empty text, of `a` and of `foobar`.
    #[test]
    fn the_published_values() {
        assert_eq!(fnv1a(b""), 0x6c62272e07bb014262b821756295c58d);
        assert_eq!(fnv1a(b"a"), 0xd228cb696f1a8caf78912b704e4a8964);
        assert_eq!(fnv1a(b"foobar"), 0x343e1662793c64bf6f0d3597ba446f18);
        assert_eq!(go_on(fnv1a(b"foo"), b"bar"), fnv1a(b"foobar"));
    }

    #[test]
    fn it_counts_where_one_text_ends() {
        let of = |texts: [&[u8]; 2]| texts.iter().fold(fnv1a(b""), |hash, text| whole(hash, text));
        assert_ne!(of([b"foo", b"bar"]), of([b"foob", b"ar"]));
        assert_eq!(whole(1, b"a"), go_on(1, &[1, 0, 0, 0, 0, 0, 0, 0, b'a']));
    }
}
