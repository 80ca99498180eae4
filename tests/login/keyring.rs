//! Logins in a keyring: a real one (gnome-keyring-daemon) on a session bus of its own, where nobody else is.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{World, real, text};

/// Of a process that was started a moment ago, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bus that starts nobody, and a keyring on it that is open.
struct Session {
    bus: Child,
    keyring: Child,
    address: String,
    _home: tempfile::TempDir,
}

/// `None`, said aloud, where the programs are missing; in CI that is a failure.
fn session() -> Option<Session> {
    let there =
        |name: &str| std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|p| p.is_file());
    for program in ["dbus-daemon", "dbus-send", "gnome-keyring-daemon"] {
        if there(program).is_none() {
            assert!(std::env::var("CI").is_err(), "{program} is missing");
            eprintln!("SKIPPED: {program} is missing");
            return None;
        }
    }
    let home = tempfile::tempdir().expect("a home");
    std::fs::create_dir_all(home.path().join(".local/share/keyrings")).expect("a folder");
    let config = home.path().join("bus.conf");
    let listen = format!("unix:path={}", home.path().join("bus").display());
    let words = format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>{listen}</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"#
    );
    std::fs::write(&config, words).expect("writing");
    let mut bus = Command::new("dbus-daemon");
    bus.args(["--nofork", "--print-address=1"]).arg(format!("--config-file={}", config.display()));
    let mut bus = bus.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the bus starts");
    let mut address = String::new();
    BufReader::new(bus.stdout.take().expect("its stdout")).read_line(&mut address).expect("its address");
    let address = address.trim().to_owned();

    let mut keyring = Command::new("gnome-keyring-daemon");
    keyring.args(["--foreground", "--unlock", "--components=secrets"]);
    keyring.env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.path()).env("DBUS_SESSION_BUS_ADDRESS", &address);
    keyring.env_remove("XDG_DATA_HOME").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut keyring = keyring.spawn().expect("the keyring starts");
    // A line feed would be a part of the password, and no password is none to be asked for.
    keyring.stdin.take().expect("its stdin").write_all(b"open sesame").expect("the password");

    let session = Session { bus, keyring, address, _home: home };
    let since = Instant::now();
    while !session
        .ask(&[
            "--dest=org.freedesktop.DBus",
            "/",
            "org.freedesktop.DBus.NameHasOwner",
            "string:org.freedesktop.secrets",
        ])
        .contains("true")
    {
        assert!(since.elapsed() < PATIENCE, "the keyring never came");
    }
    Some(session)
}

impl Session {
    /// A question on the bus, and what came back.
    fn ask(&self, words: &[&str]) -> String {
        let mut ask = Command::new("dbus-send");
        ask.args(["--session", "--print-reply"]).args(words).env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        text(&ask.output().expect("dbus-send runs").stdout)
    }

    /// How many secrets the bridge keeps in it.
    fn kept(&self) -> usize {
        let path = "/org/freedesktop/secrets";
        let search = "org.freedesktop.Secret.Service.SearchItems";
        let found =
            self.ask(&["--dest=org.freedesktop.secrets", path, search, "dict:string:string:application,mcp-bridge"]);
        found.matches("object path").count()
    }

    fn lock(&self) {
        let (path, lock) = ("/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock");
        let collection = "array:objpath:/org/freedesktop/secrets/collection/login";
        assert!(self.ask(&["--dest=org.freedesktop.secrets", path, lock, collection]).contains("collection/login"));
    }

