//! One app as it is doing: what needs somebody, and what happened lately.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use wire::http::{
    App, Credential, Figures, Page, Settings, Statistics, StatisticsStep, WakeFigures, Webhook,
};

use super::api::Api;
use super::chart::{Chart, Look, Row, Scale, Series, number, share, took};
use super::codes::Codes;
use super::frame::{Frame, Here, page, refused};
use super::health::{self, Fares, Trouble};
use super::link::api_path;
use super::section::Section;
use super::session::Visitor;
use crate::node::Node;
use crate::to_wire;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct Shown {
    frame: Frame,
    app: App,
    span: Span,
    troubles: Vec<Trouble>,
    tiles: Vec<Tile>,
    messages: Chart,
    times: Chart,
    refusals: Chart,
    stages: Vec<Stage>,
    codes: Codes,
    fares: Vec<Fares>,
}

/// For the template: what tells a trouble from the others, whatever it counts by now. Those of
/// credentials are put right in one place and count nothing; of a webhook there is one of a kind.
fn key(trouble: &Trouble) -> String {
    let Trouble { need, text, to, .. } = trouble;
    if to.ends_with("/credentials") {
        format!("{to} {text}")
    } else {
        format!("{to} {}", need.word())
    }
}

/// A figure in large letters.
struct Tile {
    name: &'static str,
    value: String,
    about: String,
}

/// A stage of wakes.
struct Stage {
    name: &'static str,
    about: &'static str,
    times: u64,
    /// Of those that were owed.
    share: String,
    /// The same as the length of a bar, of a thousand.
    length: u64,
}

/// How far back is looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Span {
    Hour,
    #[default]
    Day,
    Week,
    Month,
}

impl Span {
    const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Hour => "Hour",
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
        }
    }

    /// How long it is, and its steps, in seconds.
    const fn lengths(self) -> (u64, u64) {
        match self {
            Self::Hour => (3_600, 300),
            Self::Day => (86_400, 3_600),
            Self::Week => (7 * 86_400, 3_600),
            Self::Month => (30 * 86_400, 86_400),
        }
    }

    /// What a step is called.
    const fn step(self) -> &'static str {
        match self {
            Self::Hour => "five minutes",
            Self::Day | Self::Week => "hour",
            Self::Month => "day",
        }
    }
}

/// What the page is asked behind the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    span: String,
}

/// `GET /console/apps/{app}`.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    visitor: Visitor,
    Extension(api): Extension<Api>,
    Path(app): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let span = Span::ALL.into_iter().find(|span| span.word() == asked.span).unwrap_or_default();
    let (length, step) = span.lengths();
    let now = node.clock.now();
    // The step that goes on is the last one.
    let since = to_wire::time(now.minus(Duration::from_secs(length - step)));
    let own = api_path(&["apps", &app]);
    let [statistics, credentials, webhooks, settings] = [
        format!("{own}/statistics?since={since}&step={step}"),
        format!("{own}/credentials"),
        format!("{own}/webhooks"),
        format!("{own}/settings"),
    ];
    let found = tokio::try_join!(
        api.get::<App>(&visitor, &own),
        api.get::<Statistics>(&visitor, &statistics),
        api.get::<Page<Credential>>(&visitor, &credentials),
        api.get::<Page<Webhook>>(&visitor, &webhooks),
        api.get::<Settings>(&visitor, &settings),
    );
    let (app, statistics, credentials, webhooks, settings) = match found {
        Ok(found) => found,
        Err(problem) => return refused(&visitor, &problem),
    };
    let (credentials, now) = (credentials.items, to_wire::time(now));
    let drawn = Drawn { span, steps: &statistics.items, total: &statistics.total };
    let shown = Shown {
        frame: Frame::of(&visitor, app.name.clone(), Here::In(Section::Overview)).about(&app),
        span,
        troubles: health::troubles(&app.id, &credentials, &webhooks.items, &settings, now),
        tiles: drawn.tiles(),
        messages: drawn.messages(),
        times: drawn.times_to_wake(),
        refusals: drawn.refusals(),
        stages: stages(&statistics.total.wakes),
        codes: Codes::of(
            &app.id,
            None,
            &statistics.total.pushes.refused,
            "No push was refused in this time.",
        ),
        fares: credentials.iter().map(|credential| Fares::of(credential, now)).collect(),
        app,
    };
    page(StatusCode::OK, &shown)
}

/// What is drawn from.
struct Drawn<'a> {
    span: Span,
    steps: &'a [StatisticsStep],
    total: &'a Figures,
}

