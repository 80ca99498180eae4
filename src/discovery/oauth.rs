//! How clients write what the bridge is at an authorization server, folded into the one way that `entry` reads: Claude Code's.

use serde_json::{Map, Value};

/// Spellings of the members of `oauth`, and ours.
const MEMBERS: &[(&str, &str)] = &[
    ("client_id", "clientId"),
    ("CLIENT_ID", "clientId"),
    ("client_secret", "clientSecret"),
    ("CLIENT_SECRET", "clientSecret"),
    ("callback_port", "callbackPort"),
    ("client_metadata_url", "clientMetadataUrl"),
    ("scope", "scopes"),
];
/// The same, written beside `oauth` and not within it.
const BESIDE: &[(&str, &str)] = &[("oauthClientId", "clientId"), ("oauthScopes", "scopes")];
/// Members that clients write and that change nothing here: a server says itself where to log in, and where the browser is sent back to
/// is the bridge's own affair.
const HARMLESS: &[&str] =
    &["enabled", "type", "redirectUri", "redirect_uri", "authServerMetadataUrl", "grantType", "audiences"];

/// Undoes the spellings of Cursor (`auth`), Copilot (`oauthClientId`), Zed and others (`client_id`), and takes out what only says
/// that there is OAuth, which a server says itself.
pub(super) fn fold(entry: &mut Value) {
    let Value::Object(entry) = entry else { return };
    match entry.remove("auth") {
        Some(Value::Object(auth)) => {
            entry.entry("oauth").or_insert(auth.into());
        }
        // A token, or the word that asks for a login.
        Some(Value::String(word)) if word == "oauth" => {}
        Some(other) => {
            entry.insert("auth".into(), other);
        }
        None => {}
    }
    let mut beside = Map::new();
    for (theirs, ours) in BESIDE {
        if let Some(value) = entry.remove(*theirs) {
            beside.insert((*ours).to_owned(), value);
        }
    }
    if !beside.is_empty()
        && let Value::Object(oauth) = entry.entry("oauth").or_insert_with(|| Value::Object(Map::new()))
    {
        oauth.extend(beside);
    }
    match entry.get_mut("oauth") {
        Some(Value::Bool(_)) => {
            entry.remove("oauth");
        }
        Some(Value::Object(oauth)) => {
            for (theirs, ours) in MEMBERS {
                if let Some(value) = oauth.remove(*theirs) {
                    oauth.entry(*ours).or_insert(value);
                }
            }
            if let Some(Value::Array(scopes)) = oauth.get("scopes") {
                let scopes: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
                let joined = Value::from(scopes.join(" "));
                oauth.insert("scopes".into(), joined);
            }
            oauth.retain(|key, value| !HARMLESS.contains(&key.as_str()) && value.as_str() != Some(""));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spelling_becomes_ours() {
        let want = json!({"url": "u", "oauth": {"clientId": "a", "scopes": "read write"}});
        for entry in [
            json!({"url": "u", "oauth": {"clientId": "a", "scopes": "read write"}}),
            json!({"url": "u", "auth": {"CLIENT_ID": "a", "scopes": ["read", "write"]}}),
            json!({"url": "u", "oauth": {"client_id": "a", "scopes": ["read", "write"], "enabled": true}}),
            json!({"url": "u", "oauthClientId": "a", "oauthScopes": ["read", "write"]}),
        ] {
            let mut folded = entry.clone();
            fold(&mut folded);
            assert_eq!(folded, want, "{entry}");
        }
        for (entry, want) in [
            (json!({"url": "u", "oauth": false}), json!({"url": "u"})),
            (json!({"url": "u", "auth": "oauth"}), json!({"url": "u"})),
            (json!({"oauth": {"scopes": []}}), json!({"oauth": {}})),
            (json!({"oauth": "wrong"}), json!({"oauth": "wrong"})),
            (json!(5), json!(5)),
        ] {
            let mut folded = entry.clone();
            fold(&mut folded);
            assert_eq!(folded, want, "{entry}");
        }
    }
}
