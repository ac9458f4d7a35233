//! Who may do what. Every command has its line in the table at the end; one without it cannot be
//! executed.

use std::{collections::BTreeSet, net::IpAddr};

use chancery_domain::{
    Actor, ChangeSet, ClientId, Command, CredentialId, ReadSet, StreamId, TenantId,
    access::AdminScope,
    api::{CreateApi, RetireApi, UpdateApi},
    client::{
        Client, CreateClient, DeleteClient, DisableClient, EnableClient, ExpireClient,
        RevokeClientKey, UpdateClient,
    },
    key_ring::{RecordDueKeys, RevokeSigningKey, RotateSigningKey},
    secret_rotation::{
        DeferRetirement, IssueSecret, RecordDueSecrets, RevokeSecret, RotateSecret,
        ScheduleRotation,
    },
    tenant::{CloseTenant, CreateTenant, ResumeTenant, SuspendTenant, UpdateTenant},
};

use crate::{error::Error, operators};

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

/// What a command or a query asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// `platform:admin`.
    Platform,
    /// `tenant:admin` of the tenant, or `platform:admin`.
    TenantAdmin,
    /// `tenant:read` of the tenant, or `platform:read`.
    TenantRead,
    /// `audit:read` of the tenant or of a client of `system`, or `platform:read`.
    AuditRead,
}

impl Needs {
    /// The least scope that is enough.
    pub fn scope(self) -> &'static str {
        match self {
            Self::Platform => AdminScope::PlatformAdmin.as_str(),
            Self::TenantAdmin => AdminScope::TenantAdmin.as_str(),
            Self::TenantRead => AdminScope::TenantRead.as_str(),
            Self::AuditRead => AdminScope::AuditRead.as_str(),
        }
    }
}

/// A command that says what it asks of its caller.
pub(crate) trait Guarded: Command {
    const NEEDS: Needs;

    /// Whether a policy that breaks something is to be refused.
    fn refuses_breaks(&self) -> bool {
        false
    }
}

impl Guarded for UpdateTenant {
    const NEEDS: Needs = Needs::TenantAdmin;

    fn refuses_breaks(&self) -> bool {
        self.refuse_if_breaks
    }
}

macro_rules! needs {
    ($($command:ty: $needs:ident,)*) => {
        $(impl Guarded for $command {
            const NEEDS: Needs = Needs::$needs;
        })*
    };
}

needs! {
    CreateTenant: Platform,
    RotateSigningKey: TenantAdmin,
    RevokeSigningKey: TenantAdmin,
    RecordDueKeys: Platform,
    SuspendTenant: Platform,
    ResumeTenant: Platform,
    CloseTenant: Platform,
    CreateApi: TenantAdmin,
    UpdateApi: TenantAdmin,
    RetireApi: TenantAdmin,
    CreateClient: TenantAdmin,
    UpdateClient: TenantAdmin,
    DisableClient: TenantAdmin,
    EnableClient: TenantAdmin,
    DeleteClient: TenantAdmin,
    IssueSecret: TenantAdmin,
    RotateSecret: TenantAdmin,
    RevokeSecret: TenantAdmin,
    ScheduleRotation: TenantAdmin,
    DeferRetirement: TenantAdmin,
    RecordDueSecrets: Platform,
    ExpireClient: Platform,
    RevokeClientKey: TenantAdmin,
}

/// The admin scopes that a client was granted.
pub(crate) fn admin_scopes(client: &Client) -> BTreeSet<AdminScope> {
    client
        .grants
        .values()
        .filter(|grant| grant.identifier.is_admin())
        .flat_map(|grant| AdminScope::among(&grant.scopes))
        .collect()
}

