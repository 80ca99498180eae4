//! Plugins of Claude Code: those its index names, if settings switch them on. Versions that lie about unused are left alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::discovery::Origin;
use crate::discovery::expand::Dialect;
use crate::discovery::file::Document;
use crate::discovery::locate::are_servers;
use crate::discovery::scan::{Scan, Written};
use crate::discovery::sources::{Owner, ROW, Source};
use crate::discovery::syntax::Syntax;

static PLUGIN: Source =
    Source { id: "claude-code-plugin", rank: 201, dialect: Dialect::Claude, owner: Owner::ClaudeCode, ..ROW };

/// One installed plugin.
struct Plugin {
    /// `name@marketplace`.
    id: String,
    name: String,
    folder: PathBuf,
}

/// Adds the servers of every installed plugin.
pub(in crate::discovery) fn plugins(scan: &mut Scan<'_>) {
    let home = scan.place.claude_home().join("plugins");
    let Some(index) = scan.shelf.open(&home.join("installed_plugins.json"), Syntax::Json) else { return };
    for (order, plugin) in installed(&index.root, &home, &scan.place.cwd).into_iter().enumerate() {
        let off = match scan.records.claude.plugins.get(&plugin.id) {
            Some(true) => None,
            Some(false) => Some("its plugin is switched off in Claude Code"),
            None => Some("its plugin is not switched on in Claude Code (`enabledPlugins`)"),
        };
        let data = home.join("data").join(plugin.id.replace(['@', '/', '\\'], "-"));
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let vars = BTreeMap::from([
            ("CLAUDE_PLUGIN_ROOT".to_owned(), text(&plugin.folder)),
            ("CLAUDE_PLUGIN_DATA".to_owned(), text(&data)),
            ("CLAUDE_PROJECT_DIR".to_owned(), text(&scan.place.cwd)),
        ]);
        let project = scan.place.cwd.clone();
        for held in files(scan, &plugin) {
            scan.read_file(&held.path, PLUGIN.id, PLUGIN.scope, held.servers.len());
            let lines = held.document.lines(&held.holder);
            for (name, value) in &held.servers {
                let origin = Origin {
                    source: PLUGIN.id,
                    scope: PLUGIN.scope,
                    file: held.document.canonical.clone(),
                    pointer: held.holder.iter().chain([name]).map(|key| format!("/{key}")).collect(),
                    line: lines.get(name).copied(),
                };
                let written = Written {
                    name: &format!("plugin:{}:{name}", plugin.name),
                    value,
                    origin,
                    also: Vec::new(),
                    project: &project,
                    vars: &vars,
                    off: off.map(str::to_owned),
                    needs: Vec::new(),
                    rank: (PLUGIN.rank, order),
                };
                scan.add(&PLUGIN, written);
            }
        }
    }
}

/// What the index lists: `"name@market": {installPath, version}`, or a list of such with a scope each.
fn installed(index: &Value, home: &Path, cwd: &Path) -> Vec<Plugin> {
    let mut out = Vec::new();
    for (id, installs) in index.get("plugins").and_then(Value::as_object).into_iter().flatten() {
        let installs = installs.as_array().map_or_else(|| std::slice::from_ref(installs), Vec::as_slice);
        let (name, market) = id.split_once('@').unwrap_or((id, ""));
        let here = |install: &&Value| match install.get("projectPath").and_then(Value::as_str) {
            Some(project) => cwd.starts_with(project),
            None => true,
        };
        let Some(install) = installs.iter().find(here) else { continue };
        let text = |key: &str| install.get(key).and_then(Value::as_str);
        let folder = match (text("installPath"), text("version")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(version)) => home.join("cache").join(market).join(name).join(version),
            (None, None) => continue,
        };
        out.push(Plugin { id: id.clone(), name: name.to_owned(), folder });
    }
    out
}

/// Servers found in one file of a plugin.
struct Held {
    path: PathBuf,
    document: Rc<Document>,
    /// The keys that lead to them.
    holder: Vec<String>,
    servers: Map<String, Value>,
}

/// `.mcp.json`, wrapped or flat, and what `plugin.json` says under `mcpServers`: servers, a file of them, or a list of both.
fn files(scan: &mut Scan<'_>, plugin: &Plugin) -> Vec<Held> {
    let mut named = vec![plugin.folder.join(".mcp.json")];
    let mut out = Vec::new();
    let path = plugin.folder.join(".claude-plugin").join("plugin.json");
    if let Some(document) = scan.shelf.open(&path, Syntax::Json) {
        let said = document.root.get("mcpServers").cloned().unwrap_or_default();
        let parts = if let Value::Array(parts) = said { parts } else { vec![said] };
        for part in parts {
            match part {
                Value::Object(servers) => {
                    let holder = vec!["mcpServers".to_owned()];
                    out.push(Held { path: path.clone(), document: document.clone(), holder, servers });
                }
                Value::String(file) if file.ends_with(".json") && is_within(&file) => {
                    named.push(plugin.folder.join(file))
                }
                _ => {}
            }
        }
    }
    named.dedup();
    for path in named {
        let Some(document) = scan.shelf.open(&path, Syntax::Json) else { continue };
        let (holder, servers) = match document.root.get("mcpServers").and_then(Value::as_object) {
            Some(servers) => (vec!["mcpServers".to_owned()], servers.clone()),
            None if are_servers(&document.root) => (Vec::new(), document.root.as_object().cloned().unwrap_or_default()),
            None => continue,
        };
        out.push(Held { path, document, holder, servers });
    }
    out
}

/// A plugin's own file, and not somebody else's.
fn is_within(path: &str) -> bool {
    let inside = |part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir);
    Path::new(path).components().all(inside)
}
