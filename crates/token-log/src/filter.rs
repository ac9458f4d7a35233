//! Which records of a log are asked for, and how they are found: rows by an index, the bulk by what is
//! known of its segments.

use chancery_domain::{Invalid, Timestamp};

use crate::{
    activity::Kind,
    place::Place,
    segments::bloom::{self, Mark},
};

/// What of a tenant's log is asked for; what is left out does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<Kind>,
    /// Of this client: an id, or what was sent as one.
    pub client: Option<String>,
    /// With this secret or key.
    pub credential: Option<String>,
    /// For this reason.
    pub reason: Option<String>,
    /// Of the token with this id.
    pub jti: Option<String>,
    /// In this W3C trace. No index of rows knows traces: beside this, a time is worth giving.
    pub trace_id: Option<String>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// A text that some record may hold.
///
/// # Errors
/// [`Invalid`]: no record does.
pub fn text_of_record(text: &str) -> Result<String, Invalid> {
    let right = (1..=200).contains(&text.len()) && !text.contains(char::is_control);
    let invalid = || Invalid::new("text", "must be 1 to 200 bytes of text");
    right.then(|| text.to_owned()).ok_or_else(invalid)
}

/// A W3C trace, as records have it.
///
/// # Errors
/// [`Invalid`]: it is none.
pub fn trace_of_record(text: &str) -> Result<String, Invalid> {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let right = text.len() == 32 && text.bytes().all(is_digit);
    let message = "must be 32 hexadecimal digits in lower case";
    let invalid = || Invalid::new("trace_id", message);
    right.then(|| text.to_owned()).ok_or_else(invalid)
}

/// Rows that one index gives in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg<'a> {
    /// All of them.
    Tenant,
    /// With this credential.
    Credential(&'a str),
    /// Of this client.
    Client(&'a str),
    /// For this reason.
    Reason(&'a str),
    /// Of this kind.
    Kind(Kind),
    /// What was done with the token with this id.
    Token(&'a str),
}

/// A part of the log: what lies after one place and before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) after: Place,
    pub(crate) before: Option<Place>,
}

/// What of the bulk is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InSegments {
    /// Nothing of it is.
    pub(crate) nothing: bool,
    pub(crate) range: Range,
    /// Only what is rare within it.
    pub(crate) rare: bool,
    /// Only tokens that end after this moment.
    pub(crate) alive_at: Option<i64>,
    /// What a segment must hold to be worth reading.
    pub(crate) marks: Vec<u64>,
}

/// What of a record a filter looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks<'a> {
    pub(crate) kind: Kind,
    pub(crate) client: Option<&'a str>,
    pub(crate) credential: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) jti: Option<&'a str>,
    pub(crate) trace_id: Option<&'a str>,
}

/// A token's id says its millisecond, and its record the microsecond.
const MILLISECOND: i64 = 1_000;

impl Range {
    /// What lies after one record, and not after another, within the times that are asked for.
    pub(crate) fn new(
        filter: &ActivityFilter,
        (after, upto): (Option<Place>, Option<Place>),
    ) -> Self {
        let start = |at: Timestamp| Place::start(at.micros()).previous();
        let since = filter.since.map_or(Place::BEGIN, start);
        let until = filter.until.map(|at| Place::start(at.micros()));
        let upto = upto.map(Place::next);
        Self {
            after: after.unwrap_or(Place::BEGIN).max(since),
            before: until.into_iter().chain(upto).min(),
        }
    }

    pub(crate) fn holds(&self, place: Place) -> bool {
        self.after < place && self.before.is_none_or(|before| place < before)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.before.is_some_and(|before| before <= self.after)
    }

    fn within(self, from: i64, to: i64) -> Self {
        let to = Place::start(to);
        Self {
            after: self.after.max(Place::start(from).previous()),
            before: Some(self.before.map_or(to, |before| before.min(to))),
        }
    }
}

