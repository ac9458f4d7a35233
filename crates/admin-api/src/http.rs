//! `POST /graphql`: one GraphQL request, as JSON.

use std::time::Duration;

use async_graphql::{Request, Variables};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, FromRequest, State,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use chancery_application::{Application, ClientAddress, Deadline};
use chancery_domain::json::RESERVED_NAMES;
use chancery_telemetry::TraceContext;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    auth, document,
    error::{self, Code},
    explorer, repeated,
    schema::{self, AdminSchema},
    session::Session,
    socket::{self, Sockets},
};

/// How large a request may be, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// What the admin API is told from outside.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether the schema can be asked for in GraphQL itself.
    pub introspection: bool,
    /// How long an answer may take once the request is there. A change that is under way then goes on.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            introspection: true,
            // A little more than the store waits by itself, whose answer says more.
            patience: Duration::from_secs(11),
        }
    }
}

#[derive(Clone)]
pub(crate) struct AdminApi {
    pub(crate) options: Options,
    pub(crate) application: Application,
    pub(crate) schema: AdminSchema,
    pub(crate) sockets: Sockets,
}

/// `POST /graphql`, the admin API; `GET /graphql/ws`, its subscriptions; `GET /graphql`, its explorer
/// with the files that it loads. Close the `sockets` when the server stops.
/// Serve it within `chancery_telemetry::http::layer`, which gives every request its trace.
pub fn router(application: Application, sockets: Sockets, options: Options) -> Router {
    let api = AdminApi {
        options,
        application,
        schema: schema::build(),
        sockets,
    };
    Router::new()
        .route("/graphql", get(explorer::page).post(answer))
        .route("/graphql/ws", get(socket::upgrade))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .merge(explorer::assets())
        .with_state(api)
}

async fn answer(
    State(api): State<AdminApi>,
    Extension(trace): Extension<TraceContext>,
    request: axum::extract::Request,
) -> Response {
    let mut response = match api.answer(request, &trace).await {
        Ok(response) => response,
        Err(refused) => *refused,
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl AdminApi {
    /// A request without a token is turned away before its body is read; who sent the token is
    /// asked afterwards, since a body may come slowly and a caller end meanwhile, and before the body
    /// is parsed.
    async fn answer(
        &self,
        request: axum::extract::Request,
        trace: &TraceContext,
    ) -> Result<Response, Box<Response>> {
        let token = auth::token(request.headers())?;
        let address = request.extensions().get().copied();
        if !is_json(request.headers()) {
            let message = "send the request as JSON, with `Content-Type: application/json`";
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into());
        }
        let body = Bytes::from_request(request, &())
            .await
            .map_err(|rejection| unread(&rejection))?;
        let answer = self.execute(&token, &body, trace, address);
        tokio::time::timeout(self.options.patience, answer)
            .await
            .unwrap_or_else(|_| {
                tracing::warn!(
                    trace_id = trace.trace_id(),
                    "the admin API did not answer in time"
                );
                Err(late().into())
            })
    }

    async fn execute(
        &self,
        token: &str,
        body: &[u8],
        trace: &TraceContext,
        address: Option<ClientAddress>,
    ) -> Result<Response, Box<Response>> {
        // Who waits for it waits from now on, also while it is found out who asks.
        let deadline = Deadline::from_now();
        let caller = auth::caller(&self.application, token, trace.trace_id(), address).await?;
        let body =
            Body::parse(body).map_err(|message| refused(StatusCode::BAD_REQUEST, &message))?;
        let session = Session::new(
            self.application.clone(),
            caller,
            trace.trace_id().to_owned(),
            deadline,
        );
        let mut response = match body.prepare(self.options.introspection) {
            Ok(request) => self.schema.execute(request.data(session)).await,
            Err(error) => async_graphql::Response::from_errors(vec![*error]),
        };
        for error in &mut response.errors {
            error::complete(error, trace.trace_id());
        }
        Ok(axum::Json(response).into_response())
    }
}

/// A browser's forms cannot send this type, so no page can make them act for its reader.
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// What a request holds. Other members are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: String,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
}

