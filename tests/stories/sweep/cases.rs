//! The cases of the sweep: one line for each operation. What is to be done for a new operation is in
//! `CONTRIBUTING.md`, under *A new verb*.

use serde_json::{Value, json};

use super::{matrix::Needs, target::Target};

/// Arguments in which everything that can be named comes from a target.
pub(crate) type Sample = fn(&Target) -> Value;

/// An operation with a sample of its arguments.
pub(crate) struct Case {
    /// The field, like `Mutation.createClient`, or `Tenant.clients` for one of an object.
    pub(crate) operation: &'static str,
    /// What it asks of its caller.
    pub(crate) needs: Needs,
    /// The arguments, with everything that they can name taken from a target.
    pub(crate) arguments: Sample,
    /// For a field of an object: the query that leads to the object.
    pub(crate) through: Option<&'static str>,
    /// Mutations that bring the target into the state in which the operation succeeds.
    pub(crate) before: Vec<(&'static str, Sample)>,
}

impl Case {
    /// A mutation that is carried out before this one.
    fn after(mut self, mutation: &'static str, input: Sample) -> Self {
        self.before.push((mutation, input));
        self
    }

    /// The way to the object whose field this is.
    fn through(mut self, query: &'static str) -> Self {
        self.through = Some(query);
        self
    }
}

fn case(operation: &'static str, needs: Needs, arguments: Sample) -> Case {
    Case {
        operation,
        needs,
        arguments,
        through: None,
        before: Vec::new(),
    }
}

/// Text that names nothing there is: the last member of its path.
pub(crate) const TEXT: &[&str] = &[
    "commandId",
    "expectedVersion",
    "description",
    "displayName",
    "label",
    "name",
    "reason",
    "search",
    "scopes",
    "roles",
    // Of what is created: new names, by which nothing is found.
    "slug",
    "identifier",
    // Of entries of the roll: words of ours.
    "types",
    "aggregateType",
    "actorType",
    // Of records of activity: words of ours, and what callers made up.
    "kinds",
    "jti",
    "traceId",
    // Numbers of entries and sizes of trees.
    "seq",
    "size",
    "from",
    "to",
];

/// Where a foreign value does not have to be refused, because it says only where to begin, or which
/// entries of the list are asked for.
pub(crate) const PLACES: &[&str] = &[
    "after",
    "aggregateId",
    "actorId",
    "filter.client",
    "filter.credentialId",
];

/// When a story begins, and where its clock stands until it is moved.
const START: &str = "2026-09-21T14:13:20Z";

/// Every case, in the order of the schema.
#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    use Needs::{AuditRead, PlatformAdmin, PlatformRead, TenantAdmin, TenantRead};
    vec![
        case("Mutation.createTenant", PlatformAdmin, |_| json!({"input": {"slug": "brand-new", "displayName": "New"}})),
        case("Mutation.updateTenant", TenantAdmin, |t| json!({"input": {"tenant": t.slug, "displayName": "Another"}})),
        case("Mutation.suspendTenant", PlatformAdmin, |t| json!({"input": {"tenant": t.slug, "reason": "test"}})),
        case("Mutation.resumeTenant", PlatformAdmin, |t| json!({"input": {"tenant": t.slug}}))
            .after("suspendTenant", |t| json!({"tenant": t.slug, "reason": "test"})),
        case("Mutation.closeTenant", PlatformAdmin, |t| json!({"input": {"tenant": t.slug, "reason": "test"}})),
        case("Mutation.rotateSigningKey", TenantAdmin, |t| json!({"input": {"tenant": t.slug}})),
        case("Mutation.revokeSigningKey", TenantAdmin, |t| json!({"input": {"tenant": t.slug, "key": t.signing_key, "reason": "test"}})),
        case("Mutation.createApi", TenantAdmin, |t| json!({"input": {"tenant": t.slug, "identifier": "https://new.example", "name": "New"}})),
        case("Mutation.updateApi", TenantAdmin, |t| json!({"input": {"api": t.api, "name": "Another"}})),
        case("Mutation.retireApi", TenantAdmin, |t| json!({"input": {"api": t.api}})),
        case("Mutation.createClient", TenantAdmin, |t| json!({"input": {"tenant": t.slug, "name": "new", "serves": [t.identifier],
            "grants": [{"api": t.identifier, "scopes": ["read"], "roles": ["clerk"]}]}})),
        case("Mutation.updateClient", TenantAdmin, |t| json!({"input": {"client": t.client, "name": "other", "serves": [t.identifier],
            "grants": [{"api": t.identifier, "scopes": ["read"]}]}})),
        case("Mutation.disableClient", TenantAdmin, |t| json!({"input": {"client": t.client, "reason": "test"}})),
        case("Mutation.enableClient", TenantAdmin, |t| json!({"input": {"client": t.client}}))
            .after("disableClient", |t| json!({"client": t.client, "reason": "test"})),
        case("Mutation.deleteClient", TenantAdmin, |t| json!({"input": {"client": t.client, "reason": "test"}})),
        case("Mutation.rotateClientSecret", TenantAdmin, |t| json!({"input": {"client": t.client}})),
        case("Mutation.issueClientSecret", TenantAdmin, |t| json!({"input": {"client": t.client}})),
        case("Mutation.revokeClientSecret", TenantAdmin, |t| json!({"input": {"client": t.client, "secret": t.secret, "reason": "test"}})),
        case("Mutation.revokeClientKey", TenantAdmin, |t| json!({"input": {"client": t.signer, "key": t.key, "reason": "test"}})),
        case("Mutation.scheduleSecretRotation", TenantAdmin, |t| json!({"input": {"client": t.client, "everySeconds": 86_400}})),
        case("Mutation.deferSecretRetirement", TenantAdmin, |t| json!({"input": {"client": t.client, "secret": t.secret, "until": "2026-10-01T00:00:00Z"}}))
            .after("rotateClientSecret", |t| json!({"client": t.client})),

        case("Query.tenants", PlatformRead, |t| json!({"after": t.tenant_cursor})),
        case("Query.tenant", TenantRead, |t| json!({"slug": t.slug})),
        case("Query.tenant", TenantRead, |t| json!({"id": t.tenant})),
        case("Query.previewTenantPolicy", TenantRead, |t| json!({"input": {"tenant": t.slug, "policy": {"maxLiveSecrets": 1}}})),
        case("Query.clients", TenantRead, |t| json!({"tenant": t.slug, "after": t.client_cursor, "filter": {"api": t.identifier}})),
        case("Query.client", TenantRead, |t| json!({"id": t.client})),
        case("Query.apis", TenantRead, |t| json!({"tenant": t.slug, "after": t.api_cursor})),
        case("Query.api", TenantRead, |t| json!({"id": t.api})),
        case("Query.events", AuditRead, |t| json!({"tenant": t.slug, "after": t.roll_cursor,
            "filter": {"aggregateId": t.client, "actorId": t.client}})),
        case("Query.activity", AuditRead, |t| json!({"tenant": t.slug, "after": t.activity_cursor,
            "filter": {"client": t.client, "credentialId": t.secret}})),
        // The story's clock stands still there.
        case("Query.tenant", AuditRead, |t| json!({"slug": t.slug, "asOf": START})),
        case("Query.client", AuditRead, |t| json!({"id": t.client, "asOf": START})),
        case("Query.accessAt", AuditRead, |t| json!({"client": t.client, "at": START})),
        case("Query.rotationAdvice", TenantRead, |t| json!({"client": t.client})),
        case("Query.upcoming", TenantRead, |t| json!({"tenant": t.slug, "after": t.agenda_cursor})),
        case("Query.checkpoint", AuditRead, |t| json!({"tenant": t.slug})),
        case("Query.inclusionProof", AuditRead, |t| json!({"tenant": t.slug, "seq": "1", "size": "2"})),
        case("Query.consistencyProof", AuditRead, |t| json!({"tenant": t.slug, "from": "1", "to": "2"})),

        case("Tenant.apis", TenantRead, |t| json!({"slug": t.slug, "after": t.api_cursor})).through("tenant"),
        case("Tenant.clients", TenantRead, |t| json!({"slug": t.slug, "after": t.client_cursor, "filter": {"api": t.identifier}})).through("tenant"),
    ]
}

/// What is followed over a WebSocket: the same, beside those that are asked over HTTP.
pub(crate) fn followed() -> Vec<Case> {
    use Needs::AuditRead;
    vec![case(
        "Subscription.events",
        AuditRead,
        |t| json!({"tenant": t.slug, "after": t.roll_cursor}),
    )]
}
