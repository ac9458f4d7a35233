//! Bars over time, as SVG in the colours of the page. The same numbers stand in a table beside it.

use maud::{Markup, html};

/// The drawing, in its own units.
const WIDTH: i64 = 960;
const HEIGHT: i64 = 160;
const BASE: i64 = HEIGHT - 20;
const TOP: i64 = 14;

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
    // As many labels as fit.
    let every = (count / 8).max(1);
    html! {
        svg.chart viewBox={"0 0 " (WIDTH) " " (HEIGHT)} role="group" aria-label=(name) {
            line.rule x1="0" x2=(WIDTH) y1=(BASE) y2=(BASE) {}
            line.rule x1="0" x2=(WIDTH) y1=(TOP) y2=(TOP) {}
            text x="0" y=(TOP - 3) { (most) }
            @for (place, bar) in (0..).zip(bars) {
                @let (x, issued, denied) = (place * wide, high(bar.issued), high(bar.denied));
                @if bar.issued + bar.denied > 0 {
                    a href=(bar.href) {
                        title { (bar.label) ": " (bar.issued) " issued, " (bar.denied) " denied" }
                        rect.bar x=(x + 1) y=(BASE - issued) width=((wide - 2).max(1)) height=(issued) {}
                        rect.denied x=(x + 1) y=(BASE - issued - denied) width=((wide - 2).max(1)) height=(denied) {}
                    }
                }
                @if place % every == 0 { text x=(x + 1) y=(HEIGHT - 5) { (bar.label) } }
            }
        }
        p { span.key { "issued" } span.key.denied { "denied" } }
    }
}
