use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::Sha256;

use super::MAX_SIZE;
use crate::hash::Hash;

/// A proof that proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Of the entry.
    #[error("the proof does not lead from the entry to the root of the tree")]
    Inclusion,
    /// Of the two trees.
    #[error("the earlier tree is not the beginning of the later one")]
    Consistency,
}

fn root(root: Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new((*root.as_bytes()).into(), size)
}

/// Checks that the entry with this line is leaf `index` of the tree with this size and root (RFC 6962,
/// section 2.1.1). The leaf of entry *n* of a roll is *n* − 1.
///
/// # Errors
/// [`ProofError::Inclusion`].
pub fn verify_inclusion(
    line: &[u8],
    index: u64,
    size: u64,
    tree: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if size > MAX_SIZE {
        return Err(ProofError::Inclusion);
    }
    let bytes = proof.iter().flat_map(Hash::as_bytes).copied().collect();
    let proof = InclusionProof::try_from_bytes(bytes).map_err(|_| ProofError::Inclusion)?;
    root(tree, size)
        .verify_inclusion(&line, index, &proof)
        .map_err(|_| ProofError::Inclusion)
}

/// Checks that the tree of size `old.0` with the root `old.1` is the beginning of the tree of size
/// `new.0` with the root `new.1` (RFC 6962, section 2.1.2).
///
/// # Errors
/// [`ProofError::Consistency`].
pub fn verify_consistency(
    old: (u64, Hash),
    new: (u64, Hash),
    proof: &[Hash],
) -> Result<(), ProofError> {
    if new.0 > MAX_SIZE {
        return Err(ProofError::Consistency);
    }
    // The library proves nothing about the empty tree, which is the beginning of any.
    if old.0 == 0 {
        let right = old.1 == Hash::empty() && proof.is_empty() && (new.0 > 0 || new == old);
        return if right {
            Ok(())
        } else {
            Err(ProofError::Consistency)
        };
    }
    let bytes = proof.iter().flat_map(Hash::as_bytes).copied().collect();
    let proof = ConsistencyProof::try_from_bytes(bytes).map_err(|_| ProofError::Consistency)?;
    root(new.1, new.0)
        .verify_consistency(&root(old.1, old.0), &proof)
        .map_err(|_| ProofError::Consistency)
}
