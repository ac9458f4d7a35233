//! The steps, in order. Each one that does not end as it should ends the demo.

use chancery_domain::TenantId;
use chancery_event_store::Store;
use serde_json::{Value, json};

use super::{
    exchange::{Answer, Exchange},
    protected::{self, AUDIENCE},
    replay,
};
use crate::exit::Failure;

/// Tells the story.
pub(super) async fn tell(url: &str, operator: &Value, store: &Store) -> Result<(), Failure> {
    let exchange = Exchange::new();
    let graphql = format!("{url}/graphql");
    let issuer = format!("{url}/t/acme");
    let endpoint = format!("{issuer}/oauth2/token");

    step("1  The operator gets a token for the admin API");
    let (id, secret) = (
        text(operator, "/client_id")?,
        text(operator, "/client_secret")?,
    );
    let system = text(operator, "/token_endpoint")?;
    let admin = token(
        &exchange
            .token(system, id, secret, &[("audience", "urn:chancery:admin")])
            .await?,
    )?;

    step("2  … and creates a tenant, an API and a client");
    let made = exchange
        .graphql(
            &graphql,
            &admin,
            "mutation($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id issuer } } }",
            json!({"input": {"slug": "acme", "displayName": "Acme"}}),
        )
        .await?;
    let tenant: TenantId = text(&made, "/createTenant/tenant/id")?
        .parse()
        .map_err(|_| Failure::refused("no tenant id"))?;
    exchange
        .graphql(
            &graphql,
            &admin,
            "mutation($input: CreateApiInput!) { createApi(input: $input) { api { id } } }",
            json!({"input": {"tenant": "acme", "identifier": AUDIENCE, "name": "Orders", "scopes": [{"name": "orders:read"}]}}),
        )
        .await?;
    let made = exchange
        .graphql(
            &graphql,
            &admin,
            "mutation($input: CreateClientInput!) { createClient(input: $input) { client { id } secret { plaintext } } }",
            json!({"input": {"tenant": "acme", "name": "billing", "grants": [{"api": AUDIENCE, "scopes": ["orders:read"]}]}}),
        )
        .await?;
    let client = text(&made, "/createClient/client/id")?;
    let first = text(&made, "/createClient/secret/plaintext")?;

    step("3  The tenant's service asks for a token");
    let access = token(
        &exchange
            .token(&endpoint, client, first, &[("scope", "orders:read")])
            .await?,
    )?;

    step("4  … and calls a protected resource, which verifies it by the tenant's key set");
    let orders = protected::start(&issuer).await?;
    expect(&exchange.get(&orders, &access).await?, 200)?;
    say!("  without a token of this tenant's:");
    expect(&exchange.get(&orders, &admin).await?, 401)?;

    step("5  The secret is rotated; for an hour both work");
    let made = exchange
        .graphql(
            &graphql,
            &admin,
            "mutation($input: RotateClientSecretInput!) { rotateClientSecret(input: $input) { secret { plaintext } client { secrets { id hint state retiresAt } } } }",
            json!({"input": {"client": client, "overlapSeconds": 3600}}),
        )
        .await?;
    let second = text(&made, "/rotateClientSecret/secret/plaintext")?;
    let old = text(&made, "/rotateClientSecret/client/secrets/0/id")?;
    token(&exchange.token(&endpoint, client, first, &[]).await?)?;
    token(&exchange.token(&endpoint, client, second, &[]).await?)?;

    step("6  The old secret is revoked: it is refused at once, the new one goes on");
    exchange
        .graphql(
            &graphql,
            &admin,
            "mutation($input: RevokeClientSecretInput!) { revokeClientSecret(input: $input) { client { secrets { id state } } } }",
            json!({"input": {"client": client, "secret": old, "reason": "it was in a screenshot"}}),
        )
        .await?;
    expect(&exchange.token(&endpoint, client, first, &[]).await?, 401)?;
    token(&exchange.token(&endpoint, client, second, &[]).await?)?;

    step("7  Every change is in the tenant's roll; replayed, it gives the same state");
    replay::replay(store, tenant).await?;
    say!("Done. Start your own with `chancery serve`.");
    Ok(())
}

fn step(title: &str) {
    say!("── {title}\n");
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, Failure> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .ok_or_else(|| Failure::refused(format!("the answer has no {pointer}: {value}")))
}

fn token(answer: &Answer) -> Result<String, Failure> {
    expect(answer, 200)?;
    Ok(text(&answer.body, "/access_token")?.to_owned())
}

fn expect(answer: &Answer, status: u16) -> Result<(), Failure> {
    if answer.status == status {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{status} was expected, and {} came: {}",
        answer.status, answer.body
    )))
}
