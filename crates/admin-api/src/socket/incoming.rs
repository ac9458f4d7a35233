//! What a client sends, message by message, and what it may not.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_graphql::http::ClientMessage;
use axum::extract::ws::Message;
use serde::{Deserialize, de::Error as _};
use tokio::time::Instant;

use super::close::Close;
use crate::repeated::{self, Unread};

/// How many subscriptions one connection has.
pub(super) const PER_CONNECTION: usize = 16;

/// What both directions of a connection know.
pub(super) struct Shared(Mutex<State>);

struct State {
    /// The ids of the subscriptions that are open.
    open: HashSet<String>,
    /// When anything last came.
    heard: Instant,
    /// Why the connection has to end, once somebody has found a reason.
    verdict: Option<Close>,
}

/// A message of ours that ends a subscription.
#[derive(Deserialize)]
struct Complete {
    id: String,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            open: HashSet::new(),
            heard: Instant::now(),
            verdict: None,
        }))
    }

    /// When anything last came.
    pub(super) fn heard(&self) -> Instant {
        self.state().heard
    }

    /// Says why the connection has to end. The first reason stands.
    pub(super) fn condemn(&self, close: Close) {
        self.state().verdict.get_or_insert(close);
    }

    /// Why the connection has to end.
    pub(super) fn verdict(&self) -> Option<Close> {
        self.state().verdict.clone()
    }

    /// Takes a message from the client. `None`: it is of the WebSocket itself. An error ends the
    /// connection, and the verdict says why.
    pub(super) fn take(
        &self,
        message: Result<Message, axum::Error>,
    ) -> Option<serde_json::Result<ClientMessage>> {
        let mut state = self.state();
        state.heard = Instant::now();
        let text = match message {
            Ok(Message::Text(text)) => text,
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => return None,
            Ok(Message::Binary(_)) => {
                return Some(state.refuse(Close::bad_message("messages are text, not binary")));
            }
            Err(error) => return Some(state.refuse(of_transport(&error))),
        };
        let whole = repeated::check(text.as_bytes());
        if let Err(Unread::Twice { .. }) = whole {
            let reason = "an object in the message has a member twice; give each member once";
            return Some(state.refuse(Close::bad_message(reason)));
        }
        // With a reserved name it is no message either.
        let message = whole.ok().and_then(|()| serde_json::from_str(&text).ok());
        let Some(message) = message else {
            // What is wrong with it is not repeated: there may be a token in it.
            let reason = "this is no message of graphql-transport-ws";
            return Some(state.refuse(Close::bad_message(reason)));
        };
        match &message {
            ClientMessage::Start { id, .. } => {
                if state.open.contains(id) {
                    return Some(state.refuse(Close::duplicate()));
                }
                if state.open.len() >= PER_CONNECTION {
                    let reason = format!("a connection has {PER_CONNECTION} subscriptions at most");
                    return Some(state.refuse(Close::too_many(&reason)));
                }
                state.open.insert(id.clone());
            }
            ClientMessage::Stop { id } => {
                state.open.remove(id);
            }
            _ => {}
        }
        Some(Ok(message))
    }

    /// Notes what goes out.
    pub(super) fn sent(&self, text: &str) {
        // The tag comes first in what the library writes.
        if text.starts_with(r#"{"type":"complete""#)
            && let Ok(Complete { id }) = serde_json::from_str(text)
        {
            self.state().open.remove(&id);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refuse(&mut self, close: Close) -> serde_json::Result<ClientMessage> {
        self.verdict.get_or_insert(close);
        Err(serde_json::Error::custom("refused"))
    }
}

/// What went wrong below the messages.
fn of_transport(error: &axum::Error) -> Close {
    let text = error.to_string();
    if text.contains("too long") || text.contains("too big") {
        Close::too_large()
    } else {
        Close::broken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(shared: &Shared, text: &str) -> bool {
        shared.take(Ok(Message::Text(text.into()))).unwrap().is_ok()
    }

    fn subscribe(shared: &Shared, id: usize) -> bool {
        say(
            shared,
            &format!(
                r#"{{"type":"subscribe","id":"{id}","payload":{{"query":"subscription {{ x }}"}}}}"#
            ),
        )
    }

    #[test]
    fn subscriptions_are_counted_and_their_ids_are_free_again_when_they_end() {
        let shared = Shared::new();
        for id in 0..PER_CONNECTION {
            assert!(subscribe(&shared, id));
        }
        assert!(say(&shared, r#"{"type":"complete","id":"3"}"#));
        assert!(subscribe(&shared, 3));
        shared.sent(r#"{"type":"next","id":"4","payload":{"data":{"text":"{\"type\":\"complete\",\"id\":\"5\"}"}}}"#);
        shared.sent(r#"{"type":"complete","id":"4"}"#);
        assert!(subscribe(&shared, 4));
        assert_eq!(shared.verdict(), None);
        assert!(!subscribe(&shared, 99));
        assert_eq!(
            shared.verdict(),
            Some(Close::too_many("a connection has 16 subscriptions at most"))
        );
    }

    #[test]
    fn an_id_is_used_once_at_a_time() {
        let shared = Shared::new();
        assert!(subscribe(&shared, 1));
        assert!(!subscribe(&shared, 1));
        assert_eq!(shared.verdict(), Some(Close::duplicate()));
    }

    #[test]
    fn what_is_no_message_ends_the_connection_and_is_not_repeated() {
        for wrong in [
            "",
            "null",
            "{}",
            r#"{"type":"chs_secret"}"#,
            r#"{"type":"subscribe","id":1}"#,
            "[1]",
        ] {
            let shared = Shared::new();
            assert!(!say(&shared, wrong), "{wrong}");
            let verdict = format!("{:?}", shared.verdict().unwrap());
            assert!(
                verdict.contains("4400") && !verdict.contains("chs_"),
                "{verdict}"
            );
        }
        let shared = Shared::new();
        assert!(
            shared
                .take(Ok(Message::Binary("{}".into())))
                .unwrap()
                .is_err()
        );
        assert!(shared.take(Ok(Message::Pong("".into()))).is_none());
    }
}
