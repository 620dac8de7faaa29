//! From key to partition. Two ways: Kafka's (murmur2, then modulo), under which almost every key moves when a partition
//! is added, and jump consistent hashing, under which only the new partition's share moves. Neither keeps the order of a
//! key's records over such a change.

/// How a key finds its partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Kafka's default: murmur2 of the key without its sign, modulo the number of partitions.
    #[default]
    Modulo,
    /// Jump consistent hash of the murmur2 of the key (Lamping and Veach, 2014).
    Jump,
}

impl Placement {
    /// The place of a key's partition among `partitions`; 0 if there are none.
    pub fn partition(self, key: &[u8], partitions: u32) -> u32 {
        let hash = murmur2(key);
        match self {
            Placement::Modulo => (hash & 0x7FFF_FFFF) % partitions.max(1),
            Placement::Jump => jump(u64::from(hash), partitions),
        }
    }
}

/// MurmurHash2 of 32 bits as Kafka's clients compute it (Austin Appleby's algorithm, seed 0x9747b28c).
pub fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5BD1_E995;
    let mut hash = 0x9747_B28C ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Jump consistent hash: the bucket of `key` among `buckets`; 0 if there are none. The quotient is one of floats, as
/// published: division and multiplication are exact to the last bit everywhere.
pub fn jump(key: u64, buckets: u32) -> u32 {
    let mut key = key;
    let (mut bucket, mut next) = (0u64, 0u64);
    while next < u64::from(buckets) {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) as f64 * ((1u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as u64;
    }
    bucket as u32
}

/// The share of keys, in parts per million, whose partition changes under [`Placement::Modulo`] when `from` partitions
/// become `to`: 1 - min(n, m) / lcm(n, m).
pub fn moved_by_modulo_ppm(from: u32, to: u32) -> u32 {
    let (from, to) = (u64::from(from.max(1)), u64::from(to.max(1)));
    let (mut a, mut b) = (from, to);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let common_multiple = u128::from(from) * u128::from(to) / u128::from(a);
    1_000_000 - (u128::from(from.min(to)) * 1_000_000 / common_multiple) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_the_hash_that_kafkas_clients_agree_on() {
        let published: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in published {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn no_partitions_at_all_is_the_first_one() {
        assert_eq!(Placement::Modulo.partition(b"key", 0), 0);
        assert_eq!(Placement::Jump.partition(b"key", 0), 0);
        assert_eq!(jump(u64::MAX, u32::MAX) / u32::MAX, 0);
    }

    #[test]
    fn the_share_that_moves_follows_the_formula_and_the_keys() {
        assert_eq!(moved_by_modulo_ppm(10, 11), 909_091);
        assert_eq!(moved_by_modulo_ppm(10, 20), 500_000);
        assert_eq!(moved_by_modulo_ppm(7, 7), 0);
        let keys = 20_000u32;
        let moved = |placement: Placement, from, to| {
            let key = |number: &u32| number.to_le_bytes();
            let moves = |number: &u32| {
                placement.partition(&key(number), from) != placement.partition(&key(number), to)
            };
            (0..keys).filter(moves).count() as i64 * 1_000_000 / i64::from(keys)
        };
        for (from, to) in [(10, 11), (10, 20), (4, 6)] {
            let expected = i64::from(moved_by_modulo_ppm(from, to));
            assert!((moved(Placement::Modulo, from, to) - expected).abs() < 15_000, "{from} -> {to}");
        }
        assert!((moved(Placement::Jump, 10, 11) - 90_909).abs() < 10_000);
    }
}
