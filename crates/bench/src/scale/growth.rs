//! How much what is measured grows from the first size to the last, beside how much its control differs from
//! itself. Writing to a string cannot fail.

use std::fmt::Write as _;

use super::size::{FEW, Size};
use crate::{
    numbers::spread,
    report::{Comparison, Sample, cpu, rate},
};

/// From the first of these to the last.
pub(crate) struct Growth {
    /// How many times the processor time, and the rate.
    pub(crate) cpu: f64,
    pub(crate) rate: f64,
    /// What the control had of itself, most to least: between the medians, and between any two measurements.
    pub(crate) control: Option<Control>,
}

pub(crate) struct Control {
    pub(crate) cpu: f64,
    pub(crate) rate: f64,
    cpu_of_any: f64,
    rate_of_any: f64,
}

impl Growth {
    pub(crate) fn of_tokens(sizes: &[Size]) -> Option<Self> {
        let compared: Vec<_> = sizes.iter().map(|size| &size.tokens).collect();
        let (first, last) = (sizes.first()?, sizes.last()?);
        Some(Self::of(
            &first.tokens.server,
            &last.tokens.server,
            Some(&compared),
        ))
    }

    pub(crate) fn of_changes(sizes: &[Size]) -> Option<Self> {
        let changes = || sizes.iter().map(|size| size.changes.as_ref());
        let compared: Option<Vec<_>> = changes().map(|changes| changes?.compared()).collect();
        let first = changes().next()??.server();
        let last = changes().next_back()??.server();
        Some(Self::of(first, last, compared.as_deref()))
    }

    fn of(first: &[Sample], last: &[Sample], compared: Option<&[&Comparison]>) -> Self {
        Self {
            cpu: cpu(last) / cpu(first),
            rate: rate(last) / rate(first),
            control: compared.map(Control::of),
        }
    }
}

impl Control {
    fn of(compared: &[&Comparison]) -> Self {
        let any = |of: fn(&Sample) -> f64| {
            let controls = compared.iter().flat_map(|compared| &compared.control);
            spread(controls.map(of))
        };
        let medians = |of: fn(&[Sample]) -> f64| {
            spread(compared.iter().map(|compared| of(&compared.control)))
        };
        Self {
            cpu: medians(cpu),
            rate: medians(rate),
            cpu_of_any: any(|sample| sample.cpu_microseconds),
            rate_of_any: any(|sample| sample.per_second),
        }
    }

    fn say(&self, text: &mut String) {
        let _ = write!(
            text,
            "differs from itself, most to least, by {:.2} in processor time and {:.2} in rate between the sizes' medians, and by \
             {:.2} and {:.2} between any two of its measurements.",
            self.cpu, self.rate, self.cpu_of_any, self.rate_of_any
        );
    }
}

/// Sentences on tokens and on changes.
pub(super) fn say(text: &mut String, sizes: &[Size]) {
    let (Some(fewest), Some(most), Some(tokens)) =
        (sizes.first(), sizes.last(), Growth::of_tokens(sizes))
    else {
        return;
    };
    let _ = write!(
        text,
        "From {} clients and {} entries to {} and {} a token costs **{:.2}** times the processor time of the server, \
         at **{:.2}** times the rate. The control, which knows no clients, was repeated at each size and ",
        fewest.clients, fewest.events, most.clients, most.events, tokens.cpu, tokens.rate,
    );
    if let Some(control) = &tokens.control {
        control.say(text);
    }
    text.push('\n');
    let Some(changes) = Growth::of_changes(sizes) else {
        return;
    };
    let _ = write!(
        text,
        "\nAn `updateClient` costs **{:.2}** times the processor time, at **{:.2}** times the rate. ",
        changes.cpu, changes.rate
    );
    match &changes.control {
        Some(control) => {
            let (clients, entries) = FEW;
            let _ = write!(
                text,
                "Its control, an installation with {clients} clients and {entries} entries that is made anew at each size, and changed \
                 in turn with the one that has grown, ",
            );
            control.say(text);
            let ratio = |size: &Size| Some(size.changes.as_ref()?.compared()?.ratio().0);
            if let (Some(first), Some(last)) = (ratio(fewest), ratio(most)) {
                let _ = write!(
                    text,
                    " Of the control's rate it has **{first:.2}** at the first size and **{last:.2}** at the last.",
                );
            }
        }
        None => text.push_str(
            "It was measured once at each size and without a control, so the drift of the machine is in it.",
        ),
    }
    text.push('\n');
}
