use std::{
    io::{self, Write},
    sync::Arc,
};

use chancery_application::{Caller, Error};
use chancery_domain::{
    ClientId,
    access::AdminScope,
    value::{ClientName, Slug},
};
use clap::Subcommand;
use nix::unistd::{Uid, User};

use crate::{
    clock::SystemClock,
    config::Config,
    exit::Failure,
    start::{self, Process},
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
    /// Make a link that signs a client in to the console, once, within five minutes
    #[command(
        after_help = "Example: chancery operator link --tenant acme --client client_01h…\n\nWithout --client it is for the oldest client that administers the tenant. Whoever has the link can use it: hand it to nobody."
    )]
    Link {
        /// The slug of the tenant that the client belongs to
        #[arg(long, default_value = Slug::SYSTEM)]
        tenant: String,
        /// The client's id
        #[arg(long)]
        client: Option<ClientId>,
        /// As a JSON object
        #[arg(long)]
        json: bool,
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
    let (tenant, name, scopes) = match command {
        OperatorCommand::Create {
            tenant,
            name,
            scopes,
        } => (tenant, name, scopes),
        OperatorCommand::Link {
            tenant,
            client,
            json,
        } => return link(config, tenant, *client, *json).await,
    };
    let slug = slug(tenant)?;
    let name =
        ClientName::parse(name).map_err(|invalid| Failure::input(format!("--name {invalid}")))?;

    start::require_database(config)?;
    let clock = Arc::new(SystemClock::new());
    let platform = start::platform(config, Process::Command, &clock).await?;
    let caller = Caller::at_the_command_line(&user()?);
    let credential = platform
        .application
        .create_operator(&caller, &slug, name, scopes)
        .await
        .map_err(|error| failed(&error, &slug))?;
    let mut json = serde_json::to_string_pretty(&credential).map_err(Failure::system)?;
    json.push('\n');
    platform.close().await;
    say_where_it_leads(config);
    io::stdout().write_all(json.as_bytes()).map_err(|error| {
        Failure::system(format!(
            "the operator was made, and its credential could not be printed ({error}); delete that client and make another"
        ))
    })
}

/// At a prompt it may be said which tenant is not there.
fn failed(error: &Error, slug: &Slug) -> Failure {
    match error {
        Error::NotFound { what: "tenant" } => Failure::input(format!("{error}: `{slug}`")),
        error => Failure::application(error),
    }
}

/// A server that was told its address by flags has told nobody else.
fn say_where_it_leads(config: &Config) {
    if config.address_is_assumed() {
        eprintln!(
            "the URLs begin with {}, the default; where `serve` was given --listen or --public-url, give them here too, or set public_url in chancery.toml",
            config.public_url
        );
    }
}

fn slug(tenant: &str) -> Result<Slug, Failure> {
    Slug::parse(tenant).map_err(|invalid| Failure::input(format!("--tenant {invalid}")))
}

/// The code stands behind `#`: no browser sends it, and no log of a proxy has it.
async fn link(
    config: &Config,
    tenant: &str,
    client: Option<ClientId>,
    json: bool,
) -> Result<(), Failure> {
    let slug = slug(tenant)?;
    start::require_database(config)?;
    let clock = Arc::new(SystemClock::new());
    let platform = start::platform(config, Process::Command, &clock).await?;
    let caller = Caller::at_the_command_line(&user()?);
    let application = &platform.application;
    let made = application.sign_in_link(&caller, &slug, client).await;
    let (client, code) = made.map_err(|error| failed(&error, &slug))?;
    let address = application.console_url();
    let link = format!("{address}/console/link#{}", code.reveal());
    let text = if json {
        format!(
            "{}\n",
            serde_json::json!({"link": link, "client_id": client.to_string()})
        )
    } else {
        format!("{link}\n")
    };
    platform.close().await;
    say_where_it_leads(config);
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::system(format!("the link could not be printed: {error}")))
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
