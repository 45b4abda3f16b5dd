//! The guides in `docs/`, held to the server: their requests are sent, what they show of answers is
//! compared with what came, and the code for phones, which nobody can run here, may ask for nothing
//! and name nothing that there is not.

mod code;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use server::config::{Environment, RawConfig};
use sim::pki::{ApnsCertificate, ApnsKey, Ca, ServiceAccount};

use super::described;
use super::openapi::{description, validator};
use super::rig::Server;
use super::shell::{self, Curl, blocks, commands, request, words};

/// Each of them ends with a message that wakes a device.
const GUIDES: [&str; 5] = ["android", "backend", "ios", "migrating", "web"];

/// The Firebase project of the files that a reader would have downloaded.
const PROJECT: &str = "example-1";

#[tokio::test]
async fn every_request_of_a_guide_works_as_written() {
    for name in GUIDES.into_iter().chain(["webhooks"]) {
        let seen = Reader::open(name).await.read(&page(name)).await;
        assert!(seen > 0, "docs/{name}.md has no request");
    }
}

/// Somebody who types what a guide says.
struct Reader {
    name: &'static str,
    server: Server,
    /// The description of the API.
    document: Value,
    shell: BTreeMap<String, String>,
    files: BTreeMap<&'static str, Vec<u8>>,
    /// What the last request was answered with.
    answer: Value,
}

impl Reader {
    /// One who has done what is to be done before: a server, and devices that have connected.
    async fn open(name: &'static str) -> Self {
        let server = Server::start().await;
        let phone = server.device("alice", "phone").await;
        let shell = BTreeMap::from([
            ("URL".to_owned(), String::new()),
            ("ADMIN_KEY".to_owned(), server.admin.clone()),
            ("APP_KEY".to_owned(), server.app.1.clone()),
            ("DEVICE_SECRET".to_owned(), phone.secret),
            ("EPOCH".to_owned(), phone.epoch),
        ]);
        let document = description(&server).await;
        Self { name, server, document, shell, files: downloads().await, answer: Value::Null }
    }

    /// Reads it to the end; how many requests there were.
    async fn read(mut self, page: &str) -> usize {
        let (mut seen, mut samples) = (0, Vec::new());
        let mut is_after_request = false;
        for (language, block) in blocks(page) {
            match language {
                "sh" => {
                    is_after_request = false;
                    for command in commands(block) {
                        is_after_request = self.run(&command, &mut samples).await;
                        seen += usize::from(is_after_request);
                    }
                }
                "json" if is_after_request => {
                    self.compare(block);
                    is_after_request = false;
                }
                "json" => {
                    serde_json::from_str::<Value>(block).expect("JSON");
                }
                _ => is_after_request = false,
            }
        }
        assert_eq!(validator::faults_of(&self.document, &samples), Vec::<String>::new());
        self.server.stop().await;
        seen
    }

    /// Whether it was a request; what is none is one of the commands that a reader types, and is
    /// looked at elsewhere.
    async fn run(
        &mut self,
        command: &shell::Command<'_>,
        samples: &mut Vec<validator::Sample>,
    ) -> bool {
        let (name, line) = (self.name, command.line);
        let Some(curl) = Curl::of(line) else {
            let known = ["reveille ", "python3 ", "URL="];
            let reads_file = line.contains("=$(cat ") || line.contains("=$(grep ");
            let is_known = known.iter().any(|word| line.starts_with(word)) || reads_file;
            assert!(is_known, "docs/{name}.md: {line:?} is a command that no test looks at");
            return false;
        };
        // Or the commands, which find `app.key`, would go to another app than the requests.
        assert_ne!(curl.kept_in, Some("APP_KEY"), "docs/{name}.md has a key of its own");
        if curl.kept_in.is_some_and(|name| self.shell.contains_key(name)) {
            return false;
        }
        let said = command.document.as_deref().map(|said| self.with_files(said));
        let (request, said) = request(&words(curl.arguments, &self.shell), said);
        let route = described::route(request.method().as_str(), &request.uri().to_string());
        let route = route.unwrap_or_else(|| panic!("docs/{name}.md: {line} calls no route"));
        let answer = self.server.send(request).await;
        let (status, body) = (answer.status, answer.body);
        assert!((200..300).contains(&status), "docs/{name}.md: {line}\n{status} {body}");
        samples.extend(said.map(|said| validator::request(&self.document, route, said)));
        samples.extend(validator::answer(&self.document, route, status, &body));
        if let Some(variable) = curl.kept_in {
            self.shell.insert(variable.to_owned(), curl.found(&body));
        }
        self.answer = body;
        true
    }

    /// A here-document with the files that it names.
    fn with_files(&self, said: &str) -> String {
        let mut said = said.to_owned();
        for (file, content) in &self.files {
            let read = format!("$(base64 < {file} | tr -d '\\n')");
            said = said.replace(&read, &STANDARD.encode(content));
        }
        assert!(!said.contains("$("), "docs/{}.md: no such file: {said}", self.name);
        said
    }

    /// What a guide shows of an answer is in it.
    fn compare(&self, block: &str) {
        let shown: Value = serde_json::from_str(block).expect("JSON");
        let missing = missing(&shown, &self.answer);
        assert_eq!(
            missing, None,
            "docs/{}.md shows\n{block}\nand it is {}",
            self.name, self.answer
        );
    }
}

/// What has one of a few values.
const WORDS: [&str; 4] = ["kind", "reason", "step", "type"];

