//! From an entry as written to a server that can be started: variables, command lines, folders, and a last check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::entry::Flaw;
use super::env_file;
use super::expand::{Dialect, Expanded, Wanted};
use super::file::read_bounded;
use super::place::{Os, Place};
use super::words::{shown, split};
use crate::upstream::config::{Access, OAuth, RemoteKind, Secret, Transport, check_address};

/// What the variables of one entry stand for.
pub(super) struct Scene<'p> {
    pub place: &'p Place,
    pub dialect: Dialect,
    /// Nothing is filled in for an entry that waits for approval.
    pub fill: bool,
    /// Variables become those of our own dialect.
    pub as_written: bool,
    /// Where the config file lies: a relative path starts there.
    pub folder: &'p Path,
    /// The folder its owner would call the workspace.
    pub project: &'p Path,
    /// Variables that only this entry knows; they come before the environment's.
    pub vars: &'p BTreeMap<String, String>,
}

/// A file that stands for a text holds a token or a key; one larger is something else.
const LONGEST_TEXT: u64 = 64 * 1024;

impl Scene<'_> {
    fn expand(&self, field: &str, text: &str) -> Expanded {
        if !self.fill || !self.dialect.reaches(field) {
            return Expanded { text: text.to_owned(), ..Expanded::default() };
        }
        self.dialect.expand(self.place.os, text, |wanted, default| self.known(wanted, default))
    }

    /// The variables in the file that an entry names; none while nothing is filled in. `None`: the file cannot be read.
    pub fn variables(&self, file: &str) -> Option<Vec<(String, String)>> {
        if !self.fill {
            return Some(Vec::new());
        }
        let text = self.text_of(&self.expand("envFile", file).text)?;
        let fit = |(name, value): &(String, String)| !name.contains('\0') && !value.contains('\0');
        Some(env_file::variables(&text).into_iter().filter(fit).collect())
    }

    /// What stands in a small file of text.
    fn text_of(&self, path: &str) -> Option<String> {
        let bytes = read_bounded(&self.place.path(path, self.folder), LONGEST_TEXT).ok()??;
        String::from_utf8(bytes).ok()
    }

    fn known(&self, wanted: Wanted<'_>, default: Option<&str>) -> Option<String> {
        let shown = |path: &Path| path.to_str().map(str::to_owned);
        match wanted {
            Wanted::Variable(name) => self.vars.get(name).cloned().or_else(|| {
                // Set or not: a variable stays one.
                let default = default.map(|default| format!(":-{default}")).unwrap_or_default();
                let written = format!("${{{name}{default}}}");
                let expressible = self.as_written && Dialect::Neutral.occurs(self.place.os, &written);
                if expressible { Some(written) } else { self.place.var(name).map(str::to_owned) }
            }),
            Wanted::Client("userHome") => shown(&self.place.home),
            Wanted::Client("workspaceFolder" | "workspaceRoot") => shown(self.project),
            Wanted::Client("workspaceFolderBasename") => self.project.file_name()?.to_str().map(str::to_owned),
            Wanted::Client("cwd") => shown(&self.place.cwd),
            Wanted::Client("/" | "pathSeparator") => {
                Some(if self.place.os == Os::Windows { "\\" } else { "/" }.to_owned())
            }
            Wanted::Client(_) => None,
            Wanted::File(path) => Some(self.text_of(path)?.trim().to_owned()),
            // Secrets that Continue would fetch may stand in the environment under their own name.
            Wanted::Private(name) => self
                .vars
                .get(name)
                .cloned()
                .or_else(|| self.place.var(name.strip_prefix("secrets.")?).map(str::to_owned)),
        }
    }
}

/// A transport with its texts expanded.
pub(super) struct Settled {
    pub transport: Transport,
    /// Fields that cannot be used because a variable in them is not set, e.g. "`url` needs the variable `HOST`".
    pub needs: Vec<String>,
    pub warnings: Vec<String>,
    /// What was filled in and may be a secret.
    pub expanded: Vec<Secret>,
}

/// Expands what `written` says, once.
pub(super) fn settle(written: Transport, scene: &Scene<'_>) -> Result<Settled, Flaw> {
    let mut pass = Pass { scene, needs: Vec::new(), warnings: Vec::new(), expanded: Vec::new() };
    let transport = match written {
        Transport::Stdio { command, args, env, cwd } => pass.stdio(&command, args, env, cwd)?,
        Transport::Remote { url, headers, kind, access } => {
            let access = pass.access(access);
            pass.remote(&url, headers, kind, access)?
        }
    };
    Ok(Settled { transport, needs: pass.needs, warnings: pass.warnings, expanded: pass.expanded })
}

struct Pass<'p> {
    scene: &'p Scene<'p>,
    needs: Vec<String>,
    warnings: Vec<String>,
    expanded: Vec<Secret>,
}

