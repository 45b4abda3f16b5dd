//! What can be wrong before anything is sent: credentials, settings, the push itself.

use std::borrow::Cow;

use domain::{Diagnosis, Outcome, Refusal, RetryRule, Time, TokenVerdict};
use thiserror::Error;

/// Why something handed to this crate cannot be used, by what the caller does next.
#[derive(Debug, Error)]
pub enum Error {
    /// Ask the operator for another file, password or id.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
    /// Ask the operator to correct the configuration.
    #[error("{setting}: {problem}; {remedy}")]
    Config {
        /// The setting of [`crate::Config`] that is wrong.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

/// What is wrong with an uploaded credential.
///
/// The message names the input; [`CredentialFault::remedy`] says what to do and
/// [`CredentialFault::diagnosis`] gives the code 901 to 913.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CredentialFault {
    /// The file is something else than what was asked for.
    #[error("the file is {found}, not {wanted}")]
    WrongFile {
        /// What was asked for.
        wanted: &'static str,
        /// What the file is.
        found: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The file looks like what was asked for and cannot be read.
    #[error("{input} cannot be read: {problem}")]
    Unreadable {
        /// The file or the field in it.
        input: &'static str,
        /// What the reader said.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The file is larger than any such file.
    #[error("the file has {bytes} bytes, more than {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size taken.
        limit: usize,
    },
    /// The file does not open with this password.
    #[error("the password does not open the file")]
    WrongPassword,
    /// The file needs a password and none was given.
    #[error("the file is protected and no password was given")]
    PasswordMissing,
    /// A certificate came without its private key.
    #[error("the certificate {common_name:?} comes without its private key")]
    KeyMissing {
        /// The certificate's subject.
        common_name: String,
    },
    /// A private key came without a certificate.
    #[error("the file holds a private key and no certificate")]
    CertificateMissing,
    /// The file holds more than one private key.
    #[error("the file holds {count} private keys, one is expected")]
    SeveralKeys {
        /// How many there are.
        count: usize,
    },
    /// No certificate belongs to the private key.
    #[error("the private key does not belong to the certificate {common_name:?}")]
    KeyMismatch {
        /// The certificate's subject.
        common_name: String,
    },
    /// A certificate for signing apps, or for something else than pushing.
    #[error("{common_name:?} is {found}, not a push certificate")]
    NotForPush {
        /// The certificate's subject.
        common_name: String,
        /// What it is instead.
        found: &'static str,
    },
    /// The certificate's time is over.
    #[error("the certificate {common_name:?} expired on {}", day(*not_after))]
    Expired {
        /// The certificate's subject.
        common_name: String,
        /// The end of its validity.
        not_after: Time,
    },
    /// The certificate's time has not come.
    #[error("the certificate {common_name:?} is valid only from {} on", day(*not_before))]
    NotYetValid {
        /// The certificate's subject.
        common_name: String,
        /// The start of its validity.
        not_before: Time,
    },
    /// A field given beside the file, or inside it, breaks its rule.
    #[error("{field}: {problem}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// What the app knows of its Firebase project, where the server's own account is wanted.
    #[error("the file is an Android app's google-services.json, not a service account key (JSON)")]
    GoogleServices {
        /// What to do about it; names the project if the file does.
        remedy: String,
    },
    /// The service account is of one Firebase project, the app that it is to push to of another.
    #[error("the service account is of the project {account:?}, google-services.json of {app:?}")]
    OtherProject {
        /// The account's project.
        account: String,
        /// The app's project.
        app: String,
    },
    /// A certificate or key of the sandbox where production pushes are to be sent.
    #[error("the credential {name:?} is for the sandbox only")]
    SandboxOnly {
        /// The certificate's subject, or the key's id.
        name: String,
    },
    /// A certificate or key of production where sandbox pushes are to be sent.
    #[error("the credential {name:?} is for production only")]
    ProductionOnly {
        /// The certificate's subject, or the key's id.
        name: String,
    },
}

impl CredentialFault {
    /// Our code for it (`docs` of the codes: [`Diagnosis`]).
    pub const fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::Expired { .. } => Diagnosis::CertificateExpired,
            Self::OtherProject { .. } => Diagnosis::AppMismatch,
            Self::SandboxOnly { .. } => Diagnosis::ProductionCertificateRequired,
            Self::GoogleServices { .. }
            | Self::WrongFile { .. }
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::WrongPassword
            | Self::PasswordMissing
            | Self::KeyMissing { .. }
            | Self::CertificateMissing
            | Self::SeveralKeys { .. }
            | Self::KeyMismatch { .. }
            | Self::NotForPush { .. }
            | Self::NotYetValid { .. }
            | Self::Field { .. }
            | Self::ProductionOnly { .. } => Diagnosis::CertificateError,
        }
    }

