use std::{collections::BTreeSet, path::Path, pin::Pin};

use chancery_domain::{
    ApiId, ClientId, TenantId, Timestamp,
    client::ClientState,
    tenant::{AuthMethod, Reach, TenantState},
};
use chancery_event_store::Store;
use chancery_projections::{
    ClientFilter, Place, Search, TenantFilter, agenda, apis, callers, client_list, client_secrets,
    clients, counts, key_rings, policy_reach, tenant_list, tenants,
};

use super::seed::{API, MIDDLE, TENANT};

/// A page, as operators mostly ask for it.
const PAGE: u32 = 50;
/// What reading a page may visit: an index's entries and the rows behind them, each perhaps twice.
const A_PAGE: u64 = 4 * PAGE as u64;
/// What it may visit where a filter leaves most entries out.
const BOUNDED: u64 = 25_000;

type Asked<'a> = Pin<Box<dyn Future<Output = usize> + 'a>>;

/// A query, with how many rows it may visit.
pub(crate) struct Case {
    /// `module::function`, and what is asked for.
    pub(crate) name: String,
    pub(crate) visits: u64,
    /// Whether it is one of the many that only combine what others ask for singly.
    pub(crate) combines: bool,
    run: Box<dyn for<'a> Fn(&'a Store) -> Asked<'a>>,
}

impl Case {
    /// Asks, and gives how many rows came.
    pub(crate) async fn ask(&self, store: &Store) -> usize {
        (self.run)(store).await
    }
}

macro_rules! case {
    ($name:expr, $visits:expr, $(by $filter:ident,)? |$store:ident| $ask:expr) => {
        Case {
            name: $name.to_string(),
            visits: $visits,
            combines: $visits == BOUNDED,
            run: Box::new(move |$store| {
                $(let $filter = $filter.clone();)?
                Box::pin(async move { $ask })
            }),
        }
    };
}

fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

fn api() -> ApiId {
    API.parse().unwrap()
}

fn client(number: usize) -> ClientId {
    format!("client_{number:026}").parse().unwrap()
}

fn some_clients() -> Vec<ClientId> {
    (1..=50).map(|number| client(number * 1_000)).collect()
}

fn some_tenants() -> Vec<TenantId> {
    let id = |number: usize| format!("tenant_{number:026}").parse().unwrap();
    (1..=50).map(|number| id(number * 1_000)).collect()
}

fn search(typed: &str) -> Option<Search> {
    Search::parse(typed).map(Some).unwrap()
}

/// Every query of the crate, and of lists every way to ask.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = look_ups();
    cases.extend(asking());
    cases.extend(agendas());
    cases.extend(lists());
    cases.extend(reaches());
    cases
}

