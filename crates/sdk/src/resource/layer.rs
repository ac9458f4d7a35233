use std::task::{Context, Poll};

use http::{Extensions, HeaderMap, Request, Response, header::AUTHORIZATION};
use tower_layer::Layer;
use tower_service::Service;

use super::{Caller, InvalidToken, Rejection, Require, Verifier};
use crate::transport::BoxFuture;

/// A `tower` layer that lets in requests with a good bearer token, and answers the others by RFC 6750.
///
/// Behind it the [`Caller`] is in the request's extensions and an axum extractor. The token is taken from
/// `Authorization` alone: never from the body or the URL, where it would end up in logs.
///
/// ```
/// use axum::{Router, routing::get};
/// use chancery_sdk::{AuthLayer, Caller, Permission, Permitted, Require, Verifier};
///
/// struct ReadStudents;
///
/// impl Permission for ReadStudents {
///     const REQUIRE: Require<'_> = Require::new().all_scopes(&["read:students"]);
/// }
///
/// async fn me(caller: Caller) -> String {
///     format!("you are {}", caller.client_id())
/// }
///
/// async fn students(_: Permitted<ReadStudents>) -> &'static str {
///     "Ada, Grace"
/// }
///
/// # fn app(verifier: Verifier) -> Router {
/// Router::new()
///     .route("/me", get(me))
///     .route("/students", get(students))
///     .layer(AuthLayer::new(verifier))
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthLayer {
    verifier: Verifier,
    optional: bool,
}

impl AuthLayer {
    /// Lets in requests with a token that this verifier accepts.
    pub fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            optional: false,
        }
    }

    /// Lets in requests without a token too, and then there is no [`Caller`]: what takes an
    /// `Option<Caller>` is called, and what needs one answers 401. A bad token is still refused.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`AuthLayer`] makes.
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    inner: S,
    layer: AuthLayer,
}

impl<S, B, R> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready is the one to call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let AuthLayer { verifier, optional } = self.layer.clone();
        Box::pin(async move {
            // Whoever put a caller there, it was not us.
            request.extensions_mut().remove::<Caller>();
            request.extensions_mut().insert(Looked);
            let verified = match bearer(request.headers()) {
                Ok(token) => verifier.verify(token).await,
                Err(rejection) => Err(rejection),
            };
            match verified {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                }
                Err(Rejection::Missing) if optional => {}
                Err(rejection) => return Ok(rejection.response()),
            }
            inner.call(request).await
        })
    }
}

/// The mark of an [`AuthLayer`] in a request: it has looked, whether or not there was a token.
#[derive(Clone, Copy)]
struct Looked;

/// The caller whom an [`AuthLayer`] let in. Without one, what is missing is the token where a layer looked for
/// it, and the layer itself where none did.
pub(super) fn caller(extensions: &Extensions) -> Result<&Caller, Rejection> {
    extensions.get::<Caller>().ok_or_else(|| {
        let looked = extensions.get::<Looked>();
        looked.map_or(Rejection::NoLayer, |_| Rejection::Missing)
    })
}

/// The token in `Authorization` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Rejection::Missing)?;
    let malformed = |what: &'static str| Rejection::Malformed(what.into());
    if values.next().is_some() {
        return Err(malformed("there is more than one Authorization header"));
    }
    let text = value
        .to_str()
        .map_err(|_| malformed("the Authorization header cannot be read"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Rejection::Missing);
    }
    let token = token.trim_matches(' ');
    if token.is_empty() {
        return Err(malformed("the Authorization header has no token"));
    }
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.bytes().all(in_token) {
        Ok(token)
    } else {
        Err(InvalidToken::Unreadable.into())
    }
}

/// A `tower` layer for routes that need more than a good token; made by [`Require::layer`]. It goes
/// inside an [`AuthLayer`].
#[derive(Clone, Copy, Debug)]
pub struct RequireLayer(pub(super) Require<'static>);

impl<S> Layer<S> for RequireLayer {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> RequireService<S> {
        RequireService {
            inner,
            require: self.0,
        }
    }
}

/// The service that [`RequireLayer`] makes.
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    require: Require<'static>,
}

impl<S, B, R> Service<Request<B>> for RequireService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    R: From<String> + Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let caller = caller(request.extensions());
        match caller.and_then(|caller| self.require.check(caller)) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(rejection) => Box::pin(std::future::ready(Ok(rejection.response()))),
        }
    }
}
