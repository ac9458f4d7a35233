//! Somebody who looks at every page.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    installation::Installation,
    pages::{self, Page, TENANT},
    report::Timed,
};
use crate::error::Error;

/// How long sealing the roll may take.
const SEALING: Duration = Duration::from_mins(15);
/// A roll that has not grown for so long is at rest.
const AT_REST: Duration = Duration::from_secs(5);
/// How many sessions a client has at most.
const SESSIONS: usize = 50;

/// Somebody who is signed in.
pub(super) struct Browser {
    http: reqwest::Client,
    base: String,
    cookie: String,
}

impl Browser {
    async fn signed_in(installation: &Installation<'_>) -> Result<Self, Error> {
        let file = installation.directory.join("operator.json");
        let text = fs::read(&file).map_err(Error::io("read the operator's credential"))?;
        let credential: Value = serde_json::from_slice(&text)?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let base = format!("http://{}", installation.address);
        let field = |name: &str| credential[name].as_str().unwrap_or_default();
        let answer = http
            .post(format!("{base}/console/sign-in"))
            .header("origin", &base)
            .form(&[
                ("tenant", "system"),
                ("client", field("client_id")),
                ("secret", field("client_secret")),
            ])
            .send()
            .await?;
        let cookie = answer.headers().get("set-cookie");
        let cookie = cookie.and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookie = cookie.ok_or(Error::Wrong("nobody is signed in".into()))?;
        Ok(Self {
            cookie: cookie.to_owned(),
            http,
            base,
        })
    }

    /// As many sessions of one client as there can be, so that the list of them is as long as any.
    pub(super) async fn of_many_sessions(installation: &Installation<'_>) -> Result<Self, Error> {
        for _ in 1..SESSIONS {
            Self::signed_in(installation).await?;
        }
        Self::signed_in(installation).await
    }

    async fn get(&self, path: &str) -> Result<String, Error> {
        let request = self.http.get(format!("{}{path}", self.base));
        let answer = request.header("cookie", &self.cookie).send().await?;
        let status = answer.status();
        let leads = answer.headers().get("location");
        let is_found = leads.is_some_and(|to| !to.as_bytes().starts_with(b"/console/sign-in"));
        if !status.is_success() && !is_found {
            return Err(Error::Wrong(format!("{path} answers {status}")));
        }
        Ok(answer.text().await?)
    }

    /// Until the roll is sealed, and the server has done what fell due since its last entry. The checkpoint is a note
    /// whose second line is the size of the tree.
    pub(super) async fn until_sealed(&self, events: usize) -> Result<(), Error> {
        let begin = Instant::now();
        let (mut sealed, mut since) = (0, begin);
        while begin.elapsed() < SEALING {
            let note = self.get("/t/acme/roll/checkpoint").await?;
            let size = note.lines().nth(1);
            let size = size.and_then(|size| size.parse::<usize>().ok());
            let size = size.unwrap_or_default();
            if size != sealed {
                (sealed, since) = (size, Instant::now());
            } else if size >= events && since.elapsed() > AT_REST {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Err(Error::Wrong("the roll is not sealed in time".into()))
    }

    /// Every page that shows what there is, by what it is called.
    pub(super) async fn pages(&self, events: usize) -> Result<Vec<Page>, Error> {
        let tenant = TENANT;
        let clients = self.get(&format!("{tenant}/clients")).await?;
        let apis = self.get(&format!("{tenant}/apis")).await?;
        let client = linked(&clients, &format!("{tenant}/clients/client_"))?;
        let api = linked(&apis, &format!("{tenant}/apis/api_"))?;
        let second = linked(&clients, "?after=")?.replace("&amp;", "&");
        let id = client.rsplit('/').next().unwrap_or_default();
        let mut pages = pages::of_things(&client, &api, &second);
        pages.extend(pages::of_what_happened(id, events));
        Ok(pages)
    }

    pub(super) async fn timed(
        &self,
        page: &str,
        path: &str,
        rounds: usize,
    ) -> Result<Timed, Error> {
        let mut took = Vec::with_capacity(rounds);
        let (mut first, mut bytes) = (0.0, 0);
        for round in 0..=rounds {
            let begin = Instant::now();
            bytes = self.get(path).await?.len();
            let ms = begin.elapsed().as_secs_f64() * 1e3;
            if round == 0 {
                first = ms;
            } else {
                took.push(ms);
            }
        }
        took.sort_by(f64::total_cmp);
        let at = |percent: usize| took.get(took.len().saturating_sub(1) * percent / 100);
        Ok(Timed {
            page: page.to_owned(),
            first,
            p50: at(50).copied().unwrap_or_default(),
            p95: at(95).copied().unwrap_or_default(),
            kib: bytes / 1_024,
        })
    }
}

/// The first address in a page that begins like this.
fn linked(html: &str, begins: &str) -> Result<String, Error> {
    let at = html.find(&format!("href=\"{begins}"));
    let address = at.and_then(|at| html.get(at + 6..)?.split('"').next());
    address
        .map(ToOwned::to_owned)
        .ok_or_else(|| Error::Wrong(format!("no link to {begins}")))
}
