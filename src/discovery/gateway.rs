//! What stands beside the servers in a file of the bridge's own: how the bridge itself is to serve.

use std::path::Path;

use serde_json::Value;

use super::Problem;
use super::error::DiscoveryError;
use super::file::Document;
use super::syntax::{Spot, Syntax};

/// Keys that hold servers, or say what the file is.
const SERVERS: [&str; 3] = ["mcpServers", "servers", "$schema"];

/// A file for `--config`, as far as it is not about servers.
#[derive(Clone, Debug, Default)]
pub struct GatewayFile {
    pub keys: Vec<Key>,
    /// Members with a name that another one in the same object has; the last one counts.
    pub twice: Vec<(String, Spot)>,
    text: String,
}

/// One member of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub name: String,
    pub value: Value,
    pub spot: Option<Spot>,
}

impl GatewayFile {
    /// # Errors
    /// There is no such file, or it cannot be read as an object.
    pub fn read(path: &Path) -> Result<Self, Box<Problem>> {
        let problem = |line, error: &DiscoveryError| Box::new(Problem::new(Some(path), line, error));
        let document = Document::read(path, Syntax::Jsonc).map_err(|(error, line)| problem(line, &error))?;
        let document = document.ok_or_else(|| problem(None, &DiscoveryError::ConfigMissing))?;
        let Value::Object(root) = &document.root else {
            let found = super::words::kind(&document.root);
            return Err(problem(Some(1), &DiscoveryError::WrongRoot { field: "the file".into(), found }));
        };
        let text = document.text();
        // A file that is a map of servers and nothing else has no keys of the bridge.
        let flat = !root.contains_key("mcpServers") && super::locate::are_servers(&document.root);
        let own = root.iter().filter(|(name, value)| !(SERVERS.contains(&name.as_str()) || flat && value.is_object()));
        let key = |(name, value): (&String, &Value)| Key {
            name: name.clone(),
            value: value.clone(),
            spot: Spot::of(text, std::slice::from_ref(name)),
        };
        Ok(Self { keys: own.map(key).collect(), twice: Spot::twice(text), text: text.to_owned() })
    }

    /// Where the member at this JSON pointer begins, or what of it there is.
    pub fn spot(&self, pointer: &str) -> Option<Spot> {
        let key = |part: &str| part.replace("~1", "/").replace("~0", "~");
        let path: Vec<String> = pointer.split('/').skip(1).map(key).collect();
        Spot::of(&self.text, &path)
    }
}
