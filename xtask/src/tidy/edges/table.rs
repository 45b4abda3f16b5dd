//! The table of edges. Our crates stand in it without their prefix `reveille-`.

use crate::workspace::Scope;

/// An edge between two crates of ours.
pub(crate) struct Ours {
    /// The crate that imports.
    pub(crate) from: &'static str,
    /// The crate that is imported.
    pub(crate) to: &'static str,
    /// Shipped, or in tests only.
    pub(crate) scope: Scope,
    /// What for.
    pub(crate) why: &'static str,
}

/// A crate of somebody else's.
pub(crate) struct External {
    /// Its name on crates.io.
    pub(crate) name: &'static str,
    /// What for.
    pub(crate) why: &'static str,
    /// The crates of ours that ship it.
    pub(crate) ship: &'static [&'static str],
    /// The crates of ours that use it in tests only.
    pub(crate) dev: &'static [&'static str],
}

/// Every edge between our crates, by name. `server` may import all, `xtask` none, `sim` only `wire`.
pub(crate) const OURS: &[Ours] = &[
    Ours { from: "providers", to: "domain", scope: Scope::Ship, why: "outcomes, targets, time" },
    Ours { from: "providers", to: "fuzz", scope: Scope::Dev, why: "feeds the parsers of answers" },
    Ours { from: "providers", to: "sim", scope: Scope::Dev, why: "tests speak to the simulators" },
    Ours { from: "server", to: "domain", scope: Scope::Ship, why: "carries out what it decides" },
    Ours { from: "server", to: "fuzz", scope: Scope::Dev, why: "feeds the parsers of requests" },
    Ours { from: "server", to: "providers", scope: Scope::Ship, why: "sends pushes" },
    Ours { from: "server", to: "sim", scope: Scope::Ship, why: "the demo is part of the binary" },
    Ours { from: "server", to: "store", scope: Scope::Ship, why: "durable truth" },
    Ours { from: "server", to: "wire", scope: Scope::Ship, why: "speaks the public shapes" },
    Ours { from: "sim", to: "wire", scope: Scope::Ship, why: "virtual phones speak them too" },
    Ours { from: "store", to: "domain", scope: Scope::Ship, why: "stores what it decided" },
    Ours { from: "wire", to: "fuzz", scope: Scope::Dev, why: "feeds the parsers of frames" },
];

