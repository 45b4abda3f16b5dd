//! Merge patches (RFC 7386), and what is read out of the result.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Fault;

/// Merges a patch into what was generated and reads the result, strictly.
///
/// # Errors
///
/// [`Fault::Override`] naming the field behind `place`, which is what the request calls the patch.
pub(super) fn read<T: DeserializeOwned>(
    place: &'static str,
    generated: Value,
    patch: &Map<String, Value>,
) -> Result<T, Fault> {
    let mut merged = generated;
    merge_members(&mut merged, patch);
    serde_path_to_error::deserialize(&merged).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { place.to_owned() } else { format!("{place}.{path}") };
        Fault::Override { field, problem: error.into_inner().to_string() }
    })
}

/// RFC 7386, section 2: objects are merged, `null` removes, all else replaces.
fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(members) => merge_members(target, members),
        other => *target = other.clone(),
    }
}

fn merge_members(target: &mut Value, members: &Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(object) = target else { return };
    for (key, value) in members {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_is_merged_as_the_rfc_says() {
        for (target, patch, expected) in [
            (json!({ "a": 1 }), json!({}), json!({ "a": 1 })),
            (json!({ "a": 1 }), json!({ "a": 2, "b": 3 }), json!({ "a": 2, "b": 3 })),
            (json!({ "a": 1, "b": 2 }), json!({ "a": null, "c": null }), json!({ "b": 2 })),
            (
                json!({ "a": { "b": 1 } }),
                json!({ "a": { "c": 2 } }),
                json!({ "a": { "b": 1, "c": 2 } }),
            ),
            (json!({ "a": [1, 2] }), json!({ "a": [3] }), json!({ "a": [3] })),
            (json!({ "a": 1 }), json!({ "a": { "b": null, "c": 1 } }), json!({ "a": { "c": 1 } })),
            (json!({}), json!({ "a": { "b": { "c": null } } }), json!({ "a": { "b": {} } })),
            (json!({ "a": { "b": 1 } }), json!({ "a": "b" }), json!({ "a": "b" })),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, expected, "{target} {patch}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Shape {
            #[expect(dead_code, reason = "only its reading matters")]
            list: Vec<u8>,
        }
        for (patch, field) in [
            (json!({ "list": [1, 300] }), "apns.list[1]"),
            (json!({ "lits": 1 }), "apns.lits"),
            (json!({ "list": null }), "apns"),
        ] {
            let Value::Object(patch) = patch else { panic!("an object") };
            let fault = read::<Shape>("apns", json!({ "list": [] }), &patch).unwrap_err();
            let Fault::Override { field: found, problem } = fault else { panic!("{fault:?}") };
            assert_eq!(found, field, "{problem}");
        }
    }
}
