//! Everything on one store.

use serde_json::json;

use super::{
    Options, Part, Plan,
    bench::{Bench, warm},
    cold, refresh,
};
use crate::{
    assertions::ClientKey,
    error::Error,
    installation::Installation,
    load::{Expected, Load},
    report::{FixedRate, Report, Sample},
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
            server: &server,
        };
        let asking = Asking::make(&installation, options, algorithm, slug)?;
        on_algorithm(&bench, &asking, algorithm, store, report)?;
        of_first.get_or_insert((asking, *algorithm));
    }
    let Some((asking, algorithm)) = of_first else {
        return Ok(());
    };
    let bench = Bench {
        options,
        plan,
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
    if options.measures(Part::Async) && options.durability != "async" {
        let server = installation.serve("async")?;
        let bench = Bench {
            options,
            plan,
            server: &server,
        };
        let name = format!("{algorithm}, {store}, `async`");
        let load = bench.load(asking.requests());
        report
            .closed_loop
            .push(bench.compare(name, algorithm, &load)?);
        server.stop()?;
    }
    Ok(())
}

/// Who asks for tokens of one algorithm.
struct Asking {
    tenant: Tenant,
    clients: Vec<Client>,
    key: ClientKey,
    /// Clients that authenticate with the key.
    with_key: Vec<String>,
    serving: Client,
    host: String,
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

    fn requests(&self) -> crate::load::Requests {
        requests(&self.clients, &self.host, &self.tenant.endpoint("token"))
    }
}

fn on_algorithm(
    bench: &Bench<'_>,
    asking: &Asking,
    algorithm: &str,
    store: &str,
    report: &mut Report,
) -> Result<(), Error> {
    let name = format!("{algorithm}, {store}");
    let (options, load) = (bench.options, bench.load(asking.requests()));
    let rated = [Part::Closed, Part::Open, Part::Wrong, Part::Assertions];
    if !rated.into_iter().any(|part| options.measures(part)) {
        return Ok(());
    }
    let comparison = bench.compare(name.clone(), algorithm, &load)?;
    let of_server = comparison.server.iter();
    let peak = of_server
        .map(|sample| sample.per_second)
        .fold(f64::INFINITY, f64::min);
    report.closed_loop.push(comparison);

    if options.measures(Part::Open) {
        let half = Load {
            rate: Some((peak / 2.0).round()),
            ..load.clone()
        };
        report.open_loop.push(FixedRate {
            name: name.clone(),
            rate: (peak / 2.0).round(),
            sample: Sample::take(bench.server, &half)?,
        });
    }

    let quarter = (peak / 4.0).round();
    if options.measures(Part::Wrong) {
        let path = asking.tenant.endpoint("token");
        let wrong = asking.clients.iter();
        let wrong = wrong.map(|client| client.wrong_request(&asking.host, &path));
        let beside = bench.beside(name.clone(), &load, wrong.collect(), quarter)?;
        report.beside_wrong_secrets.push(beside);
    }
    if options.measures(Part::Assertions) {
        let sample = assertions(bench, asking, &load, quarter)?;
        report.assertions.push(FixedRate {
            name,
            rate: quarter,
            sample,
        });
    }
    Ok(())
}

/// Clients with a key, at a fixed rate.
fn assertions(bench: &Bench<'_>, asking: &Asking, load: &Load, rate: f64) -> Result<Sample, Error> {
    let path = asking.tenant.endpoint("token");
    let issuer = format!("http://{}/t/{}", asking.host, asking.tenant.slug);
    let make = |count| {
        let requests =
            asking
                .key
                .requests(&asking.with_key, count, &issuer, &asking.host, &path)?;
        Ok::<_, Error>(Load {
            once: true,
            lasts: 2 * load.lasts,
            ..bench.load(requests)
        })
    };
    // Each client's key is read once before.
    make(asking.with_key.len())?.send()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive, and so many requests fit the memory"
    )]
    let count = (rate * load.lasts.as_secs_f64()) as usize;
    let assertions = Load {
        rate: Some(rate),
        ..make(count)?
    };
    Sample::take(bench.server, &assertions)
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
    warm(bench.server, &load)?;
    Sample::take(bench.server, &load)
}
