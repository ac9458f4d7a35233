//! The script that outlives us by a moment and takes everything with it.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use crate::error::Error;

/// Owns the directory: it is deleted when this value is dropped, or when our process ends without
/// dropping anything.
pub(super) struct Watcher {
    directory: PathBuf,
    script: Child,
    /// `None` only while being dropped.
    pipe: Option<ChildStdin>,
}

impl Watcher {
    /// Hands the directory over to the script.
    pub(super) fn over(directory: TempDir) -> Result<Self, Error> {
        let mut script = Command::new("sh")
            .args(["-c", include_str!("watcher.sh"), "chancery-watcher"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A group of its own: Ctrl-C is for the tests, not for what cleans up after them.
            .process_group(0)
            .spawn()
            .map_err(Error::io("start `sh`"))?;
        let pipe = script.stdin.take();
        Ok(Self {
            directory: directory.keep(),
            script,
            pipe,
        })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Names the process that uses the cluster now, to be ended with it.
    pub(super) fn note_user(&mut self, process: Option<u32>) -> io::Result<()> {
        let line = process.map_or_else(|| "\n".to_owned(), |process| format!("{process}\n"));
        self.pipe
            .as_mut()
            .map_or(Ok(()), |pipe| pipe.write_all(line.as_bytes()))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // Nothing is left to be done about a failure here: the script ends by itself.
        let _ = self.script.wait();
    }
}
