//! The phone's operating system: it takes in the pushes and decides which process runs for them.
//!
//! | push | app suspended, frozen or not running | force-quit |
//! |---|---|---|
//! | Android data | the app's process runs | nothing |
//! | Android notification | the system shows it | nothing |
//! | iOS background | the app runs, unless the system's budget is used up | nothing |
//! | iOS alert, `mutable-content` | the notification extension runs | the same |
//! | iOS alert | the system shows it | the same |
//! | iOS VoIP | the app runs and must show a call | the same |
//! | web | the service worker runs and must show something; the page stays as it is | the push waits at its service |
//!
//! What FCM sends to an iPhone comes by Apple and is one of these.
//!
//! Sources: `developer.apple.com`, "Pushing background updates to your App", "Responding to VoIP
//! Notifications from PushKit", "UNNotificationServiceExtension"; `firebase.google.com`, "Receive
//! messages in an Android app"; W3C "Push API" (read 2026-11).

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{SelectAll, poll_fn};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::app::Command;
use super::event::{Life, PhoneEvent, Via};
use super::extension;
use super::installation::Installation;
use super::options::Platform;
use super::push::Push;
use super::worker;
use crate::device::{Delivery, PushType};

/// Takes in pushes until the phone is dropped. `tokens` gives the channel of each new push token.
pub(crate) async fn run(
    installation: Arc<Installation>,
    mut tokens: mpsc::UnboundedReceiver<mpsc::UnboundedReceiver<Delivery>>,
    app: mpsc::UnboundedSender<Command>,
) {
    let mut arriving = SelectAll::new();
    let mut handlers = JoinSet::new();
    loop {
        tokio::select! {
            token = tokens.recv() => match token {
                Some(mut token) => arriving.push(poll_fn(move |context| token.poll_recv(context))),
                None => return,
            },
            Some(delivery) = arriving.next(), if !arriving.is_empty() => {
                let push = Push::read(installation.options.platform, &delivery);
                installation.saw_push(&push);
                match decide(installation.options.platform, installation.life(), installation.behaviour().ignores_background, &push) {
                    Decision::RunApp => {
                        // The app's task ends only with the phone.
                        let _ = app.send(Command::Woken(Box::new(push)));
                    }
                    Decision::RunExtension => {
                        let installation = Arc::clone(&installation);
                        let Some(alert) = push.alert else { continue };
                        handlers.spawn(async move { extension::run(&installation, alert).await });
                    }
                    Decision::RunWorker => {
                        if push.is_about_a_call() {
                            // The page knows its calls, open or closed.
                            let _ = app.send(Command::Woken(Box::new(push.clone())));
                        }
                        let installation = Arc::clone(&installation);
                        handlers.spawn(async move { worker::run(&installation, &push).await });
                    }
                    Decision::Show => {
                        let Some(alert) = push.alert else { continue };
                        installation.saw(PhoneEvent::NotificationShown {
                            title: alert.title,
                            body: alert.body,
                            via: Via::Push,
                        });
                    }
                    Decision::Ignore(why) => installation.saw(PhoneEvent::PushIgnored { why }),
                }
            }
            Some(_) = handlers.join_next(), if !handlers.is_empty() => {}
        }
    }
}

/// What the system does with a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    RunApp,
    RunExtension,
    RunWorker,
    Show,
    Ignore(&'static str),
}

fn decide(platform: Platform, life: Life, ignores_background: bool, push: &Push) -> Decision {
    match platform {
        Platform::Android => decide_android(life, push),
        Platform::Ios => decide_ios(life, ignores_background, push),
        Platform::Web => Decision::RunWorker,
    }
}

fn decide_android(life: Life, push: &Push) -> Decision {
    if life == Life::ForceQuit {
        return Decision::Ignore("the app was stopped by force");
    }
    match push.push_type {
        // The app fetches everything when Google says that it dropped messages.
        PushType::DeletedMessages => Decision::RunApp,
        PushType::Notification if life != Life::Foreground => Decision::Show,
        _ if push.payload.is_some() => Decision::RunApp,
        _ => Decision::Ignore("not a push of Reveille's"),
    }
}

fn decide_ios(life: Life, ignores_background: bool, push: &Push) -> Decision {
    match push.push_type {
        PushType::Background if life == Life::ForceQuit => {
            Decision::Ignore("the user force-quit the app")
        }
        PushType::Background if ignores_background && life != Life::Foreground => {
            Decision::Ignore("the budget for background pushes is used up")
        }
        PushType::Background => Decision::RunApp,
        PushType::Alert => match &push.alert {
            Some(alert) if alert.mutable => Decision::RunExtension,
            Some(_) => Decision::Show,
            None => Decision::Ignore("an alert without text"),
        },
        PushType::Voip if push.payload.as_ref().is_some_and(|it| it.call.is_some()) => {
            Decision::RunApp
        }
        PushType::Voip => Decision::Ignore("a VoIP push without a call; iOS kills the app for it"),
        _ => Decision::Ignore("no push that an app handles"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::device::{Expiration, Priority, Service};

    const MESSAGE: &str = r#"{"v":1,"kind":"message","wake":"wak_1","sent_at":"2026-01-01T00:00:00Z","expires_at":"2026-02-01T00:00:00Z"}"#;

    fn push(push_type: PushType, aps: serde_json::Value) -> Push {
        let reveille: wire::push::Payload = serde_json::from_str(MESSAGE).unwrap();
        let (platform, payload) = match push_type {
            PushType::Data => (Platform::Android, json!({ "data": reveille.to_fcm_data() })),
            _ => (Platform::Ios, json!({ "aps": aps, "reveille": reveille })),
        };
        let delivery = Delivery {
            service: Service::Apns,
            token: String::new(),
            id: String::new(),
            push_type,
            priority: Priority::High,
            topic: String::new(),
            collapse_id: None,
            expiration: Expiration::Vendor,
            payload,
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        Push::read(platform, &delivery)
    }

    #[test]
    fn an_iphone_runs_what_the_table_says() {
        let background = push(PushType::Background, json!({"content-available": 1}));
        let alert = push(PushType::Alert, json!({"alert": {"title": "Bob"}, "mutable-content": 1}));
        let plain = push(PushType::Alert, json!({"alert": "Bob"}));
        let voip = push(PushType::Voip, json!({}));
        let check = |life, ignores, push: &Push, expect: fn(&Decision) -> bool| {
            let decision = decide(Platform::Ios, life, ignores, push);
            assert!(expect(&decision), "{life:?} {:?}: {decision:?}", push.push_type);
        };
        for life in [Life::Suspended, Life::Frozen, Life::NotRunning] {
            check(life, false, &background, |it| *it == Decision::RunApp);
            check(life, true, &background, |it| matches!(it, Decision::Ignore(_)));
        }
        check(Life::ForceQuit, false, &background, |it| matches!(it, Decision::Ignore(_)));
        check(Life::ForceQuit, true, &alert, |it| *it == Decision::RunExtension);
        check(Life::Suspended, false, &plain, |it| *it == Decision::Show);
        check(Life::Suspended, false, &voip, |it| matches!(it, Decision::Ignore(_)));
    }

    #[test]
    fn android_runs_for_data_unless_stopped_by_force() {
        let data = push(PushType::Data, json!({}));
        for life in [Life::Suspended, Life::Frozen, Life::NotRunning, Life::Foreground] {
            assert_eq!(decide(Platform::Android, life, true, &data), Decision::RunApp);
        }
        let stopped = decide(Platform::Android, Life::ForceQuit, false, &data);
        assert!(matches!(stopped, Decision::Ignore(_)));
    }
}
