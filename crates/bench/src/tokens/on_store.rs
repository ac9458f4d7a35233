//! Everything on one store.

use serde_json::json;

use super::{Options, Part, Plan, assertions, bench::Bench, cold, refresh, report::Report, wrong};
use crate::{
    assertions::ClientKey,
    error::Error,
    installation::Installation,
    load::{Expected, Load},
    numbers,
    report::{Comparison, Sample},
    room::Room,
    tenant::{Client, Operator, Tenant, requests},
};

pub(super) fn measure(
    options: &Options,
    plan: &Plan,
    store: &str,
    database: Option<&str>,
    report: &mut Report,
) -> Result<(), Error> {
    let installation = Installation::new(&options.server, database, "bench_tokens")?;
    if options.measures(Part::Cold) {
        let cold = cold::measure(&installation, options, plan, store)?;
        report.cold.push(cold);
    }
    let mut of_first = None;
    let server = installation.serve(&options.durability)?;
    for (algorithm, slug) in plan.algorithms {
        let bench = Bench {
            options,
            plan,
            installation: &installation,
            server: &server,
        };
        let asking = Asking::make(&installation, options, algorithm, slug)?;
        let peak = on_algorithm(&bench, &asking, algorithm, store, report)?;
        of_first.get_or_insert((asking, *algorithm, peak));
    }
    let Some((asking, algorithm, peak)) = of_first else {
        return Ok(());
    };
    let bench = Bench {
        options,
        plan,
        installation: &installation,
        server: &server,
    };
    if options.measures(Part::Introspection) {
        let sample = introspection(&bench, &asking)?;
        report
            .introspection
            .push((format!("{algorithm}, {store}"), sample));
    }
    if options.measures(Part::Refresh) {
        let refresh = refresh::measure(&bench, &installation, algorithm, store)?;
        report.closed_loop.push(refresh);
    }
    server.stop()?;
    if let Some(peak) = peak.filter(|_| options.measures(Part::Wrong)) {
        let name = format!("{algorithm}, {store}");
        let beside = wrong::revoked(options, plan, &installation, &asking, &name, peak)?;
        report.beside_wrong_secrets.push(beside);
    }
    if options.measures(Part::Async) && options.durability != "async" {
        let server = installation.serve("async")?;
        let bench = Bench {
            options,
            plan,
            installation: &installation,
            server: &server,
        };
        let name = format!("{algorithm}, {store}, `async`");
        let load = bench.further(asking.requests());
        let compared = bench.compare(name, algorithm, &load, plan.further.1)?;
        report.closed_loop.push(compared);
        server.stop()?;
    }
    Ok(())
}

/// Who asks for tokens of one algorithm.
pub(super) struct Asking {
    pub(super) tenant: Tenant,
    pub(super) clients: Vec<Client>,
    pub(super) key: ClientKey,
    /// Clients that authenticate with the key.
    pub(super) with_key: Vec<String>,
    serving: Client,
    pub(super) host: String,
}

impl Asking {
    fn make(
        installation: &Installation,
        options: &Options,
        algorithm: &str,
        slug: &str,
    ) -> Result<Self, Error> {
        let key = ClientKey::generate()?;
        crate::runtime()?.block_on(async {
            let operator = Operator::of(installation).await?;
            let policy = json!({"signingAlgorithm": algorithm});
            let tenant = operator.tenant(slug, policy).await?;
            let clients = operator.clients(&tenant, options.clients).await?;
            let with_key = operator
                .with_key(&tenant, &key.jwks, options.clients)
                .await?;
            operator.with_key(&tenant, &key.jwks, options.idle).await?;
            Ok(Self {
                serving: operator.serving(&tenant).await?,
                host: installation.address.to_string(),
                tenant,
                clients,
                key,
                with_key,
            })
        })
    }

    pub(super) fn requests(&self) -> crate::load::Requests {
        requests(&self.clients, &self.host, &self.tenant.endpoint("token"))
    }
}

/// How each kind of load does with this algorithm. Gives the peak, where it was looked for.
fn on_algorithm(
    bench: &Bench<'_>,
    asking: &Asking,
    algorithm: &str,
    store: &str,
    report: &mut Report,
) -> Result<Option<f64>, Error> {
    let mut found = None;
    let name = format!("{algorithm}, {store}");
    let (options, load) = (bench.options, bench.load(asking.requests()));
    let rated = [Part::Closed, Part::Open, Part::Wrong];
    if rated.into_iter().any(|part| options.measures(part)) {
        let location = bench.installation.location();
        let before = Room::of(&location)?;
        let comparison = bench.compare(name.clone(), algorithm, &load, bench.plan.pairs)?;
        let room = Room::of(&location)?.since(before);
        report.room.push((name.clone(), room));
        let peak = *found.insert(peak(&comparison));
        report.closed_loop.push(comparison);
        if options.measures(Part::Open) {
            let half = bench.at(name.clone(), algorithm, &load, (peak / 2.0).round())?;
            report.open_loop.push(half);
        }
        if options.measures(Part::Wrong) {
            let beside = wrong::unknown(bench, asking, name.clone(), peak)?;
            report.beside_wrong_secrets.push(beside);
        }
    }
    if options.measures(Part::Assertions) {
        let (comparison, half) = assertions::measure(bench, asking, algorithm, name)?;
        report.closed_loop.push(comparison);
        report.assertions.push(half);
    }
    Ok(found)
}

/// The rate that can be relied on: the least of the server's.
pub(super) fn peak(comparison: &Comparison) -> f64 {
    let (least, _) = numbers::range(comparison.server.iter().map(|sample| sample.per_second));
    least
}

/// A client that serves the API asks about tokens of all the others.
fn introspection(bench: &Bench<'_>, asking: &Asking) -> Result<Sample, Error> {
    let path = asking.tenant.endpoint("introspect");
    let url = format!("http://{}{}", asking.host, asking.tenant.endpoint("token"));
    let tokens = crate::runtime()?.block_on(async {
        let http = reqwest::Client::new();
        let mut tokens = Vec::new();
        for client in &asking.clients {
            let request = http
                .post(&url)
                .basic_auth(&client.id, Some(&client.secret))
                .form(&[("grant_type", "client_credentials")]);
            let answer: serde_json::Value = request.send().await?.json().await?;
            let token = answer["access_token"].as_str().unwrap_or_default();
            tokens.push(format!("token={token}"));
        }
        Ok::<_, Error>(tokens)
    })?;
    let of_token = |form: &String| asking.serving.post(&asking.host, &path, form);
    let load = Load {
        expected: Expected::ok_with("\"active\":true"),
        ..bench.load(tokens.iter().map(of_token).collect())
    };
    bench.warm(bench.server, &load)?;
    Sample::take(bench.server, &load)
}
