//! Which partition a key belongs to never changes: its history is there (DESIGN K2).

use sprag_core::partitioning::partition_of;

use crate::harness::Sha;

fn partition(source: &str, key: &str, partitions: u16) -> u16 {
    partition_of(&Sha, source, key, partitions).0
}

/// By another program's SHA-256 and whole numbers.
#[test]
fn a_key_stays_where_it_was() {
    let sizes = [1, 2, 8, 64, 1_000, 65_535];
    for (source, key, expected) in [
        ("billing", "a", [0, 0, 3, 29, 454, 29_805]),
        ("billing", "b", [0, 0, 2, 16, 256, 16_786]),
        ("crm", "a", [0, 0, 2, 18, 283, 18_580]),
        ("billing", "customer-7", [0, 1, 7, 56, 888, 58_232]),
        ("", "", [0, 0, 3, 27, 430, 28_211]),
    ] {
        let found = sizes.map(|size| partition(source, key, size));
        assert_eq!(found, expected, "{source} {key}");
    }
}

#[test]
fn keys_are_spread_evenly_and_a_name_is_not_another_cut_elsewhere() {
    let mut counts = [0_u32; 16];
    for number in 0..16_000 {
        counts[usize::from(partition("billing", &format!("customer-{number}"), 16))] += 1;
    }
    assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    assert_ne!(partition("ab", "c", u16::MAX), partition("a", "bc", u16::MAX));
}
