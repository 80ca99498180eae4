//! What a server was given is never shown, however it says it back.

use std::time::Duration;

use mcp_bridge::upstream::config::{Access, Secret, ServerConfig, Transport};
use mcp_bridge::upstream::{Options, UpstreamError, Upstreams};
use serde_json::json;

use super::{HTTP, HttpStub, Reply, Request, call, options, plain, remote, reply, status, stub, upstreams};

/// All that is said of an error.
fn whole(error: &UpstreamError) -> String {
    format!("{error} {error:?} {}", error.hint())
}

#[tokio::test]
async fn a_server_that_says_it_back_is_not_quoted() {
    const GIVEN: &str = "hunter22";
    let echoes: [fn(&Request) -> Reply; 6] = [
        |request| reply(500, "text/plain", format!("bad: {}", request.header("authorization"))),
        |request| reply(400, "application/json", format!(r#"{{"was": "{}"}}"#, request.header("authorization"))),
        |request| status(401).with("www-authenticate", format!("Bearer was=\"{}\"", request.header("authorization"))),
        |request| reply(200, "text/html", request.header("authorization").to_owned()),
        |request| reply(200, "application/json", format!("\"{}\"", request.header("authorization"))),
        |request| {
            let was = request.header("authorization");
            let error = json!({"code": -32000, "message": format!("bad {was}"), "data": {"headers": [was]}});
            reply(
                200,
                "application/json",
                json!({"jsonrpc": "2.0", "id": request.body["id"], "error": error}).to_string(),
            )
        },
    ];
    for (index, echo) in echoes.into_iter().enumerate() {
        for first in ["initialize", "tools/call"] {
            let server =
                HttpStub::start(move |request| if request.asks() == first { echo(request) } else { plain(request) })
                    .await;
            let config = remote(&server.url, HTTP, &[("Authorization", &format!("Bearer {GIVEN}"))]);
            let text = whole(&call(&upstreams(config)).await.expect_err("an error"));
            assert!(!text.contains(GIVEN), "{index} {first}: {text}");
            assert!(text.contains("***") || index == 3, "{index} {first}: {text}");
        }
    }
}

#[tokio::test]
async fn of_a_process_neither_env_nor_arguments_are_quoted() {
    let said = "no access for hunter2 with hunter33 at postgres://me:hunter44@db and $hunter55x; mode verbose\n";
    let server = stub::Stub::new("s", json!({"stderr": said, "calls": {"t": {"crash": 3}}}));
    let mut config = server.config();
    let Transport::Stdio { args, env, .. } = &mut config.transport else { panic!("a process") };
    args.extend(["--api-key", "hunter2", "postgres://me:hunter44@db", "--mode", "verbose"].map(str::to_owned));
    env.insert("ANY".into(), Secret::new("hunter33"));
    config.expanded.push(Secret::new("hunter55x"));
    let upstreams = Upstreams::new(vec![config], options());
    let error = upstreams.call("s", "t", stub::no_arguments(), stub::soon()).await.expect_err("it died");
    let text = error.to_string();
    assert!(text.contains("no access for *** with *** at postgres://me:***@db and $***; mode verbose"), "{text}");
    assert!(!whole(&error).contains("hunter"), "{text}");
}

fn helped(url: &str, command: &str) -> ServerConfig {
    let mut config = remote(url, HTTP, &[]);
    let Transport::Remote { access, .. } = &mut config.transport else { panic!("remote") };
    *access = Access { headers_helper: Some(command.into()), ..Access::default() };
    config
}

#[tokio::test]
async fn what_a_helper_printed_is_not_quoted_and_its_refusal_is_its_own() {
    let server = HttpStub::start(|request| match request.asks() {
        "tools/call" => reply(500, "text/plain", format!("bad: {}", request.header("authorization"))),
        _ => plain(request),
    })
    .await;
    let command = r#"printf '{"Authorization": "Bearer minted-1234"}'"#;
    let text = whole(&call(&upstreams(helped(&server.url, command))).await.expect_err("an error"));
    assert!(text.contains("bad: ***") && !text.contains("minted"), "{text}");

    let server = HttpStub::start(|_| status(401)).await;
    let error = call(&upstreams(helped(&server.url, command))).await.expect_err("refused");
    assert_eq!(error.code(), "upstream.unauthorized");
    assert!(error.to_string().contains("what `headersHelper` printed") && !whole(&error).contains("login"), "{error}");
}

#[tokio::test]
async fn a_helper_that_hangs_is_ended_with_all_it_started_and_is_blamed() {
    let server = HttpStub::start(plain).await;
    let folder = tempfile::tempdir().expect("a folder");
    let lock = folder.path().join("lock");
    let holder = format!(
        "python3 -c 'import fcntl,sys,time; f=open(sys.argv[1],\"w\"); fcntl.flock(f,2); time.sleep(3600)' {}",
        lock.display()
    );
    // A shell that waits for a child: both must go.
    let command = format!("echo waiting for $SECRET_WORD >&2; {holder} & wait");
    let mut options = Options { start_timeout: Duration::from_secs(4), ..options() };
    options.inherit_env.insert("SECRET_WORD".into(), "the vault".into());
    let upstreams = Upstreams::new(vec![helped(&server.url, &command)], options);
    std::fs::write(&lock, "").expect("a file");
    let error = call(&upstreams).await.expect_err("it hangs");
    assert_eq!((error.code(), error.may_have_happened()), ("upstream.helper_failed", false), "{error}");
    let text = error.to_string();
    assert!(text.contains("`headersHelper` did not end within 2 s; its last words: waiting for the vault"), "{text}");
    assert!(server.log().is_empty(), "the server was not asked");
    stub::gone(lock).await;
}

#[tokio::test]
async fn a_helper_that_fails_says_why() {
    let server = HttpStub::start(plain).await;
    for (command, words) in [
        ("echo no vault >&2; exit 3", "failed: exit status: 3; its last words: no vault"),
        ("echo minted-1234; echo minted-1234 >&2", "did not print a JSON object of strings; its last words: ***"),
        ("echo '{\"a b\": \"minted-1234\"}'", "printed what cannot be sent"),
    ] {
        let error = call(&upstreams(helped(&server.url, command))).await.expect_err(command);
        assert_eq!(error.code(), "upstream.helper_failed", "{command}: {error}");
        assert!(error.to_string().contains(words) && !whole(&error).contains("minted"), "{command}: {error}");
    }
}
