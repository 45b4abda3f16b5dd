//! What each switch of an app's settings changes in the requests that go out: for each push service
//! and each position of the switch a golden file with the requests that differ, to be compared with
//! the file of the other position. Where a switch changes nothing, that is asserted.
//!
//! Each request is decided as in the server: the claim, the route, the choice of the credential and
//! with it of the push service, then the payload. How long things last (`climb_after`, `ring_time`
//! and their like) is the ladder's business and in no request.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::engine::general_purpose::STANDARD;
use domain::delivery::PushKind;
use domain::inbox::Owing;
use domain::wake::{Claim, Draw, Facts, Presence, RingFacts, Wake};
use domain::{
    AppId, AttemptId, BackgroundBudget, Environment, IosRoute, Offset, Owed, Platform, Policy,
    ProviderId, PushId, Reason, Router, Urgency,
};
use serde_json::Value;
use sim::pki::{ApnsKey, ServiceAccount};
use store::model::{Newest, Target, Texts};
use wire::http::{CredentialKind, CredentialUpload};

use super::tests::{
    NOW, apple_request, browser_request, calling, check, claimed, google_request, ids,
};
use super::*;
use crate::circuits::Place;
use crate::clock::Clock;
use crate::config::Config;
use crate::credentials::{Chosen, Client, Traffic, upload};
use crate::node::Node;
use crate::pushes::address::Destination;
use crate::pushes::render::apns::Topics;
use crate::pushes::render::{self, Parts};

/// A setting in two positions, the default first.
struct Switch {
    /// Its name in the API.
    name: &'static str,
    /// Its positions, as the files name them.
    positions: [&'static str; 2],
    /// Puts it into the other position.
    turn: fn(&mut Settings),
}

const SWITCHES: [Switch; 11] = [
    Switch {
        name: "push_enabled",
        positions: ["on", "off"],
        turn: |settings| settings.policy.push_enabled = false,
    },
    Switch {
        name: "background_push",
        positions: ["on", "off"],
        turn: |settings| settings.policy.first_rung = FirstRung::Alert,
    },
    Switch {
        name: "sound",
        positions: ["default", "none"],
        turn: |settings| settings.sound = "none".to_owned(),
    },
    Switch {
        name: "collapse_notifications",
        positions: ["off", "on"],
        turn: |settings| settings.collapse_notifications = true,
    },
    Switch {
        name: "sandbox_to_production",
        positions: ["off", "on"],
        turn: |settings| settings.policy.sandbox_to_production = true,
    },
    Switch {
        name: "route_ios",
        positions: ["automatic", "fcm"],
        turn: |settings| settings.policy.ios_route = IosRoute::Fcm,
    },
    Switch {
        name: "texts",
        positions: ["none", "german"],
        turn: |settings| {
            let german = Texts { title: Some("Neue Nachricht".to_owned()), body: None };
            settings.texts.insert("de".to_owned(), german);
        },
    },
    Switch {
        name: "print_push_logs",
        positions: ["off", "on"],
        turn: |settings| settings.print_push_logs = true,
    },
    Switch {
        name: "log_payloads",
        positions: ["off", "on"],
        turn: |settings| settings.log_payloads = true,
    },
    Switch {
        name: "climb_after",
        positions: ["half_a_minute", "a_minute"],
        turn: |settings| settings.policy.climb_after = Duration::from_secs(60),
    },
    Switch {
        name: "repeat_after",
        positions: ["four", "never"],
        turn: |settings| settings.policy.repeats.clear(),
    },
];

/// Whose requests are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    /// With FCM's token.
    Android,
    /// With a subscription.
    Browser,
    /// Run from Xcode, with both of Apple's tokens and FCM's.
    Iphone,
    /// With FCM's token alone.
    IphoneOfFirebase,
}

const DEVICES: [Device; 4] =
    [Device::Android, Device::Browser, Device::Iphone, Device::IphoneOfFirebase];

