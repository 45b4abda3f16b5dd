//! The tables of metrics: a row each, from which come the families, their registration and
//! `docs/metrics.md`.
//!
//! A row is: the name without prefix and suffix, the kind with its labels, and what it says. Names
//! go by <https://prometheus.io/docs/practices/naming/> (read 2026-11-27): the unit is in the name,
//! in its base; a counter ends in `_total`.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::labels::{
    Labels, OfApp, OfCircuit, OfCredential, OfDelivery, OfEnd, OfPlatform, OfProvider, OfPush,
    OfQueue, OfReason, OfRequest, OfRoute, OfState, OfSubject, OfTarget, OfVersion, OfWay,
    OfWebhook, Whole,
};

/// Upper bounds of what takes a moment, in seconds: a request, a push, a drain.
const MOMENTS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Upper bounds of how long people and their phones take, in seconds: up to a day.
const WAITS: [f64; 15] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0,
    86_400.0,
];

/// What kind of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Observations, counted up to each of its bounds.
    Histogram,
}

/// A row, for the page.
#[derive(Debug)]
pub struct Row {
    /// The name as it is exposed, without the suffixes of a histogram.
    pub name: &'static str,
    /// What kind of metric.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub about: &'static str,
}

/// Numbers that go up and down, by their labels.
pub type Gauges<L> = Family<L, Gauge<f64, AtomicU64>>;

/// Observations, by their labels.
pub type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

macro_rules! metrics {
    ($(#[$doc:meta])* $set:ident, $prefix:literal;
     $($name:ident: $kind:ident($labels:ty $(, $bounds:ident)?) $about:literal;)+) => {
        $(#[$doc])*
        pub struct $set {
            $(#[doc = $about] pub $name: metrics!(@family $kind $labels)),+
        }

        impl $set {
            /// Its rows.
            pub const TABLE: &'static [Row] = &[$(Row {
                name: metrics!(@name $kind $prefix $name),
                kind: metrics!(@kind $kind),
                labels: <$labels as Labels>::NAMES,
                about: $about,
            }),+];

            /// Makes all of them, each without a series yet, and has them exposed.
            pub fn registered(registry: &mut Registry) -> Self {
                let set = Self { $($name: metrics!(@new $kind $($bounds)?)),+ };
                $(registry.register(
                    concat!($prefix, stringify!($name)), $about, set.$name.clone(),
                );)+
                set
            }
        }
    };
    (@family counter $labels:ty) => { Family<$labels, Counter> };
    (@family seconds $labels:ty) => { Family<$labels, Counter<f64, AtomicU64>> };
    (@family gauge $labels:ty) => { Gauges<$labels> };
    (@family histogram $labels:ty) => { Histograms<$labels> };
    (@new counter) => { Family::default() };
    (@new seconds) => { Family::default() };
    (@new gauge) => { Family::default() };
    (@new histogram $bounds:ident) => { Family::new_with_constructor(|| Histogram::new($bounds)) };
    (@kind counter) => { Kind::Counter };
    (@kind seconds) => { Kind::Counter };
    (@kind gauge) => { Kind::Gauge };
    (@kind histogram) => { Kind::Histogram };
    // The exposition adds this suffix to counters by itself.
    (@name counter $prefix:literal $name:ident) => {
        concat!($prefix, stringify!($name), "_total")
    };
    (@name seconds $prefix:literal $name:ident) => {
        concat!($prefix, stringify!($name), "_total")
    };
    (@name gauge $prefix:literal $name:ident) => { concat!($prefix, stringify!($name)) };
    (@name histogram $prefix:literal $name:ident) => { concat!($prefix, stringify!($name)) };
}

