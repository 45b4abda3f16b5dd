//! What `reveille push` refuses as a command line: exit code 2, and a word on what to type.

use super::rig::Desk;

#[tokio::test]
async fn a_wrong_command_line_ends_with_2() {
    let desk = Desk::new();
    desk.write("large.json", vec![b' '; 256 * 1024 + 1]);
    desk.write("subscription.json", r#"{"endpoint":"https://push.example/x"}"#);
    let apns = ["push", "apns", "--topic", "com.example.app", "--token", "00"];
    let fcm = ["push", "fcm", "--service-account", "none.json"];
    let webpush =
        ["push", "webpush", "--subject", "mailto:push@example.org", "--subscription", "-"];
    let check = async |line: &[&str], more: &[&str], says: &str| {
        let line = [line, more].concat();
        let _ = desk.run(&line).await.is(2).has(says);
    };
    check(&["push"], &[], "--device").await;
    check(&["push"], &["--app", "app_1"], "--device").await;
    check(&["push", "--device", "x"], &["apns"], "apns").await;
    check(&["push", "hms"], &[], "hms").await;
    check(&["push", "--device", "x"], &[], "there is no key to show the server").await;
    check(&["push", "--device", "x"], &["--type", "mdm"], "possible values").await;
    check(&apns, &[], "--cert").await;
    check(&apns, &["--cert", "none.p12"], "--cert: cannot open none.p12").await;
    check(&apns, &["--cert", "a.p12", "--key", "b.p8"], "cannot be used with").await;
    check(&apns, &["--key", "AuthKey_ABC123DEFG.p8"], "--team-id").await;
    check(&apns, &["--cert", "a.p12", "--type", "silent"], "possible values").await;
    check(&apns, &["--cert", "a.p12", "--priority", "7"], "possible values").await;
    check(&apns, &["--cert", "a.p12", "--environment", "test"], "possible values").await;
    check(&apns, &["--cert", "a.p12", "--payload", "{}", "--title", "a"], "cannot be used").await;
    check(&apns, &["--cert", "a.p12", "--data", "order"], "write it as KEY=TEXT").await;
    check(&apns, &["--cert", "a.p12", "--ttl", "1w"], "end it with s, m, h or d").await;
    check(&apns, &["--cert", "a.p12", "--url", "http://a"], "--url: not an https URL").await;
    check(&apns, &["--cert", "a.p12", "--ca", "none.pem"], "--ca: cannot open none.pem").await;
    check(&apns, &["--cert", "a.p12", "--ca", "large.json"], "more than 262144 bytes").await;
    check(&apns, &["--cert", "a.p12", "--proxy", "http://me:x@a:1"], "user name").await;
    check(&fcm, &[], "--token").await;
    check(&fcm, &["--token", "a", "--topic", "b"], "cannot be used with").await;
    check(&fcm, &["--token", "a"], "--service-account: cannot open none.json").await;
    check(&webpush, &[], "--vapid").await;
    check(&webpush, &["--vapid", "none", "--urgency", "now"], "possible values").await;
}

#[tokio::test]
async fn the_help_tells_the_exit_codes_and_every_push_service() {
    let said = Desk::new().run(&["push", "--help"]).await.is(0).has("Exit code: 0");
    let _ = said.has("apns").has("fcm").has("webpush").has("--device");
}