fn look_ups() -> Vec<Case> {
    vec![
        case!("tenants::get", 4, |store| usize::from(
            tenants::get(store, tenant()).await.unwrap().is_some()
        )),
        case!("tenants::by_slug", 4, |store| usize::from(
            tenants::by_slug(store, &"slug-9".parse().unwrap())
                .await
                .unwrap()
                .is_some()
        )),
        case!("tenants::platform_get_many", A_PAGE, |store| {
            tenants::platform_get_many(store, &some_tenants())
                .await
                .unwrap()
                .len()
        }),
        case!("counts::of_tenants", A_PAGE, |store| {
            counts::of_tenants(store, &some_tenants())
                .await
                .unwrap()
                .len()
        }),
        case!("key_rings::get", 4, |store| usize::from(
            key_rings::get(store, tenant()).await.unwrap().is_some()
        )),
        case!("apis::platform_get", 4, |store| usize::from(
            apis::platform_get(store, api()).await.unwrap().is_some()
        )),
        case!("apis::platform_get_many", 8, |store| {
            apis::platform_get_many(store, &[api()])
                .await
                .unwrap()
                .len()
        }),
        case!("apis::get", 4, |store| usize::from(
            apis::get(store, tenant(), api()).await.unwrap().is_some()
        )),
        case!("apis::id_of", 4, |store| usize::from(
            apis::id_of(store, tenant(), &"https://9".parse().unwrap())
                .await
                .unwrap()
                .is_some()
        )),
        case!("apis::page", A_PAGE, |store| {
            apis::page(store, tenant(), Some(api()), PAGE)
                .await
                .unwrap()
                .len()
        }),
        // Of one tenant, which is what the name says: here of one with none.
        case!("apis::all", A_PAGE, |store| {
            1 + apis::all(store, some_tenants()[0]).await.unwrap().len()
        }),
        case!("clients::all", A_PAGE, |store| {
            1 + clients::all(store, some_tenants()[0]).await.unwrap().len()
        }),
        case!("clients::get", 4, |store| usize::from(
            clients::get(store, tenant(), client(7))
                .await
                .unwrap()
                .is_some()
        )),
        case!("clients::of_tenant", A_PAGE, |store| {
            clients::of_tenant(store, tenant(), &some_clients())
                .await
                .unwrap()
                .len()
        }),
        case!("clients::platform_tenant_of", 4, |store| usize::from(
            clients::platform_tenant_of(store, client(7))
                .await
                .unwrap()
                .is_some()
        )),
        case!("client_secrets::get", 4, |store| usize::from(
            client_secrets::get(store, tenant(), client(7))
                .await
                .unwrap()
                .is_some()
        )),
        case!("client_secrets::all", A_PAGE, |store| {
            1 + client_secrets::all(store, some_tenants()[0])
                .await
                .unwrap()
                .len()
        }),
        case!("client_secrets::of_clients", A_PAGE, |store| {
            client_secrets::of_clients(store, tenant(), &some_clients())
                .await
                .unwrap()
                .len()
        }),
    ]
}

/// Whoever asks.
fn asking() -> Vec<Case> {
    vec![
        case!("callers::by_slug", 8, |store| usize::from(
            callers::by_slug(store, &"slug-9".parse().unwrap(), client(7))
                .await
                .unwrap()
                .is_some()
        )),
        case!("callers::of_tenant", 8, |store| usize::from(
            callers::of_tenant(store, tenant(), client(7))
                .await
                .unwrap()
                .is_some()
        )),
    ]
}

/// What ends or is due, of the platform and of a tenant.
fn agendas() -> Vec<Case> {
    vec![
        case!("agenda::platform_due", 2 * A_PAGE, |store| {
            let first = agenda::platform_due(store, MIDDLE, None, PAGE).await;
            let (_, end) = first.unwrap();
            let later = agenda::platform_due(store, MIDDLE, end.as_ref(), PAGE).await;
            later.unwrap().0.len()
        }),
        case!("agenda::platform_due_since", 4, |store| {
            let since = agenda::platform_due_since(store, MIDDLE).await.unwrap();
            usize::from(since.is_some())
        }),
        // The clients behind them are looked at, too.
        case!("agenda::upcoming", 4 * A_PAGE, |store| {
            let now = Timestamp::from_micros(0);
            let page = async |after| {
                agenda::upcoming(store, tenant(), (now, MIDDLE), after, PAGE)
                    .await
                    .unwrap()
            };
            let first = page(None).await;
            page(first.last().map(|(place, _)| place)).await.len()
        }),
    ]
}

