//! Which records of a log are asked for, and by which indexes they are found.

use chancery_domain::Timestamp;

use crate::activity::Kind;

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
    /// In this W3C trace. No index knows traces: beside this, a time is worth giving.
    pub trace_id: Option<String>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// Records that one index gives in the order of the log.
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
    /// Of this kind, which is not that of most.
    Kind(Kind),
    /// The token with this id, which says when it was issued.
    Issued(&'a str, Timestamp),
    /// What was done with the token with this id.
    Token(&'a str),
}

/// A token's id says its millisecond, and its record the microsecond.
const MILLISECOND: i64 = 1_000;

impl ActivityFilter {
    /// The narrowest ways to everything that passes.
    pub(crate) fn legs(&self) -> Vec<Leg<'_>> {
        if let Some(jti) = &self.jti {
            let issued = issued_at(jti).map(|at| Leg::Issued(jti, at));
            return [Leg::Token(jti)].into_iter().chain(issued).collect();
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
        let rare = !self.kinds.is_empty() && !self.kinds.contains(&Kind::TokenIssued);
        if rare {
            let kinds = Kind::ALL.into_iter();
            let kinds = kinds.filter(|kind| self.kinds.contains(kind));
            return kinds.map(Leg::Kind).collect();
        }
        vec![Leg::Tenant]
    }

    /// When records of a leg may begin and end.
    pub(crate) fn times(&self, leg: Leg<'_>) -> (Option<i64>, Option<i64>) {
        let since = self.since.map(Timestamp::micros);
        let until = self.until.map(Timestamp::micros);
        let Leg::Issued(_, at) = leg else {
            return (since, until);
        };
        let (from, to) = (at.micros(), at.micros().saturating_add(MILLISECOND));
        (since.max(Some(from)), Some(until.unwrap_or(to).min(to)))
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
            // The second condition shows that the index without the bulk fits.
            Self::Kind(kind) => (
                format!("AND kind = '{kind}' AND kind <> 'token_issued'"),
                None,
            ),
            Self::Issued(jti, _) => (
                "AND kind = 'token_issued' AND jti = $5".to_owned(),
                Some(jti),
            ),
            Self::Token(jti) => (
                "AND kind <> 'token_issued' AND jti = $5".to_owned(),
                Some(jti),
            ),
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
    fn a_leg_keeps_to_the_times_that_were_asked_for() {
        let at = |micros| Some(Timestamp::from_micros(micros));
        let leg = Leg::Issued("x", Timestamp::from_micros(5_000));
        let times = |since, until| {
            let filter = ActivityFilter {
                since,
                until,
                ..ActivityFilter::default()
            };
            filter.times(leg)
        };
        assert_eq!(times(None, None), (Some(5_000), Some(6_000)));
        assert_eq!(times(at(1), at(9_000)), (Some(5_000), Some(6_000)));
        assert_eq!(times(at(5_500), at(5_600)), (Some(5_500), Some(5_600)));
    }
}
