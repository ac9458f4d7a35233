//! What a token is for: audiences, scopes, roles, lifetime and algorithm, decided from the request, the
//! policy and the grants alone.

use std::collections::{BTreeMap, BTreeSet};

use chancery_directory::{Apis, Grants};
use chancery_domain::{
    Timestamp,
    api::{Api, ApiState},
    client::Grant,
    key_ring::Algorithms,
    tenant::{SigningAlgorithm, TenantPolicy},
    value::{ApiIdentifier, RoleName, Scope, ScopeSet},
};
use serde_json::Value;

use crate::text::shown;

/// What the client asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// API identifiers as they came; none: the defaults.
    pub(crate) audiences: &'a [String],
    /// The scope parameter as it came.
    pub(crate) scope: Option<&'a str>,
    /// What a refresh may not go beyond.
    pub(crate) within: Option<&'a Bound>,
}

/// What was granted when a family of refresh tokens began. Every token that it gives is within it, and
/// within what the client is granted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// At least one.
    pub(crate) audiences: Vec<String>,
    pub(crate) scopes: ScopeSet,
    pub(crate) roles: BTreeSet<RoleName>,
}

/// What the tenant says of all tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) policy: &'a TenantPolicy,
    /// With what is signed at a moment: a change of algorithm waits until everybody knows the new keys.
    pub(crate) algorithms: &'a Algorithms,
    pub(crate) now: Timestamp,
}

/// What it gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// At least one, sorted.
    pub(crate) audiences: Vec<&'a ApiIdentifier>,
    pub(crate) scopes: ScopeSet,
    pub(crate) roles: BTreeSet<RoleName>,
    /// The shortest of the audiences' lifetimes, in seconds.
    pub(crate) seconds: u32,
    /// Each audience's.
    pub(crate) algorithm: SigningAlgorithm,
    /// The claims that the audiences add.
    pub(crate) claims: BTreeMap<&'a str, &'a Value>,
}

/// Why it gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the client is not granted any API that is called {}; check the identifier, or have it granted", shown(.0))]
    Audience(String),
    #[error("the refresh token was not given for the audience {}; ask with client_credentials", shown(.0))]
    AudienceBeyond(String),
    #[error("the refresh token was not given for the scope {}; ask with client_credentials", shown(.0.as_str()))]
    ScopeBeyond(Scope),
    #[error(
        "the admin API must be the only audience; ask for the others in a request of their own"
    )]
    AdminNotAlone,
    #[error(
        "the client is granted no API; have one granted, or name the audience `urn:chancery:admin` if the admin API is meant"
    )]
    NothingGranted,
    #[error(
        "scope is not a list of scopes that are separated by single spaces (RFC 6749, section 3.3)"
    )]
    ScopeSyntax,
    #[error("scope {} is not granted for {audiences}; {}", shown(.scope.as_str()), other_than(.scope))]
    Scope { scope: Scope, audiences: String },
    #[error("scope {} would also count at {}, where it is not granted; ask for fewer audiences", shown(.scope.as_str()), shown(.api.as_str()))]
    ScopeElsewhere { scope: Scope, api: ApiIdentifier },
    #[error("role {} would also count at {}, where it is not granted; ask for fewer audiences", shown(.role.as_str()), shown(.api.as_str()))]
    RoleElsewhere { role: RoleName, api: ApiIdentifier },
    #[error("the claim {} is one thing in tokens for {} and another in those for {}; ask for each in a request of its own", shown(.claim), shown(.one.as_str()), shown(.other.as_str()))]
    Claims {
        claim: String,
        one: ApiIdentifier,
        other: ApiIdentifier,
    },
    #[error(
        "the claims of these audiences are more than {MAX_CLAIMS} bytes together; ask for fewer audiences"
    )]
    ClaimsTooLarge,
    #[error("tokens for {} are signed with {}, and for {} with {}; ask for each in a request of its own", shown(.one.0.as_str()), .one.1.as_str(), shown(.other.0.as_str()), .other.1.as_str())]
    Algorithms {
        one: (ApiIdentifier, SigningAlgorithm),
        other: (ApiIdentifier, SigningAlgorithm),
    },
}

