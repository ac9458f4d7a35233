use chancery_domain::{
    ApiId,
    api::{Generations, TokenSettings},
    value::{ApiName, CustomClaims},
};
use proptest::prelude::*;

use super::*;

const ORDERS: &str = "https://orders.example";
const BILLING: &str = "https://billing.example";
const ADMIN: &str = "urn:chancery:admin";

/// APIs and grants, written shortly: scopes and roles as `a b`, and `clerk=a b,boss=c`.
#[derive(Debug, Default)]
struct World {
    apis: Vec<(ApiId, Api)>,
    grants: BTreeMap<ApiId, Grant>,
}

impl World {
    fn api(mut self, identifier: &str, scopes: &str, roles: &str) -> Self {
        let id = ApiId::from_bytes([u8::try_from(self.apis.len()).unwrap(); 16]);
        let roles = roles
            .split(',')
            .filter(|role| !role.is_empty())
            .map(|role| {
                let (name, scopes) = role.split_once('=').unwrap();
                (
                    RoleName::parse(name).unwrap(),
                    ScopeSet::parse(scopes).unwrap(),
                )
            });
        let api = Api {
            identifier: ApiIdentifier::parse(identifier).unwrap(),
            name: ApiName::parse("API").unwrap(),
            built_in: identifier == ADMIN,
            scopes: ScopeSet::parse(scopes)
                .unwrap()
                .into_iter()
                .map(|scope| (scope, None))
                .collect(),
            roles: roles.collect(),
            tokens: TokenSettings::default(),
            custom_claims: CustomClaims::default(),
            generations: Generations::default(),
            state: ApiState::Active,
        };
        self.apis.push((id, api));
        self
    }

    /// Gives the API that was added last settings of its own.
    fn with(mut self, seconds: Option<u32>, algorithm: Option<SigningAlgorithm>) -> Self {
        self.last().tokens = TokenSettings {
            access_token_seconds: seconds,
            signing_algorithm: algorithm,
        };
        self
    }

    /// Retires the API that was added last.
    fn retired(mut self) -> Self {
        self.last().state = ApiState::Retired;
        self
    }

    fn last(&mut self) -> &mut Api {
        &mut self.apis.last_mut().unwrap().1
    }

    /// Grants the API that was added last.
    fn granted(mut self, scopes: &str, roles: &str) -> Self {
        let (id, api) = self.apis.last().unwrap();
        let grant = Grant {
            identifier: api.identifier.clone(),
            scopes: ScopeSet::parse(scopes).unwrap(),
            roles: roles
                .split_whitespace()
                .map(|role| RoleName::parse(role).unwrap())
                .collect(),
            api_generation: 0,
        };
        self.grants.insert(*id, grant);
        self
    }

