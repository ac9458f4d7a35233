use axum::extract::ws::{CloseFrame, Message};

/// How long a reason may be, in bytes (RFC 6455, section 5.5).
const MAX_REASON: usize = 123;

/// How a connection ends: a code that programs know, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Close {
    code: u16,
    reason: String,
}

impl Close {
    /// The server stops (RFC 6455).
    pub(super) fn going_away() -> Self {
        Self::new(
            1001,
            "the server is stopping; connect again and go on past your last entry",
        )
    }

    /// Not WebSocket at all (RFC 6455).
    pub(super) fn broken() -> Self {
        Self::new(
            1002,
            "the connection does not keep to the WebSocket protocol",
        )
    }

    /// A message over the limit (RFC 6455).
    pub(super) fn too_large() -> Self {
        Self::new(
            1009,
            &format!("a message may have {} bytes", super::MAX_MESSAGE),
        )
    }

    /// It may work later.
    pub(super) fn later(reason: &str) -> Self {
        Self::new(1013, reason)
    }

    /// A message that the protocol does not have.
    pub(super) fn bad_message(reason: &str) -> Self {
        Self::new(4400, reason)
    }

    /// A subscription before the caller is known.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            4401,
            "send connection_init first, and wait for connection_ack",
        )
    }

    /// The caller gets no further, or not any more.
    pub(super) fn forbidden(reason: &str) -> Self {
        Self::new(4403, reason)
    }

    /// No `connection_init` in time.
    pub(super) fn init_timeout() -> Self {
        Self::new(4408, "connection_init did not come in time")
    }

    /// An id of a subscription that is there already.
    pub(super) fn duplicate() -> Self {
        Self::new(4409, "a subscription with this id is open already")
    }

    /// Too much at once.
    pub(super) fn too_many(reason: &str) -> Self {
        Self::new(4429, reason)
    }

    /// What the library says, where it has no code of the protocol for it.
    pub(super) fn of_library(code: u16, reason: &str) -> Self {
        match code {
            // Its way of saying that somebody subscribed too early.
            1011 => Self::unauthorized(),
            1002 => Self::bad_message(reason),
            code => Self::new(code, reason),
        }
    }

    fn new(code: u16, reason: &str) -> Self {
        let mut end = reason.len().min(MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let reason = reason[..end].to_owned();
        Self { code, reason }
    }
}

impl From<Close> for Message {
    fn from(Close { code, reason }: Close) -> Self {
        Self::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_its_frame_and_is_text() {
        for length in 0..200 {
            let close = Close::forbidden(&"ä".repeat(length));
            assert!(close.reason.len() <= MAX_REASON);
            assert_eq!(close.reason.len(), (2 * length).min(MAX_REASON - 1));
        }
        for close in [
            Close::going_away(),
            Close::too_large(),
            Close::unauthorized(),
        ] {
            assert!(close.reason.len() < MAX_REASON, "{close:?} is cut");
        }
    }

    #[test]
    fn what_the_library_says_gets_the_codes_of_the_protocol() {
        assert_eq!(Close::of_library(1011, "x"), Close::unauthorized());
        assert_eq!(Close::of_library(1002, "x"), Close::bad_message("x"));
        assert_eq!(Close::of_library(4429, "x"), Close::too_many("x"));
    }
}
