//! What servers say beside their answers: progress, log lines, lists and resources that changed; and cancelled calls.

use serde_json::{Value, json};

use crate::eras::{Era, Talker, fixture, wide};
use crate::pass::{every_pair, list};

#[test]
fn progress_comes_in_order_under_the_clients_token_and_before_the_answer() {
    every_pair(|talker, _| {
        let call = json!({"name": "wide__count", "arguments": {"n": 100}, "_meta": {"progressToken": "mine"}});
        let id = talker.send("tools/call", call);
        // Everything that came before the answer is pending.
        let answer = talker.client.response(id);
        assert_eq!(answer["result"]["structuredContent"]["counted"], 100);
        let told: Vec<Value> =
            talker.client.pending.drain(..).filter(|it| it["method"] == "notifications/progress").collect();
        let steps: Vec<f64> = told.iter().filter_map(|it| it["params"]["progress"].as_f64()).collect();
        assert_eq!(steps, (1..=100).map(f64::from).collect::<Vec<_>>());
        assert!(told.iter().all(|it| it["params"]["progressToken"] == "mine" && it["params"]["x-unknown"].is_u64()));
        // Who wants none gets none.
        talker.call("wide__count", json!({"n": 3}));
        assert!(talker.client.pending.is_empty(), "{:?}", talker.client.pending);
    });
}

#[test]
fn log_lines_reach_the_client_from_the_level_it_asked_for() {
    for server in Era::BOTH {
        let home = wide(server);
        let mut talker = Talker::new(Era::Older, &home);
        talker.request("logging/setLevel", json!({"level": "error"}));
        talker.call("wide__log", json!({}));
        assert_eq!(levels(&mut talker), ["error", "critical", "alert", "emergency"], "{server:?}");

        let home = wide(server);
        let mut talker = Talker::new(Era::Newer, &home);
        talker.call("wide__log", json!({}));
        assert!(levels(&mut talker).is_empty(), "a request that names no level hears nothing");
        let meta = json!({"io.modelcontextprotocol/logLevel": "alert"});
        talker.request("tools/call", json!({"name": "wide__log", "arguments": {}, "_meta": meta}));
        assert_eq!(levels(&mut talker), ["alert", "emergency"], "{server:?}");
    }
}

fn levels(talker: &mut Talker) -> Vec<String> {
    let told = talker.client.pending.drain(..).filter(|it| it["method"] == "notifications/message");
    told.map(|it| it["params"]["level"].as_str().expect("a level").to_owned()).collect()
}

#[test]
fn a_cancelled_call_is_cancelled_at_the_server() {
    every_pair(|talker, _| {
        // So that the server is there, and the call the only one on its way.
        talker.call("wide__echo", json!({}));
        let id = talker.send("tools/call", json!({"name": "wide__hold", "arguments": {}}));
        // The server has the first when it has answered the second.
        talker.call("wide__echo", json!({}));
        talker.client.notify("notifications/cancelled", json!({"requestId": id, "reason": "enough"}));
        let seen = talker.call("wide__cancelled", json!({}))["structuredContent"].take();
        assert_eq!(seen["cancelled"], 1);
    });
}

#[test]
fn lists_that_changed_are_announced_and_read_anew() {
    for server in Era::BOTH {
        let home = wide(server);
        let mut talker = Talker::new(Era::Older, &home);
        assert!(!talker.request("tools/list", json!({})).to_string().contains("late"));
        talker.call("wide__grow", json!({}));
        let wanted = ["tools", "prompts", "resources"].map(|kind| format!("notifications/{kind}/list_changed"));
        for method in &wanted {
            let told = talker.client.told_method(method);
            // Whoever reads strictly takes `null` for a broken message.
            assert!(told.get("params").is_none_or(Value::is_object), "{told}");
        }
        assert!(list(&talker.request("tools/list", json!({})), "tools", "name").contains(&"wide__late"));
        assert!(list(&talker.request("prompts/list", json!({})), "prompts", "name").contains(&"wide__late"));
        assert!(list(&talker.request("resources/list", json!({})), "resources", "uri").contains(&"wide://late"));
        assert_eq!(talker.call("wide__late", json!({}))["structuredContent"], json!({"late": true}));
    }
}

#[test]
fn a_client_of_the_newer_era_listens_on_a_stream() {
    let home = wide(Era::Older);
    let mut talker = Talker::new(Era::Newer, &home);
    talker.request("tools/list", json!({}));
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["wide://one"]});
    let id = talker.send("subscriptions/listen", json!({"notifications": wanted}));
    talker.client.told_method("notifications/subscriptions/acknowledged");
    // The subscription is on its way to the server; once it was told of it, so is the client of changes.
    while !talker.call("wide__told", json!({})).to_string().contains("resources/subscribe") {}
    talker.call("wide__grow", json!({}));
    let told = talker.client.told_method("notifications/tools/list_changed");
    assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id, "{told}");
    talker.call("wide__touch", json!({"uri": "wide://one"}));
    assert_eq!(talker.client.told_method("notifications/resources/updated")["params"]["uri"], "wide://one");
    assert!(
        !talker.client.pending.iter().any(|it| it["method"] == "notifications/prompts/list_changed"),
        "not asked for"
    );
}

#[test]
fn who_subscribed_to_a_resource_hears_of_it_under_the_uri_it_knows() {
    let home = wide(Era::Older);
    let mut talker = Talker::new(Era::Older, &home);
    for uri in ["wide://one", "mcp-bridge://servers/wide/same://thing"] {
        let own = uri.strip_prefix("mcp-bridge://servers/wide/").unwrap_or(uri);
        talker.request("resources/subscribe", json!({"uri": uri}));
        talker.call("wide__touch", json!({"uri": own}));
        assert_eq!(talker.client.told_method("notifications/resources/updated")["params"]["uri"], uri);
        talker.request("resources/unsubscribe", json!({"uri": uri}));
    }
    talker.call("wide__touch", json!({"uri": "wide://one"}));
    talker.call("wide__echo", json!({}));
    assert!(talker.client.pending.is_empty(), "{:?}", talker.client.pending);
    let told = talker.call("wide__told", json!({})).to_string();
    assert!(told.contains("resources/unsubscribe"), "{told}");
}

/// Servers of the newer era tell of a resource on a stream, which the bridge asks for in the older client's place.
#[test]
fn a_client_of_the_older_era_watches_a_resource_of_any_server() {
    for server in Era::BOTH {
        let home = fixture(server);
        let mut talker = Talker::new(Era::Older, &home);
        let uri = "test://watched-resource";
        talker.request("resources/subscribe", json!({"uri": uri}));
        let told =
            |talker: &Talker| talker.client.pending.iter().any(|it| it["method"] == "notifications/resources/updated");
        // The stream is on its way; once it is there, each change is told.
        while !told(&talker) {
            talker.call("test_trigger_resource_change", json!({}));
        }
        assert_eq!(talker.client.told_method("notifications/resources/updated")["params"]["uri"], uri);
    }
}
