//! Where in a document its servers stand.

use serde_json::{Map, Value};

use super::clients::opencode_servers;
use super::error::DiscoveryError;
use super::file::Document;
use super::sources::{MCP_SERVERS, Root, Shape, Source};
use super::words::{kind, nearest, shown};

/// The servers of one document.
#[derive(Default)]
pub(super) struct Servers<'d> {
    pub entries: Vec<Entry<'d>>,
    /// A remark about their place.
    pub note: Option<&'static str>,
}

/// One entry, and the way to it.
pub(super) struct Entry<'d> {
    pub name: String,
    pub value: &'d Value,
    /// The keys that lead to what holds it.
    pub holder: Vec<String>,
    /// Its own key in there: its name, or its number in a list.
    pub key: String,
}

/// Finds the servers; `None` where the file has none and need not have any.
pub(super) fn locate<'d>(
    source: &Source,
    document: &'d Document,
    workspace: Option<&str>,
) -> Result<Option<Servers<'d>>, DiscoveryError> {
    let Value::Object(root) = &document.root else {
        return Err(DiscoveryError::WrongRoot { field: "the file".into(), found: kind(&document.root) });
    };
    match source.root {
        Root::Workspace => {
            let Some(key) = workspace else { return Ok(None) };
            let project = root.get("projects").and_then(|projects| projects.get(key)).and_then(Value::as_object);
            let path = ["projects", key, "mcpServers"];
            Ok(held(project.and_then(|project| project.get("mcpServers")), &path, false)?.map(Servers::of))
        }
        Root::OpenCode => match root.get("mcp") {
            Some(Value::Object(mcp)) => Ok(Some(Servers::of(opencode(mcp)))),
            None | Some(Value::Null) => Ok(None),
            Some(other) => Err(DiscoveryError::WrongRoot { field: "mcp".into(), found: kind(other) }),
        },
        Root::Keys(path) => {
            let (last, above) = path.split_last().unwrap_or((&"mcpServers", &[]));
            let holder = above.iter().try_fold(root, |object, key| object.get(*key).and_then(Value::as_object));
            match held(holder.and_then(|holder| holder.get(*last)), path, source.list)? {
                Some(entries) => Ok(Some(Servers::of(entries))),
                None if holder.is_some_and(|holder| holder.contains_key(*last)) && source.shape != Shape::Required => {
                    Ok(None)
                }
                None => match holder.and_then(|holder| misspelt(holder, last)) {
                    // Our own folders understand `servers`.
                    Some(found) if source.shape != Shape::Lenient || found != "servers" => {
                        Err(DiscoveryError::ServersKey { found: shown(found), wanted: (*last).to_owned() })
                    }
                    _ if source.root == MCP_SERVERS => elsewhere(source, document, root),
                    _ => Ok(None),
                },
            }
        }
    }
}

impl<'d> Servers<'d> {
    fn of(entries: Vec<Entry<'d>>) -> Self {
        Self { entries, note: None }
    }
}

/// The entries in what stands at `path`: an object by names, or where `list` says so, a list of objects that say their names.
fn held<'d>(written: Option<&'d Value>, path: &[&str], list: bool) -> Result<Option<Vec<Entry<'d>>>, DiscoveryError> {
    let holder: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
    match written {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(entries)) => Ok(Some(members(entries, &holder))),
        Some(Value::Array(items)) if list => {
            let entry = |(index, value): (usize, &'d Value)| {
                let name = value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                Entry { name, value, holder: holder.clone(), key: index.to_string() }
            };
            Ok(Some(items.iter().enumerate().map(entry).collect()))
        }
        Some(other) => {
            let field = path.last().copied().unwrap_or_default();
            Err(DiscoveryError::WrongRoot { field: field.into(), found: kind(other) })
        }
    }
}

fn members<'d>(entries: &'d Map<String, Value>, holder: &[String]) -> Vec<Entry<'d>> {
    let entry = |(name, value): (&'d String, &'d Value)| Entry {
        name: name.clone(),
        value,
        holder: holder.to_vec(),
        key: name.clone(),
    };
    entries.iter().map(entry).collect()
}

fn opencode(mcp: &Map<String, Value>) -> Vec<Entry<'_>> {
    opencode_servers(mcp)
        .into_iter()
        .map(|(holder, name, value)| Entry {
            name: name.clone(),
            value,
            holder: holder.into_iter().map(str::to_owned).collect(),
            key: name.clone(),
        })
        .collect()
}

/// A file with no `mcpServers`: servers under another key, or at its top.
fn elsewhere<'d>(
    source: &Source,
    document: &'d Document,
    root: &'d Map<String, Value>,
) -> Result<Option<Servers<'d>>, DiscoveryError> {
    let lenient = source.shape == Shape::Lenient;
    if let Some(Value::Object(entries)) = root.get("servers").filter(|value| lenient && are_servers(value)) {
        let note = Some("the file says `servers`; the usual key is `mcpServers`");
        let entries = members(entries, &["servers".to_owned()]);
        return Ok(Some(Servers { entries, note }));
    }
    if are_servers(&document.root) {
        let note = Some("the servers stand at the top of the file; usually they stand under `mcpServers`");
        // Beside them stand a description and a schema.
        let entries = members(root, &[]).into_iter().filter(|entry| entry.value.is_object()).collect();
        return if lenient { Ok(Some(Servers { entries, note })) } else { Err(DiscoveryError::FlatRoot) };
    }
    if source.shape == Shape::Optional { Ok(None) } else { Err(DiscoveryError::NoServers) }
}

/// A key that holds servers and is not quite the one where they should be: a slip of the pen, or another client's.
fn misspelt<'k>(holder: &'k Map<String, Value>, wanted: &str) -> Option<&'k str> {
    let plain = |key: &str| key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let wanted = plain(wanted);
    let is_near = |key: &str| {
        let key = plain(key);
        key.ends_with("servers") || nearest(&key, &[&wanted]).is_some()
    };
    holder.iter().find(|(key, value)| is_near(key) && are_servers(value)).map(|(key, _)| key.as_str())
}

/// Whether this looks like a map of servers: some objects, and each with a program or an address.
pub(super) fn are_servers(value: &Value) -> bool {
    let Value::Object(members) = value else { return false };
    let mut entries = members.values().filter_map(Value::as_object).peekable();
    let reachable = |entry: &Map<String, Value>| {
        ["command", "cmd", "url", "serverUrl", "httpUrl"].iter().any(|key| entry.contains_key(*key))
    };
    entries.peek().is_some() && entries.all(reachable)
}
