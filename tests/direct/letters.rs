//! Results are the server's own text, letter by letter, and arguments have the numbers that were written.

use serde_json::{Value, json};

use crate::eras::{Era, Talker};
use crate::exact::{self, answer};
use crate::support::{Engine, Home};
use crate::tasks::with_tasks;
use crate::ways::Transport;

#[test]
fn results_pass_letter_by_letter() {
    for server in ["older", "newer"] {
        let home = Home::new().env("MCP_BRIDGE_EXPOSE", "tools").server("exact", &exact::entry(server));
        for client in Era::BOTH {
            let mut talker = Talker::new(client, &home);
            let mut ask = |method: &str, params: Value| {
                let id = talker.send(method, params);
                (id, talker.client.line(&format!(r#""id":{id},"#)))
            };
            let (plain, cached) = match client {
                Era::Older => (exact::older(), exact::older()),
                Era::Newer => {
                    let plain = exact::newer(server);
                    let kept = r#","ttlMs":0,"cacheScope":"private"}"#;
                    (plain.clone(), plain[..plain.len() - 1].to_owned() + kept)
                }
            };
            let completion =
                json!({"ref": {"type": "ref/prompt", "name": "exact__it"}, "argument": {"name": "a", "value": ""}});
            for (method, params, wanted) in [
                ("tools/call", json!({"name": "exact__it", "arguments": {}}), &plain),
                ("prompts/get", json!({"name": "exact__it"}), &plain),
                ("completion/complete", completion, &plain),
                ("resources/read", json!({"uri": "exact://it"}), &cached),
            ] {
                let (id, line) = ask(method, params);
                assert_eq!(line, answer(id, wanted), "{method}, client {client:?}, server {server}");
            }
        }
    }
}

#[test]
fn what_is_told_meanwhile_passes_letter_by_letter() {
    for server in ["older", "newer"] {
        let home = Home::new().env("MCP_BRIDGE_EXPOSE", "tools").server("exact", &exact::entry(server));
        let mut talker = Talker::new(Era::Older, &home);
        let asked = json!({"name": "exact__it", "arguments": {"tell": true}, "_meta": {"progressToken": "mine"}});
        let id = talker.send("tools/call", asked);
        let data = format!(r#""data":{}"#, exact::older());
        for (kind, params) in [
            ("message", format!(r#"{{"level":"error",{data}}}"#)),
            ("progress", format!(r#"{{"progress":1,{data},"progressToken":"mine"}}"#)),
        ] {
            let wanted = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{kind}","params":{params}}}"#);
            assert_eq!(talker.client.line(kind), wanted, "server {server}");
        }
        assert_eq!(talker.client.line("result"), answer(id, &exact::older()), "server {server}");
    }
}

/// A home with the server of this era.
fn home(server: &str) -> Home {
    Home::new().env("MCP_BRIDGE_EXPOSE", "tools").server("exact", &exact::entry(server))
}

/// What the server got of these arguments.
fn heard(talker: &mut Talker, method: &str, arguments: &str) -> String {
    let id = talker.send_written(method, json!({"name": "exact__it", "arguments": {}}), arguments);
    exact::heard(&talker.client.line(&format!(r#""id":{id},"#)))
}

#[test]
fn arguments_pass_letter_by_letter() {
    for server in ["older", "newer"] {
        for client in Era::BOTH {
            let home = home(server);
            let mut talker = Talker::new(client, &home);
            for method in ["tools/call", "prompts/get"] {
                let got = heard(&mut talker, method, exact::ARGUMENTS);
                assert_eq!(got, exact::ARGUMENTS, "{method}, client {client:?}, server {server}");
            }
        }
    }
}

#[test]
fn of_a_key_that_stands_twice_a_server_gets_what_the_bridge_looked_into() {
    let home = home("older");
    let mut talker = Talker::new(Era::Older, &home);
    for (written, got) in [
        (r#"{"hear":true,"n":18446744073709551617,"n":7}"#, r#"{"hear":true,"n":7}"#),
        (r#"{"hear":true,"n":7,"\u006e":18446744073709551615}"#, r#"{"hear":true,"n":18446744073709551615}"#),
        (
            r#"{"hear":true,"d":[{"k":1,"k":2}],"n":18446744073709551617}"#,
            r#"{"hear":true,"d":[{"k":2}],"n":1.8446744073709552e+19}"#,
        ),
    ] {
        assert_eq!(heard(&mut talker, "tools/call", written), got);
    }
}

#[test]
fn who_calls_is_taken_out_of_the_text_too() {
    let home = home("newer").env("MCP_BRIDGE_AGENT_ID", "1");
    let mut talker = Talker::new(Era::Older, &home);
    let rest = &exact::ARGUMENTS[1..];
    for named in [r#"{"agent_id":"ann","#, r#"{ "agent\u005fid" : null,"agent_id":"ann","#] {
        assert_eq!(heard(&mut talker, "tools/call", &format!("{named}{rest}")), exact::ARGUMENTS);
    }
    let none = heard(&mut talker, "tools/call", r#"{"agent_id":"ann","hear":true}"#);
    assert_eq!(none, r#"{"hear":true}"#);
}

#[test]
fn what_becomes_a_task_has_the_numbers_that_were_written() {
    for server in Era::BOTH {
        let (home, _server) = with_tasks(Home::new().env("MCP_BRIDGE_EXPOSE", "tools"), server, Transport::Stdio);
        let mut talker = Talker::new(Era::Older, &home);
        let call = json!({"name": "tasks__work", "arguments": {}});
        let id = talker.send_written("tools/call", call, r#"{"n":18446744073709551617}"#);
        let line = talker.client.line(&format!(r#""id":{id},"#));
        assert!(line.contains(r#""did": {"n": 18446744073709551617}"#), "{server:?}: {line}");
    }
}

#[test]
fn what_a_program_passes_arrives_to_the_last_digit() {
    let Some(engine) = Engine::get("embedded").or_else(|| Engine::get("embedded_user")) else { return };
    let home = Home::on(&engine).env("MCP_BRIDGE_POOL", "0").server("exact", &exact::entry("older"));
    let mut client = home.serve();
    let code = "\
        import json\n\
        given = {'hear': True, 'big': 2**64 + 1, 'low': [-2**63 - 1, {'far': 10**26}], 'fine': 0.1 + 0.2, 'plain': 7}\n\
        calls = [mcp_exact.it(**given), mcp_exact.it(given), runtime.call_tool('exact', 'it', given)]\n\
        [json.dumps((await call).params.arguments) == json.dumps(given) for call in calls]";
    assert_eq!(client.value(code), json!([true, true, true]));
    let code = "\
        try:\n    await mcp_exact.it(n=10**400)\n\
        except Exception as error:\n    said = str(error)\n\
        said";
    let said = client.value(code);
    assert!(said.as_str().is_some_and(|said| said.contains("argument 'n' is an integer beyond")), "{said}");
}