impl Pass<'_> {
    fn stdio(
        &mut self,
        command: &str,
        args: Vec<String>,
        env: BTreeMap<String, Secret>,
        cwd: Option<PathBuf>,
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
        let cwd = cwd.map(|cwd| self.folder(&cwd.to_string_lossy()));

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
        let place = self.scene.place;
        if place.program(&self.scene.expand("command", command).text, &place.cwd).is_some() {
            return Ok(whole);
        }
        let words = split(command, place.os != Os::Windows).ok_or_else(|| {
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

    fn remote(
        &mut self,
        url: &str,
        headers: BTreeMap<String, Secret>,
        kind: RemoteKind,
        access: Access,
    ) -> Result<Transport, Flaw> {
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
        if self.needs.len() == waiting && !self.is_open(&url) {
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
        Ok(Transport::Remote { url, headers, kind, access })
    }

    /// Files are expanded like any text; the helper's command is not, as a shell does that.
    fn access(&mut self, written: Access) -> Access {
        let ca = written.ca.map(|path| self.file("tls.ca", &path));
        let certificate = written.certificate.map(|(cert, key)| {
            // One file may hold both.
            let only = cert == key;
            let certificate = self.file("tls.cert", &cert);
            if only && certificate.is_file() && !has_key(&certificate) {
                self.warnings.push("`tls.cert` holds no private key, and there is no `tls.key`".into());
            }
            let key = if only { certificate.clone() } else { self.file("tls.key", &key) };
            (certificate, key)
        });
        let oauth = OAuth {
            client_metadata_url: written
                .oauth
                .client_metadata_url
                .map(|url| self.required("oauth.clientMetadataUrl", &url)),
            client_secret: written
                .oauth
                .client_secret
                .map(|secret| Secret::new(self.required("oauth.clientSecret", secret.expose()))),
            ..written.oauth
        };
        Access { headers_helper: written.headers_helper, ca, certificate, oauth }
    }

    /// Whether there is still a variable in a text: one that nobody could fill in yet.
    fn is_open(&self, text: &str) -> bool {
        let os = self.scene.place.os;
        (!self.scene.fill && self.scene.dialect.occurs(os, text))
            || (self.scene.as_written && Dialect::Neutral.occurs(os, text))
    }

    /// A relative folder starts where the file lies, and `~` is the home folder.
    fn folder(&mut self, written: &str) -> PathBuf {
        let needed = self.needs.len();
        let text = self.required("cwd", written);
        let folder = self.path(&text);
        let known = self.needs.len() == needed && !self.is_open(written);
        if known && !folder.is_dir() {
            self.warnings.push("`cwd` is not a folder that exists".into());
        }
        folder
    }

    /// A file that must be there when the server is reached.
    fn file(&mut self, field: &str, written: &Path) -> PathBuf {
        let needed = self.needs.len();
        let written = written.to_string_lossy();
        let text = self.required(field, &written);
        let file = self.path(&text);
        let known = self.needs.len() == needed && !self.is_open(&written);
        if known && !file.is_file() {
            self.warnings.push(format!("`{field}` is not a file that exists"));
        }
        file
    }

    /// A path as the file means it; one that begins with a variable which stays is whole once that is filled in.
    fn path(&self, text: &str) -> PathBuf {
        if self.scene.as_written && text.starts_with('$') && self.is_open(text) {
            return text.into();
        }
        self.scene.place.path(text, self.scene.folder)
    }

    /// A text the server cannot be started without knowing in full.
    fn required(&mut self, field: &str, text: &str) -> String {
        let out = self.expand(field, text);
        self.needs.extend(out.unset.iter().map(|name| format!("`{field}` needs the variable `{}`", shown(name))));
        out.text
    }

    /// A text which clients pass on as it stands when a variable is missing.
    fn optional(&mut self, field: &str, text: &str) -> String {
        let out = self.expand(field, text);
        let so = if self.scene.dialect.unset_is_empty() { "it is left empty" } else { "it stays as written" };
        let note = |name: &String| format!("`{field}`: the variable `{}` is not set, so {so}", shown(name));
        self.warnings.extend(out.unset.iter().map(note));
        out.text
    }

    /// What only the client could have told is missing in any field.
    fn expand(&mut self, field: &str, text: &str) -> Expanded {
        let out = self.scene.expand(field, text);
        let note =
            |name: &String| format!("`{field}` needs `{}`, which its client asks for and keeps to itself", shown(name));
        self.needs.extend(out.private.iter().map(note));
        self.expanded.extend(out.secrets.iter().map(Secret::new));
        out
    }
}

/// Whether there is a private key in a PEM file.
fn has_key(file: &Path) -> bool {
    let bytes = read_bounded(file, LONGEST_TEXT).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).contains("PRIVATE KEY-----")
}

fn check_url(url: &str) -> Result<(), Flaw> {
    const ACCEPTED: &str = "an address such as https://example.com/mcp";
    if ["unix:", "http+unix:", "ws+unix:"].iter().any(|scheme| url.starts_with(scheme)) {
        const SOCKET: &str = "unix:///path/of.sock, unix:///path/of.sock:/mcp, http+unix://%2Fpath%2Fof.sock/mcp or ws+unix:///path/of.sock:/mcp";
        return check_address(url).map_err(|_| Flaw::new("url", "no address of a Unix socket", SOCKET));
    }
    let uri: http::Uri = url.parse().map_err(|_| Flaw::new("url", "not an address", ACCEPTED))?;
    match uri.scheme_str() {
        Some("http" | "https" | "ws" | "wss") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(()),
        Some("http" | "https" | "ws" | "wss") | None => Err(Flaw::new("url", "an address without a host", ACCEPTED)),
        Some(_) => Err(Flaw::new("url", "an address of another kind", "http, https, ws, wss or unix")),
    }
}
