//! The push services as a program: for a client of one's own that is to be tested by hand, in CI,
//! or in another language.
//!
//! ```text
//!   your client ──TLS──▶ ApnsSim, ApnsSim (sandbox), FcmSim, WebPushSim ──Sighting──▶ Line ──▶ log
//!                                       ▲                      ▲
//!   you ──POST /trouble, --trouble──▶ Order                 browser, devices, topics ◀── POST /… ── you
//! ```
//!
//! Everything a client needs is written into a folder: the certificate to trust, an APNs key and
//! certificate, a service account, a subscription with its VAPID key. All of it is made anew at
//! each start.
//! Read first: [`StandOptions`], [`Stand`].

mod browser;
mod control;
mod devices;
mod directory;
mod host;
mod line;
mod options;
mod order;
mod services;
mod topics;

use std::{io::Write, path::Path};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::{
    control::Control,
    directory::Directory,
    line::line,
    services::{Services, Sightings},
};

pub use options::StandOptions;

/// The services, the folder and the endpoint that scripts trouble, all running.
pub struct Stand {
    services: Services,
    directory: Directory,
    control: Control,
    sightings: Sightings,
    started: Value,
}

impl Stand {
    /// Starts everything and scripts the trouble that the options name.
    ///
    /// # Errors
    /// When a port is taken, the folder cannot be written, or a trouble is none.
    pub async fn start(options: &StandOptions) -> Result<Self> {
        options.check()?;
        let orders = options.orders()?;
        let directory = Directory::create(options.dir.as_deref())?;
        let (services, secrets) = Services::start(options).await?;
        let sightings = services.watch();
        let files = directory.fill(&secrets, &services)?;
        let control = Control::listen(options.control_port).await?;
        let mut started = services.describe(&files);
        started["event"] = "started".into();
        started["time"] = Timestamp::now().to_string().into();
        started["control"] = format!("http://{}", control.address()).into();
        for order in orders {
            order.carry_out(&services);
        }
        Ok(Self { services, directory, control, sightings, started })
    }

    /// Where everything is, as the first line of the log says it.
    pub fn started(&self) -> &Value {
        &self.started
    }

    /// The folder with what a client needs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes one line for each thing seen and carries out what comes to the endpoint, until
    /// `stop`. A log that blocks holds up this task alone: the services run in others.
    ///
    /// # Errors
    /// When the log can no longer be written.
    pub async fn run(self, log: impl Write, stop: CancellationToken) -> Result<()> {
        let Self { services, directory: _directory, control, sightings, started } = self;
        let ended = stop.clone();
        let logging = async {
            let written = write_log(log, &started, sightings, &stop).await;
            // Without its log the stand is of no use.
            stop.cancel();
            written
        };
        let (written, ()) = tokio::join!(logging, control.serve(&services, &started, &ended));
        services.shutdown().await;
        written
    }
}

/// The first line, then one for each thing seen.
async fn write_log(
    mut log: impl Write,
    started: &Value,
    mut sightings: Sightings,
    stop: &CancellationToken,
) -> Result<()> {
    let mut next = started.to_string();
    loop {
        next.push('\n');
        // Whole lines, flushed: who reads along sees a request when it happens, and never half of
        // it.
        log.write_all(next.as_bytes())
            .and_then(|()| log.flush())
            .context("could not write the log; give a file that can be written")?;
        let seen = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            seen = sightings.next() => seen,
        };
        let Some((service, sighting)) = seen else { return Ok(()) };
        next = line(service, &sighting).to_string();
    }
}
