//! The strict simulator of APNs on a thread of its own, for load: it remembers numbers only, and
//! takes every device token for good.

use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use sim::apns::{KnownKey, UnknownTokens};
use sim::pki::{ApnsKey, Ca};
use sim::{ApnsOptions, ApnsSim, Devices, Recording};
use tokio_util::sync::CancellationToken;

use crate::BUNDLE;

/// A running simulator; dropping it ends its thread.
pub(crate) struct Simulator {
    /// Where it listens, on the loopback.
    pub(crate) port: u16,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts one that knows this key.
    ///
    /// # Errors
    ///
    /// If there is no thread, or the simulator does not start.
    pub(crate) fn start(ca: &Ca, key: &ApnsKey) -> Result<Self> {
        let options = ApnsOptions {
            keys: vec![KnownKey::new(key, &[BUNDLE])],
            unknown_tokens: UnknownTokens::Accept,
            recording: Recording::Count,
            ..ApnsOptions::new(ca, &Devices::new())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let (told, tell) = mpsc::channel();
        let thread = std::thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            runtime.block_on(async {
                let simulator = ApnsSim::start(options).await;
                // Whoever asked is told, or is gone.
                let _ = told.send(simulator.as_ref().map(|it| it.addr().port()).ok());
                stopped.cancelled().await;
            });
        })?;
        let port = tell.recv()?.context("the simulator did not start")?;
        Ok(Self { port, stop, thread: Some(thread) })
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed, and the pushes it did not answer were noticed.
            let _ended = thread.join();
        }
    }
}
