//! What is fuzzed: plain functions over bytes. A target fails by a panic; what else must hold is asserted.
//!
//! The functions need nothing of a fuzzer, so `tests/fuzz_smoke.rs` runs them on stable Rust too.

use bytes::BytesMut;
use mcp_bridge::access::{View, read};
use mcp_bridge::catalog::{Detail, ServerCatalog, ToolDefinition};
use mcp_bridge::chain::Chain;
use mcp_bridge::discovery::{Options, Os, Place, discover, discover_again};
use mcp_bridge::execution::RunRequest;
use mcp_bridge::guest::{Exited, Finished, Frame, FrameCodec, Hello, MAX_FRAME, Request};
use mcp_bridge::output::{Capture, Mode, Report, Status, json_len, render, shrink};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio_util::codec::{Decoder, Encoder};

/// The frame codec: any bytes, in pieces. What it reads it writes again in the same bytes.
pub fn frames(data: &[u8]) {
    let Some((&step, stream)) = data.split_first() else { return };
    for codec in [FrameCodec::default(), FrameCodec::greeted()] {
        let mut buffer = BytesMut::new();
        let mut codec = codec;
        'stream: for piece in stream.chunks(usize::from(step) + 1) {
            buffer.extend_from_slice(piece);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(frame)) => written_again(frame),
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
        }
        let _ = codec.decode_eof(&mut buffer);
        assert!(buffer.capacity() < MAX_FRAME / 64 + 4 * data.len(), "memory for bytes that never came");
    }
}

fn written_again(frame: Frame) {
    let mut wire = BytesMut::new();
    let mut codec = FrameCodec::default();
    codec.encode(frame.clone(), &mut wire).expect("what was read can be written");
    assert_eq!(codec.decode(&mut wire).expect("a frame"), Some(frame));
}

/// Messages of the guest, of every kind.
pub fn messages(data: &[u8]) {
    let _ = serde_json::from_slice::<Request>(data);
    let _ = serde_json::from_slice::<Finished>(data);
    let _ = serde_json::from_slice::<Hello>(data);
    let _ = serde_json::from_slice::<Exited>(data);
}

/// A config file with these bytes, in each place where one is looked for; the file beside it is never lost.
pub fn config(data: &[u8]) {
    let found = scan(data);
    assert!(found.enabled().any(|server| server.config.name == "beside"), "a broken file cost another its servers");
}

/// These bytes as the config file of every client, in each notation: none costs another its servers.
pub fn clients(data: &[u8]) {
    let found = scan_at(data, CLIENT_FILES);
    assert!(found.enabled().any(|server| server.config.name == "beside"), "a broken file cost another its servers");
}

const CLIENT_FILES: &[&str] = &[
    ".codex/config.toml",
    ".cursor/mcp.json",
    ".config/Code/User/mcp.json",
    ".codeium/windsurf/mcp_config.json",
    ".gemini/settings.json",
    ".config/opencode/opencode.json",
    ".copilot/mcp-config.json",
    ".config/zed/settings.json",
    ".cline/data/settings/cline_mcp_settings.json",
    ".continue/config.yaml",
    ".config/goose/config.yaml",
    ".aws/amazonq/mcp.json",
    ".kiro/settings/mcp.json",
    ".config/Claude/Claude Extensions/x/manifest.json",
    ".config/Claude/Claude Extensions Settings/x.json",
    ".claude/plugins/installed_plugins.json",
];

/// One entry whose strings are the fuzzer's: variables are filled in once, and never without an end.
pub fn expand(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let entry =
        json!({"command": "x", "args": [text, "${HOME}", format!("${{{text}}}")], "env": {"A": text}, "cwd": text});
    let found = scan(json!({"mcpServers": {"fuzzed": entry}}).to_string().as_bytes());
    assert!(found.found.iter().any(|server| server.config.name == "fuzzed"));
    // The same in the dialect of each client; where one is not understood, it is still listed.
    for path in [".cursor/mcp.json", ".gemini/settings.json", ".config/opencode/opencode.json"] {
        let key = if path.contains("opencode") { "mcp" } else { "mcpServers" };
        let found = scan_at(json!({key: {"fuzzed": entry}}).to_string().as_bytes(), &[path]);
        assert!(found.found.iter().any(|server| server.config.name == "fuzzed"), "{path}");
    }
}

