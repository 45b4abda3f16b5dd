//! `google-services.json`: what an Android app knows of its Firebase project.
//!
//! It is no credential, but it says which project and which packages the tokens belong to, so that
//! a service account of another project is noticed before the first push.
//! <https://firebase.google.com/docs/projects/learn-more#config-files-objects>

use serde::Deserialize;

use super::credential::{ServiceAccount, check_project};
use crate::error::CredentialFault;
use crate::upload::{FileKind, check_size, shown};

/// The name in messages about a file that is incomplete.
const INPUT: &str = "google-services.json";
/// What to do about one.
const DOWNLOAD_AGAIN: &str = "In the Firebase console, open Project settings, General, Your apps, and download google-services.json; upload that file unchanged.";
/// Our limit of packages in a file.
const MOST_PACKAGES: usize = 1000;
/// The longest project number: they fit into 64 bits.
const LONGEST_NUMBER: usize = 20;
/// The longest package name taken; Google Play takes fewer.
const LONGEST_PACKAGE: usize = 255;

/// What an Android app's Firebase configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleServices {
    /// The project's number: one or more digits.
    project_number: String,
    /// The project's id.
    project_id: String,
    /// The package names of its apps, in the order of the file, each once.
    packages: Vec<String>,
}

/// The file, as far as it matters here.
#[derive(Deserialize)]
struct File {
    /// The project.
    project_info: ProjectInfo,
    /// Its Android apps.
    client: Vec<Client>,
}

/// The project.
#[derive(Deserialize)]
struct ProjectInfo {
    /// Its number, as text.
    project_number: String,
    /// Its id.
    project_id: String,
}

/// An app.
#[derive(Deserialize)]
struct Client {
    /// What it is.
    client_info: ClientInfo,
}

/// What an app is.
#[derive(Deserialize)]
struct ClientInfo {
    /// What it is on Android; the file has only such apps.
    android_client_info: Option<AndroidClientInfo>,
}

/// What an app is on Android.
#[derive(Deserialize)]
struct AndroidClientInfo {
    /// Its package name.
    package_name: String,
}

impl GoogleServices {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] that names the file for what it is, or what is wrong in it.
    pub fn parse(file: &[u8]) -> Result<Self, CredentialFault> {
        check_size(file)?;
        let kind = FileKind::of(file);
        if kind != FileKind::GoogleServices {
            return Err(CredentialFault::WrongFile {
                wanted: "an Android app's google-services.json",
                found: kind.name(),
                remedy: DOWNLOAD_AGAIN,
            });
        }
        let parsed: File = serde_json::from_slice(file).map_err(|error| {
            let problem = error.to_string();
            CredentialFault::Unreadable { input: INPUT, problem, remedy: DOWNLOAD_AGAIN }
        })?;
        let ProjectInfo { project_number, project_id } = parsed.project_info;
        check_number(&project_number)?;
        check_project("project_info.project_id", &project_id, DOWNLOAD_AGAIN)?;
        let mut packages = Vec::new();
        for client in parsed.client {
            let Some(android) = client.client_info.android_client_info else { continue };
            check_package(&android.package_name)?;
            if !packages.contains(&android.package_name) {
                packages.push(android.package_name);
            }
            if packages.len() > MOST_PACKAGES {
                return Err(fault("client", format!("more than {MOST_PACKAGES} apps")));
            }
        }
        if packages.is_empty() {
            return Err(fault("client", "names no Android app".to_owned()));
        }
        Ok(Self { project_number, project_id, packages })
    }

    /// The project's number, which is the sender id that the app registers with.
    pub fn project_number(&self) -> &str {
        &self.project_number
    }

    /// The project's id.
    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    /// The package names of the project's Android apps; at least one.
    pub fn packages(&self) -> &[String] {
        &self.packages
    }

    /// Whether pushes to these apps go through this account's project.
    ///
    /// # Errors
    ///
    /// [`CredentialFault::OtherProject`] (912) if they do not: every token would be refused with
    /// `SENDER_ID_MISMATCH`.
    pub fn matches(&self, account: &ServiceAccount) -> Result<(), CredentialFault> {
        // A key file may name the project by its number too; FCM takes either.
        if [&*self.project_id, &*self.project_number].contains(&account.project_id()) {
            return Ok(());
        }
        Err(CredentialFault::OtherProject {
            app: self.project_id.clone(),
            account: account.project_id().to_owned(),
        })
    }
}

/// A number of some digits.
fn check_number(number: &str) -> Result<(), CredentialFault> {
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    if digits && (1..=LONGEST_NUMBER).contains(&number.len()) {
        return Ok(());
    }
    Err(fault("project_info.project_number", format!("{} is no number", shown(number))))
}

