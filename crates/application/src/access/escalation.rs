//! Nobody gains by a client what they do not hold.

use std::collections::BTreeSet;

use chancery_domain::{ChangeSet, ReadSet, StreamId, access::AdminScope, client::Client};

use super::Caller;
use crate::{error::Error, operators};

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
        if !caller.may_give(&granted) {
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
        api::ApiEvent,
        client::ClientEvent,
        command::Loaded,
        tenant::AuthMethod,
        value::{ApiIdentifier, CustomClaims, ScopeSet},
    };

    use super::*;
    use crate::access::tests::{NOW, caller, client};

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
    fn an_administrator_of_system_makes_nobody_an_auditor_of_every_tenant() {
        let to = |scopes| ChangeSet::of(StreamId::Client(client()), [granted(scopes)]);
        let guard = |held: &[AdminScope], before, scopes| {
            guard_escalation(&caller(true, held), &client_with(before), &to(scopes)).is_ok()
        };
        let admin = AdminScope::TenantAdmin;
        assert!(guard(&[admin], "", "tenant:read"));
        assert!(!guard(&[admin], "", "audit:read"));
        assert!(
            !guard(&[admin], "audit:read", ""),
            "its credentials are as good"
        );
        for more in [
            AdminScope::AuditRead,
            AdminScope::PlatformRead,
            AdminScope::PlatformAdmin,
        ] {
            assert!(guard(&[admin, more], "", "audit:read"), "{more:?}");
        }
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
