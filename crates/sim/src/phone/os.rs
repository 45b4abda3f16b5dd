//! The phone's operating system: it takes in the pushes, asks the rules of its platform, and does
//! what they say.
//!
//! ```text
//!   push, user, screen, time ──▶ [crate::platform::System] ──▶ effects ──▶ app, extension, worker,
//!                                                                          push service
//! ```
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

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{SelectAll, poll_fn};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::app::Command;
use super::drain;
use super::event::{PhoneEvent, Via};
use super::extension;
use super::installation::Installation;
use super::options::Platform;
use super::push::Push;
use super::worker;
use crate::device::{Delivery, PushType};
use crate::platform::{Android, AndroidRules, Effect, Input, Ios, IosRules, Kind, System, Web};
use crate::webpush::Vendor;

/// Something for the system to take note of, and who waits until it has.
pub(crate) struct Order {
    pub(crate) input: Input<Box<Push>>,
    pub(crate) done: Option<oneshot::Sender<()>>,
}

/// Takes in pushes until the phone is dropped. `tokens` gives the channel of each new push token.
pub(crate) async fn run(
    installation: Arc<Installation>,
    mut tokens: mpsc::UnboundedReceiver<mpsc::UnboundedReceiver<Delivery>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    app: mpsc::UnboundedSender<Command>,
) {
    let mut life = installation.life.subscribe();
    let mut arriving = SelectAll::new();
    let mut os = Os { system: system(&installation), installation, app, handlers: JoinSet::new() };
    loop {
        let due = os.due();
        tokio::select! {
            token = tokens.recv() => match token {
                Some(mut token) => arriving.push(poll_fn(move |context| token.poll_recv(context))),
                None => return,
            },
            Some(delivery) = arriving.next(), if !arriving.is_empty() => os.arrived(&delivery),
            Some(Order { input, done }) = orders.recv() => {
                os.take(input);
                if let Some(done) = done {
                    // Who no longer waits does not need the answer.
                    let _ = done.send(());
                }
            }
            Ok(()) = life.changed() => {
                let now = *life.borrow_and_update();
                os.take(Input::App(now));
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                os.take(Input::TimePassed);
            }
            Some(_) = os.handlers.join_next(), if !os.handlers.is_empty() => {}
        }
    }
}

/// The system, and who carries out what it says.
struct Os {
    installation: Arc<Installation>,
    app: mpsc::UnboundedSender<Command>,
    system: System<Box<Push>>,
    /// Extensions and workers that run.
    handlers: JoinSet<()>,
}

impl Os {
    fn arrived(&mut self, delivery: &Delivery) {
        let push = Push::read(self.installation.options.platform, delivery);
        self.installation.saw_push(&push);
        match kind(&push) {
            Some(kind) => self.take(Input::Push(kind, push.original_priority, Box::new(push))),
            None => self.ignore("no push that an app handles"),
        }
    }