/// A package name: Java identifiers with dots between them.
/// <https://developer.android.com/build/configure-app-module#set-application-id>
fn check_package(name: &str) -> Result<(), CredentialFault> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'));
    if plain && (1..=LONGEST_PACKAGE).contains(&name.len()) {
        return Ok(());
    }
    Err(fault("package_name", format!("{} is no package name", shown(name))))
}

/// A field of the file that breaks a rule.
const fn fault(field: &'static str, problem: String) -> CredentialFault {
    CredentialFault::Field { field, problem, remedy: DOWNLOAD_AGAIN }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{KeyPair, PKCS_RSA_SHA256};
    use serde_json::{Value, json};

    use super::*;

    /// A file as the Firebase console gives it, with the parts that are not read.
    fn file() -> Value {
        let client = |package: &str| {
            json!({
                "client_info": {
                    "mobilesdk_app_id": "1:123456789012:android:0123456789abcdef",
                    "android_client_info": { "package_name": package },
                },
                "oauth_client": [],
                "api_key": [{ "current_key": "not-a-key" }],
            })
        };
        json!({
            "project_info": {
                "project_number": "123456789012",
                "project_id": "example-1",
                "storage_bucket": "example-1.appspot.com",
            },
            "client": [client("com.example.app"), client("com.example.app.debug"), client("com.example.app")],
            "configuration_version": "1",
        })
    }

    /// The service account of a project.
    fn account(project: &str) -> ServiceAccount {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("an RSA key");
        let file = json!({
            "type": "service_account",
            "project_id": project,
            "private_key_id": "0123456789abcdef",
            "private_key": key.serialize_pem(),
            "client_email": "push@example-1.iam.gserviceaccount.com",
        });
        ServiceAccount::parse(file.to_string().as_bytes()).expect("a good file")
    }

    #[test]
    fn a_file_is_read() {
        let services = GoogleServices::parse(file().to_string().as_bytes()).expect("a good file");
        assert_eq!(services.project_number(), "123456789012");
        assert_eq!(services.project_id(), "example-1");
        assert_eq!(services.packages(), ["com.example.app", "com.example.app.debug"]);
    }

    #[test]
    fn it_tells_the_projects_apart() {
        let services = GoogleServices::parse(file().to_string().as_bytes()).expect("a good file");
        assert_eq!(services.matches(&account("example-1")), Ok(()));
        assert_eq!(services.matches(&account("123456789012")), Ok(()));
        let fault = services.matches(&account("example-2")).expect_err("another project");
        assert_eq!(fault.diagnosis().code(), 912);
        let text = fault.to_string();
        assert!(text.contains("example-1") && text.contains("example-2"), "{text}");
        assert!(fault.remedy().ends_with('.'));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let check = |file: &str, message: &str| {
            let fault = GoogleServices::parse(file.as_bytes()).expect_err(message);
            assert!(fault.to_string().contains(message), "{fault}");
            assert!(fault.remedy().contains("google-services.json"), "{}", fault.remedy());
        };
        let with = |pointer: &str, value: Value| {
            let mut file = file();
            *file.pointer_mut(pointer).expect("a field") = value;
            file.to_string()
        };
        check("{\"type\":\"service_account\"}", "a Google service account key");
        check("{}", "JSON of another kind");
        check("", "the file is empty");
        check("<?xml?>", "GoogleService-Info.plist");
        check("{\"project_info\":{},\"client\":[]}", "missing field `project_number`");
        check(&with("/client", json!([])), "client: names no Android app");
        check(
            &with("/client/0/client_info/android_client_info/package_name", json!("a b")),
            "package_name: \"a b\"",
        );
        check(
            &with("/project_info/project_id", json!("../x")),
            "project_info.project_id: \"../x\"",
        );
        check(&with("/project_info/project_number", json!("12x")), "project_number: \"12x\"");
        check(
            &with("/project_info/project_number", json!(12)),
            "google-services.json cannot be read",
        );
        let many: Vec<_> = (0..1001)
            .map(|n| json!({ "client_info": { "android_client_info": { "package_name": format!("a.b{n}") } } }))
            .collect();
        check(&with("/client", json!(many)), "client: more than 1000 apps");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
            let _ = GoogleServices::parse(&bytes);
            let file = json!({
                "project_info": { "project_number": text, "project_id": text },
                "client": [{ "client_info": { "android_client_info": { "package_name": text } } }],
            });
            let _ = GoogleServices::parse(file.to_string().as_bytes());
        }
    }
}
