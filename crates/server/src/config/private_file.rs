//! Files that nobody else may read, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Creates the file with mode 0600. `false` when there is one already, which is then untouched.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    match written(path, content)?.persist_noclobber(path) {
        Ok(_) => sync_directory(path).map(|()| true),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(refused.error),
    }
}

/// Creates the file with mode 0600, in place of any that is there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    written(path, content)?
        .persist(path)
        .map_err(|refused| refused.error)?;
    sync_directory(path)
}

/// The content, synced, under another name in the same directory. The file goes away again with
/// the value.
fn written(path: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    // Mode 0600 is what it gives a file of its own.
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(directory(path))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes the name as durable as the content.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
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
        assert_eq!(mode(&path), 0o600);
    }
}
