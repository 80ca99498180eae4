//! The bridge must not find itself, however it is wrapped, and must find what only looks like it.

use super::*;

/// The state of a server with this command line (a JSON list).
fn state(world: &World, line: &str) -> State {
    world.entry(&format!(r#"{{"command": {line}}}"#)).state
}

#[test]
fn seen_through_wrappers() {
    let world = World::linux();
    for line in [
        r#"["mcp-bridge"]"#,
        r#"["/usr/local/bin/mcp-bridge", "serve"]"#,
        r#"["MCP_Bridge.exe"]"#,
        r#"["npx", "-y", "mcp-bridge@1.2.3"]"#,
        r#"["npx", "-p", "mcp-bridge", "other"]"#,
        r#"["uvx", "--from=mcp-bridge==1.0", "serve"]"#,
        r#"["uv", "--directory", "/x", "run", "mcp-bridge"]"#,
        r#"["pipx", "run", "mcp_bridge"]"#,
        r#"["npm", "exec", "-y", "--", "mcp-bridge"]"#,
        r#"["pnpm", "dlx", "mcp-bridge"]"#,
        r#"["python3.14", "-m", "mcp_bridge"]"#,
        r#"["node", "--require", "x", "/srv/mcp-bridge.js"]"#,
        r#"["cargo", "run", "--release", "--bin", "mcp-bridge", "--", "serve"]"#,
        r#"["sh", "-c", "cd /tmp && A=b exec mcp-bridge serve"]"#,
        r#"["bash", "-lc", "mcp-bridge"]"#,
        r#"["cmd", "/c", "npx", "mcp-bridge"]"#,
        r#"["powershell", "-NoProfile", "-Command", "mcp-bridge serve"]"#,
        r#"["env", "-i", "-u", "X", "A=b", "mcp-bridge"]"#,
        r#"["env", "-S", "A=b mcp-bridge serve"]"#,
        r#"["timeout", "-k", "5", "60", "nice", "-n", "5", "mcp-bridge"]"#,
        r#"["docker", "run", "-i", "--rm", "-e", "A=b", "registry.example.com:5000/x/mcp-bridge:1"]"#,
        r#"["podman", "--log-level", "error", "run", "-i", "debian", "sh", "-c", "mcp-bridge"]"#,
        r#"["npx", "-y", "supergateway", "--stdio", "mcp-bridge serve"]"#,
        r#"["mcp-proxy", "--port", "80", "--", "mcp-bridge"]"#,
        r#""mcp-bridge serve""#,
        r#"["op", "run", "--env-file=.env", "--", "mcp-bridge", "serve"]"#,
        r#"["aws-vault", "exec", "work", "--", "npx", "mcp-bridge"]"#,
        r#"["conda", "run", "-n", "tools", "mcp-bridge"]"#,
        r#"["poetry", "run", "mcp-bridge", "serve"]"#,
    ] {
        assert!(matches!(state(&world, line), State::Blocked { .. }), "{line}: {:?}", state(&world, line));
    }
}

#[test]
fn a_mention_is_not_the_bridge() {
    let world = World::linux();
    for line in [
        r#"["mcp-server-filesystem", "/work/mcp-bridge"]"#,
        r#"["npx", "-y", "@modelcontextprotocol/server-filesystem", "mcp-bridge"]"#,
        r#"["npx", "@other/mcp-bridge"]"#,
        r#"["mcp-bridge-tools"]"#,
        r#"["docker", "run", "-v", "/x/mcp-bridge:/y", "mcp/git"]"#,
        r#"["docker", "logs", "mcp-bridge"]"#,
        r#"["git", "clone", "mcp-bridge"]"#,
        r#"["sh", "-c", "cd /work/mcp-bridge && other"]"#,
        r#"["python", "server.py", "mcp-bridge"]"#,
    ] {
        assert_eq!(state(&world, line), State::Enabled, "{line}");
    }
}

#[cfg(unix)]
#[test]
fn known_by_its_name_and_by_its_file() {
    let mut world = World::linux();
    let own = world.write("bin/mcp-bridge", "");
    std::os::unix::fs::symlink(&own, world.place.home.join("bin/renamed")).unwrap();
    fs::hard_link(&own, world.place.home.join("bin/linked")).unwrap();
    world.set("PATH", world.place.home.join("bin").to_str().unwrap().to_owned().as_str());
    for line in [r#"["renamed"]"#, r#"["linked"]"#, r#"["sh", "-c", "exec linked"]"#, r#"["~/bin/renamed"]"#] {
        world.place.own_exe = None;
        assert_eq!(state(&world, line), State::Enabled, "{line}");
        world.place.own_exe = Some(own.clone());
        assert!(matches!(state(&world, line), State::Blocked { .. }), "{line}");
    }
    world.write("MCPs/one.json", r#"{"mcpServers": {"MCP_Bridge": {"url": "https://h/mcp"}}}"#);
    assert!(matches!(world.scan().found[0].state, State::Blocked { .. }));
    world.options.allow_self = true;
    assert_eq!(world.scan().names_in_use(), ["MCP_Bridge"]);
}

#[test]
fn endless_wrapping_ends() {
    let world = World::linux();
    let line = format!("[{}\"x\"]", r#""env", "#.repeat(20_000));
    assert_eq!(state(&world, &line), State::Enabled);
}

#[test]
fn a_bridge_inside_a_bridge_looks_for_nothing() {
    let mut world = World::linux();
    world.write("MCPs/a.json", r#"{"mcpServers": {"x": {"command": "x"}}}"#);
    for (chain, found) in [("", 1), (" , ", 1), ("a1", 0), ("a1,b2", 0)] {
        world.set(crate::chain::VARIABLE, chain);
        let scan = world.scan();
        assert_eq!(scan.found.len(), found, "{chain}");
        assert_eq!(scan.problems.len(), 1 - found, "{chain}");
    }
    assert!(world.scan().problems[0].to_string().contains("MCP_BRIDGE_ALLOW_SELF_SERVER=1"));
    world.options.allow_self = true;
    assert_eq!(world.scan().names_in_use(), ["x"]);
    world.set(crate::chain::VARIABLE, "1,2,3,4,5,6,7,8");
    assert_eq!(world.scan().problems[0].code, "discovery.too_many_bridges");
}

#[test]
fn a_server_of_servers_is_pointed_out() {
    let world = World::linux();
    for line in [
        r#"["npx", "-y", "mcporter", "serve"]"#,
        r#"["docker", "mcp", "gateway", "run"]"#,
        r#"["uvx", "agent-mcp-gateway"]"#,
    ] {
        let found = world.entry(&format!(r#"{{"command": {line}}}"#));
        assert_eq!(found.state, State::Enabled, "{line}");
        found.warns("it serves other servers");
    }
    assert_eq!(world.entry(r#"{"command": ["docker", "run", "mcp/git"]}"#).warnings, [""; 0]);
}