/// The files there are, `switches/<device>/<switch>_<position>.json`: a switch without files changes
/// nothing for the device.
const FILES: [&str; 44] = [
    "switches/apns/background_push_off.json",
    "switches/apns/background_push_on.json",
    "switches/apns/collapse_notifications_off.json",
    "switches/apns/collapse_notifications_on.json",
    "switches/apns/push_enabled_off.json",
    "switches/apns/push_enabled_on.json",
    "switches/apns/route_ios_automatic.json",
    "switches/apns/route_ios_fcm.json",
    "switches/apns/sandbox_to_production_off.json",
    "switches/apns/sandbox_to_production_on.json",
    "switches/apns/sound_default.json",
    "switches/apns/sound_none.json",
    "switches/apns/texts_german.json",
    "switches/apns/texts_none.json",
    "switches/fcm/background_push_off.json",
    "switches/fcm/background_push_on.json",
    "switches/fcm/collapse_notifications_off.json",
    "switches/fcm/collapse_notifications_on.json",
    "switches/fcm/push_enabled_off.json",
    "switches/fcm/push_enabled_on.json",
    "switches/fcm/sound_default.json",
    "switches/fcm/sound_none.json",
    "switches/fcm/texts_german.json",
    "switches/fcm/texts_none.json",
    "switches/fcm_ios/background_push_off.json",
    "switches/fcm_ios/background_push_on.json",
    "switches/fcm_ios/collapse_notifications_off.json",
    "switches/fcm_ios/collapse_notifications_on.json",
    "switches/fcm_ios/push_enabled_off.json",
    "switches/fcm_ios/push_enabled_on.json",
    "switches/fcm_ios/sound_default.json",
    "switches/fcm_ios/sound_none.json",
    "switches/fcm_ios/texts_german.json",
    "switches/fcm_ios/texts_none.json",
    "switches/webpush/background_push_off.json",
    "switches/webpush/background_push_on.json",
    "switches/webpush/collapse_notifications_off.json",
    "switches/webpush/collapse_notifications_on.json",
    "switches/webpush/push_enabled_off.json",
    "switches/webpush/push_enabled_on.json",
    "switches/webpush/sound_default.json",
    "switches/webpush/sound_none.json",
    "switches/webpush/texts_german.json",
    "switches/webpush/texts_none.json",
];

#[tokio::test]
async fn each_switch_changes_what_its_files_say_and_nothing_else() {
    let office = Office::open().await;
    let mut checked = Vec::new();
    for Switch { name, positions, turn } in SWITCHES {
        let mut turned = Settings::default();
        turn(&mut turned);
        for device in DEVICES {
            let before = office.requests(device, &Settings::default());
            let after = office.requests(device, &turned);
            let differ = || before.keys().filter(|key| before[*key] != after[*key]);
            for (position, requests) in positions.iter().zip([&before, &after]) {
                let file = format!("switches/{}/{name}_{position}.json", device.folder());
                if FILES.contains(&&*file) {
                    assert!(differ().next().is_some(), "{name} changes nothing for {device:?}");
                    let shown = differ().map(|key| (key.clone(), requests[key].clone()));
                    check(&file, &Value::Object(shown.collect()));
                    checked.push(file);
                } else {
                    let differ: Vec<_> = differ().collect();
                    assert!(differ.is_empty(), "{name} changes {differ:?}, and {file} is no file");
                }
            }
        }
    }
    checked.sort();
    assert_eq!(checked, FILES, "the files that were compared, and those that there are");
    office.close().await;
}

/// A setting that is new does not compile here: give it a row above, or say why it has none.
#[test]
fn every_setting_was_thought_of() {
    let Settings {
        policy,
        sound: _,
        collapse_notifications: _,
        texts: _,
        print_push_logs: _,
        log_payloads: _,
        // What is said without `texts`; the files of `texts` show it.
        alert_title: _,
        alert_body: _,
        // What a message may bring along; `*_own.json` are the files of what it brings.
        clients_set_push: _,
        // How long a message is kept.
        default_ttl_s: _,
        // What is told to back ends.
        kept_events: _,
        offline_event_every: _,
        offline_event_body: _,
    } = Settings::default();
    let Policy {
        push_enabled: _,
        first_rung: _,
        sandbox_to_production: _,
        ios_route: _,
        climb_after: _,
        repeats: _,
        // How long a call rings and waits for a lost side, and how long a session may take.
        ring_time: _,
        resume_time: _,
        ack_deadline: _,
        // When, and not what.
        hold_while_active_elsewhere: _,
    } = policy;
}

/// A server with a credential for each push service, which nothing is sent by.
struct Office {
    node: Arc<Node>,
    app: AppId,
    /// Held for the server's files.
    _folder: tempfile::TempDir,
}

