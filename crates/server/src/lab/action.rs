//! What can be done to a phone, as a closed set.

use std::time::Duration;

use sim::phone::{Life, Network, Phone, Platform};
use wire::{RejectReason, TargetKindName};

use super::view::Phase;
use super::wall::Lab;
use crate::http::problem::{Problem, ProblemCode};

/// How long an opened app is waited for, so that a page without JavaScript shows it open.
const OPENS: Duration = Duration::from_secs(3);

/// What can be done to a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The network is back.
    AirplaneOff,
    /// There is no network.
    AirplaneOn,
    /// Its user takes the call that rings.
    Answer,
    /// Its user token runs out.
    ExpireToken,
    /// Its user ends the app.
    ForceQuit,
    /// The push service gives its token up.
    ForgetToken,
    /// The app stops, its connection stays open and dead.
    Freeze,
    /// Its user ends the call, or gives up calling.
    HangUp,
    /// The screen goes off; the app leaves it.
    Lock,
    /// The battery is full again.
    LowBatteryOff,
    /// The system saves power.
    LowBatteryOn,
    /// Its user opens the app.
    Open,
    /// Its user has read the messages.
    Read,
    /// Its user does not want the call.
    Reject,
    /// It gets a new user token.
    RenewToken,
    /// The system suspends the app.
    Sleep,
    /// Its user unlocks it.
    Unlock,
}

impl Action {
    /// Every action, by name.
    pub const ALL: [Self; 17] = [
        Self::AirplaneOff,
        Self::AirplaneOn,
        Self::Answer,
        Self::ExpireToken,
        Self::ForceQuit,
        Self::ForgetToken,
        Self::Freeze,
        Self::HangUp,
        Self::Lock,
        Self::LowBatteryOff,
        Self::LowBatteryOn,
        Self::Open,
        Self::Read,
        Self::Reject,
        Self::RenewToken,
        Self::Sleep,
        Self::Unlock,
    ];

    /// The word of it, in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AirplaneOff => "airplane-off",
            Self::AirplaneOn => "airplane-on",
            Self::Answer => "answer",
            Self::ExpireToken => "expire-token",
            Self::ForceQuit => "force-quit",
            Self::ForgetToken => "forget-token",
            Self::Freeze => "freeze",
            Self::HangUp => "hang-up",
            Self::Lock => "lock",
            Self::LowBatteryOff => "low-battery-off",
            Self::LowBatteryOn => "low-battery-on",
            Self::Open => "open",
            Self::Read => "read",
            Self::Reject => "reject",
            Self::RenewToken => "renew-token",
            Self::Sleep => "sleep",
            Self::Unlock => "unlock",
        }
    }

    /// The action of a word.
    ///
    /// # Errors
    ///
    /// When nobody knows it.
    pub fn parse(word: &str) -> Result<Self, Problem> {
        Self::ALL.into_iter().find(|action| action.as_str() == word).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            let detail = format!("nothing of that name can be done to a phone; there are {words}");
            Problem::new(ProblemCode::NotFound, detail).with_field("action")
        })
    }

    /// Whether a platform has it: a browser has no lock screen, and no battery that a page feels.
    pub const fn is_of(self, platform: Platform) -> bool {
        match (self, platform) {
            (
                Self::Freeze | Self::Lock | Self::Unlock | Self::LowBatteryOff | Self::LowBatteryOn,
                Platform::Web,
            ) => false,
            (_, Platform::Android | Platform::Ios | Platform::Web) => true,
        }
    }
}

impl Lab {
    /// Does something to a phone. What makes no sense, such as to suspend what does not run, does
    /// nothing, as the phone itself has it.
    pub(super) async fn act(&self, id: &str, action: Action) -> Result<(), Problem> {
        let phone = self.phone(id)?;
        if !action.is_of(phone.platform()) {
            let detail = "a browser has no such thing; try it on a phone";
            return Err(Problem::invalid_field("action", detail));
        }
        match action {
            Action::AirplaneOff => phone.set_network(Network::On),
            Action::AirplaneOn => phone.set_network(Network::Off),
            Action::Answer => self.on_call(&phone, Action::Answer)?,
            Action::ExpireToken => {
                phone.expire_token();
                self.see(&phone, |view| {
                    view.token_expired = true;
                    view.word = "its user token has run out".to_owned();
                });
            }
            Action::ForceQuit => phone.force_quit().await,
            Action::ForgetToken => self.forget_token(&phone),
            Action::Freeze => phone.freeze().await,
            Action::HangUp => self.on_call(&phone, Action::HangUp)?,
            Action::Lock => {
                phone.screen_off().await;
                if phone.life() == Life::Foreground {
                    phone.background().await;
                }
                self.see(&phone, |view| view.locked = true);
            }
            Action::LowBatteryOff => self.save_power(&phone, Power::Full).await,
            Action::LowBatteryOn => self.save_power(&phone, Power::Low).await,
            Action::Open => self.open_app(&phone).await,
            Action::Read => self.read(&phone),
            Action::Reject => self.on_call(&phone, Action::Reject)?,
            Action::RenewToken => self.renew_token(&phone).await?,
            Action::Sleep => self.put_to_sleep(&phone).await,
            Action::Unlock => {
                phone.screen_on().await;
                self.see(&phone, |view| view.locked = false);
                // The app that was on the screen is there again.
                if matches!(phone.life(), Life::Background | Life::Suspended | Life::Frozen) {
                    self.open_app(&phone).await;
                }
            }
        }
        Ok(())
    }

