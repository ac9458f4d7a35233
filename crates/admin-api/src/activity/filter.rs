use async_graphql::{ID, InputObject};
use chancery_application::{ActivityFilter, ActivityKind, text_of_record, trace_of_record};
use chancery_domain::{Faults, Invalid};

use crate::{input::each, page::one_at_least, scalars::DateTime};

/// Which records of an activity log: those for which everything holds that is given here.
#[derive(InputObject, Default)]
#[graphql(name = "ActivityFilter")]
pub(crate) struct ActivityFilterInput {
    /// Of one of these kinds, like `token_denied`. At least one.
    kinds: Option<Vec<String>>,
    /// Of the client with this id. Of one that there is not: what was sent as its id.
    client: Option<ID>,
    /// With the secret or key that has this id.
    credential_id: Option<ID>,
    /// Refused for this reason, or done in this way.
    reason: Option<String>,
    /// Of the token with this id: how it was issued, and what was done with it.
    jti: Option<String>,
    /// In this W3C trace: 32 hexadecimal digits. No index knows traces, so give a time too: records are
    /// looked through page by page.
    trace_id: Option<String>,
    /// At this moment or after it.
    since: Option<DateTime>,
    /// Before this moment.
    until: Option<DateTime>,
}

impl ActivityFilterInput {
    /// What the application is asked. Faults are named by their paths within `filter`.
    pub(super) fn parse(self, faults: &mut Faults) -> ActivityFilter {
        let kinds = faults.take_optional("filter.kinds", self.kinds.map(one_at_least));
        let kinds = kinds.flatten().unwrap_or_default();
        let kinds = each(faults, "filter.kinds", &kinds, kind);
        let mut text = |path, given: Option<String>| {
            let read = given.as_deref().map(text_of_record);
            faults.take_optional(path, read).flatten()
        };
        let client = text("filter.client", self.client.map(|id| id.0));
        let credential = text("filter.credentialId", self.credential_id.map(|id| id.0));
        let reason = text("filter.reason", self.reason);
        let jti = text("filter.jti", self.jti);
        let trace_id = self.trace_id.as_deref().map(trace_of_record);
        let trace_id = faults.take_optional("filter.traceId", trace_id).flatten();
        let since = self.since.as_ref().map(DateTime::parse);
        let since = faults.take_optional("filter.since", since).flatten();
        let until = self.until.as_ref().map(DateTime::parse);
        let until = faults.take_optional("filter.until", until).flatten();
        if since
            .zip(until)
            .is_some_and(|(since, until)| since >= until)
        {
            let order = Invalid::new("order", "must be later than `since`");
            faults.add("filter.until", order);
        }
        ActivityFilter {
            kinds,
            client,
            credential,
            reason,
            jti,
            trace_id,
            since,
            until,
        }
    }
}

fn kind(text: &str) -> Result<ActivityKind, Invalid> {
    text.parse().map_err(|_| {
        let names = ActivityKind::ALL.map(ActivityKind::as_str).join(", ");
        Invalid::new("activity_kind", format!("must be one of {names}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty(input: ActivityFilterInput) -> Vec<String> {
        let mut faults = Faults::default();
        input.parse(&mut faults);
        let faults = faults.into_vec().into_iter();
        faults.map(|fault| fault.path).collect()
    }

    #[test]
    fn every_kind_is_known_by_the_name_that_records_have() {
        let kinds = ActivityKind::ALL.map(|kind| kind.as_str().to_owned());
        let input = ActivityFilterInput {
            kinds: Some(kinds.to_vec()),
            ..Default::default()
        };
        let mut faults = Faults::default();
        assert_eq!(input.parse(&mut faults).kinds, ActivityKind::ALL);
        assert_eq!(faults.into_vec(), []);
    }

    #[test]
    fn every_fault_is_named_by_its_path() {
        let at = |text: &str| Some(chancery_domain::Timestamp::into(text.parse().unwrap()));
        let input = ActivityFilterInput {
            kinds: Some(vec!["token_issued".to_owned(), "TOKEN_DENIED".to_owned()]),
            client: Some("".into()),
            credential_id: Some("a\u{0}".into()),
            reason: Some("x".repeat(201)),
            jti: Some("\n".to_owned()),
            trace_id: Some("4BF92F3577B34DA6A3CE929D0E0E4736".to_owned()),
            since: at("2026-11-20T17:00:00Z"),
            until: at("2026-11-20T17:00:00Z"),
        };
        let paths = [
            "filter.kinds[1]",
            "filter.client",
            "filter.credentialId",
            "filter.reason",
            "filter.jti",
            "filter.traceId",
            "filter.until",
        ];
        assert_eq!(faulty(input), paths);
        let none = ActivityFilterInput {
            kinds: Some(Vec::new()),
            ..Default::default()
        };
        assert_eq!(faulty(none), ["filter.kinds"]);
    }
}
