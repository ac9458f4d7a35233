//! What changed between two moments.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::view::{AsOf, Item, View, has_names};

/// What changed between two moments.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The earlier one.
    pub from: AsOf,
    /// The later one.
    pub to: AsOf,
    /// What changed: the tenant, its keys, its APIs, its clients, each followed by its secrets.
    pub changes: Vec<Change>,
}

/// What changed of one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// How.
    pub what: What,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// For a secret, the client that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Where it is in its life at the later moment.
    pub state: &'static str,
    /// What is different about it; of what was added, all there is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// How a thing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It was not there.
    Added,
    /// It was there, and is different.
    Changed,
    /// It is there no more: it has ended.
    Removed,
}

/// A kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The tenant itself.
    Tenant,
    /// A signing key.
    SigningKey,
    /// An API.
    Api,
    /// A client.
    Client,
    /// A client's secret.
    Secret,
}

/// A value that is different.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Where it is: the names that lead to it.
    pub field: Vec<String>,
    /// What it was; absent: it was not there; null: it was there, without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is; absent: it is not there; null: it is there, without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Difference {
    /// What changed from the one view to the other.
    pub fn between(from: &View, to: &View) -> Self {
        let mut changes = Vec::new();
        let one = std::slice::from_ref;
        compare(
            Kind::Tenant,
            None,
            one(&from.tenant),
            one(&to.tenant),
            &mut changes,
        );
        compare(
            Kind::SigningKey,
            None,
            &from.signing_keys,
            &to.signing_keys,
            &mut changes,
        );
        compare(Kind::Api, None, &from.apis, &to.apis, &mut changes);
        compare(Kind::Client, None, &from.clients, &to.clients, &mut changes);
        Self {
            from: from.as_of,
            to: to.as_of,
            changes,
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

fn compare(
    kind: Kind,
    client: Option<&str>,
    before: &[Item],
    after: &[Item],
    changes: &mut Vec<Change>,
) {
    let earlier: BTreeMap<_, _> = before.iter().map(|item| (&item.id, item)).collect();
    // What ends after the earlier moment is not forgotten: whatever was there is among the later ones.
    for item in after {
        let old = earlier.get(&item.id).copied();
        let was_live = old.is_some_and(|old| old.is_live);
        let (what, fields) = match (was_live, item.is_live) {
            (false, true) => (What::Added, fields(&Map::new(), &item.fields)),
            (true, false) => (What::Removed, Vec::new()),
            (true, true) => {
                let nothing = Map::new();
                let mut different = fields(old.map_or(&nothing, |old| &old.fields), &item.fields);
                if let Some(old) = old.filter(|old| old.state != item.state) {
                    different.insert(
                        0,
                        FieldChange {
                            field: vec!["state".to_owned()],
                            before: Some(old.state.into()),
                            after: Some(item.state.into()),
                        },
                    );
                }
                (What::Changed, different)
            }
            (false, false) => continue,
        };
        if what != What::Changed || !fields.is_empty() {
            changes.push(Change {
                what,
                kind,
                id: item.id.clone(),
                label: item.label.clone(),
                client: client.map(ToOwned::to_owned),
                state: item.state,
                fields,
            });
        }
        // With a client its secrets go without saying.
        if item.is_live {
            let secrets = old.map_or(&[][..], |old| &old.secrets);
            compare(
                Kind::Secret,
                Some(&item.id),
                secrets,
                &item.secrets,
                changes,
            );
        }
    }
}

/// The values that are different, by the names that lead to them.
fn fields(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldChange> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten(&[], before, &mut old);
    flatten(&[], after, &mut new);
    let names: BTreeSet<_> = old.keys().chain(new.keys()).cloned().collect();
    let change = |field: Vec<String>| {
        let (before, after) = (old.remove(&field), new.remove(&field));
        (before != after).then_some(FieldChange {
            field,
            before,
            after,
        })
    };
    names.into_iter().filter_map(change).collect()
}

fn flatten(path: &[String], fields: &Map<String, Value>, to: &mut BTreeMap<Vec<String>, Value>) {
    let path_has_names = path.last().is_some_and(|field| has_names(field));
    for (name, value) in fields {
        let path = [path, std::slice::from_ref(name)].concat();
        match value {
            Value::Null if !path_has_names => {}
            Value::Object(inner) => flatten(&path, inner, to),
            value => {
                to.insert(path, value.clone());
            }
        }
    }
}