/// Whom a stricter policy touches: nobody, some, and more than are counted.
fn reaches() -> Vec<Case> {
    // The entries of the index, the ids and the clients behind them.
    let by_secrets = 40_000;
    let moment = Timestamp::from_micros;
    [
        ("everybody", Reach::Everybody, 4),
        (
            "some by method",
            Reach::Method(AuthMethod::PrivateKeyJwt),
            3 * A_PAGE,
        ),
        (
            "many by method",
            Reach::Method(AuthMethod::ClientSecret),
            BOUNDED,
        ),
        (
            "nobody by method",
            Reach::Method(AuthMethod::ClientSecretJwt),
            4,
        ),
        ("without a name", Reach::Unnamed, 20 * A_PAGE),
        ("with metadata", Reach::WithMetadata, 20 * A_PAGE),
        ("without an end", Reach::WithoutEnd, BOUNDED),
        (
            "ending late",
            Reach::EndingAfter(moment(100_000)),
            3 * A_PAGE,
        ),
        (
            "many that live long",
            Reach::SecretsLivingOver(1_000),
            by_secrets,
        ),
        (
            "some that live long",
            Reach::SecretsLivingOver(99_900_000),
            4 * A_PAGE,
        ),
        ("many with too many", Reach::SecretsOver(1), by_secrets),
        ("none with so many", Reach::SecretsOver(2), 4),
    ]
    .map(|(name, reach, visits)| {
        case!(format!("policy_reach::find {name}"), visits, |store| {
            let found = policy_reach::find(store, tenant(), reach, moment(0), 50)
                .await
                .unwrap();
            assert_eq!(found.more, visits >= BOUNDED, "{name}");
            let shown = if reach == Reach::Everybody { 0 } else { 50 };
            assert_eq!(found.shown.len(), found.count.min(shown), "{name}");
            found.count + usize::from(visits == 4)
        })
    })
    .into()
}

fn lists() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(tenant_filters().into_iter().flat_map(|(name, filter, visits)| {
        both(&filter, |filter, later| {
            case!(format!("tenant_list::platform_list {name}{}", suffix(later)), visits, by filter, |store| {
                let first = tenant_list::platform_list(store, &filter, None, PAGE).await.unwrap();
                let after: Option<Place<TenantId>> = first.end.clone().filter(|_| later);
                let page = match after {
                    Some(after) => tenant_list::platform_list(store, &filter, Some(after), PAGE).await.unwrap(),
                    None => first,
                };
                page.items.len()
            })
        })
    }));
    cases.extend(client_filters().into_iter().flat_map(|(name, filter, visits)| {
        both(&filter, |filter, later| {
            case!(format!("client_list::list {name}{}", suffix(later)), visits, by filter, |store| {
                let list = async |after| {
                    client_list::list(store, tenant(), &filter, MIDDLE, after, PAGE).await.unwrap()
                };
                let first = list(None).await;
                match first.end.clone().filter(|_| later) {
                    Some(after) => list(Some(after)).await.items.len(),
                    None => first.items.len(),
                }
            })
        })
    }));
    cases
}

fn suffix(later: bool) -> &'static str {
    if later { ", a later page" } else { "" }
}

/// The first page and one that comes later.
fn both<F: Clone>(filter: &F, case: impl Fn(F, bool) -> Case) -> Vec<Case> {
    let first = case(filter.clone(), false);
    if first.combines {
        vec![first]
    } else {
        vec![first, case(filter.clone(), true)]
    }
}

fn tenant_filters() -> Vec<(&'static str, TenantFilter, u64)> {
    let all = TenantFilter::default();
    let closed = Some(vec![TenantState::Closed]);
    vec![
        ("of all", all.clone(), A_PAGE),
        (
            "by slug",
            TenantFilter {
                search: search("Slug-1"),
                ..all.clone()
            },
            A_PAGE,
        ),
        (
            "by name",
            TenantFilter {
                search: search("name 1"),
                ..all.clone()
            },
            A_PAGE,
        ),
        (
            "by state",
            TenantFilter {
                states: closed.clone(),
                ..all.clone()
            },
            A_PAGE,
        ),
        (
            "by two states",
            TenantFilter {
                states: Some(vec![TenantState::Active, TenantState::Closed]),
                ..all.clone()
            },
            A_PAGE,
        ),
        (
            "since",
            TenantFilter {
                created_since: Some(MIDDLE),
                ..all.clone()
            },
            A_PAGE,
        ),
        (
            "by everything",
            TenantFilter {
                search: search("s"),
                states: closed,
                created_since: Some(MIDDLE),
            },
            BOUNDED,
        ),
    ]
}

