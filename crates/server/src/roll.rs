//! What a tenant publishes of its roll: the latest signed checkpoint, and the key that signs it. Auditors
//! who keep them can tell later whether anything was changed.

use axum::{
    Router,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use chancery_application::{Application, Error, SealedRoll};
use chancery_domain::value::Slug;
use chancery_telemetry::causes;

use crate::problem::problem;

/// How soon somebody may ask again who was told to come later, in seconds.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

/// `{issuer}/roll/checkpoint` and `{issuer}/roll/key`, also of suspended and closed tenants.
pub(crate) fn routes(application: Application) -> Router {
    Router::new()
        .route("/t/{slug}/roll/checkpoint", get(checkpoint))
        .route("/t/{slug}/roll/key", get(key))
        .with_state(application)
}

/// The slug in the URL, where it can be read.
type Asked = Result<Path<String>, PathRejection>;

async fn checkpoint(State(application): State<Application>, slug: Asked) -> Response {
    answer(&application, slug, |sealed| sealed.note.note().to_owned()).await
}

async fn key(State(application): State<Application>, slug: Asked) -> Response {
    answer(&application, slug, |sealed| format!("{}\n", sealed.key)).await
}

async fn answer(
    application: &Application,
    slug: Asked,
    text: impl FnOnce(SealedRoll) -> String,
) -> Response {
    let Some(slug) = slug.ok().and_then(|Path(slug)| Slug::parse(&slug).ok()) else {
        return problem(StatusCode::NOT_FOUND, "there is no such tenant");
    };
    match application.published_checkpoint(&slug).await {
        Ok(Some(sealed)) => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-cache"),
            ];
            (headers, text(sealed)).into_response()
        }
        Ok(None) => problem(StatusCode::NOT_FOUND, "there is no such tenant"),
        Err(Error::Unavailable(error)) => {
            tracing::warn!(error = causes(&*error), "a checkpoint could not be read");
            let mut response = problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server cannot do this now; try again in a moment",
            );
            response.headers_mut().insert(header::RETRY_AFTER, AGAIN);
            response
        }
        Err(error) => {
            tracing::error!(error = causes(&error), "a checkpoint could not be given");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "something went wrong inside the server; its log has the details",
            )
        }
    }
}
