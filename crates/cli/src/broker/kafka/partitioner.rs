//! Which partition a key belongs to, as Kafka's own clients reckon: murmur2 of the key.

/// The index of the partition, of `count`. Without a key the first, so that the order is kept.
pub(super) fn partition(key: Option<&[u8]>, count: usize) -> usize {
    let hash = key.map_or(0, murmur2) & 0x7fff_ffff;
    usize::try_from(hash).unwrap_or(0).checked_rem(count).unwrap_or(0)
}

/// MurmurHash2 in 32 bits, with the seed that Kafka's clients have.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mix = |word: u32| {
        let word = word.wrapping_mul(M);
        (word ^ (word >> 24)).wrapping_mul(M)
    };
    // Keys are shorter than 4 GiB; what is longer has some other hash.
    let mut hash = SEED ^ u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let word = word.try_into().map_or(0, u32::from_le_bytes);
        hash = hash.wrapping_mul(M) ^ mix(word);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (index, byte) in (0_u32..).zip(rest) {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_hashes_that_other_clients_reckon() {
        let known: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key).cast_signed(), hash, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn what_has_no_key_stays_in_one_partition() {
        assert_eq!(partition(None, 7), 0);
        assert_eq!(partition(Some(b"ns1"), 1), 0);
        assert!(
            (0..100_u8)
                .map(|key| partition(Some(&[key]), 3))
                .all(|index| index < 3)
        );
    }
}
