//! Everything that a page shows, at one moment; as JSON it is `GET /lab/state`.

use serde::Serialize;
use sim::device::Reach;
use sim::phone::{Network, Phone, Platform};

use super::action::Action;
use super::fault::{Fault, Service};
use super::raw::{self, RawPush};
use super::strip::Strip;
use super::view::{Mark, Phase, Screen, View, called};
use super::wall::{Handset, Lab};

/// Notifications on a lock screen.
const NOTES: usize = 3;
/// Lines of a conversation on a screen.
const LINES: usize = 6;

/// The wall at one moment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct State {
    pub(super) phones: Vec<PhoneState>,
    /// The users that can be written to.
    pub(super) users: Vec<User>,
    /// The way of what was sent last.
    pub(super) strip: Option<Strip>,
    /// Its pushes, newest first.
    pub(super) pushes: Vec<RawPush>,
    pub(super) services: Vec<ServiceState>,
}

/// Somebody who can be written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
}

/// One phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct PhoneState {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) platform: &'static str,
    /// How it is: a word for programs, its name, and what it means.
    pub(super) condition: &'static str,
    pub(super) says: &'static str,
    pub(super) meaning: &'static str,
    pub(super) screen: &'static str,
    pub(super) connected: bool,
    pub(super) locked: bool,
    pub(super) airplane: bool,
    pub(super) low_battery: bool,
    pub(super) dozing: bool,
    pub(super) token_expired: bool,
    /// The last thing that is worth a word.
    pub(super) word: String,
    pub(super) notes: Vec<NoteState>,
    /// Notifications that have no room.
    pub(super) more: usize,
    pub(super) unread: usize,
    pub(super) lines: Vec<LineState>,
    pub(super) call: Option<CallState>,
    /// What can be done to it.
    pub(super) actions: Vec<Button>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NoteState {
    pub(super) serial: u64,
    pub(super) title: String,
    pub(super) body: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LineState {
    pub(super) serial: u64,
    /// Nobody: its own user.
    pub(super) from: Option<String>,
    pub(super) text: String,
    pub(super) mark: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CallState {
    pub(super) phase: &'static str,
    pub(super) says: &'static str,
    pub(super) name: String,
}

/// A button under a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Button {
    pub(super) action: &'static str,
    pub(super) label: &'static str,
    /// What it does, for who does not know.
    pub(super) tip: &'static str,
    /// The same for the button and for what undoes it, so that a keyboard stays where it is.
    pub(super) place: &'static str,
    /// Whether it is on, if it can be.
    pub(super) pressed: Option<bool>,
}

/// One push service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ServiceState {
    pub(super) service: &'static str,
    pub(super) name: &'static str,
    pub(super) fault: &'static str,
    /// What can be switched on.
    pub(super) faults: Vec<FaultState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FaultState {
    pub(super) fault: &'static str,
    pub(super) name: &'static str,
    pub(super) on: bool,
}

impl Lab {
    /// Everything that a page shows.
    pub(super) fn state(&self) -> State {
        let mut wall = self.wall();
        let phones = wall.handsets.iter().map(PhoneState::of).collect();
        let users =
            wall.users().into_iter().map(|user| User { id: user.to_owned(), name: called(user) });
        let users = users.collect();
        let strip = wall.last.as_ref().map(|sent| {
            Strip::of(sent, wall.handsets.iter().filter(|handset| handset.user == sent.to))
        });
        if strip.as_ref().is_some_and(Strip::is_over)
            && let Some(last) = &mut wall.last
        {
            last.is_over();
        }
        let pushes = wall.last.as_ref().map(|sent| {
            let of = wall.handsets.iter().filter(|handset| handset.user == sent.to);
            let phones: Vec<Phone> = of.map(|handset| handset.phone.clone()).collect();
            raw::pushes(self.world(), sent, &phones)
        });
        let faults = wall.faults;
        let services = Service::ALL.map(|service| ServiceState::of(service, faults.of(service)));
        State {
            phones,
            users,
            strip,
            pushes: pushes.unwrap_or_default(),
            services: services.to_vec(),
        }
    }
}

impl PhoneState {
    fn of(handset: &Handset) -> Self {
        let Handset { id, user, phone, view } = handset;
        let platform = phone.platform();
        let condition = view.condition(platform);
        let notes = view.notes.iter().take(NOTES).map(|note| NoteState {
            serial: note.serial,
            title: note.title.clone(),
            body: note.body.clone(),
        });
        let lines = view.lines.iter().rev().take(LINES).rev().map(|line| LineState {
            serial: line.serial,
            from: line.from.clone(),
            text: line.text.clone(),
            mark: mark(line.mark),
        });
        Self {
            id: id.clone(),
            name: phone.name().to_owned(),
            user: user.clone(),
            platform: platform_word(platform),
            condition: condition.as_str(),
            says: condition.name(),
            meaning: condition.meaning(),
            screen: match view.screen() {
                Screen::App => "app",
                Screen::Call => "call",
                Screen::Home => "home",
                Screen::Lock => "lock",
            },
            connected: view.connected,
            locked: view.locked,
            airplane: view.network == Network::Off,
            low_battery: view.low_battery,
            dozing: view.reach == Reach::Dozing,
            token_expired: view.token_expired,
            word: view.word.clone(),
            notes: notes.collect(),
            more: view.notes.len().saturating_sub(NOTES),
            unread: view.unread,
            lines: lines.collect(),
            call: view.call.as_ref().map(|call| CallState {
                phase: match call.phase {
                    Phase::Calling | Phase::RingsThere => "calling",
                    Phase::Rings => "rings",
                    Phase::Talks => "talks",
                },
                says: match call.phase {
                    Phase::Calling => "Calling",
                    Phase::RingsThere => "It rings there",
                    Phase::Rings => "Incoming call",
                    Phase::Talks => "On a call",
                },
                name: call.name.clone(),
            }),
            actions: buttons(view, platform),
        }
    }

    /// For the template: whether it has no lock screen.
    pub(super) fn is_browser(&self) -> bool {
        self.platform == "browser"
    }
}

impl ServiceState {
    fn of(service: Service, now: Fault) -> Self {
        let faults = Fault::ALL.map(|fault| FaultState {
            fault: fault.as_str(),
            name: fault.name(),
            on: fault == now,
        });
        Self {
            service: service.as_str(),
            name: service.name(),
            fault: now.as_str(),
            faults: faults.to_vec(),
        }
    }
}

/// The word of a platform.
pub(super) const fn platform_word(platform: Platform) -> &'static str {
    match platform {
        Platform::Android => "android",
        Platform::Ios => "iphone",
        Platform::Web => "browser",
    }
}

