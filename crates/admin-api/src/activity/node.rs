use async_graphql::{ID, SimpleObject};
use chancery_application::Activity;

use crate::scalars::DateTime;

/// A record of the activity log: something that happened at a tenant's endpoints, or a reading of its
/// roll or of this log. Records are kept apart from the roll, are not sealed, and are deleted with age.
#[derive(SimpleObject)]
#[graphql(name = "Activity")]
pub(crate) struct ActivityNode {
    /// The record's id, like `activity_01h…`.
    id: ID,
    /// When it happened.
    at: DateTime,
    /// What happened: `token_issued`, `token_denied`, `token_refreshed`, `refresh_reused`,
    /// `token_revoked`, `token_introspected`, `roll_read`, `activity_read`, `console_link_made`,
    /// `console_signed_in` or `console_signed_out`.
    kind: &'static str,
    /// Who it was, by id. Of a client that there is not, what was sent as its id, cut at 64 characters.
    /// Null: nothing was sent, or what happened was counted (`times`).
    client: Option<String>,
    /// The id of the secret or key that proved it; of a denial, of the client's secret that was sent and is not
    /// accepted. Null: none.
    credential_id: Option<String>,
    /// The scopes of the token.
    scopes: Vec<String>,
    /// The audience of the token: identifiers of APIs.
    audience: Vec<String>,
    /// The token's id.
    jti: Option<String>,
    /// When the token ends.
    expires_at: Option<DateTime>,
    /// From which address it was asked.
    address: Option<String>,
    /// With what software, as it says itself.
    user_agent: Option<String>,
    /// Why it was refused, or how it was done where that is not the usual way, like `by_link`: a short name.
    reason: Option<String>,
    /// The W3C trace in which it happened: 32 hexadecimal digits.
    trace_id: Option<String>,
    /// How often it happened, up to this moment: denials of one reason from one address beyond twenty
    /// in a minute are one record.
    times: i64,
}

impl From<Activity> for ActivityNode {
    fn from(record: Activity) -> Self {
        Self {
            id: record.id.into(),
            at: record.at.into(),
            kind: record.kind.as_str(),
            client: record.client,
            credential_id: record.credential,
            scopes: record.scopes,
            audience: record.audience,
            jti: record.jti,
            expires_at: record.expires_at.map(Into::into),
            address: record.address,
            user_agent: record.user_agent,
            reason: record.reason,
            trace_id: record.trace_id,
            times: record.times,
        }
    }
}
