//! Two hundred servers configured: they cost what is written about them, and nothing starts before it is used.

use serde_json::{Value, json};

use crate::support::{Client, Home, on_engine, stub_server};

const MANY: usize = 200;

/// What 200 entries may take, in bytes: some kB each, for the entry, its configuration, its names and its state, and as much again for
/// what the allocator does not give back. A process or a connection each would be a hundred times that.
const ROOM: u64 = 8 << 20;

/// So many servers in one file; all are the stub.
fn with_servers(home: Home, count: usize) -> Home {
    let script = home.path().join("script.json");
    std::fs::write(&script, json!({"tools": ["echo"]}).to_string()).expect("a script");
    let entry = |number: usize| {
        let mut entry = stub_server(&script);
        // Each is a server of its own.
        entry["env"] = json!({"NUMBER": number.to_string()});
        (format!("s{number}"), entry)
    };
    let servers: serde_json::Map<String, Value> = (0..count).map(entry).collect();
    home.file(".claude.json", &json!({"mcpServers": servers}).to_string())
}

/// Resident memory, in bytes.
fn memory(client: &Client) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.child.id())).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// The stubs of this home that run.
fn started(home: &Home) -> usize {
    let script = home.path().join("script.json").display().to_string();
    let lines = std::fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path().join("cmdline"));
    let is_ours = |line: &Vec<u8>| {
        let line = String::from_utf8_lossy(line);
        line.contains("stub_server.py") && line.contains(&script)
    };
    lines.filter_map(|path| std::fs::read(path).ok()).filter(is_ours).count()
}

/// A bridge that has been asked everything that needs no server.
fn asked(home: &Home) -> Client {
    let mut client = home.serve();
    client.request("tools/list", json!({}));
    client.request("resources/read", json!({"uri": "mcp-bridge://capabilities"}));
    client
}

#[test]
fn two_hundred_servers_take_no_process_and_little_memory() {
    let (one, many) = (with_servers(Home::new(), 1), with_servers(Home::new(), MANY));
    let (with_one, with_many) = (asked(&one), asked(&many));
    with_many.logged(&format!("s{}", MANY - 1));
    assert_eq!((started(&one), started(&many)), (0, 0));
    let (less, more) = (memory(&with_one), memory(&with_many));
    assert!(more <= less + ROOM, "{less} bytes with one server, {more} with {MANY}");
}

mod the_one_that_is_used_is_the_one_that_starts {
    use super::*;

    on_engine!(embedded, |engine| {
        let home = with_servers(Home::on(engine), MANY);
        let mut client = asked(&home);
        assert_eq!(client.value("len(await runtime.list_servers())"), MANY);
        assert_eq!(started(&home), 0);
        assert_eq!(client.value("(await mcp_s7.echo(a=1)).tool"), "echo");
        assert_eq!(started(&home), 1);
    });
}
