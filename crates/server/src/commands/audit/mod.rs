mod export;

use std::path::PathBuf;

use clap::Subcommand;

use crate::{config::Config, exit::Failure};

/// What auditors do with a roll.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Write a tenant's roll as NDJSON, sealed up to its end
    #[command(
        after_help = "Example: chancery audit export --tenant acme -o acme.ndjson\n\nWorks beside a running server. Exit status 1: the roll is not as it was sealed."
    )]
    Export {
        /// The tenant's slug
        #[arg(long)]
        tenant: String,
        /// The first entry
        #[arg(long, default_value_t = 1, value_name = "NUMBER")]
        from: u64,
        /// Where to write it; standard output when left out. The file appears when it is whole
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Runs one of them.
pub(crate) async fn run(config: &Config, command: &AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Export {
            tenant,
            from,
            output,
        } => export::run(config, tenant, *from, output.as_deref()).await,
    }
}
