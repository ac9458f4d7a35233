//! A tenant's life to try things out on: always the same for the same seed, as long as it is asked for.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "for tests and measurements, where a panic is a failure"
)]

use std::collections::{HashMap, VecDeque};

use chancery_crypto::NoteKey;
use chancery_domain::{
    Actor, ApiId, ClientId, CommandId, Entry, EventId, KeyId, SecretId, StreamId, TenantId,
    Timestamp, json::canonical, value::Slug,
};
use serde_json::{Value, json};

use crate::{
    Hash,
    checkpoint::{Checkpoint, SignedCheckpoint, origin},
    export::{ExportWriter, TenantName},
    line,
    tree::Frontier,
};

/// The issuer of the tenant.
pub const ISSUER: &str = "https://auth.example.com/t/acme";
/// When its roll begins: 2026-01-01.
pub const BEGIN: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

struct Client {
    id: ClientId,
    secret: SecretId,
    disabled: bool,
}

/// The entries of a tenant's roll, one after another.
pub struct Sample {
    random: u64,
    head: i64,
    now: Timestamp,
    sequences: HashMap<StreamId, i64>,
    due: VecDeque<(StreamId, &'static str, Value)>,
    /// Secrets whose place another one took, and when they retire.
    retiring: VecDeque<(Timestamp, StreamId, SecretId)>,
    apis: Vec<ApiId>,
    clients: Vec<Client>,
    most_clients: usize,
}

impl Sample {
    /// A life with at most so many clients at a time.
    pub fn new(seed: u64, most_clients: usize) -> Self {
        let mut sample = Self {
            random: seed.wrapping_mul(2).wrapping_add(1),
            head: 0,
            now: BEGIN,
            sequences: HashMap::new(),
            due: VecDeque::new(),
            retiring: VecDeque::new(),
            apis: Vec::new(),
            clients: Vec::new(),
            most_clients,
        };
        sample.begin();
        sample
    }

    /// The tenant.
    pub fn tenant() -> TenantName {
        TenantName {
            id: TenantId::new(BEGIN, [7; 10]),
            slug: Slug::parse("acme").unwrap(),
        }
    }

    /// A key for its checkpoints; another one at each call.
    pub fn key() -> NoteKey {
        NoteKey::generate(&origin(ISSUER)).unwrap().0
    }

    fn random(&mut self) -> u64 {
        // splitmix64
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.random() % limit as u64).unwrap()
    }

    fn bytes(&mut self) -> [u8; 10] {
        let random = [self.random().to_le_bytes(), self.random().to_le_bytes()].concat();
        random[..10].try_into().unwrap()
    }

    fn push(&mut self, stream: StreamId, event_type: &'static str, payload: Value) {
        self.due.push_back((stream, event_type, payload));
    }

    fn begin(&mut self) {
        let tenant = Self::tenant();
        let limits = json!({"client": {"enforce": true, "requests": 600, "window_seconds": 60}});
        let policy = json!({
            "access_token_seconds": 3600, "allow_metadata": true, "max_live_secrets": 2,
            "allowed_auth_methods": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "client_lifetime_days": {"min": 1}, "rate_limit": limits, "require_client_name": true,
            "rotation_overlap_seconds": 86400, "signing_algorithm": "ES256",
        });
        let created = json!({"slug": tenant.slug, "display_name": "Acme", "policy": policy});
        self.push(StreamId::Tenant(tenant.id), "TenantCreated", created);
        let key = KeyId::new(BEGIN, self.bytes()).to_string();
        let public_jwk = json!({
            "alg": "ES256", "crv": "P-256", "kid": key, "kty": "EC", "use": "sig",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        });
        let ring = StreamId::KeyRing(tenant.id);
        let generated = json!({"key": key, "algorithm": "ES256", "public_jwk": public_jwk, "generated_at": BEGIN, "activates_at": BEGIN});
        self.push(ring, "KeyGenerated", generated);
        self.push(
            ring,
            "KeyActivated",
            json!({"key": key, "activated_at": BEGIN}),
        );
        for name in ["orders", "invoices", "stock", "reports"] {
            let api = ApiId::new(BEGIN, self.bytes());
            self.apis.push(api);
            let scope = |verb: &str| json!({"name": format!("{name}:{verb}"), "description": format!("May {verb} {name}")});
            let roles = json!([{"name": "clerk", "scopes": [format!("{name}:read"), format!("{name}:write")]}]);
            let created = json!({
                "identifier": Self::identifier(name), "name": name, "built_in": false,
                "scopes": [scope("read"), scope("write"), scope("delete")], "roles": roles,
            });
            self.push(StreamId::Api(api), "ApiCreated", created);
        }
    }

    fn identifier(name: &str) -> String {
        format!("https://{name}.acme.example")
    }

    fn issued(&mut self) -> (SecretId, Value) {
        let secret = SecretId::new(self.now, self.bytes());
        let hint = format!("{:04x}", self.random() % 65_536);
        (
            secret,
            json!({"secret": secret, "hint": hint, "issued_at": self.now, "expires_at": self.now.plus_days(180)}),
        )
    }

    fn new_client(&mut self) {
        let id = ClientId::new(self.now, self.bytes());
        let number = self.random() % 10_000;
        let created = json!({
            "name": format!("billing-worker-{number}"), "description": "Sends the nightly invoices",
            "auth_method": "client_secret", "metadata": {"team": "Büro", "cost": number, "on-call": true},
        });
        self.push(StreamId::Client(id), "ClientCreated", created);
        let (secret, issued) = self.issued();
        self.push(
            StreamId::SecretRotation(id),
            "SecretIssued",
            json!({"issued": issued}),
        );
        self.clients.push(Client {
            id,
            secret,
            disabled: false,
        });
        self.grant(id);
    }

