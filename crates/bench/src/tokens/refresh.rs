//! Refresh tokens: every answer brings the next one, and the one before is used up.

use std::sync::Arc;

use serde_json::json;

use super::bench::Bench;
use crate::{
    error::Error,
    installation::Installation,
    load::Load,
    report::Comparison,
    tenant::{Operator, requests},
};

/// Chains of refresh tokens, one for each connection, against the control, which knows none and signs as much.
pub(super) fn measure(
    bench: &Bench<'_>,
    installation: &Installation,
    algorithm: &str,
    store: &str,
) -> Result<Comparison, Error> {
    let connections = bench.options.connections;
    let (tenant, clients) = crate::runtime()?.block_on(async {
        let operator = Operator::of(installation).await?;
        let policy = json!({"signingAlgorithm": algorithm, "refreshTokenSeconds": 86_400});
        let tenant = operator.tenant("bench-refresh", policy).await?;
        let clients = operator.clients(&tenant, connections).await?;
        Ok::<_, Error>((tenant, clients))
    })?;
    let (host, path) = (installation.address.to_string(), tenant.endpoint("token"));
    let requests = requests(&clients, &host, &path);
    let follow = move |number: usize, answer: &[u8]| {
        let token = refresh_token(answer)?;
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        Some(clients.get(number)?.post(&host, &path, &form))
    };
    let load = Load {
        follow: Some(Arc::new(follow)),
        ..bench.further(requests)
    };
    let name = format!("{algorithm}, {store}, refresh");
    bench.compare(name, algorithm, &load, bench.plan.further.1)
}

/// What an answer says after `"refresh_token":`.
fn refresh_token(answer: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(answer).ok()?;
    let (_, after) = text.split_once("\"refresh_token\":\"")?;
    Some(after.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::refresh_token;

    #[test]
    fn a_refresh_token_is_found_in_an_answer_and_not_where_there_is_none() {
        let answer = b"HTTP/1.1 200 OK\r\n\r\n{\"refresh_token\":\"chr_x\",\"scope\":\"a\"}";
        assert_eq!(refresh_token(answer), Some("chr_x"));
        assert_eq!(refresh_token(b"HTTP/1.1 200 OK\r\n\r\n{}"), None);
    }
}
