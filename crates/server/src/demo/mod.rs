//! `reveille demo`: the whole way on one machine, in one command.
//!
//! Starts this very program as a server in a child process, the simulators of Apple's and
//! Google's push services (real TLS, HTTP/2, their authentication), and virtual phones that log in
//! over the real WebSocket. Then it plays scenes, each with what is expected and what was seen.

mod calls;
mod messages;
mod scene;
mod stage;
mod stay;
mod table;
mod trouble;
mod wakes;

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

/// Plays the scenes; headless ends then, else everything stays up to be played with.
///
/// # Errors
///
/// When the world cannot be started.
pub async fn run(headless: bool) -> anyhow::Result<ExitCode> {
    let started = Clock::system().stopwatch();
    anstream::println!(
        "{BOLD}reveille demo{BOLD:#}: a server, the push services, and phones that sleep\n"
    );
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
    if !headless {
        stay::stay(&stage).await?;
    }
    stage.strike().await;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
