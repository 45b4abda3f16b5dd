//! The server's log: lines on standard error, as text or JSON.

use std::io;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// The crates of ours; the level is theirs.
const OURS: [&str; 6] = ["domain", "providers", "reveille", "server", "sim", "store"];

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the process has a log already; set it up once, before anything else")]
pub struct LogTaken;

/// What changes the level of a log that is under way.
#[derive(Clone, Debug)]
pub struct Level(reload::Handle<Targets, Registry>);

impl Level {
    /// Lets through what this level does, from here on.
    pub fn set(&self, level: LogLevel) {
        // Fails only where the log itself is gone, and then there is nobody to tell.
        let _gone = self.0.reload(targets(level));
    }
}

/// Sends everything that is logged from here on to standard error.
///
/// # Errors
/// When the process has a log already: it can have one.
pub fn start(log: Log) -> Result<Level, LogTaken> {
    let colours = match anstream::AutoStream::choice(&io::stderr()) {
        anstream::ColorChoice::Never => Colours::Without,
        anstream::ColorChoice::Always
        | anstream::ColorChoice::AlwaysAnsi
        | anstream::ColorChoice::Auto => Colours::With,
    };
    let (subscriber, level) = subscriber(log, colours, io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogTaken)?;
    std::panic::set_hook(Box::new(|panic| told(panic.location())));
    Ok(level)
}

/// A panic is a line of the log, by its place alone: its words may repeat what was worked on, as
/// those of a text that is cut in the middle of a letter do.
fn told(place: Option<&std::panic::Location<'_>>) {
    let place = place.map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panicked; this is a bug, please report it");
}

/// Whether levels and times are coloured.
#[derive(Clone, Copy, Debug)]
enum Colours {
    With,
    Without,
}

fn subscriber<W>(log: Log, colours: Colours, writer: W) -> (impl Subscriber + Send + Sync, Level)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(matches!(colours, Colours::With));
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    let (filter, level) = reload::Layer::new(targets(log.level));
    (tracing_subscriber::registry().with(lines.with_filter(filter)), Level(level))
}

/// What is let through. Libraries speak up only when something is wrong, or all when everything
/// is wanted: their debug lines are a thousand to one of ours, and h2's show headers.
fn targets(level: LogLevel) -> Targets {
    let (ours, others) = match level {
        LogLevel::Off => (LevelFilter::OFF, LevelFilter::OFF),
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
        // Never more than INFO of others: below it HTTP libraries log headers, bearer tokens too.
        LogLevel::Trace => (LevelFilter::TRACE, LevelFilter::INFO),
    };
    OURS.iter()
        .fold(Targets::new().with_default(others), |targets, name| targets.with_target(*name, ours))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written to the log.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Ours and theirs, at every level that may be let through.
    fn speak() {
        tracing::info!(target: "server::wake", { device.id = "dev_1" }, "ours informs");
        tracing::debug!(target: "server::wake", "ours explains");
        tracing::info!(target: "h2::codec", "theirs informs");
        tracing::debug!(target: "h2::codec", "theirs shows a bearer token");
        tracing::warn!(target: "h2::codec", "theirs warns");
    }

    /// What is written of it at one level after the other.
    fn logged(levels: &[LogLevel], format: LogFormat) -> String {
        let page = Page::default();
        let writer = page.clone();
        let log = Log { level: levels[0], format };
        let (subscriber, level) = subscriber(log, Colours::Without, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            speak();
            for next in &levels[1..] {
                level.set(*next);
                speak();
            }
        });
        let text = page.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_panic_is_one_line_without_its_words() {
        let page = Page::default();
        let writer = page.clone();
        let log = Log { level: LogLevel::Error, format: LogFormat::Json };
        let (subscriber, _level) = subscriber(log, Colours::Without, move || writer.clone());
        let place = std::panic::Location::caller();
        tracing::subscriber::with_default(subscriber, || told(Some(place)));
        let line: serde_json::Value = serde_json::from_slice(&page.0.lock().unwrap()).unwrap();
        assert_eq!(line["place"], place.to_string());
        assert!(line["message"].as_str().unwrap().contains("panicked"), "{line}");
    }

    const COUNTS: [(LogLevel, usize); 6] = [
        (LogLevel::Off, 0),
        (LogLevel::Error, 0),
        (LogLevel::Warn, 1),
        (LogLevel::Info, 2),
        (LogLevel::Debug, 3),
        (LogLevel::Trace, 4),
    ];

    #[test]
    fn the_level_is_ours_and_libraries_only_warn() {
        for (level, expected) in COUNTS {
            let text = logged(&[level], LogFormat::Text);
            assert_eq!(text.lines().count(), expected, "{level:?}: {text}");
            assert!(!text.contains("bearer"));
        }
    }

    #[test]
    fn the_level_changes_while_the_log_is_written() {
        for (first, before) in COUNTS {
            for (second, after) in COUNTS {
                let text = logged(&[first, second], LogFormat::Text);
                assert_eq!(text.lines().count(), before + after, "{first:?}, {second:?}: {text}");
            }
        }
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields() {
        let text = logged(&[LogLevel::Info], LogFormat::Json);
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["message"], "ours informs");
        assert_eq!(line["device.id"], "dev_1");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "server::wake");
    }
}
