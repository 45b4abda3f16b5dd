//! Credentials in the forms that vendors hand them out.

use std::process::Stdio;

use sim::pki::{ApnsCertificate, Ca};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn openssl_opens_the_pkcs12_files() {
    let ca = Ca::generate("test CA").unwrap();
    let identity = ca.apns_identity(&ApnsCertificate::universal("com.example.app")).unwrap();
    for (password, arguments) in [("secret", &[][..]), ("", &[]), ("secret", &["-legacy"])] {
        let file = identity.pkcs12(password, arguments).await.unwrap();
        let mut openssl = tokio::process::Command::new("openssl")
            .args(["pkcs12", "-nodes", "-passin", &format!("pass:{password}")])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(&file).await.unwrap();
        let output = openssl.wait_with_output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains(identity.key_pem().trim()),
            "the key, with {password:?} {arguments:?}"
        );
        assert!(text.contains("CN = Apple Push Services: com.example.app"), "{arguments:?}");
    }
    assert!(identity.pkcs12("secret", &["-no-such-option"]).await.is_err());
}
