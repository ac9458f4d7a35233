//! A server under load, beside the control.

use std::{process::Command, time::Duration};

use super::{Options, Plan};
use crate::{
    error::Error,
    load::{Expected, Load, Requests},
    process::{Process, free_address},
    report::{Beside, Comparison, Sample},
};

pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    pub(super) plan: &'a Plan,
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

    /// Control and server in turn, each warmed up first.
    pub(super) fn compare(
        &self,
        name: String,
        algorithm: &str,
        load: &Load,
    ) -> Result<Comparison, Error> {
        let control = start_control(algorithm)?;
        let of_control = Load {
            address: control.address,
            follow: None,
            ..load.clone()
        };
        let mut comparison = Comparison {
            name,
            control: Vec::new(),
            server: Vec::new(),
        };
        warm(&control, &of_control)?;
        warm(self.server, load)?;
        for _ in 0..self.plan.pairs {
            comparison
                .control
                .push(Sample::take(&control, &of_control)?);
            comparison.server.push(Sample::take(self.server, load)?);
        }
        Ok(comparison)
    }

    /// Honest traffic at this rate, alone and then beside twice as many wrong secrets.
    pub(super) fn beside(
        &self,
        name: String,
        honest: &Load,
        wrong: Requests,
        rate: f64,
    ) -> Result<Beside, Error> {
        let honest = Load {
            rate: Some(rate),
            ..honest.clone()
        };
        let alone = Sample::take(self.server, &honest)?;
        let load = Load {
            rate: Some(2.0 * rate),
            expected: Expected::REFUSAL,
            ..self.load(wrong)
        };
        let (among, refused) = std::thread::scope(|threads| {
            let refused = threads.spawn(|| load.send());
            let among = Sample::take(self.server, &honest);
            (among, refused.join())
        });
        let refused = refused.map_err(|_| Error::Wrong("the load panicked".into()))??;
        Ok(Beside {
            name,
            rate,
            alone,
            among: among?,
            wrong_per_second: refused.rate(),
        })
    }
}

/// Two seconds of it, for nothing.
pub(super) fn warm(process: &Process, load: &Load) -> Result<(), Error> {
    let load = Load {
        lasts: Duration::from_secs(2),
        ..load.clone()
    };
    Sample::take(process, &load).map(drop)
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
