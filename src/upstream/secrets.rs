//! What must not be shown of one server: what its entry gives it, what a helper prints for it, what a login left. Every text that
//! comes from the server or its transport passes here before it becomes part of an error or a log line.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::Url;
use serde_json::Value;

use super::UpstreamError;
use super::config::{Secret, Transport};
use super::http::Address;
use crate::sensitive::names_secret_setting as tells;

/// What stands in a secret's place.
const MASK: &str = "***";
/// A value that is known for a secret, in characters: a shorter one would be found in every other word of a text.
const SHORTEST: usize = 4;
/// A value of which nothing is known but that it was given: shorter ones are numbers, modes and words.
const SHORTEST_UNNAMED: usize = 8;
/// Values that people write into `env` and `args` by the hundred, and that no secret is.
const WORDS: &[&str] = &[
    "true",
    "false",
    "none",
    "null",
    "auto",
    "default",
    "debug",
    "info",
    "warn",
    "warning",
    "error",
    "json",
    "text",
    "stdio",
    "localhost",
    "enabled",
    "disabled",
    "production",
    "development",
    "readonly",
    "read-only",
    "127.0.0.1",
];
/// The secrets of one server, which grow while it is used. Cheap to clone; all clones know the same.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<RwLock<Vec<String>>>);

impl Secrets {
    /// What the entry of a server holds. `expanded`: what variables in it became.
    pub(super) fn of(transport: &Transport, expanded: &[Secret]) -> Self {
        let secrets = Self::default();
        expanded.iter().for_each(|value| secrets.learn_unnamed(value.expose()));
        match transport {
            Transport::Stdio { args, env, .. } => {
                env.iter().for_each(|(name, value)| secrets.learn_named(name, value.expose()));
                secrets.learn_args(args);
            }
            Transport::Remote { url, headers, access, .. } => {
                secrets.learn_headers(headers.values().map(Secret::expose));
                access.oauth.client_secret.iter().for_each(|secret| secrets.learn(secret.expose()));
                if let Ok(address) = Address::parse(url) {
                    secrets.learn_address(&address.url);
                }
            }
        }
        secrets
    }

    /// A value that is a secret for certain.
    pub(super) fn learn(&self, value: &str) {
        self.learn_from(value, SHORTEST);
    }

    /// Values of headers.
    pub(super) fn learn_headers<'v>(&self, values: impl Iterator<Item = &'v str>) {
        for value in values {
            self.learn(value);
            // `Bearer x`: the token alone is as secret as the whole.
            value.split_once(' ').iter().for_each(|(_, token)| self.learn(token));
        }
    }

    fn learn_named(&self, name: &str, value: &str) {
        if tells(name) { self.learn(value) } else { self.learn_unnamed(value) }
    }

    fn learn_unnamed(&self, value: &str) {
        self.learn_from(value, SHORTEST_UNNAMED);
    }

    /// `--token x`, `--api-key=x`, `TOKEN=x`, `Authorization: Bearer x` (of `mcp-remote --header`), and what an address holds beside
    /// a place. Anything else is a path or a word that errors need.
    fn learn_args(&self, args: &[String]) {
        let mut named = false;
        for arg in args {
            let pair = arg.split_once('=').or_else(|| arg.split_once(':'));
            match pair.filter(|(name, _)| tells(name)) {
                Some((_, value)) => self.learn_headers(std::iter::once(value.trim())),
                None if named && !arg.starts_with('-') => self.learn(arg),
                None => arg.parse().iter().for_each(|url| self.learn_address(url)),
            }
            named = arg.starts_with('-') && pair.is_none() && tells(arg);
        }
    }

    fn learn_address(&self, url: &Url) {
        url.password().into_iter().for_each(|password| self.learn(password));
        url.query_pairs().for_each(|(name, value)| self.learn_named(&name, &value));
    }

    fn learn_from(&self, value: &str, shortest: usize) {
        let value = value.trim();
        if value.chars().count() < shortest || WORDS.contains(&value.to_ascii_lowercase().as_str()) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|secret| secret == value) {
            known.push(value.to_owned());
            // The longest first: a secret that holds another must go as a whole.
            known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// The text with every secret taken out.
    pub(super) fn redact(&self, text: String) -> String {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold(text, |text, secret| match masked(&text, secret) {
            Cow::Borrowed(_) => text,
            Cow::Owned(masked) => masked,
        })
    }

    /// An error as it may leave this folder: with every secret taken out of what the server, its transport or its process said.
    pub(super) fn redact_error(&self, mut error: UpstreamError) -> UpstreamError {
        use UpstreamError as E;
        let clean = |text: &mut String| *text = self.redact(std::mem::take(text));
        match &mut error {
            E::CommandNotFound { command: text, .. }
            | E::Handshake { reason: text, .. }
            | E::BadAnswer { found: text, .. }
            | E::NotMcp { found: text, .. }
            | E::Unreachable { reason: text, .. }
            | E::Interrupted { reason: text, .. }
            | E::UnusableAddress { reason: text, .. }
            | E::Unanswered { reason: text, .. }
            | E::LoginUnusable { reason: text, .. }
            | E::HelperFailed { reason: text, .. }
            | E::UnknownVersion { found: text, .. } => clean(text),
            E::SpawnFailed { command, reason, .. } => [command, reason].into_iter().for_each(clean),
            E::HttpStatus { body, retry_after, .. } => retry_after.iter_mut().chain([body]).for_each(clean),
            E::Exited { how, stderr, .. } => stderr.iter_mut().chain([how]).for_each(clean),
            E::StartTimeout { stderr: text, .. } | E::Unauthorized { challenge: text, .. } => {
                text.iter_mut().for_each(clean);
            }
            E::Protocol { message, data, .. } => {
                clean(message);
                data.iter_mut().for_each(|data| **data = self.redact_value(data.take()));
            }
            E::BackingOff { cause, .. } => {
                let inner = std::mem::replace(cause.as_mut(), E::ShuttingDown { server: String::new() });
                **cause = self.redact_error(inner);
            }
            // Nothing in them was said by anybody else.
            E::UnknownServer { .. }
            | E::CallTimeout { .. }
            | E::ListTimeout { .. }
            | E::PingTimeout { .. }
            | E::TooLarge { .. }
            | E::NotReading { .. }
            | E::Circle { .. }
            | E::ShuttingDown { .. } => {}
        }
        error
    }

    /// The same for every text within a value.
    fn redact_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact(text)),
            Value::Array(items) => items.into_iter().map(|item| self.redact_value(item)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(key, value)| (self.redact(key), self.redact_value(value))).collect()
            }
            plain => plain,
        }
    }
}

