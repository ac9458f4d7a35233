//! Complete subtrees: those with 2ˡ leaves, the first of them a multiple of 2ˡ.

/// A complete subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subtree {
    /// Its height: it has 2^level leaves.
    pub(super) level: u8,
    /// How many of its kind stand to its left.
    pub(super) index: u64,
}

/// The complete subtrees that cover the leaves `from` to `to`, left to right, each as great as it can
/// be. `from` must be a multiple of a power of two that is at least `to - from`.
pub(super) fn cover(from: u64, to: u64) -> Vec<Subtree> {
    let mut subtrees = Vec::new();
    let mut at = from;
    while at < to {
        let level = u8::try_from((to - at).ilog2()).unwrap_or(u8::MAX);
        subtrees.push(Subtree {
            level,
            index: at >> level,
        });
        at += 1 << level;
    }
    subtrees
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_covered_from_the_greatest_to_the_least() {
        let of = |from, to| {
            let subtrees = cover(from, to);
            subtrees
                .iter()
                .map(|tree| (tree.level, tree.index))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(0, 0), []);
        assert_eq!(of(0, 8), [(3, 0)]);
        assert_eq!(of(0, 7), [(2, 0), (1, 2), (0, 6)]);
        assert_eq!(of(8, 11), [(1, 4), (0, 10)]);
    }
}
