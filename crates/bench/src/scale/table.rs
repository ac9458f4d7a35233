//! The tables of `bench scale`. Writing to a string cannot fail.

use std::fmt::Write as _;

use super::{OnStore, Report, growth, size::Size};
use crate::{
    numbers::spread,
    report::{cpu, median, rate},
    run,
};

pub(super) fn of(report: &Report) -> String {
    let sizes = report.stores.first().map_or(&[][..], |store| &store.sizes);
    let title = match sizes.first() {
        Some(size) if report.only_entries => format!(
            "# Scale, where only the roll grows\n\n{}. {}One tenant with {} clients at every size and ever more entries, none of the later ones about those that are changed. \
             All of it was",
            report.machine.line(),
            run::line(report.run.as_ref()),
            size.clients,
        ),
        _ => format!(
            "# Scale\n\n{}. {}One tenant with ever more clients and entries,",
            report.machine.line(),
            run::line(report.run.as_ref()),
        ),
    };
    let is_checked = |size: &Size| size.check_seconds.is_some();
    let sound = if sizes.iter().all(is_checked) {
        " and found sound by `chancery projections check`"
    } else {
        ""
    };
    let mut text = format!(
        "{title} written straight into the store by the server's own code{sound}; then the server is started, and measured when the roll is \
         sealed. {} clients, evenly chosen, ask over {} connections, {} s a measurement, ES256, durable activity, \
         warm; the secrets' hashes are the cheapest that Argon2id allows.\n",
        report.asking, report.connections, report.seconds
    );
    for on_store in &report.stores {
        let _ = write!(text, "\n## {}\n\n", on_store.store);
        growth::say(&mut text, &on_store.sizes);
        tokens(&mut text, on_store);
        changes(&mut text, on_store);
        upkeep(&mut text, on_store);
        everybody(&mut text, on_store);
        lists(&mut text, on_store);
    }
    text
}

fn tokens(text: &mut String, OnStore { sizes, .. }: &OnStore) {
    let first = sizes
        .first()
        .map_or(f64::NAN, |size| cpu(&size.tokens.server));
    text.push_str(
        "\nThe control's own spread is how many times the least of its measurements at that size the greatest is, in processor \
         time and in rate: a growth that is less says nothing.\n\n\
         | clients | entries | pairs | tokens/s | of the control (least to greatest) | CPU µs/token, control | server | to the fewest | the control's own spread, CPU | rate | MiB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for size in sizes {
        let (control, server) = (&size.tokens.control, &size.tokens.server);
        let (ratio, least, greatest) = size.tokens.ratio();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {ratio:.2} ({least:.2} to {greatest:.2}) | {:.1} | {:.1} | **{:.2}** | {:.2} | {:.2} | {:.0} |",
            size.clients,
            size.events,
            size.tokens.pairs(),
            rate(server),
            cpu(control),
            cpu(server),
            cpu(server) / first,
            spread(control.iter().map(|sample| sample.cpu_microseconds)),
            spread(control.iter().map(|sample| sample.per_second)),
            median(server, |sample| sample.memory_mib),
        );
    }
}

fn changes(text: &mut String, OnStore { sizes, .. }: &OnStore) {
    text.push_str(
        "\n`updateClient`, 16 at a time. The control is the same in an installation with few of both.\n\n\
         | clients | entries | pairs | control, changes/s | server | ratio (least to greatest) | p50 ms | p99 ms | CPU µs, control | server |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for size in sizes {
        let Some(changes) = &size.changes else {
            continue;
        };
        let server = changes.server();
        let (pairs, of_control, ratio, of_cpu) = match changes.compared() {
            Some(compared) => {
                let (ratio, least, greatest) = compared.ratio();
                (
                    compared.pairs(),
                    format!("{:.0}", rate(&compared.control)),
                    format!("**{ratio:.2}** ({least:.2} to {greatest:.2})"),
                    format!("{:.0}", cpu(&compared.control)),
                )
            }
            None => ("none".into(), String::new(), String::new(), String::new()),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {pairs} | {of_control} | {:.0} | {ratio} | {:.1} | {:.1} | {of_cpu} | {:.0} |",
            size.clients,
            size.events,
            rate(server),
            median(server, |sample| sample.p50_ms),
            median(server, |sample| sample.p99_ms),
            cpu(server),
        );
    }
}

/// What goes over everything.
fn upkeep(text: &mut String, OnStore { sizes, .. }: &OnStore) {
    text.push_str(
        "\nSeconds that it took to write what was new, to check all of it (and the memory of that), to get ready, and from there \
         to seal what was new.\n\n\
         | clients | entries | written | checked | MiB | ready | sealed |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let cell = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.0}"));
    for size in sizes {
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {} | {} | {:.1} | {:.1} |",
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
        if let Some(records) = size.records {
            let _ = write!(text, ", {records:.0} tokens in the activity");
        }
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
