use std::io::{self, Write};

use chancery_crypto::VerifierKey;
use chancery_domain::Entry;

use super::{FORMAT, Header, TenantName};
use crate::{
    checkpoint::SignedCheckpoint,
    hash::Hash,
    line::{self, Line, LineFault},
    tree::Frontier,
};

/// Why an export is not written, or not to its end. What was written so far is not a whole export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The checkpoint is not signed by the key, or of another log.
    #[error("the checkpoint is not one of this roll, signed with its key")]
    Checkpoint,
    /// The hashes before the first entry do not fit its number.
    #[error(
        "an export from entry {0} needs the roots of the subtrees that cover what is before it"
    )]
    Prefix(u64),
    /// An entry that is not the next one.
    #[error("entry {expected} should follow, and {found} was given")]
    Order {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        found: i64,
    },
    /// An entry whose line is not what every line is.
    #[error("the line of entry {0} is not right: {1}")]
    Line(u64, LineFault),
    /// An entry of another roll.
    #[error("entry {0} belongs to another tenant")]
    Tenant(u64),
    /// The entries that were given are not the ones that the checkpoint vouches for.
    #[error("the entries are not those that the checkpoint of size {0} vouches for")]
    Root(u64),
    /// The file cannot be written.
    #[error("the export cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Writes an export, and computes its root on the way: a file that it finished verifies.
pub struct ExportWriter<W> {
    to: W,
    header: Header,
    tree: Frontier,
    root: Hash,
}

impl<W: Write> ExportWriter<W> {
    /// Writes the header. The export ends with the checkpoint's last entry. `prefix` holds the roots
    /// of the complete subtrees before entry `from`: see [`crate::tree::Plan::subtrees`].
    ///
    /// # Errors
    /// [`ExportError::Checkpoint`], [`ExportError::Prefix`], [`ExportError::Io`].
    pub fn begin(
        mut to: W,
        tenant: TenantName,
        key: &VerifierKey,
        checkpoint: &SignedCheckpoint,
        from: u64,
        prefix: Vec<Hash>,
    ) -> Result<Self, ExportError> {
        let claim = checkpoint
            .verify(key)
            .map_err(|_| ExportError::Checkpoint)?;
        if claim.origin != key.name() {
            return Err(ExportError::Checkpoint);
        }
        let tree = from
            .checked_sub(1)
            .filter(|_| from <= claim.size)
            .and_then(|before| Frontier::resume(before, prefix.clone()))
            .ok_or(ExportError::Prefix(from))?;
        let header = Header {
            format: FORMAT.to_owned(),
            tenant,
            origin: claim.origin.clone(),
            key: key.clone(),
            from,
            to: claim.size,
            prefix,
            checkpoint: checkpoint.note().to_owned(),
        };
        writeln!(to, "{}", header.line().map_err(io::Error::from)?)?;
        Ok(Self {
            to,
            header,
            tree,
            root: claim.root,
        })
    }

    /// Writes the next entry.
    ///
    /// # Errors
    /// [`ExportError`], for one that does not belong there.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), ExportError> {
        let mut text = line::write(entry);
        let expected = self.tree.size() + 1;
        let line =
            Line::read(text.as_bytes()).map_err(|fault| ExportError::Line(expected, fault))?;
        if u64::try_from(line.tenant_seq) != Ok(expected) || expected > self.header.to {
            return Err(ExportError::Order {
                expected,
                found: line.tenant_seq,
            });
        }
        if line.tenant != self.header.tenant.id {
            return Err(ExportError::Tenant(expected));
        }
        self.tree.push(line.leaf());
        text.push('\n');
        self.to.write_all(text.as_bytes())?;
        Ok(())
    }

    /// The number of the entry that is due; none when the export has its last one.
    pub fn due(&self) -> Option<u64> {
        Some(self.tree.size() + 1).filter(|due| *due <= self.header.to)
    }

    /// Ends the export, after its last entry.
    ///
    /// # Errors
    /// [`ExportError::Root`], when entries are missing or others than were sealed.
    pub fn finish(mut self) -> Result<W, ExportError> {
        if self.tree.size() != self.header.to || self.tree.root() != self.root {
            return Err(ExportError::Root(self.header.to));
        }
        self.to.flush()?;
        Ok(self.to)
    }
}
