use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chancery_crypto::{MasterKey, SealContext, Sealed, Sealer};
use chancery_event_store::StoreLocation;
use chancery_testkit::stores::TestDatabase;
use sqlx::{Connection, PgConnection, Row, SqliteConnection};

use super::{World, dump::hex};

/// Where something of a tenant is sealed.
const PLACES: &[fn(&str, &str) -> SealContext] = &[
    |tenant, key| SealContext::signing_key(tenant, key),
    |tenant, key| SealContext::note_key(tenant, key),
    |tenant, secret| SealContext::client_secret(tenant, secret),
];

/// Everything sealed that belongs to a tenant, opened.
pub(crate) async fn private_keys(world: &World) -> Vec<Vec<u8>> {
    let keys = Sealer::new(MasterKey::from_base64(&world.master_key).unwrap(), None);
    let rows = sealed(world.store.database()).await;
    assert!(!rows.is_empty());
    let opened = |(row, tenant, master_key_id, bytes): (String, String, String, Vec<u8>)| {
        let sealed = Sealed {
            master_key_id,
            bytes,
        };
        let mut fitting = PLACES
            .iter()
            .filter_map(|place| keys.open(&place(&tenant, &row), &sealed).ok());
        let Some(found) = fitting.next() else {
            panic!("{row} opens in none of the places: add the new one")
        };
        found.to_vec()
    };
    rows.into_iter().map(opened).collect()
}

type SealedRow = (String, String, String, Vec<u8>);

async fn sealed(database: &TestDatabase) -> Vec<SealedRow> {
    const QUERY: &str = "SELECT key_id, tenant_id, master_key_id, sealed FROM sealed_keys
        UNION ALL SELECT secret_id, tenant_id, master_key_id, sealed FROM sealed_secrets";
    match database.location() {
        StoreLocation::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let rows = sqlx::query(QUERY).fetch_all(&mut connection).await.unwrap();
            rows.iter()
                .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
                .collect()
        }
        StoreLocation::Sqlite(path) => {
            let url = format!("sqlite://{}", path.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let rows = sqlx::query(QUERY).fetch_all(&mut connection).await.unwrap();
            rows.iter()
                .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
                .collect()
        }
    }
}

/// How a private key would stand in a text: whole, or the number at its heart. The beginning of a
/// PKCS #8 document is the same for all.
pub(crate) fn spellings(key: &[u8]) -> Vec<String> {
    let heart = if key.len() > 68 { &key[36..68] } else { key };
    let mut found = vec![hex(heart), format!("{heart:?}")];
    for bytes in [key, heart] {
        let skipped = usize::from(bytes.len() > 32) * 40;
        found.push(
            STANDARD.encode(bytes)[skipped..]
                .trim_end_matches('=')
                .to_owned(),
        );
        found.push(URL_SAFE_NO_PAD.encode(bytes)[skipped..].to_owned());
    }
    found
}