impl Office {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::defaults().unwrap();
        config.data_dir = folder.path().to_owned();
        let (clock, _) = Clock::by_hand(NOW);
        let node = Node::start(config, clock, false).await.unwrap();
        let app = node.store.add_app("clinic".to_owned(), NOW).await.unwrap().id;
        let key = ApnsKey::generate().unwrap();
        let account = ServiceAccount::generate("demo-project").unwrap();
        let account = account.json("https://oauth2.googleapis.com/token");
        let credential = |kind, file: &str| CredentialUpload::new(kind, STANDARD.encode(file));
        for credential in [
            CredentialUpload {
                file_name: Some(key.file_name()),
                team_id: Some(key.team_id.clone()),
                bundle_ids: vec!["com.example.reveille".to_owned()],
                ..credential(CredentialKind::ApnsKey, key.pem())
            },
            credential(CredentialKind::FcmServiceAccount, &account),
            CredentialUpload {
                subject: Some("mailto:push@example.com".to_owned()),
                ..credential(CredentialKind::WebpushVapid, "")
            },
        ] {
            upload(&node, app, credential).await.map_err(wire::Problem::from).unwrap();
        }
        Self { node, app, _folder: folder }
    }

    async fn close(self) {
        self.node.stop().await;
    }

    /// What goes out to a device, by occasion.
    fn requests(&self, device: Device, settings: &Settings) -> BTreeMap<String, Value> {
        let mut alert_mode = settings.clone();
        alert_mode.policy.first_rung = FirstRung::Alert;
        let first = Rung::first(&settings.policy, device.platform());
        let requests = [
            ("1 the first push of a wake", self.wake(device, first, settings)),
            ("2 the alert", self.wake(device, Rung::Alert, settings)),
            ("3 its repeat", self.wake(device, Rung::Repeat(0), settings)),
            ("4 the alert without a background push", self.wake(device, Rung::Alert, &alert_mode)),
            ("5 a call", self.wake(device, Rung::Ring, settings)),
            ("6 a direct push", self.direct(device, settings)),
        ];
        requests.map(|(occasion, request)| (occasion.to_owned(), request)).into()
    }

    /// A wake on a rung, from its claim on.
    fn wake(&self, device: Device, rung: Rung, settings: &Settings) -> Value {
        let targets = device.targets();
        let kinds: Vec<_> = targets.iter().map(|target| target.kind).collect();
        let router = Router { ios: settings.policy.ios_route, apns: true };
        let (platform, policy) = (device.platform(), &settings.policy);
        let wake = Wake::open(rung, NOW, Reason::Message);
        let draw = Draw {
            attempt: AttemptId::from_bits(0xc1),
            provider: ProviderId::from_bits(0x0192_f0a1_7b3c_7d4e_8f50_6172_8394_a5b6),
        };
        let claim = if rung == Rung::Ring {
            let rings_until = Some(NOW.plus(Duration::from_secs(30)));
            let target = router.call(platform, &kinds);
            let facts = RingFacts { rings_until, rings_here: false, target };
            wake.claim_ring(&facts, policy, draw, NOW)
        } else {
            let owed = Owed {
                head: Offset::from_number(42),
                oldest_unpushed: Some(Offset::from_number(42)),
                count: 2,
                urgency: Urgency::Normal,
                expires_at: NOW.plus(Duration::from_secs(7 * 86_400)),
            };
            let facts = Facts {
                owing: Owing::Owed(owed),
                presence: Presence::Asleep,
                active_elsewhere: false,
                platform,
                target: router.messages(platform, &kinds),
                budget: BackgroundBudget::default(),
            };
            wake.claim(&facts, policy, draw, NOW)
        };
        let plan = match claim {
            Claim::Push(_, plan) => plan,
            Claim::Wait(wake) => return json!({ "not pushed": wake.reason.as_str() }),
            Claim::Close(reason) => return json!({ "not pushed": reason.as_str() }),
        };
        let target = targets.into_iter().find(|target| target.kind == plan.target).unwrap();
        let mut claimed = Claimed { platform, target, ..claimed(plan.target, plan.rung) };
        // Without texts and sound of its own, so that the app's are seen.
        let thread = Some("lunch".to_owned());
        claimed.newest = Some(Newest { thread, push: None, missed_call: false });
        if rung == Rung::Ring {
            claimed = calling(claimed);
        }
        claimed.plan = plan;
        self.request(&claimed.target, settings, |client| match client {
            Client::Apns { topic, voip_topic, .. } => {
                let push = apns(&ids(), &claimed, settings, topic, voip_topic, NOW);
                apple_request(&push.unwrap())
            }
            Client::Fcm(_) => google_request(&fcm(&ids(), &claimed, settings, NOW)),
            Client::Webpush(_) => {
                browser_request(&webpush(&ids(), &claimed, settings, NOW).unwrap())
            }
        })
    }

    /// A direct push with a title.
    fn direct(&self, device: Device, settings: &Settings) -> Value {
        if let Err(refusal) = crate::pushes::check_switch(&settings.policy) {
            return refused(&refusal);
        }
        let targets = device.targets();
        let kinds: Vec<_> = targets.iter().map(|target| target.kind).collect();
        let router = Router { ios: settings.policy.ios_route, apns: true };
        let kind = router.messages(device.platform(), &kinds).unwrap();
        let target = targets.into_iter().find(|target| target.kind == kind).unwrap();
        let content = serde_json::from_value(json!({ "texts": { "title": "Your order" } }));
        let (ids, content) = (ids(), content.unwrap());
        let parts = Parts {
            ids: &ids,
            app: AppId::from_number(1),
            push: PushId::from_bits(9),
            kind: PushKind::Alert,
            content: &content,
            platform: Some(device.platform()),
            locale: Some("de-AT"),
            sound: &settings.sound,
            provider: ProviderId::from_bits(0x0192_f0a1_7b3c_7d4e_8f50_6172_8394_a5b6),
            at: NOW,
            expires_at: NOW.plus(Duration::from_secs(3_600)),
        };
        self.request(&target, settings, |client| match client {
            Client::Apns { topic, voip_topic, .. } => {
                let topics = Topics { app: topic, voip: voip_topic };
                apple_request(
                    &render::apns::push(&parts, kind, &target.token, topics, NOW).unwrap(),
                )
            }
            Client::Fcm(_) => {
                let to = Destination::Token(target.token.clone());
                google_request(&render::fcm::message(&parts, &to, NOW).unwrap())
            }
            Client::Webpush(_) => {
                let subscription = Subscription::parse(target.token.as_bytes()).unwrap();
                browser_request(&render::webpush::push(&parts, NOW).unwrap().to(subscription))
            }
        })
    }

    /// The push service that is chosen for a target, and what it is asked.
    fn request(
        &self,
        target: &Target,
        settings: &Settings,
        encode: impl FnOnce(Client) -> Value,
    ) -> Value {
        let Node { clients, circuits, .. } = &*self.node;
        match clients.choose(circuits, target, self.app, settings, Traffic::Wake) {
            Ok(Chosen { client, circuit }) => {
                let mut request = encode(client);
                request["to"] = match &circuit.place {
                    Place::Apns(environment) => format!("APNs, {}", environment.as_str()),
                    Place::Fcm => "FCM".to_owned(),
                    Place::Webpush(origin) => format!("Web Push at {origin}"),
                }
                .into();
                request
            }
            Err(refusal) => refused(&refusal),
        }
    }
}

