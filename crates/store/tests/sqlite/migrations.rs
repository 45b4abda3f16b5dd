//! What an earlier version left behind is gone on with.

use std::collections::BTreeSet;
use std::path::Path;

use domain::{DeviceNumber, Environment, Reason, TargetKind};
use rusqlite::{Connection, params};
use store::model::Subject;

use super::backend::Backend;
use super::conformance::world::{NOON, SECOND, World, accepted};

/// The schema of the first version: a step once released never changes.
const FIRST: &str = include_str!("../../src/sqlite/migrations/0001_start.sql");

const ANDROID: i64 = 1;
const PRODUCTION: i64 = 2;
const SANDBOX: i64 = 3;
const CLAIMED: i64 = 4;
const PARKED: i64 = 5;
const RINGS: i64 = 6;

/// Writes what the first version had when it was stopped: an app with its APNs credential, devices
/// that are owed a message each, and their wakes, due, on their way and parked; and a call.
fn write_first_version(file: &Path) -> rusqlite::Result<()> {
    let conn = Connection::open(file)?;
    conn.execute_batch(FIRST)?;
    conn.pragma_update(None, "user_version", 1)?;
    let now = NOON.as_micros();
    conn.execute_batch(&format!(
        "INSERT INTO meta VALUES ('id_key', zeroblob(32));
         INSERT INTO incarnations VALUES (1, {now});
         INSERT INTO apps VALUES (1, 'chat', '{{\"background_push\":false}}', {now});
         INSERT INTO credentials VALUES (1, 1, 'apns_key', '{{}}', x'00', {now});
         INSERT INTO lanes (id, app, call, kind, app_id) VALUES
            (1, 1, 0, 'fcm', 'com.example.chat'), (2, 1, 0, 'apns', 'com.example.chat'),
            (3, 1, 1, 'apns_voip', 'com.example.chat');
         INSERT INTO calls (id, app, caller_inbox, caller_device, callee_inbox, phase, until, video,
                caller_name, created_at)
            VALUES (zeroblob(16), 1, 1, 1, {RINGS}, 'ringing', {}, 0, 'somebody', {now});",
        NOON.plus(SECOND * 45).as_micros(),
    ))?;
    for (device, kind, environment) in [
        (ANDROID, "fcm", None),
        (PRODUCTION, "apns", None),
        (SANDBOX, "apns", Some("sandbox")),
        (CLAIMED, "apns", None),
        (PARKED, "", None),
        (RINGS, "apns_voip", None),
    ] {
        let platform = if device == ANDROID { "android" } else { "ios" };
        let (message_lane, call_lane) = match kind {
            "fcm" => (Some(1), None),
            "apns" => (Some(2), None),
            "apns_voip" => (None, Some(3)),
            _ => (None, None),
        };
        conn.execute(
            "INSERT INTO inboxes (id, app, user, epoch, head, entries, bytes, created_at)
             VALUES (?1, 1, 'user ' || ?1, 7, 1, 1, 2, ?2)",
            [device, now],
        )?;
        conn.execute(
            "INSERT INTO entries (inbox, offset, id, kind, wakes, urgency, created_at, expires_at,
                body)
             VALUES (?1, 1, zeroblob(16), 0, 1, 0, ?2, ?3, '{}')",
            [device, now, NOON.plus(SECOND * 3_600).as_micros()],
        )?;
        conn.execute(
            "INSERT INTO devices (id, app, name, inbox, platform, secret, cursor, last_seen_at,
                created_at, message_lane, call_lane)
             VALUES (?1, 1, 'phone ' || ?1, ?1, ?2, CAST(?1 AS BLOB), 0, ?3, ?3, ?4, ?5)",
            params![device, platform, now, message_lane, call_lane],
        )?;
        if !kind.is_empty() {
            conn.execute(
                "INSERT INTO targets (device, kind, app, token, environment, app_id, registered_at)
                 VALUES (?1, ?2, 1, 'token ' || ?1, ?3, 'com.example.chat', ?4)",
                params![device, kind, environment, now],
            )?;
        }
        let attempt = (device == CLAIMED).then_some([9_u8; 16]);
        let due = message_lane.map(|_| if attempt.is_some() { now + 60_000_000 } else { now });
        let reason = if due.is_some() { "message" } else { "no_target" };
        conn.execute(
            "INSERT INTO wakes (device, call, id, inbox, lane, rung, due, reason, attempt, provider,
                covers, opened_at)
             VALUES (?1, 0, randomblob(16), ?1, ?2, 'alert', ?3, ?4, ?5, ?5, 1, ?6)",
            params![device, message_lane, due, reason, attempt, now],
        )?;
    }
    conn.execute(
        "INSERT INTO wakes (device, call, id, inbox, lane, rung, due, reason, opened_at)
         VALUES (?1, 1, randomblob(16), ?1, 3, 'ring', ?2, 'ring', ?2)",
        [RINGS, now],
    )?;
    Ok(())
}

#[tokio::test]
async fn the_wakes_of_the_first_version_are_kept_and_claimed() {
    // The job that looks at every device anew runs beside the claims, before them or after.
    for looks_first in [false, true] {
        let backend = Backend::fresh();
        write_first_version(&backend.file()).expect("the rows of the first version");
        let (mut world, effects) = World::found(backend).await;
        assert!(effects.relane, "the lanes of the first version knew no environments");
        let seen = world.look();
        assert_eq!((seen.wakes.len(), seen.devices.len(), seen.targets.len()), (7, 6, 5));
        let lanes = seen.lanes.iter().map(|row| (row.id.number(), row.subject, row.environment));
        let production = Some(Environment::Production);
        let expected = [
            (1, Subject::Message, None),
            (2, Subject::Message, production),
            (3, Subject::Call, production),
        ];
        assert!(lanes.eq(expected), "{:?}", seen.lanes);
        if looks_first {
            assert!(!world.store().relane(world.now).await.expect("looked").0);
        }
        // What is in another lane than it belongs to is handed over, and claimed there.
        let mut claimed = world.claim_due().await;
        claimed.extend(world.claim_due().await);
        let woken: BTreeSet<_> =
            claimed.iter().map(|claimed| (claimed.key.device.number(), claimed.key.call)).collect();
        assert_eq!(claimed.len(), woken.len(), "each once");
        let due = [(ANDROID, 0), (PRODUCTION, 0), (SANDBOX, 0), (CLAIMED, 0), (RINGS, 1)];
        assert_eq!(woken, BTreeSet::from(due), "looks first: {looks_first}");
        let again = claimed.iter().find(|claimed| claimed.key.device.number() == CLAIMED);
        let provider = again.expect("it was on its way").plan.provider;
        assert_eq!(provider.bits().to_be_bytes(), [9; 16], "by the name it was sent by");
        for claimed in &claimed {
            assert!(!world.settle(claimed, accepted()).await.stale);
        }
        while world.store().relane(world.now).await.expect("looked").0 {}
        world.look();
        assert!(!world.restart().await.relane);
        // The parked one opens as ever.
        let wake = world.look();
        let parked = wake.wake(DeviceNumber::from_number(PARKED)).expect("open");
        assert_eq!((parked.due, &*parked.reason), (None, Reason::NoTarget.as_str()));
        let set = store::model::SetTarget {
            device: DeviceNumber::from_number(PARKED),
            kind: TargetKind::Apns,
            token: "new".to_owned(),
            environment: None,
            app_id: None,
            now: world.now,
        };
        world.store().set_target(set).await.expect("set");
        assert_eq!(world.claim_one().await.key.device.number(), PARKED);
    }
}
