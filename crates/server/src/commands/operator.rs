use std::io::{self, Write};

use chancery_application::Caller;
use chancery_domain::{
    access::AdminScope,
    value::{ClientName, Slug},
};
use clap::Subcommand;
use nix::unistd::{Uid, User};

use crate::{
    config::Config,
    exit::Failure,
    start::{self, Newer},
};

/// What can be done about operators.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Make a client that holds scopes of the admin API, and print its credential as JSON
    #[command(
        after_help = "Example: chancery operator create --tenant acme --name 'acme admin' --scope tenant:admin"
    )]
    Create {
        /// The slug of the tenant that the client belongs to
        #[arg(long, default_value = Slug::SYSTEM)]
        tenant: String,
        /// What people call it
        #[arg(long)]
        name: String,
        /// What it may do: platform:admin, platform:read, tenant:admin, tenant:read, audit:read
        #[arg(long = "scope", required = true, value_parser = admin_scope, num_args = 1..)]
        scopes: Vec<AdminScope>,
    },
}

fn admin_scope(text: &str) -> Result<AdminScope, String> {
    AdminScope::ALL
        .iter()
        .copied()
        .find(|scope| scope.as_str() == text)
        .ok_or_else(|| {
            "one of platform:admin, platform:read, tenant:admin, tenant:read, audit:read".to_owned()
        })
}

/// Runs one of them.
pub(crate) async fn run(config: &Config, command: &OperatorCommand) -> Result<(), Failure> {
    let OperatorCommand::Create {
        tenant,
        name,
        scopes,
    } = command;
    let slug =
        Slug::parse(tenant).map_err(|invalid| Failure::input(format!("--tenant {invalid}")))?;
    let name =
        ClientName::parse(name).map_err(|invalid| Failure::input(format!("--name {invalid}")))?;

    start::require_database(config)?;
    let platform = start::platform(config, Newer::Refuse).await?;
    let caller = Caller::at_the_command_line(&user()?);
    let credential = platform
        .application
        .create_operator(&caller, &slug, name, scopes)
        .await
        .map_err(|error| Failure::application(&error))?;
    let mut json = serde_json::to_string_pretty(&credential).map_err(Failure::system)?;
    json.push('\n');
    platform.close().await;
    io::stdout().write_all(json.as_bytes()).map_err(|error| {
        Failure::system(format!(
            "the operator was made, and its credential could not be printed ({error}); delete that client and make another"
        ))
    })
}

/// The operating system's user: who stands in the roll. Under `sudo` it is who called it; otherwise
/// the environment is not asked, since anybody can write there.
fn user() -> Result<String, Failure> {
    let uid = Uid::current();
    if uid.is_root()
        && let Some(caller) = std::env::var("SUDO_USER")
            .ok()
            .filter(|user| !user.is_empty())
    {
        return Ok(caller);
    }
    let user = User::from_uid(uid).map_err(Failure::system)?;
    Ok(user.map_or_else(|| format!("uid {uid}"), |user| user.name))
}
