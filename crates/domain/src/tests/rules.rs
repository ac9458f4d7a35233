//! Rules that hold for every command alike.

use crate::{
    api::{ApiEvent, RetireApi, UpdateApi},
    client::{
        ClientRefusal, DeleteClient, DisableClient, EnableClient, ExpireClient, RevokeClientKey,
        UpdateClient,
    },
    command::Command,
    key_ring::{RecordDueKeys, RevokeSigningKey, RotateSigningKey},
    refusal::Refusal,
    secret_rotation::{
        DeferRetirement, IssueSecret, RecordDueSecrets, RevokeSecret, RotateSecret,
        ScheduleRotation,
    },
    stream::{AggregateType, StreamId},
    tenant::{
        AuthMethod, CloseTenant, PolicyChange, ResumeTenant, SuspendTenant, TenantRefusal,
        UpdateTenant,
    },
    testing::{
        self, ACME, BILLING, ORDERS, SYSTEM, acme, acme_with_orders, billing, closed, deleted,
        installation, new_client_key, new_key, new_secret, new_tenant, orders, with_billing,
        with_keys,
    },
    value::{Patch, Reason},
};

type Commands = Vec<(&'static str, Box<dyn Command>)>;

fn reason() -> Reason {
    Reason::parse("because").unwrap()
}

macro_rules! commands {
    ($($name:ident { $($fields:tt)* },)*) => {
        vec![$((stringify!($name), Box::new($name { $($fields)* }) as Box<dyn Command>),)*]
    };
}

/// Every command that changes the tenant itself.
fn of_the_tenant() -> Commands {
    commands![
        UpdateTenant {
            tenant: ACME,
            display_name: None,
            policy: PolicyChange::default(),
            key: None,
            refuse_if_breaks: false
        },
        SuspendTenant {
            tenant: ACME,
            reason: reason()
        },
        ResumeTenant { tenant: ACME },
        CloseTenant {
            tenant: ACME,
            reason: reason()
        },
        RotateSigningKey {
            tenant: ACME,
            key: new_key(),
        },
        RevokeSigningKey {
            tenant: ACME,
            key: new_key().key,
            reason: reason(),
            successor: None,
        },
        RecordDueKeys {
            tenant: ACME,
            next: Vec::new(),
        },
    ]
}

/// Every command that changes a client which is there, or its secrets.
fn of_a_client() -> Commands {
    let (tenant, client, secret) = (ACME, BILLING, new_secret(2));
    commands![
        UpdateClient {
            auth_method: Some(AuthMethod::ClientSecret),
            ..UpdateClient::keeping(tenant, client)
        },
        RevokeClientKey {
            tenant,
            client,
            key: new_client_key(1).key,
            reason: reason(),
            compromised: true,
        },
        DisableClient {
            tenant,
            client,
            reason: reason()
        },
        EnableClient { tenant, client },
        DeleteClient {
            tenant,
            client,
            reason: reason()
        },
        IssueSecret {
            tenant,
            client,
            secret: secret.clone(),
            label: None,
            not_before: None,
            expires_at: None,
        },
        RotateSecret {
            tenant,
            client,
            secret,
            label: None,
            overlap_seconds: None
        },
        ScheduleRotation {
            tenant,
            client,
            every_seconds: Some(86_400),
            overlap_seconds: None,
        },
        DeferRetirement {
            tenant,
            client,
            secret: new_secret(1).secret,
            until: crate::testing::NOW,
        },
        RecordDueSecrets { tenant, client },
        ExpireClient { tenant, client },
        RevokeSecret {
            tenant,
            client,
            secret: new_secret(1).secret,
            reason: reason(),
            compromised: true,
        },
    ]
}

/// Every command that changes an API which is there.
fn of_an_api() -> Commands {
    let (tenant, api) = (ACME, ORDERS);
    commands![
        UpdateApi {
            tenant,
            api,
            name: None,
            scopes: None,
            roles: None,
            custom_claims: None,
            access_token_seconds: Patch::Keep,
            signing_algorithm: Patch::Keep,
            key: None,
        },
        RetireApi { tenant, api },
    ]
}

/// Every command that adds something to the tenant.
fn additions() -> Commands {
    vec![
        ("CreateApi", Box::new(orders())),
        ("CreateClient", Box::new(billing())),
    ]
}

fn all_at_acme() -> impl Iterator<Item = (&'static str, Box<dyn Command>)> {
    of_the_tenant()
        .into_iter()
        .chain(of_a_client())
        .chain(of_an_api())
        .chain(additions())
}

#[test]
fn nothing_of_a_closed_tenant_changes() {
    for (name, command) in all_at_acme() {
        let refusal = testing::given(with_billing())
            .and([closed()])
            .when(&*command)
            .refusal();
        assert_eq!(refusal, TenantRefusal::Closed.into(), "{name}");
    }
}

#[test]
fn an_unknown_tenant_is_not_found() {
    for (name, command) in all_at_acme() {
        let refusal = testing::given([]).when(&*command).refusal();
        assert_eq!(refusal, Refusal::NotFound { what: "tenant" }, "{name}");
    }
}

#[test]
fn an_unknown_client_is_not_found() {
    for (name, command) in of_a_client() {
        let refusal = testing::given(acme_with_orders()).when(&*command).refusal();
        assert_eq!(refusal, Refusal::NotFound { what: "client" }, "{name}");
    }
}

#[test]
fn an_unknown_api_is_not_found() {
    for (name, command) in of_an_api() {
        let refusal = testing::given(acme()).when(&*command).refusal();
        assert_eq!(refusal, Refusal::NotFound { what: "API" }, "{name}");
    }
}

#[test]
fn nothing_of_a_retired_api_changes() {
    for (name, command) in of_an_api() {
        let refusal = testing::given(acme_with_orders())
            .and([ApiEvent::ApiRetired {}])
            .when(&*command)
            .refusal();
        assert_eq!(refusal.rule(), Some("API_RETIRED"), "{name}");
    }
}

#[test]
fn nothing_of_a_deleted_client_changes_but_what_ends_its_credentials() {
    for (name, command) in of_a_client() {
        let history = match name {
            "RevokeClientKey" => with_keys(),
            _ => with_billing(),
        };
        let outcome = testing::given(history).and([deleted()]).when(&*command);
        match name {
            "RevokeSecret" | "RevokeClientKey" => assert!(!outcome.change().is_empty(), "{name}"),
            // What its secrets come to is told; here nothing has ended.
            "RecordDueSecrets" | "ExpireClient" => outcome.then_nothing(),
            _ => assert_eq!(outcome.refusal(), ClientRefusal::Deleted.into(), "{name}"),
        }
    }
}

/// What a transaction reads and writes is locked and compared; a change elsewhere would not be.
#[test]
fn a_command_changes_only_streams_that_it_reads() {
    let cases = [
        ([].into(), Box::new(new_tenant("acme")) as Box<dyn Command>),
        ([].into(), Box::new(installation())),
        (acme_with_orders(), Box::new(billing())),
        (testing::acme(), Box::new(orders())),
    ];
    for (history, command) in cases {
        let change = testing::given(history).when(&*command).change();
        let reads = command.reads();
        for (stream, event) in change.events() {
            assert!(reads.contains(stream), "{stream}: {event:?}");
        }
    }
}

#[test]
fn a_command_reads_its_own_tenant_and_every_stream_once() {
    let mut twice = billing();
    twice.grants.extend(twice.grants.clone());
    twice.serves.push(twice.grants[0].api);
    let more: Commands = vec![
        ("Install", Box::new(installation())),
        ("CreateTenant", Box::new(new_tenant("acme"))),
        ("CreateClient", Box::new(twice)),
    ];
    for (name, command) in all_at_acme().chain(more) {
        let tenant = if name == "Install" { SYSTEM } else { ACME };
        assert_eq!(command.tenant(), tenant, "{name}");
        let mut reads = command.reads();
        assert!(reads.contains(&StreamId::Tenant(tenant)), "{name}");
        reads.sort();
        let all = reads.len();
        reads.dedup();
        assert_eq!(reads.len(), all, "{name}");
        let foreign = reads.iter().filter(|stream| {
            matches!(
                stream.aggregate_type(),
                AggregateType::Tenant | AggregateType::KeyRing
            ) && stream.aggregate_id() != tenant.to_string()
        });
        assert_eq!(foreign.count(), 0, "{name}");
    }
}
