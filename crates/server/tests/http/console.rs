//! The console as a browser sees it: the way in, who is kept out, what its forms do.

mod followers;
mod operations;
mod returning;
mod users;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use server::clock::{Clock, Hand};
use server::console::CODE_FILE;
use server::console::routes::{For, ROUTES, Route};
use server::secret::write_private;

use super::paths::nowhere;
use super::rig::{Answer, Server, text};

const PASSWORD: &str = "correct horse battery staple";

/// What a browser keeps and says.
struct Browser<'a> {
    server: &'a Server,
    cookie: Option<String>,
    /// What it says of where a form comes from; `None`: an old one, which says `Origin` alone.
    site: Option<&'static str>,
    /// What it says a request is for: a page to show, or (`empty`) a script.
    dest: &'static str,
    /// The page that it says it is on.
    referer: Option<String>,
    /// Where it is, as a proxy of this machine says.
    address: Option<&'static str>,
}

impl<'a> Browser<'a> {
    const fn of(server: &'a Server) -> Self {
        let (site, dest) = (Some("same-origin"), "document");
        Self { server, cookie: None, site, dest, referer: None, address: None }
    }

    /// One that is signed in.
    async fn signed_in(server: &'a Server) -> Self {
        let mut browser = Self::of(server);
        browser.set_password().await;
        browser.login(PASSWORD).await.is(303);
        browser
    }

    async fn set_password(&mut self) {
        let code = std::fs::read_to_string(self.server.data_dir().join(CODE_FILE)).expect("a code");
        let fields = [("code", code.trim()), ("password", PASSWORD), ("again", PASSWORD)];
        self.post("/console/setup", &fields).await.is(303);
    }

    async fn login(&mut self, password: &str) -> Answer {
        self.post("/console/login", &[("password", password), ("to", "/console/apps")]).await
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, String::new()).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encoded = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        self.send(Method::POST, path, encoded.collect::<Vec<_>>().join("&")).await
    }

    /// A form of a page, with the word that the page has for it.
    async fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let shown = text(&self.get(page).await.is(200));
        let (_, rest) = shown.split_once("name=\"csrf\" value=\"").expect("a form");
        let word = rest.split('"').next().expect("a word").to_owned();
        self.post(path, &[&[("csrf", word.as_str())], fields].concat()).await
    }

    /// A form with a file.
    async fn send_form(&mut self, path: &str, body: String) -> Answer {
        self.send_as("multipart/form-data; boundary=edge", Method::POST, path, body).await
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> Answer {
        self.send_as("application/x-www-form-urlencoded", method, path, body).await
    }

    async fn send_as(
        &mut self,
        media_type: &str,
        method: Method,
        path: &str,
        body: String,
    ) -> Answer {
        let mut request = Request::builder().method(&method).uri(path);
        request = request.header("sec-fetch-dest", self.dest);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("other=1; reveille_console={cookie}"));
        }
        if let Some(page) = &self.referer {
            request = request.header("referer", page);
        }
        if let Some(address) = self.address {
            request = request.header("x-forwarded-for", address);
        }
        if method == Method::POST {
            request = request.header("content-type", media_type);
            request = match self.site {
                Some(site) => request.header("sec-fetch-site", site),
                None => request.header("origin", format!("http://{}", self.server.internal)),
            };
        }
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        let answer = self.server.send_inside(request).await;
        if let Some(set) = answer.headers.get("set-cookie") {
            let set = set.to_str().expect("text");
            let value = set.strip_prefix("reveille_console=").expect("our cookie");
            let value = value.split(';').next().expect("a value");
            self.cookie = (!value.is_empty()).then(|| value.to_owned());
        }
        answer
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn location(answer: &Answer) -> &str {
    answer.headers["location"].to_str().expect("text")
}

/// A clock that stands at the time of the test.
fn by_hand() -> (Clock, Hand) {
    Clock::by_hand(domain::Time::from_micros(jiff::Timestamp::now().as_microsecond()))
}

