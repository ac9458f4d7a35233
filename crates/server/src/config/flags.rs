//! The flags that every command which needs the configuration takes.

use std::path::PathBuf;

use clap::Args;

use super::keys;

/// Settings on the command line. There is none for a secret: other users of the machine can read
/// the arguments of a process.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::doc_markdown, reason = "the comments are the text of --help")]
#[command(next_help_heading = "Configuration")]
pub(crate) struct ConfigFlags {
    /// The configuration file [default: chancery.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,

    /// What clients reach the server as, the base of every issuer [default: http://{listen}]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) public_url: Option<String>,

    /// sqlite://PATH or postgres://… [default: sqlite://{data_dir}/chancery.db]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,

    /// Embedded database, master key and operator credential [default: ./chancery-data]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) data_dir: Option<String>,

    /// A file with the master key: 32 bytes in base64 [default: made in the data directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) master_key_file: Option<String>,

    /// text or json [default: text on a terminal]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

impl ConfigFlags {
    /// The keys that were set, and only those.
    pub(super) fn set(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            (keys::LISTEN, &self.listen),
            (keys::PUBLIC_URL, &self.public_url),
            (keys::DATABASE_URL, &self.database_url),
            (keys::DATA_DIR, &self.data_dir),
            (keys::MASTER_KEY_FILE, &self.master_key_file),
            (keys::LOG_FORMAT, &self.log_format),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::keys::KEYS;
    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        flags: ConfigFlags,
    }

    #[test]
    fn every_key_with_a_flag_is_set_by_it() {
        for key in KEYS {
            let Some(flag) = key.flag else { continue };
            let flags = Cli::parse_from(["chancery", flag, "value"]).flags;
            assert_eq!(flags.set().collect::<Vec<_>>(), [(key.name, "value")]);
        }
    }

    #[test]
    fn a_flag_that_was_not_given_sets_nothing() {
        assert_eq!(Cli::parse_from(["chancery"]).flags.set().count(), 0);
    }

    #[test]
    fn an_unknown_flag_is_refused_with_the_one_that_was_meant() {
        let error = Cli::try_parse_from(["chancery", "--public-uri", "x"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--public-url"), "{error}");
    }
}
