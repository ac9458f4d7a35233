//! What the tests of the log have in common: a store with tenants, a log beside it, entries.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part"
)]

use std::sync::Arc;

use chancery_domain::{ClientId, Clock, TenantId, Timestamp};
use chancery_event_store::{Backend, Database, Stamp, Store, StoreConfig, Tx, execute};
use chancery_testkit::{clock::TestClock, held, stores::TestStore};
use chancery_token_log::{
    Activity, ActivityFilter, Answer, Assertion, Entry, Kind, Operation, TokenLog, TokenLogConfig,
};

pub struct World {
    pub store: TestStore,
    pub clock: Arc<TestClock>,
    pub log: TokenLog,
    /// Past the log, on its database.
    pub raw: Database,
}

pub fn tenant(number: u8) -> TenantId {
    TenantId::from_bytes([number; 16])
}

pub fn client(number: u8) -> ClientId {
    ClientId::from_bytes([number; 16])
}

pub fn config(store: &TestStore) -> TokenLogConfig {
    TokenLogConfig::beside(store.database().location())
}

impl World {
    pub async fn on(store: TestStore) -> Self {
        let clock = Arc::new(TestClock::default());
        let config = config(&store);
        let log = open(&config, store.another().await, &clock).await;
        let raw = Database::connect(&StoreConfig::new(config.location.clone()))
            .await
            .unwrap();
        Self {
            store,
            clock,
            log,
            raw,
        }
    }

    /// Another node's log on the same database.
    pub async fn another(&self) -> TokenLog {
        open(
            &config(&self.store),
            self.store.another().await,
            &self.clock,
        )
        .await
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Something happens in the tenant's roll.
    pub async fn change(&self, tenant: TenantId) -> Stamp {
        let mut tx = self.store.begin().await.unwrap();
        tx.take_numbers(tenant, 1, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        self.store.stamp(tenant).await.unwrap().unwrap()
    }

    pub fn entry(&self, tenant: TenantId, kind: Kind) -> Entry<'static> {
        Entry::new(tenant, self.now(), kind)
    }

    /// A token issued to a client with a credential.
    pub fn issued(&self, jti: &str) -> Entry<'static> {
        Entry {
            client: Some(client(1).to_string().into()),
            credential: Some("secret_a".into()),
            address: Some([192, 0, 2, 1].into()),
            jti: Some(jti.to_owned().into()),
            ..self.entry(tenant(1), Kind::TokenIssued)
        }
    }

    /// A token revoked by its client: what is rare, and so a row.
    pub fn revoked(&self, jti: &str) -> Entry<'static> {
        Entry {
            kind: Kind::TokenRevoked,
            ..self.issued(jti)
        }
    }

    pub async fn all(&self, tenant: TenantId) -> Vec<Activity> {
        self.find(tenant, ActivityFilter::default()).await
    }

    pub async fn find(&self, tenant: TenantId, filter: ActivityFilter) -> Vec<Activity> {
        let all = (None, None);
        let page = self.log.page(tenant, all, 100_000, &filter).await;
        page.unwrap().records
    }

    pub async fn jtis(&self) -> Vec<String> {
        let all = self.all(tenant(1)).await;
        all.into_iter().filter_map(|found| found.jti).collect()
    }

    /// A table's name as a statement has it.
    pub fn table(&self, name: &str) -> String {
        match self.raw.backend() {
            Backend::Postgres => format!("token_log.{name}"),
            Backend::Sqlite => name.to_owned(),
        }
    }

    pub async fn run(&self, sql: &str) {
        let mut tx = self.raw.begin().await.unwrap();
        execute!(&mut tx, sql).unwrap();
        tx.commit().await.unwrap();
    }

    /// Until this is dropped nobody can write.
    pub async fn hold(&self) -> Tx {
        held::hold(&self.raw).await
    }
}

async fn open(config: &TokenLogConfig, heads: Store, clock: &Arc<TestClock>) -> TokenLog {
    TokenLog::open(config, &heads, clock.clone()).await.unwrap()
}

pub fn operation(entry: Entry<'static>, seen: Option<Stamp>) -> Operation<'static> {
    Operation {
        entry,
        seen,
        assertion: None,
        change: None,
    }
}

pub fn claiming(entry: Entry<'static>, jti: &str, until: Timestamp) -> Operation<'static> {
    let assertion = Assertion {
        client: client(1),
        jti: jti.to_owned(),
        until,
    };
    Operation {
        entry,
        seen: None,
        assertion: Some(assertion),
        change: None,
    }
}

pub async fn record(log: &TokenLog, operation: Operation<'_>) -> Answer {
    log.record(operation).await.unwrap()
}