impl Body {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        match bytes.trim_ascii_start().first() {
            Some(b'{') => {}
            Some(b'[') => {
                return Err("one operation per request; a batch of them is not taken".to_owned());
            }
            _ => return Err("the body must be a JSON object with the member `query`".to_owned()),
        }
        let readable = |error: repeated::Unread| match error {
            repeated::Unread::Twice { line, column } => format!(
                "an object in the body has a member twice, at line {line}, column {column}; give each member once"
            ),
            repeated::Unread::Reserved { line, column } => format!(
                "a member's name begins with `{RESERVED_NAMES}`, at line {line}, column {column}; give it another name"
            ),
            repeated::Unread::NotJson { line, column } => format!(
                "the body is not JSON, or nested too deeply, at line {line}, column {column}; send an object with the member `query`"
            ),
        };
        repeated::check(bytes).map_err(readable)?;
        serde_json::from_slice(bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!(
                "the body is not a GraphQL request, at line {line}, column {column}: its member `query` must be a text, and `variables`, where there are any, an object"
            )
        })
    }

    fn prepare(self, introspection: bool) -> Result<Request, Box<async_graphql::ServerError>> {
        let variables = Variables::from_json(self.variables.unwrap_or_default().into());
        let mut request = Request::new(self.query).variables(variables);
        request.operation_name = self.operation_name;
        document::request(request, introspection)
    }
}

fn unread(rejection: &BytesRejection) -> Response {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body must be at most {MAX_BODY} bytes"),
        ),
        _ => refused(
            StatusCode::BAD_REQUEST,
            "the body ended before it was complete",
        ),
    }
}

/// What a request gets that took too long. What it wanted to change may be changed all the same: that
/// goes on by itself.
fn late() -> Response {
    let message = "the server did not answer in time; what was asked for may still be done: send it again, a change with the same commandId";
    let mut response = refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Unavailable,
        message,
        None,
    );
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn refused(status: StatusCode, message: &str) -> Response {
    refusal(status, Code::InvalidInput, message, None)
}

/// An answer of HTTP's own, in the form that every GraphQL client reads.
pub(crate) fn refusal(
    status: StatusCode,
    code: Code,
    message: &str,
    trace_id: Option<&str>,
) -> Response {
    let mut extensions = json!({"code": code.as_str()});
    if let Some(trace_id) = trace_id {
        extensions["traceId"] = trace_id.into();
    }
    let body = json!({"errors": [{"message": message, "extensions": extensions}]});
    (status, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        match Body::parse(body.as_bytes()) {
            Ok(_) => panic!("{body} was taken"),
            Err(message) => message,
        }
    }

    #[test]
    fn a_request_is_an_object_with_a_query() {
        let body =
            Body::parse(br#" {"query": "{a}", "variables": null, "extensions": {}} "#).unwrap();
        assert_eq!(
            (body.query.as_str(), body.operation_name, body.variables),
            ("{a}", None, None)
        );
    }

    #[test]
    fn batches_and_everything_else_are_refused() {
        assert!(refused(r#"[{"query": "{a}"}]"#).contains("batch"));
        assert!(refused(r#"["{a}"]"#).contains("batch"));
        for wrong in [
            "",
            "null",
            "\"{a}\"",
            "{",
            "{}",
            r#"{"query": 1}"#,
            r#"{"query": "{a}", "variables": []}"#,
            r#"{"query": "\ud800"}"#,
        ] {
            assert!(refused(wrong).contains("query"), "{wrong}");
        }
        assert!(Body::parse(b"{\"query\": \"\xff\"}").is_err());
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_wherever_it_stands() {
        for twice in [
            r#"{"query": "{a}", "query": "{b}"}"#,
            r#"{"query": "{a}", "variables": {"input": {"reason": "a", "reason": "b"}}}"#,
            r#"{"query": "{a}", "extensions": {"a": 1, "a": 1}}"#,
        ] {
            assert!(refused(twice).contains("twice"), "{twice}");
        }
    }

    #[test]
    fn a_message_about_the_body_does_not_repeat_it() {
        assert!(!refused(r#"{"query": "{a}", "variables": "chs_secret"}"#).contains("chs_"));
    }

    #[test]
    fn only_json_is_taken() {
        let is = |value: &str| {
            is_json(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_str(value).unwrap(),
            )]))
        };
        assert!(is("application/json") && is("Application/JSON; charset=utf-8"));
        for form in [
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/plain",
            "application/graphql",
        ] {
            assert!(!is(form), "{form}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
