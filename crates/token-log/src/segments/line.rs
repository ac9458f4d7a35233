//! A record as it stands in the body of a row, read.

use std::borrow::Cow;

use chancery_domain::Timestamp;
use chancery_event_store::StoreError;

use crate::{
    activity::{Activity, Kind},
    filter::Marks,
    place::Place,
};

/// What a record says in words, in the order in which it stands in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Kind,
    Client,
    Credential,
    Scopes,
    Audience,
    Jti,
    Address,
    UserAgent,
    Reason,
    TraceId,
}

impl Word {
    pub(crate) const ALL: [Self; 10] = [
        Self::Kind,
        Self::Client,
        Self::Credential,
        Self::Scopes,
        Self::Audience,
        Self::Jti,
        Self::Address,
        Self::UserAgent,
        Self::Reason,
        Self::TraceId,
    ];
}

/// Borrowed from the body, unless something in it is escaped.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) at: i64,
    pub(crate) expires_at: Option<i64>,
    /// In the order of [`Word::ALL`].
    pub(crate) words: [Option<Cow<'a, str>>; Word::ALL.len()],
}

impl Line<'_> {
    pub(crate) fn word(&self, word: Word) -> Option<&str> {
        self.words.get(word as usize)?.as_deref()
    }

    pub(crate) fn kind(&self) -> Result<Kind, StoreError> {
        let kind = self.word(Word::Kind).unwrap_or_default();
        kind.parse()
            .map_err(|_| StoreError::Corrupt(format!("activity of the unknown kind `{kind}`")))
    }

    pub(crate) fn client(&self) -> Option<&str> {
        self.word(Word::Client)
    }

    pub(crate) fn credential(&self) -> Option<&str> {
        self.word(Word::Credential)
    }

    pub(crate) fn address(&self) -> Option<&str> {
        self.word(Word::Address)
    }

    pub(crate) fn trace_id(&self) -> Option<&str> {
        self.word(Word::TraceId)
    }

    /// Whether it is one of few, which have an index of their own.
    pub(crate) fn is_rare(&self) -> Result<bool, StoreError> {
        Ok(self.word(Word::Reason).is_some() || self.kind()? != Kind::TokenIssued)
    }

    pub(crate) fn marks(&self) -> Result<Marks<'_>, StoreError> {
        Ok(Marks {
            kind: self.kind()?,
            client: self.client(),
            credential: self.credential(),
            reason: self.word(Word::Reason),
            jti: self.word(Word::Jti),
            trace_id: self.trace_id(),
        })
    }

    pub(crate) fn read(&self, position: i64) -> Result<Activity, StoreError> {
        let place = Place {
            at: self.at,
            position,
        };
        let owned = |word| self.word(word).map(ToOwned::to_owned);
        Ok(Activity {
            id: place.into(),
            at: Timestamp::from_micros(self.at),
            kind: self.kind()?,
            client: owned(Word::Client),
            credential: owned(Word::Credential),
            scopes: words(self.word(Word::Scopes)),
            audience: words(self.word(Word::Audience)),
            jti: owned(Word::Jti),
            expires_at: self.expires_at.map(Timestamp::from_micros),
            address: owned(Word::Address),
            user_agent: owned(Word::UserAgent),
            reason: owned(Word::Reason),
            trace_id: owned(Word::TraceId),
            times: 1,
        })
    }
}

/// What is separated by spaces.
pub(crate) fn words(text: Option<&str>) -> Vec<String> {
    text.into_iter()
        .flat_map(|text| text.split(' '))
        .filter(|word| !word.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}