    /// From now on it answers nothing, and is there all the same.
    fn hang(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.keyring.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).expect("stopping it");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for child in [&mut self.keyring, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn world(session: &Session) -> Option<World> {
    let mut world = World::new(&real::folder()?);
    world.env.push(("DBUS_SESSION_BUS_ADDRESS", session.address.clone()));
    Some(world)
}

/// The tools of `r` as another bridge sees them.
fn used(world: &World) -> String {
    // For a person at a terminal `tools` tells errors alone.
    let used = world.bridge(&["tools", "r"]).env("MCP_BRIDGE_LOG_LEVEL", "warn").output().expect("the bridge runs");
    assert!(text(&used.stdout).contains("mcp_r.renewals"), "{}", text(&used.stderr));
    text(&used.stderr)
}

#[test]
fn a_login_is_kept_in_the_keyring_and_nowhere_else() {
    let Some(session) = session() else { return };
    let Some(world) = world(&session) else { return };
    let (said, code) = world.login(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("The login is kept in your keyring."), "{said}");
    assert_eq!((session.kept(), world.tokens().len()), (1, 0));
    // Each is another process, and all but the quickest renew the token.
    for _ in 0..3 {
        used(&world);
    }
    assert_eq!((session.kept(), world.tokens().len()), (1, 0), "renewed in its place");
    assert!(text(&world.run(&["logout", "r"]).stdout).starts_with("r: logged out"));
    assert_eq!(session.kept(), 0);
    assert_eq!(world.run(&["tools", "r"]).status.code(), Some(5));
}

#[test]
fn a_login_in_a_file_is_found_and_moves_when_it_is_renewed() {
    let Some(session) = session() else { return };
    let Some(mut world) = world(&session) else { return };
    world.env.push(("MCP_BRIDGE_TOKEN_STORE", "file".into()));
    let (said, code) = world.login(&[]);
    assert!(code == Some(0) && said.contains("The login is kept in /"), "{said}");
    assert_eq!((session.kept(), world.tokens().len()), (0, 1), "a file, as it was asked for");

    world.env.retain(|(name, _)| *name != "MCP_BRIDGE_TOKEN_STORE");
    let since = Instant::now();
    while session.kept() == 0 {
        used(&world);
        assert!(since.elapsed() < 2 * PATIENCE, "the token was never renewed");
    }
    assert!(world.tokens().is_empty(), "no file is left beside it");

    // A file that is older than what is in the keyring does not count, and a logout takes both.
    world.env.push(("MCP_BRIDGE_TOKEN_STORE", "file".into()));
    let (said, code) = world.login(&[]);
    assert_eq!((code, session.kept(), world.tokens().len()), (Some(0), 1, 1), "{said}");
    assert!(text(&world.run(&["logout", "r"]).stdout).starts_with("r: logged out"));
    assert_eq!((session.kept(), world.tokens().len()), (0, 0));
}

#[test]
fn a_keyring_that_is_locked_is_named_and_asks_nobody() {
    let Some(session) = session() else { return };
    let Some(mut world) = world(&session) else { return };
    session.lock();
    let (said, code) = world.login(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("tokens/") && said.contains("the keyring is locked"), "{said}");
    assert_eq!(world.tokens().len(), 1);
    used(&world);

    world.env.push(("MCP_BRIDGE_TOKEN_STORE", "keyring".into()));
    let (said, code) = world.login(&[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("upstream.login_failed") && said.contains("the keyring is locked"), "{said}");
}

#[test]
fn a_keyring_that_hangs_holds_nobody_up_for_long() {
    let Some(session) = session() else { return };
    let Some(world) = world(&session) else { return };
    session.hang();
    let (said, code) = world.login(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the keyring did not answer within 5 s"), "{said}");
    assert_eq!(said.matches("logins are kept in files").count(), 1, "said once: {said}");
    let said = used(&world);
    assert_eq!(said.matches("logins are kept in files").count(), 1, "said once: {said}");
}

#[test]
fn a_bus_without_a_keyring_is_no_news() {
    let Some(mut session) = session() else { return };
    let Some(world) = world(&session) else { return };
    let _ = session.keyring.kill();
    let _ = session.keyring.wait();
    let (said, code) = world.login(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("tokens/") && !said.contains("keyring"), "{said}");
    assert!(!used(&world).contains("keyring"));
}
