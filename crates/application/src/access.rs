//! Who may do what.

mod escalation;
mod needs;
mod still;
#[cfg(test)]
pub(crate) mod tests;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use chancery_domain::{
    Actor, ClientId, CredentialId, KeyId, TenantId, access::AdminScope, client::Client,
};

pub(crate) use escalation::{admin_scopes, guard_escalation};
pub(crate) use needs::Guarded;
pub use needs::Needs;
pub(crate) use still::{Seen, streams_of};

use crate::error::Error;

/// Who asks, and what they may do. Made anew for each request from live state.
#[derive(Clone, Debug)]
pub struct Caller {
    actor: Actor,
    identity: Option<Identity>,
    scopes: BTreeSet<AdminScope>,
    /// `audit:read` itself in the hands of an operators' client: it reads the roll of every tenant.
    audits_every_tenant: bool,
    /// The W3C trace in which they ask.
    trace_id: Option<String>,
    /// From where they ask.
    address: Option<IpAddr>,
    /// What that they are good was seen on.
    seen: Option<Arc<Seen>>,
}

/// From where a request comes, as far as it is to be believed: an extension of each request, by whoever
/// knows which proxies are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Whom a token named, so that it can be looked at again.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The client's tenant.
    pub(crate) home: TenantId,
    /// Whether that is the operators' tenant.
    pub(crate) of_system: bool,
    /// The client.
    pub(crate) client: ClientId,
    /// What it authenticated with.
    pub(crate) credential: CredentialId,
    /// The token's own id.
    pub(crate) jti: String,
    /// The key of its tenant that signed the token; none for a session of the console, which has no token.
    pub(crate) key: Option<KeyId>,
    /// When the token ends, in Unix seconds.
    pub(crate) expires: i64,
    /// The admin scopes of the token.
    pub(crate) of_token: BTreeSet<AdminScope>,
}

impl Caller {
    /// The client that a token named, with those of the token's scopes that it is granted now.
    /// Scopes of the platform count only in `system`.
    pub(crate) fn client(identity: Identity, granted: &BTreeSet<AdminScope>) -> Self {
        let mut held: BTreeSet<_> = identity
            .of_token
            .intersection(granted)
            .copied()
            .filter(|scope| identity.of_system || !scope.is_platform())
            .collect();
        let audits_every_tenant = identity.of_system && held.contains(&AdminScope::AuditRead);
        if held.contains(&AdminScope::PlatformAdmin) {
            held.extend(AdminScope::ALL);
        }
        if held.contains(&AdminScope::TenantAdmin) {
            held.extend([AdminScope::TenantRead, AdminScope::AuditRead]);
        }
        Self {
            actor: Actor::Client(identity.client),
            identity: Some(identity),
            scopes: held,
            audits_every_tenant,
            trace_id: None,
            address: None,
            seen: None,
        }
    }

    /// A person at the command line of the machine that holds the database and the master key.
    pub fn at_the_command_line(user: &str) -> Self {
        Self {
            actor: Actor::Cli(user.to_owned()),
            identity: None,
            scopes: AdminScope::ALL.iter().copied().collect(),
            audits_every_tenant: true,
            trace_id: None,
            address: None,
            seen: None,
        }
    }

    /// The process that records what time has done.
    pub(crate) fn steward() -> Self {
        Self {
            actor: Actor::Steward,
            identity: None,
            scopes: AdminScope::ALL.iter().copied().collect(),
            audits_every_tenant: true,
            trace_id: None,
            address: None,
            seen: None,
        }
    }

    /// The same, who asks in this W3C trace: what they read is recorded with it.
    #[must_use]
    pub fn in_trace(mut self, trace_id: &str) -> Self {
        self.trace_id = Some(trace_id.to_owned());
        self
    }

    /// The same, who asks from here: what they read is recorded with it.
    #[must_use]
    pub fn from_address(mut self, address: Option<ClientAddress>) -> Self {
        self.address = address.map(|ClientAddress(address)| address);
        self
    }

