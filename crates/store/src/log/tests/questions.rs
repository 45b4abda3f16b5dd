//! Each filter, the pages, the timeline of a message.

use super::*;

/// A record of every kind of subject, told apart by its number.
fn subjects() -> Vec<Record> {
    let device = |number, id: &str| {
        Some(DeviceName { number: DeviceNumber::from_number(number), id: id.into() })
    };
    vec![
        Record { user: Some("alice".into()), step: Step::Accept, ..record(1) },
        Record { user: Some("alice".into()), device: device(1, "phone"), ..record(2) },
        Record { inbox: Some(InboxId::from_number(2)), user: Some("bob".into()), ..record(3) },
        Record { device: device(2, "tablet"), wake: Some(WakeId::from_bits(7)), ..record(4) },
        Record { step: Step::Push, wake: Some(WakeId::from_bits(7)), code: Some(911), ..record(5) },
        Record { step: Step::Push, code: Some(913), ..record(6) },
        Record { call: Some(CallId::from_bits(3)), ..record(7) },
        Record { message: Some(MessageId::from_bits(5)), ..record(8) },
        Record { app: AppId::from_number(2), code: Some(911), ..record(9) },
        Record { inbox: None, push: Some(PushId::from_bits(6)), ..record(10) },
    ]
}

#[tokio::test]
async fn each_filter_finds_its_records_and_no_other() {
    let (_dir, log) = temp();
    for record in subjects() {
        log.append(record);
    }
    let all = Query { order: Order::OldestFirst, ..Query::of(APP) };
    let trace = Trace { message: MessageId::from_bits(5), places: vec![] };
    let at = |n| Some(record(n).at);
    let device = |number| Some(DeviceNumber::from_number(number));
    let table: [(&str, Query, &[i64]); 18] = [
        ("all", all.clone(), &[1, 2, 3, 4, 5, 6, 7, 8, 10]),
        ("newest first", Query::of(APP), &[10, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("another app", Query::of(AppId::from_number(2)), &[9]),
        ("no such app", Query::of(AppId::from_number(3)), &[]),
        ("inbox", Query { inbox: Some(InboxId::from_number(2)), ..all.clone() }, &[3]),
        ("user", Query { user: Some("alice".to_owned()), ..all.clone() }, &[1, 2]),
        ("device", Query { device: device(1), ..all.clone() }, &[2]),
        ("wake", Query { wake: Some(WakeId::from_bits(7)), ..all.clone() }, &[4, 5]),
        ("call", Query { call: Some(CallId::from_bits(3)), ..all.clone() }, &[7]),
        ("push", Query { push: Some(PushId::from_bits(6)), ..all.clone() }, &[10]),
        ("message", Query { trace: Some(trace), ..all.clone() }, &[8]),
        ("code", Query { code: Some(911), ..all.clone() }, &[5]),
        ("steps", Query { steps: vec![Step::Push, Step::Accept], ..all.clone() }, &[1, 5, 6]),
        ("since", Query { since: at(6), ..all.clone() }, &[6, 7, 8, 10]),
        ("until", Query { until: at(3), ..all.clone() }, &[1, 2]),
        ("limit", Query { limit: 2, ..all.clone() }, &[1, 2]),
        ("no limit is one", Query { limit: 0, ..all.clone() }, &[1]),
        ("all must hold", Query { wake: Some(WakeId::from_bits(7)), code: Some(911), ..all }, &[5]),
    ];
    for (name, query, expected) in table {
        let page = log.query(query).await.unwrap();
        assert_eq!(numbers(&page.records), expected, "{name}");
    }
}

#[tokio::test]
async fn pages_cover_everything_once_in_both_orders() {
    let (_dir, log) = temp();
    let mut all = Vec::new();
    for days in 0..3 {
        for n in 0..7 {
            // Several of one time, so that a cursor between them must tell them apart.
            let code = Some(u16::try_from(n).unwrap());
            let record = Record { at: record(n / 3).at.plus(DAY * days), code, ..record(0) };
            log.append(record.clone());
            all.push(record);
        }
    }
    for limit in 1..=22 {
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let mut query = Query { limit, order, ..Query::of(APP) };
            let mut seen = Vec::new();
            loop {
                let page = log.query(query.clone()).await.unwrap();
                assert!(page.records.len() == limit || page.next.is_none());
                seen.extend(page.records);
                let Some(next) = page.next else { break };
                query.after = Cursor::parse(&next.to_string());
            }
            if order == Order::NewestFirst {
                seen.reverse();
            }
            assert_eq!(seen, all, "limit {limit} {order:?}");
        }
    }
}

#[tokio::test]
async fn a_message_finds_what_was_done_for_many_at_once() {
    let (_dir, log) = temp();
    let message = MessageId::from_bits(42);
    let (alice, bob) = (InboxId::from_number(1), InboxId::from_number(2));
    let covers = |inbox, after, up_to, n| Record {
        inbox: Some(inbox),
        step: Step::Push,
        offsets: Some(Covered {
            after: Offset::from_number(after),
            up_to: Offset::from_number(up_to),
        }),
        ..record(n)
    };
    let accepted = |inbox, offset, n| Record {
        inbox: Some(inbox),
        step: Step::Accept,
        message: Some(message),
        offsets: Some(Covered::one(Offset::from_number(offset))),
        ..record(n)
    };
    for record in [
        covers(alice, 0, 9, 0),
        accepted(alice, 5, 1),
        accepted(bob, 3, 2),
        covers(alice, 4, 5, 3),
        covers(alice, 5, 9, 4),
        covers(alice, 2, 7, 5),
        covers(bob, 3, 5, 6),
        covers(bob, 2, 3, 7),
        Record { app: AppId::from_number(2), ..covers(alice, 4, 5, 8) },
        Record { at: record(9).at.plus(DAY), ..covers(alice, 3, 5, 0) },
        // A failure of one recipient names the message, without a place.
        Record { step: Step::Accept, message: Some(message), ..record(10) },
    ] {
        log.append(record);
    }
    let next_day = i64::try_from(DAY.as_micros()).unwrap() + 9;
    let timeline = log.timeline(APP, message).await.unwrap();
    assert_eq!(numbers(&timeline), [1, 2, 3, 5, 7, 10, next_day]);
    assert!(log.timeline(APP, MessageId::from_bits(43)).await.unwrap().is_empty());
    assert!(log.timeline(AppId::from_number(2), message).await.unwrap().is_empty());
    // The same by places that the caller knows.
    let place = Place { inbox: bob, offset: Offset::from_number(3) };
    let trace = Trace { message: MessageId::from_bits(0), places: vec![place] };
    let query = Query { trace: Some(trace), order: Order::OldestFirst, ..Query::of(APP) };
    assert_eq!(numbers(&log.query(query).await.unwrap().records), [2, 7]);
}