/// Every crate of somebody else's that ours may name, by name.
pub(crate) const EXTERNAL: &[External] = &[
    External {
        name: "anstream",
        why: "prints colours only where a terminal shows them",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "anstyle",
        why: "the colours themselves; clap brings it along",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "anyhow",
        why: "errors at the edge: main, the command line, the torture binary",
        ship: &["server", "sim", "xtask"],
        dev: &[],
    },
    External {
        name: "argon2",
        why: "the console's password as a PHC string: Argon2id, in Rust alone",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "askama",
        why: "pages: templates that are checked when they are compiled, and escape what they are given",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "aws-lc-rs",
        why: "digests, HMAC, AEAD, key pairs; the one crypto provider of the whole tree",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External {
        name: "axum",
        why: "routes, extractors and the WebSocket of the HTTP API",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "base64",
        why: "tokens, JWTs and credentials are full of it",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External {
        name: "bytes",
        why: "bodies that are shared and not copied",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External { name: "clap", why: "the command line", ship: &["server", "sim", "xtask"], dev: &[] },
    External { name: "comfy-table", why: "tables in the terminal", ship: &["server"], dev: &[] },
    External {
        name: "futures-util",
        why: "Stream and Sink of a WebSocket",
        ship: &["server", "sim"],
        dev: &["providers"],
    },
    External {
        name: "h2",
        why: "HTTP/2 itself: settings, GOAWAY reasons and stream room are the protocol's point here",
        ship: &["providers", "sim"],
        dev: &["server"],
    },
    External {
        name: "http",
        why: "requests, answers and header names",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External {
        name: "http-body-util",
        why: "collects bodies up to a limit",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External {
        name: "hyper",
        why: "HTTP connections, one by one",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External {
        name: "hyper-util",
        why: "HTTP/1 or 2 by what the peer speaks; graceful end",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External {
        name: "jiff",
        why: "RFC 3339 and HTTP dates; never asked for the time",
        ship: &["providers", "server", "sim", "wire"],
        dev: &[],
    },
    External {
        name: "jsonwebtoken",
        why: "user tokens that back ends sign: four algorithms, PEM and key sets, on aws-lc-rs",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "libfuzzer-sys",
        why: "LLVM's libFuzzer, in builds that count which code runs; in tests only",
        ship: &["fuzz"],
        dev: &[],
    },
    External {
        name: "p12-keystore",
        why: "reads PKCS#12, old Keychain exports included",
        ship: &["providers"],
        dev: &[],
    },
    External {
        name: "percent-encoding",
        why: "names of users and devices, which are any text, as a part of an address; axum reads them with it too",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "pkcs5",
        why: "opens private keys behind a password in PEM; p12-keystore brings it along",
        ship: &["providers"],
        dev: &[],
    },
    External {
        name: "prometheus-client",
        why: "metrics whose labels are types, without a global registry; writes OpenMetrics",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "proptest",
        why: "laws of machines and parsers, with inputs nobody thought of",
        ship: &[],
        dev: &["domain", "providers", "store"],
    },
    External {
        name: "rand",
        why: "ids, jitter and seeds",
        ship: &["server", "sim", "store"],
        dev: &[],
    },
    External {
        name: "rcgen",
        why: "certificates made at run time",
        ship: &["sim"],
        dev: &["providers"],
    },
    External {
        name: "rusqlite",
        why: "SQLite, built in; in sim torture and soak look into the server's database with it",
        ship: &["sim", "store"],
        dev: &["server"],
    },
    External {
        name: "rustix",
        why: "asks how much room a disk has, without unsafe code of ours; tempfile brings it along",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "rustls",
        why: "TLS without a process-wide provider",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External {
        name: "rustls-native-certs",
        why: "the roots of the system the server runs on",
        ship: &["providers"],
        dev: &[],
    },
    External {
        name: "rustls-pki-types",
        why: "certificates and keys as rustls takes them",
        ship: &["providers"],
        dev: &[],
    },
    External {
        name: "schemars",
        why: "the description of the API is made of the types that are parsed and written",
        ship: &["server", "wire"],
        dev: &[],
    },
    External {
        name: "serde",
        why: "shapes on the wire and in the configuration",
        ship: &["providers", "server", "sim", "store", "wire"],
        dev: &[],
    },
    External {
        name: "serde_json",
        why: "JSON",
        ship: &["providers", "server", "sim", "store", "wire", "xtask"],
        dev: &[],
    },
    External {
        name: "serde_path_to_error",
        why: "names the field that is wrong",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "subtle",
        why: "digests of secrets are compared in the same time whatever differs; rustls brings it",
        ship: &["store"],
        dev: &[],
    },
    External {
        name: "tempfile",
        why: "folders that go away by themselves",
        ship: &["server", "sim"],
        dev: &["store"],
    },
    External {
        name: "thiserror",
        why: "one Error enum per crate",
        ship: &["providers", "server", "sim", "store"],
        dev: &[],
    },
    External {
        name: "tokio",
        why: "the runtime: sockets, timers, tasks",
        ship: &["providers", "server", "sim", "store"],
        dev: &[],
    },
    External {
        name: "tokio-rustls",
        why: "TLS on tokio's sockets",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External {
        name: "tokio-tungstenite",
        why: "a WebSocket client; the same copy as axum's",
        ship: &["server", "sim"],
        dev: &[],
    },
    External {
        name: "tokio-util",
        why: "cancellation and task trackers: a shutdown that waits",
        ship: &["providers", "server", "sim"],
        dev: &[],
    },
    External { name: "toml", why: "the configuration file", ship: &["server"], dev: &[] },
    External {
        name: "tracing",
        why: "logs with fields",
        ship: &["providers", "server", "sim", "store"],
        dev: &[],
    },
    External {
        name: "tracing-subscriber",
        why: "logs as text or JSON",
        ship: &["server"],
        dev: &[],
    },
    External {
        name: "uuid",
        why: "ids, by time (v7) and by chance (v4)",
        ship: &["providers", "server", "sim", "store"],
        dev: &[],
    },
    External {
        name: "webpki-roots",
        why: "roots where the system has none: bare containers",
        ship: &["providers"],
        dev: &[],
    },
    External {
        name: "x509-parser",
        why: "what a certificate says: topics, environments, expiry",
        ship: &["providers", "sim"],
        dev: &[],
    },
    External {
        name: "zeroize",
        why: "secrets leave no copy in memory",
        ship: &["providers", "server"],
        dev: &[],
    },
];
