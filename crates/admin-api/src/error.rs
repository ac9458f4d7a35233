//! The one map from what can go wrong to what the wire says.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, ServerError, Value};
use chancery_application::{BrokenClient, Error, PolicyBreak, PolicyPreview};
use chancery_domain::{Fault, Faults, value::ClientName};
use chancery_telemetry::causes;
use serde_json::json;

use crate::{
    schema::{MAX_COMPLEXITY, MAX_DEPTH},
    tenant::preview::{effect_name, rule_name},
};

/// How many faults one answer names, so that a small request cannot ask for a huge answer.
const MAX_FAULTS: usize = 100;
/// How long a message may be, in characters: GraphQL's own messages repeat the input.
const MAX_MESSAGE: usize = 1_000;

/// What `extensions.code` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    NotFound,
    Forbidden,
    Unauthenticated,
    InvalidInput,
    Conflict,
    Refused,
    Unavailable,
    Internal,
}

impl Code {
    /// The code on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Forbidden => "FORBIDDEN",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::InvalidInput => "INVALID_INPUT",
            Self::Conflict => "CONFLICT",
            Self::Refused => "REFUSED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    /// The code of what the application did not do.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Forbidden { .. } => Self::Forbidden,
            Error::NotFound { .. } | Error::NoApi(_) | Error::NotThen { .. } => Self::NotFound,
            Error::CallerEnded => Self::Unauthenticated,
            Error::Invalid(_) => Self::InvalidInput,
            Error::Refused(_) | Error::Guarded { .. } => Self::Refused,
            Error::CommandReused | Error::Conflict | Error::Changed { .. } => Self::Conflict,
            Error::Unavailable(_) => Self::Unavailable,
            Error::Internal(_) => Self::Internal,
            Error::Previewed { cause, .. } => Self::of(cause),
        }
    }
}

/// Why a field has no value.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// A mutation's input is faulty; paths begin within the input.
    Input(Faults),
    /// A query's arguments are faulty; paths begin with the argument.
    Arguments(Faults),
    /// The application did not do it. Shared, because one read can serve several fields.
    Application(Arc<Error>),
    /// This crate is at fault.
    Defect(&'static str),
}