    fn take(&mut self, input: Input<Box<Push>>) {
        let now = self.installation.options.devices.clock().now();
        self.follow_behaviour();
        // The app may have changed its state a moment ago, and its word be on its way.
        let life = Input::App(self.installation.life());
        for input in [life, input] {
            for effect in self.system.handle(input, now) {
                self.carry_out(effect);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect<Box<Push>>) {
        let installation = &self.installation;
        match effect {
            Effect::Demote => installation.demoted(true),
            Effect::Drop(_, why) => self.ignore(why),
            Effect::Hold(why) => installation.saw(PhoneEvent::PushHeld { why }),
            Effect::KillApp(why) => {
                installation.saw(PhoneEvent::AppKilled { why });
                self.tell(Command::Kill);
            }
            Effect::Reach(reach) => {
                installation.saw(PhoneEvent::ReachChanged { to: reach });
                installation.reached(|reached| reached.system = reach);
            }
            Effect::Restore => installation.demoted(false),
            Effect::RevokePermission => installation.revoke_permission(),
            Effect::RunApp(push, _) => {
                let (installation, payload) = (Arc::clone(installation), push.payload.clone());
                self.handlers.spawn(async move {
                    drain::confirm(&installation, payload.as_ref()).await;
                });
                self.run_app(push);
            }
            Effect::RunExtension(push, _) => {
                let installation = Arc::clone(installation);
                let Push { alert, payload, .. } = *push;
                if let Some(alert) = alert {
                    self.handlers.spawn(async move {
                        drain::confirm(&installation, payload.as_ref()).await;
                        extension::run(&installation, alert).await;
                    });
                }
            }
            Effect::RunWorker(push, _) => {
                if push.is_about_a_call() {
                    // The page knows its calls, open or closed.
                    self.tell(Command::Woken(push.clone()));
                }
                let installation = Arc::clone(&self.installation);
                self.handlers.spawn(async move {
                    drain::confirm(&installation, push.payload.as_ref()).await;
                    worker::run(&installation, &push).await;
                });
            }
            Effect::Show(push) => {
                if let Some(alert) = push.alert {
                    let (title, body) = (alert.title, alert.body);
                    installation.saw(PhoneEvent::NotificationShown { title, body, via: Via::Push });
                }
            }
            Effect::ShowGeneric => installation.saw(PhoneEvent::NotificationShown {
                title: "This site has been updated in the background".to_owned(),
                body: String::new(),
                via: Via::Push,
            }),
            Effect::StopVoip => installation.saw(PhoneEvent::VoipStopped),
        }
    }

    fn run_app(&self, push: Box<Push>) {
        let foreign = push.payload.is_none();
        match push.push_type {
            PushType::Data | PushType::Notification if foreign => {
                self.ignore("not a push of Reveille's");
            }
            _ => self.tell(Command::Woken(push)),
        }
    }

    fn ignore(&self, why: &'static str) {
        self.installation.saw(PhoneEvent::PushIgnored { why });
    }

    fn tell(&self, command: Command) {
        // The app's task ends only with the phone.
        let _ = self.app.send(command);
    }

    /// The rules that the phone's behaviour sets, as they are at this moment.
    fn follow_behaviour(&mut self) {
        let behaviour = self.installation.behaviour();
        match &mut self.system {
            System::Android(android) => android.rules.app_run = behaviour.background_run,
            System::Ios(ios) => {
                ios.rules.alerts_allowed = behaviour.alerts_allowed;
                ios.rules.background_refresh = !behaviour.ignores_background;
                ios.rules.runs_per_hour = behaviour.background_runs_per_hour;
                ios.rules.app_run = behaviour.background_run;
                ios.rules.extension_run = behaviour.background_run;
            }
            System::Web(_) => {}
        }
    }

    /// When time alone changes something, as far as the services' clock goes as fast as ours.
    fn due(&self) -> Option<Instant> {
        let now = self.installation.options.devices.clock().now();
        let left = self.system.next(now)?.duration_since(now);
        Instant::now().checked_add(left.try_into().unwrap_or_default())
    }
}

fn system(installation: &Installation) -> System<Box<Push>> {
    match installation.options.platform {
        Platform::Android => System::Android(Box::new(Android::new(AndroidRules::default()))),
        Platform::Ios => System::Ios(Ios::new(IosRules::default())),
        Platform::Web => {
            let browser = installation.options.browser.as_ref();
            let vendor = browser.map_or(Vendor::Plain, |browser| browser.push_manager.vendor());
            System::Web(Web::new(vendor))
        }
    }
}

/// What the rules look at; `None`: nothing that an app like this one gets.
fn kind(push: &Push) -> Option<Kind> {
    let alert = push.alert.as_ref();
    Some(match push.push_type {
        PushType::Alert => {
            Kind::Alert { text: alert.is_some(), mutable: alert.is_some_and(|alert| alert.mutable) }
        }
        PushType::Background => Kind::Background,
        PushType::Data => Kind::Data,
        PushType::DeletedMessages => Kind::DeletedMessages,
        PushType::Notification => Kind::Notification,
        PushType::Voip => Kind::Voip,
        PushType::Web => Kind::Web,
        PushType::Complication
        | PushType::Controls
        | PushType::FileProvider
        | PushType::LiveActivity
        | PushType::Location
        | PushType::Mdm
        | PushType::PushToTalk
        | PushType::Widgets => return None,
    })
}
