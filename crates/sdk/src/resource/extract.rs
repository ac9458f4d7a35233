//! Extractors for axum.

use std::{fmt, marker::PhantomData, ops::Deref};

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;

use super::{Caller, Rejection, Require, layer::caller};

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.response()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        caller(&parts.extensions).cloned()
    }
}

/// Behind an [optional](super::AuthLayer::optional) layer: no caller where there was no token. Behind none it is the
/// same mistake as for whoever must have one.
impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        match caller(&parts.extensions) {
            Ok(caller) => Ok(Some(caller.clone())),
            Err(Rejection::Missing) => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}

/// A name for what a route needs.
pub trait Permission {
    /// What that is.
    const REQUIRE: Require<'static>;
}

/// A [`Caller`] who holds this permission: the extractor answers 403 to everybody else, so a handler
/// that takes it cannot forget to look.
pub struct Permitted<P> {
    caller: Caller,
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission> Permitted<P> {
    /// The caller, if it holds the permission.
    ///
    /// # Errors
    /// [`Rejection::Insufficient`], which axum answers with 403.
    pub fn check(caller: Caller) -> Result<Self, Rejection> {
        P::REQUIRE.check(&caller)?;
        Ok(Self {
            caller,
            permission: PhantomData,
        })
    }
}

impl<P> Permitted<P> {
    /// The caller.
    pub fn into_caller(self) -> Caller {
        self.caller
    }
}

impl<P> Deref for Permitted<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P> fmt::Debug for Permitted<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permitted").field(&self.caller).finish()
    }
}

impl<P: Permission, S: Sync> FromRequestParts<S> for Permitted<P> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::check(caller(&parts.extensions)?.clone())
    }
}
