//! What the study says, in Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use crate::study::{Outcome, Plan, Tally, World};
use crate::{Named, Varied};

/// Everything that is told.
pub(crate) struct Report<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) named: &'a [Named],
    pub(crate) outcomes: &'a [Outcome],
    /// By the share of iPhones that run no app in the background.
    pub(crate) refresh: &'a [Varied],
    /// By the share of phones whose user allows no notifications.
    pub(crate) alerts: &'a [Varied],
    /// By the background runs that iOS allows in an hour.
    pub(crate) runs: &'a [Varied],
    /// The default ladder with one setting changed.
    pub(crate) settings: &'a [Varied],
}

/// The platforms in the order of the tables.
pub(crate) fn platforms(outcome: &Outcome) -> [(&'static str, Tally); 4] {
    [
        ("iOS", outcome.ios.clone()),
        ("Android", outcome.android.clone()),
        ("web", outcome.web.clone()),
        ("all", outcome.all()),
    ]
}

/// The whole text.
pub(crate) fn render(report: &Report<'_>) -> String {
    let Report { plan, named, outcomes, .. } = report;
    let hours = plan.length.as_secs() / 3600;
    let command = format!(
        "cargo xtask fleet --devices {} --hours {hours} --seed {} --write",
        plan.devices, plan.seed
    );
    let mut text = format!("Made by `{command}`; the same command makes the same text.\n\n");
    results(&mut text, named, outcomes);
    text.push_str("\n### If more iPhones run nothing in the background\n\n");
    text.push_str("iPhones: share on the device within 60 s / pushes per wake, of a tenth of the devices.\n\n");
    by_scheme(&mut text, "iPhones without background runs", named, report.refresh, |outcome| {
        outcome.ios.clone()
    });
    text.push_str("\n### If more users allow no notifications\n\n");
    text.push_str("The same two numbers, of a tenth of the devices.\n\n");
    by_scheme(&mut text, "phones without notifications", named, report.alerts, |outcome| {
        outcome.ios.clone()
    });
    text.push_str("\n### If iOS allows more or fewer background runs\n\n");
    text.push_str("The same two numbers, of a tenth of the devices.\n\n");
    by_scheme(&mut text, "background runs an hour", named, report.runs, |outcome| {
        outcome.ios.clone()
    });
    text.push_str("\n### If the default ladder is set otherwise\n\n");
    text.push_str("Of a tenth of the devices.\n\n");
    by_setting(&mut text, report.settings);
    text.push_str("\n### Assumptions\n\n");
    assumptions(&mut text, &plan.world);
    text
}

fn results(text: &mut String, named: &[Named], outcomes: &[Outcome]) {
    let head = [
        "platform",
        "policy",
        "10 s",
        "60 s",
        "10 min",
        "median to visible",
        "pushes per wake",
        "pushes to awake",
        "over budget",
        "demoted",
    ];
    row(text, &head.map(str::to_owned));
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for place in 0..4 {
        for (named, outcome) in named.iter().zip(outcomes) {
            let (platform, tally) = &platforms(outcome)[place];
            row(
                text,
                &[
                    (*platform).to_owned(),
                    named.name.to_owned(),
                    percent(tally.within_10_s, tally.messages),
                    percent(tally.within_60_s, tally.messages),
                    percent(tally.within_10_min, tally.messages),
                    visible(tally.median_visible()),
                    ratio(tally.pushes_per_wake()),
                    percent(tally.awake, tally.pushes),
                    grouped(tally.over_budget),
                    percent(tally.demoted, tally.devices),
                ],
            );
        }
    }
    if let Some(outcome) = outcomes.first() {
        let all = outcome.all();
        let _ = write!(
            text,
            "\n{} devices ({} iPhones, {} Android phones, {} browsers), {} messages.\n",
            grouped(all.devices),
            grouped(outcome.ios.devices),
            grouped(outcome.android.devices),
            grouped(outcome.web.devices),
            grouped(all.messages),
        );
    }
}

/// One row for each value, with reach at 60 s and pushes per wake of each scheme.
fn by_scheme(
    text: &mut String,
    what: &str,
    named: &[Named],
    varied: &[Varied],
    of: fn(&Outcome) -> Tally,
) {
    let head = [what.to_owned()].into_iter();
    row(text, &head.chain(named.iter().map(|named| named.name.to_owned())).collect::<Vec<_>>());
    text.push_str(&format!("|---|{}\n", "--:|".repeat(named.len())));
    for Varied { value, outcomes } in varied {
        let cells = outcomes.iter().map(|outcome| {
            let tally = of(outcome);
            let reach = percent(tally.within_60_s, tally.messages);
            format!("{reach} / {}", ratio(tally.pushes_per_wake()))
        });
        row(text, &[value.clone()].into_iter().chain(cells).collect::<Vec<_>>());
    }
}

/// One row for each setting, with reach and pushes per wake of each platform.
fn by_setting(text: &mut String, varied: &[Varied]) {
    let head = ["the ladder", "iOS 10 s", "iOS 60 s", "iOS 10 min", "Android 60 s", "web 60 s"];
    let pushes = ["iOS", "Android", "web", "all"].map(|name| format!("{name} pushes per wake"));
    row(text, &head.map(str::to_owned).into_iter().chain(pushes).collect::<Vec<_>>());
    text.push_str(&format!("|---|{}\n", "--:|".repeat(9)));
    for Varied { value, outcomes } in varied {
        for outcome in outcomes {
            let Outcome { ios, android, web } = outcome;
            let reach = [
                percent(ios.within_10_s, ios.messages),
                percent(ios.within_60_s, ios.messages),
                percent(ios.within_10_min, ios.messages),
                percent(android.within_60_s, android.messages),
                percent(web.within_60_s, web.messages),
            ];
            let pushes = [ios, android, web, &outcome.all()].map(|it| ratio(it.pushes_per_wake()));
            row(text, &[value.clone()].into_iter().chain(reach).chain(pushes).collect::<Vec<_>>());
        }
    }
}

fn assumptions(text: &mut String, world: &World) {
    text.push_str("| nr. | what | value |\n|---|---|---|\n");
    let share = |share: f64| format!("{share:.0} %");
    let [few, some, many] = world.conversations;
    let rows = [
        ("iPhones, Android phones, browsers", {
            let web = 100.0 - world.ios - world.android;
            format!("{:.0} %, {:.0} %, {web:.0} %", world.ios, world.android)
        }),
        (
            "iPhones on which the system runs no app for background pushes (Background App Refresh off, low power mode)",
            share(world.no_refresh),
        ),
        ("phones whose user allows the app no notifications", share(world.no_alerts)),
        (
            "people who swipe the app away, and how often they do when they leave it",
            format!("{:.0} %, {:.0} %", world.swipers, world.swipes),
        ),
        ("Android phones whose maker takes that for a force stop", share(world.swipe_stops)),
        (
            "phones on a charger at night; switched off at night",
            format!("{:.0} %, {:.0} %", world.charged_at_night, world.off_at_night),
        ),
        (
            "outages of a phone's network in a day, and their mean length",
            format!("{}, {}", world.outages, length(world.outage)),
        ),
        ("conversations a day, for a third of the people each", format!("{few}, {some}, {many}")),
        (
            "messages in a conversation, and the mean pause between them",
            format!("{}, {}", world.conversation, length(world.message_pause)),
        ),
        (
            "times a day that people open the app of their own accord, and how long they stay",
            format!("{}, {}", world.opens, length(world.stay)),
        ),
        (
            "notifications after which they open it, and the mean time until then; none at night",
            format!("{:.0} %, {}", world.reacts, length(world.reaction)),
        ),
        ("mean pause between two looks at the phone (Android, for Doze)", length(world.pickup)),
        (
            "browsers run all day for half of the users, for the others in spells of this mean length",
            length(world.browser_spell),
        ),
        (
            "night: one in ten of the conversations that would begin then does",
            "23 to 7 o'clock".to_owned(),
        ),
        ("from the push service to the phone, median", length(world.push_way)),
        (
            "from a push to the app's connect, median: iOS, Android; to the request of an extension or a worker",
            format!(
                "{}, {}, {}",
                length(world.ios_start),
                length(world.android_start),
                length(world.handler_start)
            ),
        ),
        ("handlers and background runs that come to nothing", share(world.handler_fails)),
        ("one way over the network", length(world.one_way)),
        (
            "suspended apps whose connection dies without a word, and when the server sees that by its own pings",
            format!("{:.0} %, {}", world.frozen, length(world.noticed)),
        ),
        (
            "background runs that iOS allows: what Apple asks senders to keep to",
            format!("{} an hour", world.ios_rules.runs_per_hour.unwrap_or(0)),
        ),
        (
            "FCM demotes from so many high-priority messages in seven days on, if fewer show something than",
            format!(
                "{}, {} %",
                world.android_rules.demotion_from, world.android_rules.visible_percent
            ),
        ),
        ("Doze: begins after; first pause, longest pause; first window, longest window", {
            let doze = &world.android_rules.doze;
            [
                doze.enter_after,
                doze.first_pause,
                doze.longest_pause,
                doze.first_window,
                doze.longest_window,
            ]
            .map(length)
            .join(", ")
        }),
    ];
    for (number, (what, value)) in rows.into_iter().enumerate() {
        row(text, &[format!("A{}", number + 1), what.to_owned(), value]);
    }
}

fn row(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// A share in percent; `None` of nothing.
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// The same with one decimal.
fn percent(part: u64, whole: u64) -> String {
    share(part, whole).map_or_else(|| "–".to_owned(), |percent| format!("{percent:.1} %"))
}

/// A ratio with two decimals.
pub(crate) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// A time until something is visible.
fn visible(after: Option<Duration>) -> String {
    after.map_or_else(|| "over 1 h".to_owned(), |after| format!("{:.1} s", after.as_secs_f64()))
}

fn length(length: Duration) -> String {
    match length.as_millis() {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms if ms < 60_000 => format!("{} s", length.as_secs_f64()),
        ms if ms < 3_600_000 => format!("{} min", length.as_secs_f64() / 60.0),
        _ => format!("{} h", length.as_secs_f64() / 3_600.0),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
