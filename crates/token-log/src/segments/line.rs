//! A record as it stands in the body of a segment: a JSON array, as the migration describes it.

use std::borrow::Cow;

use chancery_domain::Timestamp;
use chancery_event_store::StoreError;
use serde::Deserialize;

use crate::{
    activity::{Activity, Entry, Kind},
    filter::Marks,
    place::Place,
};

/// What a line is about as long as.
const USUAL: usize = 384;

/// Borrowed from the body, unless something in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// In the order in which they stand.
#[derive(Deserialize)]
pub(crate) struct Line<'a> {
    pub(crate) at: i64,
    #[serde(borrow)]
    kind: Text<'a>,
    client: Option<Text<'a>>,
    credential: Option<Text<'a>>,
    scopes: Option<Text<'a>>,
    audience: Option<Text<'a>>,
    jti: Option<Text<'a>>,
    pub(crate) expires_at: Option<i64>,
    address: Option<Text<'a>>,
    user_agent: Option<Text<'a>>,
    reason: Option<Text<'a>>,
    trace_id: Option<Text<'a>>,
}

fn text<'a>(of: Option<&'a Text<'_>>) -> Option<&'a str> {
    of.map(|Text(text)| &**text)
}

/// The record's line.
pub(crate) fn encode(entry: &Entry<'_>) -> Result<String, StoreError> {
    let mut line = Vec::with_capacity(USUAL);
    let members = (
        entry.at.micros(),
        entry.kind.as_str(),
        entry.client.as_deref(),
        entry.credential.as_deref(),
        entry.scopes.as_deref(),
        entry.audience.as_deref(),
        entry.jti.as_deref(),
        entry.expires_at.map(Timestamp::micros),
        entry.address,
        entry.user_agent.as_deref(),
        entry.reason,
        entry.trace_id.as_deref(),
    );
    serde_json::to_writer(&mut line, &members)
        .ok()
        .and_then(|()| String::from_utf8(line).ok())
        .ok_or_else(|| StoreError::Misuse("a record is no JSON".to_owned()))
}

/// The records of a body.
pub(crate) fn decode(body: &str) -> Result<Vec<Line<'_>>, StoreError> {
    serde_json::from_str(body).map_err(|error| {
        StoreError::Corrupt(format!("a segment of activity is unreadable: {error}"))
    })
}

impl Line<'_> {
    pub(crate) fn kind(&self) -> Result<Kind, StoreError> {
        let Text(kind) = &self.kind;
        kind.parse()
            .map_err(|_| StoreError::Corrupt(format!("activity of the unknown kind `{kind}`")))
    }

    pub(crate) fn client(&self) -> Option<&str> {
        text(self.client.as_ref())
    }

    pub(crate) fn credential(&self) -> Option<&str> {
        text(self.credential.as_ref())
    }

    pub(crate) fn address(&self) -> Option<&str> {
        text(self.address.as_ref())
    }

    pub(crate) fn trace_id(&self) -> Option<&str> {
        text(self.trace_id.as_ref())
    }

    /// Whether it is one of few, which have an index of their own.
    pub(crate) fn is_rare(&self) -> Result<bool, StoreError> {
        Ok(self.reason.is_some() || self.kind()? != Kind::TokenIssued)
    }

    pub(crate) fn marks(&self) -> Result<Marks<'_>, StoreError> {
        Ok(Marks {
            kind: self.kind()?,
            client: self.client(),
            credential: self.credential(),
            reason: text(self.reason.as_ref()),
            jti: text(self.jti.as_ref()),
            trace_id: self.trace_id(),
        })
    }

    pub(crate) fn read(&self, position: i64) -> Result<Activity, StoreError> {
        let place = Place {
            at: self.at,
            position,
        };
        let owned = |of| text(of).map(ToOwned::to_owned);
        Ok(Activity {
            id: place.into(),
            at: Timestamp::from_micros(self.at),
            kind: self.kind()?,
            client: owned(self.client.as_ref()),
            credential: owned(self.credential.as_ref()),
            scopes: words(text(self.scopes.as_ref())),
            audience: words(text(self.audience.as_ref())),
            jti: owned(self.jti.as_ref()),
            expires_at: self.expires_at.map(Timestamp::from_micros),
            address: owned(self.address.as_ref()),
            user_agent: owned(self.user_agent.as_ref()),
            reason: owned(self.reason.as_ref()),
            trace_id: owned(self.trace_id.as_ref()),
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
