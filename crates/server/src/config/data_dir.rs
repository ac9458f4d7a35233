//! The data directory.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::private_file;

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// It is not there and cannot be made.
    #[error("the data directory {} cannot be created ({error}); create it for this user, or set data_dir to another", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is a file.
    #[error("{} is not a directory; set data_dir to one", path.display())]
    NotADirectory {
        /// What it is instead.
        path: PathBuf,
    },
    /// Nothing can be written into it.
    #[error("the data directory {} cannot be written ({error}); give it to this user, or set data_dir to another", path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Makes sure that the directory is there and can be written. A new one has mode 0700; the mode of
/// one that is there is its owner's choice.
pub(crate) fn prepare(path: &Path) -> Result<(), DataDirError> {
    create(path).map_err(|error| DataDirError::Create {
        path: path.to_owned(),
        error,
    })?;
    if !path.is_dir() {
        return Err(DataDirError::NotADirectory {
            path: path.to_owned(),
        });
    }
    // A file without a name, which leaves nothing behind.
    tempfile::tempfile_in(path)
        .map(drop)
        .map_err(|error| DataDirError::Unwritable {
            path: path.to_owned(),
            error,
        })
}

fn create(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => private_file::sync_directory(path),
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_created_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some/where/chancery-data");
        prepare(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(
            fs::read_dir(&path).unwrap().count(),
            0,
            "nothing stays behind"
        );
        prepare(&path).unwrap();
    }

    #[test]
    fn keeps_the_mode_that_its_owner_chose() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o750)).unwrap();
        prepare(dir.path()).unwrap();
        assert_eq!(
            fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777,
            0o750
        );
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        assert!(matches!(
            prepare(&path),
            Err(DataDirError::NotADirectory { .. })
        ));
        let error = prepare(&path.join("below")).unwrap_err();
        assert!(matches!(error, DataDirError::Create { .. }), "{error}");
    }

    // Where even the administrator cannot write; modes would not stop one.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_directory_that_cannot_be_written_is_refused() {
        let error = prepare(Path::new("/proc/self")).unwrap_err();
        assert!(matches!(error, DataDirError::Unwritable { .. }), "{error}");
        let error = prepare(Path::new("/proc/self/chancery-data")).unwrap_err();
        assert!(matches!(error, DataDirError::Create { .. }), "{error}");
    }
}
