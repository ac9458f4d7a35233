//! `bench telemetry`: what counting and tracing add to a request where nothing is exported, beside the same
//! request without them. One thread, no socket: what is measured is too little for a load to show.

use std::{path::PathBuf, sync::Arc, time::Instant};

use axum::{Router, body::Body, http::Request, routing::get};
use chancery_crypto::{Entropy, SystemEntropy};
use chancery_telemetry::{
    http::{Draw, Http, layer},
    stage,
};
use clap::Args;
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::{
    error::Error,
    machine::Machine,
    numbers::median,
    report::{self, Kept},
    run::{self, Run},
};

#[derive(Args)]
pub(crate) struct Options {
    /// The server's binary, which is not asked for.
    #[arg(long, hide = true)]
    server: Option<PathBuf>,
    /// How often each is measured.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Where the table and the JSON go.
    #[arg(long)]
    output: PathBuf,
}

/// How many requests are a round.
const REQUESTS: u32 = 100_000;

#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    machine: Machine,
    #[serde(default)]
    run: Option<Run>,
    /// Nanoseconds for a request, of each round.
    without: Vec<f64>,
    with: Vec<f64>,
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let bare = Router::new().route("/t/{slug}/oauth2/token", get(async || "a"));
    let entropy = SystemEntropy::new();
    let draw: Draw = Box::new(move || (&entropy as &dyn Entropy).bytes());
    let http = Arc::new(Http::new(draw, |_, _, _| stage!("request")));
    // The stages of a token.
    let staged = async || {
        async {}.instrument(stage!("authenticate")).await;
        stage!("decide").in_scope(|| ());
        async {}.instrument(stage!("record")).await;
        stage!("sign").in_scope(|| "a")
    };
    let measured = Router::new()
        .route("/t/{slug}/oauth2/token", get(staged))
        .layer(layer(http));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(Error::io("prepare"))?;
    let mut run = Run::begin(false);
    let mut report = Report {
        machine: Machine::this(None)?,
        run: None,
        without: Vec::new(),
        with: Vec::new(),
    };
    for _ in 0..options.rounds {
        report.without.push(runtime.block_on(round(&bare))?);
        report.with.push(runtime.block_on(round(&measured))?);
    }
    run.look();
    report.run = Some(run);
    println!("{}", report.text());
    report::keep(&options.output, &report)
}

async fn round(router: &Router) -> Result<f64, Error> {
    let begin = Instant::now();
    for _ in 0..REQUESTS {
        let request = Request::get("/t/acme/oauth2/token")
            .body(Body::empty())
            .map_err(Error::wrong)?;
        let answer = router
            .clone()
            .oneshot(request)
            .await
            .map_err(Error::wrong)?;
        if !answer.status().is_success() {
            return Err(Error::wrong(answer.status()));
        }
    }
    Ok(begin.elapsed().as_secs_f64() * 1e9 / f64::from(REQUESTS))
}

impl Kept for Report {
    fn name(&self) -> &'static str {
        "telemetry"
    }

    fn text(&self) -> String {
        let median = |rounds: &[f64]| median(rounds.iter().copied());
        let (without, with) = (median(&self.without), median(&self.with));
        format!(
            "# Telemetry\n\n{}. {}A request through the router alone, one thread, without a socket: with the layer of telemetry and \
             the four stages of a token, nothing exported, and without. Medians of {} rounds of {REQUESTS} requests \
             in turn.\n\n\
             | without | with | telemetry adds |\n| --- | --- | --- |\n| {without:.0} ns | {with:.0} ns | **{:.0} ns** |\n\n\
             An ES256 signature alone is some 20,000 ns.\n",
            self.machine.line(),
            run::line(self.run.as_ref()),
            self.without.len(),
            with - without,
        )
    }
}