/// A route's path, with something for each of its parameters.
fn filled(server: &Server, route: &Route) -> String {
    super::paths::filled(route.path, |name| match name {
        "app" => server.app.0.clone(),
        "name" => "style.css".to_owned(),
        other => nowhere(other).to_owned(),
    })
}

#[tokio::test]
async fn the_password_is_set_once_by_whoever_can_read_the_code() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    assert_eq!(location(&browser.get("/console").await), "/console/setup");
    assert_eq!(location(&browser.get("/console/login").await), "/console/setup");
    let file = server.data_dir().join(CODE_FILE);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let code = std::fs::read_to_string(&file).expect("a code");
    let code = code.trim();
    for (fields, says) in [
        ([("code", "guess"), ("password", PASSWORD), ("again", PASSWORD)], "not the code"),
        ([("code", ""), ("password", PASSWORD), ("again", PASSWORD)], "not the code"),
        ([("code", code), ("password", "short"), ("again", "short")], "give 12 or more"),
        ([("code", code), ("password", PASSWORD), ("again", "another")], "not the same"),
    ] {
        let page = text(&browser.post("/console/setup", &fields).await.is(422));
        assert!(page.contains(says) && page.contains("aria-invalid"), "{page}");
    }
    browser.set_password().await;
    assert!(!file.exists(), "the code is good once");
    assert_eq!(location(&browser.get("/console/setup").await), "/console/login");
    let fields = [("code", code), ("password", "another password"), ("again", "another password")];
    browser.post("/console/setup", &fields).await.is(422);
    browser.login("another password").await.is(422);
    assert_eq!(location(&browser.login(PASSWORD).await), "/console/apps");
    // Lost: whoever may write to the folder makes a code of their own.
    write_private(&file, "too short").expect("written");
    let set = |code| [("code", code), ("password", "a new password"), ("again", "a new password")];
    browser.post("/console/setup", &set("too short")).await.is(422);
    std::fs::remove_file(&file).expect("removed");
    write_private(&file, "abcdefghijklmnopqrstuvwxyz").expect("written");
    browser.get("/console/setup").await.is(200);
    browser.post("/console/setup", &set("abcdefghijklmnopqrstuvwxyz")).await.is(303);
    browser.get("/console/apps").await.is(303);
    browser.login(PASSWORD).await.is(422);
    browser.login("a new password").await.is(303);
    server.stop().await;
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_the_door_by_every_route() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    let cookie = browser.cookie.take();
    for route in ROUTES {
        let path = filled(&server, route);
        for cookie in [None, Some("nonsense".to_owned()), Some("A".repeat(43))] {
            browser.cookie = cookie;
            let answer = browser.send(route.method.clone(), &path, String::new()).await;
            // A form is not asked for again.
            let is_form = route.method == Method::POST;
            let door = if is_form { "/console/login?to=" } else { "/console/login?to=/console/" };
            let to_login = answer
                .headers
                .get("location")
                .is_some_and(|to| to.to_str().is_ok_and(|to| to.starts_with(door)));
            assert_eq!(to_login, route.whom == For::SignedIn, "{} {path}", route.method);
            let policy = answer.headers["content-security-policy"].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
            assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        }
    }
    browser.cookie = cookie;
    browser.get("/console/apps").await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn a_form_that_is_not_of_the_visitors_own_page_does_nothing() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    let mut other = Browser::of(&server);
    other.login(PASSWORD).await.is(303);
    let page = text(&other.get("/console/apps").await.is(200));
    let others_word = page.split_once("name=\"csrf\" value=\"").expect("a form").1;
    let others_word = others_word.split('"').next().expect("a word").to_owned();
    for route in ROUTES.iter().filter(|route| route.method == Method::POST) {
        if route.whom == For::Anybody {
            continue;
        }
        let path = filled(&server, route);
        // It takes a file, and is asked for below.
        if path.ends_with("/credentials") {
            continue;
        }
        for word in ["", "nonsense", &others_word] {
            let answer = browser.post(&path, &[("csrf", word), ("name", "planted")]).await;
            assert_eq!(answer.status, 403, "{path}");
        }
        // From another site, with the right word.
        browser.site = Some("cross-site");
        let answer = browser.submit("/console/apps", &path, &[("name", "planted")]).await;
        assert_eq!(answer.status, 403, "{path}");
        browser.site = Some("same-origin");
    }
    for path in ["/console/login", "/console/setup"] {
        browser.site = Some("cross-site");
        browser.post(path, &[("password", PASSWORD)]).await.is(403);
    }
    // A browser that knows no Fetch Metadata says `Origin`.
    browser.site = None;
    let page = text(&browser.get("/console/apps").await.is(200));
    assert!(!page.contains("planted"), "{page}");
    browser
        .submit("/console/apps", "/console/apps", &[("name", "by an old browser")])
        .await
        .is(201);
    server.stop().await;
}

