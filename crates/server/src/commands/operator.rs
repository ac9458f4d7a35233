use chancery_application::Caller;
use chancery_domain::{
    access::AdminScope,
    value::{ClientName, Slug},
};
use clap::Subcommand;

use crate::{config::Config, exit::Failure, start};

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

    let platform = start::platform(config).await?;
    let caller = Caller::at_the_command_line(&user());
    let credential = platform
        .application
        .create_operator(&caller, &slug, name, scopes)
        .await
        .map_err(|error| Failure::application(&error))?;
    let json = serde_json::to_string_pretty(&credential).map_err(Failure::system)?;
    platform.close().await;
    println!("{json}");
    Ok(())
}

/// The operating system's user: who stands in the roll.
fn user() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}
