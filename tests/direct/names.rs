//! What is offered, and under which names: modes, prefixes, tools about tools.

use serde_json::{Value, json};

use crate::eras::{Era, with_wide};
use crate::pass::list;
use crate::support::{Client, Home};

fn two(mode: &str) -> Home {
    let home = with_wide(Home::new().env("MCP_BRIDGE_EXPOSE", mode), Era::Older, "first");
    with_wide(home, Era::Newer, "second")
}

fn tools(client: &mut Client) -> Vec<String> {
    let listed = client.request("tools/list", json!({}));
    list(&listed, "tools", "name").into_iter().map(str::to_owned).collect()
}

#[test]
fn each_mode_offers_what_it_says() {
    for (mode, code, direct) in
        [("code", true, false), ("tools", false, true), ("both", true, true), ("auto", true, true)]
    {
        let home = two(mode);
        let mut client = Client::start_raw(home.command(&["serve"]));
        let info = client.initialize();
        let names = tools(&mut client);
        let has = |name: &str| names.iter().any(|it| it == name);
        assert_eq!(has("run_python"), code, "{mode}");
        for name in ["first__echo", "second__echo", "list_servers", "get_server_tools", "search_tools"] {
            assert_eq!(has(name), direct, "{mode} {name}");
        }
        assert_eq!(info["capabilities"]["prompts"]["listChanged"] == true, direct, "{mode} {info}");
        let says = info.to_string() + &client.request("resources/list", json!({})).to_string();
        assert_eq!(says.contains("run_python"), code, "{mode}: {says}");
        let instructions = info["instructions"].as_str().unwrap_or_default();
        assert_eq!(instructions.contains("first, second"), direct, "{mode}: {instructions}");
    }
}

#[test]
fn auto_leaves_out_what_costs_too_much() {
    let home = two("auto").env("MCP_BRIDGE_EXPOSE_LIMIT", "100");
    let names = tools(&mut home.serve());
    assert_eq!(names, ["run_python", "list_servers", "get_server_tools", "search_tools"]);
}

#[test]
fn the_flag_goes_before_the_variable() {
    let home = two("code");
    let mut client = Client::start(home.command(&["serve", "--expose", "tools"]));
    assert!(tools(&mut client).contains(&"first__echo".to_owned()));
    let refused = home.finish(&["serve", "--expose", "everything"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--expose is \"everything\""), "{}", refused.stderr);
}

#[test]
fn a_prefix_of_its_own_and_one_for_nobody() {
    let home = two("tools").env("MCP_BRIDGE_PREFIXES", "first=one, secnd=two");
    let mut client = home.serve();
    let names = tools(&mut client);
    assert!(names.contains(&"one__echo".to_owned()) && names.contains(&"second__echo".to_owned()), "{names:?}");
    let seen = client.request("tools/call", json!({"name": "one__echo", "arguments": {}}));
    assert_eq!(seen["structuredContent"]["name"], "echo");
    let warned = client.logged("MCP_BRIDGE_PREFIXES");
    assert!(warned.contains("did you mean `second`"), "{warned}");
}

#[test]
fn tools_about_tools_find_what_there_is() {
    let home = two("tools");
    let mut client = home.serve();
    let mut look = |name: &str, arguments: Value| {
        client.request("tools/call", json!({"name": name, "arguments": arguments}))["structuredContent"].take()
    };
    let servers = look("list_servers", json!({}));
    assert_eq!(list(&servers, "servers", "name"), ["first", "second"]);
    assert_eq!((&servers["servers"][0]["tools"], &servers["servers"][1]["state"]), (&json!(13), &json!("ready")));
    let fares = ["transport", "breaker", "error", "next_try", "prefix"].map(|name| servers["servers"][0].get(name));
    let wanted = [&json!("stdio"), &json!("closed"), &Value::Null, &Value::Null, &json!("first")];
    assert_eq!(fares, wanted.map(Some), "{servers}");
    let of_one = look("get_server_tools", json!({"server": "second"}));
    assert_eq!(of_one["tools"][1]["name"], "second__echo");
    assert_eq!(of_one["tools"][1]["inputSchema"], json!({"type": "object"}));
    let found = look("search_tools", json!({"query": "progress count", "server": "first", "limit": 1}));
    assert_eq!(list(&found, "tools", "name"), ["first__count"]);
    let wrong = client.request("tools/call", json!({"name": "get_server_tools", "arguments": {"server": "secnd"}}));
    assert_eq!(
        (&wrong["isError"], &wrong["_meta"]["mcp-bridge/code"]),
        (&json!(true), &json!("direct.unknown_server"))
    );
    assert!(wrong["content"][0]["text"].as_str().is_some_and(|it| it.contains("did you mean `second`")), "{wrong}");
    for name in ["get_server_tools", "search_tools"] {
        let bare = client.request("tools/call", json!({"name": name, "arguments": {}}));
        assert_eq!((&bare["isError"], &bare["_meta"]["mcp-bridge/code"]), (&json!(true), &json!("direct.argument")));
    }
}

/// `second` has the same URIs as `first`, and another never answers: neither changes anything for whom they are not there.
#[test]
fn a_server_that_a_caller_does_not_see_changes_no_uri_and_holds_nothing_up() {
    let home = two("tools").stub("hangs", &json!({"initialize": {"silent": true}}));
    let rules = home.path().join("rules.json").display().to_string();
    let entries = json!({"default": {"servers": ["first"], "tools": "*"}});
    let home = home.file("rules.json", &json!({ "access_rules": entries }).to_string());
    let home = home.env("MCP_BRIDGE_ACCESS", &rules).env("MCP_BRIDGE_START_TIMEOUT", "600");
    let mut client = home.serve();
    let begun = std::time::Instant::now();
    let listed = client.request("resources/list", json!({}));
    assert_eq!(list(&listed, "resources", "uri"), ["first://one", "same://thing"]);
    let read = client.request("resources/read", json!({"uri": "same://thing"}));
    assert_eq!(read["contents"][0]["text"], "of first");
    let names = tools(&mut client);
    assert!(names.iter().all(|name| !name.starts_with("second__")), "{names:?}");
    let seen = client.request("tools/call", json!({"name": "first__echo", "arguments": {}}));
    assert_eq!(seen["structuredContent"]["name"], "echo");
    // Each list would have waited ten seconds for the one that hangs.
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn what_two_servers_have_under_one_uri_is_led_by_each() {
    let home = two("tools");
    let mut client = home.serve();
    let listed = client.request("resources/list", json!({}));
    let led = ["first", "second"].map(|server| format!("mcp-bridge://servers/{server}/same://thing"));
    let uris = list(&listed, "resources", "uri");
    assert_eq!(uris, ["first://one", &led[0], "second://one", &led[1]]);
    for (uri, server) in led.iter().zip(["first", "second"]) {
        let read = client.request("resources/read", json!({"uri": uri}));
        assert_eq!(read["contents"][0]["text"], format!("of {server}"));
    }
}
