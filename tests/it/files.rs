//! Files for programs, through the real binary on every backend.

use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Home, every_engine, on_engine};

/// What a program reads in its files, by name.
const READ: &str = "{path.name: path.read_text() for path in runtime.files()}";

every_engine!(a_program_finds_every_shape_of_file_in_its_working_folder, |engine| {
    let mut client = Home::on(engine).serve();
    let bytes: Vec<u8> = (0..3 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let report = client.report(json!({"timeout": 60, "code": "
import hashlib, os
large = open('large.bin', 'rb').read()
assert os.getcwd() == '/workspace' and os.access('data.csv', os.W_OK)
[open('data.csv').read(), open('notes.txt').read(), len(large), hashlib.sha256(large).hexdigest(), sorted(str(p) for p in runtime.files())]",
        "files": [
            {"name": "data.csv", "text": "a,b\n1,é\n"},
            {"type": "resource", "resource": {"uri": "file:///home/me/notes.txt", "mimeType": "text/plain", "text": "hello"}},
            {"name": "large.bin", "blob": STANDARD.encode(&bytes)},
        ]}));
    let digest = hex(&bytes);
    let expected = json!([
        "a,b\n1,é\n",
        "hello",
        bytes.len(),
        digest,
        ["/workspace/data.csv", "/workspace/large.bin", "/workspace/notes.txt"]
    ]);
    assert_eq!(report["result"], expected, "{report:#}");
    // A later run names what was sent by a link, under another name.
    let uri = &report["files"][1]["uri"];
    assert_eq!((&report["files"][1]["name"], &report["files"][1]["bytes"]), (&json!("notes.txt"), &json!(5)));
    let link = json!({"type": "resource_link", "uri": uri, "name": "again.txt"});
    let again = client.report(json!({"code": READ, "files": [link], "timeout": 60}));
    assert_eq!(again["result"], json!({"again.txt": "hello"}), "{again:#}");
    // Its client may read it, and nothing else below that URI.
    let read = client.request("resources/read", json!({"uri": uri}));
    assert_eq!(read["contents"][0]["text"], "hello", "{read}");
    let blob = client.request("resources/read", json!({"uri": report["files"][2]["uri"]}));
    assert_eq!(blob["contents"][0]["blob"], STANDARD.encode(&bytes));
    for other in ["mcp-bridge://uploads/../trust.json", "mcp-bridge://uploads/ba7816bf8f01cfea414140de5dae2223"] {
        let id = client.send("resources/read", json!({"uri": other}));
        assert_eq!(client.response(id)["error"]["data"]["code"], "uploads.unknown", "{other}");
    }
    // The next run has none of them.
    assert_eq!(client.value("import os\n[os.listdir(), list(runtime.files())]"), json!([[], []]));
});

every_engine!(a_file_of_a_session_stays_until_another_takes_its_place, |engine| {
    let mut client = Home::on(engine).serve();
    let mut run =
        |code: &str, files: Value| client.report(json!({"code": code, "session": "s", "files": files, "timeout": 60}));
    let file = |name: &str, text: &str| json!({"name": name, "text": text});
    assert_eq!(run(READ, json!([file("a", "1"), file("b", "1")]))["result"], json!({"a": "1", "b": "1"}));
    assert_eq!(run(READ, json!([file("b", "2")]))["result"], json!({"a": "1", "b": "2"}));
    // A link that a program leaves is replaced, not followed.
    run(
        "import os\nopen('/tmp/kept', 'w').write('kept')\nos.remove('a')\nos.symlink('/tmp/kept', 'a')\nos.mkdir('d')",
        json!([]),
    );
    let replaced = run("[open('a').read(), open('/tmp/kept').read()]", json!([file("a", "3")]));
    assert_eq!(replaced["result"], json!(["3", "kept"]), "{replaced:#}");
    // What cannot be written is told, and the session goes on.
    let refused = run("ran = True", json!([file("d", "4")]));
    assert_eq!(refused["error"]["code"], "execution.file_not_written", "{refused:#}");
    assert_eq!(run("'ran' in globals()", json!([]))["result"], json!(false));
});

every_engine!(what_does_not_fit_is_told_and_the_program_does_not_run, |engine| {
    let home = Home::on(engine).env("MCP_BRIDGE_WORKSPACE_SIZE", "1m");
    let mut client = home.serve();
    let file = |kib: usize| json!([{"name": "a.txt", "text": "x".repeat(kib << 10)}]);
    let refused = client.report(json!({"code": "1", "files": file(1025)}));
    assert_eq!(refused["error"]["code"], "uploads.workspace", "{refused:#}");
    assert!(refused["error"]["hint"].as_str().is_some_and(|it| it.contains("MCP_BRIDGE_WORKSPACE_SIZE")));
    let mut run =
        |code: &str, files: Value| client.report(json!({"code": code, "session": "s", "files": files, "timeout": 60}));
    run("open('full', 'wb').write(bytes(600 << 10))", file(1));
    let full = run("ran = True", file(700));
    assert_eq!((&full["status"], &full["verdict"]["kind"]), (&json!("limit"), &json!("disk")), "{full:#}");
    let said = full["verdict"]["message"].as_str().expect("a message");
    assert!(said.contains("the program was not run: a.txt (716800 bytes)"), "{said}");
    // What was there is there, whole; and there is room again.
    let after = run("import os\n['ran' in globals(), os.path.getsize('a.txt'), os.remove('full')]", json!([]));
    assert_eq!(after["result"], json!([false, 1024, null]), "{after:#}");
    assert_eq!(run("os.path.getsize('a.txt')", file(700))["result"], json!(700 << 10));
});

every_engine!(files_of_the_command_line, |engine| {
    let home = Home::on(engine).file("in/a.csv", "1,2").file("in/b=c.txt", "3");
    let outcome =
        home.finish(&["run", "--file-in", "in/a.csv", "-f", "in/a.csv=x.csv", "-f", "in/b=c.txt", "-c", READ]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for part in ["a.csv: \"1,2\"", "x.csv: \"1,2\"", "b=c.txt"] {
        assert!(outcome.stdout.contains(part), "{part}: {outcome:?}");
    }
    // No later run could name them: nothing is kept.
    assert!(!home.path().join("state/uploads").exists());
});

#[test]
fn a_bad_file_of_the_command_line_is_named() {
    let home = Home::new().file("a.csv", "1,2");
    for (argument, said) in
        [("none.csv", "none.csv cannot be read"), ("a.csv=../x", "a file cannot be called \"../x\"")]
    {
        let outcome = home.finish(&["run", "--file-in", argument, "-c", "1"]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(said), "{outcome:?}");
    }
}

/// No sandbox is needed to say no.
#[test]
fn bad_files_are_refused_by_name_and_nothing_is_kept() {
    let home = Home::new().env("MCP_BRIDGE_UPLOAD_FILE", "1k").env("MCP_BRIDGE_UPLOAD_RUN", "2k");
    let mut client = home.serve();
    let file = |name: &str, text: &str| json!({"name": name, "text": text});
    let large = "x".repeat(1000);
    for (files, code) in [
        (json!("a.txt"), "request.argument"),
        (json!([{"name": "a", "blob": "?"}]), "request.argument"),
        (json!([file("../a", "x")]), "uploads.name"),
        (json!([file("/etc/passwd", "x")]), "uploads.name"),
        (json!([file("a\u{0}b", "x")]), "uploads.name"),
        (json!([file("a\u{202e}b", "x")]), "uploads.name"),
        (json!([file("CON", "x")]), "uploads.name"),
        (json!([file(&"x".repeat(256), "x")]), "uploads.name"),
        (json!([file("a", "x"), file("a", "y")]), "uploads.twice"),
        (json!([file("\u{e9}", "x"), file("e\u{301}", "y")]), "uploads.twice"),
        (json!([file("a", &"x".repeat(1025))]), "uploads.too_large"),
        (json!([file("a", &large), file("b", &large), file("c", &large)]), "uploads.too_much"),
        (json!((0..101).map(|n| file(&n.to_string(), "")).collect::<Vec<_>>()), "uploads.too_many"),
        (json!([{"type": "resource_link", "uri": "file:///etc/passwd", "name": "a"}]), "uploads.unknown"),
        (
            json!([{"type": "resource_link", "uri": "mcp-bridge://uploads/ba7816bf8f01cfea414140de5dae2223"}]),
            "uploads.unknown",
        ),
    ] {
        let report = client.report(json!({"code": "1", "files": files}));
        assert_eq!((&report["status"], &report["error"]["code"]), (&json!("error"), &json!(code)), "{report:#}");
        assert!(report["error"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{report:#}");
    }
    assert!(!home.path().join("state/uploads").exists());
}

every_engine!(kept_files_are_the_users_alone_and_the_same_one_is_kept_once, |engine| {
    let home = Home::on(engine);
    let mut client = home.serve();
    for name in ["a", "b"] {
        client.report(json!({"code": "1", "files": [{"name": name, "text": "the same"}], "timeout": 60}));
    }
    let uploads = home.path().join("state/uploads");
    let inside = |folder: &std::path::Path| {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.collect::<Vec<_>>()
    };
    let callers = inside(&uploads);
    assert_eq!((callers.len(), inside(&callers[0]).len()), (1, 1));
    assert_eq!(uploads.metadata().expect("a folder").permissions().mode() & 0o777, 0o700);
});

/// SHA-256, as another program says it.
fn hex(bytes: &[u8]) -> String {
    use std::io::Write;
    let mut child = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sha256sum");
    child.stdin.take().expect("stdin").write_all(bytes).expect("written");
    let output = child.wait_with_output().expect("sha256sum");
    String::from_utf8_lossy(&output.stdout)[..64].to_owned()
}

mod a_name_is_no_way_to_the_files_of_who_has_none {
    use super::*;

    on_engine!(embedded, |engine| {
        let home = Home::on(engine);
        let mut person = home.serve();
        let report = person.report(json!({"code": READ, "files": [{"name": "a", "text": "mine"}], "timeout": 60}));
        let uri = report["files"][0]["uri"].clone();
        assert_eq!(person.request("resources/read", json!({"uri": uri}))["contents"][0]["text"], "mine");
        // As this transport is called in lists and logs.
        let home = home.env("MCP_BRIDGE_CLIENT", "stdio");
        let mut other = home.serve();
        let id = other.send("resources/read", json!({"uri": uri}));
        assert_eq!(other.response(id)["error"]["data"]["code"], "uploads.unknown");
    });
}
