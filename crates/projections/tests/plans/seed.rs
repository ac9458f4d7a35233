use chancery_domain::{
    Fold, Timestamp,
    api::{Api, ApiState, Generations, TokenSettings},
    client::{Client, Standing},
    json::{JsonObject, canonical},
    key_ring::KeyRing,
    secret_rotation::SecretRotation,
    tenant::{AuthMethod, Tenant, TenantPolicy, TenantState},
    value::CustomClaims,
};
use chancery_event_store::{Backend, Store, execute};

/// How many rows of each kind.
pub(crate) const ROWS: usize = 100_000;
/// The tenant that has all the clients and APIs.
pub(crate) const TENANT: &str = "tenant_00000000000000000000000001";
/// The API that every second client is granted.
pub(crate) const API: &str = "api_00000000000000000000000001";

fn body<S: Fold>(state: &S) -> String {
    canonical(state)
}

/// What writes the rows past the aggregates, each with what it binds: only what the queries look at
/// differs between the rows.
fn statements() -> [(&'static str, String); 10] {
    let tenant = body(&Tenant {
        slug: "acme".parse().unwrap(),
        display_name: "Acme".parse().unwrap(),
        policy: TenantPolicy::default(),
        state: TenantState::Active,
    });
    let api = Api {
        identifier: "https://orders.example".parse().unwrap(),
        name: "Orders".parse().unwrap(),
        built_in: false,
        scopes: [].into(),
        roles: [].into(),
        tokens: TokenSettings::default(),
        custom_claims: CustomClaims::default(),
        generations: Generations::default(),
        state: ApiState::Active,
    };
    let client = Client {
        name: None,
        description: None,
        metadata: JsonObject::default(),
        auth_method: AuthMethod::ClientSecret,
        keys: [].into(),
        custom_claims: CustomClaims::default(),
        serves: [].into(),
        expires_at: None,
        expiry_recorded: false,
        grants: [].into(),
        standing: Standing::Enabled,
    };
    [
        (
            "INSERT INTO tenants (tenant_id, slug, display_name, state, version, created_at, changed_at, body)
             SELECT 'tenant_' || {padded}, 'slug-' || n, 'Name ' || n,
                    CASE WHEN n % 1000 = 0 THEN 'closed' ELSE 'active' END, 1, n, n, $1 FROM {numbers}",
            tenant,
        ),
        (
            "INSERT INTO tenant_log (tenant_id, head, recorded_at)
             SELECT tenant_id, 1, created_at FROM tenants WHERE $1 <> ''",
            "all".to_owned(),
        ),
        (
            "INSERT INTO tenant_terms (tenant_id, term)
             SELECT tenant_id, slug FROM tenants WHERE $1 <> ''
              UNION ALL SELECT tenant_id, lower(display_name) FROM tenants",
            "all".to_owned(),
        ),
        (
            "INSERT INTO key_rings (tenant_id, version, created_at, changed_at, body)
             SELECT tenant_id, 1, created_at, created_at, $1 FROM tenants",
            body(&KeyRing::default()),
        ),
        (
            "INSERT INTO row_counts (tenant_id, kind, count)
             SELECT tenant_id, $1, 7 FROM tenants",
            "client.enabled".to_owned(),
        ),
        (
            "INSERT INTO apis (api_id, tenant_id, identifier, name, state, version, created_at, changed_at, body)
             SELECT 'api_' || {padded}, {tenant}, 'https://' || n, 'Name', 'active', 1, n, n, $1 FROM {numbers}",
            body(&api),
        ),
        (
            "INSERT INTO clients (client_id, tenant_id, name, search_name, state, auth_method, expires_at, notes, version,
                                  created_at, changed_at, body)
             SELECT 'client_' || {padded}, {tenant}, 'Name ' || n, CASE WHEN n % 100 <> 5 THEN 'name ' || n END,
                    CASE WHEN n % 1000 = 1 THEN 'disabled' WHEN n % 1000 = 2 THEN 'deleted' ELSE 'enabled' END,
                    CASE WHEN n % 1000 = 3 THEN 'private_key_jwt' ELSE 'client_secret' END,
                    CASE WHEN n % 10 = 0 THEN 1000 + n END, CASE WHEN n % 100 = 4 THEN 1 ELSE 0 END, 1, n, n, $1
               FROM {numbers}",
            body(&client),
        ),
        (
            "INSERT INTO client_grants (client_id, api_id, tenant_id, search_name, created_at)
             SELECT client_id, $1, tenant_id, search_name, created_at FROM clients WHERE created_at % 2 = 0",
            API.to_owned(),
        ),
        (
            "INSERT INTO client_secrets (client_id, tenant_id, open_count, open_life, version, created_at, changed_at, body)
             SELECT client_id, tenant_id, 1 + created_at % 2, 1000 * created_at, 1, created_at, created_at, $1 FROM clients",
            body(&SecretRotation::default()),
        ),
        (
            "INSERT INTO agenda (tenant_id, kind, subject, client_id, at, record_at)
             SELECT tenant_id, CASE WHEN created_at % 100 = 1 THEN $1 ELSE 'client.expires' END, client_id, client_id,
                    created_at, CASE WHEN created_at % 2 = 0 THEN created_at END FROM clients",
            "secret.rotates".to_owned(),
        ),
    ]
}

/// Writes the rows, and lets the store count them.
pub(crate) async fn seed(store: &Store) {
    let (numbers, padded) = match store.backend() {
        Backend::Postgres => (
            format!("generate_series(1, {ROWS}) AS n"),
            "lpad(n::text, 26, '0')",
        ),
        Backend::Sqlite => (
            format!(
                "(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {ROWS})
                  SELECT n FROM counted)"
            ),
            "printf('%026d', n)",
        ),
    };
    for (statement, bound) in statements() {
        let sql = statement
            .replace("{numbers}", &numbers)
            .replace("{padded}", padded)
            .replace("{tenant}", &format!("'{TENANT}'"));
        let mut tx = store.begin().await.unwrap();
        execute!(&mut tx, &sql, bound).unwrap();
        tx.commit().await.unwrap();
    }
    analyze(store).await;
}

async fn analyze(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    execute!(&mut tx, "ANALYZE").unwrap();
    tx.commit().await.unwrap();
}

/// A moment in the middle of the rows.
pub(crate) const MIDDLE: Timestamp = Timestamp::from_micros(50_000);
