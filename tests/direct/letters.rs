//! Results are the server's own text, letter by letter.

use serde_json::{Value, json};

use crate::eras::{Era, Talker};
use crate::exact::{self, answer};
use crate::support::Home;

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
