//! An HTTP proxy that opens tunnels (CONNECT: RFC 9110, section 9.3.6), on 127.0.0.1, spoken to in
//! plain HTTP/1.1, and the trouble that such proxies make.
//!
//! ```text
//!  client ──CONNECT api.push.apple.com:443──▶ ProxySim ──map──▶ 127.0.0.1:<port of a simulator>
//!         ◀──────────────200─────────────────    │
//!         ◀════════════════tunnel════════════════╪════════════▶
//!                                                └──▶ SeenConnect (who asked for what)
//! ```
//!
//! With [`ProxySim::map`] the vendors' own names lead to simulators, whose certificates hold those
//! names. A proxy of tests never leaves the machine: what is not mapped and no loopback address is
//! answered 502.

mod request;
mod seen;
mod tunnel;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::Error;

pub use seen::{Answered, SeenConnect};

use seen::Recorder;

/// How a simulated proxy is set up.
#[derive(Clone, Debug, Default)]
pub struct ProxyOptions {
    /// Port on 127.0.0.1; 0 takes any.
    pub port: u16,
    /// Who may use it; `None`: anybody.
    pub user: Option<ProxyUser>,
}

/// A user of a proxy, proven by Basic authentication (RFC 7617).
#[derive(Clone)]
pub struct ProxyUser {
    /// The name, without a colon.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for ProxyUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyUser").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a proxy does about a request it could grant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Conduct {
    /// Hangs up without a word.
    Close,
    /// Grants it with a header that never ends.
    Endless,
    /// Answers what is no HTTP, and hangs up.
    Garbage,
    /// Says nothing, and keeps the connection.
    Hang,
    /// Refuses with this status.
    Refuse(u16),
    /// Grants it, one byte of the answer after the other with a pause.
    Slow(Duration),
    /// Grants it.
    #[default]
    Tunnel,
}

/// A running proxy.
pub struct ProxySim {
    address: SocketAddr,
    state: Arc<State>,
    tasks: TaskTracker,
}

/// What all connections share.
struct State {
    user: Option<ProxyUser>,
    script: Mutex<Script>,
    map: Mutex<HashMap<String, SocketAddr>>,
    recorder: Recorder,
    stop: CancellationToken,
    /// Ends the tunnels there are; a new one takes its place then.
    tunnels: Mutex<CancellationToken>,
}

#[derive(Default)]
struct Script {
    /// What happens to the next requests.
    next: VecDeque<Conduct>,
    /// What happens to those after them.
    always: Conduct,
}

impl ProxySim {
    /// Starts listening.
    ///
    /// # Errors
    /// [`Error::Listen`] if the port is taken.
    pub async fn start(options: ProxyOptions) -> Result<Self, Error> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listen = |source| Error::Listen { address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let state = Arc::new(State {
            user: options.user,
            script: Mutex::default(),
            map: Mutex::default(),
            recorder: Recorder::default(),
            stop: CancellationToken::new(),
            tunnels: Mutex::default(),
        });
        let tasks = TaskTracker::new();
        tasks.spawn(tunnel::accept(listener, Arc::clone(&state), tasks.clone()));
        Ok(Self { address, state, tasks })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same with a user.
    pub fn url_for(&self, user: &ProxyUser) -> String {
        format!("http://{}:{}@{}", user.name, user.password, self.address)
    }

    /// Leads a target (`api.push.apple.com:443`) to an address of this machine.
    pub fn map(&self, target: &str, to: SocketAddr) {
        lock(&self.state.map).insert(target.to_ascii_lowercase(), to);
    }

    /// What it does about the next `n` requests that it could grant.
    pub fn next(&self, n: usize, conduct: Conduct) {
        lock(&self.state.script).next.extend(std::iter::repeat_n(conduct, n));
    }

    /// What it does about all requests that it could grant, after those of [`Self::next`].
    pub fn always(&self, conduct: Conduct) {
        lock(&self.state.script).always = conduct;
    }

    /// Drops every tunnel there is, without a word.
    pub fn cut(&self) {
        std::mem::take(&mut *lock(&self.state.tunnels)).cancel();
    }

    /// Every request so far, in order.
    pub fn seen(&self) -> Vec<SeenConnect> {
        self.state.recorder.seen()
    }

    /// How many tunnels are open.
    pub fn open_tunnels(&self) -> usize {
        self.state.recorder.open()
    }

    /// Waits for a request that fits; one seen before counts.
    ///
    /// # Errors
    /// [`Error::Timeout`] if none comes within `limit`.
    pub async fn wait_for(
        &self,
        wanted: impl Fn(&SeenConnect) -> bool,
        limit: Duration,
    ) -> Result<SeenConnect, Error> {
        self.state.recorder.wait_for(wanted, limit).await
    }

    /// Waits until so many tunnels are open.
    ///
    /// # Errors
    /// [`Error::Timeout`] if that does not come within `limit`.
    pub async fn wait_open_tunnels(&self, n: usize, limit: Duration) -> Result<(), Error> {
        self.state.recorder.wait_open(n, limit).await
    }

    /// Drops every connection, frees the port and waits until all tasks have ended.
    pub async fn shutdown(self) {
        self.state.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for ProxySim {
    fn drop(&mut self) {
        self.state.stop.cancel();
    }
}

impl State {
    fn conduct(&self) -> Conduct {
        let mut script = lock(&self.script);
        script.next.pop_front().unwrap_or(script.always)
    }

    /// Where a target leads; `None`: nowhere on this machine.
    fn address(&self, target: &str) -> Option<SocketAddr> {
        if let Some(to) = lock(&self.map).get(&target.to_ascii_lowercase()) {
            return Some(*to);
        }
        let to: SocketAddr = match target.strip_prefix("localhost:") {
            Some(port) => (Ipv4Addr::LOCALHOST, port.parse().ok()?).into(),
            None => target.parse().ok()?,
        };
        to.ip().is_loopback().then_some(to)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
