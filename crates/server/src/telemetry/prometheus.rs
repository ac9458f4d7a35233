//! Families as text for Prometheus: the exposition format, version 0.0.4. Names are translated as
//! OpenTelemetry prescribes: dots become underscores, the unit and `total` are suffixes.

use std::fmt::Write;

use chancery_telemetry::{Distribution, Family, Labels, Points};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The families as one text.
pub(super) fn text(families: &[Family]) -> String {
    let mut text = String::with_capacity(16 * 1024);
    for family in families {
        // Writing to a string cannot fail.
        let _ = write(&mut text, family);
    }
    text
}

/// The name by which Prometheus knows a family.
pub(super) fn name(family: &Family) -> String {
    let mut name = plain(family.name);
    let unit = match family.unit {
        "s" => "_seconds",
        "By" => "_bytes",
        _ => "",
    };
    if !name.ends_with(unit) {
        name.push_str(unit);
    }
    if matches!(family.points, Points::Sums(_)) {
        name.push_str("_total");
    }
    name
}

fn plain(name: &str) -> String {
    name.replace('.', "_")
}

fn write(text: &mut String, family: &Family) -> std::fmt::Result {
    let name = name(family);
    let kind = match family.points {
        Points::Sums(_) => "counter",
        Points::Levels(_) | Points::Gauges(_) => "gauge",
        Points::Histograms(_) => "histogram",
    };
    writeln!(text, "# HELP {name} {}", family.help)?;
    writeln!(text, "# TYPE {name} {kind}")?;
    match &family.points {
        Points::Sums(points) => points.iter().try_for_each(|(labels, value)| {
            writeln!(text, "{name}{} {value}", braces(labels, None))
        }),
        Points::Levels(points) | Points::Gauges(points) => {
            points.iter().try_for_each(|(labels, value)| {
                writeln!(text, "{name}{} {value}", braces(labels, None))
            })
        }
        Points::Histograms(points) => points
            .iter()
            .try_for_each(|(labels, spread)| histogram(text, &name, labels, spread)),
    }
}

/// Ranges are told cumulated: each with everything below it.
fn histogram(
    text: &mut String,
    name: &str,
    labels: &Labels,
    spread: &Distribution,
) -> std::fmt::Result {
    let mut below = 0;
    let bounds = spread.bounds.iter().map(ToString::to_string);
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&spread.counts) {
        below += count;
        writeln!(
            text,
            "{name}_bucket{} {below}",
            braces(labels, Some(&bound))
        )?;
    }
    writeln!(text, "{name}_sum{} {}", braces(labels, None), spread.sum)?;
    writeln!(text, "{name}_count{} {below}", braces(labels, None))
}

fn braces(labels: &Labels, bound: Option<&str>) -> String {
    let labels = labels
        .iter()
        .map(|(key, value)| (plain(key), &**value))
        .chain(bound.map(|bound| ("le".to_owned(), bound)))
        .map(|(key, value)| format!("{key}=\"{}\"", escaped(value)))
        .collect::<Vec<_>>();
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", labels.join(","))
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
