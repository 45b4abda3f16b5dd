//! What values an option takes, and how they are read.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use providers::outbound::Network;

use super::AllowedOrigins;
use crate::secret::Secret;

/// What values an option takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// IP address and port.
    Address,
    /// A whole number.
    Count {
        /// The smallest value taken.
        least: u64,
        /// The largest value taken.
        most: u64,
    },
    /// A whole number of days.
    Days {
        /// The smallest value taken.
        least: u64,
        /// The largest value taken.
        most: u64,
    },
    /// A whole number of milliseconds.
    Milliseconds {
        /// The smallest value taken.
        least: u64,
        /// The largest value taken.
        most: u64,
    },
    /// IP networks and addresses, separated by commas.
    Networks,
    /// Origins of pages, separated by commas.
    Origins,
    /// A file or folder. A relative one in the file starts from the file's folder, any other from
    /// the current folder.
    Path,
    /// A text that is never shown.
    Secret,
    /// A text whose form is its reader's business.
    Text,
    /// An `https` URL.
    Url(UrlForm),
    /// One of these words.
    Word(&'static [&'static str]),
}

/// The longest text taken.
const LONGEST_TEXT: usize = 4096;

/// How much of a URL is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlForm {
    /// `https://host[:port]`: the paths are the protocol's.
    Base,
    /// The whole address, path included.
    Full,
}

/// A value as it was typed. The environment and flags only have texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// A whole number of the file.
    Integer(i64),
    /// Something of the file that no option takes; its TOML type with its article.
    Other(&'static str),
    /// A text between quotes in the file.
    Quoted(String),
    /// A text of the environment or a flag.
    Text(String),
}

