//! The master key that `serve` has made, and the one that follows it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use chancery_crypto::{Entropy, MasterKey, MasterKeyId};
use chancery_event_store::files;
use zeroize::Zeroizing;

use super::{
    master_key::{KEY_FILE, KeySourceError, read},
    private_file,
};

/// The next key's file beside the first, while everything is re-sealed under that.
pub(super) const NEXT_KEY_FILE: &str = "master.next.key";

/// The generated key, and the one that follows it.
#[derive(Clone, Debug)]
pub(crate) struct GeneratedKeys {
    /// The key, and its file.
    pub(crate) key: PathBuf,
    /// The file of the next one, until it has taken the place of the first.
    pub(crate) next: PathBuf,
}

/// As long as it lives, no other process changes the keys over. It goes with its process, however that ends.
#[derive(Debug)]
pub(crate) struct Held {
    _directory: File,
}

impl GeneratedKeys {
    pub(super) fn of(directory: &Path) -> Self {
        Self {
            key: directory.join(KEY_FILE),
            next: directory.join(NEXT_KEY_FILE),
        }
    }

    /// Waits until no other process changes the keys over; `waits` is called where there is one. What was
    /// read of the keys before may be of the past by then.
    ///
    /// It is their directory that is locked: it is always there, and leaves no file that would have to be
    /// somebody's.
    pub(crate) fn hold(&self, waits: impl FnOnce()) -> Result<Held, KeySourceError> {
        let path = files::directory(&self.key);
        let lock = || {
            let directory = File::open(path)?;
            match directory.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    waits();
                    directory.lock()?;
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            Ok(directory)
        };
        match lock() {
            Ok(directory) => Ok(Held {
                _directory: directory,
            }),
            Err(error) => Err(KeySourceError::Unlockable {
                path: path.to_owned(),
                error,
            }),
        }
    }

    /// The next key: the one that was made before a rotation was interrupted, or a new one.
    pub(crate) fn make_next(
        &self,
        _held: &Held,
        entropy: &dyn Entropy,
    ) -> Result<MasterKey, KeySourceError> {
        let key = MasterKey::generate(entropy);
        let text = Zeroizing::new(format!("{}\n", *key.to_base64()));
        // The servers have to read it, who may run under another user than this command.
        let made = private_file::create_like(&self.next, &self.key, text.as_bytes());
        made.map_err(|error| KeySourceError::Uncreatable {
            path: self.next.clone(),
            error,
        })?;
        read(&self.next)
    }

    /// Puts the next key in the place of the first, which is kept under its id: backups of the database
    /// need it. Whatever else is in one of the two files may be the only copy of a key that is needed, so
    /// then neither is touched.
    pub(crate) fn change_over(
        &self,
        _held: &Held,
        first: &MasterKeyId,
        next: &MasterKeyId,
    ) -> Result<PathBuf, KeySourceError> {
        let holds = |path: &Path, expected: &MasterKeyId| {
            let (key, expected) = (read(path)?, expected.clone());
            let (path, found) = (path.to_owned(), key.id());
            if found == expected {
                return Ok(key);
            }
            Err(KeySourceError::Changed {
                path,
                found,
                expected,
            })
        };
        let before = holds(&self.key, first)?;
        holds(&self.next, next)?;
        let kept = self.key.with_file_name(format!("master-{first}.key"));
        let uncreatable = |path: &Path, error| KeySourceError::Uncreatable {
            path: path.to_owned(),
            error,
        };
        let text = Zeroizing::new(format!("{}\n", *before.to_base64()));
        private_file::replace_like(&kept, &self.key, text.as_bytes())
            .map_err(|error| uncreatable(&kept, error))?;
        std::fs::rename(&self.next, &self.key)
            .and_then(|()| private_file::sync_directory(&self.key))
            .map_err(|error| uncreatable(&self.key, error))?;
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_crypto::SeededEntropy;

    fn made(path: &Path, seed: u64) -> MasterKeyId {
        let key = MasterKey::generate(&SeededEntropy::new(seed));
        std::fs::write(path, &*key.to_base64()).unwrap();
        key.id()
    }

    #[test]
    fn no_key_is_replaced_but_the_one_that_was_followed_by_the_one_that_follows() {
        let directory = tempfile::tempdir().unwrap();
        let keys = GeneratedKeys::of(directory.path());
        let held = keys.hold(|| ()).unwrap();
        let (one, two) = (made(&keys.key, 1), made(&keys.next, 2));
        // Another has put the second in its place, and begun with a third.
        let three = made(&keys.next, 3);
        for (first, next) in [(&one, &two), (&two, &three), (&two, &one)] {
            let refused = keys.change_over(&held, first, next);
            assert!(
                matches!(refused, Err(KeySourceError::Changed { .. })),
                "{refused:?}"
            );
        }
        assert_eq!(read(&keys.key).unwrap().id(), one);
        assert_eq!(read(&keys.next).unwrap().id(), three);
        let kept = keys.change_over(&held, &one, &three).unwrap();
        assert_eq!(read(&kept).unwrap().id(), one);
        assert_eq!(read(&keys.key).unwrap().id(), three);
        assert!(!keys.next.exists());
    }

    #[test]
    fn one_at_a_time_holds_them() {
        let directory = tempfile::tempdir().unwrap();
        let keys = GeneratedKeys::of(directory.path());
        let held = keys.hold(|| panic!("nobody holds them")).unwrap();
        let (waits, waiting) = std::sync::mpsc::channel();
        let other = {
            let keys = keys.clone();
            std::thread::spawn(move || keys.hold(|| waits.send(()).unwrap()).map(drop))
        };
        waiting.recv().unwrap();
        drop(held);
        other.join().unwrap().unwrap();
        keys.hold(|| panic!("nobody holds them")).unwrap();
    }
}
