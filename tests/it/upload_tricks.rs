//! Names and links that would lead out of the folder of a program's files, or out of the upload folder, in each shape that a file has.

use serde_json::{Value, json};

use crate::support::{Client, Home, every_engine};

/// Refused in every place where a name may stand.
fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        ".",
        "..",
        "/",
        "../x",
        "/etc/passwd",
        "a/../b",
        "a/",
        "..\\x",
        "\\\\host\\x",
        "C:\\x",
        "C:x",
        "~/x",
        "a\0b",
        "\0",
        "a\nb",
        "..\u{200b}",
        "\u{202e}txt.a",
        " ..",
        ".. ",
        "a.",
        "nul",
        "CON.txt",
        "com\u{b9}",
        "a:stream",
        "a|b",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(["x".repeat(256), "é".repeat(128), "/".repeat(100_000)]);
    names
}

#[track_caller]
fn is_refused(client: &mut Client, file: &Value, code: &str) {
    let report = client.report(json!({"code": "1", "files": [file]}));
    assert_eq!(report["error"]["code"], code, "{:.300}: {report:#}", file.to_string());
    let said = report["error"]["message"].as_str().expect("a message");
    assert!(said.len() < 1000, "{} bytes are said of it", said.len());
}

/// No sandbox is needed to say no.
#[test]
fn no_shape_of_a_file_has_a_name_that_leads_elsewhere() {
    let home = Home::new();
    let mut client = home.serve();
    for name in names() {
        is_refused(&mut client, &json!({"name": name, "text": "x"}), "uploads.name");
        let resource = json!({"uri": "file:///a/b.txt", "text": "x"});
        is_refused(&mut client, &json!({"type": "resource", "resource": resource, "name": name}), "uploads.name");
        let link = json!({"type": "resource_link", "uri": "mcp-bridge://uploads/00", "name": name});
        is_refused(&mut client, &link, "uploads.name");
    }
    // Where there is no name, the URI's last part is one, decoded once.
    let long = format!("file:///a/{}", "x".repeat(256));
    for uri in [
        "",
        "file:///",
        "file:///a/.",
        "file:///a/..",
        "file:///a/%2e%2e",
        "file:///a/..%2f..%2fetc%2fpasswd",
        "file:///a/%2fetc%2fpasswd",
        "file:///a/..%5cx",
        "file:///C:%5cx",
        "file:///a/x%00",
        "file:///a/x%0ay",
        "file:///a/%E2%80%AEtxt.a",
        "file:///a/nul",
        "file:///a/b%20",
        "data:,x",
        &long,
    ] {
        for content in ["text", "blob"] {
            let resource = json!({"type": "resource", "resource": {"uri": uri, content: ""}});
            is_refused(&mut client, &resource, "uploads.name");
        }
    }
    assert!(!home.path().join("state/uploads").exists());
}

#[test]
fn no_file_of_the_command_line_has_one_either() {
    let home = Home::new().file("a.csv", "1,2").file("nul.txt", "1").file("b.", "1").file("c\u{202e}d", "1");
    let long = format!("a.csv={}", "x".repeat(256));
    for argument in [
        "a.csv=",
        "a.csv=..",
        "a.csv=../x",
        "a.csv=/etc/passwd",
        "a.csv=CON",
        "nul.txt",
        "b.",
        "c\u{202e}d",
        "..",
        "/",
        &long,
    ] {
        let outcome = home.finish(&["run", "--file-in", argument, "-c", "1"]);
        assert_eq!(outcome.code, Some(2), "{argument}: {outcome:?}");
        outcome.complains(&["a file cannot be called"]);
    }
}

every_engine!([embedded, embedded_user] names_that_only_look_alike_are_names_of_their_own, |engine| {
    let mut client = Home::on(engine).serve();
    let names = [
        "A.txt", "a.txt", "．．／x", "∕etc∕passwd", "..⁄x", "＼x", "ＣＯＮ", "a․txt", "а.txt", "%2e%2e%2fx", "-rf", "$(id)", "~",
    ];
    let files: Vec<Value> = names.iter().map(|name| json!({"name": name, "text": name})).collect();
    let code = "import os\n{e.name: open(e.path).read() for e in os.scandir('/workspace') if e.is_file(follow_symlinks=False)}";
    let report = client.report(json!({"code": code, "files": files, "timeout": 60}));
    let expected: serde_json::Map<_, _> = names.iter().map(|name| ((*name).to_owned(), json!(name))).collect();
    assert_eq!(report["result"], Value::Object(expected), "{report:#}");
});

every_engine!([embedded, embedded_user] links_name_a_callers_own_file_and_nothing_else, |engine| {
    let home = Home::on(engine);
    let secret = home.path().join("secret");
    std::fs::write(&secret, "kept").expect("written");
    let mut client = home.serve();
    let send = json!({"code": "open('a').read()", "files": [{"name": "a", "text": "mine"}], "timeout": 60});
    let uri = client.report(send.clone())["files"][0]["uri"].as_str().expect("a URI").to_owned();
    let (scheme, digest) = uri.split_at("mcp-bridge://uploads/".len());
    let wide: String = digest.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).expect("its wide form")).collect();
    let caller = std::fs::read_dir(home.path().join("state/uploads")).expect("kept").next().expect("one").expect("one").path();
    let folder = caller.file_name().expect("a name").to_string_lossy().into_owned();
    let long = format!("{scheme}{}{digest}", "../".repeat(10_000));
    let unknown = |client: &mut Client, uri: &str| {
        is_refused(client, &json!({"type": "resource_link", "uri": uri, "name": "a"}), "uploads.unknown");
        if uri.starts_with(scheme) {
            let id = client.send("resources/read", json!({"uri": uri}));
            assert_eq!(client.response(id)["error"]["data"]["code"], "uploads.unknown", "{uri:.200}");
        }
    };
    for other in [
        secret.to_str().expect("text"),
        "file:///etc/passwd",
        &format!("file://{}", caller.join(digest).display()),
        &format!("{scheme}{}", secret.display()),
        &format!("{scheme}../../secret"),
        &format!("{scheme}../{folder}/{digest}"),
        &format!("{scheme}./{digest}"),
        &format!("{scheme}%2e%2e/{digest}"),
        &format!("{uri}/../{digest}"),
        &format!("{uri}/"),
        &format!("{uri}\0"),
        &format!("{uri}%00"),
        &format!("{uri}?x"),
        &format!("{uri} "),
        &format!("{scheme}{}", digest.to_ascii_uppercase()),
        &format!("{scheme}{wide}"),
        &format!("{}{digest}", scheme.to_ascii_uppercase()),
        &long,
    ] {
        unknown(&mut client, other);
    }
    // A link of the file system in its place is not followed, for reading or for writing.
    let kept = caller.join(digest);
    std::fs::remove_file(&kept).expect("removed");
    std::os::unix::fs::symlink(&secret, &kept).expect("linked");
    unknown(&mut client, &uri);
    let _ = std::fs::remove_file(&kept);
    std::os::unix::fs::symlink(&secret, &kept).expect("linked");
    assert_eq!(client.report(send)["result"], "mine");
    assert_eq!(client.request("resources/read", json!({"uri": uri}))["contents"][0]["text"], "mine");
    assert_eq!(std::fs::read_to_string(secret).expect("there"), "kept");
});
