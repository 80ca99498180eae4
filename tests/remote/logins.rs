//! Logins against an authorization server of raw bytes: who the bridge says it is, and what is told of a refusal.

use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_bridge::upstream::config::{OAuth, Secret, ServerConfig, Transport};
use mcp_bridge::upstream::{Kept, Login, LoginError, Logins, Options, Upstreams, UseKeyring};
use serde_json::{Value, json};

use super::{HTTP, HttpStub, Reply, Request, call, options, plain, remote, reply, status};

const BACK: &str = "http://127.0.0.1:9/callback";

/// A server that wants a login, and its authorization server, in one. `more` is added to what the latter publishes; `answer` is what it
/// says to a registration and to the question for a token.
async fn guarded(more: Value, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> HttpStub {
    guarded_with(more, answer, plain).await
}

/// The same with what it says, as an MCP server, to who shows a token.
async fn guarded_with(
    more: Value,
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    serve: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> HttpStub {
    HttpStub::start(move |request| {
        let origin = format!("http://{}", request.header("host"));
        let json = |value: Value| reply(200, "application/json", value.to_string());
        match request.path.split('?').next().unwrap_or_default() {
            "/.well-known/oauth-protected-resource/mcp" => {
                json(json!({"resource": format!("{origin}/mcp"), "authorization_servers": [origin]}))
            }
            "/.well-known/oauth-authorization-server" => {
                let mut published = json!({
                    "issuer": origin, "authorization_endpoint": format!("{origin}/authorize"),
                    "token_endpoint": format!("{origin}/token"), "registration_endpoint": format!("{origin}/register"),
                    "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
                });
                for (key, value) in more.as_object().expect("an object") {
                    published[key] = value.clone();
                }
                json(published)
            }
            "/mcp" if request.header("authorization").is_empty() => status(401).with(
                "www-authenticate",
                format!("Bearer resource_metadata=\"{origin}/.well-known/oauth-protected-resource/mcp\""),
            ),
            "/mcp" => serve(request),
            "/register" | "/token" => answer(request),
            _ => status(404),
        }
    })
    .await
}

fn entry(server: &HttpStub, oauth: OAuth) -> ServerConfig {
    let mut config = remote(&server.url, HTTP, &[]);
    let Transport::Remote { access, .. } = &mut config.transport else { panic!("remote") };
    access.oauth = oauth;
    config
}

async fn begin(config: &ServerConfig, folder: &tempfile::TempDir) -> Result<Login, LoginError> {
    let logins = Logins { folder: folder.path().to_owned(), keyring: UseKeyring::Never };
    Login::begin(config, BACK, &logins, None).await
}

/// A value of the query of an address.
fn query(address: &str, name: &str) -> String {
    let url: reqwest::Url = address.parse().expect("an address");
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn told(error: &LoginError) -> String {
    format!("{error} {error:?} {}", error.hint())
}

#[tokio::test]
async fn who_has_a_metadata_document_needs_no_registration() {
    let folder = tempfile::tempdir().expect("a folder");
    const URL: &str = "https://client.example.com/mcp-bridge.json";
    let document = || OAuth { client_metadata_url: Some(URL.into()), ..OAuth::default() };
    let server = guarded(json!({"client_id_metadata_document_supported": true}), |_| status(500)).await;
    let login = begin(&entry(&server, document()), &folder).await.expect("a login");
    assert_eq!(query(login.address(), "client_id"), URL);

    // A server that takes no such ids registers the bridge, and an id given by hand comes before both.
    let registers = |_: &Request| {
        reply(201, "application/json", json!({"client_id": "registered", "redirect_uris": [BACK]}).to_string())
    };
    let server = guarded(json!({}), registers).await;
    let login = begin(&entry(&server, document()), &folder).await.expect("a login");
    assert_eq!(query(login.address(), "client_id"), "registered");
    let server = guarded(json!({"client_id_metadata_document_supported": true}), |_| status(500)).await;
    let by_hand = OAuth { client_id: Some("by hand".into()), ..document() };
    let login = begin(&entry(&server, by_hand), &folder).await.expect("a login");
    assert_eq!(query(login.address(), "client_id"), "by hand");
}

#[tokio::test]
async fn a_refused_registration_is_told_as_the_server_said_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = guarded(json!({}), |_| {
        reply(403, "application/json", r#"{"error": "access_denied", "error_description": "ask your admin"}"#)
    })
    .await;
    let error = begin(&entry(&server, OAuth::default()), &folder).await.err().expect("refused");
    assert_eq!(error.code(), "upstream.login_failed");
    let text = told(&error);
    assert!(text.contains("403") && text.contains("ask your admin") && text.contains("oauth.clientId"), "{text}");
}

#[tokio::test]
async fn a_refused_token_is_told_without_the_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = guarded(json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]}), |_| {
        let said = r#"{"error": "invalid_client", "error_description": "no client with the secret hunter22"}"#;
        reply(401, "application/json", said)
    })
    .await;
    let secret =
        OAuth { client_id: Some("me".into()), client_secret: Some(Secret::new("hunter22")), ..OAuth::default() };
    let login = begin(&entry(&server, secret), &folder).await.expect("a login");
    let state = query(login.address(), "state");
    let error = login.finish(&format!("{BACK}?code=c0de&state={state}")).await.expect_err("refused");
    let text = told(&error);
    assert!(text.contains("invalid_client") && text.contains("no client with the secret ***"), "{text}");
    assert!(!text.contains("hunter22"), "{text}");
}