    /// What becomes of a request with a policy of 3,600 seconds and ES256, told by `tell`.
    fn answer<T>(
        self,
        audiences: &[&str],
        scope: Option<&str>,
        tell: impl Fn(Target<'_>) -> T,
    ) -> Result<T, TargetError> {
        self.bounded(audiences, scope, None, tell)
    }

    fn bounded<T>(
        self,
        audiences: &[&str],
        scope: Option<&str>,
        within: Option<&Bound>,
        tell: impl Fn(Target<'_>) -> T,
    ) -> Result<T, TargetError> {
        let audiences: Vec<_> = audiences.iter().map(|text| (*text).to_owned()).collect();
        let apis: Apis = self.apis.into_iter().collect();
        let wish = Wish {
            audiences: &audiences,
            scope,
            within,
        };
        let terms = Terms {
            policy: &TenantPolicy::default(),
            algorithms: &Algorithms::default(),
            now: Timestamp::from_micros(0),
        };
        let grants = self.grants.into_iter().collect();
        resolve(wish, terms, &apis, &grants).map(tell)
    }

    /// Lifetime and algorithm of the token for these audiences.
    fn settings(self, audiences: &[&str]) -> Result<(u32, SigningAlgorithm), TargetError> {
        self.answer(audiences, None, |target| (target.seconds, target.algorithm))
    }

    fn ask(self, audiences: &[&str], scope: Option<&str>) -> Result<[String; 3], TargetError> {
        self.answer(audiences, scope, Self::told)
    }

    /// What a refresh gets that asks for these.
    fn refresh(
        self,
        audiences: &[&str],
        scope: Option<&str>,
        within: &Bound,
    ) -> Result<[String; 3], TargetError> {
        self.bounded(audiences, scope, Some(within), Self::told)
    }

    /// Audiences, scopes and roles.
    fn told(target: Target<'_>) -> [String; 3] {
        let joined = |names: Vec<&str>| names.join(" ");
        [
            joined(
                target
                    .audiences
                    .iter()
                    .map(|audience| audience.as_str())
                    .collect(),
            ),
            target.scopes.to_string(),
            joined(target.roles.iter().map(RoleName::as_str).collect()),
        ]
    }
}

/// Orders and billing, both granted in part; the admin API; one that is not granted.
fn shop() -> World {
    World::default()
        .api(
            ORDERS,
            "orders:read orders:write orders:drop",
            "clerk=orders:read",
        )
        .granted("orders:write", "clerk")
        .api(BILLING, "billing:read", "")
        .granted("billing:read", "")
        .api(ADMIN, "tenant:admin tenant:read", "")
        .granted("tenant:read", "")
        .api("urn:example:other", "other", "")
}

fn bound(audiences: &str, scopes: &str, roles: &str) -> Bound {
    Bound {
        audiences: audiences.split(' ').map(str::to_owned).collect(),
        scopes: ScopeSet::parse(scopes).unwrap(),
        roles: roles
            .split_whitespace()
            .map(|role| RoleName::parse(role).unwrap())
            .collect(),
    }
}

#[test]
fn a_refresh_gives_what_was_given_or_less() {
    let both = format!("{BILLING} {ORDERS}");
    let all = bound(&both, "billing:read orders:read", "clerk");
    assert_eq!(
        shop().refresh(&[], None, &all),
        gives(&both, "billing:read orders:read", "clerk")
    );
    assert_eq!(
        shop().refresh(&[ORDERS], None, &all),
        gives(ORDERS, "orders:read", "clerk")
    );
    assert_eq!(
        shop().refresh(&[], Some("billing:read"), &all),
        gives(&both, "billing:read", "")
    );
    // No scope at all stays none.
    let nothing = bound(ORDERS, "", "");
    assert_eq!(shop().refresh(&[], None, &nothing), gives(ORDERS, "", ""));
    // A role that was not given does not come.
    let roleless = bound(ORDERS, "orders:read", "");
    assert_eq!(
        shop().refresh(&[], None, &roleless),
        gives(ORDERS, "orders:read", "")
    );
}

#[test]
fn a_refresh_widens_nothing_and_drops_nothing() {
    let narrow = bound(ORDERS, "orders:read", "clerk");
    let beyond = Scope::parse("orders:write").unwrap();
    assert_eq!(
        shop().refresh(&[], Some("orders:read orders:write"), &narrow),
        Err(TargetError::ScopeBeyond(beyond))
    );
    for audience in [BILLING, ADMIN, "urn:x:unknown"] {
        assert_eq!(
            shop().refresh(&[audience], None, &narrow),
            Err(TargetError::AudienceBeyond(audience.to_owned()))
        );
    }
    // What is not granted any more.
    let before = bound(ORDERS, "orders:drop orders:read", "clerk");
    assert_eq!(
        shop().refresh(&[], None, &before),
        scope_error("orders:drop", &format!("`{ORDERS}`"))
    );
    let elsewhere = bound("urn:example:other", "other", "");
    assert_eq!(
        shop().refresh(&[], None, &elsewhere),
        audience_error("urn:example:other")
    );
}

fn gives(audiences: &str, scopes: &str, roles: &str) -> Result<[String; 3], TargetError> {
    Ok([audiences, scopes, roles].map(str::to_owned))
}

fn scope_error(scope: &str, audiences: &str) -> Result<[String; 3], TargetError> {
    Err(TargetError::Scope {
        scope: Scope::parse(scope).unwrap(),
        audiences: audiences.to_owned(),
    })
}

fn audience_error(name: &str) -> Result<[String; 3], TargetError> {
    Err(TargetError::Audience(name.to_owned()))
}

#[test]
fn with_nothing_asked_everything_granted_but_the_admin_api() {
    let both = format!("{BILLING} {ORDERS}");
    assert_eq!(
        shop().ask(&[], None),
        gives(&both, "billing:read orders:read orders:write", "clerk")
    );
}

#[test]
fn scopes_choose_the_audiences_that_own_them() {
    assert_eq!(
        shop().ask(&[], Some("orders:write")),
        gives(ORDERS, "orders:write", "")
    );
    assert_eq!(
        shop().ask(&[], Some("orders:read orders:read")),
        gives(ORDERS, "orders:read", "clerk")
    );
    let both = format!("{BILLING} {ORDERS}");
    assert_eq!(
        shop().ask(&[], Some("orders:write billing:read")),
        gives(&both, "billing:read orders:write", "")
    );
}

#[test]
fn audiences_choose_the_scopes() {
    let all = "orders:read orders:write";
    assert_eq!(shop().ask(&[ORDERS], None), gives(ORDERS, all, "clerk"));
    assert_eq!(
        shop().ask(&[ORDERS, ORDERS], None),
        gives(ORDERS, all, "clerk")
    );
    let both = format!("{BILLING} {ORDERS}");
    assert_eq!(
        shop().ask(&[ORDERS, BILLING], Some("billing:read")),
        gives(&both, "billing:read", "")
    );
}

#[test]
fn an_unknown_or_ungranted_audience_is_refused_and_the_two_are_alike() {
    for name in [
        "urn:example:other",
        "urn:example:unknown",
        "no uri",
        "HTTPS://orders.example",
    ] {
        assert_eq!(shop().ask(&[name], None), audience_error(name));
        assert_eq!(
            shop().ask(&[ORDERS, name], Some("orders:read")),
            audience_error(name)
        );
    }
}

#[test]
fn nothing_granted_is_refused() {
    let bare = || World::default().api(ORDERS, "orders:read", "");
    assert_eq!(bare().ask(&[], None), Err(TargetError::NothingGranted));
    assert_eq!(
        bare().ask(&[], Some("orders:read")),
        Err(TargetError::NothingGranted)
    );
    let admin = || {
        bare()
            .api(ADMIN, "tenant:read", "")
            .granted("tenant:read", "")
    };
    assert_eq!(admin().ask(&[], None), Err(TargetError::NothingGranted));
    assert_eq!(
        admin().ask(&[], Some("tenant:read")),
        Err(TargetError::NothingGranted)
    );
}

#[test]
fn the_admin_api_is_asked_for_by_name_and_alone() {
    assert_eq!(shop().ask(&[ADMIN], None), gives(ADMIN, "tenant:read", ""));
    assert_eq!(
        shop().ask(&[ADMIN, ADMIN], None),
        gives(ADMIN, "tenant:read", "")
    );
    assert_eq!(
        shop().ask(&[ADMIN, ORDERS], None),
        Err(TargetError::AdminNotAlone)
    );
    assert_eq!(
        shop().ask(&[], Some("tenant:read")),
        scope_error("tenant:read", "any API of this client")
    );
    assert_eq!(
        shop().ask(&[ADMIN], Some("tenant:admin")),
        scope_error("tenant:admin", &format!("`{ADMIN}`"))
    );
}

#[test]
fn no_scope_is_dropped() {
    let orders = format!("`{ORDERS}`");
    assert_eq!(
        shop().ask(&[ORDERS], Some("orders:read nowhere")),
        scope_error("nowhere", &orders)
    );
    assert_eq!(
        shop().ask(&[ORDERS], Some("orders:drop")),
        scope_error("orders:drop", &orders)
    );
    assert_eq!(
        shop().ask(&[ORDERS], Some("billing:read")),
        scope_error("billing:read", &orders)
    );
    assert_eq!(
        shop().ask(&[], Some("orders:read other")),
        scope_error("other", &orders)
    );
    assert_eq!(
        shop().ask(&[], Some("other")),
        scope_error("other", "any API of this client")
    );
    assert_eq!(
        shop().ask(&[ORDERS, BILLING], Some("nowhere")),
        scope_error("nowhere", "any of these audiences")
    );
}

#[test]
fn a_malformed_scope_is_refused_and_spaces_alone_are_malformed() {
    for scope in [
        " ",
        "   ",
        "a\"b",
        "a\\b",
        "ä",
        "a\tb",
        "\u{7f}",
        &"x".repeat(129),
    ] {
        assert_eq!(
            shop().ask(&[], Some(scope)),
            Err(TargetError::ScopeSyntax),
            "{scope:?}"
        );
        assert_eq!(
            shop().ask(&[ORDERS], Some(scope)),
            Err(TargetError::ScopeSyntax),
            "{scope:?}"
        );
    }
    assert_eq!(
        shop().ask(&["urn:example:unknown"], Some("ä")),
        audience_error("urn:example:unknown"),
        "the audience comes first"
    );
}

#[test]
fn a_scope_that_two_audiences_define_must_be_granted_at_both() {
    let world = |second: &str| {
        World::default()
            .api(ORDERS, "read write", "")
            .granted("read", "")
            .api(BILLING, "read pay", "")
            .granted(second, "")
    };
    let both = format!("{BILLING} {ORDERS}");
    let elsewhere = Err(TargetError::ScopeElsewhere {
        scope: Scope::parse("read").unwrap(),
        api: ApiIdentifier::parse(BILLING).unwrap(),
    });
    assert_eq!(
        world("read").ask(&[], Some("read")),
        gives(&both, "read", "")
    );
    assert_eq!(world("pay").ask(&[], Some("read")), elsewhere);
    assert_eq!(world("pay").ask(&[], None), elsewhere);
    assert_eq!(
        world("pay").ask(&[ORDERS, BILLING], Some("read pay")),
        elsewhere
    );
    assert_eq!(
        world("pay").ask(&[ORDERS, BILLING], Some("pay")),
        gives(&both, "pay", "")
    );
    assert_eq!(
        world("pay").ask(&[ORDERS], Some("read")),
        gives(ORDERS, "read", "")
    );
}

#[test]
fn a_role_that_two_audiences_define_must_be_granted_at_both() {
    let world = |roles: &str| {
        World::default()
            .api(ORDERS, "orders", "boss=orders")
            .granted("", "boss")
            .api(BILLING, "billing pay", "boss=billing pay")
            .granted("billing pay", roles)
    };
    let both = format!("{BILLING} {ORDERS}");
    let elsewhere = Err(TargetError::RoleElsewhere {
        role: RoleName::parse("boss").unwrap(),
        api: ApiIdentifier::parse(BILLING).unwrap(),
    });
    assert_eq!(
        world("boss").ask(&[], None),
        gives(&both, "billing orders pay", "boss")
    );
    assert_eq!(world("").ask(&[], None), elsewhere);
    assert_eq!(
        world("").ask(&[ORDERS], None),
        gives(ORDERS, "orders", "boss")
    );
    assert_eq!(
        world("").ask(&[ORDERS, BILLING], Some("pay")),
        gives(&both, "pay", ""),
        "without the role's scopes there is no role to confuse"
    );
    assert_eq!(
        world("boss").ask(&[ORDERS, BILLING], Some("orders pay")),
        gives(&both, "orders pay", ""),
        "at the second API the role would carry more than the token"
    );
}

#[test]
fn a_role_is_named_only_when_all_its_scopes_are_there() {
    let world = || {
        World::default()
            .api(ORDERS, "a b c", "ab=a b,none=")
            .granted("c", "ab none")
    };
    assert_eq!(world().ask(&[], None), gives(ORDERS, "a b c", "ab none"));
    assert_eq!(
        world().ask(&[], Some("b a")),
        gives(ORDERS, "a b", "ab none")
    );
    assert_eq!(world().ask(&[], Some("a c")), gives(ORDERS, "a c", "none"));
}

#[test]
fn what_an_api_has_not_any_more_is_not_granted() {
    let world = || {
        World::default()
            .api(ORDERS, "a", "r=a")
            .granted("a gone", "r lost")
    };
    assert_eq!(world().ask(&[], None), gives(ORDERS, "a", "r"));
    assert_eq!(
        world().ask(&[], Some("gone")),
        scope_error("gone", "any API of this client")
    );
}

/// Small worlds with few names, so that they collide.
#[test]
fn the_shortest_lifetime_of_the_audiences_holds() {
    let world = |orders, billing| {
        World::default()
            .api(ORDERS, "a", "")
            .with(orders, None)
            .granted("a", "")
            .api(BILLING, "b", "")
            .with(billing, None)
            .granted("b", "")
    };
    let seconds =
        |orders, billing, audiences: &[&str]| world(orders, billing).settings(audiences).unwrap().0;
    assert_eq!(seconds(None, None, &[]), 3_600);
    assert_eq!(seconds(Some(60), None, &[]), 60);
    assert_eq!(seconds(Some(60), Some(300), &[]), 60);
    assert_eq!(seconds(Some(60), Some(300), &[BILLING]), 300);
    // An API's own lifetime may also be longer than the tenant's, unless it is in company.
    assert_eq!(seconds(Some(86_400), None, &[ORDERS]), 86_400);
    assert_eq!(seconds(Some(86_400), None, &[ORDERS, BILLING]), 3_600);
}

#[test]
fn the_audiences_of_a_token_have_one_algorithm() {
    use SigningAlgorithm::{EdDsa, Es256};
    let world = |orders, billing| {
        World::default()
            .api(ORDERS, "a", "")
            .with(None, orders)
            .granted("a", "")
            .api(BILLING, "b", "")
            .with(None, billing)
            .granted("b", "")
    };
    let algorithm = |orders, billing, audiences: &[&str]| {
        let settings = world(orders, billing).settings(audiences);
        settings.map(|(_, algorithm)| algorithm)
    };
    assert_eq!(algorithm(Some(EdDsa), None, &[ORDERS]), Ok(EdDsa));
    assert_eq!(algorithm(Some(EdDsa), Some(EdDsa), &[]), Ok(EdDsa));
    assert_eq!(algorithm(Some(Es256), None, &[]), Ok(Es256));
    let differing = algorithm(Some(EdDsa), None, &[]).unwrap_err();
    assert!(!differing.is_scope());
    assert_eq!(
        differing.to_string(),
        format!(
            "tokens for `{BILLING}` are signed with ES256, and for `{ORDERS}` with EdDSA; ask for each in a request of its own"
        )
    );
    let named = algorithm(Some(EdDsa), None, &[ORDERS, BILLING]);
    assert_eq!(named, Err(differing));
}

#[test]
fn a_retired_api_is_as_if_it_were_not_granted() {
    let world = || {
        World::default()
            .api(ORDERS, "a both", "r=a")
            .granted("a both", "r")
            .retired()
            .api(BILLING, "b both", "")
            .granted("b", "")
    };
    assert_eq!(world().ask(&[], None), gives(BILLING, "b", ""));
    assert_eq!(world().ask(&[ORDERS], None), audience_error(ORDERS));
    assert_eq!(
        world().ask(&[BILLING, ORDERS], Some("b")),
        audience_error(ORDERS)
    );
    let any = "any API of this client";
    assert_eq!(world().ask(&[], Some("a")), scope_error("a", any));
    let only = || {
        World::default()
            .api(ORDERS, "a", "")
            .granted("a", "")
            .retired()
    };
    assert_eq!(only().ask(&[], None), Err(TargetError::NothingGranted));
    assert_eq!(only().ask(&[], Some("a")), scope_error("a", any));
}

fn any_world() -> impl Strategy<Value = World> {
    let names = || proptest::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4);
    let api = (
        names(),
        names(),
        names(),
        proptest::sample::subsequence(vec!["r", "s"], 0..=2),
    );
    proptest::collection::vec(api, 0..4).prop_map(|apis| {
        apis.into_iter().enumerate().fold(
            World::default(),
            |world, (number, (has, of_role, granted, roles))| {
                let has: Vec<_> = has;
                let within = |names: Vec<&'static str>| {
                    names
                        .into_iter()
                        .filter(|name| has.contains(name))
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                let of_role = within(of_role);
                world
                    .api(
                        &format!("urn:api:{number}"),
                        &has.join(" "),
                        &format!("r={of_role},s={of_role}"),
                    )
                    .granted(&within(granted), &roles.join(" "))
            },
        )
    })
}

proptest! {
    /// Rule 27 of the security notes, and that nothing is dropped, checked from the outside.
    #[test]
    fn a_token_gives_nothing_that_was_not_granted(
        world in any_world(),
        audiences in proptest::sample::subsequence(vec!["urn:api:0", "urn:api:1", "urn:api:2"], 0..=3),
        scope in proptest::option::of(proptest::sample::subsequence(vec!["a", "b", "c", "d"], 1..=4)),
    ) {
        let (apis, grants) = (world.apis.clone(), world.grants.clone());
        let scope = scope.map(|scopes| scopes.join(" "));
        if let Ok([token_audiences, token_scopes, token_roles]) = world.ask(&audiences, scope.as_deref()) {
            prop_assert!(!token_audiences.is_empty());
            if !audiences.is_empty() {
                prop_assert_eq!(&token_audiences, &audiences.join(" "));
            }
            if let Some(scope) = scope {
                prop_assert_eq!(&token_scopes, &scope);
            }
            let carried = ScopeSet::parse(&token_scopes).unwrap();
            for (id, api) in apis.iter().filter(|(_, api)| token_audiences.contains(api.identifier.as_str())) {
                let grant = &grants[id];
                let effective = api.effective(&grant.scopes, &grant.roles, 0);
                for scope in carried.iter().filter(|scope| api.scopes.contains_key(scope)) {
                    prop_assert!(effective.contains(scope));
                }
                for role in token_roles.split_whitespace().map(|role| RoleName::parse(role).unwrap()) {
                    if let Some(scopes) = api.roles.get(&role) {
                        prop_assert!(grant.roles.contains(&role) && scopes.is_subset(&carried));
                    }
                }
            }
        }
    }

    /// Rule 12 of the security notes.
    #[test]
    fn a_refresh_is_within_what_was_given(
        world in any_world(),
        given in proptest::sample::subsequence(vec!["urn:api:0", "urn:api:1", "urn:api:2"], 1..=3),
        scopes in proptest::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4),
        audiences in proptest::sample::subsequence(vec!["urn:api:0", "urn:api:1", "urn:api:2"], 0..=3),
        scope in proptest::option::of(proptest::sample::subsequence(vec!["a", "b", "c", "d"], 1..=4)),
    ) {
        let within = bound(&given.join(" "), &scopes.join(" "), "");
        let scope = scope.map(|scopes| scopes.join(" "));
        if let Ok([token_audiences, token_scopes, token_roles]) = world.refresh(&audiences, scope.as_deref(), &within) {
            prop_assert!(token_audiences.split(' ').all(|audience| given.contains(&audience)));
            prop_assert!(ScopeSet::parse(&token_scopes).unwrap().is_subset(&within.scopes));
            prop_assert_eq!(token_roles, "");
        }
    }

    #[test]
    fn no_text_panics(audiences in proptest::collection::vec("\\PC{0,20}", 0..3), scope in "\\PC{0,40}") {
        let audiences: Vec<_> = audiences.iter().map(String::as_str).collect();
        if let Err(error) = shop().ask(&audiences, Some(&scope)) {
            prop_assert!(error.to_string().bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
        }
    }
}