/// A value, checked.
#[derive(Debug)]
pub(crate) enum Value {
    Address(SocketAddr),
    Count(u64),
    Duration(Duration),
    Networks(Vec<Network>),
    Origins(AllowedOrigins),
    Path(PathBuf),
    Secret(Secret<String>),
    Text(String),
    Url(Uri),
    Word(&'static str),
}

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Follows the option's name: `is 5, less than 50`.
    pub(crate) problem: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Kind {
    /// Reads a value as it was typed.
    pub(crate) fn read(self, typed: &Typed) -> Result<Value, Misfit> {
        let misfit = |problem: String| Misfit { problem, remedy: format!("write {self}") };
        match self {
            Self::Count { least, most } => self.number(typed, least, most).map(Value::Count),
            Self::Days { least, most } => self.number(typed, least, most).map(Value::Count),
            Self::Milliseconds { least, most } => {
                let number = self.number(typed, least, most)?;
                Ok(Value::Duration(Duration::from_millis(number)))
            }
            Self::Address => {
                let text = self.text(typed)?;
                let not_one = || misfit(format!("is {text:?}, not an IP address and a port"));
                text.parse().map(Value::Address).map_err(|_| not_one())
            }
            Self::Networks => {
                let entries = self.text(typed)?.split(',').map(str::trim);
                let networks = entries.map(|entry| {
                    let not_one = |()| misfit(format!("has {entry:?}, which is no network"));
                    entry.parse().map_err(not_one)
                });
                networks.collect::<Result<_, _>>().map(Value::Networks)
            }
            Self::Origins => {
                let text = self.text(typed)?.trim();
                if text.len() > LONGEST_TEXT {
                    return Err(misfit(format!("has {} bytes", text.len())));
                }
                text.parse().map(Value::Origins).map_err(misfit)
            }
            Self::Path => {
                let text = self.text(typed)?;
                if text.is_empty() || text.contains('\0') {
                    return Err(misfit("is not a path".to_owned()));
                }
                Ok(Value::Path(PathBuf::from(text)))
            }
            Self::Secret => {
                let text = self.text(typed)?;
                Ok(Value::Secret(Secret::new(text.to_owned())))
            }
            Self::Text => {
                let text = self.text(typed)?.trim();
                if text.is_empty() || text.len() > LONGEST_TEXT {
                    return Err(misfit(format!("has {} bytes", text.len())));
                }
                Ok(Value::Text(text.to_owned()))
            }
            Self::Url(form) => {
                let text = self.text(typed)?;
                url(text, form).map(Value::Url).map_err(misfit)
            }
            Self::Word(words) => {
                let text = self.text(typed)?;
                let word = words.iter().find(|word| **word == text);
                let unknown = || misfit(format!("is {text:?}, which it does not know"));
                word.map(|word| Value::Word(word)).ok_or_else(unknown)
            }
        }
    }

    fn text(self, typed: &Typed) -> Result<&str, Misfit> {
        match typed {
            Typed::Quoted(text) | Typed::Text(text) => Ok(text),
            Typed::Integer(_) => Err(self.wrong_type("a number")),
            Typed::Other(found) => Err(self.wrong_type(found)),
        }
    }

    fn number(self, typed: &Typed, least: u64, most: u64) -> Result<u64, Misfit> {
        let number = match typed {
            Typed::Integer(number) => i128::from(*number),
            Typed::Text(text) => text.parse().map_err(|_| Misfit {
                problem: format!("is {text:?}, not a whole number"),
                remedy: format!("write {self}"),
            })?,
            Typed::Quoted(text) => {
                let remedy = match text.parse::<i64>() {
                    Ok(_) => format!("write {text} without the quotes"),
                    Err(_) => format!("write {self}, without quotes"),
                };
                return Err(Misfit { problem: format!("is the text {text:?}"), remedy });
            }
            Typed::Other(found) => return Err(self.wrong_type(found)),
        };
        let misfit = |word, limit| Misfit {
            problem: format!("is {number}, {word} than {limit}"),
            remedy: format!("write {self}"),
        };
        if number < i128::from(least) {
            return Err(misfit("less", least));
        }
        if number > i128::from(most) {
            return Err(misfit("more", most));
        }
        u64::try_from(number).map_err(|_| misfit("more", most))
    }

    fn wrong_type(self, found: &str) -> Misfit {
        Misfit { problem: format!("is {found}"), remedy: format!("write {self}") }
    }
}

/// What is wanted, to follow "write".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("an IP address and a port, such as \"127.0.0.1:7300\""),
            Self::Count { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Days { least, most } => {
                write!(f, "a whole number of days from {least} to {most}")
            }
            Self::Milliseconds { least, most } => {
                write!(f, "a whole number of milliseconds from {least} to {most}")
            }
            Self::Networks => f.write_str(
                "networks and addresses in quotes, separated by commas, such as \"10.0.0.0/8, ::1\"",
            ),
            Self::Origins => f.write_str(
                "origins in quotes, separated by commas, such as \"https://app.example.com\", or \"*\" for any",
            ),
            Self::Path => f.write_str("a path in quotes"),
            Self::Secret => f.write_str("a secret text in quotes"),
            Self::Text => write!(f, "1 to {LONGEST_TEXT} bytes of text in quotes"),
            Self::Url(UrlForm::Base) => {
                f.write_str("a URL of the form \"https://host\" or \"https://host:port\"")
            }
            Self::Url(UrlForm::Full) => {
                f.write_str("a URL of the form \"https://host/path\" or \"https://host:port/path\"")
            }
            Self::Word(words) => {
                f.write_str("one of ")?;
                for (index, word) in words.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}\"{word}\"")?;
                }
                Ok(())
            }
        }
    }
}

