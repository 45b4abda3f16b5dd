//! Kills the server, puts it back, and starts it again, one after the other.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use sim::phone::{Life, Phone};
use sim::world::World;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::database::{self, Before};
use super::sends::Ledger;
use crate::evidence::{Kill, Restore};
use crate::plan::Aim;

/// What takes longer is told: the steps after it come late.
const SLOW: Duration = Duration::from_secs(3);

/// What the killer is to do.
pub(super) enum Deed {
    /// SIGKILL, so long without a server, then a new start.
    Kill { down: Duration, aim: Option<Aim> },
    /// A snapshot.
    Backup,
    /// SIGKILL, the newest snapshot back, a new start.
    Restore,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Killed {
    pub(super) kills: Vec<Kill>,
    pub(super) restores: Vec<Restore>,
    /// How often the write-ahead log ended in the middle of a commit.
    pub(super) torn: usize,
    /// How many databases were looked into.
    pub(super) looks: usize,
    /// What the databases said and should not.
    pub(super) faults: Vec<String>,
    /// What took so long that the next steps came late.
    pub(super) slow: Vec<String>,
    /// The run did not do what it says.
    pub(super) trouble: Vec<String>,
}

/// Who does it.
pub(super) struct Killer {
    pub(super) world: Arc<World>,
    pub(super) phones: Vec<Phone>,
    pub(super) ledger: Ledger,
}

/// A snapshot that can be put back.
struct Snapshot {
    folder: PathBuf,
    taken: (Timestamp, Timestamp),
}

impl Killer {
    /// Does what is ordered, without waiting until the server is ready: the next kill may hit it
    /// while it starts. Ends with a server that was started.
    pub(super) async fn run(self, mut deeds: mpsc::UnboundedReceiver<Deed>) -> Result<Killed> {
        let mut killed = Killed::default();
        let mut snapshot: Option<Snapshot> = None;
        let before = Arc::new(Mutex::new(Before::default()));
        let mut looking = JoinSet::new();
        let mut number = 0_usize;
        while let Some(deed) = deeds.recv().await {
            number += 1;
            let begun = Instant::now();
            let name = match deed {
                Deed::Kill { .. } => "a kill",
                Deed::Backup => "a backup",
                Deed::Restore => "a restore",
            };
            match deed {
                Deed::Kill { down, aim } => {
                    if let Some(aim) = aim {
                        self.burst(&aim).await;
                    }
                    self.kill(&mut killed).await?;
                    // One after the other, so that each is compared with the one before.
                    gather(&mut looking, &mut killed).await?;
                    self.look(killed.kills.len(), &before, &mut looking)?;
                    sleep(down).await;
                    self.world.spawn_server().await?;
                }
                Deed::Backup => {
                    let folder = self.world.directory().join(format!("backup-{number}"));
                    let begun = Timestamp::now();
                    match self.world.backup(&folder).await {
                        Ok(()) => {
                            let taken = (begun, Timestamp::now());
                            if let Some(old) = snapshot.replace(Snapshot { folder, taken }) {
                                std::fs::remove_dir_all(old.folder)?;
                            }
                        }
                        Err(error) => killed.trouble.push(format!("a backup failed: {error:#}")),
                    }
                }
                Deed::Restore => {
                    let Some(Snapshot { folder, taken }) = &snapshot else { continue };
                    self.kill(&mut killed).await?;
                    let stopped = Timestamp::now();
                    self.world.restore(folder).await.context("a restore")?;
                    killed.restores.push(Restore { taken: *taken, stopped });
                    self.world.spawn_server().await?;
                }
            }
            let took = begun.elapsed();
            if took > SLOW {
                killed.slow.push(format!("{name} took {took:.1?}"));
            }
        }
        gather(&mut looking, &mut killed).await?;
        Ok(killed)
    }

    async fn kill(&self, killed: &mut Killed) -> Result<()> {
        if !self.world.server_runs().await {
            let kill = killed.kills.len() + 1;
            killed.trouble.push(format!("the server had ended by itself before kill {kill}"));
        }
        let at = Timestamp::now();
        self.world.kill().await?;
        killed.kills.push(Kill { at });
        Ok(())
    }

    /// Phones on the screen send all at once; returns when the kill is due.
    async fn burst(&self, aim: &Aim) {
        for (from, to) in &aim.from {
            let phone = &self.phones[*from];
            if phone.life() == Life::Foreground {
                self.ledger.send(phone, std::slice::from_ref(to), aim.count);
            }
        }
        // The timer's steps are milliseconds, too coarse for this.
        let due = Instant::now() + aim.after;
        while Instant::now() < due {
            tokio::task::yield_now().await;
        }
    }

    /// Copies the database now and looks into the copy while the server starts.
    fn look(
        &self,
        number: usize,
        before: &Arc<Mutex<Before>>,
        looking: &mut Looking,
    ) -> Result<()> {
        let folder = self.world.directory().join(format!("look-{number}"));
        database::copy(&self.world.data_dir(), &folder)?;
        let before = Arc::clone(before);
        let at = Timestamp::now();
        looking.spawn_blocking(move || {
            let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
            let mut look = database::look(&folder, &mut before)?;
            for fault in &mut look.faults {
                *fault = format!("kill {number} at {at}: {fault}");
            }
            Ok(look)
        });
        Ok(())
    }
}

type Looking = JoinSet<Result<database::Look>>;

/// Waits for the look that is under way, and notes what it found.
async fn gather(looking: &mut Looking, killed: &mut Killed) -> Result<()> {
    while let Some(look) = looking.join_next().await {
        let database::Look { faults, torn } = look.context("a look failed")??;
        killed.looks += 1;
        killed.torn += usize::from(torn);
        killed.faults.extend(faults);
    }
    Ok(())
}
