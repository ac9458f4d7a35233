//! The lists that operators look at, each from its beginning and from somewhere in the middle.

use serde_json::{Value, json};

use crate::{error::Error, tenant::Operator};

/// Questions of fifty each, with their names. The client is one in the middle.
pub(super) async fn questions(
    operator: &Operator,
    slug: &str,
    client: &str,
) -> Result<Vec<(&'static str, Value)>, Error> {
    let created = json!({"query": format!("{{ client(id: \"{client}\") {{ createdAt }} }}")});
    let answer = operator.ask(&created).await?;
    let since = answer["client"]["createdAt"].as_str().unwrap_or_default();
    let clients = |filter: &str| {
        format!(
            "{{ clients(tenant: \"{slug}\", first: 50{filter}) {{ edges {{ cursor node {{ id name state createdAt }} }} }} }}"
        )
    };
    let events = |filter: &str| {
        format!(
            "{{ events(tenant: \"{slug}\", first: 50{filter}) {{ edges {{ cursor node {{ id tenantSeq type payload }} }} }} }}"
        )
    };
    let questions = [
        ("clients", clients("")),
        (
            "clients since the middle",
            clients(&format!(", filter: {{createdSince: \"{since}\"}}")),
        ),
        (
            "clients by the beginning of a name",
            clients(", filter: {search: \"seeded 77\"}"),
        ),
        (
            "one client",
            format!("{{ client(id: \"{client}\") {{ name state createdAt }} }}"),
        ),
        ("entries", events("")),
        (
            "entries since the middle",
            events(&format!(", filter: {{since: \"{since}\"}}")),
        ),
        (
            "entries of one client",
            events(&format!(", filter: {{aggregateId: \"{client}\"}}")),
        ),
    ];
    let asked = |(name, query): (&'static str, String)| (name, json!({"query": query}));
    Ok(questions.into_iter().map(asked).collect())
}
