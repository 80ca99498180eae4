//! JWTs whose keys are at a URL: fetched by HTTPS, kept, and none but those.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::bridge::{Bridge, home};
use super::raw::Request;

/// The public half, as a set publishes it.
fn published(pair: &KeyPair, id: &str) -> Value {
    let point = pair.public_key_raw();
    let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
    json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": x, "y": y})
}

/// Serves this document by HTTPS, with a certificate in `ca`; gives its URL, and how often it was asked for.
fn serve(document: String, ca: &std::path::Path) -> (String, Arc<AtomicUsize>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(ca, made.cert.pem()).expect("writing");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server");
    let (config, asked) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://localhost:{}/keys", listener.local_addr().expect("an address").port());
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).expect("a session");
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            if tls.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
                count.fetch_add(1, Ordering::SeqCst);
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", document.len());
                let _ = tls.write_all(format!("{head}{document}").as_bytes());
                session.send_close_notify();
                let _ = session.write_tls(&mut stream);
            }
        }
    });
    (url, asked)
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let mut claims = json!({"iss": "https://issuer.example.com", "aud": "bridge", "sub": "ann", "exp": now + 600});
    change(&mut claims);
    claims
}

#[test]
fn keys_come_by_https_once_and_let_in_nobody_else() {
    let home = home();
    let (ca, pair, other) = (home.path().join("ca.pem"), KeyPair::generate().expect("a key"), KeyPair::generate());
    let strange = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"});
    let (url, asked) = serve(json!({"keys": [strange, published(&pair, "one")]}).to_string(), &ca);
    let env = [
        ("MCP_BRIDGE_HTTP_JWT_ISSUER", "https://issuer.example.com"),
        ("MCP_BRIDGE_HTTP_JWT_AUDIENCE", "bridge"),
        ("MCP_BRIDGE_HTTP_JWT_KEYS", url.as_str()),
        ("SSL_CERT_FILE", ca.to_str().expect("text")),
    ];
    let bridge = Bridge::with(home, &[], &env);
    let header = |algorithm, id: Option<&str>| Header { kid: id.map(str::to_owned), ..Header::new(algorithm) };
    let signed = |id: Option<&str>, pair: &KeyPair, claims: &Value| {
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        encode(&header(Algorithm::ES256, id), claims, &key).expect("a token")
    };
    let ask = |token: &str| Request::new("GET", "/metrics").bearer(token).ask(bridge.port).status;

    let good = claims(|_| {});
    for id in [Some("one"), None] {
        assert_eq!(ask(&signed(id, &pair, &good)), 200, "{id:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "kept");
    assert_eq!(ask(&signed(Some("two"), &other.expect("a key"), &good)), 401, "a stranger's key");
    let now = good["exp"].as_u64().expect("a time") - 600;
    for (name, value) in [
        ("exp", json!(now - 100)),
        ("nbf", json!(now + 100)),
        ("aud", json!("other")),
        ("iss", json!("https://other.example.com")),
        ("sub", json!("")),
    ] {
        assert_eq!(ask(&signed(Some("one"), &pair, &claims(|claims| claims[name] = value))), 401, "{name}");
    }
    // The public key for a secret, and no signature at all.
    for secret in [pair.public_key_pem().as_bytes(), pair.public_key_raw()] {
        let key = EncodingKey::from_secret(secret);
        assert_eq!(ask(&encode(&header(Algorithm::HS256, Some("one")), &good, &key).expect("a token")), 401);
    }
    let [none, body] = [json!({"alg": "none", "kid": "one"}), good].map(|it| URL_SAFE_NO_PAD.encode(it.to_string()));
    assert_eq!(ask(&format!("{none}.{body}.")), 401);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nothing of this made the bridge ask again so soon");
}

#[test]
fn keys_are_not_taken_from_whom_nobody_vouches_for() {
    let home = home();
    let (ca, pair) = (home.path().join("ca.pem"), KeyPair::generate().expect("a key"));
    let (url, asked) = serve(json!({"keys": [published(&pair, "one")]}).to_string(), &ca);
    let env = [
        ("MCP_BRIDGE_HTTP_JWT_ISSUER", "https://issuer.example.com"),
        ("MCP_BRIDGE_HTTP_JWT_AUDIENCE", "bridge"),
        ("MCP_BRIDGE_HTTP_JWT_KEYS", url.as_str()),
    ];
    let mut bridge = Bridge::with(home, &[], &env);
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let token = encode(&Header::new(Algorithm::ES256), &claims(|_| {}), &key).expect("a token");
    assert_eq!(Request::new("GET", "/metrics").bearer(&token).ask(bridge.port).status, 401);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    bridge.logged("http.jwt_keys");
}