metrics! {
    /// What happens, counted where it happens.
    Happened, "reveille_";

    messages_accepted: counter(OfApp)
        "Messages that were taken in and stored (step 1)";
    sessions_opened: counter(OfApp)
        "Sessions that were opened";
    sessions_ended: counter(OfEnd)
        "Sessions that ended: `disconnected`, the client left or its connection broke; `closed`, the server ended it";
    entries_delivered: counter(OfApp)
        "Entries that were written to devices, over a session or by HTTP (step 3a)";
    wakes_opened: counter(OfSubject)
        "Wakes that were opened: a device has something to get, and no session (step 3b)";
    wakes_closed: counter(OfReason)
        "Wakes that were closed, by the reason word of the timeline; `acked`: the device has it all";
    wake_decisions: counter(OfReason)
        "Decisions about wakes, by the reason word of the timeline";
    pushes: counter(OfPush)
        "Pushes that ended (step 4): `outcome` is `accepted`, `refused`, `unknown` (no answer) or `withdrawn` (no longer of use); `code` is 901 to 913 where it was refused";
    targets_dropped: counter(OfTarget)
        "Push targets that were dropped: their push service said that they are gone";
    accept_to_wire_seconds: histogram(OfWay, MOMENTS)
        "From the opening of a wake, or the time a direct push was to be sent, until its first push was written to the push service";
    wire_to_answer_seconds: histogram(OfProvider, MOMENTS)
        "From a push written until the answer of the push service was read";
    push_to_connected_seconds: histogram(OfPlatform, WAITS)
        "From the last push of a wake written until its device connected";
    connected_to_drained_seconds: histogram(OfPlatform, MOMENTS)
        "From the connect of a device that was behind until it had acknowledged all that waited";
    calls_started: counter(OfApp)
        "Calls that began to ring";
    calls_ended: counter(OfEnd)
        "Calls that ended: `busy`, `cancelled`, `declined`, `hung_up`, `lost` (a connection did not come back) or `unanswered`";
    webhook_deliveries: counter(OfDelivery)
        "Tries to give an event to an endpoint: `taken`, `refused` (it answered), `unanswered`";
    http_requests: counter(OfRequest)
        "Requests that were answered, by route; `none`: there is no such path";
    http_request_seconds: histogram(OfRoute, MOMENTS)
        "How long requests took until their answer began; long polls are among them";
}

metrics! {
    /// What is there, read when somebody asks.
    Found, "reveille_";

    build_info: gauge(OfVersion)
        "1, by version";
    store_up: gauge(Whole)
        "Whether the database could be read for this page: 1, or 0, and then all that is counted in it is left out";
    sessions: gauge(Whole)
        "Sessions that live";
    wakes_open: gauge(OfState)
        "Wakes that are open, by what they wait for: `due`, room or a circuit; `later`, their time; `under_way`, an answer; `parked`, something other than time";
    deliveries_open: gauge(OfState)
        "Deliveries of direct pushes that are not over, in the same words";
    broadcasts_open: gauge(Whole)
        "Broadcasts that have begun and are not over";
    calls_open: gauge(Whole)
        "Calls that ring or go on";
    queue_depth: gauge(OfQueue)
        "What waits in a queue: `store`, changes for the next commit; `push_log`, records";
    circuits_open: gauge(OfCircuit)
        "Circuits of a credential that are open, where it is used: pushes stop there until a probe succeeds";
    credential_days_left: gauge(OfCredential)
        "Days until a credential expires; only for those that do";
    webhook_paused: gauge(OfWebhook)
        "Whether an endpoint is left in peace for now: 1 or 0";
    webhook_events_waiting: gauge(OfWebhook)
        "Events that an endpoint did not take and that are to be tried again";
    webhook_events_parked: gauge(OfWebhook)
        "Events that an endpoint did not take for a day; a replay sends them again";
    database_size_bytes: gauge(Whole)
        "Size of the database, what is free in it included; its write-ahead log and the push log not";
    disk_free_bytes: gauge(Whole)
        "Bytes that are free for this process where `data_dir` is";
    store_commits: counter(Whole)
        "Transactions that the writer committed";
    store_changes: counter(Whole)
        "Changes in them";
    store_busy_seconds: seconds(Whole)
        "How long they took, the flush of the disk included; near one second a second the writer has no more to give";
    push_log_records_dropped: counter(Whole)
        "Records that the push log lost to a full queue or disk";
    task_panics: counter(Whole)
        "Tasks that panicked; each is a bug";
}

metrics! {
    /// What the system says of the process; on Linux alone, but for the first.
    Process, "process_";

    start_time_seconds: gauge(Whole)
        "When the server started, in seconds since the Unix epoch";
    cpu_seconds: seconds(Whole)
        "Processor time that the process has used";
    resident_memory_bytes: gauge(Whole)
        "Memory of the process that is in RAM";
    virtual_memory_bytes: gauge(Whole)
        "Addresses that the process has mapped";
    open_fds: gauge(Whole)
        "Open file descriptors; each connection is one";
    max_fds: gauge(Whole)
        "How many it may have";
}
