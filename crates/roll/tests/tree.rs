//! The tree against another implementation of it (`tlog_tiles`), leaf by leaf and proof by proof.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use chancery_roll::{
    Hash,
    tree::{
        Frontier, GrowingTree, MAX_SIZE, Plan, Tile, TileId, Tiles, verify_consistency,
        verify_inclusion,
    },
};
use proptest::prelude::*;
use tlog_tiles::HashReader;

/// Their storage: hashes in their order.
struct Theirs(Vec<tlog_tiles::Hash>);

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes
            .iter()
            .map(|index| self.0[usize::try_from(*index).unwrap()])
            .collect())
    }
}

impl Theirs {
    fn of(size: u64) -> Self {
        let mut hashes = Self(Vec::new());
        for index in 0..size {
            let new = tlog_tiles::stored_hashes(index, &line(index), &hashes).unwrap();
            hashes.0.extend(new);
        }
        hashes
    }

    fn root(&self, size: u64) -> Hash {
        if size == 0 {
            return Hash::empty();
        }
        ours(&tlog_tiles::tree_hash(size, self).unwrap())
    }
}

fn ours(hash: &tlog_tiles::Hash) -> Hash {
    Hash::from_bytes(hash.0)
}

fn line(index: u64) -> Vec<u8> {
    format!("entry {}", index + 1).into_bytes()
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&line(index))
}

/// The tree of this size, its tiles stored whenever `every` leaves have come.
fn tiled(size: u64, every: u64) -> (GrowingTree, Tiles) {
    let (mut tree, mut stored) = (GrowingTree::default(), Tiles::new());
    for index in 0..size {
        tree.push(leaf(index));
        if (index + 1) % every == 0 || index + 1 == size {
            for (id, tile) in tree.take_grown() {
                let before = stored.insert(id, tile.clone());
                assert!(before.is_none_or(|before| tile != before && tile.extends(&before)));
            }
        }
    }
    (tree, stored)
}

/// Only the tiles that the plan asks for.
fn hashes(plan: &Plan, stored: &Tiles) -> Vec<Hash> {
    let needed = plan.tiles();
    let loaded = stored.iter().filter(|(id, _)| needed.contains(id));
    plan.hashes(&loaded.map(|(id, tile)| (*id, tile.clone())).collect())
        .unwrap()
}

#[test]
fn every_tree_has_the_root_that_the_other_implementation_computes() {
    let theirs = Theirs::of(600);
    let mut frontier = Frontier::default();
    let mut growing = GrowingTree::default();
    for size in 0..600 {
        assert_eq!(frontier.root(), theirs.root(size), "{size}");
        assert_eq!(growing.frontier(), frontier);
        assert_eq!(growing.root(), frontier.root());
        frontier.push(leaf(size));
        growing.push(leaf(size));
    }
}

#[test]
fn a_tree_of_three_levels_of_tiles_is_computed_from_its_tiles() {
    const SIZE: u64 = 66_000;
    let theirs = Theirs::of(SIZE);
    let (tree, stored) = tiled(SIZE, 10_000);
    assert_eq!(tree.root(), theirs.root(SIZE));
    assert_eq!(stored.len(), 258 + 2 + 1);
    for (id, tile) in &stored {
        assert_eq!(tile.hashes().len(), id.width(SIZE), "{id:?}");
        let theirs = tlog_tiles::Tile::new(
            8,
            id.level,
            id.index,
            u32::try_from(id.width(SIZE)).unwrap(),
            false,
        )
        .read_data(&theirs)
        .unwrap();
        assert_eq!(tile.to_bytes(), theirs, "{id:?}");
        assert_eq!(Tile::from_bytes(&theirs).as_ref(), Ok(tile));
    }
    for size in [1, 2, 255, 256, 257, 65_535, 65_536, 65_537, SIZE - 1, SIZE] {
        assert_eq!(
            hashes(&Plan::root(size), &stored),
            [theirs.root(size)],
            "{size}"
        );
        let frontier = Frontier::resume(size, hashes(&Plan::subtrees(size), &stored)).unwrap();
        assert_eq!(frontier.root(), theirs.root(size));
        // Whoever goes on where another stopped comes to the same.
        let mut again = GrowingTree::resume(size, &stored).unwrap();
        for index in size..SIZE.min(size + 300) {
            again.push(leaf(index));
        }
        assert_eq!(again.root(), theirs.root(again.size()));
        for (id, tile) in again.take_grown() {
            assert!(stored[&id].extends(&tile), "{id:?} from {size}");
        }
    }
}

#[test]
fn what_is_not_stored_is_named() {
    let (_, mut stored) = tiled(300, 300);
    let id = TileId { level: 0, index: 1 };
    stored.insert(id, Tile::from_bytes(&[0; 32 * 43]).unwrap());
    let missing = Plan::inclusion(0, 300)
        .unwrap()
        .hashes(&stored)
        .unwrap_err();
    assert_eq!((missing.tile, missing.needed), (id, 44));
    stored.remove(&id);
    assert_eq!(GrowingTree::resume(300, &stored).unwrap_err().tile, id);
    assert!(GrowingTree::resume(256, &stored).is_ok());
    for bytes in [0, 31, 33, 32 * 257] {
        assert!(Tile::from_bytes(&vec![0; bytes]).is_err(), "{bytes}");
    }
}

