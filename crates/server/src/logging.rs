//! The server's log: lines on standard error, as text or JSON.

use std::io;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::{Log, LogFormat, LogLevel};

/// The crates of ours; the level is theirs.
const OURS: [&str; 6] = ["domain", "providers", "reveille", "server", "sim", "store"];

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the process has a log already; set it up once, before anything else")]
pub struct LogTaken;

/// Sends everything that is logged from here on to standard error.
///
/// # Errors
/// When the process has a log already: it can have one.
pub fn start(log: Log) -> Result<(), LogTaken> {
    let colours = match anstream::AutoStream::choice(&io::stderr()) {
        anstream::ColorChoice::Never => Colours::Without,
        anstream::ColorChoice::Always
        | anstream::ColorChoice::AlwaysAnsi
        | anstream::ColorChoice::Auto => Colours::With,
    };
    tracing::subscriber::set_global_default(subscriber(log, colours, io::stderr))
        .map_err(|_| LogTaken)
}

/// Whether levels and times are coloured.
#[derive(Clone, Copy, Debug)]
enum Colours {
    With,
    Without,
}

fn subscriber<W>(log: Log, colours: Colours, writer: W) -> impl Subscriber + Send + Sync
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
    tracing_subscriber::registry().with(lines.with_filter(targets(log.level)))
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

    fn logged(level: LogLevel, format: LogFormat) -> String {
        let page = Page::default();
        let writer = page.clone();
        let log = Log { level, format };
        let subscriber = subscriber(log, Colours::Without, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "server::wake", { device.id = "dev_1" }, "ours informs");
            tracing::debug!(target: "server::wake", "ours explains");
            tracing::info!(target: "h2::codec", "theirs informs");
            tracing::debug!(target: "h2::codec", "theirs shows a bearer token");
            tracing::warn!(target: "h2::codec", "theirs warns");
        });
        let text = page.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_level_is_ours_and_libraries_only_warn() {
        let counts = [
            (LogLevel::Off, 0),
            (LogLevel::Error, 0),
            (LogLevel::Warn, 1),
            (LogLevel::Info, 2),
            (LogLevel::Debug, 3),
            (LogLevel::Trace, 4),
        ];
        for (level, expected) in counts {
            let text = logged(level, LogFormat::Text);
            assert_eq!(text.lines().count(), expected, "{level:?}: {text}");
            assert!(!text.contains("bearer"));
        }
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields() {
        let text = logged(LogLevel::Info, LogFormat::Json);
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["message"], "ours informs");
        assert_eq!(line["device.id"], "dev_1");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "server::wake");
    }
}
