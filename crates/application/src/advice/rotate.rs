//! What a rotation takes away from those who use the secrets that there were.

use chancery_domain::{
    ClientId, TenantId, Timestamp, client::Client, secret_rotation::SecretRotation,
};

use super::{DAY, HOUR, Known, obtains_none};
use crate::Application;

/// What was known of a client's secrets before they were rotated. None: it could not be seen.
pub(crate) struct Before(Option<Vec<Known>>);

impl Application {
    /// To be asked before a rotation: after it, it would be too late to see who used what.
    pub(crate) async fn before_rotation(&self, tenant: TenantId, client: ClientId) -> Before {
        let known = async {
            let mut uses = self.parts.log.uses(tenant).await?;
            self.known(tenant, client, (&mut uses, self.now())).await
        };
        match known.await {
            Ok((.., known)) => Before(Some(known)),
            Err(error) => {
                tracing::warn!(
                    error = chancery_telemetry::causes(&error),
                    "whether a client's secrets are in use could not be seen"
                );
                Before(None)
            }
        }
    }
}

impl Before {
    /// What is to be said of a rotation: who is cut off, and whose time has become shorter.
    pub(crate) fn warnings(&self, after: &SecretRotation, now: Timestamp) -> Vec<String> {
        let Some(before) = &self.0 else {
            return vec![
                "it could not be seen whether the secrets before it were in use".to_owned(),
            ];
        };
        before
            .iter()
            .filter_map(|it| {
                let secret = after.secrets.get(&it.accepted.id.parse().ok()?)?;
                taken(it, secret.retires_at?, now)
            })
            .collect()
    }
}

/// What one of them has lost, now that it retires at a moment.
fn taken(it: &Known, retires_at: Timestamp, now: Timestamp) -> Option<String> {
    let (secret, used) = (&it.accepted.id, it.used());
    let in_use = it.last.as_ref();
    let in_use = in_use.is_some_and(|last| now.seconds() - last.at.seconds() < DAY);
    let put_off = it.accepted.retires_at.filter(|before| *before > retires_at);
    if retires_at <= now {
        return in_use.then(|| format!("{secret} has ended with this; {used}"));
    }
    let soon = in_use && retires_at < now.plus_seconds(HOUR);
    match put_off {
        Some(before) => Some(format!(
            "{secret} was to retire at {before} and retires at {retires_at} now; {used}; deferSecretRetirement gives it more time"
        )),
        None => soon.then(|| {
            format!(
                "{secret} retires at {retires_at}; {used}; deferSecretRetirement gives it more time"
            )
        }),
    }
}

/// What is to be said of a new secret for a client that obtains no tokens.
pub(crate) fn of_no_use(client: &Client, now: Timestamp) -> Option<String> {
    let why = obtains_none(client, now).strip_prefix("; ")?;
    Some(format!(
        "{why}: it obtains no tokens, with this secret neither"
    ))
}
