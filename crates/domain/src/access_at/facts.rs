//! What holds, each with the entry that brought it about.

use std::collections::{BTreeMap, BTreeSet};

use super::{Obstacle, Since, World};
use crate::{
    client::{ClientEvent, ClientState},
    credential::CredentialId,
    envelope::Recorded,
    event::Event,
    id::{ApiId, SecretId},
    tenant::TenantState,
    time::Timestamp,
    value::{RoleName, Scope},
};

/// Something that holds or does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Tenant(TenantState),
    Client(ClientState),
    Obstacle(Obstacle),
    Granted(ApiId),
    Scope(ApiId, Scope),
    Role(ApiId, RoleName),
    /// The credential is accepted, or will be.
    Live(CredentialId),
}

/// What holds after some entries.
#[derive(Default)]
pub(super) struct Facts {
    held: BTreeMap<Fact, Since>,
    /// The entry that set the client's end.
    end: Option<Since>,
    /// The entries that set each secret's ends, with the ends.
    ends: BTreeMap<SecretId, (Since, Option<Timestamp>, Option<Timestamp>)>,
}

impl Facts {
    /// Since when it holds, if it does.
    pub(super) fn since(&self, fact: &Fact) -> Option<Since> {
        self.held.get(fact).copied()
    }

    pub(super) fn obstacles(&self) -> impl Iterator<Item = (Obstacle, Since)> {
        self.held.iter().filter_map(|(fact, since)| match fact {
            Fact::Obstacle(obstacle) => Some((*obstacle, *since)),
            _ => None,
        })
    }

    pub(super) fn scopes(&self, of: ApiId) -> impl Iterator<Item = (Scope, Since)> {
        self.held
            .iter()
            .filter_map(move |(fact, since)| match fact {
                Fact::Scope(api, scope) if *api == of => Some((scope.clone(), *since)),
                _ => None,
            })
    }

    pub(super) fn roles(&self, of: ApiId) -> impl Iterator<Item = (RoleName, Since)> {
        self.held
            .iter()
            .filter_map(move |(fact, since)| match fact {
                Fact::Role(api, role) if *api == of => Some((role.clone(), *since)),
                _ => None,
            })
    }

    /// What time alone has changed until this moment.
    pub(super) fn lapse(&mut self, world: &World, now: Timestamp) {
        let holding = holding(world, now);
        self.held.retain(|fact, _| holding.contains(fact));
        for fact in holding {
            if !self.held.contains_key(&fact)
                && let Some(since) = self.by_time(&fact, now)
            {
                self.held.insert(fact, since);
            }
        }
    }

    /// What an entry has changed.
    pub(super) fn follow(&mut self, world: &World, entry: &Recorded) {
        let since = Since {
            tenant_seq: entry.tenant_seq,
            event: entry.id,
            recorded_at: entry.recorded_at,
            from: entry.recorded_at,
        };
        let sets_end = matches!(
            &entry.event,
            Event::Client(
                ClientEvent::ClientCreated { .. } | ClientEvent::ClientExpiryChanged { .. }
            )
        );
        if sets_end && let Some(from) = world.client.as_ref().and_then(|client| client.expires_at) {
            self.end = Some(Since { from, ..since });
        }
        for (id, secret) in &world.secrets.secrets {
            let ends = (secret.expires_at, secret.retires_at);
            let known = self
                .ends
                .get(id)
                .map(|(_, expires, retires)| (*expires, *retires));
            if known != Some(ends) {
                self.ends.insert(*id, (since, ends.0, ends.1));
            }
        }
        let holding = holding(world, entry.recorded_at);
        self.held.retain(|fact, _| holding.contains(fact));
        for fact in holding {
            self.held.entry(fact).or_insert(since);
        }
    }

    /// The entry by which something came about later, by itself.
    fn by_time(&self, fact: &Fact, now: Timestamp) -> Option<Since> {
        match fact {
            Fact::Client(ClientState::Expired) | Fact::Obstacle(Obstacle::ClientExpired) => {
                self.end
            }
            // The last secret that ended.
            Fact::Obstacle(Obstacle::NoCredential) => {
                let ended = self.ends.values().filter_map(|(since, expires, retires)| {
                    let from = [*expires, *retires].into_iter().flatten().min()?;
                    (from <= now).then_some(Since { from, ..*since })
                });
                ended.max_by_key(|since| since.from)
            }
            _ => None,
        }
    }
}

/// Everything that holds at a moment.
fn holding(world: &World, now: Timestamp) -> BTreeSet<Fact> {
    let mut facts = BTreeSet::new();
    if let Some(tenant) = &world.tenant {
        facts.insert(Fact::Tenant(tenant.state));
        facts.extend(match tenant.state {
            TenantState::Active => None,
            TenantState::Suspended => Some(Fact::Obstacle(Obstacle::TenantSuspended)),
            TenantState::Closed => Some(Fact::Obstacle(Obstacle::TenantClosed)),
        });
    }
    let Some(client) = &world.client else {
        return facts;
    };
    let state = client.state(now);
    facts.insert(Fact::Client(state));
    facts.extend(match state {
        ClientState::Active => None,
        ClientState::Disabled => Some(Fact::Obstacle(Obstacle::ClientDisabled)),
        ClientState::Expired => Some(Fact::Obstacle(Obstacle::ClientExpired)),
        ClientState::Deleted => Some(Fact::Obstacle(Obstacle::ClientDeleted)),
    });
    if !world.method_is_allowed() {
        facts.insert(Fact::Obstacle(Obstacle::MethodNotAllowed));
    }
    let live = world
        .usable_secrets()
        .filter(|(_, secret)| secret.state(now).is_live());
    facts.extend(live.map(|(id, _)| Fact::Live(id.into())));
    facts.extend(world.usable_keys().map(|id| Fact::Live(id.into())));
    if world.accepted(now).next().is_none() {
        facts.insert(Fact::Obstacle(Obstacle::NoCredential));
    }
    let mut any = false;
    for (id, api) in world.granted() {
        any = true;
        facts.insert(Fact::Granted(id));
        let Some(grant) = client.grants.get(&id) else {
            continue;
        };
        let scopes = api.effective(&grant.scopes, &grant.roles, grant.api_generation);
        facts.extend(scopes.iter().map(|scope| Fact::Scope(id, scope.clone())));
        let roles = api.effective_roles(&grant.roles, grant.api_generation);
        facts.extend(roles.into_iter().map(|role| Fact::Role(id, role)));
    }
    if !any {
        facts.insert(Fact::Obstacle(Obstacle::NothingGranted));
    }
    facts
}
