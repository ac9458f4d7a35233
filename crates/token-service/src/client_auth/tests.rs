use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chancery_crypto::Verifier;
use chancery_directory::{ClientEntry, SecretEntry, Sorted, WorkedOut};
use chancery_domain::{
    ClientId, SecretId,
    client::Standing,
    secret_rotation::{Revocation, Validity},
    tenant::TenantPolicy,
    value::{CustomClaims, DisplayName, Slug},
};
use http::HeaderValue;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);
const BASIC: TokenAuthMethod = TokenAuthMethod::ClientSecretBasic;
const POST: TokenAuthMethod = TokenAuthMethod::ClientSecretPost;

fn tenant(state: TenantState) -> Tenant {
    Tenant {
        slug: Slug::parse("acme").unwrap(),
        display_name: DisplayName::parse("Acme").unwrap(),
        policy: TenantPolicy::default(),
        state,
    }
}

/// A client that may do nothing but authenticate.
pub(super) fn client(standing: Standing) -> ClientEntry {
    ClientEntry {
        id: ClientId::from_bytes([9; 16]),
        text: Box::default(),
        newest: NOW,
        auth_method: AuthMethod::ClientSecret,
        standing,
        expires_at: None,
        grants: Arc::default(),
        serves: Box::default(),
        custom_claims: CustomClaims::default(),
        secrets: Sorted::default(),
        keys: Sorted::default(),
        worked_out: WorkedOut::default(),
    }
}

#[test]
fn who_may_obtain_a_token() {
    let ends_in = |seconds| ClientEntry {
        expires_at: Some(NOW.plus_seconds(seconds)),
        ..client(Standing::Enabled)
    };
    for (tenant_state, client, verdict) in [
        (TenantState::Active, client(Standing::Enabled), Ok(())),
        (
            TenantState::Suspended,
            client(Standing::Enabled),
            Err(Denial::TenantSuspended),
        ),
        (
            TenantState::Closed,
            client(Standing::Disabled),
            Err(Denial::TenantClosed),
        ),
        (
            TenantState::Active,
            client(Standing::Disabled),
            Err(Denial::ClientDisabled),
        ),
        (
            TenantState::Active,
            client(Standing::Deleted),
            Err(Denial::ClientDeleted),
        ),
        (TenantState::Active, ends_in(1), Ok(())),
        (TenantState::Active, ends_in(0), Err(Denial::ClientExpired)),
    ] {
        assert_eq!(admit(&tenant(tenant_state), &client, BASIC, NOW), verdict);
    }
}

#[test]
fn only_the_way_that_is_registered_and_allowed() {
    let mut strict = tenant(TenantState::Active);
    strict.policy.allowed_auth_methods = [POST, TokenAuthMethod::PrivateKeyJwt].into();
    let of_secret = client(Standing::Enabled);
    assert_eq!(admit(&strict, &of_secret, POST, NOW), Ok(()));
    assert_eq!(
        admit(&strict, &of_secret, BASIC, NOW),
        Err(Denial::MethodNotAllowed(BASIC))
    );
    let of_key = ClientEntry {
        auth_method: AuthMethod::PrivateKeyJwt,
        ..of_secret
    };
    assert_eq!(
        admit(&strict, &of_key, POST, NOW),
        Err(Denial::MethodNotRegistered(AuthMethod::PrivateKeyJwt))
    );
    let told = Denial::MethodNotRegistered(AuthMethod::ClientSecretJwt).description();
    assert!(
        told.ends_with("; authenticate by `client_secret_jwt`"),
        "{told}"
    );
    assert_eq!(
        admit(&strict, &of_key, TokenAuthMethod::PrivateKeyJwt, NOW),
        Ok(())
    );
}

#[test]
fn only_a_secret_that_is_accepted_now() {
    let id = |number: u8| SecretId::from_bytes([number; 16]);
    let usual = Validity::default();
    let secrets = [
        usual,
        Validity {
            retires_at: Some(NOW.plus_seconds(1)),
            ..usual
        },
        Validity {
            retires_at: Some(NOW),
            ..usual
        },
        Validity {
            expires_at: Some(NOW),
            ..usual
        },
        Validity {
            not_before: Some(NOW.plus_seconds(1)),
            ..usual
        },
        Validity {
            revoked: Some(Revocation::Withdrawn),
            ..usual
        },
        usual,
    ];
    let secret = |(n, validity): (u8, Validity)| {
        let entry = SecretEntry {
            validity,
            // The verifier of the last one was erased.
            verifier: (n < 6).then(|| Verifier::from_stored(n.to_string())),
            key: None,
        };
        (id(n), entry)
    };
    let entry = ClientEntry {
        secrets: (0..).zip(secrets).map(secret).collect(),
        ..client(Standing::Enabled)
    };
    let accepted = |number| proof::verifier(&entry, id(number), NOW).map(Verifier::as_str);
    assert_eq!(accepted(0), Ok("0"));
    assert_eq!(accepted(1), Ok("1"));
    assert_eq!(
        accepted(2),
        Err(Denial::SecretState(id(2), SecretState::Retired))
    );
    assert_eq!(
        accepted(3),
        Err(Denial::SecretState(id(3), SecretState::Expired))
    );
    assert_eq!(
        accepted(4),
        Err(Denial::SecretState(id(4), SecretState::Pending))
    );
    assert_eq!(
        accepted(5),
        Err(Denial::SecretState(id(5), SecretState::Revoked))
    );
    assert_eq!(accepted(6), Err(Denial::NoSecret));
    assert_eq!(accepted(7), Err(Denial::NoSecret));
}