/// A file that was good and has these bytes now, read again: the file beside it is never lost, and its own server neither where it
/// is said to count as it was.
pub fn again(data: &[u8]) {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("MCPs");
    std::fs::create_dir(&folder).expect("a folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("a file");
    write("own.json", br#"{"mcpServers": {"own": {"command": "own"}}}"#);
    write("beside.json", br#"{"mcpServers": {"beside": {"command": "beside"}}}"#);
    let mut place = Place::new(home.path(), home.path(), Os::Linux);
    place.root = home.path().join("root");
    let before = discover(&place, &Options::default());
    write("own.json", data);
    for found in [discover_again(&place, &Options::default(), &before), discover(&place, &Options::default())] {
        let has = |name: &str| found.enabled().any(|server| server.config.name == name);
        assert!(has("beside"), "a broken file cost another its servers");
        let kept = found.problems.iter().any(|problem| problem.kept && problem.code != "discovery.entry");
        assert!(!kept || has("own"), "what counts as it was is gone");
    }
}

/// The ids of bridges in `_meta`, as others write them.
pub fn chain(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let meta = json!({ mcp_bridge::chain::KEY: text });
    let above = Chain::in_meta(meta.as_object());
    assert_eq!(above, Chain::read(&above.to_string()), "what is read is written again alike");
    let own = Chain::read("own");
    match own.under(&above) {
        Ok(chain) => assert!(chain.depth() <= mcp_bridge::chain::DEEPEST && own.ends_in(&chain)),
        Err(error) => assert!(!error.hint().is_empty() && !error.to_string().is_empty()),
    }
}

fn scan(data: &[u8]) -> mcp_bridge::discovery::Discovery {
    scan_at(data, &[".claude.json", ".mcp.json", ".config/mcp/servers/a.json"])
}

/// A scan of a home with these bytes in each of `files`, and a good file beside them.
fn scan_at(data: &[u8], files: &[&str]) -> mcp_bridge::discovery::Discovery {
    let home = tempfile::tempdir().expect("a folder");
    let good = (".config/mcp/servers/b.json", &br#"{"mcpServers": {"beside": {"command": "true"}}}"#[..]);
    for (path, bytes) in files.iter().map(|path| (*path, data)).chain([good]) {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
    let mut place = Place::new(home.path(), home.path(), Os::Linux);
    place.root = home.path().join("root");
    place.vars = [("HOME".to_owned(), "/home/me".to_owned()), ("LOOP".to_owned(), "${LOOP}".to_owned())].into();
    let sources = Some(vec!["auto".to_owned()]);
    discover(&place, &Options { trust_project: true, sources, ..Options::default() })
}

/// `{"schema": …, "args": […], "kwargs": {…}, "name": …}`: a tool of any schema, listed, described and called in any way.
pub fn bind(data: &[u8]) {
    let Ok(case) = serde_json::from_slice::<Value>(data) else { return };
    let name = case["name"].as_str().unwrap_or("tool").to_owned();
    let definition = |name: String| ToolDefinition {
        name,
        title: None,
        description: case["description"].as_str().map(str::to_owned),
        input_schema: case["schema"].clone(),
        output_schema: Some(case["schema"].clone()),
        annotations: None,
    };
    let catalog =
        ServerCatalog::new("server", "server", None, None, vec![definition(name.clone()), definition("b".into())]);
    for detail in [Detail::Name, Detail::Summary, Detail::Full] {
        catalog.docs(None, detail);
    }
    catalog.describe();
    let args = case["args"].as_array().cloned().unwrap_or_default();
    let kwargs: Map<String, Value> = case["kwargs"].as_object().cloned().unwrap_or_default();
    for tool in catalog.tools() {
        match tool.bind(&args, &kwargs) {
            Ok(bound) => assert!(bound.timeout.is_none_or(|seconds| seconds > 0.0 && seconds.is_finite())),
            Err(error) => assert!(!error.hint().is_empty() && !error.to_string().is_empty()),
        }
    }
}

/// Any output and any result, kept within the budget and written in every mode.
pub fn render_report(data: &[u8]) {
    let (budget, data) = data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first) * 4 + 200, rest));
    let mut capture = Capture::new(budget);
    for piece in data.chunks(7) {
        capture.push(piece);
    }
    let (stdout, _) = capture.finish();
    assert!(stdout.len() <= budget + 120, "{} bytes of {budget}", stdout.len());
    let mut report =
        Report { stderr: String::from_utf8_lossy(data).into_owned(), stdout, ..Report::new(Status::Success) };
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        let (small, note) = shrink(value.clone(), budget);
        assert!(json_len(&small) <= budget || small == value, "{} bytes of {budget}", json_len(&small));
        assert!(note.is_some() || small == value, "something was left out and nobody said so");
        report.result = Some(small);
    }
    for mode in [Mode::Toon, Mode::Compact, Mode::Json] {
        assert!(!render(&report, mode).is_empty());
    }
}

/// The arguments of a `run_python` call.
pub fn request(data: &[u8]) {
    let Ok(Value::Object(arguments)) = serde_json::from_slice(data) else { return };
    let most = Duration::from_secs(120);
    match RunRequest::read(&arguments, Duration::from_secs(30), most) {
        Ok(request) => {
            assert!(!request.timeout.is_zero() && request.timeout <= most && !request.code.trim().is_empty())
        }
        Err(error) => assert!(!error.hint().is_empty() && error.to_string().len() < 1000),
    }
}

/// A file of access rules: understood as a whole, or refused with every problem's place; what is understood decides every use.
pub fn rules(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // The bytes themselves, and as an entry inside a file that is otherwise good.
    for text in [text.to_string(), format!("{{\"access_rules\": {{\"a\": {text}}}}}")] {
        match read(&text, std::path::Path::new("rules.json")) {
            Ok(rules) => {
                let view = View::of(&rules, "a");
                for name in ["", "x", "*", "file:///a", &text] {
                    let used = [
                        view.decide(name, name, None),
                        view.decide_resource(name, name),
                        view.decide_prompt(name, name),
                    ];
                    assert!(view.shows_server(name) || used.iter().all(|ruled| ruled.is_denied()));
                    assert!(!view.shows_all(name) || !used.iter().any(|ruled| ruled.is_denied()));
                }
            }
            Err(errors) => assert!(!errors.is_empty() && errors.iter().all(|error| !error.hint().is_empty())),
        }
    }
}
