//! Extensions of Claude Desktop (DXT, now MCPB): a manifest with a template, and the user's answers in a file beside it.
//!
//! The format is that of the npm package `@anthropic-ai/mcpb`, manifests 0.2 to 0.4.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::shown;
use crate::discovery::Origin;
use crate::discovery::file::Document;
use crate::discovery::place::{Os, Place};
use crate::discovery::scan::{Scan, Written};
use crate::discovery::sources::{ROW, Source, names};
use crate::discovery::syntax::Syntax;

static EXTENSION: Source = Source { id: "claude-desktop-extension", rank: 210, ..ROW };

/// Adds the servers of every unpacked extension.
pub(in crate::discovery) fn extensions(scan: &mut Scan<'_>) {
    let manifests: Vec<PathBuf> = folders(scan.place)
        .iter()
        .flat_map(|folder| names(&folder.join("Claude Extensions"), "", "").unwrap_or_default())
        .map(|extension| extension.join("manifest.json"))
        .collect();
    for (order, path) in manifests.into_iter().enumerate() {
        let Some(document) = scan.shelf.open(&path, Syntax::Json) else { continue };
        let Some(folder) = path.parent() else { continue };
        let answers = answers(scan, folder);
        let Some(made) = server(&document, folder, answers.as_ref().map(|answers| &answers.root), scan.place) else {
            continue;
        };
        scan.read_file(&path, EXTENSION.id, EXTENSION.scope, 1);
        let (project, none) = (scan.place.cwd.clone(), BTreeMap::new());
        let origin = Origin {
            source: EXTENSION.id,
            scope: EXTENSION.scope,
            file: document.canonical.clone(),
            pointer: "/server/mcp_config".into(),
            line: document.lines(&[]).get("server").copied(),
        };
        scan.add(
            &EXTENSION,
            Written {
                name: &made.name,
                value: &made.entry,
                origin,
                also: Vec::new(),
                project: &project,
                vars: &none,
                off: made.off,
                needs: made.needs,
                rank: (EXTENSION.rank, order),
            },
        );
    }
}

/// The folders of Claude Desktop.
fn folders(place: &Place) -> Vec<PathBuf> {
    let mut all = match place.os {
        Os::Macos => vec![place.home.join("Library/Application Support/Claude")],
        Os::Linux => vec![place.config_dir().join("Claude"), place.home.join(".config/Claude")],
        Os::Windows => {
            let packages = names(&place.local().join("Packages"), "Claude_", "").unwrap_or_default();
            let store = packages.into_iter().map(|package| package.join("LocalCache/Roaming/Claude"));
            [place.roaming().join("Claude")].into_iter().chain(store).collect()
        }
    };
    all.dedup();
    all
}

/// `Claude Extensions Settings/<id>.json`, beside the folder of extensions.
fn answers(scan: &mut Scan<'_>, folder: &Path) -> Option<std::rc::Rc<Document>> {
    let id = folder.file_name()?.to_str()?;
    let settings = folder.parent()?.parent()?.join("Claude Extensions Settings").join(format!("{id}.json"));
    scan.shelf.open(&settings, Syntax::Json)
}

/// A server made from a manifest and the user's answers.
struct Made {
    name: String,
    entry: Value,
    needs: Vec<String>,
    off: Option<String>,
}

fn server(manifest: &Document, folder: &Path, answers: Option<&Value>, place: &Place) -> Option<Made> {
    let name = manifest.root.get("name")?.as_str()?.to_owned();
    let server = manifest.root.get("server")?;
    let config = for_system(server.get("mcp_config")?.as_object()?, place.os);

    let mut values = places(folder, place);
    let mut needs = user_values(&manifest.root, answers, &mut values);
    let mut missing = |text: &str| {
        let out = fill(text, &values);
        needs.extend(
            out.missing
                .iter()
                .filter(|name| name.starts_with("user_config."))
                .map(|name| format!("`{}` has no value in Claude Desktop's settings of this extension", shown(name))),
        );
        out
    };
    let mut command = missing(config.get("command").and_then(Value::as_str)?).text;
    let kind = server.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind == "binary" && Path::new(&command).is_relative() {
        command = folder.join(&command).to_string_lossy().into_owned();
    }
    let mut args = Vec::new();
    for arg in config.get("args").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        // An argument that is exactly one variable with several values becomes several arguments.
        match arg.strip_prefix("${").and_then(|arg| arg.strip_suffix('}')).and_then(|name| values.get(name)) {
            Some(several) => args.extend(several.iter().cloned()),
            None => args.push(missing(arg).text),
        }
    }
    let env: Map<String, Value> = config
        .get("env")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            (name.clone(), value.as_str().map_or_else(|| value.clone(), |text| missing(text).text.into()))
        })
        .collect();
    let mut entry = json!({"command": command, "args": args, "env": env});
    if kind == "uv" {
        entry["cwd"] = folder.to_string_lossy().into();
    }
    if let Some(text) = manifest.root.get("description").and_then(Value::as_str) {
        entry["description"] = text.into();
    }
    needs.sort();
    needs.dedup();
    Some(Made { name, entry, needs, off: off(answers) })
}

