//! A server under load, beside the control.

use std::process::Command;

use super::{Options, Plan, report::FixedRate};
use crate::{
    error::Error,
    installation::Installation,
    load::{Load, Requests},
    process::{Process, free_address},
    report::{Comparison, Sample},
};

pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    pub(super) plan: &'a Plan,
    pub(super) installation: &'a Installation,
    pub(super) server: &'a Process,
}

impl Bench<'_> {
    /// A closed loop of these requests to the server.
    pub(super) fn load(&self, requests: Requests) -> Load {
        Load {
            lasts: self.plan.lasts,
            ..Load::of(self.server.address, requests, self.options.connections)
        }
    }

    /// The same for one of the comparisons beside those of the algorithms.
    pub(super) fn further(&self, requests: Requests) -> Load {
        Load {
            lasts: self.plan.further.0,
            ..self.load(requests)
        }
    }

    /// Control and server so many times in turn, each warmed up first.
    pub(super) fn compare(
        &self,
        name: String,
        algorithm: &str,
        load: &Load,
        pairs: usize,
    ) -> Result<Comparison, Error> {
        let control = start_control(algorithm)?;
        let of_control = Load {
            address: control.address,
            follow: None,
            ..load.clone()
        };
        let mut comparison = Comparison::new(name, load.lasts);
        self.warm(&control, &of_control)?;
        self.warm(self.server, load)?;
        for _ in 0..pairs {
            comparison
                .control
                .push(Sample::take(&control, &of_control)?);
            comparison.server.push(Sample::take(self.server, load)?);
        }
        Ok(comparison)
    }

    /// Control and server at this rate, in turn.
    pub(super) fn at(
        &self,
        name: String,
        algorithm: &str,
        load: &Load,
        rate: f64,
    ) -> Result<FixedRate, Error> {
        let load = Load {
            rate: Some(rate),
            ..load.clone()
        };
        let control = start_control(algorithm)?;
        let of_control = Load {
            address: control.address,
            ..load.clone()
        };
        let mut fixed = FixedRate {
            name,
            rate,
            control: Vec::new(),
            server: Vec::new(),
        };
        for _ in 0..self.plan.further.1 {
            fixed.control.push(Sample::take(&control, &of_control)?);
            fixed.server.push(Sample::take(self.server, &load)?);
        }
        Ok(fixed)
    }

    /// It for a while, for nothing.
    pub(super) fn warm(&self, process: &Process, load: &Load) -> Result<(), Error> {
        let load = Load {
            lasts: self.plan.warm,
            ..load.clone()
        };
        Sample::take(process, &load).map(drop)
    }
}

/// A control that signs with this.
pub(crate) fn start_control(algorithm: &str) -> Result<Process, Error> {
    let address = free_address()?;
    let this = std::env::current_exe().map_err(Error::io("find this binary"))?;
    let mut command = Command::new(this);
    command
        .arg("control")
        .arg("--listen")
        .arg(address.to_string())
        .arg("--algorithm")
        .arg(algorithm);
    Process::start(&mut command, address)
}
