//! What the files and the page for operators name is there: options, paths, ports, lines of the log.

use std::path::Path;
use std::process::Command;

use server::config::{Config, Environment, RawConfig, options};

use super::file;

/// The values that a file gives to variables of ours.
fn variables(text: &str) -> Vec<(String, String)> {
    let words = text.split([' ', '\n']).filter(|word| word.starts_with("REVEILLE_"));
    let pairs = words.filter_map(|word| word.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_container_is_configured_by_variables_that_are_there() {
    let text = file("Containerfile");
    let set = variables(&text);
    let known: Environment =
        set.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let config = RawConfig::read(None, &known, []).expect("read").resolve().expect("right");
    assert_eq!(config.data_dir, Path::new("/var/lib/reveille"));
    assert!(config.listen.ip().is_unspecified(), "{}", config.listen);
    assert!(text.contains(&format!("EXPOSE {}\n", config.listen.port())), "{text}");
    assert!(config.internal_listen.ip().is_unspecified(), "{}", config.internal_listen);
    assert!(text.contains(&format!("EXPOSE {}\n", config.internal_listen.port())), "{text}");
    assert!(text.contains("VOLUME /var/lib/reveille\n"));
    // The image is built with the toolchain that everybody uses.
    let toolchain = include_str!("../../../../rust-toolchain.toml");
    let image = text.split_once("/rust:").expect("an image").1.split_once('-').expect("a tag").0;
    assert!(toolchain.contains(&format!("channel = \"{image}.")), "{image}");
    for line in text.lines().filter(|line| line.starts_with("COPY ")) {
        assert!(!line.contains("contrib"), "{line}: .dockerignore leaves it out");
    }
}

#[test]
fn what_the_container_watches_itself_by_is_a_command() {
    let text = file("Containerfile");
    let health = text.lines().find(|line| line.starts_with("HEALTHCHECK ")).expect("a check");
    let (_, command) = health.split_once("CMD ").expect("a command");
    let command: Vec<String> = serde_json::from_str(command).expect("a list");
    assert_eq!(command[0], "reveille");
    let mut help = Command::new(env!("CARGO_BIN_EXE_reveille"));
    let help = help.args(&command[1..]).arg("--help").output().expect("it runs");
    assert!(help.status.success(), "{command:?}");
}

#[test]
fn the_service_has_a_configuration_that_is_right() {
    let unit = file("reveille.service");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reveille.toml");
    std::fs::write(&path, file("reveille.toml")).expect("written");
    let raw = RawConfig::read(Some(&path), &Environment::default(), []).expect("read");
    let config = raw.resolve().expect("right");
    assert!(unit.contains("--config /etc/reveille/reveille.toml\n"));
    // The only folder that the unit lets it write to.
    assert!(unit.contains("StateDirectory=reveille\n"));
    assert_eq!(config.data_dir, Path::new("/var/lib/reveille"));
    assert_eq!(config.listen, Config::defaults().expect("right").listen);
    for (name, _) in variables(&unit) {
        assert!(options::ALL.iter().any(|row| row.variable() == name), "{name} is no option");
    }
}

/// All the source of what is shipped and logs.
fn source(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            source(&path, text);
        } else {
            text.push_str(&std::fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

#[test]
fn every_line_that_is_to_be_watched_for_is_one_that_is_logged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/operations.md")).expect("the page");
    let (_, table) =
        page.split_once("| message | level | what to do |\n|---|---|---|\n").expect("it");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let mut logged = String::new();
    for place in ["crates/server/src", "crates/store/src"] {
        source(&root.join(place), &mut logged);
    }
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let message = cells[0].trim_start_matches("| ").trim_matches('`');
        let level = cells[1];
        let at =
            logged.find(&format!("\"{message}")).unwrap_or_else(|| panic!("no line {message:?}"));
        let before = &logged[..at];
        let told = before.rfind("tracing::").expect("a macro");
        assert!(before[told..].starts_with(&format!("tracing::{level}!")), "{message}: {level}");
        count += 1;
    }
    assert!(count > 10, "only {count} rows were read");
}
