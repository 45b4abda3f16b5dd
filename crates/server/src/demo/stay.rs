//! After the scenes: everything stays up, to be played with.

use anyhow::Result;
use sim::phone::Platform;

use super::stage::Stage;
use super::{BOLD, DIM};

/// Two phones sleep until somebody writes to them; ends with Ctrl-C.
pub(super) async fn stay(stage: &Stage) -> Result<()> {
    let trace = stage.begin();
    let android = stage.sleeping("sam", Platform::Android, "sam's Pixel").await?;
    let iphone = stage.sleeping("tess", Platform::Ios, "tess's iPhone").await?;
    let address = stage.world.address();
    let key_file = stage.world.directory().join("app.key");
    std::fs::write(&key_file, stage.world.app_key())?;
    anstream::println!(
        "\n{BOLD}everything stays up{BOLD:#}: {} and {} are asleep; write to them from another terminal:\n",
        android.name(),
        iphone.name()
    );
    anstream::println!("  export REVEILLE_KEY=$(cat {})", key_file.display());
    anstream::println!("  reveille send --server http://{address} --to sam 'hello'");
    anstream::println!("  reveille send --server http://{address} --to tess 'hello'");
    anstream::println!(
        "  curl -s -H \"Authorization: Bearer $REVEILLE_KEY\" 'http://{address}/v1/push-log?limit=5'\n"
    );
    anstream::println!("{DIM}what happens appears here; Ctrl-C ends it{DIM:#}\n");
    tokio::signal::ctrl_c().await?;
    trace.end().await;
    Ok(())
}
