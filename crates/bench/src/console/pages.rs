//! Which pages are looked at: each by what it is called, with its address.

use super::activity::weeks_ago;

/// A page's name and address.
pub(super) type Page = (&'static str, String);

/// The tenant that is looked at.
pub(super) const TENANT: &str = "/console/t/acme";

fn within(pages: &[(&'static str, &str)]) -> Vec<Page> {
    let pages = pages.iter();
    pages
        .map(|(name, rest)| (*name, format!("{TENANT}{rest}")))
        .collect()
}

/// What there is.
pub(super) fn of_things(client: &str, api: &str, second: &str) -> Vec<Page> {
    let id = client.rsplit('/').next().unwrap_or_default();
    let mut pages = within(&[
        ("A tenant", ""),
        ("Policy", "/policy"),
        ("Signing keys", "/keys"),
        ("APIs", "/apis"),
        ("Clients", "/clients"),
        ("Clients, second page", &format!("/clients{second}")),
        ("Clients, searched", "/clients?q=billing-worker-7"),
        ("A new client", "/clients/new"),
        ("Calendar", "/calendar"),
        ("Calendar, a year", "/calendar?days=365"),
        ("Administrators", "/administrators"),
    ]);
    pages.extend([
        ("Tenants", "/console/tenants".to_owned()),
        ("An API, with its clients", api.to_owned()),
        ("A client", client.to_owned()),
        ("A client, to be changed", format!("{client}/edit")),
        (
            "Administrators, fifty sessions",
            "/console/t/system/administrators".to_owned(),
        ),
        ("One's own sessions", "/console/sessions".to_owned()),
        ("Find a client", format!("/console/find?id={id}")),
    ]);
    pages
}

/// What has happened: in a roll of so many entries, and to one client.
pub(super) fn of_what_happened(client: &str, entries: usize) -> Vec<Page> {
    let (middle, early) = (entries / 2, entries / 100);
    let mut pages = within(&[
        ("Roll", "/roll"),
        ("Roll, earlier", &format!("/roll?before={middle}")),
        ("Roll, of a client", &format!("/roll?client={client}")),
        (
            "Roll, of a client, earlier",
            &format!("/roll?client={client}&before={middle}"),
        ),
        ("Roll, of a type", "/roll?type=ApiCreated"),
        ("Roll, by the server", "/roll?actor=server"),
        ("An entry, with its proof", &format!("/roll/{middle}")),
        (
            "An entry's proof, as JSON",
            &format!("/roll/{middle}/proof"),
        ),
        (
            "An entry in an old checkpoint",
            &format!("/roll/{early}?size={middle}"),
        ),
        ("As it was, at the end", "/past"),
        ("As it was, in the middle", &format!("/past?entry={middle}")),
        ("As it was, early", &format!("/past?entry={early}")),
        ("Compare", "/difference"),
        // Two moments that nine months lie between.
        (
            "Compare, nine months",
            "/difference?from=2025-11-01T00:00:00Z&to=2026-08-01T00:00:00Z",
        ),
    ]);
    let records = |filter: &str| format!("/activity/records?{filter}");
    pages.extend(within(&[
        ("Activity, a day", "/activity?over=day"),
        ("Activity, 30 days", "/activity?over=month"),
        ("Clients that were not used", "/activity/unused?over=month"),
        ("Records", "/activity/records"),
        (
            "Records, three weeks ago",
            &records(&format!("until={}", weeks_ago(3))),
        ),
        (
            "Records, of a client",
            &records(&format!("client={client}")),
        ),
        (
            "Records, denied for a reason",
            &records("kind=denied&reason=invalid_scope"),
        ),
        (
            "Records, by a client and a reason",
            &records(&format!("client={client}&reason=invalid_scope")),
        ),
        (
            "Records, of a trace that is nowhere",
            &records(&format!("trace={}", "f".repeat(32))),
        ),
    ]));
    pages
}
