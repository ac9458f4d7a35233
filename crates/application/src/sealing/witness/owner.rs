//! Whose the files are. A command may be run by another user than the server, and the server must still be
//! able to read what was written.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

/// Who owns what is remembered, and who may read it.
pub(super) struct Owner {
    uid: u32,
    gid: u32,
    /// The mode of the file, where there is one: a directory says nothing about its files.
    mode: Option<u32>,
}

impl Owner {
    /// The owner of this file, or of its directory where there is none yet.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let (is, is_file) = match fs::metadata(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = path.parent().filter(|path| *path != Path::new(""));
                (fs::metadata(directory.unwrap_or(Path::new(".")))?, false)
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            uid: is.uid(),
            gid: is.gid(),
            mode: is_file.then_some(is.mode() & 0o777),
        })
    }

    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// Makes the file theirs. Only an owner of files that are there is insisted on: a server may use a
    /// directory of somebody else's.
    pub(super) fn give(&self, file: &File) -> io::Result<()> {
        if file.metadata()?.uid() == self.uid {
            return Ok(());
        }
        match fchown(file, Some(self.uid), Some(self.gid)) {
            Err(error) if self.mode.is_some() => Err(error),
            _ => Ok(()),
        }
    }

    /// Whoever could read the file that this one takes the place of can read it, and nobody else: where its
    /// group cannot be kept, another one must not read it.
    pub(super) fn keep_mode(&self, file: &File) -> io::Result<()> {
        let Some(mode) = self.mode else { return Ok(()) };
        let is_in_group =
            file.metadata()?.gid() == self.gid || fchown(file, None, Some(self.gid)).is_ok();
        let mode = if is_in_group { mode } else { mode & !0o070 };
        file.set_permissions(Permissions::from_mode(mode))
    }
}
