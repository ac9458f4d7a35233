//! Bars over time, as SVG in the colours of the page. The same numbers stand in a table beside it.

use maud::{Markup, html};

/// The drawing, in its own units.
const WIDTH: i64 = 960;
const HEIGHT: i64 = 220;
const BASE: i64 = HEIGHT - 40;
const TOP: i64 = 34;

/// One span of time.
pub(crate) struct Bar {
    /// What it is called below the axis, and in words.
    pub(crate) label: String,
    /// How many tokens left.
    pub(crate) issued: i64,
    /// How many requests were denied.
    pub(crate) denied: i64,
    /// Where its records are.
    pub(crate) href: String,
}

/// How large a part is, as a bar without a number: that stands beside it.
pub(crate) fn part(of: i64, whole: i64) -> Markup {
    let wide = of.saturating_mul(100) / whole.max(1);
    html! {
        svg.part viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.bar x="0" y="0" width=(wide.clamp(1, 100)) height="8" rx="2" {}
        }
    }
}

/// The chart. `name` says what it shows.
pub(crate) fn bars(name: &str, bars: &[Bar]) -> Markup {
    let most = bars.iter().map(|bar| bar.issued + bar.denied).max();
    let most = most.unwrap_or(0).max(1);
    let count = i64::try_from(bars.len()).unwrap_or(1).max(1);
    let wide = WIDTH / count;
    let high = |times: i64| {
        let exact = times.saturating_mul(BASE - TOP) / most;
        if times > 0 { exact.max(2) } else { 0 }
    };
    // As many labels as fit; on a narrow screen every other one.
    let every = (count / 6).max(1);
    html! {
        svg.chart viewBox={"0 0 " (WIDTH) " " (HEIGHT)} role="group" aria-label=(name) {
            line.rule x1="0" x2=(WIDTH) y1=(BASE) y2=(BASE) {}
            line.rule x1="0" x2=(WIDTH) y1=(TOP) y2=(TOP) {}
            text x="0" y=(TOP - 5) { (most) }
            @if most > 1 { line.rule x1="0" x2=(WIDTH) y1=(BASE - high(most / 2)) y2=(BASE - high(most / 2)) {} text x="0" y=(BASE - high(most / 2) - 5) { (most / 2) } }
            @for (place, bar) in (0..).zip(bars) {
                @let (x, issued, denied) = (place * wide, high(bar.issued), high(bar.denied));
                @if bar.issued + bar.denied > 0 {
                    a href=(bar.href) {
                        title { (bar.label) ": " (bar.issued) " issued, " (bar.denied) " denied" }
                        rect.bar x=(x + 1) y=(BASE - issued) width=((wide - 2).max(1)) height=(issued) {}
                        rect.denied x=(x + 1) y=(BASE - issued - denied) width=((wide - 2).max(1)) height=(denied) {}
                    }
                }
                @if place % every == 0 { text.between[place % (2 * every) != 0] x=(x + 1) y=(HEIGHT - 6) { (bar.label) } }
            }
        }
        p { span.key { "issued" } span.key.denied { "denied" } }
    }
}
