//! What a client is granted when it asks in the same words: all of a token that the moment and the credential
//! do not change.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use chancery_directory::Alike;
use chancery_domain::{Timestamp, tenant::SigningAlgorithm, value::RoleName};

use crate::{
    claims::{Audience, Custom, Kind, Lasting},
    client_auth::Proof,
    error::Refusal,
    parameters::Parameters,
    target::{self, Bound, Target, Terms, Wish},
};

/// What is granted, as tokens and their records say it. Nothing in it is of one client alone, but for the claims that
/// are configured for it: so clients that are granted the same for the same words share one, and it has no more room
/// than it needs.
pub(crate) struct Granted {
    /// In which words it was asked for; none where it is not kept.
    words: Option<Words>,
    /// While which algorithms hold.
    since: Timestamp,
    until: Option<Timestamp>,
    /// The scopes, separated by spaces.
    pub(crate) scope: Box<str>,
    /// The audiences, separated by spaces.
    pub(crate) audience: Box<str>,
    /// The roles, separated by spaces.
    pub(crate) roles: Box<str>,
    /// How long the token lives at most, in seconds.
    pub(crate) seconds: u32,
    pub(crate) algorithm: SigningAlgorithm,
    /// The claims that are the same in every such token, as a JSON object.
    pub(crate) claims: Box<[u8]>,
}

/// How long the words are at most, in bytes and in all, with which something is kept: whoever asks in more does
/// not fill this node's memory with them.
const LONGEST: usize = 4_096;

/// Audiences and scope as they were asked for.
#[derive(PartialEq, Eq, Hash)]
struct Words {
    audiences: Box<[String]>,
    scope: Option<Box<str>>,
}

impl Words {
    /// None where they are too long.
    fn of(parameters: &Parameters) -> Option<Self> {
        let Parameters {
            audiences, scope, ..
        } = parameters;
        let audience = |audience: &String| size_of::<String>() + audience.len();
        let words = audiences.iter().map(audience).sum::<usize>();
        if words + scope.as_ref().map_or(0, String::len) > LONGEST {
            return None;
        }
        Some(Self {
            audiences: audiences.as_slice().into(),
            scope: scope.as_deref().map(Into::into),
        })
    }

    fn are(&self, parameters: &Parameters) -> bool {
        *self.audiences == *parameters.audiences
            && self.scope.as_deref() == parameters.scope.as_deref()
    }
}

impl Granted {
    /// What the client gets of what it asks for. What was granted last is kept with the client's entry:
    /// machines ask in the same words again and again.
    pub(crate) fn of(
        proof: &Proof,
        alike: &Alike<Self>,
        issuer: impl FnOnce() -> String,
        parameters: &Parameters,
        bound: Option<&Bound>,
        now: Timestamp,
    ) -> Result<Arc<Self>, Refusal> {
        if bound.is_some() {
            return Self::resolve(proof, &issuer(), parameters, bound, now).map(Arc::new);
        }
        let (tenant, client) = (&proof.tenant, &proof.client);
        let kept = client.worked_out::<Self>(tenant);
        if let Some(kept) = kept.filter(|kept| kept.answers(parameters, now)) {
            return Ok(kept);
        }
        let mut granted = Self::resolve(proof, &issuer(), parameters, None, now)?;
        granted.words = Words::of(parameters);
        if granted.words.is_none() {
            return Ok(Arc::new(granted));
        }
        // One that is equal holds until the same moment and began no later than one of this moment, unless the clock
        // was set back meanwhile: then it is asked for anew until it has come there again.
        let granted = alike.one_of(granted);
        client.keep(tenant, granted.clone());
        Ok(granted)
    }

    /// Whether it is what would be granted for these words at this moment. Everything else that it depends on is in
    /// the entries that it is kept with.
    fn answers(&self, parameters: &Parameters, now: Timestamp) -> bool {
        self.since <= now
            && self.until.is_none_or(|until| now < until)
            && self
                .words
                .as_ref()
                .is_some_and(|words| words.are(parameters))
    }

    /// All of it but the moment at which it was worked out.
    fn lasting(&self) -> impl Eq + Hash + '_ {
        (
            &self.words,
            self.until,
            [&self.scope, &self.audience, &self.roles],
            (self.seconds, self.algorithm),
            &self.claims,
        )
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
        } = target::resolve(wish, terms, &tenant.apis, &client.grants)?;
        let scope = scopes.to_string();
        let lasting = Lasting {
            iss: issuer,
            tenant_id: tenant.id,
            aud: Audience(&audiences),
            scope: &scope,
            scopes: &scopes,
            roles: &roles,
            kind: Kind::MachineToMachine,
            custom: Custom {
                of_client: &client.custom_claims,
                of_apis: &claims,
            },
        };
        let claims = serde_json::to_vec(&lasting).map_err(|error| Refusal::Defect(error.into()))?;
        Ok(Self {
            words: None,
            since: now,
            until: tenant.keys.next_switch(now),
            scope: scope.into(),
            audience: words(audiences.iter().map(|identifier| identifier.as_str())),
            roles: words(roles.iter().map(RoleName::as_str)),
            seconds,
            algorithm,
            claims: claims.into(),
        })
    }
}

impl PartialEq for Granted {
    fn eq(&self, other: &Self) -> bool {
        self.lasting() == other.lasting()
    }
}

impl Eq for Granted {}

impl Hash for Granted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lasting().hash(state);
    }
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> Box<str> {
    words.collect::<Vec<_>>().join(" ").into()
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

    fn granted(parameters: &Parameters, until: Option<Timestamp>) -> Granted {
        Granted {
            words: Words::of(parameters),
            since: NOW,
            until,
            scope: Box::default(),
            audience: Box::default(),
            roles: Box::default(),
            seconds: 60,
            algorithm: SigningAlgorithm::Es256,
            claims: Box::default(),
        }
    }

    #[test]
    fn it_answers_the_same_words_in_its_time() {
        let words = asked(&["a", "b"], Some("read"));
        let end = NOW.plus_seconds(60);
        let kept = granted(&words, Some(end));
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
            let granted = granted(&words, None);
            assert!(granted.words.is_none() && !granted.answers(&words, NOW));
        }
        assert!(Words::of(&asked(&["https://orders.example"; 20], None)).is_some());
    }

    #[test]
    fn only_what_is_granted_alike_for_the_same_words_and_time_is_shared() {
        let alike = Alike::new(64);
        let words = asked(&["a"], None);
        let one = alike.one_of(granted(&words, None));
        let later = Granted {
            since: NOW.plus_seconds(1),
            ..granted(&words, None)
        };
        assert!(Arc::ptr_eq(&one, &alike.one_of(later)));
        let usual = || granted(&words, None);
        for other in [
            granted(&asked(&["b"], None), None),
            granted(&asked(&["a"], Some("read")), None),
            granted(&words, Some(NOW.plus_seconds(60))),
            Granted {
                scope: "x".into(),
                ..usual()
            },
            Granted {
                audience: "x".into(),
                ..usual()
            },
            Granted {
                roles: "x".into(),
                ..usual()
            },
            Granted {
                seconds: 61,
                ..usual()
            },
            Granted {
                algorithm: SigningAlgorithm::EdDsa,
                ..usual()
            },
            Granted {
                claims: (*b"{}").into(),
                ..usual()
            },
        ] {
            assert!(!Arc::ptr_eq(&one, &alike.one_of(other)));
        }
    }
}