    /// The same, who was found to be good on this.
    #[must_use]
    pub(crate) fn seen_on(mut self, seen: Seen) -> Self {
        self.seen = Some(Arc::new(seen));
        self
    }

    /// On what the caller was found to be good; `None` where nobody has looked, or need not.
    pub(crate) fn seen(&self) -> Option<&Seen> {
        self.seen.as_deref()
    }

    /// From where they ask, where that is known.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The W3C trace in which they ask, where there is one.
    pub(crate) fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// Who is written into the roll.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Whom the token named; `None` at the command line and for the steward.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    fn is_at_home_in(&self, tenant: TenantId) -> bool {
        self.identity
            .as_ref()
            .is_some_and(|identity| identity.home == tenant)
    }

    /// Every scope that the caller holds, by itself or within another.
    pub(crate) fn scopes(&self) -> &BTreeSet<AdminScope> {
        &self.scopes
    }

    /// Whether the caller holds a scope, by itself or within another.
    pub fn holds(&self, scope: AdminScope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether the caller may audit every tenant, without a scope of the platform.
    pub fn audits_every_tenant(&self) -> bool {
        self.audits_every_tenant
    }

    /// Whether these scopes, in the caller's own tenant, are no more than the caller has. `audit:read` of
    /// `system` is of every tenant, which is more than `tenant:admin` of `system` includes.
    pub fn may_give(&self, scopes: &BTreeSet<AdminScope>) -> bool {
        let of_system = self.identity.as_ref().is_some_and(|who| who.of_system);
        let audits = self.audits_every_tenant || self.holds(AdminScope::PlatformRead);
        scopes.is_subset(&self.scopes)
            && (!of_system || audits || !scopes.contains(&AdminScope::AuditRead))
    }

    /// Whether the caller may do to this client what they may do to clients: it holds no more than they do.
    pub fn may_change(&self, client: &Client) -> bool {
        self.may_give(&admin_scopes(client))
    }

    /// Whether the caller is somebody in this tenant: what it may not see does not exist for it.
    pub(crate) fn sees(&self, tenant: TenantId) -> bool {
        self.holds(AdminScope::PlatformRead)
            || self.holds(AdminScope::PlatformAdmin)
            || self.is_at_home_in(tenant)
            || self.audits_every_tenant
    }

    /// Whether the caller passes: what is no use to them need not be offered.
    pub fn may(&self, needs: Needs, tenant: TenantId) -> bool {
        self.require(needs, tenant).is_ok()
    }

    /// Lets the caller pass, or says why not.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the tenant is not the caller's to see, [`Error::Forbidden`] where
    /// only the scope is missing.
    pub(crate) fn require(&self, needs: Needs, tenant: TenantId) -> Result<(), Error> {
        if needs != Needs::Platform && !self.sees(tenant) {
            return Err(Error::NotFound { what: "tenant" });
        }
        let at_home = self.is_at_home_in(tenant);
        let enough = self.holds(AdminScope::PlatformAdmin)
            || match needs {
                Needs::Platform => false,
                Needs::TenantAdmin => at_home && self.holds(AdminScope::TenantAdmin),
                Needs::TenantRead => {
                    self.holds(AdminScope::PlatformRead)
                        || (at_home && self.holds(AdminScope::TenantRead))
                }
                Needs::AuditRead => {
                    self.holds(AdminScope::PlatformRead)
                        || (at_home && self.holds(AdminScope::AuditRead))
                        || self.audits_every_tenant
                }
            };
        if enough {
            Ok(())
        } else {
            Err(Error::Forbidden {
                needs: needs.scope(),
            })
        }
    }

    /// Lets the caller read across tenants.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub(crate) fn require_platform_read(&self) -> Result<(), Error> {
        if self.holds(AdminScope::PlatformRead) {
            return Ok(());
        }
        Err(Error::Forbidden {
            needs: AdminScope::PlatformRead.as_str(),
        })
    }
}
