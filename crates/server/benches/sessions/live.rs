//! Messages from session to session, both over sockets.
//!
//! ```text
//!   sender ── send ──▶ server ── message ──▶ recipient
//!          ◀─accepted─        ◀─── ack ─────
//!          ◀─ receipt ─
//!          ── ack ───▶
//! ```

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use uuid::Uuid;
use wire::{HeldPosition, Position, ServerFrame};

use super::child::Child;
use super::client::Client;
use super::count::count;
use super::crowd::{Crowd, Member};
use super::measure::{Row, median};
use super::open_loop::{Schedule, latencies, rank};
use super::process::Usage;

/// Pairs of a sender and a recipient.
const PAIRS: usize = 256;

/// Messages in a round of the closed loop.
const CLOSED: usize = 10_000;

/// Rounds of it that are measured, after one that is not.
const ROUNDS: usize = 5;

/// Messages a second of the open loop.
const RATE: usize = 1_000;

/// Messages of the open loop.
const OPEN: usize = 7_000;

/// The first of them, which are not measured.
const WARM_UP: usize = 1_000;

/// How long the next message may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a message's text.
const TEXT_BYTES: usize = 180;

/// What a message says.
#[derive(Serialize, Deserialize)]
struct Body {
    pair: usize,
    number: usize,
    text: String,
}

/// A recipient has read a message.
struct Arrival {
    pair: usize,
    number: usize,
    at: Instant,
}

/// Pairs that talk.
struct Pairs {
    pairs: Vec<Pair>,
    arrivals: UnboundedReceiver<Arrival>,
    tasks: JoinSet<Result<Member>>,
    sent: usize,
}

/// One of them.
struct Pair {
    /// Frames that the sender is to write.
    sender: UnboundedSender<String>,
    /// The recipient leaves when this goes.
    _recipient: UnboundedSender<String>,
    /// The recipient's name.
    to: String,
}

/// Measures both loops and prints the rows.
///
/// # Errors
///
/// When a message does not arrive, or a session ends.
pub(super) async fn measure(server: &Child, crowd: &mut Crowd) -> Result<()> {
    let members = crowd.members.split_off(crowd.members.len() - 2 * PAIRS);
    let mut pairs = Pairs::start(members);
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let before = server.usage()?;
        let took = pairs.closed().await?;
        let cpu = server.usage()?.since(&before).cpu;
        if round > 0 {
            rates.push(count(CLOSED) / took.as_secs_f64());
            costs.push(1e6 * cpu.as_secs_f64() / count(CLOSED));
        }
    }
    let before = server.usage()?;
    let open = pairs.open().await?;
    let usage = server.usage()?.since(&before);
    print(median(rates), median(costs), &open, &usage, crowd.members.len() + 2 * PAIRS)?;
    crowd.members.extend(pairs.stop().await?);
    Ok(())
}

impl Pairs {
    fn start(members: Vec<Member>) -> Self {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let (mut pairs, mut tasks) = (Vec::new(), JoinSet::new());
        let mut members = members.into_iter();
        while let (Some(one), Some(other)) = (members.next(), members.next()) {
            let to = other.user.clone();
            let (sender, orders) = mpsc::unbounded_channel();
            tasks.spawn(talk(one, orders, arrived.clone()));
            let (recipient, orders) = mpsc::unbounded_channel();
            tasks.spawn(talk(other, orders, arrived.clone()));
            pairs.push(Pair { sender, _recipient: recipient, to });
        }
        Self { pairs, arrivals, tasks, sent: 0 }
    }

    /// Each pair's next message is sent when its last one has arrived.
    async fn closed(&mut self) -> Result<Duration> {
        let start = Instant::now();
        let first = self.sent;
        for pair in 0..PAIRS {
            self.send(pair)?;
        }
        for _ in 0..CLOSED {
            let arrival = self.arrival().await?;
            if self.sent - first < CLOSED {
                self.send(arrival.pair)?;
            }
        }
        Ok(start.elapsed())
    }

