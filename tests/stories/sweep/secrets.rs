//! Where a secret might come out: everything that was said, logged and kept, and every secret that was
//! seen on the way.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::ask::Reply;
use crate::support::{World, dump, kept_log, private_keys, spellings};

/// What was said, and the secrets that were seen.
#[derive(Default)]
pub(crate) struct Seen {
    said: String,
    secrets: BTreeSet<String>,
}

impl Seen {
    /// A secret, or a token.
    pub(crate) fn secret(&mut self, secret: &str) {
        self.secrets.insert(secret.to_owned());
    }

    /// An answer. What stands in `plaintext` is a secret and is shown there this once.
    pub(crate) fn reply(&mut self, reply: &Reply) {
        let mut body = reply.json();
        self.take(&mut body);
        self.said.push_str(&body.to_string());
        self.said
            .push_str(reply.challenge.as_deref().unwrap_or_default());
    }

    fn take(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if name == "plaintext"
                        && let Value::String(secret) = member.take()
                    {
                        self.secrets.insert(secret);
                    }
                    self.take(member);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.take(item)),
            _ => {}
        }
    }

    /// Fails when any secret is in anything that was said, logged or kept.
    pub(crate) async fn nothing_came_out(&self, world: &World) {
        let (kept, log) = (dump(world.store.database()).await, kept_log());
        assert!(
            kept.contains("SecretIssued"),
            "the events are looked through"
        );
        assert!(log.contains("TRACE"), "the log is looked through");
        assert!(
            self.said.contains("errors") && self.said.contains("hint"),
            "the answers are looked through"
        );
        let mut traces: Vec<String> = Vec::new();
        for secret in &self.secrets {
            traces.push(core(secret));
            traces.push(core(&STANDARD.encode(secret)));
        }
        assert!(
            traces.len() > 20,
            "{} secrets were seen",
            self.secrets.len()
        );
        let keys = private_keys(world).await;
        traces.extend(keys.iter().flat_map(|key| spellings(key)));
        traces.push(core(&world.master_key));
        for (place, text) in [
            ("an answer", &self.said),
            ("the database", &kept),
            ("the log", &log),
        ] {
            for trace in &traces {
                assert!(
                    !text.contains(&**trace),
                    "a secret came out in {place}: …{trace}…"
                );
            }
        }
        // What is kept instead stays where it is.
        for (place, text) in [("an answer", &self.said), ("the log", &log)] {
            for trace in ["$argon2", "PRIVATE KEY", "\"d\":"] {
                assert!(!text.contains(trace), "{trace} is in {place}");
            }
        }
    }
}

/// A secret without its beginning, which may be common to all, and its end, which is shown as its hint.
fn core(secret: &str) -> String {
    secret[secret.len() / 4..secret.len() * 3 / 4].to_owned()
}