/// What the token endpoint gives for a code (`first`) and for a refresh token (`second`).
fn token(access: &str, refresh: &str) -> Reply {
    let tokens = json!({"access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh});
    reply(200, "application/json", tokens.to_string())
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_none_is_ever_quoted() {
    let folder = tempfile::tempdir().expect("a folder");
    let renewals = AtomicUsize::new(0);
    let tokens = move |_: &Request| match renewals.fetch_add(1, Ordering::SeqCst) {
        0 => token("first-hunter22", "refresh-hunter33"),
        1 => token("second-hunter44", "refresh-hunter55"),
        // As a server might say that is badly written.
        _ => reply(500, "text/plain", "cannot renew refresh-hunter55"),
    };
    let calls = AtomicUsize::new(0);
    let server = guarded_with(json!({}), tokens, move |request| {
        let shown = request.header("authorization");
        match request.asks() {
            "tools/call" if shown != "Bearer second-hunter44" => status(401),
            "tools/call" => match calls.fetch_add(1, Ordering::SeqCst) {
                0 => plain(request),
                1 => reply(500, "text/plain", format!("bad {shown}")),
                2 => status(403).with("www-authenticate", format!("Bearer was=\"{shown}\"")),
                _ => status(401),
            },
            _ => plain(request),
        }
    })
    .await;
    let config = entry(&server, OAuth { client_id: Some("me".into()), ..OAuth::default() });
    let login = begin(&config, &folder).await.expect("a login");
    let state = query(login.address(), "state");
    let kept = login.finish(&format!("{BACK}?code=c0de&state={state}")).await.expect("a token");
    assert!(matches!(kept, Some(Kept::File { instead: None, .. })), "{kept:?}");

    let logins = Some(Logins { folder: folder.path().to_owned(), keyring: UseKeyring::Never });
    let upstreams = Upstreams::new(vec![config], Options { logins, ..options() });
    call(&upstreams).await.expect("a result, with the second token");
    for words in [
        "status 500: bad Bearer ***",
        "refused the token of your login with HTTP status 403 (Bearer was=\"Bearer ***\")",
    ] {
        let error = call(&upstreams).await.expect_err("an error");
        let text = format!("{error} {error:?} {}", error.hint());
        assert!(error.to_string().contains(words) && !text.contains("hunter"), "{text}");
    }
    // Refused once more, it cannot be renewed any more.
    let error = call(&upstreams).await.expect_err("an error");
    let text = format!("{error} {error:?} {}", error.hint());
    assert!(error.code() == "upstream.login_unusable" && !text.contains("hunter"), "{text}");
    assert!(!error.may_have_happened(), "{text}");
}

#[tokio::test]
async fn a_login_that_nobody_offers_or_answers_is_told_as_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = HttpStub::start(plain).await;
    let error = begin(&entry(&open, OAuth::default()), &folder).await.err().expect("nothing to log in to");
    assert_eq!(error.code(), "upstream.login_not_offered", "{error}");

    let gone = entry(&open, OAuth::default());
    drop(open);
    let error = begin(&gone, &folder).await.err().expect("nobody there");
    assert_eq!(error.code(), "upstream.login_failed", "{error}");
    assert!(error.to_string().contains("metadata") && error.to_string().contains("refused"), "{error}");

    let outranked = remote("http://127.0.0.1:1/mcp", HTTP, &[("authorization", "Bearer hunter22")]);
    let error = begin(&outranked, &folder).await.err().expect("a login that would never be used");
    assert_eq!(error.code(), "upstream.login_outranked", "{error}");
}