/// Nobody makes, changes or gets the credentials of a client that may more than they do themselves.
/// The check is made on the client before the change and after it.
///
/// # Errors
/// [`Error::Guarded`].
pub(crate) fn guard_escalation(
    caller: &Caller,
    read: &ReadSet,
    change: &ChangeSet,
) -> Result<(), Error> {
    let after = read.after(change);
    for (stream, event) in change.events() {
        if operators::changes_policy_of_system(read, *stream, event)
            && !caller.holds(AdminScope::PlatformAdmin)
        {
            return Err(Error::Guarded {
                rule: "EXCEEDS_CALLER",
                message: "the policy of `system` decides whether platform administrators may authenticate; only they can change it",
            });
        }
        let (StreamId::Client(client) | StreamId::SecretRotation(client)) = *stream else {
            continue;
        };
        if !read.has(StreamId::Client(client)) {
            // Not to know what the client holds is not to know that it holds nothing.
            return Err(Error::Internal(
                format!("a command changes {stream} and does not read its client").into(),
            ));
        }
        let granted = [read, &after]
            .into_iter()
            .filter_map(|state| state.client(client).ok())
            .flat_map(admin_scopes)
            .collect::<BTreeSet<_>>();
        if !granted.is_subset(&caller.scopes) {
            return Err(Error::Guarded {
                rule: "EXCEEDS_CALLER",
                message: "a caller cannot grant an admin scope that it does not hold, nor change or issue credentials for a client that holds one",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chancery_domain::{
        ClientId, SecretId, Timestamp,
        api::ApiEvent,
        client::ClientEvent,
        command::Loaded,
        tenant::AuthMethod,
        value::{ApiIdentifier, CustomClaims, ScopeSet},
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

    fn tenant(number: u8) -> TenantId {
        TenantId::new(NOW, [number; 10])
    }

    fn client() -> ClientId {
        ClientId::new(NOW, [9; 10])
    }

    fn caller(of_system: bool, scopes: &[AdminScope]) -> Caller {
        let scopes: BTreeSet<_> = scopes.iter().copied().collect();
        let identity = Identity {
            home: tenant(1),
            of_system,
            client: client(),
            jti: "jti".to_owned(),
            credential: SecretId::new(NOW, [8; 10]).into(),
            expires: 0,
            of_token: scopes.clone(),
        };
        Caller::client(identity, &scopes)
    }

    fn outcome(caller: &Caller, needs: Needs, of: u8) -> &'static str {
        match caller.require(needs, tenant(of)) {
            Ok(()) => "passes",
            Err(Error::Forbidden { .. }) => "forbidden",
            Err(Error::NotFound { .. }) => "not found",
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn who_may_do_what_where() {
        use AdminScope as S;
        use Needs as N;
        for (of_system, scope, needs, at_home, elsewhere) in [
            (true, S::PlatformAdmin, N::Platform, "passes", "passes"),
            (true, S::PlatformAdmin, N::TenantAdmin, "passes", "passes"),
            (true, S::PlatformRead, N::TenantRead, "passes", "passes"),
            (
                true,
                S::PlatformRead,
                N::TenantAdmin,
                "forbidden",
                "forbidden",
            ),
            (true, S::PlatformRead, N::Platform, "forbidden", "forbidden"),
            (false, S::TenantAdmin, N::TenantAdmin, "passes", "not found"),
            (false, S::TenantAdmin, N::TenantRead, "passes", "not found"),
            (false, S::TenantAdmin, N::Platform, "forbidden", "forbidden"),
            (false, S::TenantRead, N::TenantRead, "passes", "not found"),
            (
                false,
                S::TenantRead,
                N::TenantAdmin,
                "forbidden",
                "not found",
            ),
            (false, S::AuditRead, N::TenantRead, "forbidden", "not found"),
            (false, S::AuditRead, N::AuditRead, "passes", "not found"),
            (false, S::TenantAdmin, N::AuditRead, "passes", "not found"),
            (false, S::TenantRead, N::AuditRead, "forbidden", "not found"),
            (true, S::AuditRead, N::AuditRead, "passes", "passes"),
            (true, S::AuditRead, N::TenantRead, "forbidden", "forbidden"),
            // What is within `tenant:admin` reaches no further than it does.
            (true, S::TenantAdmin, N::AuditRead, "passes", "not found"),
            (true, S::TenantRead, N::AuditRead, "forbidden", "not found"),
            (true, S::PlatformRead, N::AuditRead, "passes", "passes"),
            (true, S::PlatformAdmin, N::AuditRead, "passes", "passes"),
            // Scopes of the platform count for nothing outside the operators' tenant.
            (
                false,
                S::PlatformAdmin,
                N::TenantAdmin,
                "forbidden",
                "not found",
            ),
            (
                false,
                S::PlatformRead,
                N::TenantRead,
                "forbidden",
                "not found",
            ),
        ] {
            let caller = caller(of_system, &[scope]);
            assert_eq!(
                outcome(&caller, needs, 1),
                at_home,
                "{scope:?} {needs:?} at home"
            );
            assert_eq!(
                outcome(&caller, needs, 2),
                elsewhere,
                "{scope:?} {needs:?} elsewhere"
            );
        }
    }

    fn granted(scopes: &str) -> ClientEvent {
        ClientEvent::ClientGranted {
            api: chancery_domain::ApiId::new(NOW, [3; 10]),
            identifier: ApiIdentifier::admin(),
            scopes: ScopeSet::parse(scopes).unwrap(),
            roles: [].into(),
            api_generation: 0,
        }
    }

    fn client_with(scopes: &str) -> ReadSet {
        let created = ClientEvent::ClientCreated {
            name: None,
            description: None,
            metadata: chancery_domain::json::JsonObject::default(),
            auth_method: AuthMethod::ClientSecret,
            custom_claims: CustomClaims::default(),
            serves: [].into(),
            expires_at: None,
        };
        let change = ChangeSet::of(StreamId::Client(client()), [created, granted(scopes)]);
        ReadSet::new(vec![Loaded::absent(StreamId::Client(client()))]).after(&change)
    }

    #[test]
    fn nobody_touches_a_client_that_may_more_than_they_do() {
        let admin = caller(false, &[AdminScope::TenantAdmin]);
        let to = |scopes| ChangeSet::of(StreamId::Client(client()), [granted(scopes)]);
        let guard =
            |before, change: &ChangeSet| guard_escalation(&admin, &client_with(before), change);
        assert!(
            guard("", &to("tenant:read audit:read")).is_ok(),
            "what it holds within another"
        );
        assert!(
            guard("", &to("platform:admin")).is_err(),
            "a scope that it does not hold"
        );
        assert!(
            guard("platform:read", &to("")).is_err(),
            "taken from one who held more"
        );
        let other_stream = ChangeSet::of::<ApiEvent>(StreamId::Client(client()), []);
        assert!(
            guard("platform:read", &other_stream).is_ok(),
            "nothing of the client changes"
        );
    }
}