/// Absent settings mean "off", as three other readers have it.
fn off(answers: Option<&Value>) -> Option<String> {
    let Some(answers) = answers else { return Some("not switched on in Claude Desktop".into()) };
    if answers.get("orgBlockedReason").is_some_and(|reason| !reason.is_null()) {
        return Some("blocked by the organisation, says Claude Desktop".into());
    }
    let is_off = answers.get("isEnabled") == Some(&Value::Bool(false));
    is_off.then(|| "switched off in Claude Desktop".into())
}

/// The template for one system: command and arguments replace the general ones, variables are added.
fn for_system(config: &Map<String, Value>, os: Os) -> Map<String, Value> {
    let key = match os {
        Os::Linux => "linux",
        Os::Macos => "darwin",
        Os::Windows => "win32",
    };
    let mut out = config.clone();
    let special = config.get("platform_overrides").and_then(|all| all.get(key)).and_then(Value::as_object);
    for (key, value) in special.into_iter().flatten() {
        match (out.get_mut(key), value) {
            (Some(Value::Object(general)), Value::Object(special)) if key == "env" => {
                general.extend(special.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    out
}

/// Values by name; several where the user may choose several.
type Values = BTreeMap<String, Vec<String>>;

fn places(folder: &Path, place: &Place) -> Values {
    let text = |path: &Path| vec![path.to_string_lossy().into_owned()];
    let separator = if place.os == Os::Windows { "\\" } else { "/" };
    [
        ("__dirname", text(folder)),
        ("HOME", text(&place.home)),
        ("DESKTOP", text(&place.home.join("Desktop"))),
        ("DOCUMENTS", text(&place.home.join("Documents"))),
        ("DOWNLOADS", text(&place.home.join("Downloads"))),
        ("pathSeparator", vec![separator.to_owned()]),
        ("/", vec![separator.to_owned()]),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Adds the user's answers, or the defaults, to `values`; says which ones are missing and cannot be read here.
fn user_values(manifest: &Value, answers: Option<&Value>, values: &mut Values) -> Vec<String> {
    let mut needs = Vec::new();
    let given = answers.and_then(|answers| answers.get("userConfig"));
    for (key, asked) in manifest.get("user_config").and_then(Value::as_object).into_iter().flatten() {
        let value = given.and_then(|given| given.get(key)).filter(|value| !value.is_null());
        let several = list(value.or_else(|| asked.get("default")));
        if several.iter().any(|value| value.starts_with("__encrypted__:")) {
            needs.push(format!("Claude Desktop keeps `{}` encrypted, and it alone can read it", shown(key)));
        }
        let filled: Vec<String> = several.iter().map(|value| fill(value, values).text).collect();
        if filled.is_empty() && asked.get("required") == Some(&Value::Bool(true)) {
            needs.push(format!("Claude Desktop was given no value for `{}`", shown(key)));
        }
        let filled = if filled.is_empty() { vec![String::new()] } else { filled };
        values.insert(format!("user_config.{key}"), filled);
    }
    needs
}

fn list(value: Option<&Value>) -> Vec<String> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
        Some(other) => scalar(other).into_iter().collect(),
        None => Vec::new(),
    }
}

/// A text with its variables filled in, once.
struct Filled {
    text: String,
    missing: Vec<String>,
}

fn fill(text: &str, values: &Values) -> Filled {
    let mut out = Filled { text: String::new(), missing: Vec::new() };
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.text.push_str(&rest[..start]);
        let here = &rest[start..];
        let Some(end) = here.find('}') else {
            rest = here;
            break;
        };
        let name = &here[2..end];
        match values.get(name) {
            Some(value) => out.text.push_str(&value.join(",")),
            None => {
                out.missing.push(name.to_owned());
                out.text.push_str(&here[..=end]);
            }
        }
        rest = &here[end + 1..];
    }
    out.text.push_str(rest);
    out
}