    /// Messages on a schedule; returns the sorted milliseconds from when each was due until its
    /// recipient had read it.
    async fn open(&mut self) -> Result<Vec<f64>> {
        let mut schedule = Schedule::start(RATE, OPEN)?;
        let (mut due, mut seen) = (Vec::with_capacity(OPEN), vec![None; OPEN]);
        let first = self.sent;
        let mut arrived = 0;
        while arrived < OPEN {
            tokio::select! {
                Some(at) = schedule.ticks.recv() => {
                    self.send(due.len() % PAIRS)?;
                    due.push(at);
                }
                arrival = self.arrival() => {
                    let arrival = arrival?;
                    let seen = seen.get_mut(arrival.number - first).context("never sent")?;
                    ensure!(seen.replace(arrival.at).is_none(), "a message came twice");
                    arrived += 1;
                }
            }
        }
        Ok(latencies(due.into_iter().zip(seen.into_iter().flatten()).skip(WARM_UP)))
    }

    fn send(&mut self, pair: usize) -> Result<()> {
        let number = self.sent;
        self.sent += 1;
        let Pair { sender, to, .. } = &self.pairs[pair];
        let frame = json!({
            "type": "send",
            "id": Uuid::now_v7(),
            "to": [to],
            "thread": "thread",
            "body": Body { pair, number, text: "x".repeat(TEXT_BYTES) },
        });
        sender.send(frame.to_string()).context("a sender's session has ended")
    }

    async fn arrival(&mut self) -> Result<Arrival> {
        let arrival = tokio::time::timeout(PATIENCE, self.arrivals.recv()).await;
        arrival.context("a message never arrived")?.context("all sessions have ended")
    }

    /// The members come back.
    async fn stop(self) -> Result<Vec<Member>> {
        drop(self.pairs);
        self.tasks.join_all().await.into_iter().collect()
    }
}

/// Writes what is ordered, and acknowledges what comes, until nobody is left to order.
async fn talk(
    mut member: Member,
    mut orders: UnboundedReceiver<String>,
    arrived: UnboundedSender<Arrival>,
) -> Result<Member> {
    let mut client = member.client.take().context("a member without a session")?;
    loop {
        let frame = tokio::select! {
            order = orders.recv() => match order {
                Some(frame) => {
                    client.send(&frame).await?;
                    continue;
                }
                None => break,
            },
            frame = client.next() => frame?,
        };
        match ServerFrame::parse(&frame)? {
            ServerFrame::Message(message) => {
                let body: Body = serde_json::from_str(message.body.get())?;
                let arrival = Arrival { pair: body.pair, number: body.number, at: Instant::now() };
                // At the end nobody waits for it.
                let _nobody = arrived.send(arrival);
                ack(&mut member, &mut client, message.position, message.entry).await?;
            }
            ServerFrame::Receipt(receipt) => {
                ack(&mut member, &mut client, receipt.position, receipt.entry).await?;
            }
            ServerFrame::Rejected(_) | ServerFrame::Error(_) => {
                bail!("the server refused something: {frame}");
            }
            _ => {}
        }
    }
    member.client = Some(client);
    Ok(member)
}

async fn ack(
    member: &mut Member,
    client: &mut Client,
    position: Position,
    entry: String,
) -> Result<()> {
    let held = HeldPosition { epoch: position.epoch, offset: position.offset, entry: Some(entry) };
    client.send(&json!({ "type": "ack", "position": held }).to_string()).await?;
    member.held = Some(held);
    Ok(())
}

fn print(rate: f64, cost: f64, open: &[f64], usage: &Usage, sessions: usize) -> Result<()> {
    Row {
        row: "live delivery, session to session".to_owned(),
        value: rate,
        unit: "messages/s",
        ratio: None,
        budget: None,
        met: None,
        note: format!(
            "{PAIRS} pairs, each sends its next message when the last has arrived, {sessions} \
             sessions connected; send, accepted, message, ack, receipt and its ack, all over \
             WebSockets and durable; {cost:.0} µs of the server's CPU a message; median of \
             {ROUNDS} rounds of {CLOSED}"
        ),
    }
    .print()?;
    Row {
        row: "live delivery at 1,000 messages/s, p99".to_owned(),
        value: rank(open, 99),
        unit: "ms",
        ratio: None,
        budget: None,
        met: None,
        note: format!(
            "{} messages, open loop, from the scheduled moment until the recipient's client has \
             read it; p50 {:.2} ms, worst {:.1} ms; {:.0} % of one core in the server",
            open.len(),
            rank(open, 50),
            rank(open, 100),
            100.0 * usage.cpu.as_secs_f64() * count(RATE) / count(OPEN)
        ),
    }
    .print()
}
