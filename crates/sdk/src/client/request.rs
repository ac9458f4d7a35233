use std::collections::{BTreeMap, BTreeSet};

use crate::Scopes;

/// What a token shall be good for.
///
/// What is left out is what the client was built with; and where that has nothing either, the server
/// decides.
///
/// ```
/// # use chancery_sdk::TokenRequest;
/// let request = TokenRequest::new()
///     .scopes("orders:read orders:write")
///     .audience("https://orders.example");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    pub(super) scopes: Scopes,
    pub(super) audiences: BTreeSet<String>,
    pub(super) resources: BTreeSet<String>,
    pub(super) parameters: BTreeMap<String, String>,
}

impl TokenRequest {
    /// A request for whatever the client was built for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for these scopes, as a space-separated text or one by one.
    #[must_use]
    pub fn scopes(mut self, scopes: impl Into<Scopes>) -> Self {
        for scope in scopes.into().iter() {
            self.scopes.add(scope);
        }
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
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
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
        let scopes = if self.scopes.is_empty() {
            default
        } else {
            self
        };
        Self {
            scopes: scopes.scopes.clone(),
            audiences: target.audiences.clone(),
            resources: target.resources.clone(),
            parameters,
        }
    }

    /// The parameters of the request, without authentication.
    pub(super) fn form(&self) -> Vec<(&str, String)> {
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        if !self.scopes.is_empty() {
            form.push(("scope", self.scopes.to_string()));
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
