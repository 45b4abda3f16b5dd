//! Charts over time, drawn here.
//!
//! The drawing stretches to where it stands; its labels are text beside it, so that they have the
//! size of text on a phone too. What it shows is said in words, and stands in a table below it.

use std::fmt::Write as _;

use askama::Template;

/// The drawing's own size; what stands on a page is stretched.
const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 300;

/// A chart.
#[derive(Template)]
#[template(path = "console/chart.html")]
pub(super) struct Chart {
    /// Its heading's id.
    pub(super) id: &'static str,
    /// Its heading.
    pub(super) title: &'static str,
    /// What is to be seen, in words.
    pub(super) says: String,
    /// What is drawn, the first below the others.
    pub(super) series: Vec<Series>,
    /// Beside the highest line, the middle and the ground.
    pub(super) heights: [String; 3],
    /// Below it, from left to right.
    pub(super) times: Vec<String>,
    /// The same figures: a row for each time at which there is something.
    pub(super) rows: Vec<Row>,
}

/// One thing that is drawn.
pub(super) struct Series {
    /// What it is.
    pub(super) name: &'static str,
    /// How it looks.
    look: Look,
    /// Its drawing.
    path: String,
}

/// How a series looks. They differ by more than their colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Bars from the ground.
    Bars,
    /// Bars of what went wrong.
    BadBars,
    /// A thick line.
    Line,
    /// A line of dashes.
    Dashes,
    /// A line of dots.
    Dots,
}

/// A row of the table.
pub(super) struct Row {
    /// When.
    pub(super) at: String,
    /// One for each series.
    pub(super) values: Vec<String>,
}

impl Look {
    /// For the template: its class in the style.
    const fn class(self) -> &'static str {
        match self {
            Self::Bars => "bars",
            Self::BadBars => "bars bad",
            Self::Line => "line",
            Self::Dashes => "line dashes",
            Self::Dots => "line dots",
        }
    }

    /// For the template: a small piece of it.
    const fn key(self) -> &'static str {
        match self {
            Self::Bars | Self::BadBars => "M2 12V4H8V12ZM10 12V1H16V12ZM18 12V6H24V12Z",
            Self::Line | Self::Dashes | Self::Dots => "M1 7H25",
        }
    }
}

/// How high values stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From nothing to this, evenly.
    Even(u64),
    /// From one to the other, each step of ten as high as the others.
    Tens(u64, u64),
}

impl Scale {
    /// An even one with room for all of them, up to a round number.
    pub(super) fn even(values: impl IntoIterator<Item = u64>) -> Self {
        let most = values.into_iter().max().unwrap_or_default().max(2);
        let mut unit: u64 = 1;
        while unit.saturating_mul(10) < most {
            unit = unit.saturating_mul(10);
        }
        let round = [1, 2, 4, 6, 8, 10].map(|times| unit.saturating_mul(times));
        Self::Even(
            round.into_iter().find(|round| *round >= most && *round % 2 == 0).unwrap_or(most),
        )
    }

    /// One of tens with room for all of them.
    pub(super) fn tens(values: impl IntoIterator<Item = u64> + Clone) -> Self {
        let least = values.clone().into_iter().min().unwrap_or(100).max(1);
        let most = values.into_iter().max().unwrap_or(10_000).max(least);
        let (mut low, mut high) = (1_u64, 10_u64);
        while low.saturating_mul(10) <= least {
            low = low.saturating_mul(10);
        }
        while high < most || high <= low.saturating_mul(10) {
            high = high.saturating_mul(10);
        }
        Self::Tens(low, high)
    }

    /// The values beside the top, the middle and the ground.
    pub(super) fn marks(self) -> [u64; 3] {
        match self {
            Self::Even(top) => [top, top / 2, 0],
            Self::Tens(low, high) => [high, (low.saturating_mul(high)).isqrt(), low],
        }
    }

    /// How far below the top a value is drawn.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a picture: a part of a dot is nothing"
    )]
    fn depth(self, value: u64) -> u64 {
        let height = HEIGHT as f64;
        let part = match self {
            Self::Even(top) => value as f64 / top.max(1) as f64,
            Self::Tens(low, high) => {
                let tens = |value: u64| (value.max(1) as f64).log10();
                (tens(value) - tens(low)) / (tens(high) - tens(low)).max(1.0)
            }
        };
        (height - part.clamp(0.0, 1.0) * height).round() as u64
    }
}

