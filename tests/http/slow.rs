//! What takes too long holds up nobody: a server that does not say what it has, and a disk that does not take the audit trail.

use std::fs::File;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bridge::{Bridge, eventually, home};
use super::raw::Request;
use super::sessions::open;

fn names(listed: &Value) -> Vec<&str> {
    let tools = listed["tools"].as_array().expect("tools");
    tools.iter().filter_map(|tool| tool["name"].as_str()).collect()
}

#[test]
fn a_server_that_still_starts_is_left_out_of_the_list_and_announced_when_it_is_there() {
    let home = home();
    let [gate, script] = ["gate", "late.json"].map(|name| home.path().join(name));
    let held = File::create(&gate).expect("a gate");
    held.lock().expect("shut");
    let late = json!({"tools": ["hello"], "initialize": {"after": gate}});
    std::fs::write(&script, late.to_string()).expect("a script");
    let file = home.path().join("servers.json");
    let mut servers: Value = serde_json::from_slice(&std::fs::read(&file).expect("servers")).expect("JSON");
    servers["mcpServers"]["late"] = servers["mcpServers"]["stub"].clone();
    servers["mcpServers"]["late"]["args"][1] = json!(script);
    std::fs::write(&file, servers.to_string()).expect("servers");
    let bridge = Bridge::with(home, &["--expose", "tools"], &[("MCP_BRIDGE_START_TIMEOUT", "5m")]);
    let session = open(&bridge, "2025-11-25");
    let mut news = Request::new("GET", "/mcp").with("Accept", "text/event-stream").session(&session).open(bridge.port);

    let begun = Instant::now();
    let listed = bridge.get("/tools").json();
    assert!(begun.elapsed() >= Duration::from_secs(10), "it was waited for");
    assert_eq!(names(&listed), ["stub__echo", "stub__wait", "stub__go", "stub__fail"]);
    let told = json!([{"server": "late", "code": "direct.slow", "error": "it did not say within 10 s what tools it has",
        "hint": "ask again: it goes on starting"}]);
    assert_eq!(listed["unavailable"], told);

    held.unlock().expect("open");
    while news.message()["method"] != "notifications/tools/list_changed" {}
    let listed = bridge.get("/tools").json();
    assert!(names(&listed).contains(&"late__hello") && listed["unavailable"] == json!([]), "{listed}");
}

/// One thread of another process, which stands still while this lives: debuggers alone can stop one and leave the others going.
struct Stopped(libc::pid_t);

impl Stopped {
    fn thread(process: u32, name: &str) -> Self {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("its threads").flatten();
        let is_it = |thread: &std::fs::DirEntry| {
            std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        };
        let found = threads.into_iter().find(is_it).unwrap_or_else(|| panic!("no thread {name}"));
        let stopped = Self(found.file_name().to_string_lossy().parse().expect("a number"));
        stopped.trace(libc::PTRACE_SEIZE);
        stopped.trace(libc::PTRACE_INTERRUPT);
        // SAFETY: without a place for the status nothing is written.
        let seen = unsafe { libc::waitpid(stopped.0, std::ptr::null_mut(), libc::__WALL) };
        assert_eq!(seen, stopped.0, "{}", std::io::Error::last_os_error());
        stopped
    }

    fn trace(&self, request: libc::c_uint) {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: these requests take no address.
        let done = unsafe { libc::ptrace(request, self.0, none, none) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.trace(libc::PTRACE_DETACH);
    }
}

#[test]
fn answers_do_not_wait_for_a_trail_that_is_written_slowly_and_no_line_is_lost() {
    let home = home();
    let trail = home.path().join("audit.jsonl");
    let path = trail.display().to_string();
    let mut bridge = Bridge::with(home, &[], &[("MCP_BRIDGE_AUDIT", &path)]);
    let call = Request::new("POST", "/tools/call").json(&json!({"name": "stub__go"}));
    let port = bridge.port;
    let written = || {
        let text = std::fs::read_to_string(&trail).expect("the trail");
        text.lines().filter(|line| line.contains(r#""kind":"call""#)).count()
    };
    assert_eq!((call.ask(port).status, written()), (200, 1), "the line is there when the answer is");
    // As on a disk that does not take a line: whoever writes does not get on.
    let stopped = Stopped::thread(bridge.child.id(), "audit");
    assert_eq!(call.ask(port).status, 200);
    let said = bridge.logged("audit.slow");
    assert!(said.contains("answers do not wait for it"), "{said}");
    assert_eq!((call.ask(port).status, written()), (200, 1));
    drop(stopped);
    eventually("what was late", || (written() == 3).then_some(()));
    assert_eq!(bridge.log().matches("audit.slow").count(), 1, "said once");
    assert_eq!(bridge.get("/health").json()["audit"]["missing"], 0);
    eventually("waited for again", || {
        let before = written();
        (call.ask(port).status == 200 && written() > before).then_some(())
    });
}
