//! An app that is deleted: nobody can ask for it at once, and nothing of it is left after a while.

use std::collections::BTreeMap;
use std::path::Path;

use http::Method;
use serde_json::json;
use server::clock::Clock;

use super::rig::Server;
use super::strangers::belongings::{Belongings, NOON};

/// How many rows each table has; not those that go by their own time, or stay.
fn rows(data_dir: &Path) -> BTreeMap<String, i64> {
    let database = rusqlite::Connection::open(data_dir.join("reveille.db")).expect("the database");
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
               AND name NOT IN ('audit', 'meta', 'sends', 'user_tokens')";
    let mut tables = database.prepare(sql).expect("the schema");
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).expect("tables");
    let counted = tables.map(|table| {
        let table = table.expect("a name");
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let count = database.query_row(&sql, [], |row| row.get(0)).expect("a number");
        (table, count)
    });
    counted.collect()
}

#[tokio::test]
async fn an_app_goes_with_all_it_has_and_no_other_is_touched() {
    let server = Server::start_by(Clock::by_hand(NOON).0).await;
    let own = Belongings::make(&server, &server.app, "own").await;
    let alone = rows(server.data_dir());
    let before = own.everything(&server).await;
    let second = server.new_app("second").await;
    let mut other = Belongings::make(&server, &second, "other").await;
    let secret = other.secret().to_owned();
    assert!(
        rows(server.data_dir()).iter().filter(|(table, count)| alone[*table] < **count).count()
            > 15
    );

    let path = format!("/v1/apps/{}", second.0);
    let delete = async |query: &str, key: &str| {
        server.ask(Method::DELETE, &format!("{path}{query}"), key, None).await
    };
    for wrong in ["", "?name=", "?name=Second", "?name=first"] {
        delete(wrong, &server.admin).await.refused(422, "invalid_field", Some("name"));
    }
    delete("?name=second", &second.1).await.refused(403, "wrong_key_kind", None);
    delete("?name=second", &server.admin).await.is(204);

    // Its session is told so, and nothing proves anybody of it any more.
    let (_, code) = other.session.end().await;
    assert_eq!(code, Some(4401));
    delete("?name=second", &server.admin).await.refused(404, "not_found", None);
    server.ask(Method::GET, &path, &server.admin, None).await.refused(404, "not_found", None);
    let list = server.ask(Method::GET, "/v1/apps", &server.admin, None).await.is(200);
    assert_eq!(list["items"].as_array().expect("a list").len(), 1, "{list}");
    let message = json!({ "to": ["other-alice"], "body": 1 });
    let send = server.ask(Method::POST, "/v1/messages", &second.1, Some(message)).await;
    send.refused(401, "unauthorized", None);
    let read = server.ask(Method::GET, "/v1/me/inbox", &secret, None).await;
    read.refused(401, "unauthorized", None);

    // By the admin's own route it is known that the job is done: nothing else is asked.
    let gone = async {
        while rows(server.data_dir()) != alone {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(super::rig::PATIENCE, gone).await;
    assert!(in_time.is_ok(), "left: {:?}, before: {alone:?}", rows(server.data_dir()));
    own.unchanged_since(&before, &server).await;
    server.stop().await;
}
