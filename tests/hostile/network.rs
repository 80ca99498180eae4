//! The ways out of a sandbox: there are listeners on this machine, and a program that looks for them.

use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use serde_json::{Value, json};

use crate::support::{Home, every_engine};

every_engine!(nothing_outside_hears_a_program, |engine| {
    let tcp = TcpListener::bind("0.0.0.0:0").expect("tcp");
    let udp = UdpSocket::bind("0.0.0.0:0").expect("udp");
    let name = format!("mcp-bridge-test-{}-{}", std::process::id(), engine.name);
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let unix = UnixListener::bind_addr(&address).expect("unix");
    for nonblocking in [tcp.set_nonblocking(true), udp.set_nonblocking(true), unix.set_nonblocking(true)] {
        nonblocking.expect("nonblocking");
    }
    let home = Home::on(engine);
    let socket = engine.host.trim_start_matches("unix://").to_owned();
    let mut client = home.serve();
    let known = json!({"tcp": tcp.local_addr().expect("address").port(), "udp": udp.local_addr().expect("address").port(),
        "abstract": name, "hosts": own_addresses(), "sockets": [socket, "/var/run/docker.sock", "/run/docker.sock",
        "/run/podman/podman.sock", "/run/containerd/containerd.sock", "/run/user/0/podman/podman.sock"]});
    let code =
        format!("import json\nknown = json.loads({:?})\n{}", known.to_string(), include_str!("../cases/network.py"));
    let report = client.python(&code);
    assert_eq!(report["result"]["reached"], json!([]), "{report:#}");
    // The program really tried, and the sandbox has no interface but its own loopback.
    assert!(report["result"]["tried"].as_u64() > Some(100), "{report:#}");
    let interfaces: Vec<&str> =
        report["result"]["interfaces"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(
        interfaces.iter().all(|name| [
            "lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"
        ]
        .contains(name)),
        "{interfaces:?}"
    );

    assert_eq!(tcp.accept().expect_err("nobody").kind(), ErrorKind::WouldBlock);
    assert_eq!(udp.recv(&mut [0; 64]).expect_err("nothing").kind(), ErrorKind::WouldBlock);
    assert_eq!(unix.accept().expect_err("nobody").kind(), ErrorKind::WouldBlock);
});

/// Addresses of this machine that a program could try.
fn own_addresses() -> Vec<String> {
    let mut all = vec!["127.0.0.1".to_owned(), "172.17.0.1".into(), "10.0.2.2".into(), "169.254.1.2".into()];
    // Connecting a datagram socket sends nothing and tells the address of the way out.
    let way_out = UdpSocket::bind("0.0.0.0:0").and_then(|s| s.connect("192.0.2.1:9").and_then(|()| s.local_addr()));
    all.extend(way_out.ok().map(|address| address.ip().to_string()));
    all
}