    /// One sentence that says what to do.
    pub fn remedy(&self) -> &str {
        match self {
            Self::GoogleServices { remedy } => remedy,
            Self::WrongFile { remedy, .. }
            | Self::Unreadable { remedy, .. }
            | Self::Field { remedy, .. } => remedy,
            Self::TooLarge { .. } => "Upload the credential file alone; it has a few kilobytes.",
            Self::WrongPassword => "Give the password that was typed when the file was exported.",
            Self::PasswordMissing => "Give the password that was typed when the file was exported.",
            Self::KeyMissing { .. } => {
                "In Keychain Access, open the certificate's triangle, select certificate and key, and export both as .p12."
            }
            Self::CertificateMissing => {
                "Export the certificate together with its key, or upload an APNs auth key as .p8 with key id and team id."
            }
            Self::SeveralKeys { .. } => "Export only the push certificate and its key.",
            Self::KeyMismatch { .. } => {
                "Export certificate and key together from the machine that made the signing request."
            }
            Self::NotForPush { .. } => {
                "In Apple's developer portal, make an \"Apple Push Notification service SSL\" certificate for the app, or use a .p8 key."
            }
            Self::Expired { .. } => {
                "Make a new push certificate in Apple's developer portal and upload it; or use a .p8 key, which does not expire."
            }
            Self::OtherProject { .. } => {
                "Upload the service account key of the project that the app is built with, or the google-services.json of this one."
            }
            Self::NotYetValid { .. } => "Check this server's clock.",
            Self::SandboxOnly { .. } => {
                "Upload a production (\"Apple Push Services\") certificate or a .p8 key for production, or use this one for sandbox tokens only."
            }
            Self::ProductionOnly { .. } => {
                "Upload a universal (\"Apple Push Services\") certificate or a .p8 key for the sandbox, or send sandbox tokens to production."
            }
        }
    }
}

/// The day of an instant, in UTC.
fn day(time: Time) -> String {
    let timestamp = jiff::Timestamp::from_microsecond(time.as_micros());
    timestamp.map_or_else(
        // Farther away than calendars go.
        |_| format!("{} seconds since 1970", time.as_seconds()),
        |timestamp| timestamp.strftime("%Y-%m-%d").to_string(),
    )
}

/// A field of a push that breaks a rule of its provider, found before anything is sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{field}: {problem}")]
pub struct FieldFault {
    /// The path of the field, in the words of the request's type: `android.ttl`, `data.from`.
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub problem: String,
    /// One sentence that says what to do.
    pub remedy: &'static str,
    /// 911 for the token, 912 for the topic, else 913.
    pub diagnosis: Diagnosis,
}

impl FieldFault {
    /// A fault of the content: 913.
    pub(crate) fn payload(
        field: impl Into<Cow<'static, str>>,
        problem: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self { field, problem, remedy, diagnosis: Diagnosis::BadPayload }
    }

    /// The outcome of a push that was never sent because of this.
    pub fn into_outcome(self) -> Outcome {
        Outcome::Refused(self.into_refusal())
    }

    /// The same as a refusal.
    pub fn into_refusal(self) -> Refusal {
        // A malformed token is only suspect: our check, not the provider's word.
        let (retry, token) = match self.diagnosis {
            Diagnosis::BadPayload => (RetryRule::Bare, TokenVerdict::Keep),
            Diagnosis::BadPushToken => (RetryRule::WhenChanged, TokenVerdict::Suspect),
            Diagnosis::NotConfigured
            | Diagnosis::TemporarilyDisabled
            | Diagnosis::CertificateExpired
            | Diagnosis::CertificateError
            | Diagnosis::ProductionCertificateRequired
            | Diagnosis::AppMismatch => (RetryRule::WhenChanged, TokenVerdict::Keep),
        };
        let reason = format!("{}: {}", self.field, self.problem);
        Refusal { token, ..Refusal::unsent(self.diagnosis, retry, reason, self.remedy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_day() {
        let expired = |not_after| {
            let common_name = "x".to_owned();
            CredentialFault::Expired { common_name, not_after }.to_string()
        };
        let at = expired(Time::from_millis(1_772_346_600_000));
        assert_eq!(at, "the certificate \"x\" expired on 2026-03-01");
        let far = expired(Time::from_millis(i64::MAX / 1_000));
        assert!(far.ends_with(" seconds since 1970"), "{far}");
    }
}