fn client_filters() -> Vec<(String, ClientFilter, u64)> {
    use ClientState::{Active, Deleted, Disabled, Expired};
    let late = Timestamp::from_micros(90_000);
    let all = ClientFilter::default();
    let in_states = |states: &[ClientState]| ClientFilter {
        states: Some(states.to_vec()),
        ..ClientFilter::default()
    };
    let mut filters = vec![
        ("of all".to_owned(), all.clone(), A_PAGE),
        (
            "by name".to_owned(),
            ClientFilter {
                search: search("NAME 1"),
                ..all.clone()
            },
            A_PAGE,
        ),
        (
            "granted".to_owned(),
            ClientFilter {
                api: Some(api()),
                ..all.clone()
            },
            A_PAGE,
        ),
        (
            "granted, by name".to_owned(),
            ClientFilter {
                api: Some(api()),
                search: search("name 1"),
                ..all.clone()
            },
            2 * A_PAGE,
        ),
        (
            "since".to_owned(),
            ClientFilter {
                created_since: Some(MIDDLE),
                ..all.clone()
            },
            A_PAGE,
        ),
        (
            "expiring".to_owned(),
            ClientFilter {
                expiring_before: Some(late),
                ..all.clone()
            },
            A_PAGE,
        ),
        (
            "active and expiring".to_owned(),
            ClientFilter {
                expiring_before: Some(late),
                ..in_states(&[Active])
            },
            A_PAGE,
        ),
        (
            "by method".to_owned(),
            ClientFilter {
                auth_method: Some(AuthMethod::PrivateKeyJwt),
                ..all.clone()
            },
            A_PAGE,
        ),
        ("active".to_owned(), in_states(&[Active]), 2 * A_PAGE),
        ("disabled".to_owned(), in_states(&[Disabled]), A_PAGE),
        ("deleted".to_owned(), in_states(&[Deleted]), A_PAGE),
        ("expired".to_owned(), in_states(&[Expired]), A_PAGE),
        (
            "in any state".to_owned(),
            in_states(&[Active, Disabled, Expired, Deleted]),
            A_PAGE,
        ),
    ];
    // Whatever is combined with what: from what no index answers, a bounded number is looked at.
    for mask in 0..64_u8 {
        let filter = ClientFilter {
            search: search("n").filter(|_| mask & 1 > 0),
            states: Some(vec![Disabled, Expired]).filter(|_| mask & 2 > 0),
            api: Some(api()).filter(|_| mask & 4 > 0),
            auth_method: Some(AuthMethod::PrivateKeyJwt).filter(|_| mask & 8 > 0),
            expiring_before: Some(late).filter(|_| mask & 16 > 0),
            created_since: Some(MIDDLE).filter(|_| mask & 32 > 0),
        };
        filters.push((format!("combination {mask:06b}"), filter, BOUNDED));
    }
    filters
}

/// Reads the crate's sources: a function that asks the store and has no case above fails here.
pub(crate) fn every_query_has_a_case() {
    let named: BTreeSet<String> = cases()
        .iter()
        .map(|case| case.name.split(' ').next().unwrap().to_owned())
        .collect();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(sources).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let module = path.file_stem().unwrap().to_str().unwrap();
        let functions = text.split("\npub async fn ").skip(1);
        let name = |function: &str| {
            let end = function.find(['(', '<']).unwrap();
            format!("{module}::{}", &function[..end])
        };
        found.extend(functions.map(name));
    }
    // It writes, row by row by primary key; and these read all that there is, which is what they are for.
    assert!(found.remove("save::save"));
    found.retain(|function| {
        !["check::", "rebuild::"]
            .iter()
            .any(|whole| function.starts_with(whole))
    });
    assert_eq!(named, found, "queries, and cases for them");
}
