//! What a program is told when it asks for what it cannot have: the code of the exception.

use serde_json::json;

use crate::shell::{home, json_of, run};
use crate::support::{Client, PATIENCE};

/// The code of the exception that an expression raises.
#[track_caller]
fn code_of(client: &mut Client, arguments: &[(&str, serde_json::Value)], expression: &str) -> String {
    let code =
        format!("try:\n    {expression}\nexcept Exception as error:\n    print(getattr(error, 'code', repr(error)))");
    let mut call = json!({"code": code});
    for (name, value) in arguments {
        call[*name] = value.clone();
    }
    let report = client.report(call);
    assert_eq!(report["status"], "success", "{expression}: {report:#}");
    report["stdout"].as_str().unwrap_or_default().trim().to_owned()
}

#[test]
fn each_mistake_has_a_code() {
    let home = home().stub("other", &json!({"tools": ["one"]}));
    let mut client = home.serve();
    for (expression, code) in [
        ("await runtime.list_tools('stbu')", "broker.server_not_found"),
        ("await mcp_stub.ehco(text='a')", "broker.tool_not_found"),
        ("await mcp_stub.echo()", "catalog.missing_argument"),
        ("await mcp_stub.echo('a', 1, 2)", "catalog.too_many_arguments"),
        ("await mcp_stub.echo('a', text='b')", "catalog.argument_twice"),
        ("await mcp_stub.echo(text='a', cuont=1)", "catalog.unknown_parameter"),
        ("await mcp_stub.echo(text='a', count='many')", "catalog.wrong_argument"),
        ("await mcp_stub.echo(text='a', timeout='soon')", "catalog.bad_deadline"),
        ("await mcp_stub.echo(text='a', timeout=0)", "catalog.bad_deadline"),
    ] {
        assert_eq!(code_of(&mut client, &[], expression), code, "{expression}");
    }
    let only = [("servers", json!(["other"]))];
    assert_eq!(code_of(&mut client, &only, "await runtime.list_tools('stub')"), "broker.server_not_requested");
}

#[test]
fn a_run_may_make_so_many_requests() {
    let home = home().env("MCP_BRIDGE_MAX_CALLS", "2");
    let mut client = home.serve();
    let three = "for _ in range(3): await mcp_stub.echo(text='a')";
    assert_eq!(code_of(&mut client, &[], three), "guest.call_limit");
}

#[test]
fn saved_tools_that_are_not_there_or_cannot_be() {
    let missing = run(&home(), "run -c 'from mcp.tools import nothing'").exits(1).stderr;
    assert!(missing.contains("there is no saved tool \"nothing\""), "{missing}");
    let nowhere = home().env("MCP_BRIDGE_STATE_DIR", "/proc/self/nowhere");
    let mut client = nowhere.serve();
    let save = "def f(): pass\n    await runtime.save_tool(f)";
    assert_eq!(code_of(&mut client, &[], save), "broker.saved_io");
}

#[test]
fn a_server_in_trouble_is_seen_by_the_model_and_by_the_operator() {
    let dead = json!({"command": "false", "circuit_breaker": {"failure_threshold": 1}});
    let home = home().server("dead", &dead);
    let mut client = home.serve();
    let looks = "[it for it in await runtime.list_servers(detailed=True) if it.name == 'dead'][0]";
    let seen = client.value(&format!("try:\n    await mcp_dead.x()\nexcept Exception:\n    pass\n{looks}"));
    assert_eq!(seen["breaker"], "open", "{seen}");
    assert!(seen["error"].as_str().is_some_and(|error| error.contains("exited with status 1")), "{seen}");
    assert!(seen["next_try"].as_f64() > Some(0.0), "{seen}");
    // The door that the commands knock at is made at the first trouble.
    let until = std::time::Instant::now() + PATIENCE;
    let told = loop {
        let listed = json_of(&home, "servers --json");
        let servers = listed["servers"].as_array().expect("servers");
        let told = servers.iter().find(|it| it["name"] == "dead").expect("one")["running"][0].clone();
        if told["breaker"] == "open" {
            break told;
        }
        assert!(std::time::Instant::now() < until, "{listed}");
    };
    assert!(told["next_try_s"].as_f64() > Some(0.0) && told["error"].is_string(), "{told}");
    let text = run(&home, "servers").exits(0).stdout;
    assert!(text.contains("breaker open, next try in "), "{text}");
}
