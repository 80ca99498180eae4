//! Connections to stdio servers, against a stub whose behaviour is scripted.

#[path = "support/stub.rs"]
mod stub;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use mcp_bridge::chain::Chain;
use mcp_bridge::upstream::config::{Secret, ServerConfig, Transport};
use mcp_bridge::upstream::{Kind, Options, ServerState, UpstreamError, Upstreams};
use serde_json::{Value, json};
use stub::{Stub, arguments, in_ms, no_arguments, options, soon};
use tokio::time::Instant;

/// Calls a tool with nothing and reads the result.
async fn call(upstreams: &Upstreams, server: &str, tool: &str) -> Result<Value, UpstreamError> {
    let raw = upstreams.call(server, tool, no_arguments(), soon()).await?;
    Ok(serde_json::from_str(raw.get()).expect("JSON"))
}

// What arrives.

#[tokio::test]
async fn a_server_starts_on_first_use_and_its_tools_keep_every_field() {
    let odd = json!({"name": "odd", "title": "Odd", "inputSchema": {"type": "object", "x-y": 1}, "icons": [{"src": "a"}],
        "outputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}, "_meta": {"a/b": null}});
    let stub = Stub::new(
        "s",
        json!({"tools": ["echo", odd], "instructions": "Be kind.",
            "server_info": {"name": "n", "title": "A stub", "version": "2.1"}}),
    );
    let upstreams = stub.upstreams();
    assert_eq!(upstreams.names().collect::<Vec<_>>(), ["s"]);
    assert!(matches!(upstreams.state("s"), Some(ServerState::NotStarted)));
    assert_eq!(stub.starts(), 0);

    let tools = upstreams.tools("s").await.expect("tools");
    assert_eq!(tools.instructions.as_deref(), Some("Be kind."));
    assert_eq!((tools.title.as_deref(), tools.version.as_deref()), (Some("A stub"), Some("2.1")));
    assert_eq!(tools.tools[0].name, "echo");
    assert_eq!(tools.tools[1].raw, odd);
    assert_eq!(tools.tools[1].annotations, Some(json!({"readOnlyHint": true})));
    assert!(matches!(upstreams.state("s"), Some(ServerState::Ready { tools: Some(2), .. })));

    upstreams.tools("s").await.expect("tools again");
    assert_eq!(stub.received("tools/list").len(), 1, "the list is kept");
    let hello = &stub.received("initialize")[0]["params"];
    assert_eq!(hello["clientInfo"]["name"], "mcp-bridge");
    assert_eq!(hello["protocolVersion"], "2025-11-25");
    assert_eq!(hello["capabilities"], json!({}));
}

#[tokio::test]
async fn all_pages_are_read_and_a_list_without_an_end_is_cut() {
    let stub = Stub::new("s", json!({"pages": [["a", "b"], ["c"], ["d"]], "last_cursor": "1"}));
    let tools = stub.upstreams().tools("s").await.expect("tools");
    let names: Vec<_> = tools.tools.iter().map(|tool| tool.name.as_str()).collect();
    // The cursor "1" comes a second time after the third page.
    assert_eq!(names, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_malformed_definition_does_not_lose_the_others() {
    let stub = Stub::new("s", json!({"tools": ["good", {"nom": "bad"}, 7, {"name": "bare", "inputSchema": null}]}));
    let tools = stub.upstreams().tools("s").await.expect("tools");
    assert_eq!(tools.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["good", "bare"]);
    assert_eq!(tools.tools[1].input_schema, json!({"type": "object"}));
}

#[tokio::test]
async fn a_server_may_have_no_tools_or_no_working_list() {
    let without = json!({"list": {"error": {"code": -32601, "message": "Method not found"}}});
    let broken =
        json!({"list": {"error": {"code": -32000, "message": "fetch failed"}}, "calls": {"t": {"text": "hi"}}});
    let nonsense = json!({"list": {"result": {"tools": "none"}}});
    let stubs = [Stub::new("without", without), Stub::new("broken", broken), Stub::new("nonsense", nonsense)];
    let upstreams = stub::upstreams(&stubs);
    assert_eq!(upstreams.tools("without").await.expect("an empty list").tools, []);
    let error = upstreams.tools("broken").await.expect_err("no list");
    assert_eq!((error.code(), error.kind()), ("upstream.protocol", Kind::Backend));
    assert!(error.to_string().contains("fetch failed"), "{error}");
    // It is alive all the same, and asked again next time.
    assert_eq!(call(&upstreams, "broken", "t").await.expect("a result")["content"][0]["text"], "hi");
    upstreams.tools("broken").await.expect_err("still no list");
    assert_eq!((stubs[1].starts(), stubs[1].received("tools/list").len()), (1, 2));
    assert_eq!(upstreams.tools("nonsense").await.expect_err("no list").code(), "upstream.bad_answer");
}

#[tokio::test]
async fn a_change_of_tools_is_seen() {
    let stub = Stub::new("s", json!({"tools": ["old", "grow"], "calls": {"grow": {"tools": ["new"]}}}));
    let upstreams = stub.upstreams();
    assert_eq!(upstreams.tools("s").await.expect("tools").tools.len(), 2);
    call(&upstreams, "s", "grow").await.expect("a result");
    assert_eq!(upstreams.tools("s").await.expect("tools").tools[0].name, "new");
}

#[tokio::test]
async fn results_arrive_letter_by_letter() {
    let result =
        r#"{"content": [{"type":"hologram","x":1.50}],  "_meta":{"b":1,"a":2},"big":123456789012345678901234567890}"#;
    let stub = Stub::new(
        "s",
        json!({"calls": {
            "exact": {"raw": format!(r#"{{"result":{result},"jsonrpc":"2.0","id":$ID}}"#)},
            "bytes": {"raw": r#"{"jsonrpc":"2.0","id":$ID,"result":{"text":"a$BYTEb"}}"#},
            "string_id": {"id": "$STRING", "text": "hi"},
            "no_result": {"result": null},
            "no_object": {"result": [1]},
            "bad": {"is_error": "no such file"},
            "image": {"result": {"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]}},
        }}),
    );
    let upstreams = stub.upstreams();
    let raw = upstreams.call("s", "exact", no_arguments(), soon()).await.expect("a result");
    assert_eq!(raw.get(), result);
    assert_eq!(call(&upstreams, "s", "bytes").await.expect("a result")["text"], "a\u{fffd}b");
    assert_eq!(call(&upstreams, "s", "string_id").await.expect("a result")["content"][0]["text"], "hi");
    assert_eq!(call(&upstreams, "s", "bad").await.expect("a tool's no is a result")["isError"], true);
    assert_eq!(call(&upstreams, "s", "image").await.expect("an image")["content"][0]["data"], "AAAA");
    for tool in ["no_result", "no_object"] {
        let error = call(&upstreams, "s", tool).await.expect_err("not a result");
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.bad_answer", true), "{tool}");
    }
}

#[tokio::test]
async fn what_is_not_mcp_on_stdout_is_skipped() {
    let noise = json!(["Starting up...", "", "{\"level\": \"info\"}", "caf$BYTE", "[1, 2", "42"]);
    let stub = Stub::new("s", json!({"stdout": noise, "calls": {"t": {"raw": "half a $ID"}, "u": {"text": "hi"}}}));
    let upstreams = stub.upstreams();
    assert_eq!(call(&upstreams, "s", "u").await.expect("a result")["content"][0]["text"], "hi");
}

#[tokio::test]
async fn large_results_arrive_and_larger_ones_fail_by_name() {
    let limit = mcp_bridge::upstream::MAX_LINE;
    let stub = Stub::new(
        "s",
        json!({"calls": {"large": {"size": 20_000_000}, "over": {"size": limit}, "late_id": {"size": limit, "id_last": true},
            "small": {"text": "hi"}}}),
    );
    let upstreams = stub.upstreams();
    let large = upstreams.call("s", "large", no_arguments(), soon()).await.expect("20 MB");
    assert!(large.get().len() > 20_000_000);
    for tool in ["over", "late_id"] {
        let error = call(&upstreams, "s", tool).await.expect_err("more than a line may hold");
        assert!(matches!(error, UpstreamError::TooLarge { bytes, .. } if bytes > limit as u64), "{error}");
        assert!(error.may_have_happened());
    }
    assert_eq!(call(&upstreams, "s", "small").await.expect("a result")["content"][0]["text"], "hi");
    assert_eq!(stub.starts(), 1, "the connection survives");
}

#[tokio::test]
async fn errors_of_the_server_keep_code_message_and_data() {
    let stub =
        Stub::new("s", json!({"calls": {"t": {"error": {"code": -32042, "message": "quota", "data": {"left": 0}}}}}));
    let upstreams = stub.upstreams();
    let error = call(&upstreams, "s", "t").await.expect_err("an error");
    let UpstreamError::Protocol { error_code, message, data, .. } = &error else { panic!("{error}") };
    assert_eq!((*error_code, message.as_str(), data.as_deref()), (-32042, "quota", Some(&json!({"left": 0}))));
    assert_eq!((error.kind(), error.may_have_happened()), (Kind::Backend, true));

    let unknown = call(&upstreams, "s", "nope").await.expect_err("an unknown tool");
    assert_eq!((unknown.kind(), unknown.may_have_happened()), (Kind::InvalidTool, false));
}

#[tokio::test]
async fn a_servers_own_requests_are_refused_and_its_ping_answered() {
    let request = |method: &str| json!({"request": {"method": method, "params": {}}});
    let stub = Stub::new(
        "s",
        json!({"calls": {"ping": request("ping"), "roots": request("roots/list"), "sample": request("sampling/createMessage"),
            "elicit": request("elicitation/create"), "odd": request("x/y"),
            "noisy": {"notify": [{"method": "notifications/message", "params": {"level": "info", "data": "d"}},
                {"method": "notifications/progress", "params": {"progressToken": 0, "progress": 1}},
                {"method": "notifications/x"}], "text": "done"}}}),
    );
    let upstreams = stub.upstreams();
    let reply = async |tool| call(&upstreams, "s", tool).await.expect("a result")["structuredContent"].take();
    assert_eq!(reply("ping").await["reply"], json!({}));
    for tool in ["roots", "sample", "elicit", "odd"] {
        assert_eq!(reply(tool).await["error"]["code"], -32601, "{tool}");
    }
    assert_eq!(call(&upstreams, "s", "noisy").await.expect("a result")["content"][0]["text"], "done");
}

// Starting.

#[tokio::test]
async fn many_first_uses_start_a_server_once() {
    let stub = Stub::new("s", json!({"tools": ["echo"], "initialize": {"delay": 0.2}}));
    let upstreams = stub.upstreams();
    let tools = join_all((0..5).map(|_| upstreams.tools("s")));
    let calls = join_all((0..5).map(|_| call(&upstreams, "s", "echo")));
    let state = async {
        tokio::task::yield_now().await;
        upstreams.state("s")
    };
    let (tools, calls, state) = tokio::join!(tools, calls, state);
    assert!(tools.iter().all(Result::is_ok) && calls.iter().all(Result::is_ok));
    assert!(matches!(state, Some(ServerState::Starting)));
    assert_eq!((stub.starts(), stub.received("tools/list").len()), (1, 1));
}

#[tokio::test]
async fn a_failed_start_is_told_to_all_who_wait_then_backs_off() {
    let stub = Stub::new("s", json!({"stderr": "Traceback\nKeyError: 'TOKEN'\n", "initialize": {"exit": 3}}));
    let upstreams = stub.upstreams();
    for outcome in join_all((0..3).map(|_| upstreams.tools("s"))).await {
        let error = outcome.expect_err("no start");
        assert_eq!((error.code(), error.kind()), ("upstream.exited", Kind::Connection));
        assert_eq!(
            error.to_string(),
            "server `s` exited with status 3 before answering `initialize`; its last words: Traceback\nKeyError: 'TOKEN'"
        );
        assert!(!error.may_have_happened());
    }
    let error = upstreams.tools("s").await.expect_err("too early");
    assert!(matches!(error, UpstreamError::BackingOff { .. }) && error.code() == "upstream.exited");
    assert!(error.to_string().ends_with("KeyError: 'TOKEN' (next try in 1 s)"), "{error}");
    assert!(matches!(upstreams.state("s"), Some(ServerState::Failed { .. })));
    assert_eq!(stub.starts(), 1);
}

#[tokio::test]
async fn after_the_back_off_the_next_use_starts_again() {
    let stub = Stub::new("s", json!({"initialize": {"exit": 1}}));
    let upstreams = Upstreams::new(vec![stub.config()], Options { first_back_off: Duration::ZERO, ..options() });
    upstreams.tools("s").await.expect_err("no start");
    std::fs::write(stub.path("script.json"), json!({"tools": ["repaired"]}).to_string()).expect("writing");
    assert_eq!(upstreams.tools("s").await.expect("tools").tools[0].name, "repaired");
    assert_eq!(stub.starts(), 2);
}

#[tokio::test]
async fn a_server_that_stays_silent_is_given_up_and_leaves_nothing() {
    let stub =
        Stub::new("s", json!({"initialize": {"silent": true}, "stderr": "waiting for the network", "stubborn": true}));
    let other = Stub::new("other", json!({"tools": ["echo"]}));
    // Long enough for Python to start and complain on a busy machine.
    let options = Options { start_timeout: Duration::from_secs(3), ..options() };
    let silent = Upstreams::new(vec![stub.config()], options);
    let others = other.upstreams();
    let (error, other_tools) = tokio::join!(silent.tools("s"), others.tools("other"));
    other_tools.expect("one server does not wait for another");
    let error = error.expect_err("no start");
    assert_eq!((error.code(), error.kind()), ("upstream.start_timeout", Kind::Timeout));
    assert_eq!(
        error.to_string(),
        "server `s` did not answer `initialize` within 3 s; its last words: waiting for the network"
    );
    stub.gone("lock").await;
}

#[tokio::test]
async fn a_handshake_that_fails_says_how() {
    let error = json!({"initialize": {"error": {"code": -32000, "message": "no licence for hunter22"}}});
    let cases = [
        ("error", error, "the server answered `initialize` with error -32000: no licence for ***"),
        ("id", json!({"initialize": {"id": 77}}), "the server answered request 77; `initialize` was request 0"),
        (
            "result",
            json!({"initialize": {"result": {"hello": 1}}}),
            "lacks protocolVersion, capabilities or serverInfo",
        ),
    ];
    for (name, script, sentence) in cases {
        let mut stub = Stub::new(name, script);
        stub.env.insert("LICENCE".into(), Secret::new("hunter22"));
        let error = stub.upstreams().tools(name).await.expect_err("no handshake");
        assert_eq!(error.code(), "upstream.handshake", "{error}");
        assert!(error.to_string().contains(sentence), "{error}");
        stub.gone("lock").await;
    }
}

#[tokio::test]
async fn an_older_server_is_spoken_to_in_its_version() {
    let stub = Stub::new("s", json!({"protocol_version": "2024-11-05", "tools": ["echo"]}));
    assert_eq!(stub.upstreams().tools("s").await.expect("tools").tools.len(), 1);
}

fn stdio(command: &str, cwd: Option<&str>) -> ServerConfig {
    ServerConfig {
        name: "s".into(),
        transport: Transport::Stdio {
            command: command.into(),
            args: vec!["--token=hunter22".into()],
            env: BTreeMap::new(),
            cwd: cwd.map(Into::into),
        },
        call_timeout: None,
        description: None,
        era: Default::default(),
        expanded: Vec::new(),
        survival: Default::default(),
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_started_is_named() {
    let cases = [
        (stdio("no-such-command", None), "upstream.command_not_found", "command `no-such-command` not found on PATH"),
        (
            stdio("./no/such", None),
            "upstream.command_not_found",
            "`./no/such` not found (no executable file of that path)",
        ),
        (
            stdio("python3", Some("/no/such/folder")),
            "upstream.spawn_failed",
            "directory /no/such/folder does not exist",
        ),
        (stdio("", None), "upstream.command_not_found", "command `` not found"),
        (stdio("nul\0byte", None), "upstream.command_not_found", "not found on PATH"),
    ];
    for (config, code, sentence) in cases {
        let error = Upstreams::new(vec![config], options()).tools("s").await.expect_err("no start");
        assert_eq!((error.code(), error.kind()), (code, Kind::Connection), "{error}");
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(!format!("{error:?}").contains("hunter22"), "arguments may hold secrets");
    }
}

#[tokio::test]
async fn a_script_whose_interpreter_is_gone_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("server");
    std::fs::write(&file, "#!/no/such/venv/bin/python\n").expect("writing");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&file, permissions).expect("making it executable");
    let upstreams = Upstreams::new(vec![stdio(&file.display().to_string(), None)], options());
    let error = upstreams.tools("s").await.expect_err("no interpreter");
    assert_eq!(error.code(), "upstream.spawn_failed");
    assert!(error.to_string().ends_with("the interpreter named in its first line does not exist"), "{error}");
}

#[tokio::test]
async fn an_unknown_server_is_refused_by_name() {
    let stub = Stub::new("s", json!({}));
    let error = call(&stub.upstreams(), "x", "t").await.expect_err("unknown");
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("upstream.unknown_server", "there is no server `x`; known: s")
    );
    assert!(stub.upstreams().state("x").is_none());
}

#[tokio::test]
async fn a_server_gets_its_own_environment_and_no_more() {
    let mut stub = Stub::new("s", json!({"calls": {"env": {"environment": true}}}));
    stub.env.insert("TOKEN".into(), Secret::new("hunter22"));
    stub.cwd = Some(stub.folder.path().to_owned());
    let mut options = options();
    options.inherit_env.insert("AWS_SECRET_ACCESS_KEY".into(), "no".into());
    options.inherit_env.insert("LC_X".into(), "yes".into());
    let upstreams = Upstreams::new(vec![stub.config()], options);
    let found = call(&upstreams, "s", "env").await.expect("a result")["structuredContent"].take();
    let env = &found["env"];
    assert_eq!(
        (&env["TOKEN"], &env["LC_X"], &env["MCP_BRIDGE_CHAIN"]),
        (&json!("hunter22"), &json!("yes"), &json!("test"))
    );
    assert_eq!(env["AWS_SECRET_ACCESS_KEY"], Value::Null);
    let folder = stub.folder.path().canonicalize().expect("the folder");
    assert_eq!(found["cwd"], json!(folder));
}

// Calls.

#[tokio::test]
async fn calls_run_at_the_same_time() {
    let stub = Stub::new(
        "s",
        json!({"calls": {"first": {"hold": "h", "text": "1"}, "second": {"releases": "h", "text": "2"}}}),
    );
    let upstreams = stub.upstreams();
    // Had the second to wait for the first, neither would ever end.
    let (first, second) = tokio::join!(call(&upstreams, "s", "first"), call(&upstreams, "s", "second"));
    assert_eq!(first.expect("a result")["content"][0]["text"], "1");
    assert_eq!(second.expect("a result")["content"][0]["text"], "2");
}

#[tokio::test]
async fn a_deadline_ends_the_call_and_the_server_is_told() {
    let cancelled = "notifications/cancelled";
    let stub =
        Stub::new("s", json!({"calls": {"slow": {"silent": true}, "fence": {"until": cancelled, "text": "seen"}}}));
    let upstreams = stub.upstreams();
    upstreams.tools("s").await.expect("tools");
    let error = upstreams.call("s", "slow", no_arguments(), in_ms(50)).await.expect_err("too slow");
    assert_eq!((error.code(), error.kind(), error.may_have_happened()), ("upstream.call_timeout", Kind::Timeout, true));
    assert_eq!(call(&upstreams, "s", "fence").await.expect("a result")["content"][0]["text"], "seen");
    let slow = &stub.received("tools/call")[0];
    assert_eq!(stub.received(cancelled)[0]["params"]["requestId"], slow["id"]);
}

#[tokio::test]
async fn a_call_nobody_waits_for_is_cancelled() {
    let cancelled = "notifications/cancelled";
    let stub = Stub::new(
        "s",
        json!({"calls": {"slow": {"silent": true}, "arrived": {"text": "yes"}, "fence": {"until": cancelled, "text": "seen"}}}),
    );
    let upstreams = stub.upstreams();
    tokio::select! {
        biased;
        _ = call(&upstreams, "s", "slow") => panic!("it never answers"),
        // Sent after it, so answered after it was received.
        _ = async { upstreams.tools("s").await.expect("tools"); call(&upstreams, "s", "arrived").await } => {}
    }
    assert_eq!(call(&upstreams, "s", "fence").await.expect("a result")["content"][0]["text"], "seen");
    assert_eq!(stub.received(cancelled)[0]["params"]["requestId"], stub.received("tools/call")[0]["id"]);
}

#[tokio::test]
async fn a_deadline_during_the_start_sends_nothing_and_spoils_nothing() {
    let stub = Stub::new("s", json!({"initialize": {"delay": 0.5}, "tools": ["echo"]}));
    let upstreams = stub.upstreams();
    let error = upstreams.call("s", "echo", no_arguments(), in_ms(20)).await.expect_err("still starting");
    assert_eq!((error.code(), error.may_have_happened()), ("upstream.call_timeout", false));
    let answer = upstreams.call("s", "echo", arguments(json!({"b": 1, "a": [2]})), soon()).await.expect("a result");
    assert!(answer.get().contains(r#""arguments": {"b": 1, "a": [2]}"#), "{}", answer.get());
    assert_eq!((stub.starts(), stub.received("tools/call").len()), (1, 1));
}

// Ending.

#[tokio::test]
async fn a_crash_fails_the_calls_on_their_way_and_the_next_use_starts_again() {
    let stub = Stub::new(
        "s",
        json!({"calls": {"slow": {"silent": true}, "t": [{"text": "1"}, {"stderr": "out of cheese\n", "crash": 9}]}}),
    );
    let upstreams = stub.upstreams();
    call(&upstreams, "s", "t").await.expect("the first call");
    let (slow, crash) = tokio::join!(call(&upstreams, "s", "slow"), call(&upstreams, "s", "t"));
    for error in [slow.expect_err("gone"), crash.expect_err("gone")] {
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.exited", true));
        assert_eq!(
            error.to_string(),
            "server `s` exited with status 9 while a call was on its way, which may have happened; \
             its last words: out of cheese"
        );
    }
    assert!(matches!(upstreams.state("s"), Some(ServerState::Failed { .. })));
    assert_eq!(call(&upstreams, "s", "t").await.expect("a new process")["content"][0]["text"], "1");
    assert_eq!(stub.starts(), 2);
}

#[tokio::test]
async fn a_server_that_closes_its_stdout_is_ended_and_started_again() {
    let stub = Stub::new("s", json!({"calls": {"t": {"close": true}, "u": {"text": "hi"}}}));
    let upstreams = stub.upstreams();
    let error = call(&upstreams, "s", "t").await.expect_err("nothing to read");
    assert_eq!((error.code(), error.may_have_happened()), ("upstream.exited", true));
    assert_eq!(call(&upstreams, "s", "u").await.expect("a result")["content"][0]["text"], "hi");
    assert_eq!(stub.starts(), 2);
}

#[tokio::test]
async fn what_a_server_started_dies_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let child = folder.path().join("child");
    let stub = Stub::new("s", json!({"child": child, "calls": {"t": {"crash": 0}}}));
    let upstreams = stub.upstreams();
    // The child holds the pipes too; the call must not wait for it.
    let error = call(&upstreams, "s", "t").await.expect_err("gone");
    assert!(error.to_string().contains("exited with status 0"), "{error}");
    stub::gone(child).await;
}

#[tokio::test]
async fn a_shutdown_ends_the_stubborn_and_the_starting_within_five_seconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let child = folder.path().join("child");
    let stubs = [
        Stub::new("good", json!({"tools": ["echo"]})),
        Stub::new("stubborn", json!({"tools": ["echo"], "stubborn": true, "child": child})),
        Stub::new("starting", json!({"initialize": {"silent": true}, "stubborn": true})),
        Stub::new("unused", json!({})),
    ];
    let upstreams = stub::upstreams(&stubs);
    upstreams.tools("good").await.expect("tools");
    upstreams.tools("stubborn").await.expect("tools");
    let starting = {
        let upstreams = upstreams.clone();
        tokio::spawn(async move { upstreams.tools("starting").await })
    };
    // Started for certain: the record is written before `initialize` is read, and read it was.
    while stubs[2].received("initialize").is_empty() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    upstreams.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(starting.await.expect("the task").expect_err("closing").code(), "upstream.shutting_down");
    assert_eq!(upstreams.tools("unused").await.expect_err("closed").code(), "upstream.shutting_down");
    assert_eq!(stubs[3].starts(), 0);
    for stub in &stubs[..3] {
        stub.gone("lock").await;
    }
    stub::gone(child).await;
    assert_eq!(stubs[0].record().last().expect("a record")["event"], "eof", "the good one was asked politely");
}

#[test]
fn a_runtime_that_ends_without_a_shutdown_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let child = folder.path().join("child");
    let stub = Stub::new("s", json!({"tools": ["echo"], "stubborn": true, "child": child}));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(stub.upstreams().tools("s")).expect("tools");
    drop(runtime);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { tokio::join!(stub.gone("lock"), stub::gone(child)) });
}

/// Not a test but the bridge of the test below: does nothing unless that test starts this binary again.
#[test]
fn bridge_to_be_killed() {
    let Ok(script) = std::env::var("STUB_TO_OUTLIVE") else { return };
    let mut stub = Stub::new("s", json!({}));
    std::fs::copy(script, stub.path("script.json")).expect("the script");
    stub.name = "s".into();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let upstreams = stub.upstreams();
    runtime.block_on(upstreams.tools("s")).expect("tools");
    // On stderr, which the harness does not capture when told so; then until killed.
    eprintln!("ready");
    runtime.block_on(std::future::pending::<()>());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn servers_do_not_outlive_a_killed_bridge() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    // It does not care about the end of its stdin.
    let stub = Stub::new("s", json!({"tools": ["echo"], "stubborn": "eof"}));
    let mut bridge = tokio::process::Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "bridge_to_be_killed", "--nocapture"])
        .env("STUB_TO_OUTLIVE", stub.path("script.json"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the bridge");
    let mut lines = BufReader::new(bridge.stderr.take().expect("a pipe")).lines();
    while let Some(line) = lines.next_line().await.expect("its stderr") {
        if line == "ready" {
            break;
        }
    }
    bridge.kill().await.expect("SIGKILL");
    stub.gone("lock").await;
}

// Bridges among bridges.

#[tokio::test]
async fn every_request_says_through_which_bridges_it_came() {
    let stub = Stub::new("s", json!({"tools": ["echo"]}));
    let upstreams = stub.upstreams();
    upstreams.tools("s").await.expect("tools");
    call(&upstreams, "s", "echo").await.expect("an answer");
    mcp_bridge::upstream::through(Chain::read("far,test"), call(&upstreams, "s", "echo")).await.expect("an answer");
    let chain = |message: &Value| message["params"]["_meta"]["mcp-bridge/chain"].clone();
    assert_eq!(stub.received("tools/list").iter().map(chain).collect::<Vec<_>>(), ["test"]);
    assert_eq!(stub.received("tools/call").iter().map(chain).collect::<Vec<_>>(), ["test", "far,test"]);
}

#[tokio::test]
async fn a_bridge_knows_itself_and_its_own_tools_when_they_come_back() {
    let tool = |name: &str, behind: &str| json!({"name": name, "_meta": {"mcp-bridge/chain": behind}});
    // Nothing but ourselves: by what the tools say, and by what the greeting says.
    let greeting = json!({"result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
        "serverInfo": {"name": "mcp-bridge", "version": "1"}, "_meta": {"mcp-bridge/chain": "test"}}});
    for script in [
        json!({"tools": [tool("run_python", "test")]}),
        json!({"tools": [tool("a", "x,test"), tool("b", "test,y")]}),
        json!({"tools": ["echo"], "initialize": greeting}),
    ] {
        let stub = Stub::new("s", script.clone());
        let error = stub.upstreams().tools("s").await.expect_err("a circle");
        assert_eq!((error.code(), error.kind()), ("upstream.circle", Kind::Connection), "{script}");
    }
    // Beside others, ours alone are left out; other bridges are servers like any.
    let stub = Stub::new("s", json!({"tools": ["echo", tool("run_python", "test"), tool("other", "x")]}));
    let tools = stub.upstreams().tools("s").await.expect("tools");
    assert_eq!(tools.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["echo", "other"]);
}