impl TargetError {
    /// Whether it is about the scope (`invalid_scope`) and not about the audience
    /// (`invalid_target`).
    pub(crate) fn is_scope(&self) -> bool {
        matches!(
            self,
            Self::ScopeSyntax | Self::Scope { .. } | Self::ScopeBeyond(_)
        )
    }
}

/// An API that the client is granted.
struct Granted<'a> {
    api: &'a Api,
    /// The roles that are granted, as far as the API still has them.
    roles: BTreeSet<RoleName>,
    /// What the grant comes to: by name and by role, as far as the API still has it.
    scopes: ScopeSet,
}

type Chosen<'a> = BTreeMap<&'a ApiIdentifier, Granted<'a>>;

/// Decides what a token is for.
pub(crate) fn resolve<'a>(
    wish: Wish<'_>,
    terms: Terms<'_>,
    apis: &'a Apis,
    grants: &'a Grants,
) -> Result<Target<'a>, TargetError> {
    let requested = wish.scope.map(parse_scope).transpose();
    let audiences = match wish.within {
        Some(bound) => bounded(wish.audiences, bound)?,
        None => wish.audiences,
    };
    let chosen = if audiences.is_empty() {
        // Which audiences are meant depends on the scopes, so here their syntax comes first.
        defaults(
            apis,
            grants,
            requested.as_ref().map_err(Clone::clone)?.as_ref(),
        )?
    } else {
        named(audiences, apis, grants)?
    };
    let (seconds, algorithm) = settings(terms, apis, &chosen)?;
    let scopes = match (requested?, wish.within) {
        (Some(requested), bound) => {
            if let Some(bound) = bound
                && let Some(beyond) = requested.iter().find(|scope| !bound.scopes.contains(scope))
            {
                return Err(TargetError::ScopeBeyond(beyond.clone()));
            }
            granted_somewhere(&requested, &chosen)?;
            requested
        }
        (None, Some(bound)) => {
            let kept = kept(wish, bound, &chosen);
            granted_somewhere(&kept, &chosen)?;
            kept
        }
        (None, None) => chosen
            .values()
            .flat_map(|audience| audience.scopes.iter().cloned())
            .collect(),
    };
    granted_everywhere(&scopes, &chosen)?;
    let mut roles = roles(&scopes, &chosen)?;
    if let Some(bound) = wish.within {
        roles.retain(|role| bound.roles.contains(role));
    }
    let claims = claims(&chosen)?;
    Ok(Target {
        audiences: chosen.into_keys().collect(),
        scopes,
        roles,
        seconds,
        algorithm,
        claims,
    })
}

/// The audiences of a refresh: those that it names, or all of the family's.
fn bounded<'a>(names: &'a [String], bound: &'a Bound) -> Result<&'a [String], TargetError> {
    if names.is_empty() {
        return Ok(&bound.audiences);
    }
    match names.iter().find(|name| !bound.audiences.contains(name)) {
        Some(beyond) => Err(TargetError::AudienceBeyond(beyond.clone())),
        None => Ok(names),
    }
}

/// The scopes of a refresh that names none: all of the family's, or, where it asks for fewer audiences,
/// those that mean something there.
fn kept(wish: Wish<'_>, bound: &Bound, chosen: &Chosen<'_>) -> ScopeSet {
    let means = |scope: &&Scope| {
        let mut apis = chosen.values().map(|audience| audience.api);
        apis.any(|api| api.scopes.contains_key(scope))
    };
    let scopes = bound.scopes.iter();
    if wish.audiences.is_empty() {
        scopes.cloned().collect()
    } else {
        scopes.filter(means).cloned().collect()
    }
}

/// How large the claims of several audiences may be together, in bytes of JSON.
const MAX_CLAIMS: usize = 8 * 1024;

