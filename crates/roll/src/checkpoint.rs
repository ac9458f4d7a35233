//! Checkpoints: a C2SP signed note over a C2SP tlog checkpoint.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chancery_crypto::{NoteError, NoteKey, SignError, VerifierKey};

use crate::{hash::Hash, tree::MAX_SIZE};

/// What stands at the end of every origin.
const SUFFIX: &str = "/roll";

/// The origin of a tenant's roll: its issuer without the scheme, followed by `/roll`. It is fixed at
/// the tenant's first seal, and is the name of the key too.
pub fn origin(issuer: &str) -> String {
    let without_scheme = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    format!("{without_scheme}{SUFFIX}")
}

/// The slug of the tenant whose roll has this origin, if it is the origin of a roll at all.
pub fn slug_of(origin: &str) -> Option<&str> {
    let issuer = origin.strip_suffix(SUFFIX)?;
    let (authority, slug) = issuer.rsplit_once("/t/")?;
    (!authority.is_empty() && !slug.contains('/')).then_some(slug)
}

/// How great a log's tree was, and its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: see [`origin`].
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
}

/// Why a text is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a signed checkpoint: it should be an origin, a size and a root on three lines, an empty line and a signature"
)]
pub struct NotACheckpoint;

impl Checkpoint {
    /// The signed note.
    ///
    /// # Errors
    /// [`SignError`], also for an origin of several lines.
    pub fn sign(&self, key: &NoteKey) -> Result<String, SignError> {
        if self.origin.is_empty() || self.origin.contains('\n') {
            return Err(SignError);
        }
        key.sign(&self.to_string())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty())?;
        let size = lines.next()?;
        let root = lines.next()?.parse().ok()?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().ok().filter(|size| *size <= MAX_SIZE)?,
            root,
        };
        // Neither more lines nor another way to write the number.
        (checkpoint.to_string() == text).then_some(checkpoint)
    }
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)
    }
}

/// A signed note that claims to be a checkpoint, its signature not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: String,
    claim: Checkpoint,
}

impl SignedCheckpoint {
    /// Reads a signed note.
    ///
    /// # Errors
    /// [`NotACheckpoint`].
    pub fn parse(note: &str) -> Result<Self, NotACheckpoint> {
        let (text, signatures) = note.split_once("\n\n").ok_or(NotACheckpoint)?;
        let mut lines = signatures.lines();
        if signatures.is_empty() || !signatures.ends_with('\n') || !lines.all(is_signature) {
            return Err(NotACheckpoint);
        }
        let claim = Checkpoint::parse(&format!("{text}\n")).ok_or(NotACheckpoint)?;
        Ok(Self {
            note: note.to_owned(),
            claim,
        })
    }

    /// What it says, whoever says it.
    pub fn claim(&self) -> &Checkpoint {
        &self.claim
    }

    /// The whole note.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// What it says, if it is signed with this key.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn verify(&self, key: &VerifierKey) -> Result<&Checkpoint, NoteError> {
        let text = key.open(&self.note)?;
        if text == self.claim.to_string() {
            Ok(&self.claim)
        } else {
            Err(NoteError::Format)
        }
    }
}

/// Whether a line has the form of a signature, whoever's: a dash, a name, and base64 of four bytes of the
/// key and what it signed.
fn is_signature(line: &str) -> bool {
    let parts = line
        .strip_prefix("— ")
        .and_then(|rest| rest.split_once(' '));
    let Some((name, signature)) = parts else {
        return false;
    };
    let signature = STANDARD.decode(signature);
    !name.is_empty() && signature.is_ok_and(|bytes| bytes.len() > 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "auth.example.com/t/acme/roll";

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: Hash::leaf(b"x"),
        }
    }

    #[test]
    fn the_origin_is_the_issuer_without_its_scheme() {
        assert_eq!(origin("https://auth.example.com/t/acme"), ORIGIN);
        assert_eq!(
            origin("http://127.0.0.1:8080/t/acme"),
            "127.0.0.1:8080/t/acme/roll"
        );
        assert_eq!(slug_of(ORIGIN), Some("acme"));
        for other in ["", "/roll", "/t/acme/roll", "a/t/b/c/roll", "a/t/acme"] {
            assert_eq!(slug_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_signed() {
        let (key, _) = NoteKey::generate(ORIGIN).unwrap();
        for size in [0, 1, 1_000_000, MAX_SIZE] {
            let note = checkpoint(size).sign(&key).unwrap();
            let read = SignedCheckpoint::parse(&note).unwrap();
            assert_eq!(read.verify(key.verifier()), Ok(&checkpoint(size)));
            assert_eq!(read.note(), note);
        }
    }

    #[test]
    fn another_implementation_reads_it() {
        let (key, _) = NoteKey::generate(ORIGIN).unwrap();
        let note = checkpoint(7).sign(&key).unwrap();
        let note = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
        let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!((theirs.origin(), theirs.size()), (ORIGIN, 7));
        assert_eq!(&theirs.hash().0, checkpoint(7).root.as_bytes());
        assert_eq!(theirs.extension(), "");
    }

    #[test]
    fn what_is_not_exactly_a_checkpoint_is_refused() {
        let (key, _) = NoteKey::generate(ORIGIN).unwrap();
        let root = Hash::leaf(b"x");
        for text in [
            "one line\n".to_owned(),
            format!("{ORIGIN}\n7\n"),
            format!("{ORIGIN}\n07\n{root}\n"),
            format!("{ORIGIN}\n+7\n{root}\n"),
            format!("{ORIGIN}\n-7\n{root}\n"),
            format!("{ORIGIN}\n9223372036854775808\n{root}\n"),
            format!("{ORIGIN}\n7\n{root}\nmore\n"),
            format!("\n7\n{root}\n"),
        ] {
            let note = key.sign(&text).unwrap();
            assert_eq!(
                SignedCheckpoint::parse(&note),
                Err(NotACheckpoint),
                "{text}"
            );
        }
        assert!(SignedCheckpoint::parse("").is_err());
        let whole = checkpoint(7).sign(&key).unwrap();
        for end in 0..whole.len() {
            let Some(cut) = whole.get(..end) else {
                continue;
            };
            assert_eq!(SignedCheckpoint::parse(cut), Err(NotACheckpoint), "{cut}");
        }
        let several_lines = Checkpoint {
            origin: "a\n7".to_owned(),
            ..checkpoint(1)
        };
        assert!(several_lines.sign(&key).is_err());
    }
}
