//! Whose the files of a data directory are. A command that the administrator gives makes and replaces files that
//! a server under another user has to read afterwards: they belong to that user, whoever made them.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::Path,
};

/// Who owns a file, or what is to take its place, and who may read it.
pub struct Owner {
    uid: u32,
    gid: u32,
    /// The mode of the file, where there is one: a directory says nothing about its files.
    mode: Option<u32>,
}

impl Owner {
    /// The owner of this file, or of its directory where there is none yet.
    ///
    /// # Errors
    /// When neither can be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let (is, is_file) = match fs::metadata(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (fs::metadata(directory(path))?, false)
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            uid: is.uid(),
            gid: is.gid(),
            mode: is_file.then_some(is.mode() & 0o777),
        })
    }

    /// Who they are.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Makes the file theirs. Only an owner of files that are there is insisted on: a server may use a
    /// directory of somebody else's.
    ///
    /// # Errors
    /// When the owner of a file that is there could not read what takes its place.
    pub fn give(&self, file: &File) -> io::Result<()> {
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
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn keep_mode(&self, file: &File) -> io::Result<()> {
        let Some(mode) = self.mode else { return Ok(()) };
        let is_in_group =
            file.metadata()?.gid() == self.gid || fchown(file, None, Some(self.gid)).is_ok();
        let mode = if is_in_group { mode } else { mode & !0o070 };
        file.set_permissions(Permissions::from_mode(mode))
    }
}

/// Makes a file for its directory's owner alone.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], and whatever the system says.
pub fn make(path: &Path) -> io::Result<File> {
    let owner = Owner::of(path)?;
    let mut new = OpenOptions::new();
    let file = new.write(true).create_new(true).mode(0o600).open(path)?;
    // Where there was none, nobody is insisted on.
    owner.give(&file)?;
    Ok(file)
}

/// Opens a file to write to it, and makes it for its directory's owner alone where it is not there.
///
/// # Errors
/// When it can be neither opened nor made.
pub fn open_or_make(path: &Path) -> io::Result<File> {
    match make(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path)
        }
        made => made,
    }
}

/// The directory that a file stands in.
pub fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    /// Gives it to a user who is not there, if this one may; and says to whom it belongs now.
    fn to_somebody(path: &Path, user: u32) -> (u32, u32) {
        match chown(path, Some(user), Some(user + 1)) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => panic!("{error}"),
            _ => owner(path),
        }
    }

    fn owner(path: &Path) -> (u32, u32) {
        let is = fs::metadata(path).unwrap();
        (is.uid(), is.gid())
    }

    #[test]
    fn a_new_file_belongs_to_the_owner_of_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let whose = to_somebody(directory.path(), 54_321);
        let path = directory.path().join("new");
        open_or_make(&path).unwrap();
        assert_eq!(owner(&path), whose);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        // What is there is opened, and is whose it was.
        let whose = to_somebody(&path, 54_331);
        open_or_make(&path).unwrap();
        assert_eq!(owner(&path), whose);
    }

    #[test]
    fn a_file_that_replaces_another_belongs_to_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        File::create(&old).unwrap();
        let whose = to_somebody(&old, 54_321);
        let file = File::create(&new).unwrap();
        Owner::of(&old).unwrap().give(&file).unwrap();
        assert_eq!(owner(&new), whose);
    }
}
