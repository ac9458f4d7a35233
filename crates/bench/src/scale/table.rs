//! The tables of `bench scale`. Writing to a string cannot fail.

use std::fmt::Write as _;

use super::{OnStore, Report};
use crate::report::{Sample, median};

pub(super) fn of(report: &Report) -> String {
    let mut text = format!(
        "{}. One tenant with ever more clients and entries, written straight into the store by the server's own code \
         and found sound by `chancery projections check`; then the server is started, and measured when the roll is \
         sealed. {} clients, evenly chosen, ask over {} connections, {} s a measurement, ES256, durable activity, \
         warm; the secrets' hashes are the cheapest that Argon2id allows.\n",
        report.machine.line(),
        report.asking,
        report.connections,
        report.seconds
    );
    for on_store in &report.stores {
        let _ = write!(text, "\n## {}\n", on_store.store);
        growth(&mut text, on_store);
        tokens(&mut text, on_store);
        upkeep(&mut text, on_store);
        everybody(&mut text, on_store);
        lists(&mut text, on_store);
    }
    text
}

fn cpu(samples: &[Sample]) -> f64 {
    median(samples, |sample| sample.cpu_microseconds)
}

fn rate(samples: &[Sample]) -> f64 {
    median(samples, |sample| sample.per_second)
}

/// The greatest of these to the least.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let (least, greatest) = values.fold((f64::INFINITY, 0.0), |(least, greatest), value| {
        (f64::min(least, value), f64::max(greatest, value))
    });
    greatest / least
}

/// How much a token grows, beside how much the control differs from itself.
fn growth(text: &mut String, OnStore { sizes, .. }: &OnStore) {
    let (Some(fewest), Some(most)) = (sizes.first(), sizes.last()) else {
        return;
    };
    let controls = || sizes.iter().flat_map(|size| &size.tokens.control);
    let medians =
        |of: fn(&[Sample]) -> f64| spread(sizes.iter().map(|size| of(&size.tokens.control)));
    let _ = writeln!(
        text,
        "\nFrom {} clients and {} entries to {} and {} a token costs **{:.2}** times the processor time of the server, \
         at **{:.2}** times the rate. The control, which knows no clients, was repeated at each size and differs from \
         itself, most to least, by {:.2} in processor time and {:.2} in rate between the sizes' medians, and by {:.2} \
         and {:.2} between any two of its measurements.",
        fewest.clients,
        fewest.events,
        most.clients,
        most.events,
        cpu(&most.tokens.server) / cpu(&fewest.tokens.server),
        rate(&most.tokens.server) / rate(&fewest.tokens.server),
        medians(cpu),
        medians(rate),
        spread(controls().map(|sample| sample.cpu_microseconds)),
        spread(controls().map(|sample| sample.per_second)),
    );
}

fn tokens(text: &mut String, OnStore { sizes, .. }: &OnStore) {
    let first = sizes
        .first()
        .map_or(f64::NAN, |size| cpu(&size.tokens.server));
    text.push_str(
        "\n| clients | entries | tokens/s | of the control (least to greatest) | CPU µs/token, control | server | to the fewest | MiB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for size in sizes {
        let server = &size.tokens.server;
        let (ratio, least, greatest) = size.tokens.ratio();
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {ratio:.2} ({least:.2} to {greatest:.2}) | {:.1} | {:.1} | **{:.2}** | {:.0} |",
            size.clients,
            size.events,
            rate(server),
            cpu(&size.tokens.control),
            cpu(server),
            cpu(server) / first,
            median(server, |sample| sample.memory_mib),
        );
    }
}

/// Changes, and what goes over everything.
fn upkeep(text: &mut String, OnStore { sizes, .. }: &OnStore) {
    text.push_str(
        "\n`updateClient`, 16 at a time; and in seconds how long it took to write what was new, to check all of it, to \
         get ready, and from there to seal what was new.\n\n\
         | clients | entries | changes/s | p50 ms | p99 ms | CPU µs | written | checked | MiB | ready | sealed |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let cell = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.0}"));
    for size in sizes {
        let changes = size.changes.as_ref().map_or_else(
            || " | | | ".to_owned(),
            |sample| {
                format!(
                    "{:.0} | {:.1} | {:.1} | {:.0}",
                    sample.per_second, sample.p50_ms, sample.p99_ms, sample.cpu_microseconds
                )
            },
        );
        let _ = writeln!(
            text,
            "| {} | {} | {changes} | {:.1} | {} | {} | {:.1} | {:.1} |",
            size.clients,
            size.events,
            size.seeding_seconds,
            cell(size.check_seconds),
            cell(size.check_mib),
            size.start_seconds,
            size.sealing_seconds,
        );
    }
}

/// Every client in turn.
fn everybody(text: &mut String, OnStore { sizes, .. }: &OnStore) {
    let everybody = sizes
        .iter()
        .filter_map(|size| Some((size.clients, size.everybody.as_ref()?)));
    let mut rows = everybody.peekable();
    if rows.peek().is_some() {
        text.push_str(
            "\nEvery client in turn, once and then once more. The directory holds 200,000 clients: where there are \
             more, so many of them ask before, so that the memory of a full directory stands beside that of one which is \
             too small.\n\n\
             | clients | | tokens/s | p50 ms | p99 ms | p99.9 ms | CPU µs | MiB |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
    }
    for (clients, everybody) in rows {
        let asked = [
            ("200,000 of them", everybody.held.as_ref()),
            ("all", Some(&everybody.first)),
            ("all again", Some(&everybody.again)),
        ];
        for (name, sample) in asked {
            let Some(sample) = sample else {
                continue;
            };
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
    if names.is_empty() {
        return;
    }
    text.push_str(
        "\nLists of fifty over GraphQL, one after the other: p50 and p99 in milliseconds, and the server's CPU µs.\n\n|",
    );
    for size in sizes {
        let _ = write!(text, " | {} clients, {} entries", size.clients, size.events);
    }
    let _ = writeln!(text, " |\n| ---{} |", " | ---".repeat(sizes.len()));
    for (index, (name, _)) in names.iter().enumerate() {
        let _ = write!(text, "| {name}");
        for size in sizes {
            let cell = size
                .lists
                .get(index)
                .map_or_else(String::new, |(_, sample)| {
                    format!(
                        "{:.2}, {:.2}, {:.0}",
                        sample.p50_ms, sample.p99_ms, sample.cpu_microseconds
                    )
                });
            let _ = write!(text, " | {cell}");
        }
        text.push_str(" |\n");
    }
}
