//! Real servers behind the bridge.

use serde_json::json;

use crate::eras::{Era, Talker};
use crate::pass::list;
use crate::support::{Home, server_json};

pub fn with_real(mode: &str, names: &[&str]) -> Option<Home> {
    let home = Home::new().env("MCP_BRIDGE_EXPOSE", mode);
    names.iter().try_fold(home, |home, name| Some(home.server(name, &server_json(name)?)))
}

#[test]
fn the_reference_servers_pass_through() {
    let Some(home) = with_real("tools", &["everything", "time"]) else { return };
    let mut client = home.serve();
    let listed = client.request("tools/list", json!({}));
    let names = list(&listed, "tools", "name");
    assert!(names.contains(&"everything__echo") && names.contains(&"time__get_current_time"), "{names:?}");
    let echo = client.request("tools/call", json!({"name": "everything__echo", "arguments": {"message": "hi"}}));
    assert_eq!(echo["content"][0]["text"], "Echo: hi");
    let time = json!({"name": "time__get_current_time", "arguments": {"timezone": "Europe/Berlin"}});
    assert!(client.request("tools/call", time).to_string().contains("Europe/Berlin"));
    let prompts = client.request("prompts/list", json!({}));
    assert_eq!(prompts["prompts"].as_array().map(Vec::len), Some(4), "{prompts}");
    let resources = client.request("resources/list", json!({}));
    let uri = resources["resources"][0]["uri"].clone();
    let read = client.request("resources/read", json!({"uri": uri}));
    assert_eq!(read["contents"][0]["uri"], uri);
}

/// Of the older era, and a tool of which its maker says that it must be called as a task; it asks meanwhile.
#[test]
fn a_real_servers_task_is_waited_for() {
    let Some(home) = with_real("tools", &["everything"]) else { return };
    for era in Era::BOTH {
        let mut talker = Talker::able(era, &home, json!({"elicitation": {"form": {}}}));
        let mut asked = 0;
        let arguments = json!({"topic": "python", "ambiguous": true});
        let call = json!({"name": "everything__simulate-research-query", "arguments": arguments});
        let response = talker.call_answering(call, |method, params| {
            asked += 1;
            assert_eq!(method, "elicitation/create");
            assert!(params["message"].as_str().is_some_and(|text| text.contains("python")), "{params}");
            json!({"action": "accept", "content": {"interpretation": "comedy"}})
        });
        let report = response["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(report.starts_with("# Research Report: python (comedy)"), "{era:?} {response:#}");
        assert_eq!(asked, 1);
    }
}
