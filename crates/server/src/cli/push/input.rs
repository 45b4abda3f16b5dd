//! What the command reads: files, standard input, pairs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::cli::say::Advice;

/// Nothing that is read is larger; credential files and payloads have some kilobytes.
const LARGEST: u64 = 256 * 1024;

/// A file, or standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A file.
    File(PathBuf),
    /// The JSON itself, which no file's name looks like.
    Inline(String),
    /// Standard input, `-`.
    Standard,
}

/// Reads `-`, JSON that begins with a brace, or a file's name.
pub(super) fn source(text: &str) -> Result<Source, String> {
    Ok(match text {
        "" => return Err("name a file, or - for standard input".to_owned()),
        "-" => Source::Standard,
        json if json.trim_start().starts_with('{') => Source::Inline(json.to_owned()),
        path => Source::File(PathBuf::from(path)),
    })
}

impl Source {
    /// All of it; `flag` names it in errors.
    pub(super) fn read(&self, flag: &'static str) -> anyhow::Result<Bytes> {
        let bytes = match self {
            Self::Inline(text) => text.clone().into_bytes(),
            Self::File(path) => opened(flag, path).and_then(|file| taken(flag, file))?,
            Self::Standard => taken(flag, io::stdin().lock())?,
        };
        if bytes.len() as u64 > LARGEST {
            bail!(Advice::new(
                format!("{flag}: more than {LARGEST} bytes"),
                "no push service takes more than 5 kilobytes; name another file",
            ));
        }
        Ok(bytes.into())
    }
}

/// A credential's file. One that is too large is cut behind the limit: what it is instead is for
/// the credential's reader to say.
pub(super) fn credential(flag: &'static str, path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    opened(flag, path).and_then(|file| taken(flag, file)).map(Zeroizing::new)
}

/// A password's file, without the line's end.
pub(super) fn password(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    const FLAG: &str = "--password-file";
    let bytes = credential(FLAG, path)?;
    let text = std::str::from_utf8(&bytes).ok().with_context(|| {
        Advice::new(format!("{FLAG}: {} is not UTF-8", path.display()), "write it as UTF-8 text")
    })?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

fn opened(flag: &'static str, path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| {
        let problem = format!("{flag}: cannot open {}", path.display());
        Advice::new(problem, "check the name and who may read it")
    })
}

fn taken(flag: &'static str, source: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut bytes).with_context(|| {
        let hint = "name a file that can be read, or - for standard input where the help says so";
        Advice::new(format!("{flag}: cannot be read"), hint)
    })?;
    Ok(bytes)
}

/// What a push says, whatever it goes through.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Texts {
    /// The first line of the notification
    #[arg(long, value_name = "TEXT")]
    pub(super) title: Option<String>,
    /// Its text
    #[arg(long, value_name = "TEXT")]
    pub(super) body: Option<String>,
    /// Something for the app, as text; may be given again
    #[arg(long, value_name = "KEY=TEXT", value_parser = pair)]
    data: Vec<(String, String)>,
}

impl Texts {
    /// What is for the app, by key.
    pub(super) fn data(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut data = BTreeMap::new();
        for (key, text) in &self.data {
            if data.insert(key.clone(), text.clone()).is_some() {
                let hint = "give each key once; a list goes into one text";
                bail!(Advice::new(format!("--data {key}= is given twice"), hint));
            }
        }
        Ok(data)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, text)) if !key.is_empty() => Ok((key.to_owned(), text.to_owned())),
        _ => Err("write it as KEY=TEXT, such as order=17".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_file_standard_input_or_the_json_itself() {
        for (text, expected) in [
            ("-", Some(Source::Standard)),
            ("a.json", Some(Source::File("a.json".into()))),
            (" {\"a\":1}", Some(Source::Inline(" {\"a\":1}".to_owned()))),
            ("", None),
        ] {
            assert_eq!(source(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn pairs_have_a_key_and_each_once() {
        for (text, expected) in [
            ("order=17", Some(("order", "17"))),
            ("a=b=c", Some(("a", "b=c"))),
            ("a=", Some(("a", ""))),
            ("=a", None),
            ("a", None),
        ] {
            let expected = expected.map(|(key, text)| (key.to_owned(), text.to_owned()));
            assert_eq!(pair(text).ok(), expected, "{text}");
        }
        let twice = |pairs: &[&str]| {
            let data = pairs.iter().map(|text| pair(text).unwrap()).collect();
            Texts { data, ..Texts::default() }.data()
        };
        assert_eq!(twice(&["a=1", "b=2"]).unwrap().len(), 2);
        assert_eq!(twice(&["a=1", "a=2"]).unwrap_err().to_string(), "--data a= is given twice");
    }

    #[test]
    fn a_password_is_a_line_without_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (text, expected) in
            [("secret\n", "secret"), ("secret\r\n", "secret"), (" a \n\n", " a \n"), ("", "")]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(*password(&path).unwrap(), expected, "{text:?}");
        }
        std::fs::write(&path, [0xff]).unwrap();
        assert!(password(&path).is_err());
    }

    #[test]
    fn a_file_has_a_limit_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload.json");
        let file = Source::File(path.clone());
        let error = file.read("--payload").unwrap_err().to_string();
        assert_eq!(error, format!("--payload: cannot open {}", path.display()));
        std::fs::write(&path, vec![b' '; 256 * 1024]).unwrap();
        assert_eq!(file.read("--payload").unwrap().len(), 256 * 1024);
        std::fs::write(&path, vec![b' '; 256 * 1024 + 1]).unwrap();
        let error = file.read("--payload").unwrap_err().to_string();
        assert_eq!(error, "--payload: more than 262144 bytes");
    }
}
