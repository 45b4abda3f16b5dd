//! URLs of others' choosing that lead inside: however it is spelled, wherever a name leads, whoever
//! redirects there. The three ways out of them are a call (webhooks, key sets), a browser's push,
//! and the token endpoint of a service account.

use std::net::{IpAddr, SocketAddr};

use domain::{Outcome, Scope};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use providers::outbound::{Book, Client, Guard, Names, NoAnswer};
use providers::{Config, Exchange, Fcm, fcm};
use sim::trouble::Scripted;

use crate::rig::{FcmRig, check_all_accepted, check_refused, refusal};
use crate::webpush_service::{NOW, Service, WebPushRig};

/// A host of the list of push services, and one of Google's.
const BROWSERS: &str = "web.push.apple.com";
const TOKENS: &str = "oauth2.googleapis.com";

/// Addresses that a name may be made to lead to, of every kind that is not public.
const INSIDE: [&str; 21] = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::1",
    "fc00::1",
    "fe80::1",
];

/// A configuration whose names lead where the book says, and that lets nobody inside.
fn guarded(config: &Config) -> (Config, Book) {
    let (names, book) = Names::by_hand();
    (Config { names, guard: Guard::default(), ..config.clone() }, book)
}

#[track_caller]
fn not_allowed(answer: Result<providers::outbound::Answer, NoAnswer>, what: &str) {
    let Err(NoAnswer::NotAllowed { remedy, .. }) = answer else { panic!("{what}: {answer:?}") };
    assert!(remedy.contains("outbound.allow_private"), "{remedy}");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_called_and_not_pushed_to() {
    let rig = WebPushRig::start(&["h2"]).await;
    let (config, book) = guarded(&rig.config);
    let client = Client::new(&config).expect("a good configuration");
    let rig = WebPushRig { config, ..rig };
    let browsers = rig.client();
    let push = rig.push_to(&format!("https://{BROWSERS}/wpush/1"));
    for address in INSIDE {
        let ip: IpAddr = address.parse().expect("an address");
        let leads = [SocketAddr::new(ip, rig.service.addr.port())];
        book.set("hooks.example", &leads);
        book.set(BROWSERS, &leads);
        not_allowed(client.get("https://hooks.example/").await, address);
        let posted = client.post("https://hooks.example/", HeaderMap::new(), "{}".into()).await;
        not_allowed(posted, address);
        let exchange = browsers.send(&push, NOW, || true).await;
        check_refused(&exchange, 901, "AddressNotAllowed: ");
        assert_eq!(refusal(&exchange).scope, Scope::Device, "{address}");
    }
    assert_eq!(rig.service.counts().connections, 0);
}

/// A client of a service account whose file names Google's token endpoint, at these addresses.
async fn account_at(rig: &FcmRig, guard: Guard, leads: &[SocketAddr]) -> (Fcm, Book) {
    let (mut config, book) = guarded(&rig.config);
    config.guard = guard;
    config.oauth = None;
    for own in ["localhost", "127.0.0.1"] {
        book.set(own, &[rig.sim.addr()]);
    }
    book.set(TOKENS, leads);
    let file = rig.account.json(&format!("https://{TOKENS}/token"));
    let account = fcm::ServiceAccount::parse(file.as_bytes()).expect("a good key file");
    (Fcm::new(&config, account).expect("a good account"), book)
}

async fn pushed(rig: &FcmRig, client: &Fcm) -> Exchange {
    rig.send(client, &rig.message()).await
}

#[tokio::test]
async fn a_token_endpoint_that_leads_inside_is_not_asked() {
    let rig = FcmRig::start().await;
    for address in INSIDE {
        let ip: IpAddr = address.parse().expect("an address");
        let leads = [SocketAddr::new(ip, rig.sim.addr().port())];
        let (client, _) = account_at(&rig, Guard::default(), &leads).await;
        let exchange = pushed(&rig, &client).await;
        check_refused(&exchange, 901, "AddressNotAllowed: ");
        let refusal = refusal(&exchange);
        assert!(refusal.remedy.contains("outbound.allow_private"), "{}", refusal.remedy);
        // Not this device's fault: none of the account's is pushed.
        assert_eq!(refusal.scope, Scope::Credential, "{address}");
    }
    assert_eq!(rig.token_requests_and_sends(), (0, 0));
    // What the operator allows is asked, once resolved and at exactly that address.
    let guard = Guard::allowing(["127.0.0.1"]).expect("a good entry");
    let (client, book) = account_at(&rig, guard, &[rig.sim.addr()]).await;
    check_all_accepted(&[pushed(&rig, &client).await]);
    assert_eq!((rig.token_requests_and_sends(), book.asked(TOKENS)), ((1, 1), 1));
}

#[tokio::test]
async fn a_token_endpoint_that_redirects_is_not_followed() {
    let rig = FcmRig::start().await;
    let elsewhere = Service::start(&sim::pki::Ca::generate("Test").expect("one"), &["h2"]).await;
    for status in [301, 302, 303, 307, 308] {
        let status = StatusCode::from_u16(status).expect("a status");
        let target = HeaderValue::try_from(elsewhere.url("/token")).expect("a header");
        rig.sim.trouble().answer_next(1, &Scripted::status(status).header(LOCATION, target));
        let exchange = pushed(&rig, &rig.client()).await;
        check_refused(&exchange, 902, "OAuth HTTP 30");
        assert!(matches!(exchange.outcome, Outcome::Refused(_)), "{exchange:?}");
    }
    assert_eq!((elsewhere.counts().connections, rig.token_requests_and_sends().1), (0, 0));
}

/// URLs that lead inside, or to another host than they seem to, in every spelling that some parser
/// or resolver takes; `PORT` stands for a port where somebody listens.
const SPELLINGS: [&str; 45] = [
    // Not https.
    "http://127.0.0.1:PORT/",
    "http://hooks.example/",
    "ftp://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "https:127.0.0.1:PORT",
    "https:///127.0.0.1:PORT",
    " https://127.0.0.1:PORT/",
    // Addresses as they are.
    "https://127.0.0.1:PORT/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0.0.0.0:PORT/",
    "https://[::1]:PORT/",
    "https://[::]:PORT/",
    "https://[0:0:0:0:0:0:0:1]:PORT/",
    "https://[::ffff:127.0.0.1]:PORT/",
    "https://[::ffff:7f00:1]:PORT/",
    "https://[64:ff9b::127.0.0.1]:PORT/",
    "https://[64:ff9b::7f00:1]:PORT/",
    "https://[2002:7f00:1::]:PORT/",
    "https://[fe80::1]:PORT/",
    "https://[fe80::1%25lo]:PORT/",
    "https://[fc00::1]:PORT/",
    // Addresses in disguise: decimal, octal, hexadecimal, short, percent signs, other digits.
    "https://2130706433:PORT/",
    "https://0177.0.0.1:PORT/",
    "https://017700000001:PORT/",
    "https://0x7f000001:PORT/",
    "https://0X7F.0.0.1:PORT/",
    "https://0x7f.1:PORT/",
    "https://127.1:PORT/",
    "https://0:PORT/",
    "https://%31%32%37.0.0.1:PORT/",
    "https://①②⑦.⓪.⓪.①:PORT/",
    "https://127。0。0。1:PORT/",
    // Names of this machine, and names with a dot at the end.
    "https://localhost:PORT/",
    "https://LOCALHOST:PORT/",
    "https://a.localhost:PORT/",
    "https://localhost.:PORT/",
    "https://127.0.0.1.:PORT/",
    // Somebody before the host, who is taken for it.
    "https://hooks.example@127.0.0.1:PORT/",
    "https://127.0.0.1:PORT@hooks.example/",
    "https://hooks.example\\@127.0.0.1:PORT/",
    // No port.
    "https://hooks.example:0/",
    "https://hooks.example:65536/",
];

#[tokio::test]
async fn however_an_address_inside_is_spelled_nobody_goes_there() {
    let mut rig = WebPushRig::start(&["h2"]).await;
    rig.config.guard = Guard::default();
    rig.config.webpush_hosts = rig.config.webpush_hosts.and(["*"]).expect("a good entry");
    let config = rig.config.clone();
    let client = Client::new(&config).expect("a good configuration");
    let (browsers, account) = (rig.client(), FcmRig::start().await.account);
    let port = rig.service.addr.port().to_string();
    for spelling in SPELLINGS {
        let url = spelling.replace("PORT", &port);
        // Where a tenant gives it.
        let refused = client.check(&url).expect_err(&url);
        let right = matches!(refused, NoAnswer::Url { .. } | NoAnswer::NotAllowed { .. });
        assert!(right, "{url}: {refused:?}");
        // Where it is called: the same, or this machine's resolver knows no such name.
        let refused = client.get(&url).await.expect_err(&url);
        let unknown = matches!(&refused, NoAnswer::NotSent { problem, .. } if problem.starts_with("name not resolved"));
        let right = matches!(refused, NoAnswer::Url { .. } | NoAnswer::NotAllowed { .. });
        assert!(right || unknown, "{url}: {refused:?}");
        // A browser's endpoint: no subscription, or none that is pushed to.
        let json = rig.browser.json(&url);
        if let Ok(subscription) = providers::webpush::Subscription::parse(json.as_bytes()) {
            let push = providers::webpush::Push { subscription, ..rig.push() };
            let exchange = browsers.send(&push, NOW, || true).await;
            let reason = &refusal(&exchange).reason;
            let right = ["AddressNotAllowed: ", "NameNotResolved: "];
            assert!(right.iter().any(|word| reason.starts_with(word)), "{url}: {reason}");
        }
        // A service account's token endpoint.
        let file = account.json(&url);
        if let Ok(account) = fcm::ServiceAccount::parse(file.as_bytes()) {
            let config = Config { oauth: None, ..config.clone() };
            let refused = Fcm::new(&config, account).err();
            assert!(matches!(refused, Some(providers::Error::Config { .. })), "{url}: {refused:?}");
        }
    }
    assert_eq!(rig.service.counts().connections, 0);
    client.check("https://hooks.example:8443/in").expect("another port is fine");
}
