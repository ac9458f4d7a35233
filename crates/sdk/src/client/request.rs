use std::collections::{BTreeMap, BTreeSet};

use crate::Scopes;

/// What a token shall be good for.
///
/// What is left out is what the client was built with; and where that has nothing either, the server
/// decides. Scopes and audiences are left out each for itself: whoever names another API, and the client was
/// built with scopes, names its scopes too, or [none](Self::without_scopes).
///
/// ```
/// # use chancery_sdk::TokenRequest;
/// let request = TokenRequest::new()
///     .scopes("orders:read orders:write")
///     .audience("https://orders.example");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    /// `None` where it says nothing of them, and empty where it says none.
    pub(super) scopes: Option<Scopes>,
    pub(super) audiences: BTreeSet<String>,
    pub(super) resources: BTreeSet<String>,
    pub(super) parameters: BTreeMap<String, String>,
}

/// What has a method of its own, or is not the request's business.
const RESERVED: [(&str, &str); 9] = [
    ("grant_type", "it is always client_credentials"),
    ("scope", "use scopes"),
    ("audience", "use audience"),
    ("resource", "use resource"),
    ("client_id", "the client sends it as its server wants it"),
    ("client_secret", "use ClientAuth, which keeps it secret"),
    (
        "client_assertion",
        "use ClientAuth, which makes one for each request",
    ),
    ("client_assertion_type", "use ClientAuth, which sends it"),
    ("assertion", "it belongs to another grant"),
];

/// A parameter that cannot be added to a request, because the client sends it by itself or never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {name} cannot be added: {instead}")]
#[non_exhaustive]
pub struct ReservedParameter {
    /// Its name.
    pub name: &'static str,
    /// What to do instead.
    pub instead: &'static str,
}

impl TokenRequest {
    /// A request for whatever the client was built for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for these scopes, as a space-separated text or one by one. Said again, it adds to them. An empty
    /// text says nothing.
    #[must_use]
    pub fn scopes(mut self, scopes: impl Into<Scopes>) -> Self {
        let scopes = scopes.into();
        if !scopes.is_empty() {
            let before = self.scopes.unwrap_or_default();
            self.scopes = Some(before.iter().chain(scopes.iter()).collect());
        }
        self
    }

    /// Names no scope, although the client was built with some: the server decides, and Chancery gives every
    /// scope that is granted at the audience.
    #[must_use]
    pub fn without_scopes(mut self) -> Self {
        self.scopes = Some(Scopes::default());
        self
    }

    /// Asks for a token for this API. Ask again for several.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.insert(audience.into());
        self
    }

    /// The same by the name that RFC 8707 has for it. Ask again for several.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.insert(resource.into());
        self
    }

    /// Sends one more parameter, which some servers want. Not for secrets: it becomes part of the
    /// [cache key](super::CacheKey).
    ///
    /// # Errors
    /// For what the client sends by itself: a parameter must not come twice (RFC 6749, section 3.2).
    pub fn parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, ReservedParameter> {
        let name = name.into();
        if let Some((name, instead)) = RESERVED.iter().find(|(known, _)| *known == name) {
            return Err(ReservedParameter { name, instead });
        }
        self.parameters.insert(name, value.into());
        Ok(self)
    }

    /// This request, with what it leaves out taken from another.
    pub(super) fn or(&self, default: &Self) -> Self {
        let mut parameters = default.parameters.clone();
        parameters.extend(self.parameters.clone());
        // A target is one thing, however it is named.
        let target = if self.audiences.is_empty() && self.resources.is_empty() {
            default
        } else {
            self
        };
        Self {
            scopes: self.scopes.as_ref().or(default.scopes.as_ref()).cloned(),
            audiences: target.audiences.clone(),
            resources: target.resources.clone(),
            parameters,
        }
    }

    /// Whether a target is there and has no name, as from a variable that is set and empty.
    pub(super) fn names_nothing(&self) -> bool {
        let mut targets = self.audiences.iter().chain(&self.resources);
        targets.any(|target| target.trim().is_empty())
    }

    /// The parameters of the request, without authentication.
    pub(super) fn form(&self) -> Vec<(&str, String)> {
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        if let Some(scopes) = self.scopes.as_ref().filter(|scopes| !scopes.is_empty()) {
            form.push(("scope", scopes.to_string()));
        }
        let each = |name: &'static str, values: &BTreeSet<String>| {
            values
                .iter()
                .map(|value| (name, value.clone()))
                .collect::<Vec<_>>()
        };
        form.extend(each("audience", &self.audiences));
        form.extend(each("resource", &self.resources));
        for (name, value) in &self.parameters {
            form.push((name, value.clone()));
        }
        form
    }
}