/// The claims of all the audiences. A name that two of them set differently can mean only one thing in a
/// token, so there is none for both.
fn claims<'a>(chosen: &Chosen<'a>) -> Result<BTreeMap<&'a str, &'a Value>, TargetError> {
    let mut claims: BTreeMap<&'a str, (&'a ApiIdentifier, &'a Value)> = BTreeMap::new();
    for (identifier, audience) in chosen {
        for (name, value) in audience.api.custom_claims.members() {
            let (one, before) = *claims.entry(name).or_insert((*identifier, value));
            if before != value {
                return Err(TargetError::Claims {
                    claim: name.clone(),
                    one: one.clone(),
                    other: (*identifier).clone(),
                });
            }
        }
    }
    let claims: BTreeMap<_, _> = claims
        .into_iter()
        .map(|(name, (_, value))| (name, value))
        .collect();
    let size = |(name, value): (&&str, &&Value)| name.len() + value.to_string().len();
    if chosen.len() > 1 && claims.iter().map(size).sum::<usize>() > MAX_CLAIMS {
        return Err(TargetError::ClaimsTooLarge);
    }
    Ok(claims)
}

/// How long the token lives at most, and how it is signed. Each audience may have settings of its
/// own: the shortest lifetime holds, and the algorithm must be one for all.
fn settings(
    Terms {
        policy,
        algorithms,
        now,
    }: Terms<'_>,
    apis: &Apis,
    chosen: &Chosen<'_>,
) -> Result<(u32, SigningAlgorithm), TargetError> {
    let mut of_each = chosen.iter().map(|(identifier, audience)| {
        let tokens = &audience.api.tokens;
        let signs = apis
            .by_identifier(identifier)
            .and_then(|(id, _)| algorithms.of_api(id, now));
        (
            *identifier,
            tokens.seconds(policy),
            signs.unwrap_or_else(|| tokens.algorithm(policy)),
        )
    });
    let Some((first, mut seconds, algorithm)) = of_each.next() else {
        return Err(TargetError::NothingGranted);
    };
    for (identifier, of_this, other) in of_each {
        if other != algorithm {
            return Err(TargetError::Algorithms {
                one: (first.clone(), algorithm),
                other: (identifier.clone(), other),
            });
        }
        seconds = seconds.min(of_this);
    }
    Ok((seconds, algorithm))
}

/// What to do about a scope that is not granted. A comma may stand in one, but few mean that.
fn other_than(scope: &Scope) -> &'static str {
    if scope.as_str().contains(',') {
        "separate scopes by spaces, not by commas"
    } else {
        "leave it out, or have it granted"
    }
}

/// Stricter than [`ScopeSet::parse`]: a scope parameter of nothing but spaces is not "every scope".
fn parse_scope(text: &str) -> Result<ScopeSet, TargetError> {
    let scopes = ScopeSet::parse(text).map_err(|_| TargetError::ScopeSyntax)?;
    if scopes.is_empty() {
        Err(TargetError::ScopeSyntax)
    } else {
        Ok(scopes)
    }
}

fn granted<'a>(api: &'a Api, grant: &'a Grant) -> (&'a ApiIdentifier, Granted<'a>) {
    let generation = grant.api_generation;
    let scopes = api.effective(&grant.scopes, &grant.roles, generation);
    let roles = api.effective_roles(&grant.roles, generation);
    (&api.identifier, Granted { api, roles, scopes })
}

/// Whether there are tokens for it.
fn is_served(api: &Api) -> bool {
    match api.state {
        ApiState::Active => true,
        ApiState::Retired => false,
    }
}

/// The audiences that the client names. One that is unknown, one that is retired and one that is not
/// granted are alike.
fn named<'a>(
    names: &[String],
    apis: &'a Apis,
    grants: &'a Grants,
) -> Result<Chosen<'a>, TargetError> {
    let mut chosen = Chosen::new();
    for name in names {
        let (identifier, audience) = ApiIdentifier::parse(name)
            .ok()
            .and_then(|identifier| apis.by_identifier(&identifier))
            .filter(|(_, api)| is_served(api))
            .and_then(|(id, api)| Some(granted(api, grants.get(&id)?)))
            .ok_or_else(|| TargetError::Audience(name.clone()))?;
        chosen.insert(identifier, audience);
    }
    if chosen.len() > 1 && chosen.keys().any(|identifier| identifier.is_admin()) {
        return Err(TargetError::AdminNotAlone);
    }
    Ok(chosen)
}

