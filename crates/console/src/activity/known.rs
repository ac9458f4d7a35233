//! What is known of those whom records name by id: looked up once for a page.

use std::collections::{BTreeMap, BTreeSet};

use chancery_application::{Activity, Needs};
use chancery_domain::{ClientId, SecretId, value::Slug};
use maud::{Markup, html};

use crate::{clients::called, show, stop::Stop, within::Within};

/// Names of clients of the tenant, and the ends of their secrets.
#[derive(Default)]
pub(super) struct Known {
    clients: BTreeMap<ClientId, String>,
    secrets: BTreeMap<SecretId, String>,
    /// Names of those of the operators' tenant, for whoever may read that.
    operators: BTreeMap<ClientId, String>,
}

/// Who looks into a tenant, or ends a session there, need be no client of it.
async fn operators(within: &Within, ids: &[ClientId]) -> Result<BTreeMap<ClientId, String>, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let Ok(system) = application.tenant_named(caller, Slug::SYSTEM).await else {
        return Ok(BTreeMap::new());
    };
    if ids.is_empty() || system == within.tenant || !caller.may(Needs::TenantRead, system) {
        return Ok(BTreeMap::new());
    }
    let found = application.clients_of(caller, system, ids).await?;
    let named = found.into_iter();
    Ok(named
        .map(|(id, row)| (id, format!("{} (operator)", called(id, &row.state))))
        .collect())
}

/// What is known of those on a page. Who may audit need not be one who may read clients: then their ids have to do.
pub(super) async fn of(within: &Within, records: &[&Activity]) -> Result<Known, Stop> {
    if !within.may(Needs::TenantRead) {
        return Ok(Known::default());
    }
    let named = records.iter().flat_map(|record| {
        let whom = record.audience.iter().map(String::as_str);
        record.client.as_deref().into_iter().chain(whom)
    });
    let ids: BTreeSet<ClientId> = named.filter_map(|id| id.parse().ok()).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let clients = application.clients_of(caller, within.tenant, &ids).await?;
    let secrets = application
        .client_secrets_of(caller, within.tenant, &ids)
        .await?;
    let secrets = secrets.into_values().flat_map(|row| row.state.secrets);
    let others: Vec<_> = ids
        .iter()
        .filter(|id| !clients.contains_key(id))
        .copied()
        .collect();
    Ok(Known {
        operators: operators(within, &others).await?,
        clients: clients
            .into_iter()
            .map(|(id, row)| (id, called(id, &row.state)))
            .collect(),
        secrets: secrets
            .map(|(id, secret)| (id, secret.hint.as_str().to_owned()))
            .collect(),
    })
}

impl Known {
    /// Who it was, with a link where there is a page of theirs in this tenant.
    pub(super) fn client(&self, within: &Within, sent: Option<&str>) -> Markup {
        let id = sent.and_then(|sent| sent.parse::<ClientId>().ok());
        let name = id.and_then(|id| Some((id, self.clients.get(&id)?)));
        let operator = id.and_then(|id| self.operators.get(&id));
        html! {
            @match (name, sent) {
                (None, Some(sent)) if operator.is_some() => span title=(sent) { (show::or_dash(operator)) },
                (Some((id, name)), _) => a href=(within.at(&format!("/clients/{id}"))) { (name) },
                (None, Some(sent)) => code { (sent) },
                (None, None) => span.quiet { "–" },
            }
        }
    }

    /// What they proved it with.
    pub(super) fn credential(&self, credential: &str) -> Markup {
        let id = credential.parse::<SecretId>().ok();
        let hint = id.and_then(|id| self.secrets.get(&id));
        html! {
            @match hint {
                Some(hint) => span.quiet.hint-of title=(credential) { "secret …" (hint) },
                None => code.quiet { (credential) },
            }
        }
    }
}
