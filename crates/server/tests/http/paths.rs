//! Paths of the route table, with something in place of their parameters.

/// A path with a value for each of its parameters, by its name.
pub(super) fn filled(path: &str, value: impl Fn(&str) -> String) -> String {
    let mut pieces = path.split('{');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}').expect("a brace that closes");
        filled += &value(name);
        filled += rest;
    }
    filled
}

/// The names of a path's parameters.
pub(super) fn parameters(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|piece| piece.split('}').next()).collect()
}

/// A well-formed name that nothing has.
pub(super) fn nowhere(parameter: &str) -> &'static str {
    match parameter {
        "app" => "app_999",
        "call" => "6f1c3c52-5d5c-4c2f-9a35-0a4f0d6c1b11",
        "credential" => "crd_999",
        "device" => "no-device",
        "event" => "evt_00000000000000000000000000000000",
        "key" => "key_999",
        "kind" => "apns",
        "message" => "msg_00000000000000000000000000000000",
        "push" => "psh_00000000000000000000000000000000",
        "thread" => "no-thread",
        "topic" => "no-topic",
        "user" | "blocked" => "nobody",
        "webhook" => "whk_999",
        other => panic!("{{{other}}} is new: give it a name in tests/http/paths.rs"),
    }
}
