use std::collections::HashSet;

use super::*;
use crate::wake::Rung;

const NOW: Time = Time::from_millis(1_800_000_000_000);

fn ago(seconds: u64) -> Time {
    NOW.minus(Duration::from_secs(seconds))
}

/// An iPhone asleep, all of it as it should be.
fn good() -> Facts {
    let health = CredentialHealth { believed_at: Some(ago(500)), ..CredentialHealth::default() };
    Facts {
        push_enabled: true,
        platform: Platform::Ios,
        session: Link::None,
        last_seen_at: ago(600),
        targets: vec![TargetKind::Apns, TargetKind::ApnsVoip],
        target: Some(TargetFacts {
            kind: TargetKind::Apns,
            suspect_since: None,
            credential: Ok(health),
        }),
        seen: Seen::default(),
        wake: None,
        is_behind: false,
    }
}

fn with_target(change: impl FnOnce(&mut TargetFacts)) -> Facts {
    let mut facts = good();
    change(facts.target.as_mut().unwrap());
    facts
}

fn with_health(health: CredentialHealth) -> Facts {
    with_target(|target| target.credential = Ok(health))
}

fn pushed(last: LastPush, seconds_ago: u64) -> Facts {
    let seen = Seen { push: Some((ago(seconds_ago), last)), ..Seen::default() };
    Facts { seen, is_behind: true, ..good() }
}

fn woken(how: Woken) -> Facts {
    let mut facts = pushed(LastPush::Taken, 100);
    facts.seen.woken = Some((ago(90), how));
    facts.seen.life_at = Some(ago(90));
    facts
}

fn parked(reason: Reason) -> Facts {
    let mut wake = Wake::open(Rung::Alert, NOW, reason);
    wake.phase = Phase::Parked;
    Facts { wake: Some(wake), is_behind: true, ..good() }
}

/// Each rule in a situation of its own, and what is to be fixed there.
fn table() -> Vec<(Rule, Facts, Option<Rule>)> {
    let open = |diagnosis| {
        with_health(CredentialHealth { open: Some(diagnosis), ..CredentialHealth::default() })
    };
    let without = |targets: Vec<TargetKind>| Facts { targets, target: None, ..good() };
    let own = |rule, facts| (rule, facts, Some(rule));
    let fine = |rule, facts| (rule, facts, None);
    let dropped = Seen { token_dropped_at: Some(ago(9)), ..Seen::default() };
    let mut reads = pushed(LastPush::Taken, 100);
    (reads.seen.read_at, reads.seen.life_at) = (Some(ago(50)), Some(ago(50)));
    let spent = Seen { background_last_hour: 3, ..Seen::default() };
    vec![
        own(Rule::PushOff, Facts { push_enabled: false, ..good() }),
        fine(Rule::Live, Facts { session: Link::Live, ..good() }),
        fine(Rule::Suspect, Facts { session: Link::Suspect, ..good() }),
        fine(Rule::Asleep, good()),
        own(Rule::LongGone, Facts { last_seen_at: ago(31 * 86_400), ..good() }),
        own(Rule::TokenDropped, Facts { seen: dropped, ..without(vec![]) }),
        own(Rule::VoipOnly, without(vec![TargetKind::ApnsVoip])),
        own(Rule::NoTarget, without(vec![])),
        fine(Rule::NoVoip, Facts { targets: vec![TargetKind::Apns], ..good() }),
        own(Rule::TokenSuspect, with_target(|target| target.suspect_since = Some(ago(1)))),
        own(
            Rule::NoCredential,
            with_target(|target| target.credential = Err(Diagnosis::NotConfigured)),
        ),
        own(Rule::CredentialExpired, open(Diagnosis::CertificateExpired)),
        own(Rule::ProductionRequired, open(Diagnosis::ProductionCertificateRequired)),
        own(Rule::OtherApp, with_target(|target| target.credential = Err(Diagnosis::AppMismatch))),
        own(Rule::CredentialRefused, open(Diagnosis::CertificateError)),
        own(Rule::ServiceAway, open(Diagnosis::TemporarilyDisabled)),
        own(
            Rule::MassFailure,
            with_health(CredentialHealth { in_mass_failure: true, ..CredentialHealth::default() }),
        ),
        own(
            Rule::CredentialEnds,
            with_health(CredentialHealth {
                not_after: Some(NOW.plus(Duration::from_secs(86_400))),
                ..CredentialHealth::default()
            }),
        ),
        fine(Rule::NeverBelieved, with_health(CredentialHealth::default())),
        fine(Rule::CredentialGood, good()),
        own(Rule::PushRefused, pushed(LastPush::Refused(Diagnosis::BadPayload), 5)),
        own(Rule::PushUnknown, pushed(LastPush::Unknown, 5)),
        own(Rule::NeverReached, pushed(LastPush::Taken, 61)),
        own(Rule::WokenButRefused, woken(Woken::Refused)),
        own(Rule::WokenLate, woken(Woken::Late)),
        own(Rule::WokenDemoted, woken(Woken::Demoted)),
        own(Rule::NotAcknowledged, reads),
        fine(Rule::PushArrived, woken(Woken::Well)),
        fine(Rule::BudgetSpent, Facts { seen: spent, ..good() }),
        fine(Rule::Muted, parked(Reason::Muted)),
        fine(Rule::ReadElsewhere, parked(Reason::ReadElsewhere)),
        own(Rule::Exhausted, parked(Reason::Exhausted)),
        own(Rule::Unsendable, parked(Reason::Unsendable)),
        fine(
            Rule::WakeOpen,
            Facts { wake: Some(Wake::open(Rung::Alert, NOW, Reason::Message)), ..good() },
        ),
        fine(Rule::NothingOwed, good()),
    ]
}