impl Drawn<'_> {
    fn tiles(&self) -> Vec<Tile> {
        let Figures { messages, pushes, wakes, time_to_wake_ms } = self.total;
        let refused: u64 = pushes.refused.values().sum();
        let ended = pushes.accepted + refused + pushes.unknown;
        let percentiles = time_to_wake_ms.as_ref();
        vec![
            Tile { name: "Messages", value: number(*messages), about: "taken in".to_owned() },
            Tile {
                name: "Devices woken",
                value: number(wakes.connected),
                about: format!("of {} wakes", number(wakes.owed)),
            },
            Tile {
                name: "Time to wake",
                value: percentiles.map_or_else(|| "–".to_owned(), |some| took(some.p50)),
                about: percentiles.map_or_else(
                    || "nobody was woken".to_owned(),
                    |some| format!("half of them; 99 %: {}", took(some.p99)),
                ),
            },
            Tile {
                name: "Pushes taken",
                value: number(pushes.accepted),
                about: format!("{} of all", share(pushes.accepted, ended)),
            },
            Tile {
                name: "Pushes refused",
                value: number(refused),
                about: format!("{} without an answer", number(pushes.unknown)),
            },
        ]
    }

    fn messages(&self) -> Chart {
        let taken = self.each(|figures| figures.messages);
        let woken = self.each(|figures| figures.wakes.connected);
        let scale = Scale::even(taken.iter().chain(&woken).copied());
        // Nobody at all is no line, rather than one on the ground.
        let some_were = woken.iter().any(|woken| *woken > 0);
        let line: Vec<_> = woken.iter().map(|woken| some_were.then_some(*woken)).collect();
        let says = format!(
            "{} messages were taken in and {} devices woken in this time; at most {} messages and {} devices in one {}.",
            number(self.total.messages),
            number(self.total.wakes.connected),
            number(taken.iter().copied().max().unwrap_or_default()),
            number(woken.iter().copied().max().unwrap_or_default()),
            self.span.step(),
        );
        Chart {
            id: "messages",
            title: "Messages and wakes",
            says,
            series: vec![
                Series::bars("Messages taken in", Look::Bars, scale, &taken),
                Series::line("Devices woken", Look::Line, scale, &line),
            ],
            heights: scale.marks().map(number),
            times: self.times(),
            rows: self.rows(|figures| {
                let (taken, woken) = (figures.messages, figures.wakes.connected);
                (taken + woken > 0).then(|| vec![number(taken), number(woken)])
            }),
        }
    }

    fn times_to_wake(&self) -> Chart {
        let each = |which: fn(&wire::http::Percentiles) -> u64| {
            let steps = self.steps.iter();
            let times = steps.map(|step| step.figures.time_to_wake_ms.as_ref().map(which));
            times.collect::<Vec<_>>()
        };
        let (half, most, nearly) =
            (each(|some| some.p50), each(|some| some.p90), each(|some| some.p99));
        let all: Vec<u64> = half.iter().chain(&nearly).copied().flatten().collect();
        let scale = Scale::tens(all.iter().copied());
        let says = match &self.total.time_to_wake_ms {
            None => "Nobody was woken in this time.".to_owned(),
            Some(some) => format!(
                "Half of the devices that were woken in this time came within {}, nine of ten within {}, 99 of a hundred within {}.",
                took(some.p50),
                took(some.p90),
                took(some.p99)
            ),
        };
        Chart {
            id: "time-to-wake",
            title: "Time to wake",
            says,
            series: vec![
                Series::line("99 of 100", Look::Dots, scale, &nearly),
                Series::line("9 of 10", Look::Dashes, scale, &most),
                Series::line("Half of them", Look::Line, scale, &half),
            ],
            heights: scale.marks().map(took),
            times: self.times(),
            rows: self.rows(|figures| {
                let some = figures.time_to_wake_ms.as_ref()?;
                Some(vec![took(some.p99), took(some.p90), took(some.p50)])
            }),
        }
    }

    fn refusals(&self) -> Chart {
        let refused = |figures: &Figures| figures.pushes.refused.values().sum::<u64>();
        let each = self.each(refused);
        let scale = Scale::even(each.iter().copied());
        let says = format!(
            "{} pushes were refused in this time, at most {} in one {}. Their codes are listed beside it.",
            number(refused(self.total)),
            number(each.iter().copied().max().unwrap_or_default()),
            self.span.step(),
        );
        Chart {
            id: "refused",
            title: "Refused pushes",
            says,
            series: vec![Series::bars("Refused", Look::BadBars, scale, &each)],
            heights: scale.marks().map(number),
            times: self.times(),
            rows: self.rows(|figures| {
                let refused = refused(figures);
                (refused > 0).then(|| vec![number(refused)])
            }),
        }
    }

    fn each(&self, figure: impl Fn(&Figures) -> u64) -> Vec<u64> {
        self.steps.iter().map(|step| figure(&step.figures)).collect()
    }

    fn rows(&self, values: impl Fn(&Figures) -> Option<Vec<String>>) -> Vec<Row> {
        let rows = self.steps.iter().rev().filter_map(|step| {
            let values = values(&step.figures)?;
            Some(Row { at: self.time(step.at, "%Y-%m-%d %H:%M"), values })
        });
        rows.collect()
    }

    /// What stands below a chart: its beginning, its middle, and now.
    fn times(&self) -> Vec<String> {
        let at = |place: usize| {
            let step = self.steps.get(place);
            step.map(|step| {
                self.time(
                    step.at,
                    match self.span {
                        Span::Hour | Span::Day => "%H:%M",
                        Span::Week | Span::Month => "%d %b",
                    },
                )
            })
        };
        let known = [at(0), at(self.steps.len() / 2)].into_iter().flatten();
        known.chain(["now".to_owned()]).collect()
    }

    /// Days have no hour.
    fn time(&self, at: jiff::Timestamp, format: &str) -> String {
        let format =
            if self.span == Span::Month { format.trim_end_matches(" %H:%M") } else { format };
        at.strftime(format).to_string()
    }
}

fn stages(wakes: &WakeFigures) -> Vec<Stage> {
    let WakeFigures { owed, pushed, accepted, connected, drained } = *wakes;
    // Wakes of the time before may come to a stage in this one.
    let most = [owed, pushed, accepted, connected, drained].into_iter().max().unwrap_or_default();
    let stage = |name, about, times: u64| Stage {
        name,
        about,
        times,
        share: share(times, owed),
        length: (times * 1_000).checked_div(most).unwrap_or_default(),
    };
    vec![
        stage("Owed", "a device has something to get, and no session", owed),
        stage("Pushed", "a push went to a push service", pushed),
        stage("Accepted", "the push service took it", accepted),
        stage("Connected", "the device came", connected),
        stage("Drained", "it has acknowledged everything", drained),
    ]
}
