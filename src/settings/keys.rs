//! The keys of a file for `--config`, and the variables they stand for.

use super::variables::VARIABLES;

/// The variable of the address; `host` and `port` are it in two parts.
pub const ADDRESS: &str = "MCP_BRIDGE_HTTP";
/// The variable that names the file itself, which therefore has no such key.
pub const CONFIG: &str = "MCP_BRIDGE_CONFIG";

const PREFIX: &str = "MCP_BRIDGE_";

/// Keys with a shorter name than their variables.
const SHORT: [(&str, &str); 4] = [
    ("auth", "MCP_BRIDGE_HTTP_AUTH"),
    ("tls_cert", "MCP_BRIDGE_HTTP_TLS_CERT"),
    ("tls_key", "MCP_BRIDGE_HTTP_TLS_KEY"),
    ("json_logs", "MCP_BRIDGE_LOG_FORMAT"),
];

/// Every key there is.
pub fn keys() -> impl Iterator<Item = String> {
    let short = ["host", "port"].into_iter().chain(SHORT.iter().map(|(key, _)| *key)).map(str::to_owned);
    let long = VARIABLES.iter().map(|variable| variable.name).filter(|name| *name != CONFIG);
    short.chain(long.filter_map(|name| name.strip_prefix(PREFIX)).map(str::to_ascii_lowercase))
}

/// The variable that a key stands for: `log_level` is MCP_BRIDGE_LOG_LEVEL, and so on.
pub fn variable_of(key: &str) -> Option<&'static str> {
    if matches!(key, "host" | "port") {
        return Some(ADDRESS);
    }
    if let Some((_, variable)) = SHORT.iter().find(|(short, _)| *short == key) {
        return Some(variable);
    }
    let is_key = |name: &&str| *name != CONFIG && name.strip_prefix(PREFIX).is_some_and(|rest| is_lower_of(key, rest));
    VARIABLES.iter().map(|variable| variable.name).find(is_key)
}

fn is_lower_of(key: &str, rest: &str) -> bool {
    key.len() == rest.len() && key.bytes().zip(rest.bytes()).all(|(k, r)| k == r.to_ascii_lowercase())
}

/// What a file calls this variable.
pub(super) fn key_of(variable: &str) -> String {
    match SHORT.iter().find(|(key, long)| *long == variable && *key != "json_logs") {
        Some((short, _)) => (*short).to_owned(),
        None => variable.strip_prefix(PREFIX).unwrap_or(variable).to_ascii_lowercase(),
    }
}
