//! From an entry as written to a server that can be started: variables, command lines, folders, and a last check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::entry::Flaw;
use super::expand::Dialect;
use super::place::{Os, Place};
use super::words::{shown, split};
use crate::upstream::config::{RemoteKind, Secret, Transport};

/// A transport with its texts expanded.
pub(super) struct Settled {
    pub transport: Transport,
    /// Fields that cannot be used because a variable in them is not set, e.g. "`url` needs the variable `HOST`".
    pub needs: Vec<String>,
    pub warnings: Vec<String>,
}

/// Expands what `written` says in `dialect`, once. `folder` is where the config file lies: a relative `cwd` starts there.
pub(super) fn settle(written: Transport, dialect: Dialect, place: &Place, folder: &Path) -> Result<Settled, Flaw> {
    let mut pass = Pass { dialect, place, needs: Vec::new(), warnings: Vec::new() };
    let transport = match written {
        Transport::Stdio { command, args, env, cwd } => pass.stdio(&command, args, env, cwd, folder)?,
        Transport::Remote { url, headers, kind } => pass.remote(&url, headers, kind)?,
    };
    Ok(Settled { transport, needs: pass.needs, warnings: pass.warnings })
}

struct Pass<'p> {
    dialect: Dialect,
    place: &'p Place,
    needs: Vec<String>,
    warnings: Vec<String>,
}

impl Pass<'_> {
    fn stdio(
        &mut self,
        command: &str,
        args: Vec<String>,
        env: BTreeMap<String, Secret>,
        cwd: Option<PathBuf>,
        folder: &Path,
    ) -> Result<Transport, Flaw> {
        let (program, mut words) = self.words(command)?;
        words.extend(args);
        let command = self.required("command", &program);
        let words: Vec<String> =
            words.iter().enumerate().map(|(index, word)| self.optional(&format!("args[{index}]"), word)).collect();
        let env: BTreeMap<String, Secret> = env
            .into_iter()
            .map(|(name, value)| {
                let value = self.optional(&format!("env.{}", shown(&name)), value.expose());
                (name, Secret::new(value))
            })
            .collect();
        let cwd = cwd.map(|cwd| self.folder(&cwd.to_string_lossy(), folder));

        // What no operating system can pass to a child, said here rather than at the first call.
        const ACCEPTED: &str = "text without NUL characters";
        if command.is_empty() {
            return Err(Flaw::new("command", "empty once its variables are filled in", "the program to start"));
        }
        if [&command].into_iter().chain(&words).any(|word| word.contains('\0')) {
            return Err(Flaw::new("command or args", "text with a NUL character", ACCEPTED));
        }
        for (name, value) in &env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(Flaw::new("env", "a variable with an impossible name", "names without `=`"));
            }
            if value.expose().contains('\0') {
                return Err(Flaw::new(format!("env.{}", shown(name)), "text with a NUL character", ACCEPTED));
            }
        }
        Ok(Transport::Stdio { command, args: words, env, cwd })
    }

    /// A command with blanks in it is a path with blanks if such a file exists, and a whole command line if not.
    fn words(&mut self, command: &str) -> Result<(String, Vec<String>), Flaw> {
        let command = command.trim();
        let whole = (command.to_owned(), Vec::new());
        if !command.contains(char::is_whitespace) {
            return Ok(whole);
        }
        let path = self.dialect.expand(command, |name| self.place.var(name)).text;
        if self.place.program(&path, &self.place.cwd).is_some() {
            return Ok(whole);
        }
        let words = split(command, self.place.os != Os::Windows).ok_or_else(|| {
            Flaw::new("command", "a command line with an open quote", "the program alone, arguments in `args`")
        })?;
        let Some((program, args)) = words.split_first() else { return Ok(whole) };
        if args.is_empty() {
            return Ok((program.clone(), Vec::new()));
        }
        self.warnings
            .push("`command` is not a file, so it is read as a command line; write the arguments in `args`".into());
        Ok((program.clone(), args.to_vec()))
    }

    fn remote(&mut self, url: &str, headers: BTreeMap<String, Secret>, kind: RemoteKind) -> Result<Transport, Flaw> {
        let waiting = self.needs.len();
        let url = self.required("url", url.trim());
        let headers: BTreeMap<String, Secret> = headers
            .into_iter()
            .map(|(name, value)| {
                let value = self.required(&format!("headers.{}", shown(&name)), value.expose());
                (name, Secret::new(value))
            })
            .collect();
        // An address that still holds a variable cannot be judged yet, whether it waits for a value or for an approval.
        if self.needs.len() == waiting && !url.contains("${") {
            check_url(&url)?;
        }
        for (name, value) in &headers {
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(Flaw::new(
                    "headers",
                    "a header with an impossible name",
                    "names of letters, digits and `-`",
                ));
            }
            if http::HeaderValue::from_str(value.expose()).is_err() {
                return Err(Flaw::new(format!("headers.{}", shown(name)), "not fit for a header", "text on one line"));
            }
        }
        Ok(Transport::Remote { url, headers, kind })
    }

    /// A relative folder starts where the file lies, and `~` is the home folder.
    fn folder(&mut self, written: &str, base: &Path) -> PathBuf {
        let needed = self.needs.len();
        let folder = self.place.path(&self.required("cwd", written), base);
        let known = self.needs.len() == needed && !folder.to_string_lossy().contains("${");
        if known && !folder.is_dir() {
            self.warnings.push("`cwd` is not a folder that exists".into());
        }
        folder
    }

    /// A text the server cannot be started without knowing in full.
    fn required(&mut self, field: &str, text: &str) -> String {
        let out = self.dialect.expand(text, |name| self.place.var(name));
        self.needs.extend(out.unset.iter().map(|name| format!("`{field}` needs the variable `{}`", shown(name))));
        out.text
    }

    /// A text which clients pass on as it stands when a variable is missing.
    fn optional(&mut self, field: &str, text: &str) -> String {
        let out = self.dialect.expand(text, |name| self.place.var(name));
        let note =
            |name: &String| format!("`{field}`: the variable `{}` is not set, so it stays as written", shown(name));
        self.warnings.extend(out.unset.iter().map(note));
        out.text
    }
}

fn check_url(url: &str) -> Result<(), Flaw> {
    const ACCEPTED: &str = "an address such as https://example.com/mcp";
    let uri: http::Uri = url.parse().map_err(|_| Flaw::new("url", "not an address", ACCEPTED))?;
    match uri.scheme_str() {
        Some("http" | "https" | "ws" | "wss") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(()),
        Some("http" | "https" | "ws" | "wss") | None => Err(Flaw::new("url", "an address without a host", ACCEPTED)),
        Some(_) => Err(Flaw::new("url", "an address of another kind", "http, https, ws or wss")),
    }
}
