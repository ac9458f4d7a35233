//! Files that nobody else may read, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use chancery_event_store::files::{self, Owner};
use tempfile::NamedTempFile;

/// Creates the file with mode 0600, for its directory's owner. `false` when there is one already, which is then
/// untouched.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    persisted_new(path, written(path, content)?)
}

/// The same, for whom another file is, or not at all.
pub(super) fn create_like(path: &Path, like: &Path, content: &[u8]) -> io::Result<bool> {
    let file = written(path, content)?;
    give(file.as_file(), &Owner::of(like)?)?;
    persisted_new(path, file)
}

fn persisted_new(path: &Path, file: NamedTempFile) -> io::Result<bool> {
    match file.persist_noclobber(path) {
        Ok(_) => sync_directory(path).map(|()| true),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(refused.error),
    }
}

/// Creates the file in place of any that is there, for the same owner where this user may give it to them.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = written(path, content)?;
    match give(file.as_file(), &Owner::of(path)?) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
        _ => {}
    }
    persisted(path, file)
}

/// The same, for whom another file is, or not at all.
pub(super) fn replace_like(path: &Path, like: &Path, content: &[u8]) -> io::Result<()> {
    let file = written(path, content)?;
    give(file.as_file(), &Owner::of(like)?)?;
    persisted(path, file)
}

fn persisted(path: &Path, file: NamedTempFile) -> io::Result<()> {
    file.persist(path).map_err(|refused| refused.error)?;
    sync_directory(path)
}

/// A group that may read the file that was there goes on to, and everybody never.
fn give(file: &File, to: &Owner) -> io::Result<()> {
    to.give(file)?;
    to.keep_mode(file)?;
    let mode = file.metadata()?.mode();
    file.set_permissions(fs::Permissions::from_mode(mode & 0o770))
}

/// The content, synced, under another name in the same directory, for the directory's owner. The file goes away
/// again with the value.
fn written(path: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let directory = files::directory(path);
    // Mode 0600 is what it gives a file of its own.
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(directory)?;
    // Of a file that is not there the owner is the directory's.
    Owner::of(&directory.join(".new"))?.give(file.as_file())?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes the name as durable as the content.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(files::directory(path))?.sync_all()
}

/// Reads a small file, and no more than `limit` bytes of it.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    io::Read::read_to_end(
        &mut io::Read::take(fs::File::open(path)?, limit),
        &mut content,
    )?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_that_is_there_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert!(create(&path, b"one").unwrap());
        assert!(!create(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing half-made stays"
        );
    }

    #[test]
    fn of_many_that_create_it_at_once_one_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let created: Vec<_> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8_u8)
                .map(|i| {
                    scope.spawn({
                        let path = &path;
                        move || (i, create(path, &[i]).unwrap())
                    })
                })
                .collect();
            tries
                .into_iter()
                .map(|t| t.join().unwrap())
                .filter(|(_, won)| *won)
                .collect()
        });
        assert_eq!(created.len(), 1);
        assert_eq!(fs::read(&path).unwrap(), [created[0].0]);
    }

    #[test]
    fn a_replaced_file_becomes_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "open").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        replace(&path, b"closed").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"closed");
        assert_eq!(
            mode(&path),
            0o640,
            "whoever it was shared with reads it, and not everybody"
        );
    }
}
