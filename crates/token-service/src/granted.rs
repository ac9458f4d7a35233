//! What a client is granted when it asks in the same words: all of a token that the moment and the credential
//! do not change.

use std::sync::Arc;

use chancery_domain::{Timestamp, tenant::SigningAlgorithm, value::RoleName};

use crate::{
    claims::{Audience, Custom, Kind, Lasting},
    client_auth::Proof,
    error::Refusal,
    parameters::Parameters,
    target::{self, Bound, Target, Terms, Wish},
};

/// What is granted, as tokens and their records say it.
pub(crate) struct Granted {
    /// The client's id, as it is written.
    pub(crate) client: String,
    /// The scopes, separated by spaces.
    pub(crate) scope: String,
    /// The audiences, separated by spaces.
    pub(crate) audience: String,
    /// The roles, separated by spaces.
    pub(crate) roles: String,
    /// How long the token lives at most, in seconds.
    pub(crate) seconds: u32,
    pub(crate) algorithm: SigningAlgorithm,
    /// The claims that are the same in every such token, as a JSON object.
    pub(crate) claims: Vec<u8>,
}

/// How long the words are at most, in bytes and in all, with which something is kept: whoever asks in more does
/// not fill this node's memory with them.
const LONGEST: usize = 4_096;

/// What was granted, in which words it was asked for, and while which algorithms hold. Everything else that
/// it depends on is in the entries that it is kept with.
struct Kept {
    audiences: Vec<String>,
    scope: Option<String>,
    since: Timestamp,
    until: Option<Timestamp>,
    granted: Arc<Granted>,
}

impl Kept {
    /// What is kept of what was granted for these words from this moment on; none where they are too long.
    fn of(
        parameters: &Parameters,
        since: Timestamp,
        until: Option<Timestamp>,
        granted: &Arc<Granted>,
    ) -> Option<Self> {
        let Parameters {
            audiences, scope, ..
        } = parameters;
        let audience = |audience: &String| size_of::<String>() + audience.len();
        let words = audiences.iter().map(audience).sum::<usize>();
        if words + scope.as_ref().map_or(0, String::len) > LONGEST {
            return None;
        }
        Some(Self {
            audiences: audiences.clone(),
            scope: scope.clone(),
            since,
            until,
            granted: granted.clone(),
        })
    }

    fn answers(&self, parameters: &Parameters, now: Timestamp) -> bool {
        self.since <= now
            && self.until.is_none_or(|until| now < until)
            && self.audiences == parameters.audiences
            && self.scope == parameters.scope
    }
}

impl Granted {
    /// What the client gets of what it asks for. What was granted last is kept with the client's entry:
    /// machines ask in the same words again and again.
    pub(crate) fn of(
        proof: &Proof,
        issuer: impl FnOnce() -> String,
        parameters: &Parameters,
        bound: Option<&Bound>,
        now: Timestamp,
    ) -> Result<Arc<Self>, Refusal> {
        if bound.is_some() {
            return Self::resolve(proof, &issuer(), parameters, bound, now).map(Arc::new);
        }
        let (tenant, client) = (&proof.tenant, &proof.client);
        let kept = client.worked_out::<Kept>(tenant);
        if let Some(kept) = kept.filter(|kept| kept.answers(parameters, now)) {
            return Ok(kept.granted.clone());
        }
        let granted = Arc::new(Self::resolve(proof, &issuer(), parameters, None, now)?);
        let until = tenant.keys.next_switch(now);
        if let Some(kept) = Kept::of(parameters, now, until, &granted) {
            client.keep(tenant, Arc::new(kept));
        }
        Ok(granted)
    }

    fn resolve(
        proof: &Proof,
        issuer: &str,
        parameters: &Parameters,
        bound: Option<&Bound>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let (tenant, client) = (&proof.tenant, &proof.client);
        let wish = Wish {
            audiences: &parameters.audiences,
            scope: parameters.scope.as_deref(),
            within: bound,
        };
        let terms = Terms {
            policy: &tenant.tenant.policy,
            algorithms: &tenant.keys.algorithms,
            now,
        };
        let Target {
            audiences,
            scopes,
            roles,
            seconds,
            algorithm,
            claims,
        } = target::resolve(wish, terms, &tenant.apis, &client.client.grants)?;
        let scope = scopes.to_string();
        let lasting = Lasting {
            iss: issuer,
            sub: client.id,
            client_id: client.id,
            tenant_id: tenant.id,
            aud: Audience(&audiences),
            scope: &scope,
            scopes: &scopes,
            roles: &roles,
            kind: Kind::MachineToMachine,
            custom: Custom {
                of_client: &client.client.custom_claims,
                of_apis: &claims,
            },
        };
        let claims = serde_json::to_vec(&lasting).map_err(|error| Refusal::Defect(error.into()))?;
        Ok(Self {
            client: client.id.to_string(),
            scope,
            audience: words(audiences.iter().map(|identifier| identifier.as_str())),
            roles: words(roles.iter().map(RoleName::as_str)),
            seconds,
            algorithm,
            claims,
        })
    }
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

    fn asked(audiences: &[&str], scope: Option<&str>) -> Parameters {
        Parameters {
            audiences: audiences.iter().map(ToString::to_string).collect(),
            scope: scope.map(str::to_owned),
            ..Parameters::default()
        }
    }

    fn kept(parameters: &Parameters, until: Option<Timestamp>) -> Option<Kept> {
        let granted = Granted {
            client: String::new(),
            scope: String::new(),
            audience: String::new(),
            roles: String::new(),
            seconds: 60,
            algorithm: SigningAlgorithm::Es256,
            claims: Vec::new(),
        };
        Kept::of(parameters, NOW, until, &Arc::new(granted))
    }

    #[test]
    fn it_answers_the_same_words_in_its_time() {
        let words = asked(&["a", "b"], Some("read"));
        let end = NOW.plus_seconds(60);
        let kept = kept(&words, Some(end)).unwrap();
        for (seconds, answers) in [(-1, false), (0, true), (59, true), (60, false)] {
            let now = NOW.plus_seconds(seconds);
            assert_eq!(kept.answers(&words, now), answers, "{seconds}");
        }
        for other in [
            asked(&["a", "b"], None),
            asked(&["a", "b"], Some("write")),
            asked(&["b", "a"], Some("read")),
            asked(&["a"], Some("read")),
            asked(&["a b"], Some("read")),
        ] {
            assert!(!kept.answers(&other, NOW), "{other:?}");
        }
    }

    #[test]
    fn what_is_asked_for_in_too_many_words_is_not_kept() {
        let long = "a ".repeat(30_000);
        for words in [asked(&[], Some(&long)), asked(&["a"; 1_000], None)] {
            assert!(kept(&words, None).is_none());
        }
        assert!(kept(&asked(&["https://orders.example"; 20], None), None).is_some());
    }
}
