//! What an entry says of a remote server beside its address: headers that a command prints, certificates, logins.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::entry::{Flaw, pick, text};
use super::words::{kind, strangers};
use crate::upstream::config::{Access, OAuth, Secret};

const TLS: &[&str] = &["ca", "cert", "key"];
const OAUTH: &[&str] = &["clientId", "clientSecret", "clientMetadataUrl", "callbackPort", "scopes", "allowPrivate"];

/// What a remote server asks for beside fixed headers. Files are as written.
pub(super) fn access(members: &Map<String, Value>, warnings: &mut Vec<String>) -> Result<Access, Flaw> {
    let helper = pick(members, &["headersHelper"]).map(|(key, value)| text(key, value)).transpose()?;
    let mut access =
        Access { headers_helper: helper.map(str::to_owned), oauth: oauth(members, warnings)?, ..Access::default() };
    let Some((key, value)) = pick(members, &["tls"]) else { return Ok(access) };
    let Value::Object(files) = value else {
        return Err(Flaw::new(key, kind(value), "an object of files: `ca`, `cert`, `key`"));
    };
    warnings.extend(strangers("unknown keys in `tls`", files.keys().filter(|key| !TLS.contains(&key.as_str())), TLS));
    let file = |name: &'static str| {
        pick(files, &[name]).map(|(_, value)| text(&format!("tls.{name}"), value).map(PathBuf::from)).transpose()
    };
    access.ca = file("ca")?;
    access.certificate = match (file("cert")?, file("key")?) {
        (Some(cert), key) => Some((cert.clone(), key.unwrap_or(cert))),
        (None, Some(_)) => {
            return Err(Flaw::new("tls.cert", "missing beside `tls.key`", "the file of the certificate"));
        }
        (None, None) => None,
    };
    Ok(access)
}

/// What the bridge is at the authorization server, in the words of Claude Code, and `allowPrivate`, which is ours.
fn oauth(members: &Map<String, Value>, warnings: &mut Vec<String>) -> Result<OAuth, Flaw> {
    let Some((key, value)) = pick(members, &["oauth"]) else { return Ok(OAuth::default()) };
    let Value::Object(given) = value else {
        return Err(Flaw::new(
            key,
            kind(value),
            "an object: `clientId`, `clientSecret`, `clientMetadataUrl`, `callbackPort`, `scopes`, `allowPrivate`",
        ));
    };
    let strange = |key: &&String| !OAUTH.contains(&key.as_str());
    warnings.extend(strangers("unknown keys in `oauth`", given.keys().filter(strange), OAUTH));
    let word = |name: &'static str| {
        pick(given, &[name]).map(|(_, value)| text(&format!("oauth.{name}"), value).map(str::to_owned)).transpose()
    };
    let port = pick(given, &["callbackPort"]).map(|(_, value)| {
        let port = value.as_u64().and_then(|port| u16::try_from(port).ok());
        port.ok_or_else(|| Flaw::new("oauth.callbackPort", kind(value), "a port, such as 8765"))
    });
    let allow_private = match pick(given, &["allowPrivate"]) {
        None => false,
        Some((_, Value::Bool(flag))) => *flag,
        Some((_, other)) => return Err(Flaw::new("oauth.allowPrivate", kind(other), "true or false")),
    };
    Ok(OAuth {
        client_id: word("clientId")?,
        client_secret: word("clientSecret")?.map(Secret::new),
        client_metadata_url: word("clientMetadataUrl")?,
        callback_port: port.transpose()?,
        scopes: word("scopes")?,
        allow_private,
    })
}
