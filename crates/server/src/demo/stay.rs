//! The lab and its world: they stay up, to be played with.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use sim::webpush::Vendor;
use sim::world::{Tuning, World, WorldOptions, free_port};
use wire::http::Settings;

use super::{BOLD, DIM};
use crate::console::CODE_FILE;
use crate::lab::{self, Lab};
use crate::tasks::Tasks;

/// When a push that woke nobody is followed by a visible one; 30 s by default, which is long for
/// somebody who watches.
const CLIMB_AFTER_S: u32 = 8;

/// The ack deadline; 5 s by default.
const ACK_DEADLINE: Duration = Duration::from_secs(2);

/// When a push service that was away is tried again; Apple asks for 15 minutes, and the default for
/// the others is 5 s.
const SOON: Duration = Duration::from_secs(2);

/// A world with a window.
pub(super) struct Stay {
    world: Arc<World>,
    lab: SocketAddr,
    console: SocketAddr,
    tasks: Tasks,
}

impl Stay {
    /// Starts the world, serves the lab, and says where everything is.
    pub(super) async fn begin(listen: Option<SocketAddr>) -> Result<Self> {
        let listener = lab::listen(listen).await?;
        let address = listener.local_addr()?;
        let console = free_port()?;
        let exe = std::env::current_exe().context("this program cannot find itself")?;
        let world = World::start(WorldOptions {
            webpush: Some(Vendor::Mozilla),
            settings: Settings { climb_after: Some(CLIMB_AFTER_S), ..Settings::default() },
            tuning: Tuning {
                ack_deadline: Some(ACK_DEADLINE),
                allowed_origins: Some(lab::origins(address)),
                apns_retry_after_unavailable: Some(SOON),
                probe: Some(SOON),
                ..Tuning::default()
            },
            internal_listen: console,
            ..WorldOptions::new(exe)
        });
        let world = Arc::new(world.await?);
        let tasks = Tasks::default();
        let lab = Lab::open(Arc::clone(&world), address, &tasks).await?;
        tasks.start("lab", lab::serve(lab, listener, tasks.clone()));
        let stay = Self { world, lab: address, console, tasks };
        stay.introduce()?;
        Ok(stay)
    }

    /// Says where everything is.
    fn introduce(&self) -> Result<()> {
        let (lab, server, console) = (self.lab, self.world.address(), self.console);
        anstream::println!(
            "  {BOLD}lab{BOLD:#}             {BOLD}http://{lab}/lab{BOLD:#}   open it: put a phone to sleep, write to it"
        );
        anstream::println!(
            "  {BOLD}messenger{BOLD:#}       {BOLD}http://{lab}/messenger/{BOLD:#}   be alice in one tab and bob in another"
        );
        let mut rows =
            vec![("server", format!("http://{server}   WebSocket ws://{server}/v1/connect"))];
        let code_file = self.world.data_dir().join(CODE_FILE);
        // What is written elsewhere than to a terminal may be kept for long.
        let code = if std::io::stdout().is_terminal() {
            std::fs::read_to_string(&code_file).with_context(|| {
                format!("could not read the console's code {}", code_file.display())
            })?
        } else {
            format!("in {}", code_file.display())
        };
        rows.push(("console", format!("http://{console}/console   code {}", code.trim())));
        rows.push(("data and keys", self.world.directory().display().to_string()));
        for (name, value) in rows {
            anstream::println!("  {DIM}{name:<15}{DIM:#} {value}");
        }
        anstream::println!();
        Ok(())
    }

    /// Stays until Ctrl-C or SIGTERM, and ends the world.
    pub(super) async fn until_asked_to_stop(self) -> Result<()> {
        let (lab, address) = (self.lab, self.world.address());
        let key_file = self.world.directory().join("app.key");
        std::fs::write(&key_file, self.world.app_key())?;
        anstream::println!(
            "\n{BOLD}everything stays up{BOLD:#}: the lab is at {BOLD}http://{lab}/lab{BOLD:#}, and from another terminal:\n"
        );
        anstream::println!("  export REVEILLE_KEY=$(cat {})", key_file.display());
        anstream::println!("  reveille send --server http://{address} --to bob 'hello'");
        anstream::println!(
            "  curl -s -H \"Authorization: Bearer $REVEILLE_KEY\" 'http://{address}/v1/push-log?limit=5'\n"
        );
        anstream::println!("{DIM}Ctrl-C ends it{DIM:#}\n");
        crate::serve::asked_to_stop().await;
        self.tasks.stop();
        self.tasks.ended().await;
        if let Err(error) = self.world.stop().await {
            anstream::eprintln!("the server did not stop by itself: {error:#}");
        }
        Ok(())
    }
}
