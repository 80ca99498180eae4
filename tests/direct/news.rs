//! What servers say beside their answers: progress, log lines, lists and resources that changed; and cancelled calls.

use serde_json::{Value, json};

use crate::eras::{Era, Talker, wide};
use crate::pass::list;

pub fn progress_comes_in_order_under_the_clients_token_and_before_the_answer(talker: &mut Talker, _: Era) {
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
    assert!(!talker.client.pending.iter().any(|it| it["method"] == "notifications/progress"));
}

pub fn log_lines_reach_the_client_from_the_level_it_asked_for(talker: &mut Talker, _: Era) {
    if talker.era == Era::Older {
        talker.request("logging/setLevel", json!({"level": "error"}));
        talker.call("wide__log", json!({}));
        assert_eq!(levels(talker), ["error", "critical", "alert", "emergency"]);
        return;
    }
    talker.call("wide__log", json!({}));
    assert!(levels(talker).is_empty(), "a request that names no level hears nothing");
    let meta = json!({"io.modelcontextprotocol/logLevel": "alert"});
    talker.request("tools/call", json!({"name": "wide__log", "arguments": {}, "_meta": meta}));
    assert_eq!(levels(talker), ["alert", "emergency"]);
}

fn levels(talker: &mut Talker) -> Vec<String> {
    let told = talker.client.pending.drain(..).filter(|it| it["method"] == "notifications/message");
    told.map(|it| it["params"]["level"].as_str().expect("a level").to_owned()).collect()
}

pub fn a_cancelled_call_is_cancelled_at_the_server(talker: &mut Talker, _: Era) {
    let id = talker.send("tools/call", json!({"name": "wide__hold", "arguments": {}}));
    talker.call("wide__holding", json!({}));
    talker.client.notify("notifications/cancelled", json!({"requestId": id, "reason": "enough"}));
    let seen = talker.call("wide__cancelled", json!({}))["structuredContent"].take();
    assert_eq!(seen["cancelled"], 1);
}

/// A client of the older era subscribes, one of the newer listens; and so does the bridge, by the server's era.
pub fn what_changed_is_announced_and_read_anew(talker: &mut Talker, server: Era) {
    let uri = "wide://one";
    if talker.era == Era::Older {
        talker.request("resources/subscribe", json!({"uri": uri}));
    } else {
        let lists = json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
            "resourceSubscriptions": [uri]});
        talker.send("subscriptions/listen", json!({"notifications": lists}));
        talker.client.told_method("notifications/subscriptions/acknowledged");
    }
    if server == Era::Older {
        talker.call("wide__told", json!({"until": "resources/subscribe"}));
    }
    talker.call("wide__touch", json!({"uri": uri}));
    assert_eq!(talker.client.told_method("notifications/resources/updated")["params"]["uri"], uri);

    assert!(!talker.request("tools/list", json!({})).to_string().contains("late"));
    talker.call("wide__grow", json!({}));
    for kind in ["tools", "prompts", "resources"] {
        let told = talker.client.told_method(&format!("notifications/{kind}/list_changed"));
        // Whoever reads strictly takes `null` for a broken message.
        assert!(told.get("params").is_none_or(Value::is_object), "{told}");
    }
    assert!(list(&talker.request("tools/list", json!({})), "tools", "name").contains(&"wide__late"));
    assert!(list(&talker.request("prompts/list", json!({})), "prompts", "name").contains(&"wide__late"));
    assert!(list(&talker.request("resources/list", json!({})), "resources", "uri").contains(&"wide://late"));
    assert_eq!(talker.call("wide__late", json!({}))["structuredContent"], json!({"late": true}));
}

#[test]
fn a_client_of_the_newer_era_listens_on_a_stream() {
    let home = wide(Era::Older);
    let mut talker = Talker::new(Era::Newer, &home);
    talker.request("tools/list", json!({}));
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["wide://one"]});
    let id = talker.send("subscriptions/listen", json!({"notifications": wanted}));
    talker.client.told_method("notifications/subscriptions/acknowledged");
    talker.call("wide__told", json!({"until": "resources/subscribe"}));
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
