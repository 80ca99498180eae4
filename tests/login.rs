//! `mcp-bridge login`: a real authorization server, a real MCP server that wants its tokens, a person at a browser.

#[cfg(target_os = "linux")]
#[path = "login/keyring.rs"]
mod keyring;
#[path = "support/real.rs"]
mod real;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::json;

/// A home with one server, `r`, that wants a login; and both servers behind it.
struct World {
    home: tempfile::TempDir,
    /// More of the bridge's environment.
    env: Vec<(&'static str, String)>,
    servers: Child,
    /// Kept open: the servers may say more.
    _stdout: BufReader<ChildStdout>,
}

impl World {
    fn new(folder: &Path) -> Self {
        let node = folder.join("tools/node_modules/.bin/node");
        let mut servers = Command::new(node)
            .args([&support("authorization.mjs"), &folder.join("npm")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the servers start");
        let mut stdout = BufReader::new(servers.stdout.take().expect("their stdout"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let port = line.trim().strip_prefix("port ").unwrap_or_else(|| panic!("it said {line:?}")).to_owned();
        let home = tempfile::tempdir().expect("a home");
        let file = json!({"mcpServers": {
            "r": {"url": format!("http://127.0.0.1:{port}/mcp")},
            "local": {"command": "true"},
            "open": {"url": "http://127.0.0.1:1/mcp"},
        }});
        std::fs::create_dir_all(home.path().join("MCPs")).expect("a folder");
        std::fs::write(home.path().join("MCPs/servers.json"), file.to_string()).expect("writing");
        Self { home, env: Vec::new(), servers, _stdout: stdout }
    }

    fn bridge(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-bridge"));
        command.args(words).current_dir(self.home.path()).env_clear();
        command.env("HOME", self.home.path()).env("PATH", std::env::var_os("PATH").expect("PATH"));
        command.envs(self.env.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.bridge(words).output().expect("the bridge runs")
    }

    /// Logs in to `r` as a person would; what the bridge printed, and its exit code.
    fn login(&self, person: &[&str]) -> (String, Option<i32>) {
        let mut child = self.bridge(&["login", "r", "--no-browser"]).spawn().expect("the bridge runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("its stderr"));
        let mut said = String::new();
        let address = loop {
            let start = said.len();
            assert!(stderr.read_line(&mut said).expect("a line") > 0, "no address: {said}");
            let line = said[start..].trim();
            if line.starts_with("http://") {
                break line.to_owned();
            }
        };
        let browser = Command::new("python3").arg(support("browser.py")).arg(address).args(person).output();
        let browser = browser.expect("the browser runs");
        assert!(browser.status.success(), "{}", String::from_utf8_lossy(&browser.stderr));
        stderr.read_to_string(&mut said).expect("the rest");
        child.stdout.take().expect("its stdout").read_to_string(&mut said).expect("the rest");
        (said, child.wait().expect("its end").code())
    }

    /// Every file below the home folder that holds tokens.
    fn tokens(&self) -> Vec<PathBuf> {
        let folder = self.home.path().join(".local/state/mcp-bridge/tokens");
        let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
        files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.servers.kill();
        let _ = self.servers.wait();
    }
}

fn support(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_login_lasts_is_renewed_and_ends() {
    let Some(folder) = real::folder() else { return };
    let world = World::new(&folder);

    let before = world.run(&["tools", "r"]);
    let said = text(&before.stderr);
    assert_eq!(before.status.code(), Some(5), "{said}");
    assert!(said.contains("upstream.unauthorized") && said.contains("mcp-bridge login r"), "{said}");

    let (said, code) = world.login(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("r: logged in\n"), "{said}");
    let [file] = &world.tokens()[..] else { panic!("one file: {:?}", world.tokens()) };
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).expect("its mode").permissions());
    assert_eq!(mode & 0o077, 0);
    let first = std::fs::read_to_string(file).expect("tokens");

    // However much is logged, no token is.
    let mut loud = world.bridge(&["tools", "r"]);
    let loud = loud.env("MCP_BRIDGE_LOG_LEVEL", "trace").output().expect("the bridge runs");
    let said = text(&loud.stderr);
    assert!(said.contains("TRACE") || said.contains("DEBUG"), "{said}");
    let now = std::fs::read_to_string(file).expect("tokens");
    for kept in [&first, &now] {
        let kept: serde_json::Value = serde_json::from_str(kept).expect("JSON");
        for name in ["access_token", "refresh_token"] {
            let token = kept["token_response"][name].as_str().unwrap_or_else(|| panic!("{name} in {kept}"));
            assert!(token.len() > 8 && !said.contains(token), "{name} in {said}");
        }
    }

    // Each use is another process; the token is good for 31 s, so all but the quickest renew it.
    let used = world.run(&["tools", "r"]);
    assert!(text(&used.stdout).contains("mcp_r.renewals"), "{}", text(&used.stderr));
    let renewed = || {
        let used = world.run(&["tools", "r"]);
        assert!(used.status.success(), "{}", text(&used.stderr));
        std::fs::read_to_string(file).expect("tokens") != first
    };
    let since = std::time::Instant::now();
    while !renewed() {
        assert!(since.elapsed().as_secs() < 60, "the token was never renewed");
    }

    assert!(text(&world.run(&["logout", "r"]).stdout).starts_with("r: logged out"));
    assert!(world.tokens().is_empty());
    assert!(text(&world.run(&["logout", "r"]).stdout).starts_with("r: there was no login"));
    assert_eq!(world.run(&["tools", "r"]).status.code(), Some(5));
}

#[test]
fn a_refusal_is_told_and_keeps_nothing() {
    let Some(folder) = real::folder() else { return };
    let world = World::new(&folder);
    let (said, code) = world.login(&["--refuse"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("access_denied") && said.contains("upstream.login_refused"), "{said}");
    assert!(world.tokens().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_headers_helper_does_not_outlive_the_bridge() {
    let home = tempfile::tempdir().expect("a home");
    let lock = home.path().join("lock");
    let hold = "import fcntl,sys,time\nf=open(sys.argv[1],'w')\nfcntl.flock(f,2)\nprint('held',file=sys.stderr,flush=True)\nopen(sys.argv[2],'w').close()\ntime.sleep(3600)";
    std::fs::write(home.path().join("hold.py"), hold).expect("writing");
    std::fs::create_dir_all(home.path().join("MCPs")).expect("a folder");
    for signal in ["-KILL", "-TERM", "-INT"] {
        let held = home.path().join(format!("held{signal}"));
        let place = home.path().display();
        // A shell that waits for a child: both must go.
        let command = format!("python3 {place}/hold.py {place}/lock {}; true", held.display());
        let file = json!({"mcpServers": {"r": {"url": "http://127.0.0.1:1/mcp", "headersHelper": command}}});
        std::fs::write(home.path().join("MCPs/servers.json"), file.to_string()).expect("writing");
        let mut bridge = Command::new(env!("CARGO_BIN_EXE_mcp-bridge"));
        bridge.args(["tools", "r"]).env_clear().env("HOME", home.path()).current_dir(home.path());
        bridge.env("PATH", std::env::var_os("PATH").expect("PATH"));
        let mut bridge = bridge.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("the bridge runs");
        let since = std::time::Instant::now();
        while !held.exists() {
            assert!(since.elapsed().as_secs() < 30, "{signal}: the helper never ran");
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args([signal, &bridge.id().to_string()]).status().expect("kill runs").success());
        bridge.wait().expect("the bridge ends");
        // Whoever gets the lock knows that the helper is gone.
        let (sender, locked) = std::sync::mpsc::channel();
        let lock = lock.clone();
        std::thread::spawn(move || sender.send(std::fs::File::open(lock).and_then(|file| file.lock())));
        let locked = locked.recv_timeout(std::time::Duration::from_secs(30));
        locked.unwrap_or_else(|_| panic!("{signal}: the helper still lives")).expect("a lock");
    }
}

#[test]
fn what_nobody_logs_in_to_is_said() {
    let Some(folder) = real::folder() else { return };
    let world = World::new(&folder);
    for (server, code, words) in [
        ("local", 5, "upstream.login_not_http"),
        ("nobody", 2, "there is no server \"nobody\""),
        ("open", 5, "upstream.login_"),
    ] {
        let output = world.run(&["login", server, "--no-browser"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{server}: {said}");
        assert!(said.contains(words), "{server}: {said}");
    }
}