fn url(text: &str, form: UrlForm) -> Result<Uri, String> {
    // Shown in the error below, so it must not hold a password.
    if text.contains('@') {
        return Err("holds a user name or a password".to_owned());
    }
    let uri: Uri = text.parse().map_err(|error| format!("is {text:?}, not a URL ({error})"))?;
    match uri.scheme_str() {
        Some("https") => {}
        Some(other) => return Err(format!("is {text:?}, with the scheme {other} and not https")),
        None => return Err(format!("is {text:?}, without https://")),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(format!("is {text:?}, without a host"));
    }
    let has_path = uri.path_and_query().is_some_and(|path| path.as_str() != "/");
    match form {
        UrlForm::Base if has_path => Err(format!("is {text:?}, with a path behind the host")),
        UrlForm::Base | UrlForm::Full => Ok(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> Typed {
        Typed::Quoted(text.to_owned())
    }

    /// Reads `typed`; the error as one line.
    fn read(kind: Kind, typed: &Typed) -> Result<String, String> {
        match kind.read(typed) {
            Ok(value) => Ok(format!("{value:?}")),
            Err(misfit) => Err(format!("{}; {}", misfit.problem, misfit.remedy)),
        }
    }

    #[test]
    fn numbers_keep_to_their_range() {
        let kind = Kind::Milliseconds { least: 50, most: 60_000 };
        let range = "write a whole number of milliseconds from 50 to 60000";
        let text = |text: &str| Typed::Text(text.to_owned());
        for (typed, expected) in [
            (Typed::Integer(50), Ok("Duration(50ms)".to_owned())),
            (text("60000"), Ok("Duration(60s)".to_owned())),
            (Typed::Integer(49), Err(format!("is 49, less than 50; {range}"))),
            (Typed::Integer(-1), Err(format!("is -1, less than 50; {range}"))),
            (text("60001"), Err(format!("is 60001, more than 60000; {range}"))),
            (text("5s"), Err(format!("is \"5s\", not a whole number; {range}"))),
            (quoted("500"), Err("is the text \"500\"; write 500 without the quotes".to_owned())),
            (quoted("5s"), Err(format!("is the text \"5s\"; {range}, without quotes"))),
            (Typed::Other("a list"), Err(format!("is a list; {range}"))),
        ] {
            assert_eq!(read(kind, &typed), expected);
        }
    }

    #[test]
    fn texts_are_what_they_should_be() {
        let word = Kind::Word(&["text", "json"]);
        for (kind, typed, expected) in [
            (Kind::Address, quoted("[::1]:0"), Ok("Address([::1]:0)")),
            (Kind::Address, quoted("localhost:1"), Err("is \"localhost:1\", not an IP address")),
            (Kind::Address, Typed::Integer(7300), Err("is a number; write an IP address and")),
            (word, quoted("json"), Ok("Word(\"json\")")),
            (word, quoted("xml"), Err("is \"xml\", which it does not know; write one of \"text\"")),
            (Kind::Path, quoted(""), Err("is not a path")),
            (Kind::Networks, quoted("10.0.0.0/8, ::1"), Ok("Networks([10.0.0.0/8, ::1/128])")),
            (Kind::Networks, quoted("10.0.0.0/8,"), Err("has \"\", which is no network; write")),
            (Kind::Networks, quoted("10.0.0.0/33"), Err("has \"10.0.0.0/33\", which is no net")),
            (Kind::Origins, quoted("a.example"), Err("has \"a.example\", which does not begin")),
            (Kind::Origins, quoted(" *"), Ok("Origins(Any)")),
            (Kind::Origins, Typed::Other("a list"), Err("is a list; write origins in quotes, sep")),
            (Kind::Networks, quoted("localhost"), Err("has \"localhost\", which is no network")),
        ] {
            match (read(kind, &typed), expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, expected),
                (Err(error), Err(start)) => assert!(error.starts_with(start), "{error}"),
                (seen, _) => assert!(expected == Ok(""), "{seen:?}"),
            }
        }
    }

    #[test]
    fn urls_are_https_and_name_no_user() {
        for (form, text, problem) in [
            (UrlForm::Base, "https://localhost:8443", ""),
            (UrlForm::Base, "https://localhost/", ""),
            (UrlForm::Full, "https://oauth.example/token", ""),
            (UrlForm::Base, "http://localhost", "with the scheme http and not https"),
            (UrlForm::Base, "localhost:8443", "without https://"),
            (UrlForm::Base, "https://localhost/3", "with a path behind the host"),
            (UrlForm::Full, "https://", "not a URL"),
            (UrlForm::Full, "https://me:hidden@example.com/", "holds a user name or a password"),
        ] {
            match read(Kind::Url(form), &quoted(text)) {
                Ok(_) => assert_eq!(problem, "", "{text}"),
                Err(error) => {
                    assert!(!problem.is_empty() && error.contains(problem), "{text}: {error}");
                    assert!(!error.contains("hidden"));
                }
            }
        }
    }
}
