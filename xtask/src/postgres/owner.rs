//! Who owns the cluster: PostgreSQL refuses to run as root.

use std::env;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::error::Error;

/// The user as whom PostgreSQL runs.
pub(super) enum Owner {
    /// The user who started us.
    Ourselves,
    /// We are root, and this is somebody who is not.
    Other { user: u32, group: u32 },
}

impl Owner {
    /// Ourselves, or for root the users `postgres` and `nobody`, whichever there is.
    pub(super) fn of_cluster() -> Result<Self, Error> {
        if !geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some(Self::Other { user: id("-u", name)?, group: id("-g", name)? }))
            .ok_or_else(|| {
                Error::Unusable(
                    "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`: \
                     create one, or run this as another user"
                        .into(),
                )
            })
    }

    /// A directory that belongs to the owner and that nobody else can enter.
    pub(super) fn temporary_directory(&self) -> Result<TempDir, Error> {
        // Root's own TMPDIR may lie where no other user can go.
        let parent = match self {
            Self::Ourselves => env::temp_dir(),
            Self::Other { .. } => PathBuf::from("/tmp"),
        };
        // Short, because the path of a Unix socket may have about a hundred bytes.
        let directory = tempfile::Builder::new()
            .prefix("chancery-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(Error::io("create a temporary directory"))?;
        if let Self::Other { user, group } = self {
            chown(directory.path(), Some(*user), Some(*group))
                .map_err(Error::io("give the temporary directory away"))?;
        }
        Ok(directory)
    }

    /// Makes the command run as the owner, and out of reach of Ctrl-C.
    pub(super) fn applied_to(&self, command: &mut Command) {
        command.process_group(0);
        if let Self::Other { user, group } = self {
            command.uid(*user).gid(*group);
        }
    }
}

fn id(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id")
        .args([flag, name])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
