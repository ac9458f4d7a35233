//! Whether an export is what was sealed.

mod fault;
mod walk;

use std::io::BufRead;

use chancery_crypto::VerifierKey;
use serde::Serialize;

pub use fault::{Fault, VerifyError};
pub use walk::Walk;

use crate::{
    checkpoint::{Checkpoint, SignedCheckpoint, slug_of},
    export::{Header, TenantName},
    hash::Hash,
    tree::Frontier,
};

/// What an auditor has from elsewhere. The more there is, the more is proved.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The verifier key, from `{issuer}/roll/key` or by hand.
    pub key: Option<VerifierKey>,
    /// Checkpoints that were kept.
    pub checkpoints: Vec<Kept>,
}

/// A checkpoint that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where it is kept, for people.
    pub name: String,
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
}

/// Who vouches for the key that the file was signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vouched {
    /// Nobody: the key is the file's own. What is shown is that the file agrees with itself.
    Unvouched,
    /// Whoever gave the key.
    Key,
    /// A checkpoint that was kept and is signed with it.
    Checkpoint,
}

/// What was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whose roll it is.
    pub tenant: TenantName,
    /// The origin of its checkpoints.
    pub origin: String,
    /// The key that vouches for it.
    #[serde(with = "crate::export::as_text")]
    pub key: VerifierKey,
    /// Who vouches for that key.
    pub vouched_by: Vouched,
    /// The first entry in the file.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// The root over entries 1 to `to`.
    pub root: Hash,
    /// How many older checkpoints it agrees with.
    pub checkpoints: usize,
}

/// Verifies an export, line by line. `progress` is told from time to time how many bytes were read.
///
/// # Errors
/// [`VerifyError`], with the first fault.
pub fn verify(
    file: impl BufRead,
    known: &Known,
    mut progress: impl FnMut(u64),
) -> Result<Report, VerifyError> {
    let mut walk = Walk::open(file)?;
    let header = walk.header().clone();
    if let Some(what) = header.contradiction() {
        return Err(Fault::Header(what).into());
    }
    let sealed = sealed(&header, known)?;
    let kept = comparable(&header, known)?;

    let before = header.from - 1;
    let mut tree = Frontier::resume(before, header.prefix.clone())
        .ok_or(Fault::Header("the prefix does not fit the first entry"))?;
    let mut check = Check {
        agreed: 0,
        from: header.from,
        kept: kept.into_iter().peekable(),
    };
    check.earlier(&tree)?;
    check.reached(&tree)?;
    let mut buffer = Vec::new();
    while let Some(line) = walk.next(&mut buffer)? {
        tree.push(line.leaf());
        check.reached(&tree)?;
        if tree.size() % 4_096 == 0 {
            progress(walk.bytes());
        }
    }
    progress(walk.bytes());
    if tree.root() != sealed.root {
        return Err(check.differs(header.to, None).into());
    }
    Ok(Report {
        vouched_by: match (&known.key, &known.checkpoints[..]) {
            (Some(_), _) => Vouched::Key,
            (None, [_, ..]) => Vouched::Checkpoint,
            (None, []) => Vouched::Unvouched,
        },
        tenant: header.tenant,
        origin: header.origin,
        key: header.key,
        from: header.from,
        to: header.to,
        root: sealed.root,
        checkpoints: known.checkpoints.len(),
    })
}

/// The checkpoint in the header, after all in the header is held against it and against the key.
fn sealed(header: &Header, known: &Known) -> Result<Checkpoint, Fault> {
    if let Some(expected) = known.key.as_ref().filter(|key| **key != header.key) {
        return Err(Fault::OtherKey {
            found: header.key.clone(),
            expected: expected.clone(),
        });
    }
    let signed = SignedCheckpoint::parse(&header.checkpoint)
        .map_err(|_| Fault::Header("its checkpoint is not a signed checkpoint"))?;
    let checkpoint = signed.verify(&header.key).map_err(Fault::Checkpoint)?;
    if checkpoint.origin != header.origin {
        return Err(Fault::Header(
            "its checkpoint is one of another log than `origin` says",
        ));
    }
    if header.key.name() != header.origin {
        return Err(Fault::Header(
            "its key is one of another log than `origin` says",
        ));
    }
    if slug_of(&header.origin) != Some(header.tenant.slug.as_str()) {
        return Err(Fault::Header("its origin is not that of the tenant's slug"));
    }
    if checkpoint.size != header.to {
        return Err(Fault::Header(
            "its checkpoint is not of the size that `to` says",
        ));
    }
    Ok(checkpoint.clone())
}

/// The older checkpoints, from the least to the greatest.
fn comparable<'k>(
    header: &Header,
    known: &'k Known,
) -> Result<Vec<(&'k str, &'k Checkpoint)>, Fault> {
    let mut kept = Vec::new();
    for Kept { name, checkpoint } in &known.checkpoints {
        let claim = checkpoint.claim();
        if claim.origin != header.origin {
            return Err(Fault::OtherLog {
                name: name.clone(),
                found: claim.origin.clone(),
                expected: header.origin.clone(),
            });
        }
        let claim = checkpoint
            .verify(&header.key)
            .map_err(|fault| Fault::KeptKey {
                name: name.clone(),
                fault,
            })?;
        if claim.size > header.to {
            return Err(Fault::Shorter {
                name: name.clone(),
                size: claim.size,
                to: header.to,
            });
        }
        kept.push((name.as_str(), claim));
    }
    kept.sort_by_key(|(_, checkpoint)| checkpoint.size);
    for pair in kept.windows(2) {
        if let [(name, one), (other, two)] = pair
            && one.size == two.size
            && one.root != two.root
        {
            return Err(Fault::Split {
                name: (*name).to_owned(),
                other: (*other).to_owned(),
                size: one.size,
            });
        }
    }
    Ok(kept)
}

/// The comparison with the older checkpoints, as the tree grows past each of them.
struct Check<'k, I: Iterator<Item = (&'k str, &'k Checkpoint)>> {
    /// The size of the last one that agreed.
    agreed: u64,
    from: u64,
    kept: std::iter::Peekable<I>,
}

impl<'k, I: Iterator<Item = (&'k str, &'k Checkpoint)>> Check<'k, I> {
    /// Compares those that lie before the file's first entry with what its prefix says.
    fn earlier(&mut self, prefix: &Frontier) -> Result<(), Fault> {
        while let Some((name, kept)) = self.kept.next_if(|(_, kept)| kept.size < prefix.size()) {
            let root = prefix
                .earlier_root(kept.size)
                .ok_or_else(|| Fault::Incomparable {
                    name: name.to_owned(),
                    size: kept.size,
                    from: self.from,
                })?;
            self.compare(name, kept, root)?;
        }
        Ok(())
    }

    /// Compares those of the size that the tree has now.
    fn reached(&mut self, tree: &Frontier) -> Result<(), Fault> {
        while let Some((name, kept)) = self.kept.next_if(|(_, kept)| kept.size == tree.size()) {
            self.compare(name, kept, tree.root())?;
        }
        Ok(())
    }

    fn compare(&mut self, name: &str, kept: &Checkpoint, root: Hash) -> Result<(), Fault> {
        if root != kept.root {
            return Err(self.differs(kept.size, Some(name)));
        }
        self.agreed = kept.size;
        Ok(())
    }

    /// A root that is not the signed one: something after the last that agreed is not what it was.
    fn differs(&self, last: u64, by: Option<&str>) -> Fault {
        Fault::Root {
            first: self.agreed + 1,
            last,
            by: by.map(ToOwned::to_owned),
        }
    }
}
