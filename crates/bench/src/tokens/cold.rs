//! A server that has just started.

use serde_json::json;

use super::{Options, Plan, report::Cold};
use crate::{
    error::Error,
    installation::Installation,
    load::Load,
    report::Sample,
    seed::{Hashes, Seeder},
    tenant::{Operator, requests},
};

/// Each client asks once, and once more.
pub(super) fn measure(
    installation: &Installation,
    options: &Options,
    plan: &Plan,
    store: &str,
) -> Result<Cold, Error> {
    let server = installation.serve(&options.durability)?;
    let (tenant, clients) = crate::runtime()?.block_on(async {
        let operator = Operator::of(installation).await?;
        let tenant = operator.tenant("bench-cold", json!({})).await?;
        let seeder = Seeder::open(installation, &tenant, Hashes::AsServed).await?;
        let clients = seeder.clients(plan.cold).await?;
        seeder.close().await;
        Ok::<_, Error>((tenant, clients))
    })?;
    server.stop()?;
    let server = installation.serve(&options.durability)?;
    crate::runtime()?.block_on(Operator::of(installation))?;
    let path = tenant.endpoint("token");
    let requests = requests(&clients, &installation.address.to_string(), &path);
    let load = Load {
        once: true,
        lasts: crate::process::PATIENCE,
        ..Load::of(installation.address, requests, options.connections)
    };
    let cold = Cold {
        name: format!("ES256, {store}"),
        clients: clients.len(),
        first: Sample::take(&server, &load)?,
        again: Sample::take(&server, &load)?,
    };
    server.stop()?;
    Ok(cold)
}