impl Failure {
    /// What the application did not do with a query: its faults are the arguments'.
    pub(crate) fn of_arguments(error: Error) -> Self {
        match error {
            Error::Invalid(faults) => Self::Arguments(faults),
            error => error.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<Error>> for Failure {
    fn from(error: Arc<Error>) -> Self {
        match &*error {
            Error::Invalid(faults) => Self::Input(faults.clone()),
            _ => Self::Application(error),
        }
    }
}

impl From<Failure> for async_graphql::Error {
    fn from(failure: Failure) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        let (code, message) = match &failure {
            Failure::Input(faults) => {
                (Code::InvalidInput, named(faults, "input.", &mut extensions))
            }
            Failure::Arguments(faults) => (Code::InvalidInput, named(faults, "", &mut extensions)),
            Failure::Application(error) => {
                let mut cause = &**error;
                if let Error::Previewed {
                    cause: why,
                    preview,
                } = cause
                {
                    extensions.set("preview", preview_of(preview));
                    cause = why;
                }
                if let Some(rule) = refusal(cause) {
                    extensions.set("refusal", rule);
                }
                let message = match cause {
                    Error::Invalid(faults) => named(faults, "input.", &mut extensions),
                    cause => cause.to_string(),
                };
                (Code::of(cause), message)
            }
            Failure::Defect(_) => (
                Code::Internal,
                "something went wrong inside the server".to_owned(),
            ),
        };
        extensions.set("code", code.as_str());
        Self {
            message,
            source: Some(Arc::new(failure)),
            extensions: Some(extensions),
        }
    }
}

/// What a policy would have broken, in the words of `previewTenantPolicy`.
fn preview_of(preview: &PolicyPreview) -> Value {
    let client = |client: &BrokenClient| {
        let name = client.row.state.name.as_ref().map(ClientName::as_str);
        let secrets: Vec<_> = client.secrets.iter().map(ToString::to_string).collect();
        json!({"id": client.id.to_string(), "name": name, "secrets": secrets})
    };
    let broken = |broken: &PolicyBreak| {
        json!({
            "rule": rule_name(broken.rule),
            "effect": effect_name(broken.effect),
            "message": broken.message,
            "count": broken.count,
            "more": broken.more,
            "clients": broken.clients.iter().map(client).collect::<Vec<_>>(),
        })
    };
    let breaks: Vec<_> = preview.breaks.iter().map(broken).collect();
    let preview = json!({"refusal": preview.refusal, "breaks": breaks});
    Value::from_json(preview).unwrap_or_default()
}

/// The name of the rule that stands against it.
fn refusal(error: &Error) -> Option<&'static str> {
    match error {
        Error::Refused(refusal) => refusal.rule(),
        Error::Guarded { rule, .. } => Some(rule),
        _ => None,
    }
}

/// Lists the faults in the extensions, and says in a sentence what the first of them is.
fn named(faults: &Faults, prefix: &str, extensions: &mut ErrorExtensionValues) -> String {
    let faults = faults.clone().into_vec();
    let place = |fault: &Fault| match fault.path.as_str() {
        "" => prefix.trim_end_matches('.').to_owned(),
        path => format!("{prefix}{path}"),
    };
    let listed = faults.iter().take(MAX_FAULTS).map(|fault| {
        [
            ("path", place(fault)),
            ("rule", fault.invalid.rule.to_owned()),
            ("message", fault.invalid.message.clone()),
        ]
        .into_iter()
        .map(|(name, text)| (async_graphql::Name::new(name), Value::String(text)))
        .collect()
    });
    extensions.set("faults", Value::List(listed.map(Value::Object).collect()));
    match faults.as_slice() {
        [] => "the input cannot be used as it is".to_owned(),
        [only] => format!("`{}` {}", place(only), only.invalid.message),
        [first, others @ ..] => format!(
            "`{}` {}; {} more faulty value(s), see `extensions.faults`",
            place(first),
            first.invalid.message,
            others.len()
        ),
    }
}

/// Completes an error before it is sent: GraphQL's own errors get their code, and what is not the
/// caller's doing is written to the log and can be found there by its trace.
pub(crate) fn complete(error: &mut ServerError, trace_id: &str) {
    if let Some(sentence) = of_syntax(&error.message).or_else(|| of_size(&error.message)) {
        error.message = sentence;
    }
    if let Some((end, _)) = error.message.char_indices().nth(MAX_MESSAGE) {
        error.message.truncate(end);
        error.message.push('…');
    }
    match error.source::<Failure>() {
        Some(Failure::Application(cause)) => log(cause, trace_id),
        Some(Failure::Defect(what)) => {
            tracing::error!(trace_id, what, "the admin API has a defect");
        }
        Some(Failure::Input(_) | Failure::Arguments(_)) | None => {}
    }
    let extensions = error.extensions.get_or_insert_default();
    match extensions.get("code") {
        None => extensions.set("code", Code::InvalidInput.as_str()),
        Some(Value::String(code)) if code == Code::Internal.as_str() => {
            extensions.set("traceId", trace_id);
        }
        Some(_) => {}
    }
}

/// What is too large is not told how large it may be.
fn of_size(message: &str) -> Option<String> {
    match message {
        "Query is nested too deep." => Some(format!(
            "the query is nested too deep: it may have {MAX_DEPTH} levels; ask for what lies deeper by its id, in a request of its own"
        )),
        "Query is too complex." => Some(format!(
            "the query is too complex: its fields, each as often as its lists may have it, may be {MAX_COMPLEXITY}; ask for smaller pages (`first`) or fewer fields"
        )),
        _ => None,
    }
}

/// What cannot be parsed comes as a drawing of several lines, whose last says what was expected; the place
/// stands in `locations`.
fn of_syntax(message: &str) -> Option<String> {
    let drawn = message.trim_start().strip_prefix("-->")?;
    let expected = drawn.lines().last()?.trim_start().strip_prefix("= ")?;
    Some(format!(
        "the text of the query cannot be read at the place in `locations`: {expected}"
    ))
}

/// Writes what is not the caller's doing to the log, with its causes.
pub(crate) fn log(error: &Error, trace_id: &str) {
    match error {
        Error::Previewed { cause, .. } => log(cause, trace_id),
        Error::Internal(cause) => {
            tracing::error!(trace_id, cause = causes(&**cause), "the admin API failed");
        }
        Error::Unavailable(cause) => {
            tracing::warn!(
                trace_id,
                cause = causes(&**cause),
                "the admin API cannot answer now"
            );
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::{Invalid, Refusal, tenant::TenantRefusal};

    use super::*;

    fn extension(error: &async_graphql::Error, name: &str) -> Option<serde_json::Value> {
        let value = error.extensions.as_ref()?.get(name)?.clone();
        Some(value.into_json().unwrap())
    }

    fn wire(error: Error) -> async_graphql::Error {
        Failure::from(error).into()
    }

    fn faulty(paths: &[&str]) -> Faults {
        let mut faults = Faults::default();
        for path in paths {
            faults.add(*path, Invalid::new("slug", "must be a slug"));
        }
        faults
    }

    #[test]
    fn every_error_has_its_code() {
        let cause = || "disk on fire".into();
        let refused = Error::Refused(Refusal::Tenant(TenantRefusal::SlugTaken));
        for (error, code, rule) in [
            (
                Error::Forbidden {
                    needs: "tenant:admin",
                },
                "FORBIDDEN",
                None,
            ),
            (Error::NotFound { what: "client" }, "NOT_FOUND", None),
            (
                Error::NotThen {
                    what: "client",
                    since: chancery_domain::Timestamp::from_micros(0),
                },
                "NOT_FOUND",
                None,
            ),
            (Error::Invalid(faulty(&["slug"])), "INVALID_INPUT", None),
            (refused, "REFUSED", Some("SLUG_TAKEN")),
            (
                Error::Guarded {
                    rule: "EXCEEDS_CALLER",
                    message: "no",
                },
                "REFUSED",
                Some("EXCEEDS_CALLER"),
            ),
            (Error::CallerEnded, "UNAUTHENTICATED", None),
            (Error::CommandReused, "CONFLICT", None),
            (Error::Conflict, "CONFLICT", None),
            (
                Error::Changed {
                    what: "client",
                    expected: 1,
                    version: 2,
                },
                "CONFLICT",
                None,
            ),
            (Error::Unavailable(cause()), "UNAVAILABLE", None),
            (Error::Internal(cause()), "INTERNAL", None),
        ] {
            let error = wire(error);
            assert_eq!(extension(&error, "code").unwrap(), code);
            assert_eq!(extension(&error, "refusal"), rule.map(Into::into), "{code}");
            assert!(
                !error.message.contains("disk on fire"),
                "{code} shows its cause"
            );
        }
    }

    #[test]
    fn every_fault_is_named_by_its_path_in_the_input() {
        let error = wire(Error::Invalid(faulty(&["slug", "grants[0].scopes[2]"])));
        let faults = extension(&error, "faults").unwrap();
        assert_eq!(faults[0]["path"], "input.slug");
        assert_eq!(faults[0]["rule"], "slug");
        assert_eq!(faults[1]["path"], "input.grants[0].scopes[2]");
        assert_eq!(
            error.message,
            "`input.slug` must be a slug; 1 more faulty value(s), see `extensions.faults`"
        );
        let error: async_graphql::Error = Failure::Arguments(faulty(&["first"])).into();
        assert_eq!(extension(&error, "faults").unwrap()[0]["path"], "first");
    }

    #[test]
    fn an_answer_names_a_bounded_number_of_faults() {
        let error = wire(Error::Invalid(faulty(&["a"; MAX_FAULTS + 1])));
        assert_eq!(
            extension(&error, "faults")
                .unwrap()
                .as_array()
                .unwrap()
                .len(),
            MAX_FAULTS
        );
    }

    #[test]
    fn a_query_that_cannot_be_read_is_told_in_one_sentence() {
        for query in ["query {", "{ a(b: ) }", "nonsense", "{a}}"] {
            let error = async_graphql::parser::parse_query(query).unwrap_err();
            let mut error = ServerError::from(error);
            complete(&mut error, "4bf92f35");
            let message = error.message;
            assert!(
                !message.contains('\n') && message.contains("expected"),
                "{message}"
            );
        }
        assert_eq!(of_syntax("Unknown field \"a\" on type \"Query\"."), None);
    }

    #[test]
    fn only_a_defect_carries_the_trace() {
        let completed = |error: async_graphql::Error| {
            let mut error = error.into_server_error(async_graphql::Pos::default());
            complete(&mut error, "4bf92f35");
            let extensions = error.extensions.unwrap();
            (
                extensions.get("code").cloned(),
                extensions.get("traceId").cloned(),
            )
        };
        let trace = Some(Value::from("4bf92f35"));
        assert_eq!(
            completed(wire(Error::Internal("x".into()))),
            (Some("INTERNAL".into()), trace.clone())
        );
        assert_eq!(
            completed(Failure::Defect("x").into()),
            (Some("INTERNAL".into()), trace)
        );
        assert_eq!(
            completed(wire(Error::Conflict)),
            (Some("CONFLICT".into()), None)
        );
        assert_eq!(
            completed(async_graphql::Error::new("unknown field")),
            (Some("INVALID_INPUT".into()), None)
        );
    }

    #[test]
    fn a_message_that_repeats_the_input_is_cut() {
        let mut error = ServerError::new("ä".repeat(60_000), None);
        complete(&mut error, "");
        assert_eq!(error.message.chars().count(), MAX_MESSAGE + 1);
    }
}
