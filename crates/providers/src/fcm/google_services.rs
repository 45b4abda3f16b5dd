//! What an Android app knows of its Firebase project: `google-services.json`.
//!
//! No secret is in it and nothing can be sent with it; it says which project the app registers its
//! tokens with, so that a service account of another one is found before the first push.
//! <https://firebase.google.com/docs/projects/learn-more#config-files-objects>

use std::sync::Arc;

use domain::{Diagnosis, Outcome};
use serde::Deserialize;

use super::ServiceAccount;
use super::credential::is_project;
use crate::error::CredentialFault;
use crate::upload::{FileKind, check_size, shown};

/// The name in messages.
const FIELD: &str = "google_services";
/// Our limit of apps in one file; Google has some thirty in a project.
const MOST_APPS: usize = 200;
/// Our limit of a package name; Google Play gives none, Android's folders end at 255.
const LONGEST_PACKAGE: usize = 255;
/// How many packages an explanation names.
const NAMED: usize = 5;
/// What to do about one that is none.
const DOWNLOAD_AGAIN: &str = "In the Firebase console, open Project settings, General, Your apps, and download google-services.json; give that file unchanged, or leave it out.";

/// An app's configuration, as far as it tells the project. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleServices(Arc<Project>);

/// What clones share.
#[derive(Debug, PartialEq, Eq)]
struct Project {
    project_id: String,
    sender_id: String,
    package_names: Vec<String>,
}

/// The file, as far as it matters here.
#[derive(Deserialize)]
struct Services {
    project_info: ProjectInfo,
    client: Vec<App>,
}

#[derive(Deserialize)]
struct ProjectInfo {
    project_number: String,
    project_id: String,
}

#[derive(Deserialize)]
struct App {
    client_info: ClientInfo,
}

#[derive(Deserialize)]
struct ClientInfo {
    android_client_info: Option<AndroidClientInfo>,
}

#[derive(Deserialize)]
struct AndroidClientInfo {
    package_name: String,
}

impl GoogleServices {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// A [`CredentialFault`] that says what the file is instead, or which field is wrong.
    pub fn parse(file: &[u8]) -> Result<Self, CredentialFault> {
        check_size(file)?;
        let kind = FileKind::of(file);
        if kind != FileKind::GoogleServices {
            let wanted = "an Android app's google-services.json";
            let (found, remedy) = (kind.name(), DOWNLOAD_AGAIN);
            return Err(CredentialFault::WrongFile { wanted, found, remedy });
        }
        let Services { project_info, client } =
            serde_json::from_slice(file).map_err(|error| CredentialFault::Unreadable {
                input: FIELD,
                problem: error.to_string(),
                remedy: DOWNLOAD_AGAIN,
            })?;
        let ProjectInfo { project_number, project_id } = project_info;
        let fault = |problem: String| {
            Err(CredentialFault::Field { field: FIELD, problem, remedy: DOWNLOAD_AGAIN })
        };
        if !is_project(&project_id) {
            return fault(format!("project_id {} is not a project id", shown(&project_id)));
        }
        let digits = project_number.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !(1..=20).contains(&project_number.len()) {
            return fault(format!("project_number {} is no number", shown(&project_number)));
        }
        if client.len() > MOST_APPS {
            return fault(format!("{} apps, at most {MOST_APPS}", client.len()));
        }
        let mut package_names: Vec<String> = client
            .into_iter()
            .filter_map(|app| Some(app.client_info.android_client_info?.package_name))
            .collect();
        if let Some(name) = package_names.iter().find(|name| !is_package(name)) {
            return fault(format!("{} is no package name", shown(name)));
        }
        package_names.sort_unstable();
        package_names.dedup();
        Ok(Self(Arc::new(Project { project_id, sender_id: project_number, package_names })))
    }

    /// The Firebase project the app registers its tokens with.
    pub fn project_id(&self) -> &str {
        &self.0.project_id
    }

    /// The project's number, which apps call the sender id.
    pub fn sender_id(&self) -> &str {
        &self.0.sender_id
    }

    /// The Android apps of the project that the file is for, in order.
    pub fn package_names(&self) -> &[String] {
        &self.0.package_names
    }

