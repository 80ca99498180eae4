//! The programs in `tests/cases/escape`: one publicly known way out each. The host really has what they look for.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::support::{Engine, Home, every_engine, stub_server};
use crate::{case, ground};

/// Stands in front of every program, so that each file holds its idea alone.
const PRELUDE: &str = include_str!("../cases/escape/_prelude.py");

/// What a program could reach if there were a way: listeners and files that exist, and whether anybody came.
struct Outside {
    home: Home,
    tcp: [Option<TcpListener>; 2],
    sockets: [UnixListener; 2],
}

impl Outside {
    fn new(engine: &Engine) -> Self {
        let home = ground::small(engine);
        let tcp = [TcpListener::bind("127.0.0.1:0").ok(), TcpListener::bind("[::1]:0").ok()];
        assert!(tcp[0].is_some(), "this machine has a loopback");
        let port = |at: usize| tcp[at].as_ref().and_then(|it| it.local_addr().ok()).map_or(9, |address| address.port());
        let name = format!("mcp-escape-{}-{}", std::process::id(), engine.name);
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let (file, pipe, path) =
            (home.path().join("of-the-host"), home.path().join("pipe"), home.path().join("socket"));
        std::fs::write(&file, ground::SECRET).expect("written");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe");
        let sockets = [UnixListener::bind_addr(&address), UnixListener::bind(&path)].map(|it| it.expect("bound"));
        for set in [sockets[0].set_nonblocking(true), sockets[1].set_nonblocking(true)] {
            set.expect("nonblocking");
        }
        for listener in tcp.iter().flatten() {
            listener.set_nonblocking(true).expect("nonblocking");
        }
        let known = json!({"file": file, "pipe": pipe, "socket": path, "abstract": name, "tcp": port(0), "tcp6": port(1),
            "engine": engine.host.trim_start_matches("unix://"), "name": host_name(),
            "process": std::process::id(), "process_parent": std::os::unix::process::parent_id()});
        let script = home.path().join("stub.json");
        let calls = json!({"tools": ["echo", "host"], "calls": {"host": {"structured": known}}});
        std::fs::write(&script, calls.to_string()).expect("script");
        let mut server = stub_server(&script);
        server["env"] = json!({"SERVER_TOKEN": ground::SECRET});
        Self { home: home.server("stub", &server), tcp, sockets }
    }

    /// Whether anybody has connected.
    fn heard(&self) -> Vec<String> {
        let tcp = self.tcp.iter().flatten().filter_map(|it| it.accept().ok()).map(|(_, from)| from.to_string());
        let unix = self.sockets.iter().filter_map(|it| it.accept().ok()).map(|(_, from)| format!("{from:?}"));
        tcp.chain(unix).collect()
    }
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

every_engine!(no_known_way_leads_out, |engine| {
    let outside = Outside::new(engine);
    ground::run(engine, &outside.home, &case::wanted("escape"), PRELUDE);
    assert_eq!(outside.heard(), Vec::<String>::new());
    let changed = std::fs::read_to_string(outside.home.path().join("of-the-host")).expect("still there");
    assert_eq!(changed, ground::SECRET);
});

/// Makes marks everywhere it can and keeps them as long as it is held.
const PLANTS: &str = include_str!("../cases/escape/_plants.py");
/// Looks for marks everywhere.
const LOOKS: &str = include_str!("../cases/escape/_looks.py");

every_engine!(runs_of_different_callers_see_nothing_of_each_other, |engine| {
    let script = json!({"tools": ["echo", "host", "waits", "releases"],
        "calls": {"host": {"structured": {"file": "/none"}}, "waits": {"hold": "gate"}, "releases": {"releases": "gate"}}});
    let (planter, events) = ground::small(engine).watched("stub", &script);
    let looker = ground::small(engine).stub("stub", &script);
    let (mut plants, mut looks) = (planter.serve(), looker.serve());
    let held = plants.send_call(json!({"code": format!("{PRELUDE}{PLANTS}"), "timeout": 60}));
    events.called("waits");
    let look = format!("{PRELUDE}{LOOKS}");
    // Another caller at the same time, the same caller at the same time, and the same caller afterwards.
    assert_eq!(looks.value(&look), json!([]), "another bridge");
    assert_eq!(plants.value(&look), json!([]), "another run of the same bridge");
    plants.value("await mcp_stub.releases()\nNone");
    let report = plants.result(held)["structuredContent"].take();
    let planted: Vec<&str> = report["result"].as_array().expect("marks").iter().filter_map(Value::as_str).collect();
    assert!(
        ["file in /tmp", "file in /workspace", "abstract socket"].iter().all(|mark| planted.contains(mark)),
        "{report:#}"
    );
    assert_eq!(plants.value(&look), json!([]), "the next run");
    for mut client in [plants, looks] {
        let pid = client.child.id();
        assert_eq!(client.wait(), Some(0));
        engine.assert_clean(pid);
    }
});
