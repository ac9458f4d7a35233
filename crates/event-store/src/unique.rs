//! The unique rules of both schemas: one table, which a test compares with the two catalogs.

use std::fmt;

/// What may not be there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniqueRule {
    /// Two tenants with one slug.
    TenantSlug,
    /// Two APIs of a tenant with one identifier.
    ApiIdentifier,
    /// Two events with one number in a stream: somebody else was faster, or the stream is another
    /// tenant's.
    StreamVersion,
    /// Two events with one number in a roll.
    TenantSeq,
    /// Two events with one id, or at one position.
    EventId,
    /// Two commands of one caller with one id.
    Command,
    /// Two rows of the vault with one id.
    Vault,
    /// Two keys of the installation for one purpose.
    InstallationKey,
    /// Two read-model rows of one aggregate.
    ReadModel,
    /// Two rows of what each tenant, or each migration, has once.
    Ledger,
    /// Two sessions, or links, of the console with one random number.
    Console,
}

impl fmt::Display for UniqueRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TenantSlug => "tenant with this slug",
            Self::ApiIdentifier => "API of this tenant with this identifier",
            Self::StreamVersion => "event with this number in its stream",
            Self::TenantSeq => "event with this number in the roll",
            Self::EventId => "event with this id",
            Self::Command => "command of this caller with this id",
            Self::Vault => "row of the vault with this id",
            Self::InstallationKey => "installation key for this purpose",
            Self::ReadModel => "read-model row of this aggregate",
            Self::Ledger => "row of this tenant or migration",
            Self::Console => "session or link of the console",
        })
    }
}

/// Each rule, the PostgreSQL constraint and the SQLite columns by which it is known.
pub const UNIQUE_RULES: &[(UniqueRule, &str, &str)] = &[
    (UniqueRule::TenantSlug, "tenants_slug_key", "tenants.slug"),
    (
        UniqueRule::ApiIdentifier,
        "apis_tenant_id_identifier_key",
        "apis.tenant_id, apis.identifier",
    ),
    (
        UniqueRule::StreamVersion,
        "events_aggregate_type_aggregate_id_sequence_key",
        "events.aggregate_type, events.aggregate_id, events.sequence",
    ),
    (
        UniqueRule::TenantSeq,
        "events_tenant_id_tenant_seq_key",
        "events.tenant_id, events.tenant_seq",
    ),
    (
        UniqueRule::EventId,
        "events_event_id_key",
        "events.event_id",
    ),
    (UniqueRule::EventId, "events_pkey", "events.position"),
    (
        UniqueRule::Command,
        "commands_pkey",
        "commands.caller_id, commands.command_id",
    ),
    (
        UniqueRule::Vault,
        "secret_verifiers_pkey",
        "secret_verifiers.secret_id",
    ),
    (
        UniqueRule::Vault,
        "sealed_secrets_pkey",
        "sealed_secrets.secret_id",
    ),
    (UniqueRule::Vault, "sealed_keys_pkey", "sealed_keys.key_id"),
    (
        UniqueRule::InstallationKey,
        "installation_keys_pkey",
        "installation_keys.purpose",
    ),
    (UniqueRule::ReadModel, "tenants_pkey", "tenants.tenant_id"),
    (
        UniqueRule::ReadModel,
        "key_rings_pkey",
        "key_rings.tenant_id",
    ),
    (UniqueRule::ReadModel, "apis_pkey", "apis.api_id"),
    (UniqueRule::ReadModel, "clients_pkey", "clients.client_id"),
    (
        UniqueRule::ReadModel,
        "client_secrets_pkey",
        "client_secrets.client_id",
    ),
    (
        UniqueRule::ReadModel,
        "tenant_terms_pkey",
        "tenant_terms.tenant_id, tenant_terms.term",
    ),
    (
        UniqueRule::ReadModel,
        "client_grants_pkey",
        "client_grants.client_id, client_grants.api_id",
    ),
    (
        UniqueRule::ReadModel,
        "row_counts_pkey",
        "row_counts.tenant_id, row_counts.kind",
    ),
    (
        UniqueRule::ReadModel,
        "agenda_pkey",
        "agenda.tenant_id, agenda.kind, agenda.subject",
    ),
    (
        UniqueRule::Ledger,
        "tenant_log_pkey",
        "tenant_log.tenant_id",
    ),
    (UniqueRule::Ledger, "seals_pkey", "seals.tenant_id"),
    (
        UniqueRule::Ledger,
        "tiles_pkey",
        "tiles.tenant_id, tiles.level, tiles.number",
    ),
    (
        UniqueRule::Console,
        "console_sessions_pkey",
        "console_sessions.token_hash",
    ),
    (
        UniqueRule::Console,
        "console_links_pkey",
        "console_links.code_hash",
    ),
    (
        UniqueRule::Ledger,
        "chancery_schema_pkey",
        "chancery_schema.version",
    ),
];

impl UniqueRule {
    /// The rule that an error of either database names.
    pub(crate) fn of(fault: &dyn sqlx::error::DatabaseError) -> Option<Self> {
        if !fault.is_unique_violation() {
            return None;
        }
        let columns = fault.message().strip_prefix("UNIQUE constraint failed: ");
        UNIQUE_RULES
            .iter()
            .find(|(_, constraint, of_sqlite)| match fault.constraint() {
                Some(broken) => broken == *constraint,
                None => columns == Some(of_sqlite),
            })
            .map(|(rule, _, _)| *rule)
    }
}
