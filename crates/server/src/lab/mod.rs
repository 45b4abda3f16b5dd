//! The lab: a wall of virtual phones in a browser, of the world that `reveille demo` has.
//!
//! ```text
//!   browser ─▶ [routes] ─▶ [door: this machine, this page] ─▶ page, form, asset
//!      ▲                                                           │ [action], [sending], [fault]
//!      │ events: the parts of the page that changed                ▼
//!      └─────────── [state] ◀── [view], [strip], [raw] ◀────── [Lab] ─▶ World: phones, push services
//! ```
//!
//! The phones are those of the simulators, and follow the rules of their platforms; what they look
//! like is made here. The server is asked over its public API, as a back end would. Pages are made
//! here and work without JavaScript; what there is of it makes them lively.
//!
//! It is served by the demo's process, on an address of its own that is this machine's alone: it
//! has no key, so nobody else may reach it.

mod action;
mod assets;
mod doing;
mod door;
mod events;
mod fault;
mod form;
mod messenger;
mod page;
mod raw;
pub mod routes;
mod sending;
mod state;
mod strip;
mod view;
mod wall;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

pub use self::action::Action;
pub use self::fault::{Fault, Service};
pub use self::messenger::origins;
pub use self::sending::What;
pub use self::wall::{Lab, SetUpError};
use crate::serve;
use crate::tasks::Tasks;

/// Where the lab is, unless somebody says or uses something else.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7302);

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Others could reach it.
    #[error(
        "the lab cannot listen on {0}: it has no key, so it is for this machine alone; take an \
         address of 127.0.0.0/8 or [::1]"
    )]
    Abroad(SocketAddr),
    /// The address is in use, or none of this machine's.
    #[error("the lab cannot listen on {address}: {source}; choose another address by --lab-listen")]
    Taken {
        /// What was asked for.
        address: SocketAddr,
        /// The machine's word.
        source: std::io::Error,
    },
}

/// Takes the lab's address. Where none is asked for and the usual one is in use, it is any that is
/// free.
///
/// # Errors
///
/// When it is in use, or others could reach it.
pub async fn listen(asked: Option<SocketAddr>) -> Result<TcpListener, ListenError> {
    let address = asked.unwrap_or(LISTEN);
    if !address.ip().is_loopback() {
        return Err(ListenError::Abroad(address));
    }
    match TcpListener::bind(address).await {
        Err(_) if asked.is_none() => {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            TcpListener::bind(any)
                .await
                .map_err(|source| ListenError::Taken { address: any, source })
        }
        bound => bound.map_err(|source| ListenError::Taken { address, source }),
    }
}

/// Serves the lab until it is told to stop by `tasks`.
pub async fn serve(lab: Arc<Lab>, listener: TcpListener, tasks: Tasks) {
    let app = routes::router(lab);
    let serve = |(stream, peer)| {
        if !serve::is_there(&stream) {
            return;
        }
        let stream = hyper_util::rt::TokioIo::new(stream);
        let served = serve::builder()
            .serve_connection_with_upgrades(stream, serve::service(&app, peer))
            .into_owned();
        let stopped = tasks.clone();
        tasks.start("lab connection", async move {
            tokio::select! {
                // A browser that goes away in the middle is nobody's trouble.
                _ = served => {}
                () = stopped.stopped() => {}
            }
        });
    };
    tokio::select! {
        () = serve::accept(&listener, serve) => {}
        () = tasks.stopped() => {}
    }
}
