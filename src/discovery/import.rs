//! What was found in clients' files, as one file in our own form.
//!
//! Made from a scan with [`Options::as_written`](super::Options::as_written): variables are written as `${NAME}`, whatever
//! their client's dialect, and filled in when the file is read.

use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::expand::Dialect;
use super::install::InstallError;
use super::place::Os;
use super::words::shown;
use super::{Discovery, Found, State};
use crate::upstream::config::{Access, Era, OAuth, RemoteKind, Secret, Transport};

/// A file that is not written yet.
pub struct Imported {
    pub text: String,
    /// The servers in it.
    pub names: Vec<String>,
    /// All others that clients' files hold, and why each is not among them.
    pub left_out: Vec<(String, String)>,
}

/// The servers in use that come from a client's file.
pub fn import(found: &Discovery) -> Imported {
    let mut servers = Map::new();
    let mut left_out = Vec::new();
    let ours = |found: &&Found| ["explicit", "mcp-folder"].contains(&found.origin.source);
    for found in found.found.iter().filter(|found| !ours(found)) {
        match usable(&found.state).and_then(|()| entry(found)) {
            Ok(entry) => {
                servers.insert(found.config.name.clone(), entry);
            }
            Err(reason) => left_out.push((shown(&found.config.name), reason)),
        }
    }
    let names = servers.keys().map(|name| shown(name)).collect();
    let whole = json!({"mcpServers": servers});
    Imported { text: format!("{whole:#}\n"), names, left_out }
}

/// Whether a server is in use, and if not, why not.
fn usable(state: &State) -> Result<(), String> {
    match state {
        State::Enabled => Ok(()),
        State::PendingApproval { .. } => Err("it comes from a project's own files and waits for approval".to_owned()),
        State::Disabled { reason }
        | State::Blocked { reason }
        | State::NeedsInput { reason }
        | State::Shadowed { reason }
        | State::Invalid { reason } => Err(reason.clone()),
    }
}

fn entry(found: &Found) -> Result<Value, String> {
    let config = &found.config;
    let texts = |pairs: &std::collections::BTreeMap<String, Secret>| -> Map<String, Value> {
        pairs.iter().map(|(name, value)| (name.clone(), value.expose().into())).collect()
    };
    let mut entry = match &config.transport {
        Transport::Stdio { command, args, env, cwd } => {
            let mut entry = json!({"command": command, "args": args});
            if !env.is_empty() {
                entry["env"] = texts(env).into();
            }
            if let Some(cwd) = cwd {
                entry["cwd"] = cwd.to_string_lossy().into();
            }
            entry
        }
        Transport::Remote { url, headers, kind, access } => {
            let mut entry = json!({"url": url});
            if let Some(word) = word(*kind) {
                entry["type"] = word.into();
            }
            if !headers.is_empty() {
                entry["headers"] = texts(headers).into();
            }
            say_access(access, &mut entry);
            entry
        }
    };
    match config.era {
        Era::Any => {}
        Era::Initialize => entry["protocol"] = "2025-11-25".into(),
        Era::Discover => entry["protocol"] = "2026-07-28".into(),
    }
    if let Some(timeout) = config.call_timeout {
        entry["timeout"] = (timeout.as_millis() as u64).into();
    }
    if let Some(description) = &config.description {
        entry["description"] = description.as_str().into();
    }
    match found.unsayable {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(entry),
    }
}

fn say_access(access: &Access, entry: &mut Value) {
    if let Some(helper) = &access.headers_helper {
        entry["headersHelper"] = helper.as_str().into();
    }
    let path = |path: &Path| Value::from(path.to_string_lossy().into_owned());
    if let Some(ca) = &access.ca {
        entry["tls"]["ca"] = path(ca);
    }
    if let Some((certificate, key)) = &access.certificate {
        entry["tls"]["cert"] = path(certificate);
        entry["tls"]["key"] = path(key);
    }
    let OAuth { client_id, client_secret, client_metadata_url, callback_port, scopes, allow_private } = &access.oauth;
    let secret = client_secret.as_ref().map(|secret| secret.expose().to_owned());
    for (key, value) in [
        ("clientId", client_id.clone()),
        ("clientSecret", secret),
        ("clientMetadataUrl", client_metadata_url.clone()),
        ("scopes", scopes.clone()),
    ] {
        if let Some(value) = value {
            entry["oauth"][key] = value.into();
        }
    }
    if let Some(port) = callback_port {
        entry["oauth"]["callbackPort"] = (*port).into();
    }
    if *allow_private {
        entry["oauth"]["allowPrivate"] = true.into();
    }
}

fn word(kind: RemoteKind) -> Option<&'static str> {
    match kind {
        RemoteKind::StreamableHttp => Some("http"),
        RemoteKind::Sse => Some("sse"),
        RemoteKind::WebSocket => Some("ws"),
        RemoteKind::Unstated => None,
    }
}

/// Why this entry cannot be said in our own form.
pub(super) fn unsayable(entry: &Value, dialect: Dialect, os: Os) -> Option<&'static str> {
    if dialect == Dialect::Editor && entry.get("envFile").is_some() {
        Some("its variables are in a file of their own (`envFile`); write them into its `env`")
    } else if is_mistaken(entry, dialect, os) {
        Some("it holds text that would be read as a variable here; write its entry by hand")
    } else {
        None
    }
}

/// Whether our own dialect would read a variable in some text of this entry that is none in its own.
fn is_mistaken(entry: &Value, dialect: Dialect, os: Os) -> bool {
    match entry {
        // What its own variables stand for does not count; NUL joins nothing to a variable.
        Value::String(text) => {
            let plain = dialect.expand(os, text, |_, _| Some("\0".to_owned())).text;
            Dialect::Neutral.occurs(os, &plain)
        }
        Value::Array(items) => items.iter().any(|item| is_mistaken(item, dialect, os)),
        Value::Object(members) => members.values().any(|member| is_mistaken(member, dialect, os)),
        _ => false,
    }
}

/// Writes the file, readable by this user only; never over another.
///
/// # Errors
/// When it exists or cannot be written.
pub fn write(file: &Path, text: &str) -> Result<(), InstallError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => InstallError::Exists { file: file.to_owned() },
        kind => InstallError::Unwritable { file: file.to_owned(), kind },
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist_noclobber(file).map_err(|error| failed(error.error))?;
    Ok(())
}
