//! What people and programs are shown of a snapshot.

use chancery_domain::{
    Timestamp,
    client::{Client, ClientState},
    key_ring::KeyState,
    secret_rotation::SecretState,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Snapshot;

/// A tenant at a moment, to be shown or compared. What ended between two moments is in the later view
/// too, but not shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Of which moment.
    pub as_of: AsOf,
    /// The tenant and its policy.
    pub tenant: Item,
    /// Its signing keys.
    #[serde(serialize_with = "living")]
    pub signing_keys: Vec<Item>,
    /// Its APIs.
    #[serde(serialize_with = "living")]
    pub apis: Vec<Item>,
    /// Its clients, with their grants and their live secrets.
    #[serde(serialize_with = "living")]
    pub clients: Vec<Item>,
}

/// Of which moment a view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AsOf {
    /// The moment.
    pub at: Timestamp,
    /// The last entry that counts.
    pub entry: i64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Whether no later entry is known.
    pub is_last: bool,
}

/// One thing that a tenant has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// What people call it.
    #[serde(skip)]
    pub label: String,
    /// Where it is in its life.
    pub state: &'static str,
    /// Whether it is shown: it has not ended for good.
    #[serde(skip)]
    pub is_live: bool,
    /// Everything else, as in its events.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
    /// A client's secrets.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "living")]
    pub secrets: Vec<Item>,
}

fn living<S: serde::Serializer>(items: &[Item], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(items.iter().filter(|item| item.is_live))
}

impl View {
    /// The view of a snapshot; none where the roll has not begun with a tenant.
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        let (state, at) = (&snapshot.state, snapshot.at);
        let row = state.tenant()?;
        let mut tenant = Item::new(&row.tenant, "", &row.state, row.created_at);
        tenant.label = format!("{} ({})", row.state.display_name, row.state.slug);
        tenant.take_state();
        let ring = state.key_ring().map(|row| &row.state);
        Some(Self {
            as_of: AsOf {
                at,
                entry: snapshot.entry,
                recorded_at: snapshot.recorded_at,
                is_last: snapshot.is_last,
            },
            tenant,
            signing_keys: ring
                .into_iter()
                .flat_map(|ring| {
                    ring.as_made()
                        .into_iter()
                        .map(move |(id, key)| (ring, id, key))
                })
                .filter_map(|(ring, id, key)| Some((ring.state(id, at)?, id, key)))
                .map(|(state, id, key)| {
                    let mut item = Item::new(&id, key_state(state), key, key.generated_at);
                    item.fields.remove("created_at");
                    item.is_live = !matches!(state, KeyState::Retired | KeyState::Revoked);
                    item
                })
                .collect(),
            apis: state
                .apis()
                .map(|(id, row)| {
                    let mut item = Item::new(&id, "", &row.state, row.created_at);
                    item.label = row.state.identifier.to_string();
                    // How the server knows that a name came anew; in the roll these are changes like any other.
                    item.fields.remove("generations");
                    item.take_state();
                    item
                })
                .collect(),
            clients: state
                .clients()
                .map(|(id, row)| {
                    let mut item = client(&id, &row.state, row.created_at, at);
                    if let Some(secrets) = state.secrets(id) {
                        item.add_secrets(&secrets.state, at);
                    }
                    item
                })
                .collect(),
        })
    }
}

fn client(id: &impl ToString, client: &Client, created_at: Timestamp, at: Timestamp) -> Item {
    let state = match client.state(at) {
        ClientState::Active => "active",
        ClientState::Disabled => "disabled",
        ClientState::Expired => "expired",
        ClientState::Deleted => "deleted",
    };
    let mut item = Item::new(id, state, client, created_at);
    item.label = client
        .name
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    item.is_live = client.state(at) != ClientState::Deleted;
    item.fields.remove("standing");
    // By what people know an API by.
    let grants = client.grants.iter().map(|(api, grant)| {
        let mut fields = object(grant);
        fields.remove("identifier");
        fields.remove("api_generation");
        fields.insert("api".to_owned(), api.to_string().into());
        (grant.identifier.to_string(), Value::from(fields))
    });
    item.fields.insert("grants".to_owned(), grants.collect());
    item
}

fn key_state(state: KeyState) -> &'static str {
    match state {
        KeyState::Published => "published",
        KeyState::Active => "active",
        KeyState::Retiring => "retiring",
        KeyState::Retired => "retired",
        KeyState::Revoked => "revoked",
    }
}

fn secret_state(state: SecretState) -> &'static str {
    match state {
        SecretState::Pending => "pending",
        SecretState::Active => "active",
        SecretState::Retiring => "retiring",
        SecretState::Retired => "retired",
        SecretState::Expired => "expired",
        SecretState::Revoked => "revoked",
    }
}

impl Item {
    fn new(
        id: &impl ToString,
        state: &'static str,
        what: &impl Serialize,
        created_at: Timestamp,
    ) -> Self {
        let mut fields = object(what);
        fields.insert("created_at".to_owned(), created_at.to_string().into());
        Self {
            id: id.to_string(),
            label: String::new(),
            state,
            is_live: true,
            fields,
            secrets: Vec::new(),
        }
    }

    /// Where the state is a field of its own.
    fn take_state(&mut self) {
        let state = self.fields.remove("state");
        self.state = match state.as_ref().and_then(Value::as_str) {
            Some("active") => "active",
            Some("suspended") => "suspended",
            Some("closed") => "closed",
            Some("retired") => "retired",
            _ => "unknown",
        };
    }

    fn add_secrets(
        &mut self,
        rotation: &chancery_domain::secret_rotation::SecretRotation,
        at: Timestamp,
    ) {
        for (id, secret) in rotation.in_order() {
            let state = secret.state(at);
            let mut item = Self::new(&id, secret_state(state), secret, secret.issued_at);
            item.fields.remove("created_at");
            item.label = format!("…{}", secret.hint);
            item.is_live = state.is_live();
            self.secrets.push(item);
        }
        let mut others = object(rotation);
        // A count of what is shown one by one.
        others.remove("issued");
        others.remove("secrets");
        if !others.is_empty() {
            self.fields.insert("rotation".to_owned(), others.into());
        }
    }
}

/// Whether the members of a field are names that people gave: one without a value is there all the same. Elsewhere
/// a member without a value is one that was not set.
pub(super) fn has_names(field: &str) -> bool {
    field == "scopes"
}

/// The fields of a state of the domain.
fn object(what: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(what) {
        Ok(Value::Object(fields)) => fields,
        // Every state is an object with names as keys.
        _ => Map::new(),
    }
}