/// The first thing that is shown and not there, by its place; values may differ, but for words, and
/// are of one kind.
fn missing(shown: &Value, there: &Value) -> Option<String> {
    match (shown, there) {
        (Value::Object(shown), Value::Object(there)) => shown.iter().find_map(|(key, value)| {
            let Some(there) = there.get(key) else { return Some(key.clone()) };
            if WORDS.contains(&key.as_str()) && value != there {
                return Some(format!("{key}.{value}"));
            }
            missing(value, there).map(|place| format!("{key}.{place}"))
        }),
        (Value::Array(shown), Value::Array(there)) => shown.iter().find_map(|one| {
            let is_there = there.iter().any(|other| missing(one, other).is_none());
            (!is_there).then(|| one.to_string())
        }),
        _ => {
            let same = std::mem::discriminant(shown) == std::mem::discriminant(there);
            (!same).then(|| shown.to_string())
        }
    }
}

#[test]
fn what_is_shown_and_not_there_is_found() {
    let there = json!({ "items": [{ "id": "a", "number": 1 }], "kind": "fcm", "next": "1" });
    for (shown, place) in [
        (json!({ "items": [{ "id": "…" }] }), None),
        (json!({ "items": [], "next": "9" }), None),
        (json!({ "item": [] }), Some("item")),
        (json!({ "items": [{ "name": "a" }] }), Some("items.{\"name\":\"a\"}")),
        (json!({ "next": 1 }), Some("next.1")),
        (json!({ "kind": "fcm" }), None),
        (json!({ "kind": "apns" }), Some("kind.\"apns\"")),
    ] {
        assert_eq!(missing(&shown, &there).as_deref(), place, "{shown}");
    }
}

/// The files that a reader has from Apple and Google, by their names in the guides.
async fn downloads() -> BTreeMap<&'static str, Vec<u8>> {
    let key = ApnsKey::generate().expect("a key");
    let ca = Ca::generate("Test").expect("an authority");
    let identity = ca.apns_identity(&ApnsCertificate::universal("com.example.app"));
    let certificate = identity.expect("a certificate").pkcs12("reveille", &[]).await;
    let account = ServiceAccount::generate(PROJECT).expect("an account");
    let services = json!({
        "project_info": { "project_number": "123456789012", "project_id": PROJECT },
        "client": [{
            "client_info": {
                "mobilesdk_app_id": "1:123456789012:android:abc123",
                "android_client_info": { "package_name": "com.example.app" },
            },
        }],
        "configuration_version": "1",
    });
    BTreeMap::from([
        ("AuthKey_ABC123DEFG.p8", key.pem().into()),
        ("google-services.json", services.to_string().into()),
        ("push.p12", certificate.expect("openssl writes it")),
        ("service-account.json", account.json("https://oauth2.googleapis.com/token").into()),
    ])
}

/// Every flag is one: with `--help` behind it a command line is read and not carried out.
#[test]
fn every_command_of_a_guide_is_one() {
    let mut seen = 0;
    for name in GUIDES.into_iter().chain(["webhooks"]) {
        let page = page(name);
        let shell = blocks(&page).into_iter().filter(|(language, _)| *language == "sh");
        for command in shell.flat_map(|(_, block)| commands(block)) {
            let Some(arguments) = command.line.strip_prefix("reveille ") else { continue };
            let arguments = arguments.split(" #").next().unwrap_or_default();
            let mut words = words(arguments.trim(), &BTreeMap::new());
            // What stands alone is taken as it is; the flags are what may be wrong.
            words.push("--help".to_owned());
            let run = Command::new(env!("CARGO_BIN_EXE_reveille")).args(&words).output();
            let run = run.expect("it runs");
            let said = String::from_utf8_lossy(&run.stderr);
            assert!(run.status.success(), "docs/{name}.md: {}\n{said}", command.line);
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} commands were found");
}

#[test]
fn every_option_of_a_guide_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("reveille.toml");
    let mut seen = 0;
    for name in GUIDES {
        let page = page(name);
        for (_, block) in blocks(&page).into_iter().filter(|(language, _)| *language == "toml") {
            std::fs::write(&file, block).expect("written");
            let raw = RawConfig::read(Some(&file), &Environment::default(), []);
            let read = raw.and_then(|raw| raw.resolve());
            assert!(read.is_ok(), "docs/{name}.md: {block}\n{}", read.expect_err("it is not"));
            seen += 1;
        }
    }
    assert!(seen > 0, "none was found");
}

#[test]
fn every_guide_says_what_it_takes_and_ends_with_a_message() {
    for name in GUIDES {
        let page = page(name);
        let beginning = page.split("\n## ").next().expect("it has one");
        for word in ["At the end ", "You need ", "It takes "] {
            assert!(beginning.contains(word), "docs/{name}.md does not begin with {word:?}");
        }
        let headings: Vec<_> = page.lines().filter(|line| line.starts_with("## ")).collect();
        let [.., wake, trouble] = &headings[..] else { panic!("docs/{name}.md has no end") };
        assert!(wake.ends_with("Wake it"), "docs/{name}.md: {wake}");
        assert_eq!(*trouble, "## If it does not arrive", "docs/{name}.md");
        let (_, end) = page.split_once(*wake).expect("it is there");
        for word in [" send --to alice", "reveille explain --user alice", "troubleshooting.md"] {
            assert!(end.contains(word), "docs/{name}.md does not end with {word:?}");
        }
    }
}

/// A page of `docs/`.
fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/{name}.md"));
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("docs/{name}.md: {error}"))
}
