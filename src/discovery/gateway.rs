//! What stands beside the servers in a file of the bridge's own: how the bridge itself is to serve.

use std::path::Path;

use serde_json::Value;

use super::Problem;
use super::error::DiscoveryError;
use super::file::Document;
use super::syntax::Syntax;

/// Keys that hold servers, or say what the file is.
const SERVERS: [&str; 3] = ["mcpServers", "servers", "$schema"];

/// One member of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub name: String,
    pub value: Value,
    /// 1-based line on which it begins.
    pub line: Option<usize>,
}

/// The members at the top of a file that are not its servers.
///
/// # Errors
/// There is no such file, or it cannot be read as an object.
pub fn gateway_keys(path: &Path) -> Result<Vec<Key>, Problem> {
    let problem = |line, error: &DiscoveryError| Problem::new(Some(path), line, error);
    let document = Document::read(path, Syntax::Jsonc).map_err(|(error, line)| problem(line, &error))?;
    let document = document.ok_or_else(|| problem(None, &DiscoveryError::ExplicitMissing))?;
    let Value::Object(root) = &document.root else {
        let found = super::words::kind(&document.root);
        return Err(problem(Some(1), &DiscoveryError::WrongRoot { field: "the file".into(), found }));
    };
    let lines = document.lines(&[]);
    // A file that is a map of servers and nothing else has no keys of the bridge.
    let flat = !root.contains_key("mcpServers") && super::locate::are_servers(&document.root);
    let own = root.iter().filter(|(name, value)| !(SERVERS.contains(&name.as_str()) || flat && value.is_object()));
    let key = |(name, value): (&String, &Value)| Key {
        name: name.clone(),
        value: value.clone(),
        line: lines.get(name).copied(),
    };
    Ok(own.map(key).collect())
}