impl Series {
    /// Bars.
    pub(super) fn bars(name: &'static str, look: Look, scale: Scale, values: &[u64]) -> Self {
        let mut path = String::new();
        for (place, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
            let (left, right) = across(place, values.len());
            let gap = (right - left) / 6;
            // What is little is still to be seen.
            let top = scale.depth(*value).min(HEIGHT - 3);
            let _ = write!(path, "M{} {HEIGHT}V{top}H{}V{HEIGHT}Z", left + gap, right - gap);
        }
        Self { name, look, path }
    }

    /// A line of steps, with gaps where there is nothing.
    pub(super) fn line(
        name: &'static str,
        look: Look,
        scale: Scale,
        values: &[Option<u64>],
    ) -> Self {
        let mut path = String::new();
        let mut is_drawing = false;
        for (place, value) in values.iter().enumerate() {
            let Some(value) = value else {
                is_drawing = false;
                continue;
            };
            let (left, right) = across(place, values.len());
            let depth = scale.depth(*value);
            let _ = if is_drawing {
                write!(path, "V{depth}H{right}")
            } else {
                write!(path, "M{left} {depth}H{right}")
            };
            is_drawing = true;
        }
        Self { name, look, path }
    }
}

/// From where to where one of so many steps is drawn.
fn across(place: usize, steps: usize) -> (u64, u64) {
    let steps = u64::try_from(steps).unwrap_or(u64::MAX).max(1);
    let place = u64::try_from(place).unwrap_or(u64::MAX);
    (place * WIDTH / steps, (place + 1) * WIDTH / steps)
}

/// A number for people: `12,345`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// How long something took, for people.
pub(super) fn took(ms: u64) -> String {
    let tenths = |whole: u64, unit: u64| {
        let tenths = whole * 10 / unit;
        let (seconds, rest) = (tenths / 10, tenths % 10);
        if rest == 0 || seconds >= 10 { seconds.to_string() } else { format!("{seconds}.{rest}") }
    };
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{} s", tenths(ms, 1_000)),
        60_000..3_600_000 => format!("{} min", tenths(ms, 60_000)),
        3_600_000..86_400_000 => format!("{} h", tenths(ms, 3_600_000)),
        _ => format!("{} days", tenths(ms, 86_400_000)),
    }
}

/// How many of a hundred, for people.
pub(super) fn share(part: u64, whole: u64) -> String {
    match part.saturating_mul(100).checked_div(whole) {
        None => "–".to_owned(),
        Some(0) if part > 0 => "< 1 %".to_owned(),
        Some(percent) => format!("{percent} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_room_for_all_up_to_a_round_number() {
        for (most, top) in
            [(0, 2), (2, 2), (3, 4), (9, 10), (10, 10), (11, 20), (99, 100), (420, 600)]
        {
            assert_eq!(Scale::even([1, most]), Scale::Even(top), "{most}");
        }
        assert_eq!(Scale::tens([1_600, 31_500]), Scale::Tens(1_000, 100_000));
        assert_eq!(Scale::tens([500, 500]), Scale::Tens(100, 10_000));
        assert_eq!(Scale::tens([]), Scale::Tens(100, 10_000));
        assert_eq!(Scale::Tens(100, 10_000).marks(), [10_000, 1_000, 100]);
    }

    #[test]
    fn bars_stand_on_the_ground_and_lines_have_gaps() {
        let scale = Scale::Even(10);
        let bars = Series::bars("all", Look::Bars, scale, &[10, 0, 5, 0]);
        assert_eq!(bars.path, "M41 300V0H209V300ZM541 300V150H709V300Z");
        let line = Series::line("some", Look::Line, scale, &[Some(10), Some(5), None, Some(0)]);
        assert_eq!(line.path, "M0 0H250V150H500M750 300H1000");
        let tens = Scale::Tens(100, 10_000);
        assert_eq!([100, 1_000, 10_000, 1].map(|value| tens.depth(value)), [300, 150, 0, 300]);
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        let times = [80, 1_600, 50_000, 90_000, 7_200_000, 200_000_000];
        assert_eq!(times.map(took), ["80 ms", "1.6 s", "50 s", "1.5 min", "2 h", "2.3 days"]);
        assert_eq!([(1, 0), (1, 300), (71, 80)].map(|(a, b)| share(a, b)), ["–", "< 1 %", "88 %"]);
    }
}
