//! What is surely not in a segment, told without its records: a Bloom filter.

/// Bits for each thing that is in it, and how many of them are set: one in a hundred questions is
/// answered with a wrong "perhaps".
const BITS_EACH: usize = 10;
const SET: u64 = 6;

/// What a mark is of, so that a client and a trace of the same name are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Client = 1,
    Credential = 2,
    Trace = 3,
}

/// A mark as a number. It is stored by this, so it never changes.
pub(crate) fn hash(mark: Mark, text: &str) -> u64 {
    // FNV-1a, then the finish of SplitMix64, since its upper bits alone are weak.
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ (mark as u64);
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The filter of these marks.
pub(crate) fn build(marks: &[u64]) -> Vec<u8> {
    let mut filter = vec![0; (marks.len() * BITS_EACH).div_ceil(8).max(8)];
    for mark in marks {
        for (byte, bit) in places(*mark, filter.len()) {
            filter[byte] |= bit;
        }
    }
    filter
}

/// Whether the mark may be in it.
pub(crate) fn may_hold(filter: &[u8], mark: u64) -> bool {
    // A filter that says nothing excludes nothing.
    filter.is_empty() || places(mark, filter.len()).all(|(byte, bit)| filter[byte] & bit != 0)
}

fn places(mark: u64, bytes: usize) -> impl Iterator<Item = (usize, u8)> {
    let bits = (bytes as u64) * 8;
    let (first, step) = (mark >> 32, (mark & 0xffff_ffff) | 1);
    (0..SET).map(move |n| {
        let place = first.wrapping_add(n.wrapping_mul(step)) % bits;
        // Below the length of the filter, which is a usize.
        (
            usize::try_from(place / 8).unwrap_or_default(),
            1 << (place % 8),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_it_may_be_in_it_and_of_the_rest_nearly_nothing() {
        let marks =
            |from: usize| (from..from + 1_000).map(|n| hash(Mark::Client, &format!("client_{n}")));
        let filter = build(&marks(0).collect::<Vec<_>>());
        assert_eq!(filter.len(), 1_250);
        assert!(marks(0).all(|mark| may_hold(&filter, mark)));
        let wrong = marks(1_000).filter(|mark| may_hold(&filter, *mark)).count();
        assert!(wrong < 30, "{wrong}");
        assert!(!may_hold(&filter, hash(Mark::Trace, "client_5")));
        assert!(may_hold(&[], 1), "nothing is known");
        assert!(!may_hold(&build(&[]), 1));
    }

    #[test]
    fn a_mark_is_the_same_for_ever() {
        assert_eq!(hash(Mark::Client, "client_1"), 0x4239_7d95_bd1f_0a01);
    }
}
