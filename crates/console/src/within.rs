//! A request about one tenant, as far as its sender sees it.

use axum::extract::{FromRequestParts, RawPathParams};
use chancery_application::{Error, Needs};
use chancery_domain::{
    TenantId,
    tenant::{Tenant, TenantRefusal, TenantState},
};
use http::request::Parts;

use crate::{Console, stop::Stop, visitor::Visitor};

/// Somebody who is signed in, and the tenant that the address names.
pub(crate) struct Within {
    pub(crate) visitor: Visitor,
    pub(crate) tenant: TenantId,
    pub(crate) slug: String,
    /// The tenant as it is, for whoever may know it.
    pub(crate) known: Option<Tenant>,
    /// The other names in the address.
    params: Vec<(String, String)>,
}

impl Within {
    /// The id with this name in the address; one that cannot be read names nothing.
    pub(crate) fn id<T: std::str::FromStr>(&self, name: &str) -> Result<T, Stop> {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.parse().ok())
            .ok_or(Stop::NothingHere)
    }

    /// Whether whoever asks may do, here, what needs this.
    pub(crate) fn may(&self, needs: Needs) -> bool {
        if matches!(needs, Needs::TenantAdmin) && self.is_closed() {
            return false;
        }
        self.visitor.session.caller.may(needs, self.tenant)
    }

    /// Lets on who may do what needs this: for a page that is nothing but a form.
    pub(crate) fn require(&self, needs: Needs) -> Result<(), Stop> {
        if self.may(needs) {
            return Ok(());
        }
        if self.is_closed() {
            return Err(Error::Refused(TenantRefusal::Closed.into()).into());
        }
        let needs = needs.scope();
        Err(Error::Forbidden { needs }.into())
    }

    /// This path with what the address has in place of the names in braces. What can be no id leads nowhere: a browser
    /// would read more into it than a part of a path.
    pub(crate) fn filled(&self, path: &str) -> Result<String, Stop> {
        let is_id = |text: &str| {
            let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !text.is_empty() && text.bytes().all(is_of_it)
        };
        if !self.params.iter().all(|(_, value)| is_id(value)) {
            return Err(Stop::NothingHere);
        }
        let names = self.params.iter();
        Ok(names.fold(path.to_owned(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value)
        }))
    }

    /// The tenant of this name, for a page about nothing in it; or whoever cannot see that.
    pub(crate) async fn known_as(visitor: Visitor, slug: &str) -> Result<Self, Box<Visitor>> {
        match seen(&visitor, slug).await {
            Ok((tenant, known)) => Ok(Self {
                visitor,
                tenant,
                slug: slug.to_owned(),
                known,
                params: Vec::new(),
            }),
            Err(_) => Err(Box::new(visitor)),
        }
    }

    /// How the tenant is, for whoever may know it.
    pub(crate) fn state(&self) -> Option<TenantState> {
        self.known.as_ref().map(|tenant| tenant.state)
    }

    /// Whether nothing of it can be changed any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.state() == Some(TenantState::Closed)
    }

    /// The address of a page of this tenant.
    pub(crate) fn at(&self, page: &str) -> String {
        format!("/console/t/{}{page}", self.slug)
    }
}

impl AsRef<Visitor> for Within {
    fn as_ref(&self) -> &Visitor {
        &self.visitor
    }
}

impl FromRequestParts<Console> for Within {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Stop> {
        let visitor = Visitor::from_request_parts(parts, console).await?;
        let params = RawPathParams::from_request_parts(parts, console)
            .await
            .map_err(|_| Stop::Unreadable("The address is not text."))?;
        let params: Vec<_> = params
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let slug = params.iter().find(|(key, _)| key == "slug");
        let slug = slug.map(|(_, slug)| slug.clone()).unwrap_or_default();
        let (tenant, known) = seen(&visitor, &slug).await?;
        Ok(Self {
            visitor,
            tenant,
            slug,
            known,
            params,
        })
    }
}

/// The tenant that is called so, and how it is for whoever may know that.
async fn seen(visitor: &Visitor, slug: &str) -> Result<(TenantId, Option<Tenant>), Error> {
    let (application, caller) = (visitor.application(), &visitor.session.caller);
    let tenant = application.tenant_named(caller, slug).await?;
    match application.tenant(caller, tenant).await {
        Ok(row) => Ok((tenant, Some(row.state))),
        Err(Error::Forbidden { .. }) => Ok((tenant, None)),
        Err(error) => Err(error),
    }
}
