//! The tables of `bench scale`.

use std::fmt::Write as _;

use super::{OnStore, Report};
use crate::report::{Sample, median};

pub(super) fn of(report: &Report) -> String {
    let mut text = format!(
        "{}. One tenant with ever more clients, written straight into the store by the server's own code and found \
         sound by `chancery projections check`; then the server is started, and measured when the roll is sealed. \
         {} clients, evenly chosen, ask over {} connections, {} s a measurement, ES256, durable activity, warm; the \
         secrets' hashes are the cheapest that Argon2id allows.\n",
        report.machine.line(),
        report.asking,
        report.connections,
        report.seconds
    );
    for on_store in &report.stores {
        tokens(&mut text, on_store);
        lists(&mut text, on_store);
    }
    text
}

// Writing to a string cannot fail.
fn tokens(text: &mut String, OnStore { store, sizes }: &OnStore) {
    let cpu = |samples: &[Sample]| median(samples, |sample| sample.cpu_microseconds);
    let of_control = || {
        let controls = sizes.iter().flat_map(|size| &size.tokens.control);
        controls.map(|sample| sample.cpu_microseconds)
    };
    let (least, greatest) = (
        of_control().fold(f64::INFINITY, f64::min),
        of_control().fold(0.0, f64::max),
    );
    let first = sizes
        .first()
        .map_or(f64::NAN, |size| cpu(&size.tokens.server));
    let _ = write!(
        text,
        "\n## {store}\n\nThe control, repeated at each size, differs from itself by {:.2} (most to least CPU for a token).\n\n\
         | clients | entries | tokens/s | of the control | CPU µs/token, control | server | to the fewest | MiB | changes/s | p99 ms | written in s | checked | sealed |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        greatest / least
    );
    for size in sizes {
        let server = &size.tokens.server;
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.2} | {:.1} | {:.1} | **{:.2}** | {:.0} | {:.0} | {:.1} | {:.0} | {:.0} | {:.0} |",
            size.clients,
            size.events,
            median(server, |sample| sample.per_second),
            size.tokens.ratio().0,
            cpu(&size.tokens.control),
            cpu(server),
            cpu(server) / first,
            median(server, |sample| sample.memory_mib),
            size.changes.per_second,
            size.changes.p99_ms,
            size.seeding_seconds,
            size.check_seconds,
            size.sealing_seconds,
        );
    }
    let everybody = sizes
        .iter()
        .filter_map(|size| Some((size.clients, size.everybody.as_ref()?)));
    let mut rows = everybody.peekable();
    if rows.peek().is_some() {
        text.push_str(
            "\nEvery client in turn, once and then once more. The directory holds 200,000.\n\n\
             | clients | | tokens/s | p50 ms | p99 ms | p99.9 ms | CPU µs | MiB |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
    }
    for (clients, everybody) in rows {
        for (name, sample) in [("first", &everybody.first), ("second", &everybody.again)] {
            let _ = writeln!(
                text,
                "| {clients} | {name} | {} | {:.0} |",
                sample.cells(),
                sample.memory_mib
            );
        }
    }
}

fn lists(text: &mut String, OnStore { sizes, .. }: &OnStore) {
    let names = sizes.first().map_or(&[][..], |size| &size.lists);
    text.push_str(
        "\nLists of fifty over GraphQL, one after the other: p50 and p99 in milliseconds.\n\n|",
    );
    for size in sizes {
        let _ = write!(text, " | {} clients", size.clients);
    }
    let _ = writeln!(text, " |\n| ---{} |", " | ---".repeat(sizes.len()));
    for (index, (name, _)) in names.iter().enumerate() {
        let _ = write!(text, "| {name}");
        for size in sizes {
            let cell = size
                .lists
                .get(index)
                .map_or_else(String::new, |(_, sample)| {
                    format!("{:.2}, {:.2}", sample.p50_ms, sample.p99_ms)
                });
            let _ = write!(text, " | {cell}");
        }
        text.push_str(" |\n");
    }
}