    fn grant(&mut self, client: ClientId) {
        let index = self.below(self.apis.len());
        let name = ["orders", "invoices", "stock", "reports"][index];
        let granted = json!({
            "api": self.apis[index], "identifier": Self::identifier(name), "roles": ["clerk"],
            "scopes": [format!("{name}:delete"), format!("{name}:read")],
        });
        self.push(StreamId::Client(client), "ClientGranted", granted);
    }

    /// What happens next to one of the clients.
    fn live(&mut self) {
        let (index, what) = (self.below(self.clients.len()), self.below(100));
        let id = self.clients[index].id;
        let client = StreamId::Client(id);
        match what {
            0..40 => {
                let (secret, issued) = self.issued();
                let old = std::mem::replace(&mut self.clients[index].secret, secret);
                let retires_at = self.now.plus_days(1);
                let retires = json!([{"secret": old, "retires_at": retires_at}]);
                let rotated = json!({"issued": issued, "retires": retires});
                let secrets = StreamId::SecretRotation(id);
                self.push(secrets, "SecretRotated", rotated);
                self.retiring.push_back((retires_at, secrets, old));
            }
            40..50 => {
                let (secret, issued) = self.issued();
                let old = std::mem::replace(&mut self.clients[index].secret, secret);
                let secrets = StreamId::SecretRotation(id);
                self.push(secrets, "SecretIssued", json!({"issued": issued}));
                let revoked =
                    json!({"secret": old, "reason": "found in a log", "compromised": true});
                self.push(secrets, "SecretRevoked", revoked);
            }
            50..65 => self.grant(id),
            65..80 => {
                let metadata =
                    json!({"team": "Büro", "cost": self.random() % 10_000, "on-call": false});
                self.push(
                    client,
                    "ClientMetadataChanged",
                    json!({"metadata": metadata}),
                );
            }
            80..90 => {
                let name = format!("billing-worker-{}", self.random() % 10_000);
                self.push(
                    client,
                    "ClientDescribed",
                    json!({"name": name, "description": "Moved to the new cluster"}),
                );
            }
            90..98 => {
                let disabled = &mut self.clients[index].disabled;
                *disabled = !*disabled;
                let (event, payload) = if *disabled {
                    ("ClientDisabled", json!({"reason": "the owner left"}))
                } else {
                    ("ClientEnabled", json!({}))
                };
                self.push(client, event, payload);
            }
            _ => {
                self.clients.swap_remove(index);
                self.push(client, "ClientDeleted", json!({"reason": "replaced"}));
            }
        }
    }
}

impl Iterator for Sample {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.now = Timestamp::from_micros(
            self.now.micros() + 1 + i64::try_from(self.random() % 60_000_000).unwrap(),
        );
        if self.due.is_empty() {
            let retired = |(at, ..): &mut (Timestamp, _, _)| *at <= self.now;
            if let Some((_, secrets, secret)) = self.retiring.pop_front_if(retired) {
                self.push(secrets, "SecretRetired", json!({"secret": secret}));
            } else if self.clients.is_empty()
                || self.clients.len() < self.most_clients && self.below(4) == 0
            {
                self.new_client();
            } else {
                self.live();
            }
        }
        let (stream, event_type, payload) = self.due.pop_front()?;
        self.head += 1;
        let sequence = self.sequences.entry(stream).or_insert(0);
        *sequence += 1;
        let sequence = *sequence;
        let command: CommandId = format!(
            "{:032x}",
            u128::from(self.random()) << 64 | u128::from(self.random())
        )
        .parse()
        .unwrap();
        Some(Entry {
            id: EventId::new(self.now, self.bytes()),
            tenant: Self::tenant().id,
            tenant_seq: self.head,
            recorded_at: self.now,
            stream,
            sequence,
            event_type: event_type.to_owned(),
            version: 1,
            payload: canonical(&payload),
            actor: Actor::Client(ClientId::new(BEGIN, [9; 10])),
            command_id: (self.head % 4 != 0).then_some(command),
            trace_id: Some(format!(
                "{:032x}",
                u128::from(self.random()) << 64 | u128::from(self.random())
            )),
        })
    }
}

/// The checkpoint over the first `size` of these entries.
pub fn checkpoint(entries: &[Entry], size: usize, key: &NoteKey) -> SignedCheckpoint {
    let mut tree = Frontier::default();
    for entry in &entries[..size] {
        tree.push(Hash::leaf(line::write(entry).as_bytes()));
    }
    let checkpoint = Checkpoint {
        origin: key.verifier().name().to_owned(),
        size: tree.size(),
        root: tree.root(),
    };
    SignedCheckpoint::parse(&checkpoint.sign(key).unwrap()).unwrap()
}

/// The export of these entries from number `from` on.
pub fn export(entries: &[Entry], from: usize, key: &NoteKey) -> String {
    let mut before = Frontier::default();
    for entry in &entries[..from - 1] {
        before.push(Hash::leaf(line::write(entry).as_bytes()));
    }
    let checkpoint = checkpoint(entries, entries.len(), key);
    let prefix = before.subtrees().to_vec();
    let (tenant, from) = (Sample::tenant(), from as u64);
    let mut writer = ExportWriter::begin(
        Vec::new(),
        tenant,
        key.verifier(),
        &checkpoint,
        from,
        prefix,
    )
    .unwrap();
    while let Some(due) = writer.due() {
        let index = usize::try_from(due - 1).unwrap();
        writer.entry(&entries[index]).unwrap();
    }
    String::from_utf8(writer.finish().unwrap()).unwrap()
}