#[test]
fn each_rule_is_found_where_it_holds_and_named_as_the_thing_to_fix() {
    for (rule, facts, fix) in table() {
        let found = judge(&facts, NOW);
        assert!(found.contains(&rule), "{rule:?} is not in {found:?}");
        assert_eq!(worst(&found), fix, "{rule:?}: {found:?}");
    }
}

#[test]
fn the_table_has_every_rule_and_each_word_is_its_own() {
    // A user without devices is judged before there are facts of one.
    let tested: HashSet<_> =
        table().into_iter().map(|(rule, ..)| rule).chain([Rule::NoDevice]).collect();
    let words: HashSet<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!((tested.len(), words.len()), (Rule::ALL.len(), Rule::ALL.len()));
}

#[test]
fn what_is_found_stands_in_the_order_of_the_rules() {
    let order = |rule: &Rule| Rule::ALL.iter().position(|other| other == rule);
    for (rule, facts, _) in table() {
        let places: Vec<_> = judge(&facts, NOW).iter().map(order).collect();
        assert!(places.is_sorted(), "{rule:?}: {places:?}");
    }
}

#[test]
fn silence_is_no_verdict_at_once_and_a_sign_of_life_ends_it() {
    let found = |facts: &Facts| judge(facts, NOW).contains(&Rule::NeverReached);
    assert!(!found(&pushed(LastPush::Taken, 60)));
    let mut facts = pushed(LastPush::Taken, 3_600);
    assert!(found(&facts));
    // From before the push.
    facts.seen.life_at = Some(ago(3_601));
    assert!(found(&facts));
    facts.seen.life_at = Some(ago(3_599));
    assert!(!found(&facts));
}

#[test]
fn of_two_troubles_the_worse_is_to_be_fixed_and_of_equals_the_earlier() {
    let mut facts = pushed(LastPush::Taken, 61);
    facts.last_seen_at = ago(40 * 86_400);
    assert_eq!(worst(&judge(&facts, NOW)), Some(Rule::NeverReached), "not the long absence");
    facts.push_enabled = false;
    assert_eq!(worst(&judge(&facts, NOW)), Some(Rule::PushOff));
}