#[tokio::test]
async fn guessing_is_held_off() {
    let (clock, hand) = by_hand();
    let server = Server::start_with(clock, |config| {
        config.rate.failed_logins_per_minute = 3;
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    });
    let server = server.await;
    let mut browser = Browser::signed_in(&server).await;
    let mut guesser = Browser::of(&server);
    for _ in 0..3 {
        let page = text(&guesser.login("a guess of mine").await.is(422));
        assert!(page.contains("not the password"), "{page}");
    }
    for guess in ["a guess of mine", PASSWORD] {
        let held = guesser.login(guess).await;
        assert_eq!((held.status, &held.headers["retry-after"]), (429, &"20".parse().expect("it")));
        let page = text(&held.body);
        let says = "Too many passwords from your address were wrong; try again in 20 seconds.";
        assert!(page.contains(says) && page.contains("aria-invalid"), "{page}");
    }
    assert_eq!(guesser.cookie, None);
    // Neither may it guess at the code; and whoever is signed in goes on.
    let code = [("code", "a guess"), ("password", PASSWORD), ("again", PASSWORD)];
    let page = text(&guesser.post("/console/setup", &code).await.is(429));
    assert!(page.contains("Too many codes from your address"), "{page}");
    browser.get("/console/apps").await.is(200);
    let mut operator = Browser { address: Some("192.0.2.7"), ..Browser::of(&server) };
    operator.login(PASSWORD).await.is(303);
    // Bad keys are counted apart.
    for _ in 0..5 {
        let known = server.ask(Method::GET, "/v1/apps", "rvl_admin_none", None).await;
        assert!(matches!(known.status, 401 | 429), "{known:?}");
    }
    hand.advance(Duration::from_secs(20));
    guesser.login(PASSWORD).await.is(303);
    server.stop().await;
}

#[tokio::test]
async fn a_session_ends_by_itself_and_by_its_visitor() {
    let (clock, hand) = by_hand();
    let server = Server::start_by(clock).await;
    let mut browser = Browser::signed_in(&server).await;
    hand.advance(Duration::from_secs(11 * 3_600));
    browser.get("/console/apps").await.is(200);
    hand.advance(Duration::from_secs(11 * 3_600));
    browser.get("/console/apps").await.is(200);
    // An overview that is left open looks again all the time, and nobody is there.
    browser.dest = "empty";
    hand.advance(Duration::from_secs(6 * 3_600));
    browser.get("/console/apps").await.is(200);
    browser.dest = "document";
    hand.advance(Duration::from_secs(6 * 3_600));
    browser.get("/console/apps").await.is(303);
    browser.login(PASSWORD).await.is(303);
    let kept = browser.cookie.clone();
    browser.submit("/console/apps", "/console/logout", &[]).await.is(303);
    assert_eq!(browser.cookie, None);
    browser.cookie = kept;
    browser.get("/console/apps").await.is(303);
    server.stop().await;
}