impl Device {
    /// What its files are under.
    const fn folder(self) -> &'static str {
        match self {
            Self::Android => "fcm",
            Self::Browser => "webpush",
            Self::Iphone => "apns",
            Self::IphoneOfFirebase => "fcm_ios",
        }
    }

    const fn platform(self) -> Platform {
        match self {
            Self::Android => Platform::Android,
            Self::Browser => Platform::Web,
            Self::Iphone | Self::IphoneOfFirebase => Platform::Ios,
        }
    }

    fn targets(self) -> Vec<Target> {
        let kinds: &[TargetKind] = match self {
            Self::Android | Self::IphoneOfFirebase => &[TargetKind::Fcm],
            Self::Browser => &[TargetKind::Webpush],
            Self::Iphone => &[TargetKind::Apns, TargetKind::ApnsVoip, TargetKind::Fcm],
        };
        let target = |kind: TargetKind| {
            let mut target = claimed(kind, Rung::Alert).target;
            target.environment = kind.is_apns().then_some(Environment::Sandbox);
            // A browser's is the key it subscribed with, and there is one.
            target.app_id = target.app_id.filter(|_| kind != TargetKind::Webpush);
            target
        };
        kinds.iter().copied().map(target).collect()
    }
}

fn refused(refusal: &Refusal) -> Value {
    json!({ "refused": format!("{} {}", refusal.diagnosis.code(), refusal.reason) })
}