/// Every granted API but the admin API and those that are retired; with scopes, those of them that have
/// one of the scopes.
fn defaults<'a>(
    apis: &'a Apis,
    grants: &'a Grants,
    requested: Option<&ScopeSet>,
) -> Result<Chosen<'a>, TargetError> {
    let mut served: Chosen<'_> = grants
        .iter()
        .filter_map(|(id, grant)| Some(granted(apis.get(*id)?, grant)))
        .filter(|(identifier, _)| !identifier.is_admin())
        .collect();
    let were_granted = !served.is_empty();
    served.retain(|_, audience| is_served(audience.api));
    let Some(requested) = requested.filter(|_| were_granted) else {
        return if served.is_empty() {
            Err(TargetError::NothingGranted)
        } else {
            Ok(served)
        };
    };
    let owns = |audience: &Granted<'_>| {
        requested
            .iter()
            .any(|scope| audience.api.scopes.contains_key(scope))
    };
    let owners: Chosen<'_> = served
        .into_iter()
        .filter(|(_, audience)| owns(audience))
        .collect();
    match requested.iter().next() {
        Some(scope) if owners.is_empty() => Err(TargetError::Scope {
            scope: scope.clone(),
            audiences: "any API of this client".to_owned(),
        }),
        _ => Ok(owners),
    }
}

/// Nothing is dropped: each scope must be granted at one of the audiences.
fn granted_somewhere(requested: &ScopeSet, chosen: &Chosen<'_>) -> Result<(), TargetError> {
    let missing = |scope: &&Scope| {
        !chosen
            .values()
            .any(|audience| audience.scopes.contains(scope))
    };
    let Some(scope) = requested.iter().find(missing) else {
        return Ok(());
    };
    let mut names = chosen.keys();
    let audiences = match (names.next(), names.next()) {
        (Some(only), None) => shown(only.as_str()).to_string(),
        _ => "any of these audiences".to_owned(),
    };
    Err(TargetError::Scope {
        scope: scope.clone(),
        audiences,
    })
}

/// A scope counts wherever it is defined, so it must be granted there.
fn granted_everywhere(scopes: &ScopeSet, chosen: &Chosen<'_>) -> Result<(), TargetError> {
    for (identifier, audience) in chosen {
        let elsewhere = |scope: &&Scope| {
            audience.api.scopes.contains_key(scope) && !audience.scopes.contains(scope)
        };
        if let Some(scope) = scopes.iter().find(elsewhere) {
            let (scope, api) = (scope.clone(), (*identifier).clone());
            return Err(TargetError::ScopeElsewhere { scope, api });
        }
    }
    Ok(())
}

/// The client's roles whose scopes are all in the token. A role counts wherever one of its name is
/// defined, so it must be granted there, and its scopes there must be in the token too.
fn roles(scopes: &ScopeSet, chosen: &Chosen<'_>) -> Result<BTreeSet<RoleName>, TargetError> {
    let carried = |audience: &Granted<'_>, role: &RoleName| {
        audience
            .api
            .roles
            .get(role)
            .is_some_and(|needed| needed.is_subset(scopes))
    };
    let candidates: BTreeSet<&RoleName> = chosen
        .values()
        .flat_map(|audience| audience.roles.iter().filter(|role| carried(audience, role)))
        .collect();
    let mut roles = BTreeSet::new();
    for role in candidates {
        let mut everywhere = true;
        for (identifier, audience) in chosen {
            if !audience.api.roles.contains_key(role) {
                continue;
            }
            if !audience.roles.contains(role) {
                let (role, api) = (role.clone(), (*identifier).clone());
                return Err(TargetError::RoleElsewhere { role, api });
            }
            everywhere &= carried(audience, role);
        }
        if everywhere {
            roles.insert(role.clone());
        }
    }
    Ok(roles)
}

#[cfg(test)]
mod tests;