#[tokio::test]
async fn the_cookie_is_for_this_site_and_no_script() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    browser.set_password().await;
    let answer = browser.login(PASSWORD).await;
    let cookie = answer.headers["set-cookie"].to_str().expect("text");
    for part in ["; Path=/console;", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_app_is_made_and_its_keys_are_good_until_they_are_taken_back() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    let made = browser
        .submit("/console/apps", "/console/apps", &[("name", "<script>alert(1)</script>")])
        .await;
    let page = text(&made.is(201));
    assert!(!page.contains("<script>alert"), "{page}");
    let key = key_in(&page);
    let path = page.split_once("href=\"/console/apps/app_").expect("a link").1;
    let app = format!("app_{}", path.split('"').next().expect("an id"));
    server.ask(Method::GET, &format!("/v1/apps/{app}"), &key, None).await.is(200);
    let own = format!("/console/apps/{app}/keys");
    let fields = [("name", "reporting"), ("scope", "read")];
    let page = text(&browser.submit(&own, &own, &fields).await.is(201));
    let reading = key_in(&page);
    let keys = format!("/v1/apps/{app}/keys");
    server.ask(Method::GET, &keys, &reading, None).await.is(200);
    let create = Some(serde_json::json!({ "name": "more" }));
    server.ask(Method::POST, &keys, &reading, create).await.refused(403, "forbidden", None);
    let listed = server.ask(Method::GET, &keys, &key, None).await.is(200);
    let found = listed["items"].as_array().expect("keys").iter();
    let id = found.clone().find(|found| found["name"] == "reporting").expect("the key");
    let delete = format!("{own}/{}/delete", text(&id["id"]));
    assert_eq!(
        location(&browser.submit(&own, &delete, &[]).await),
        format!("{own}?done=key_deleted")
    );
    server.ask(Method::GET, &keys, &reading, None).await.refused(401, "unauthorized", None);
    // What the console did, the operator did.
    let acts = server.ask(Method::GET, "/v1/audit-log", &server.admin, None).await.is(200);
    let by: Vec<_> = acts["items"].as_array().expect("acts").iter().take(3).collect();
    for (act, path) in
        by.iter().zip([format!("{keys}/{}", text(&id["id"])), keys, "/v1/apps".into()])
    {
        assert_eq!((&act["by"], &act["path"]), (&"operator".into(), &path.into()), "{act}");
    }
    let nameless = browser.submit("/console/apps", "/console/apps", &[("name", "")]).await;
    assert!(text(&nameless.is(422)).contains("aria-invalid"));
    server.stop().await;
}

#[tokio::test]
async fn the_style_is_kept_by_a_browser_under_the_name_that_pages_have_for_it() {
    let server = Server::start().await;
    let mut browser = Browser::of(&server);
    let page = text(&browser.get("/console/setup").await.is(200));
    let (_, rest) = page.split_once("<link rel=\"stylesheet\" href=\"").expect("a style");
    let style = browser.get(rest.split('"').next().expect("its name")).await;
    assert!(style.headers["cache-control"].to_str().expect("text").ends_with("immutable"));
    assert!(text(&style.is(200)).contains("prefers-color-scheme: dark"));
    browser.get("/console/assets/style.css").await.is(404);
    server.stop().await;
}

/// A form with a file, as a browser writes it (RFC 7578).
fn multipart(fields: &[(&str, &str)], file: Option<(&str, &str)>) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!(
            "--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    let (name, content) = file.unwrap_or_default();
    body += &format!(
        "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{content}\r\n--edge--\r\n"
    );
    body
}