/// Shows none.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

fn masked<'t>(text: &'t str, secret: &str) -> Cow<'t, str> {
    if text.contains(secret) { text.replace(secret, MASK).into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn stdio(args: &[&str], env: &[(&str, &str)]) -> Transport {
        let env: BTreeMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
        Transport::Stdio { command: "x".into(), args: args.iter().map(|&arg| arg.into()).collect(), env, cwd: None }
    }

    fn shown(transport: &Transport, expanded: &[&str], text: &str) -> String {
        let expanded: Vec<Secret> = expanded.iter().map(|value| Secret::new(*value)).collect();
        Secrets::of(transport, &expanded).redact(text.into())
    }

    #[test]
    fn secrets_go_wherever_an_entry_holds_them() {
        for (args, env, expanded, hidden) in [
            (&["--token", "hunter2"][..], &[][..], &[][..], "hunter2"),
            (&["--api-key=hunter2"], &[], &[], "hunter2"),
            (&["--header", "Authorization: Bearer hunter2"], &[], &[], "hunter2"),
            (&["--header", "Authorization:${AUTH}", "--pat", "hunter2"], &[], &[], "hunter2"),
            (&["postgres://me:hunter22@h/db"], &[], &["hunter22"], "hunter22"),
            (&[], &[("GITHUB_TOKEN", "hunter2")], &[], "hunter2"),
            (&[], &[("ANYTHING", "hunter22")], &[], "hunter22"),
        ] {
            let text = shown(&stdio(args, env), expanded, &format!("it said {hidden}, twice: {hidden}"));
            assert_eq!(text, "it said ***, twice: ***", "{args:?} {env:?} {expanded:?}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let entry = stdio(
            &["-y", "@scope/server", "--token", "--root", "/srv/data", "--key", "true", "--port=8080"],
            &[("MODE", "1"), ("LEVEL", "verbose"), ("NODE_ENV", "production"), ("PASSWORD", "yes")],
        );
        let text = "true: verbose production /srv/data 8080 yes 1 --root @scope/server";
        assert_eq!(shown(&entry, &["short", "debug"], text), text);
    }

    #[test]
    fn of_an_address_the_values_go_and_the_place_stays() {
        let entry = Transport::Remote {
            url: "https://me:hunter2@h.example/mcp?key=hunter3&format=json&session=0123456789".into(),
            headers: BTreeMap::from([("X-Any".into(), Secret::new("Basic hunter4"))]),
            kind: super::super::config::RemoteKind::Unstated,
            access: Default::default(),
        };
        let text = "h.example /mcp json: hunter2 hunter3 hunter4 0123456789";
        assert_eq!(shown(&entry, &[], text), "h.example /mcp json: *** *** *** ***");
    }

    #[test]
    fn what_is_learnt_later_counts_for_all() {
        let secrets = Secrets::default();
        let clone = secrets.clone();
        for secret in ["hunter22", "hunter22-long", "", "abc"] {
            clone.learn(secret);
        }
        assert_eq!(secrets.redact("bad token hunter22-long, abc; hunter22".into()), "bad token ***, abc; ***");
        let value = serde_json::json!({"hunter22": ["hunter22-long", 1]});
        assert_eq!(secrets.redact_value(value), serde_json::json!({"***": ["***", 1]}));
    }
}
