use super::subtree::cover;
use crate::hash::Hash;

/// A tree that grows by one leaf after another and remembers only the roots of the complete subtrees
/// that cover it: one for each bit of its size that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Left to right, which is from the greatest to the least.
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The tree of this size, of which these are the roots of the complete subtrees, left to right.
    /// None: a tree of this size has not so many.
    pub fn resume(size: u64, subtrees: Vec<Hash>) -> Option<Self> {
        let expected = size.count_ones() as usize;
        (subtrees.len() == expected).then_some(Self { size, subtrees })
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            // There is one for each bit that is set.
            if let Some(left) = self.subtrees.pop() {
                node = Hash::node(left, node);
            }
        }
        self.subtrees.push(node);
        self.size += 1;
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees that cover it, left to right.
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// The root.
    pub fn root(&self) -> Hash {
        root_of(&self.subtrees).unwrap_or_else(Hash::empty)
    }

    /// The root of the tree when it had only this many leaves. None: the subtrees do not tell, because
    /// it is not made of the first ones of them.
    pub fn earlier_root(&self, size: u64) -> Option<Hash> {
        let (then, now) = (cover(0, size), cover(0, self.size));
        now.starts_with(&then).then(|| {
            let subtrees = self.subtrees.get(..then.len()).unwrap_or_default();
            root_of(subtrees).unwrap_or_else(Hash::empty)
        })
    }
}

/// The root above these subtrees, from the greatest to the least. None: there are none.
pub(super) fn root_of(subtrees: &[Hash]) -> Option<Hash> {
    let mut from_the_right = subtrees.iter().rev().copied();
    let least = from_the_right.next()?;
    Some(from_the_right.fold(least, |right, left| Hash::node(left, right)))
}