#[tokio::test]
async fn a_file_is_dropped_and_shown_for_what_it_is_or_named_for_what_it_is_not() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    let path = format!("/console/apps/{}/credentials", server.app.0);
    let page = text(&browser.get(&path).await.is(200));
    assert!(page.contains("901"), "what it means that there is none: {page}");
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
    let word = rest.split('"').next().expect("a word").to_owned();
    let key = sim::pki::ApnsKey::generate().expect("a key");
    let form = [
        ("csrf", word.as_str()),
        ("kind", "apns_key"),
        ("team_id", key.team_id.as_str()),
        ("bundle_ids", "com.example.app, com.example.other"),
        ("key_id", ""),
    ];
    let (file_name, pem) = (key.file_name(), key.pem());
    let sent = multipart(&form, Some((&file_name, pem)));
    let page = text(&browser.send_form(&path, sent).await.is(201));
    assert!(page.contains("com.example.app, com.example.other"), "{page}");
    assert!(page.contains(&key.team_id) && page.contains(&key.key_id), "{page}");
    assert!(
        !page.contains(pem.lines().nth(1).expect("its letters")),
        "the key itself is not shown"
    );
    let wrong = multipart(&form, Some(("aps.cer", "no key at all")));
    let page = text(&browser.send_form(&path, wrong).await.is(422));
    assert!(
        page.contains("role=\"alert\"")
            && page.contains("<details class=\"card\" name=\"credential\" open>"),
        "{page}"
    );
    let planted = multipart(&[("csrf", "nonsense"), ("kind", "webpush_vapid")], None);
    assert_eq!(browser.send_form(&path, planted).await.status, 403);
    let listed = format!("/v1/apps/{}/credentials", server.app.0);
    let kept = server.call(Method::GET, &listed, None).await.is(200);
    assert_eq!(kept["items"].as_array().expect("credentials").len(), 1, "{kept}");
    let delete = format!("{path}/{}/delete", text(&kept["items"][0]["id"]));
    browser.submit(&path, &delete, &[]).await.is(303);
    let kept = server.call(Method::GET, &listed, None).await.is(200);
    assert_eq!(kept["items"], serde_json::json!([]));
    server.stop().await;
}

/// The key that a page shows.
fn key_in(page: &str) -> String {
    let (_, rest) = page.split_once("<code>rvl_app_").expect("a key");
    format!("rvl_app_{}", rest.split('<').next().expect("its end"))
}

#[tokio::test]
async fn settings_are_saved_as_a_whole_or_what_is_wrong_is_named() {
    let server = Server::start().await;
    let mut browser = Browser::signed_in(&server).await;
    let path = format!("/console/apps/{}/settings", server.app.0);
    let api = format!("/v1/apps/{}/settings", server.app.0);
    let fields = vec![
        ("background_push", "on"),
        ("route_ios", "fcm"),
        ("sound", "chime.caf"),
        ("alert_title", "Clinic"),
        ("alert_body", "There is news."),
        ("climb_after", "45"),
        ("hold_while_active_elsewhere", "0"),
        ("ring_time", "30"),
        ("resume_time", "20"),
        ("default_ttl", "86400"),
        ("repeat_after", "60, 120"),
    ];
    let saved = browser.submit(&path, &path, &fields).await;
    assert_eq!(location(&saved), format!("{path}?done=saved"));
    let settings = server.call(Method::GET, &api, None).await.is(200);
    for (field, value) in [
        ("push_enabled", serde_json::json!(false)),
        ("background_push", true.into()),
        ("route_ios", "fcm".into()),
        ("sound", "chime.caf".into()),
        ("alert_body", "There is news.".into()),
        ("climb_after", 45.into()),
        ("repeat_after", serde_json::json!([60, 120])),
        ("default_ttl", 86_400.into()),
    ] {
        assert_eq!(settings[field], value, "{field}: {settings}");
    }
    for (field, value, says) in [
        ("climb_after", "soon", "a number of seconds"),
        ("climb_after", "3601", "3600"),
        ("repeat_after", "1,2,3,4,5,6,7,8,9", "8 are allowed"),
    ] {
        let mut fields = fields.clone();
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let page = text(&browser.submit(&path, &path, &fields).await.is(422));
        assert!(page.contains(says) && page.contains("Nothing was saved"), "{field}: {page}");
    }
    assert_eq!(server.call(Method::GET, &api, None).await.is(200), settings);
    let nobody = browser.get("/console/apps/app_99/settings").await;
    assert!(text(&nobody.is(404)).contains("no such app"));
    server.stop().await;
}
