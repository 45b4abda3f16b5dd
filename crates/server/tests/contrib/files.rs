//! What the files name is there: options, paths, ports.

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
