//! What to do, in the words of the command line: the push services' clients speak to whoever runs a
//! server, and here there is none.

/// What is said of a server, and what is said here instead.
const WORDS: [(&str, &str); 18] = [
    ("set the OAuth URL yourself", "give --oauth-url"),
    ("add it to outbound.allow_private,", "put it into REVEILLE_OUTBOUND_ALLOW_PRIVATE,"),
    ("Check outbound.proxy_url:", "Check --proxy or REVEILLE_OUTBOUND_PROXY_URL:"),
    ("name the host in outbound.no_proxy", "name the host in REVEILLE_OUTBOUND_NO_PROXY"),
    ("add its authority to the extra roots", "give its authority with --ca"),
    ("lets this server CONNECT", "lets this machine CONNECT"),
    ("that this server may", "that this machine may"),
    ("this server's", "this machine's"),
    ("Wait; it is tried again.", "Wait, and push again."),
    ("Upload a ", "Use a "),
    ("Upload an APNs", "Use an APNs"),
    ("Upload the AuthKey_", "Use the AuthKey_"),
    ("Upload the service account", "Use the service account"),
    ("upload a service account", "use a service account"),
    ("upload the service account", "use the service account"),
    ("; upload that file", "; use that file"),
    (" and upload it", " and use it"),
    ("; or let the server make one", ""),
];

/// A remedy for whoever typed the command.
pub(super) fn typed(remedy: &str) -> String {
    WORDS.iter().fold(remedy.to_owned(), |text, (said, here)| text.replace(said, here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_is_said_by_flags_and_variables() {
        for (remedy, expected) in [
            (
                "If this address is meant, add it to outbound.allow_private, as 10.1.0.0/16 or as host:port.",
                "If this address is meant, put it into REVEILLE_OUTBOUND_ALLOW_PRIVATE, as 10.1.0.0/16 or as host:port.",
            ),
            (
                "Check outbound.proxy_url: that the proxy runs, takes this user and password, and lets this server CONNECT; or name the host in outbound.no_proxy.",
                "Check --proxy or REVEILLE_OUTBOUND_PROXY_URL: that the proxy runs, takes this user and password, and lets this machine CONNECT; or name the host in REVEILLE_OUTBOUND_NO_PROXY.",
            ),
            (
                "If a proxy inspects TLS here, add its authority to the extra roots; else check this server's root certificates and clock.",
                "If a proxy inspects TLS here, give its authority with --ca; else check this machine's root certificates and clock.",
            ),
            ("Wait; it is tried again.", "Wait, and push again."),
            ("Upload a .p8 key or a .p12 certificate.", "Use a .p8 key or a .p12 certificate."),
            (
                "Make a new push certificate in Apple's developer portal and upload it; or use a .p8 key.",
                "Make a new push certificate in Apple's developer portal and use it; or use a .p8 key.",
            ),
            // What is uploaded to Firebase stays so.
            (
                "In the Firebase console, Project settings, Cloud Messaging, upload the APNs key of the app.",
                "In the Firebase console, Project settings, Cloud Messaging, upload the APNs key of the app.",
            ),
        ] {
            assert_eq!(typed(remedy), expected);
        }
    }
}
