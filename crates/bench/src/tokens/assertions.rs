//! Clients with a key: each request brings an assertion that was made before and is used once.

use super::{
    bench::{Bench, start_control},
    on_store::{Asking, peak},
    report::{ASSERTIONS, FixedRate},
};
use crate::{
    error::Error,
    load::Load,
    report::{Comparison, Sample},
};

/// As many assertions more are made as a closed loop may turn out to be faster than the last one.
const MORE: f64 = 1.5;

/// A closed loop beside the control, which gets secrets and looks at none, and then half of that in an open one.
pub(super) fn measure(
    bench: &Bench<'_>,
    asking: &Asking,
    algorithm: &str,
    name: String,
) -> Result<(Comparison, FixedRate), Error> {
    let (lasts, pairs) = bench.plan.further;
    let control = start_control(algorithm)?;
    let of_control = Load {
        address: control.address,
        ..bench.further(asking.requests())
    };
    // Each client's key is read once before; and how many can be used is looked for.
    let first = made(bench, asking, asking.with_key.len())?;
    let first = first.send()?.rate().max(5_000.0);
    let warm = Load {
        lasts: bench.plan.warm,
        ..made(bench, asking, count(first, bench.plan.warm.as_secs_f64()))?
    };
    let mut rate = warm.send()?.rate();
    bench.warm(&control, &of_control)?;
    let mut comparison = Comparison::new(format!("{name}, {ASSERTIONS}"), lasts);
    for _ in 0..pairs {
        let assertions = made(bench, asking, count(MORE * rate, lasts.as_secs_f64()))?;
        let of_control = Sample::take(&control, &of_control)?;
        comparison.control.push(of_control);
        let sample = Sample::take(bench.server, &assertions)?;
        rate = sample.per_second;
        comparison.server.push(sample);
    }
    let half = (peak(&comparison) / 2.0).round();
    let assertions = Load {
        rate: Some(half),
        ..made(bench, asking, count(half, lasts.as_secs_f64()))?
    };
    let fixed = FixedRate {
        name,
        rate: half,
        control: Vec::new(),
        server: vec![Sample::take(bench.server, &assertions)?],
    };
    Ok((comparison, fixed))
}

/// A load of so many assertions; it is over when they are used, or its time is.
fn made(bench: &Bench<'_>, asking: &Asking, count: usize) -> Result<Load, Error> {
    let path = asking.tenant.endpoint("token");
    let issuer = format!("http://{}/t/{}", asking.host, asking.tenant.slug);
    let requests = (asking.key).requests(&asking.with_key, count, &issuer, &asking.host, &path)?;
    Ok(Load {
        once: true,
        ..bench.further(requests)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is positive, and so many requests fit the memory"
)]
fn count(rate: f64, seconds: f64) -> usize {
    (rate * seconds).ceil() as usize
}
