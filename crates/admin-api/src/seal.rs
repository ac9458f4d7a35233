//! How far a roll is sealed, and proofs against it.

use async_graphql::{Context, Object, SimpleObject};
use chancery_application::{ConsistencyProof, InclusionProof, SealedRoll};
use chancery_domain::{Faults, Invalid, TenantId};

use crate::{error::Failure, session::Session};

/// What a proof costs against the limit on complexity: it reads a dozen rows.
const COST: usize = 50;

/// A signed statement of how many entries a roll has and what they are: a C2SP signed note over a C2SP
/// tlog checkpoint. Keep it: whoever has it can tell later whether anything was changed.
#[derive(SimpleObject)]
#[graphql(name = "Checkpoint")]
pub(crate) struct CheckpointNode {
    /// Which log: the tenant's issuer without its scheme, as it was at the first seal, and `/roll`.
    origin: String,
    /// How many entries it has, a 64-bit number as text.
    size: String,
    /// The root of their Merkle tree (RFC 6962, section 2.1), SHA-256 in base64.
    root: String,
    /// The signed note, whole.
    note: String,
    /// The verifier key of the note. Compare it with one that you had from elsewhere.
    key: String,
}

impl From<SealedRoll> for CheckpointNode {
    fn from(sealed: SealedRoll) -> Self {
        Self {
            origin: sealed.checkpoint.origin,
            size: sealed.checkpoint.size.to_string(),
            root: sealed.checkpoint.root.to_string(),
            note: sealed.note.note().to_owned(),
            key: sealed.key.to_string(),
        }
    }
}

/// The proof that an entry is in the tree of a size (RFC 6962, section 2.1.1). The leaf is the SHA-256
/// of 0x00 and the entry's line in the export; its index is `seq` - 1.
#[derive(SimpleObject)]
#[graphql(name = "InclusionProof")]
pub(crate) struct InclusionProofNode {
    /// The entry's number in the roll.
    seq: String,
    /// The tree's size.
    size: String,
    /// The tree's root, in base64: compare it with that of a checkpoint of this size.
    root: String,
    /// The hashes of the proof, each in base64.
    hashes: Vec<String>,
}

impl From<InclusionProof> for InclusionProofNode {
    fn from(proof: InclusionProof) -> Self {
        Self {
            seq: proof.seq.to_string(),
            size: proof.size.to_string(),
            root: proof.root.to_string(),
            hashes: proof.hashes.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The proof that the tree of one size is the beginning of that of another (RFC 6962, section 2.1.2):
/// nothing before was changed, removed or reordered.
#[derive(SimpleObject)]
#[graphql(name = "ConsistencyProof")]
pub(crate) struct ConsistencyProofNode {
    /// The earlier tree's size.
    from: String,
    /// The later tree's size.
    to: String,
    /// The earlier tree's root, in base64: compare it with that of the checkpoint that you kept.
    from_root: String,
    /// The later tree's root, in base64.
    to_root: String,
    /// The hashes of the proof, each in base64. None from an empty tree, and to the same one.
    hashes: Vec<String>,
}

impl From<ConsistencyProof> for ConsistencyProofNode {
    fn from(proof: ConsistencyProof) -> Self {
        Self {
            from: proof.from.to_string(),
            to: proof.to.to_string(),
            from_root: proof.from_root.to_string(),
            to_root: proof.to_root.to_string(),
            hashes: proof.hashes.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What can be read of the seals of rolls.
#[derive(Default)]
pub(crate) struct SealQueries;

#[Object]
impl SealQueries {
    /// The latest checkpoint of a tenant's roll, sealed up to its head; of a roll that was found to be
    /// not as it was sealed, the last one before. Needs `audit:read` of the tenant, or `platform:read`.
    #[graphql(complexity = "COST + child_complexity")]
    async fn checkpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] tenant: String,
    ) -> Result<CheckpointNode, Failure> {
        let session = Session::of(ctx)?;
        let id = named(session, &tenant).await?;
        let sealed = session.application.checkpoint(&session.caller, id).await?;
        Ok(sealed.into())
    }

    /// The proof that an entry is in the tree of a size that is sealed. Needs `audit:read` of the
    /// tenant, or `platform:read`.
    #[graphql(complexity = "COST + child_complexity")]
    async fn inclusion_proof(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] tenant: String,
        #[graphql(desc = "The entry's number in the roll, a 64-bit number as text.")] seq: String,
        #[graphql(desc = "The tree's size: that of a checkpoint, or any before.")] size: String,
    ) -> Result<InclusionProofNode, Failure> {
        let session = Session::of(ctx)?;
        let numbers = numbers([("seq", &seq), ("size", &size)])?;
        let id = named(session, &tenant).await?;
        let proof = session
            .application
            .inclusion_proof(&session.caller, id, numbers)
            .await
            .map_err(Failure::of_arguments)?;
        Ok(proof.into())
    }

    /// The proof that the tree of one size is the beginning of that of another. Needs `audit:read` of
    /// the tenant, or `platform:read`.
    #[graphql(complexity = "COST + child_complexity")]
    async fn consistency_proof(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant's slug.")] tenant: String,
        #[graphql(desc = "The earlier tree's size, a 64-bit number as text.")] from: String,
        #[graphql(desc = "The later tree's size.")] to: String,
    ) -> Result<ConsistencyProofNode, Failure> {
        let session = Session::of(ctx)?;
        let numbers = numbers([("from", &from), ("to", &to)])?;
        let id = named(session, &tenant).await?;
        let proof = session
            .application
            .consistency_proof(&session.caller, id, numbers)
            .await
            .map_err(Failure::of_arguments)?;
        Ok(proof.into())
    }
}

async fn named(session: &Session, slug: &str) -> Result<TenantId, Failure> {
    let named = session.application.tenant_named(&session.caller, slug);
    Ok(named.await?)
}

/// Both numbers, or what is wrong with either.
fn numbers([first, second]: [(&str, &str); 2]) -> Result<(u64, u64), Failure> {
    let mut faults = Faults::default();
    let mut number = |(path, text): (&str, &str)| {
        let parsed = text
            .parse()
            .map_err(|_| Invalid::new("number", "must be a number as text, in decimal digits"));
        faults.take(path, parsed).unwrap_or_default()
    };
    let both = (number(first), number(second));
    faults.finish(Some(both)).map_err(Failure::Arguments)
}