#[test]
fn what_would_need_a_look_up_is_denied_in_one_sentence() {
    let denials = [
        Denial::NotIssued,
        Denial::NoTenant,
        Denial::NoClient,
        Denial::NoSecret,
        Denial::SecretState(SecretId::from_bytes([1; 16]), SecretState::Revoked),
        Denial::SecretState(SecretId::from_bytes([1; 16]), SecretState::Expired),
        Denial::Mismatch,
    ];
    for denial in denials {
        assert_eq!(denial.description(), Denial::NotIssued.description());
    }
    let unproved = [
        Unproved::NoTenant,
        Unproved::NoClient,
        Unproved::Method,
        Unproved::NoKey,
        Unproved::NoKid,
        Unproved::Algorithm,
        Unproved::Signature,
    ];
    for unproved in unproved {
        let first = Denial::Unproved(Unproved::NoTenant);
        assert_eq!(Denial::from(unproved).description(), first.description());
    }
    assert!(
        Denial::ClientDisabled
            .description()
            .starts_with("the client is disabled")
    );
    assert!(
        Denial::ClientExpired
            .description()
            .starts_with("the client has expired")
    );
}

/// A request's headers and body, in short.
fn ask(authorization: &[&str], parameters: Parameters) -> Result<Presented, Malformed> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    presented(&headers, &parameters)
}

fn body(client_id: Option<&str>, secret: Option<&str>) -> Parameters {
    Parameters {
        client_id: client_id.map(str::to_owned),
        client_secret: secret.map(|secret| PresentedSecret::new(secret.to_owned())),
        ..Parameters::default()
    }
}

fn by(method: TokenAuthMethod) -> Result<Presented, Malformed> {
    let (client_id, secret) = (
        "client_a".to_owned(),
        PresentedSecret::new("chs_1".to_owned()),
    );
    Ok(Presented::Secret(Credentials {
        method,
        client_id,
        secret,
    }))
}

#[test]
fn one_way_of_authenticating() {
    let basic = &*format!("Basic {}", STANDARD.encode("client_a:chs_1"));
    let assertion = |parameters| Parameters {
        client_assertion: Some(PresentedSecret::new("a.b.c".to_owned())),
        client_assertion_type: Some(assertion::TYPE.to_owned()),
        ..parameters
    };
    let nothing = |denial| Ok(Presented::Nothing(denial));
    let (id, secret) = (Some("client_a"), Some("chs_1"));

    assert_eq!(ask(&[basic], body(None, None)), by(BASIC));
    assert_eq!(ask(&[basic], body(id, None)), by(BASIC));
    assert_eq!(ask(&[], body(id, secret)), by(POST));

    assert_eq!(ask(&[], body(None, None)), nothing(Denial::NoCredential));
    assert_eq!(ask(&[], body(id, None)), nothing(Denial::NoCredential));
    assert_eq!(
        ask(&["Bearer x"], body(id, None)),
        nothing(Denial::OtherScheme)
    );
    for client_id in [id, None] {
        let signed = Signed {
            client_id: client_id.map(str::to_owned),
            assertion: PresentedSecret::new("a.b.c".to_owned()),
        };
        assert_eq!(
            ask(&[], assertion(body(client_id, None))),
            Ok(Presented::Assertion(signed))
        );
    }
    let other_type = Parameters {
        client_assertion_type: Some(
            "urn:ietf:params:oauth:client-assertion-type:saml2-bearer".to_owned(),
        ),
        ..assertion(body(id, None))
    };
    assert_eq!(ask(&[], other_type), nothing(Fault::Type.into()));
    for half in [
        Parameters {
            client_assertion: None,
            ..assertion(body(id, None))
        },
        Parameters {
            client_assertion_type: None,
            ..assertion(body(id, None))
        },
    ] {
        assert_eq!(ask(&[], half), Err(Malformed::HalfAnAssertion));
    }

    assert_eq!(
        ask(&[basic], body(Some("client_b"), None)),
        Err(Malformed::TwoClients)
    );
    assert_eq!(ask(&[], body(None, secret)), Err(Malformed::SecretAlone));
    assert_eq!(ask(&["Basic x"], body(None, None)), Err(Malformed::Basic));
    assert_eq!(
        ask(&[basic, basic], body(None, None)),
        Err(Malformed::Authorizations)
    );
    for (authorization, parameters) in [
        (&[basic][..], body(id, secret)),
        (&["Bearer x"], body(id, secret)),
        (&[basic], assertion(body(None, None))),
        (&[], assertion(body(id, secret))),
    ] {
        assert_eq!(ask(authorization, parameters), Err(Malformed::TwoMethods));
    }
}
