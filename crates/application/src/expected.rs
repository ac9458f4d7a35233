//! What somebody had before their eyes when they decided on a change.

use chancery_domain::{ReadSet, StreamId};

use crate::error::Error;

/// The version of a stream on which somebody decided: a change that comes with it is made on that version, or
/// not at all. Without it whoever writes back a whole value also gives back what others changed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) stream: StreamId,
    pub(crate) version: i64,
}

impl Expected {
    /// Passes while the stream has this version. The versions of what a decision is made on are compared once
    /// more under the tenant's lock, so what passes here is still so when it is written.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub(crate) fn among(self, read: &ReadSet) -> Result<(), Error> {
        let Some(version) = read.version(self.stream) else {
            // Not to have looked is not to know that nothing has changed.
            let text = format!(
                "a version of {} is expected, which is not read",
                self.stream
            );
            return Err(Error::Internal(text.into()));
        };
        if version == self.version {
            return Ok(());
        }
        Err(Error::Changed {
            what: self.what(),
            expected: self.version,
            version,
        })
    }

    fn what(self) -> &'static str {
        match self.stream {
            StreamId::Tenant(_) => "tenant",
            StreamId::KeyRing(_) => "tenant's key ring",
            StreamId::Api(_) => "API",
            StreamId::Client(_) => "client",
            StreamId::SecretRotation(_) => "client's secrets",
        }
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::{ClientId, ReadSet, command::Loaded};

    use super::*;

    const CLIENT: StreamId = StreamId::Client(ClientId::from_bytes([7; 16]));

    fn expected(version: i64) -> Expected {
        let stream = CLIENT;
        Expected { stream, version }
    }

    #[test]
    fn a_change_is_made_on_the_version_that_was_seen_or_not_at_all() {
        let read = ReadSet::new(vec![Loaded {
            version: 3,
            ..Loaded::absent(CLIENT)
        }]);
        assert!(expected(3).among(&read).is_ok());
        for seen in [2, 4] {
            let refused = expected(seen).among(&read).unwrap_err();
            assert!(
                matches!(refused, Error::Changed { what: "client", expected, version: 3 } if expected == seen)
            );
        }
    }

    #[test]
    fn a_version_of_what_is_not_read_is_not_taken_for_the_same() {
        let refused = expected(0).among(&ReadSet::default()).unwrap_err();
        assert!(matches!(refused, Error::Internal(_)), "{refused}");
    }
}
