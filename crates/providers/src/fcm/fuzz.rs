//! Entry points for what comes from Google, and for what is uploaded to push through it.

use bytes::Bytes;

use super::oauth::answer::read;
use super::response::{classify, is_our_token_bad};
use super::{Content, GoogleServices, Message, ServiceAccount, Target, encode};
use crate::config::Pauses;
use crate::fuzz::{NOW, answer, check_fault, check_outcome};
use crate::transport::Answer;

/// An answer of FCM.
pub(crate) fn answered(bytes: &[u8]) {
    let (status, headers, body) = answer(bytes);
    check_outcome(&classify(status, &headers, body, NOW, &Pauses::default()));
    assert!(!is_our_token_bad(status, body) || status == 401);
}

/// An answer of the token endpoint.
pub(crate) fn granted(bytes: &[u8]) {
    let (status, headers, body) = answer(bytes);
    let body = Bytes::copy_from_slice(body);
    let answer = Answer { status, headers, body, connection: Default::default() };
    match read(answer, NOW, &Pauses::default()) {
        Ok(token) => {
            assert_eq!(status, 200);
            assert!(token.renew_at <= token.expires_at && token.expires_at >= NOW);
            assert!(!format!("{:?}", token.authorization).contains("earer"));
        }
        Err(refused) => {
            check_outcome(&refused.outcome);
            // A 200 may hold a token, and is not kept.
            assert!(refused.answer.is_none_or(|kept| kept.status != 200));
        }
    }
}

/// A service account's key file.
pub(crate) fn account(bytes: &[u8]) {
    match ServiceAccount::parse(bytes) {
        Ok(account) => {
            let id = account.project_id();
            assert!((1..=100).contains(&id.len()) && !id.contains('/'), "{id:?} stands in a path");
            // These three, which may hold any word, and nothing of the key.
            let shown = format!(
                "ServiceAccount {{ project_id: {id:?}, client_email: {:?}, key_id: {:?}, .. }}",
                account.client_email(),
                account.key_id()
            );
            assert_eq!(format!("{account:?}"), shown);
        }
        Err(fault) => check_fault(&fault),
    }
}

/// An app's configuration file.
pub(crate) fn services(bytes: &[u8]) {
    match GoogleServices::parse(bytes) {
        Ok(services) => {
            assert!((1..=20).contains(&services.sender_id().len()));
            assert!(services.package_names().iter().all(|name| (1..=255).contains(&name.len())));
        }
        Err(fault) => check_fault(&fault),
    }
}

/// A condition over topics.
pub(crate) fn condition(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let target = Target::Condition(text.into_owned());
    if let Err(fault) = encode(&Message { target, content: Content::default() }) {
        assert_eq!((&*fault.field, fault.diagnosis.code()), ("condition", 913));
        assert!(fault.problem.len() <= 1_000 && fault.remedy.ends_with('.'), "{fault:?}");
    }
}

#[cfg(test)]
mod tests {
    use sim::pki;

    use super::*;
    use crate::fuzz::written;

    #[test]
    fn fcm_answer() {
        let error = |status: u16, word: &str, details: &str| {
            let body = format!(
                r#"{{"error":{{"code":{status},"message":"m","status":"{word}","details":[{details}]}}}}"#
            );
            written(status, &["retry-after: 30"], &body)
        };
        let kind = "type.googleapis.com/google";
        let examples = vec![
            written(
                200,
                &[],
                r#"{"name":"projects/example-1/messages/0:1500415314455276%31bd1c9631bd1c96"}"#,
            ),
            written(200, &[], r#"{"results":[{"error":"DeprecatedApi"}]}"#),
            error(
                404,
                "NOT_FOUND",
                &format!(
                    r#"{{"@type":"{kind}.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}}"#
                ),
            ),
            error(
                400,
                "INVALID_ARGUMENT",
                &format!(
                    r#"{{"@type":"{kind}.rpc.BadRequest","fieldViolations":[{{"field":"message.android.ttl","description":"d"}}]}}"#
                ),
            ),
            error(
                429,
                "RESOURCE_EXHAUSTED",
                &format!(
                    r#"{{"@type":"{kind}.rpc.QuotaFailure","violations":[{{"subject":"device:1","description":"Device Message Rate Exceeded"}}]}}"#
                ),
            ),
            error(
                401,
                "UNAUTHENTICATED",
                &format!(
                    r#"{{"@type":"{kind}.firebase.fcm.v1.FcmError","errorCode":"THIRD_PARTY_AUTH_ERROR"}}"#
                ),
            ),
            error(503, "UNAVAILABLE", ""),
            written(500, &["retry-after: Sun, 06 Nov 2094 08:49:37 GMT"], "<html>Error 500</html>"),
        ];
        fuzz::run("fcm_answer", answered, examples);
    }

    #[test]
    fn oauth_answer() {
        let examples = vec![
            written(
                200,
                &[],
                r#"{"access_token":"ya29.c.abc","expires_in":3599,"token_type":"Bearer"}"#,
            ),
            written(200, &[], r#"{"access_token":"ya29.c.abc","expires_in":"3599"}"#),
            written(
                400,
                &["date: Fri, 15 Jan 2027 08:00:00 GMT"],
                r#"{"error":"invalid_grant","error_description":"Invalid JWT: iat"}"#,
            ),
            written(503, &["retry-after: 10"], r#"{"error":"temporarily_unavailable"}"#),
        ];
        fuzz::run("oauth_answer", granted, examples);
    }

    #[test]
    fn service_account() {
        let account = pki::ServiceAccount::generate("example-1").expect("an account");
        let examples = vec![
            account.json("https://oauth2.googleapis.com/token").into(),
            br#"{"type":"authorized_user","client_id":"x"}"#.to_vec(),
            br#"{"installed":{"client_id":"x"}}"#.to_vec(),
            br#"{"project_info":{"project_id":"example-1"},"client":[]}"#.to_vec(),
        ];
        fuzz::run("service_account", super::account, examples);
    }

    #[test]
    fn google_services() {
        let examples = vec![
            br#"{"project_info":{"project_number":"123456789012","project_id":"example-1"},"client":[{"client_info":{"mobilesdk_app_id":"1:1:android:1","android_client_info":{"package_name":"com.example.app"}}}]}"#.to_vec(),
            br#"{"project_info":{"project_id":"example-1"},"client":[]}"#.to_vec(),
            br#"{"type":"service_account"}"#.to_vec(),
        ];
        fuzz::run("google_services", services, examples);
    }

    #[test]
    fn fcm_condition() {
        let examples = [
            "'news' in topics",
            "'a' in topics && ('b' in topics || !('c' in topics))",
            "!('a' in topics)",
        ];
        fuzz::run("fcm_condition", condition, examples.map(Vec::from).to_vec());
    }
}
