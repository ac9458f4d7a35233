use std::io::{self, Write};

use crate::{config::Config, exit::Failure};

/// Prints the effective configuration.
pub(crate) fn run(config: &Config, json: bool) -> Result<(), Failure> {
    let report = config.report();
    let text = if json {
        let mut text = serde_json::to_string_pretty(&report).map_err(Failure::system)?;
        text.push('\n');
        text
    } else {
        report.to_string()
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads the other end of a pipe may have seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::system),
    }
}
