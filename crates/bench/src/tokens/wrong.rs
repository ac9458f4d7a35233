//! Wrong secrets beside honest traffic: those that nobody was ever given, and those that were good once.

use super::{Options, Plan, bench::Bench, on_store::Asking, report::Beside};
use crate::{
    error::Error,
    installation::Installation,
    load::{Expected, Load, Requests},
    report::Sample,
    tenant::{Operator, client_credentials},
};

/// From how many addresses revoked secrets come: of none of them more than a few in a measurement.
const ADDRESSES: u32 = 50_000;

/// What is behind the name of a measurement with revoked secrets.
pub(super) const REVOKED: &str = ", revoked secrets from 50,000 addresses";

/// Secrets that nobody was ever given, all from one address.
pub(super) fn unknown(
    bench: &Bench<'_>,
    asking: &Asking,
    name: String,
    peak: f64,
) -> Result<Beside, Error> {
    let path = asking.tenant.endpoint("token");
    let wrong = asking.clients.iter();
    let wrong = wrong.map(|client| client.wrong_request(&asking.host, &path));
    beside(bench, asking, name, wrong.collect(), peak)
}

/// What a wrong secret may cost at most: it bears a genuine tag, so its client is looked up and each refusal needs
/// the state of the roll; it comes from an address that does not fail often, so nothing is refused for that; and of the
/// denials as many are recorded each as the log lets.
pub(super) fn revoked(
    options: &Options,
    plan: &Plan,
    installation: &Installation,
    asking: &Asking,
    name: &str,
    peak: f64,
) -> Result<Beside, Error> {
    let trusting = [("CHANCERY_TRUSTED_PROXIES", "127.0.0.1")];
    let server = installation.serve_with(&options.durability, &trusting)?;
    let wrong = crate::runtime()?.block_on(async {
        let operator = Operator::of(installation).await?;
        operator.revoked(&asking.clients).await
    })?;
    let (path, form) = (asking.tenant.endpoint("token"), client_credentials());
    let wrong = wrong.iter().cycle().zip(0..ADDRESSES);
    let wrong = wrong.map(|(client, number)| {
        let [_, a, b, c] = number.to_be_bytes();
        let from = format!("x-forwarded-for: 10.{a}.{b}.{c}\r\n");
        client.post_with(&asking.host, &path, &from, &form)
    });
    let bench = Bench {
        options,
        plan,
        installation,
        server: &server,
    };
    bench.warm(&server, &bench.load(asking.requests()))?;
    let name = format!("{name}{REVOKED}");
    let beside = beside(&bench, asking, name, wrong.collect(), peak)?;
    server.stop()?;
    Ok(beside)
}

/// Honest traffic at a quarter of the peak, alone and then beside twice as many of these.
fn beside(
    bench: &Bench<'_>,
    asking: &Asking,
    name: String,
    wrong: Requests,
    peak: f64,
) -> Result<Beside, Error> {
    let rate = (peak / 4.0).round();
    let honest = Load {
        rate: Some(rate),
        ..bench.load(asking.requests())
    };
    let alone = Sample::take(bench.server, &honest)?;
    let load = Load {
        rate: Some(2.0 * rate),
        expected: Expected::REFUSAL,
        ..bench.load(wrong)
    };
    let (among, refused) = std::thread::scope(|threads| {
        let refused = threads.spawn(|| load.send());
        let among = Sample::take(bench.server, &honest);
        (among, refused.join())
    });
    let refused = refused.map_err(|_| Error::Wrong("the load panicked".into()))??;
    Ok(Beside {
        name,
        rate,
        alone,
        among: among?,
        wrong_per_second: refused.rate(),
    })
}
