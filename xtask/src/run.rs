//! Running other programs in the open: each is printed first, as one could type it.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::Error;
use crate::interrupts::Interrupts;

/// How often a running program and the signals are looked at.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// The cargo that runs us, without what it told us of ourselves: some build scripts look at that, and
/// would build anew after every change between `cargo` and `cargo xtask`.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Whether `cargo <subcommand>` is installed.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    cargo()
        .args([subcommand, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Prints the command and runs it to its end. `started` learns its process id.
///
/// A signal that only we received is passed on; the program's end is awaited in any case.
pub(crate) fn run(
    command: &mut Command,
    interrupts: &Interrupts,
    started: impl FnOnce(u32),
) -> Result<ExitStatus, Error> {
    let line = display(command);
    eprintln!("$ {line}");
    let mut child = command
        .spawn()
        .map_err(Error::io(format!("run `{line}`")))?;
    started(child.id());
    let status = wait(&mut child, interrupts).map_err(Error::io(format!("wait for `{line}`")))?;
    interrupts.check()?;
    Ok(status)
}

fn wait(child: &mut Child, interrupts: &Interrupts) -> std::io::Result<ExitStatus> {
    let mut passed_on = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupts.must_be_passed_on() && !passed_on {
            passed_on = true;
            kill_process(Pid::from_child(child), Signal::TERM)?;
        }
        thread::sleep(POLL);
    }
}

fn display(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    // Where temporary files go is of no use to a reader.
    let settings = command
        .get_envs()
        .filter(|(key, _)| *key != "TMPDIR")
        .filter_map(|(key, value)| {
            Some(format!(
                "{}={}",
                key.to_string_lossy(),
                value?.to_string_lossy()
            ))
        });
    let words = std::iter::once(program).chain(command.get_args());
    settings
        .chain(words.map(|word| word.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}
