//! Holds the code to the tables of ARCHITECTURE.md: who may know whom, how long a file may be, and where a few things may be named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folder → folders it may use. `cli` may use all; `lib.rs`, `main.rs` and the files beside it (which know no folder) stand outside.
const MAY_USE: &[(&str, &[&str])] = &[
    ("telemetry", &[]),
    ("settings", &[]),
    ("output", &["telemetry"]),
    ("sandbox", &["telemetry"]),
    ("guest", &["telemetry"]),
    ("uploads", &[]),
    ("upstream", &["telemetry"]),
    ("access", &["settings", "telemetry"]),
    ("gateway", &["access", "audit", "upstream"]),
    ("catalog", &["gateway", "upstream"]),
    ("broker", &["access", "audit", "catalog", "gateway", "guest", "output", "upstream"]),
    ("execution", &["access", "audit", "broker", "guest", "output", "sandbox", "settings", "uploads", "upstream"]),
    (
        "server",
        &[
            "access",
            "audit",
            "broker",
            "catalog",
            "direct",
            "execution",
            "gateway",
            "output",
            "settings",
            "uploads",
            "upstream",
        ],
    ),
    ("direct", &["access", "broker", "catalog", "gateway", "upstream"]),
    ("discovery", &["upstream"]),
    ("reload", &["discovery"]),
    ("control", &[]),
    ("audit", &[]),
];

/// Longest file; one idea each. Tests inside `src` count too.
const MOST_LINES: usize = 450;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// `(relative path, text)` of every source file.
fn tree() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    paths.sort();
    let relative = |p: &Path| p.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|p| (relative(p), fs::read_to_string(p).unwrap())).collect()
}

/// Names after `crate::` in a text, `crate::{a, b}` included.
fn crate_names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines().filter(|l| !l.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let list = rest.strip_prefix('{').map_or(rest, |l| l.split('}').next().unwrap_or(l));
            let parts: Vec<&str> = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
            for part in parts {
                let name: String = part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                names.insert(name);
            }
        }
    }
    names
}

#[test]
fn folders_know_only_whom_they_may() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let folders: BTreeSet<&str> = table.keys().copied().chain(["cli"]).collect();
    let mut faults = Vec::new();
    for (path, text) in tree() {
        let Some((folder, _)) = path.split_once('/') else { continue };
        assert!(folders.contains(folder), "src/{folder} is not in the table of tests/tidy.rs");
        if folder == "cli" {
            continue;
        }
        for name in crate_names(&text) {
            if folders.contains(name.as_str()) && name != folder && !table[folder].contains(&name.as_str()) {
                faults.push(format!("src/{path} uses {name}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn libraries_stay_in_their_rooms() {
    let rooms: &[(&str, &[&str])] = &[
        // The log holds it back by the name of its log.
        ("rmcp", &["server/", "upstream/", "telemetry/"]),
        ("bollard", &["sandbox/container/"]),
        ("jsonschema", &["catalog/"]),
        ("toon_format", &["output/"]),
        ("clap", &["cli/"]),
        ("notify", &["reload/"]),
        ("jsonc_parser", &["discovery/", "access/", "jsonc.rs"]),
        ("saphyr_parser", &["discovery/"]),
        ("toml_edit", &["discovery/"]),
    ];
    let mut faults = Vec::new();
    for (path, text) in tree() {
        // Unit tests may look with other eyes.
        let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
        let code: String = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for (library, allowed) in rooms {
            if code.contains(&format!("{library}::")) && !allowed.iter().any(|room| path.starts_with(room)) {
                faults.push(format!("src/{path} names {library}"));
            }
        }
        if (code.contains("env::var(") || code.contains("env::var_os(") || code.contains("env::vars"))
            && !path.starts_with("settings/")
        {
            faults.push(format!("src/{path} reads the environment"));
        }
        let unsafe_room = ["upstream/", "sandbox/"];
        if code.contains("unsafe {") && !unsafe_room.iter().any(|room| path.starts_with(room)) {
            faults.push(format!("src/{path} has unsafe code"));
        }
        if code.contains("println!") && !path.starts_with("cli/") {
            faults.push(format!("src/{path} prints: stdout belongs to the protocol"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn files_are_small_and_folders_say_what_they_are_for() {
    let mut faults = Vec::new();
    for (path, text) in tree() {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            faults.push(format!("src/{path} has {lines} lines, more than {MOST_LINES}"));
        }
        if path.ends_with("/mod.rs") && !text.starts_with("//!") {
            faults.push(format!("src/{path} does not say what the folder is for"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
