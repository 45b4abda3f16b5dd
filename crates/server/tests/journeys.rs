//! The whole server as a real process, with phones, push services and rude clients around it.

mod broadcasts;
mod calls;
mod certificate;
mod circuits;
mod events;
mod full_disk;
mod guides;
mod iphones_by_fcm;
mod isolation;
mod log;
mod networks;
mod provider_tokens;
mod proxy;
mod push_log;
mod pushes;
mod reload;
mod rude_clients;
mod secrets;
mod simulators;
mod starting;
mod test_push;
pub(crate) mod tls;
mod waiting;
mod webpush;

use std::time::Duration;

use sim::phone::{Phone, PhoneEvent, Platform};
use sim::world::{World, WorldOptions};

/// How long a journey waits for anything; generous, the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The server this binary was built with.
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_reveille");

/// A phone of bob's whose app is open.
async fn sender(world: &World) -> Phone {
    let sender = world.phone("bob", Platform::Android, "bob's phone").await.expect("a phone");
    sender.launch().await.expect("it connects");
    sender
}

/// A message came.
fn woken(event: &PhoneEvent) -> bool {
    matches!(event, PhoneEvent::MessageReceived { .. })
}

/// A world with the server in it.
async fn world() -> World {
    World::start(WorldOptions::new(SERVER)).await.expect("the world starts")
}
