//! `start` with each of its flags, and the commands that ask a bridge over HTTP.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::shell::{command, home, json_of, refused, run, started};
use crate::support::{Client, Home};

fn is_well(home: &Home, url: &str) {
    assert_eq!(run(home, &format!("health {url}")).exits(0).stdout, "ok\n");
}

#[test]
fn a_bridge_listens_where_it_is_told() {
    let home = home();
    for line in [
        "start --http 127.0.0.1:0",
        "start --http 0",
        "start --port 0",
        "start -p 0",
        "start --host 127.0.0.1 --port 0",
        "start --host ::1 -p 0",
    ] {
        if line.contains("::1") && TcpListener::bind("[::1]:0").is_err() {
            eprintln!("SKIPPED: {line}: no address of version 6 here");
            continue;
        }
        let (_bridge, url) = started(&home, line);
        assert_eq!(url.starts_with("http://[::1]:"), line.contains("::1"), "{line}: {url}");
        is_well(&home, &url);
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    refused(&home, &format!("start --http 127.0.0.1:{port}"), 2, "http.address");
    refused(&home, "start --http 0.0.0.0:0", 2, "http.open");
    refused(&home, "start --http 127.0.0.1:0 --auth maybe", 2, "settings.invalid");
    refused(&home, "start --http 127.0.0.1:0 --config none.json", 2, "discovery.explicit_missing");
}

#[test]
fn a_file_and_flags_say_what_the_bridge_is() {
    let file = json!({"mcpServers": {"other": {"command": "false", "enabled": true}}, "port": 0, "log_level": "error"});
    let home = home().file("c.json", &file.to_string());
    // The flag goes before the file: else nothing would be logged.
    for line in ["start --config c.json --log-level debug", "start -c c.json -l info --json-logs"] {
        let client = Client::start_raw(command(&home, line));
        let loaded = client.logged("Loaded MCP servers: other");
        let is_json = serde_json::from_str::<Value>(&loaded).is_ok();
        assert_eq!(is_json, line.contains("--json-logs"), "{loaded}");
        client.logged("MCP at ");
    }
}

#[test]
fn without_hot_reload_a_change_counts_from_the_next_sighup_on() {
    let entry = |name: &str| json!({"mcpServers": {name: {"command": "false"}}}).to_string();
    let home = home().file("c.json", &entry("first"));
    let config = home.path().join("c.json");
    let (bridge, url) = started(&home, "start --http 127.0.0.1:0 --config c.json --no-hot-reload");
    let (hot, hot_url) = started(&home, "start --http 127.0.0.1:0 --config c.json");
    std::fs::write(&config, entry("second")).expect("write");
    hot.logged("config reloaded");
    is_well(&home, &hot_url);
    is_well(&home, &url);
    assert!(!bridge.log().contains("reloaded"), "the other bridge has noticed it long since");
    bridge.signal(nix::sys::signal::Signal::SIGHUP);
    assert!(bridge.logged("config reloaded").contains("second"));
}

#[test]
fn callers_are_let_in_with_a_token_where_the_flag_says_so() {
    let home = home();
    let (_bridge, url) = started(&home, "start --http 127.0.0.1:0 --auth required --expose both");
    is_well(&home, &url);
    refused(&home, &format!("probe {url}/mcp"), 5, "upstream.unauthorized").complains(&["--bearer-token TOKEN"]);
    let token = run(&home, "token add ci --expires 30d").exits(0).stdout;
    let seen = json_of(&home, &format!("probe {url}/mcp --json --bearer-token {token}"));
    assert!(seen["tools"].to_string().contains("stub__echo"), "{seen}");
    let listed = json_of(&home, "token list --json");
    let lasts = listed["tokens"][0]["expires"].as_u64().zip(listed["tokens"][0]["created"].as_u64());
    assert_eq!(lasts.map(|(until, since)| until - since), Some(30 * 86_400), "{listed}");
    assert!(run(&home, "token list").exits(0).stdout.starts_with("ci"));
    assert_eq!(run(&home, "token remove ci").exits(0).stdout, "ci: removed\n");
    drop(_bridge);
    let (_open, url) = started(&home, "start --http 127.0.0.1:0 --auth off");
    run(&home, "token add late").exits(0);
    assert_eq!(json_of(&home, &format!("probe {url}/mcp --json"))["tools"], json!(["run_python"]));
}

#[test]
fn a_certificate_makes_it_https() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let home = home().file("cert.pem", &made.cert.pem()).file("key.pem", &made.signing_key.serialize_pem());
    let (_bridge, url) = started(&home, "start --http 127.0.0.1:0 --tls-cert cert.pem --tls-key key.pem");
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    refused(&home, "start --http 127.0.0.1:0 --tls-cert none.pem --tls-key key.pem", 2, "http.tls");
    refused(&home, "start --http 127.0.0.1:0 --tls-cert key.pem --tls-key cert.pem", 2, "http.tls");
}