const fn mark(mark: Mark) -> &'static str {
    match mark {
        Mark::Accepted => "Sent",
        Mark::Delivered => "Delivered",
        Mark::Failed => "Not sent",
        Mark::None => "",
        Mark::Read => "Read",
        Mark::Waiting => "Waiting",
    }
}

/// The buttons under a phone.
fn buttons(view: &View, platform: Platform) -> Vec<Button> {
    let plain = |action: Action, label, tip| {
        let place = action.as_str();
        (action, Button { action: place, label, tip, place, pressed: None })
    };
    let switch = |on: Action, off: Action, label, tip, is_on: bool| {
        let action = if is_on { off } else { on }.as_str();
        (on, Button { action, label, tip, place: on.as_str(), pressed: Some(is_on) })
    };
    let [opens, sleeps, ends, offline] = match platform {
        Platform::Android => ["Open app", "Sleep", "Force stop", "Airplane"],
        Platform::Ios => ["Open app", "Sleep", "Force-quit", "Airplane"],
        Platform::Web => ["Open page", "Close page", "Quit browser", "Offline"],
    };
    let saving = match platform {
        Platform::Android => "The phone dozes: only high-priority pushes get through",
        Platform::Ios | Platform::Web => "Low power mode: background pushes run no app",
    };
    let airplane = view.network == Network::Off;
    let all = [
        plain(Action::Open, opens, "On the screen and connected"),
        plain(Action::Sleep, sleeps, "Off the screen; its connection is closed"),
        switch(
            Action::Lock,
            Action::Unlock,
            "Lock",
            "The app leaves the screen and runs on",
            view.locked,
        ),
        plain(Action::ForceQuit, ends, "Its user ends the app: fewer pushes get through"),
        switch(Action::AirplaneOn, Action::AirplaneOff, offline, "No network", airplane),
        switch(
            Action::LowBatteryOn,
            Action::LowBatteryOff,
            "Low battery",
            saving,
            view.low_battery,
        ),
        switch(
            Action::ExpireToken,
            Action::RenewToken,
            "Expire login",
            "The user token has run out; the device secret alone still drains the inbox",
            view.token_expired,
        ),
        plain(Action::Freeze, "Freeze", "The app stops; its connection stays open, and is dead"),
        plain(Action::ForgetToken, "Lose token", "The push service says that its token is gone"),
    ];
    let offered = all.into_iter().filter(|(action, _)| action.is_of(platform));
    offered.map(|(_, button)| button).collect()
}
