//! `reveille demo`: the whole way on one machine, in one command.
//!
//! Starts this very program as a server in a child process, the simulators of Apple's and
//! Google's push services (real TLS, HTTP/2, their authentication), and virtual phones that log in
//! over the real WebSocket. Then it plays scenes, each with what is expected and what was seen, and
//! serves the lab, where the phones can be played with.

mod calls;
mod messages;
mod scene;
mod stage;
mod stay;
mod table;
mod trouble;
mod wakes;

use std::net::SocketAddr;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::clock::Clock;
use scene::Scene;
use stage::Stage;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What one scene came to.
struct Played {
    scene: Scene,
    seen: Result<String, String>,
    millis: u128,
}

/// What a demo consists of. The lab is where it is asked to be, or where there is room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Show {
    /// The lab alone, until somebody ends it.
    Lab(Option<SocketAddr>),
    /// The scenes, and the end.
    Scenes,
    /// The lab from the start on, and the scenes meanwhile.
    ScenesAndLab(Option<SocketAddr>),
}

/// Plays the scenes; the lab stays up to be played with.
///
/// # Errors
///
/// When a world cannot be started, or the lab cannot listen.
pub(crate) async fn run(show: Show) -> anyhow::Result<ExitCode> {
    anstream::println!(
        "{BOLD}reveille demo{BOLD:#}: a server, the push services, and phones that sleep\n"
    );
    match show {
        Show::Scenes => Ok(scenes().await?.into()),
        Show::Lab(listen) => {
            stay::Stay::begin(listen).await?.until_asked_to_stop().await?;
            Ok(ExitCode::SUCCESS)
        }
        Show::ScenesAndLab(listen) => {
            let stay = stay::Stay::begin(listen).await?;
            anstream::println!(
                "{DIM}meanwhile, {} scenes in a world of their own{DIM:#}\n",
                Scene::ALL.len()
            );
            let held = scenes().await?;
            stay.until_asked_to_stop().await?;
            Ok(held.into())
        }
    }
}

/// Whether every scene held.
enum Held {
    All,
    NotAll,
}

impl From<Held> for ExitCode {
    fn from(held: Held) -> Self {
        match held {
            Held::All => Self::SUCCESS,
            Held::NotAll => Self::FAILURE,
        }
    }
}

/// Plays the scenes in a world of their own: they kill its server and break its push services.
async fn scenes() -> anyhow::Result<Held> {
    let started = Clock::system().stopwatch();
    let stage = Stage::set().await?;
    stage.introduce();
    anstream::println!("  {DIM}up after {} ms{DIM:#}\n", started.elapsed().as_millis());
    let mut played = Vec::new();
    for (number, scene) in (1..).zip(Scene::ALL) {
        played.push(play(&stage, number, scene).await);
    }
    let failed = played.iter().filter(|played| played.seen.is_err()).count();
    anstream::println!("{}", table::of(&played));
    let (held, all) = (played.len() - failed, played.len());
    let style = if failed == 0 { GOOD } else { BAD };
    anstream::println!(
        "\n{style}{held} of {all} scenes held{style:#} in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    if failed > 0 {
        anstream::println!("\nthe end of the server's log:\n{}", stage.log_tail());
    }
    stage.strike().await;
    Ok(if failed == 0 { Held::All } else { Held::NotAll })
}

async fn play(stage: &Stage, number: usize, scene: Scene) -> Played {
    anstream::println!("{BOLD}{number:>2}  {}{BOLD:#}", scene.name());
    let trace = stage.begin();
    let started = Clock::system().stopwatch();
    let seen = scene.play(stage).await;
    let millis = started.elapsed().as_millis();
    trace.end().await;
    let seen = seen.map_err(|error| format!("{error:#}"));
    match &seen {
        Ok(seen) => anstream::println!("    {GOOD}held{GOOD:#}  {seen}  {DIM}{millis} ms{DIM:#}\n"),
        Err(error) => anstream::println!("    {BAD}broken{BAD:#}  {error}\n"),
    }
    Played { scene, seen, millis }
}