#[test]
fn what_no_tree_has_cannot_be_proved() {
    assert_eq!(Plan::inclusion(7, 7), None);
    assert_eq!(Plan::inclusion(0, 0), None);
    assert_eq!(Plan::inclusion(0, MAX_SIZE + 1), None);
    assert_eq!(Plan::consistency(8, 7), None);
    assert!(Plan::inclusion(MAX_SIZE - 1, MAX_SIZE).is_some());
    assert!(Plan::consistency(1, MAX_SIZE).is_some());
    assert!(verify_inclusion(b"", 0, u64::MAX, Hash::empty(), &[]).is_err());
    assert!(verify_consistency((1, Hash::empty()), (u64::MAX, Hash::empty()), &[]).is_err());
}

#[test]
fn an_empty_tree_is_the_beginning_of_every_tree() {
    let empty = (0, Hash::empty());
    assert_eq!(verify_consistency(empty, (0, Hash::empty()), &[]), Ok(()));
    assert_eq!(verify_consistency(empty, (1, leaf(0)), &[]), Ok(()));
    assert!(verify_consistency((0, leaf(0)), (1, leaf(0)), &[]).is_err());
    assert!(verify_consistency(empty, (0, leaf(0)), &[]).is_err());
    assert!(verify_consistency(empty, (1, leaf(0)), &[leaf(1)]).is_err());
    assert_eq!(verify_consistency((1, leaf(0)), (1, leaf(0)), &[]), Ok(()));
    assert!(verify_consistency((1, leaf(0)), (1, leaf(1)), &[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_are_those_of_the_other_implementation(size in 1..700_u64, pick: prop::sample::Index, wrong in 0..8_usize) {
        let theirs = Theirs::of(size);
        let (_, stored) = tiled(size, size);
        let root = theirs.root(size);
        let index = u64::try_from(pick.index(usize::try_from(size).unwrap())).unwrap();

        let proof = hashes(&Plan::inclusion(index, size).unwrap(), &stored);
        let expected: Vec<_> = tlog_tiles::prove_record(size, index, &theirs).unwrap().iter().map(ours).collect();
        prop_assert_eq!(&proof, &expected);
        prop_assert_eq!(verify_inclusion(&line(index), index, size, root, &proof), Ok(()));
        prop_assert!(verify_inclusion(&line(index + 1), index, size, root, &proof).is_err());
        prop_assert!(verify_inclusion(&line(index), index + 1, size, root, &proof).is_err());
        let mut forged = proof.clone();
        if let Some(hash) = forged.get_mut(wrong) {
            *hash = leaf(size);
            prop_assert!(verify_inclusion(&line(index), index, size, root, &forged).is_err());
        }

        let old = index + 1;
        let proof = hashes(&Plan::consistency(old, size).unwrap(), &stored);
        let expected = tlog_tiles::prove_tree(size, old, &theirs).unwrap();
        // Theirs proves a tree to itself, and one that is a subtree, as RFC 6962 does.
        prop_assert_eq!(&proof, &expected.iter().map(ours).collect::<Vec<_>>());
        let earlier = (old, theirs.root(old));
        prop_assert_eq!(verify_consistency(earlier, (size, root), &proof), Ok(()));
        prop_assert!(verify_consistency((old, leaf(size)), (size, root), &proof).is_err());
        prop_assert!(verify_consistency(earlier, (size, leaf(size)), &proof).is_err());
        let mut forged = proof.clone();
        if let Some(hash) = forged.get_mut(wrong) {
            *hash = leaf(size);
            prop_assert!(verify_consistency(earlier, (size, root), &forged).is_err());
        }
    }

    #[test]
    fn a_frontier_knows_the_earlier_trees_that_it_is_made_of(size in 0..400_u64, earlier in 0..400_u64) {
        let mut frontier = Frontier::default();
        (0..size).for_each(|index| frontier.push(leaf(index)));
        if let Some(root) = frontier.earlier_root(earlier) {
            let mut then = Frontier::default();
            (0..earlier).for_each(|index| then.push(leaf(index)));
            prop_assert!(earlier <= size);
            prop_assert_eq!(root, then.root());
        }
        prop_assert_eq!(frontier.earlier_root(size), Some(frontier.root()));
        prop_assert_eq!(frontier.earlier_root(0), Some(Hash::empty()));
    }

    #[test]
    fn a_proof_of_any_hashes_and_sizes_is_refused_without_a_panic(index: u64, size: u64, old: u64, proof in proptest::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let proof: Vec<_> = proof.into_iter().map(Hash::from_bytes).collect();
        prop_assert!(verify_inclusion(b"", index, size, leaf(0), &proof).is_err());
        prop_assert!(old == size || verify_consistency((old, leaf(0)), (size, leaf(1)), &proof).is_err());
        let _ = (Plan::inclusion(index, size), Plan::consistency(old, size), TileId::edge(size));
    }
}