    /// Refuses a service account of another project: no token of the app would take its pushes.
    ///
    /// # Errors
    ///
    /// [`CredentialFault::OtherProject`].
    pub(super) fn check(&self, account: &ServiceAccount) -> Result<(), CredentialFault> {
        if account.project_id() == self.project_id() {
            return Ok(());
        }
        Err(CredentialFault::OtherProject {
            account: account.project_id().to_owned(),
            app: self.project_id().to_owned(),
        })
    }

    /// Says in a refusal of somebody else's token what the app has to be built with.
    pub(super) fn explain(&self, outcome: Outcome) -> Outcome {
        let Outcome::Refused(mut refusal) = outcome else { return outcome };
        if refusal.diagnosis == Diagnosis::AppMismatch {
            let Project { project_id, sender_id, package_names } = &*self.0;
            let mut packages = package_names.iter().take(NAMED).cloned().collect::<Vec<_>>();
            if package_names.len() > NAMED {
                packages.push("…".to_owned());
            }
            let packages = match packages.is_empty() {
                true => "no Android app".to_owned(),
                false => packages.join(", "),
            };
            refusal.remedy.push_str(&format!(
                " The google-services.json given with the service account is of the project \
                 {project_id} with the sender id {sender_id}, for {packages}: the app must be \
                 built with that one."
            ));
        }
        Outcome::Refused(refusal)
    }
}

/// Letters, digits, `_` and dots between them.
fn is_package(name: &str) -> bool {
    (1..=LONGEST_PACKAGE).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use domain::{Refusal, RetryRule};
    use serde_json::{Value, json};

    use super::*;

    fn file(project: &str, number: Value, packages: &[&str]) -> Vec<u8> {
        let app = |package: &&str| json!({ "client_info": { "android_client_info": { "package_name": package } } });
        let ios = json!({ "client_info": { "mobilesdk_app_id": "1:1:ios:1" } });
        let apps = packages.iter().map(app).chain([ios]).collect::<Vec<_>>();
        let project = json!({ "project_id": project, "project_number": number });
        json!({ "project_info": project, "client": apps }).to_string().into_bytes()
    }

    #[test]
    fn project_sender_and_packages_are_read() {
        let file = file("example-1", json!("123456789012"), &["com.b", "com.a", "com.b"]);
        let services = GoogleServices::parse(&file).unwrap();
        assert_eq!((services.project_id(), services.sender_id()), ("example-1", "123456789012"));
        assert_eq!(services.package_names(), ["com.a", "com.b"]);
    }

    #[test]
    fn what_is_none_is_named() {
        let check = |file: &[u8], says: &str| {
            let fault = GoogleServices::parse(file).unwrap_err();
            assert!(fault.to_string().contains(says), "{fault}");
            assert!(fault.remedy().contains("google-services.json"), "{}", fault.remedy());
            assert_eq!(fault.diagnosis().code(), 904);
        };
        check(b"", "the file is empty");
        check(b"{\"type\":\"service_account\"}", "a Google service account key, not");
        check(b"<?xml version=\"1.0\"?><plist/>", "GoogleService-Info.plist");
        check(b"{\"project_info\":{},\"client\":[]}", "project_number");
        check(&file("../x", json!("1"), &[]), "project_id \"../x\"");
        check(&file("a", json!(1), &[]), "google_services cannot be read");
        check(&file("a", json!("1e5"), &[]), "project_number \"1e5\"");
        check(&file("a", json!("1"), &["a b"]), "\"a b\" is no package name");
        check(&file("a", json!("1"), &["a"; 200]), "201 apps, at most 200");
    }

    #[test]
    fn somebody_elses_token_is_explained_and_nothing_else() {
        let names: Vec<String> = (0..7).map(|number| format!("com.example.app{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let services = GoogleServices::parse(&file("example-1", json!("17"), &names)).unwrap();
        let refused = |diagnosis| {
            let refusal = Refusal::unsent(diagnosis, RetryRule::WhenChanged, "x", "Do it.");
            match services.explain(Outcome::Refused(refusal)) {
                Outcome::Refused(refusal) => refusal.remedy,
                other => panic!("{other:?}"),
            }
        };
        let explained = refused(Diagnosis::AppMismatch);
        for says in ["Do it. ", "example-1", "sender id 17", "com.example.app4, …"] {
            assert!(explained.contains(says), "{explained}");
        }
        assert_eq!(refused(Diagnosis::BadPushToken), "Do it.");
        assert_eq!(services.explain(Outcome::Withdrawn), Outcome::Withdrawn);
    }
}