    /// The app comes to the screen, and its user reads what is there.
    pub(super) async fn open_app(&self, phone: &Phone) {
        if phone.platform() != Platform::Web {
            phone.screen_on().await;
        }
        let mut offline = false;
        self.see(phone, |view| {
            view.locked = false;
            offline = view.network == Network::Off;
        });
        if offline {
            phone.open();
        } else {
            // What takes longer is seen when it comes; a refusal is in its log, and so on the wall.
            let _ = tokio::time::timeout(OPENS, phone.launch()).await;
        }
        self.read(phone);
    }

    fn read(&self, phone: &Phone) {
        let held = phone.held();
        let unread = held.iter().rev().filter(|message| !message.own_copy).take(100);
        let messages: Vec<String> = unread.map(|message| message.id.clone()).collect();
        if !messages.is_empty() {
            phone.read(messages);
        }
        self.see(phone, |view| view.unread = 0);
    }

    async fn put_to_sleep(&self, phone: &Phone) {
        if phone.platform() == Platform::Web {
            // A page does not sleep; it is closed.
            return phone.kill_app().await;
        }
        phone.screen_off().await;
        phone.suspend().await;
        self.see(phone, |view| view.locked = true);
    }

    /// What a low battery does is each platform's own: an iPhone in low power mode runs no app for
    /// background pushes, an Android phone dozes.
    async fn save_power(&self, phone: &Phone, power: Power) {
        let low = power == Power::Low;
        match (phone.platform(), power) {
            (Platform::Ios, _) => phone.behave(|behaviour| behaviour.ignores_background = low),
            (Platform::Android, Power::Low) => phone.doze().await,
            (Platform::Android, Power::Full) => {
                phone.plug_in().await;
                phone.unplug().await;
            }
            (Platform::Web, _) => {}
        }
        let word = match (phone.platform(), power) {
            (Platform::Ios, Power::Low) => "low power mode: no background pushes run the app",
            (Platform::Android, Power::Low) => "it dozes: only high-priority pushes get through",
            _ => "its battery is full again",
        };
        self.see(phone, |view| {
            view.low_battery = low;
            view.word = word.to_owned();
        });
    }

    /// The push service forgets its tokens; it gets others when the app is opened.
    fn forget_token(&self, phone: &Phone) {
        for kind in [
            TargetKindName::Apns,
            TargetKindName::ApnsVoip,
            TargetKindName::Fcm,
            TargetKindName::Webpush,
        ] {
            if let Some(token) = phone.push_token(kind) {
                self.world().devices().unregister(&token);
            }
        }
        let word = "the push service has given its token up; opening the app gets a new one";
        self.see(phone, |view| view.word = word.to_owned());
    }

    async fn renew_token(&self, phone: &Phone) -> Result<(), Problem> {
        let token = self.world().user_token(phone.user(), None).await.map_err(|error| {
            let detail = format!("the server gave no user token: {error:#}");
            Problem::new(ProblemCode::Unavailable, detail)
        })?;
        phone.use_token(&token.token);
        // A session by the device secret alone may not send; who signs in again opens another.
        let life = phone.life();
        if matches!(life, Life::Foreground | Life::Background) {
            phone.suspend().await;
        }
        if life == Life::Foreground {
            phone.open();
        }
        self.see(phone, |view| {
            view.token_expired = false;
            view.word = "it has a new user token".to_owned();
        });
        Ok(())
    }

    /// Does something about the call on the screen.
    fn on_call(&self, phone: &Phone, action: Action) -> Result<(), Problem> {
        let call = {
            let mut wall = self.wall();
            wall.handset(phone.name()).and_then(|handset| handset.view.call.clone())
        };
        let none = || {
            let detail = "there is no such call on this phone; call it from another one";
            Problem::new(ProblemCode::Conflict, detail).with_field("action")
        };
        let call = call.ok_or_else(none)?;
        match (action, call.phase) {
            (Action::Answer, Phase::Rings) => phone.answer(&call.id),
            (Action::Reject, Phase::Rings) => phone.reject(&call.id, RejectReason::Declined),
            (Action::HangUp, Phase::Talks) => phone.end(&call.id),
            (Action::HangUp, Phase::Calling | Phase::RingsThere) => phone.cancel_call(&call.id),
            _ => return Err(none()),
        }
        Ok(())
    }
}

/// How much a phone's battery has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    Full,
    Low,
}