impl ActivityFilter {
    /// The narrowest ways to every row that passes.
    pub(crate) fn legs(&self) -> Vec<Leg<'_>> {
        let bulk = |kind: &Kind| kind.is_bulk();
        if !self.kinds.is_empty() && self.kinds.iter().all(bulk) {
            return Vec::new();
        }
        if let Some(jti) = &self.jti {
            return vec![Leg::Token(jti)];
        }
        if let Some(credential) = &self.credential {
            return vec![Leg::Credential(credential)];
        }
        if let Some(client) = &self.client {
            return vec![Leg::Client(client)];
        }
        if let Some(reason) = &self.reason {
            return vec![Leg::Reason(reason)];
        }
        if self.kinds.is_empty() {
            return vec![Leg::Tenant];
        }
        let rows = Kind::ALL.into_iter().filter(|kind| !bulk(kind));
        let asked = rows.filter(|kind| self.kinds.contains(kind));
        asked.map(Leg::Kind).collect()
    }

    /// What of the bulk is asked for, within a range.
    pub(crate) fn in_segments(&self, range: Range) -> InSegments {
        let asked = |kind: Kind| self.kinds.is_empty() || self.kinds.contains(&kind);
        let bulk = Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_bulk())
            .any(asked);
        let issued = self.jti.as_deref().map(issued_at);
        let range = match issued.flatten() {
            Some(at) => range.within(at.micros(), at.micros().saturating_add(MILLISECOND)),
            None => range,
        };
        let of = [
            (Mark::Client, &self.client),
            (Mark::Credential, &self.credential),
            (Mark::Trace, &self.trace_id),
        ];
        let marks = of.into_iter();
        InSegments {
            // A token whose id is not one of ours is nowhere.
            nothing: !bulk || issued == Some(None),
            range,
            rare: self.reason.is_some() || !asked(Kind::TokenIssued),
            alive_at: None,
            marks: marks
                .filter_map(|(mark, text)| Some(bloom::hash(mark, text.as_deref()?)))
                .collect(),
        }
    }

    pub(crate) fn lets_through(&self, marks: &Marks<'_>) -> bool {
        let is = |asked: &Option<String>, found: Option<&str>| {
            asked.as_deref().is_none_or(|asked| found == Some(asked))
        };
        (self.kinds.is_empty() || self.kinds.contains(&marks.kind))
            && is(&self.client, marks.client)
            && is(&self.credential, marks.credential)
            && is(&self.reason, marks.reason)
            && is(&self.jti, marks.jti)
            && is(&self.trace_id, marks.trace_id)
    }
}

impl<'a> Leg<'a> {
    /// What the index is asked for, and what is bound to it.
    pub(crate) fn condition(self) -> (String, Option<&'a str>) {
        match self {
            Self::Tenant => (String::new(), None),
            Self::Credential(id) => ("AND credential_id = $5".to_owned(), Some(id)),
            Self::Client(id) => ("AND client_id = $5".to_owned(), Some(id)),
            Self::Reason(name) => ("AND reason = $5".to_owned(), Some(name)),
            Self::Kind(kind) => (format!("AND kind = '{kind}'"), None),
            Self::Token(jti) => ("AND jti = $5".to_owned(), Some(jti)),
        }
    }
}

/// When a token was issued, by its id: a `UUIDv7`. Whoever made up another one finds nothing by it.
fn issued_at(jti: &str) -> Option<Timestamp> {
    let digits = jti.get(..8)?.to_owned() + jti.get(9..13)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let millis = i64::from_str_radix(&digits, 16).ok().filter(|_| plain)?;
    Some(Timestamp::from_micros(millis.checked_mul(MILLISECOND)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_token_says_when_it_was_issued() {
        // The example of RFC 9562, appendix A.6.
        let at = issued_at("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").unwrap();
        assert_eq!(at.to_string(), "2022-02-22T19:22:22.000000Z");
        for other in [
            "",
            "abc",
            "no uuid at all, but long",
            "€€€€€€€€€€€€€€€€",
            "+17f22e2-79b0",
        ] {
            assert_eq!(issued_at(other), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_looked_for_in_its_millisecond_and_within_the_times_that_were_asked_for() {
        let at = |micros| Some(Timestamp::from_micros(micros));
        let jti = "00000000-0005-7000-8000-000000000000";
        let range = |since, until| {
            let filter = ActivityFilter {
                jti: Some(jti.to_owned()),
                since,
                until,
                ..ActivityFilter::default()
            };
            let range = filter.in_segments(Range::new(&filter, (None, None))).range;
            (range.after.next().at, range.before.map(|place| place.at))
        };
        assert_eq!(range(None, None), (5_000, Some(6_000)));
        assert_eq!(range(at(1), at(9_000)), (5_000, Some(6_000)));
        assert_eq!(range(at(5_500), at(5_600)), (5_500, Some(5_600)));
    }
}
