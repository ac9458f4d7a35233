//! The tables of `bench tokens`. Writing to a string cannot fail.

use std::fmt::Write as _;

use super::report::{ASSERTIONS, Beside, Cold, FixedRate, Report};
use crate::{
    numbers,
    report::{Sample, cells, cpu, median, rate},
    run,
};

pub(super) fn of(report: &Report) -> String {
    let mut text = format!(
        "# Tokens\n\n{}. {}Load on the same cores: one thread, {} connections, {} s a measurement where nothing else is said, {} \
         clients, warm, among {} that do not ask; durability `{}`.\n",
        report.machine.line(),
        run::line(report.run.as_ref()),
        report.connections,
        report.seconds,
        report.clients,
        report.idle,
        report.durability
    );
    closed_loop(&mut text, report);
    open_loop(&mut text, report);
    wrong_secrets(&mut text, report);
    assertions(&mut text, report);
    introspection(&mut text, report);
    cold(&mut text, report);
    room(&mut text, report);
    text
}

fn closed_loop(text: &mut String, report: &Report) {
    text.push_str(
        "\nClosed loop, control and server in turn; medians of the pairs.\n\n\
         | | pairs | control, tokens/s | server, tokens/s | ratio (least to greatest) | p50 ms | p99 ms | p99.9 ms | CPU µs/token, control | server | MiB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for comparison in &report.closed_loop {
        let (ratio, least, greatest) = comparison.ratio();
        let (control, server) = (&comparison.control, &comparison.server);
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.0} | **{ratio:.2}** ({least:.2} to {greatest:.2}) | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} |",
            comparison.name,
            comparison.pairs(),
            rate(control),
            rate(server),
            median(server, |sample| sample.p50_ms),
            median(server, |sample| sample.p99_ms),
            median(server, |sample| sample.p999_ms),
            cpu(control),
            cpu(server),
            median(server, |sample| sample.memory_mib),
        );
    }
}

/// A fixed rate: what was asked for and what came, and how long it took.
fn at_a_rate(text: &mut String, measured: &[FixedRate]) {
    text.push_str(
        "| | | times | asked for/s | came/s | p50 ms | p99 ms | p99.9 ms | CPU µs/token | p99 ms, least to greatest |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for FixedRate {
        name,
        rate,
        control,
        server,
    } in measured
    {
        for (who, samples) in [("control", control), ("server", server)] {
            if samples.is_empty() {
                continue;
            }
            let (least, greatest) = numbers::range(samples.iter().map(|sample| sample.p99_ms));
            let _ = writeln!(
                text,
                "| {name} | {who} | {} | {rate:.0} | {} | {least:.2} to {greatest:.2} |",
                samples.len(),
                cells(samples)
            );
        }
    }
}

fn open_loop(text: &mut String, report: &Report) {
    text.push_str(
        "\nOpen loop at half of the peak, the control at the same rate, in turn; medians. A latency counts from when the request was due. What the \
         control takes is the load's own: its timer has a grain of a millisecond, and it shares the cores.\n\n",
    );
    at_a_rate(text, &report.open_loop);
}

fn wrong_secrets(text: &mut String, report: &Report) {
    text.push_str(
        "\nHonest traffic at a quarter of the peak, alone and beside twice as many wrong secrets: those that nobody was ever given, from one \
         address, and those that were revoked, each from an address that does not fail often.\n\n\
         | | asked for/s | came/s, alone | beside | kept | p99 ms, alone | beside | wrong/s |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for Beside {
        name,
        rate,
        alone,
        among,
        wrong_per_second,
    } in &report.beside_wrong_secrets
    {
        let kept = among.per_second / alone.per_second;
        let _ = writeln!(
            text,
            "| {name} | {rate:.0} | {:.0} | {:.0} | **{kept:.2}** | {:.2} | {:.2} | {wrong_per_second:.0} |",
            alone.per_second, among.per_second, alone.p99_ms, among.p99_ms
        );
    }
}

fn assertions(text: &mut String, report: &Report) {
    let mut closed = report.closed_loop.iter();
    let of_what = if closed.any(|comparison| comparison.name.ends_with(ASSERTIONS)) {
        "half of what its closed loop had"
    } else {
        "a quarter of the peak with secrets"
    };
    let _ = write!(
        text,
        "\n`private_key_jwt` (ES256) in an open loop at {of_what}, each assertion made before and used once. Where less came \
         than was asked for, the server was full, and the times are those of a queue that grew.\n\n"
    );
    at_a_rate(text, &report.assertions);
}

fn introspection(text: &mut String, report: &Report) {
    text.push_str(
        "\nIntrospection of tokens that are active, by a client that serves their API: closed loop. It verifies a \
         signature, signs nothing and writes nothing; there is no control.\n\n\
         | | answers/s | p50 ms | p99 ms | p99.9 ms | CPU µs |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (name, sample) in &report.introspection {
        let _ = writeln!(text, "| {name} | {} |", sample.cells());
    }
}

fn cold(text: &mut String, report: &Report) {
    text.push_str(
        "\nThe first token of each client after a start, which reads the client and hashes its secret (Argon2id, \
         8 MiB), and then the second. Closed loop; the time includes the wait for the other connections' hashes.\n\n\
         | | clients | | tokens/s | p50 ms | p99 ms | p99.9 ms | CPU µs |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for Cold {
        name,
        clients,
        first,
        again,
    } in &report.cold
    {
        let row = |which: &str, sample: &Sample| {
            format!("| {name} | {clients} | {which} | {} |", sample.cells())
        };
        let _ = writeln!(text, "{}", row("first", first));
        let _ = writeln!(text, "{}", row("second", again));
    }
}

fn room(text: &mut String, report: &Report) {
    if report.room.is_empty() {
        return;
    }
    text.push_str(
        "\nWhat a token takes in the token log, by what the first closed loop added to it: its record where it stays, compressed \
         as it is there; and all of the log's room on the disk with its indexes, counts, and the places of rows that went, which are \
         used again.\n\n| | tokens | bytes/token, the record | bytes/token, the room |\n| --- | --- | --- | --- |\n",
    );
    for (name, room) in &report.room {
        let _ = writeln!(
            text,
            "| {name} | {:.0} | **{:.0}** | {:.0} |",
            room.records,
            room.kept / room.records,
            room.disk / room.records
        );
    }
}
