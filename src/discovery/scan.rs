//! The scan itself: every source, every file, every entry; then one list.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::claude_code::{Answer, Record};
use super::entry::{self, Entry, Flaw};
use super::error::DiscoveryError;
use super::expand::Dialect;
use super::file::{Document, Shelf};
use super::merge::{Candidate, merge};
use super::place::Place;
use super::settle::{Settled, settle};
use super::sources::{self, MAX_FILES, Owner, Root, SOURCES, Shape, Source};
use super::trust::Fingerprint;
use super::words::{kind, shown};
use super::{CHAIN_VAR, Discovery, FileRead, Found, Options, Origin, Problem, Scope, State, itself};
use crate::upstream::config::{ServerConfig, Transport};

/// Longer than any name in use; such a name is a mistake, and it would be repeated in every listing.
const LONGEST_NAME: usize = 200;

/// Reads every config file there is and says which servers are in them. Never fails: what cannot be read is a problem in the
/// result, and costs nothing else.
pub fn discover(place: &Place, options: &Options) -> Discovery {
    let started_by_a_bridge =
        place.var(CHAIN_VAR).is_some_and(|chain| chain.split(',').any(|id| !id.trim().is_empty()));
    if started_by_a_bridge && !options.allow_self {
        let problem = Problem::new(None, None, &DiscoveryError::Chained);
        return Discovery { problems: vec![problem], ..Discovery::default() };
    }
    let mut shelf = Shelf::default();
    let record = Record::read(place, &mut shelf);
    let mut scan =
        Scan { place, options, record, shelf, seen: BTreeSet::new(), candidates: Vec::new(), files: Vec::new() };
    // Project files go last, so that a link in a project to the user's own file does not make it the project's.
    let (project, own): (Vec<&Source>, Vec<&Source>) = SOURCES.iter().partition(|row| row.scope == Scope::Project);
    own.into_iter().chain(project).for_each(|source| scan.source(source));
    Discovery { found: merge(scan.candidates), problems: scan.shelf.problems, files: scan.files }
}

struct Scan<'a> {
    place: &'a Place,
    options: &'a Options,
    record: Record,
    shelf: Shelf,
    /// Files by their canonical path, and where in them servers were read.
    seen: BTreeSet<(PathBuf, Vec<String>)>,
    candidates: Vec<Candidate>,
    files: Vec<FileRead>,
}

impl Scan<'_> {
    fn source(&mut self, source: &Source) {
        let files = sources::files(source, self.place, self.options);
        if let Some(folder) = files.overfull {
            self.problem(&folder, None, &DiscoveryError::TooManyFiles { limit: MAX_FILES });
        }
        for (order, path) in files.paths.into_iter().enumerate() {
            match self.shelf.open(&path) {
                Some(document) => self.file(source, order, &path, &document),
                None if source.scope == Scope::Explicit && !path.exists() => {
                    self.problem(&path, None, &DiscoveryError::ExplicitMissing);
                }
                None => {}
            }
        }
    }

    fn problem(&mut self, file: &Path, line: Option<usize>, error: &DiscoveryError) {
        self.shelf.problems.push(Problem::new(Some(file), line, error));
    }

    fn file(&mut self, source: &Source, order: usize, path: &Path, document: &Document) {
        let servers = match locate(source, document, self.record.workspace.as_deref()) {
            Ok(Some(servers)) => servers,
            Ok(None) => return,
            Err(error) => {
                let line = document.lines(&[]).get("mcpServers").copied();
                self.problem(path, line, &error);
                return;
            }
        };
        if !self.seen.insert((document.canonical.clone(), servers.pointer.clone())) {
            return;
        }
        let lines = document.lines(&servers.pointer);
        let shared =
            document.root.get("description").and_then(Value::as_str).filter(|_| source.shape == Shape::Lenient);
        let mut count = 0;
        for (name, value) in servers.entries {
            let pointer = servers.pointer.iter().chain([name]).map(|key| escape(key)).collect();
            let origin = Origin {
                source: source.id,
                scope: source.scope,
                file: document.canonical.clone(),
                pointer,
                line: lines.get(name).copied(),
            };
            let mut candidate = self.entry(source, name, value, origin);
            candidate.rank = (source.rank, order);
            if candidate.found.config.description.is_none() {
                candidate.found.config.description = shared.map(str::to_owned);
            }
            candidate.found.warnings.extend(servers.note.map(str::to_owned));
            self.candidates.push(candidate);
            count += 1;
        }
        self.files.push(FileRead { path: path.to_owned(), source: source.id, scope: source.scope, servers: count });
    }

    fn entry(&mut self, source: &Source, name: &str, value: &Value, origin: Origin) -> Candidate {
        let fingerprint = Fingerprint::of(name, value);
        let judged = check_name(name)
            .and_then(|()| entry::parse(value))
            .and_then(|entry| self.judge(source, name, entry, &origin, &fingerprint));
        let (config, verdict, warnings) = judged.unwrap_or_else(|flaw| {
            let error = DiscoveryError::Entry { name: shown(name), flaw: flaw.to_string() };
            self.problem(&origin.file, origin.line, &error);
            (unusable(name), Verdict::unclaimed(State::Invalid { reason: flaw.to_string() }), Vec::new())
        });
        let found = Found { config, origin, also: Vec::new(), state: verdict.state, warnings, fingerprint };
        Candidate { found, rank: (source.rank, 0), claims: verdict.claims }
    }

    fn judge(
        &self,
        source: &Source,
        name: &str,
        entry: Entry,
        origin: &Origin,
        fingerprint: &Fingerprint,
    ) -> Result<(ServerConfig, Verdict, Vec<String>), Flaw> {
        let folder = origin.file.parent().unwrap_or(&self.place.cwd);
        let mut warnings = entry.warnings;
        if entry.untyped_url && source.owner == Owner::ClaudeCode {
            warnings.push("Claude Code skips an entry that has `url` and no `type`; add \"type\": \"http\"".into());
        }
        let refusal = self.refusal(source, name, origin, fingerprint);
        // Nothing of an unapproved file is filled in: a repository could send any variable to any address that way.
        let dialect = if refusal.is_some() { Dialect::None } else { source.dialect };
        let Settled { transport, needs, warnings: more } = settle(entry.transport, dialect, self.place, folder)?;
        warnings.extend(more);

        let itself = itself::recognise(name, &transport, self.place).filter(|_| !self.options.allow_self);
        let verdict = if let Some(reason) = itself {
            Verdict::unclaimed(State::Blocked { reason: reason.into() })
        } else if let Some(state) = refusal {
            Verdict::unclaimed(state)
        } else if entry.switched_off {
            Verdict::claimed(State::Disabled { reason: "switched off in its entry".into() })
        } else if source.owner == Owner::ClaudeCode && self.record.is_off(name) {
            Verdict::claimed(State::Disabled { reason: "switched off in Claude Code for this workspace".into() })
        } else if !needs.is_empty() {
            Verdict::claimed(State::NeedsInput { reason: needs.join("; ") })
        } else {
            Verdict::claimed(State::Enabled)
        };
        let config = ServerConfig {
            name: name.to_owned(),
            transport,
            call_timeout: entry.call_timeout,
            description: entry.description,
        };
        Ok((config, verdict, warnings))
    }

    /// Why this entry may not be used, whatever it says: nobody approved it, or somebody forbade it.
    fn refusal(&self, source: &Source, name: &str, origin: &Origin, fingerprint: &Fingerprint) -> Option<State> {
        let of_claude_code = source.owner == Owner::ClaudeCode;
        if let Some(managed) = self.record.managed.as_ref().filter(|_| of_claude_code && source.scope != Scope::Managed)
        {
            let reason = format!("Claude Code uses only the servers of {}", managed.display());
            return Some(State::Disabled { reason });
        }
        // An answer given to the bridge about this very entry comes before what was told to anyone else.
        if source.scope != Scope::Project || self.options.trusted.holds(&origin.file, fingerprint) {
            return None;
        }
        match if of_claude_code { self.record.answer(name) } else { Answer::NotAsked } {
            Answer::Refused => Some(State::Disabled { reason: "refused in Claude Code".into() }),
            Answer::Approved => None,
            Answer::NotAsked if self.options.trust_project => None,
            Answer::NotAsked => Some(State::PendingApproval {
                reason: "it comes from the project's own files; approve it with `mcp-bridge trust`, or set MCP_BRIDGE_TRUST_PROJECT=1"
                    .into(),
            }),
        }
    }
}

struct Verdict {
    state: State,
    claims: bool,
}

impl Verdict {
    fn claimed(state: State) -> Self {
        Self { state, claims: true }
    }

    fn unclaimed(state: State) -> Self {
        Self { state, claims: false }
    }
}

/// The servers of one file.
struct Servers<'d> {
    entries: Vec<(&'d String, &'d Value)>,
    /// The keys that lead to them.
    pointer: Vec<String>,
    note: Option<&'static str>,
}

fn locate<'d>(
    source: &Source,
    document: &'d Document,
    workspace: Option<&str>,
) -> Result<Option<Servers<'d>>, DiscoveryError> {
    let Value::Object(root) = &document.root else {
        return Err(DiscoveryError::WrongRoot { field: "the file".into(), found: kind(&document.root) });
    };
    let (holder, mut pointer) = match source.root {
        Root::Top => (Some(root), Vec::new()),
        Root::Workspace => {
            let Some(key) = workspace else { return Ok(None) };
            let project = root.get("projects").and_then(|projects| projects.get(key)).and_then(Value::as_object);
            (project, vec!["projects".to_owned(), key.to_owned()])
        }
    };
    let written = holder.and_then(|holder| holder.get("mcpServers"));
    let mut found = |key: Option<&str>, entries: &'d Map<String, Value>, note| {
        pointer.extend(key.map(str::to_owned));
        // Beside the servers of a flat file stand its description and schema.
        let entries = entries.iter().filter(|(_, value)| key.is_some() || value.is_object()).collect();
        Ok(Some(Servers { entries, pointer: std::mem::take(&mut pointer), note }))
    };
    match written {
        Some(Value::Object(entries)) => return found(Some("mcpServers"), entries, None),
        Some(Value::Null) if source.shape != Shape::Required => return Ok(None),
        Some(other) => return Err(DiscoveryError::WrongRoot { field: "mcpServers".into(), found: kind(other) }),
        None if source.root == Root::Workspace => return Ok(None),
        None => {}
    }
    let lenient = source.shape == Shape::Lenient;
    if let Some(Value::Object(entries)) = root.get("servers").filter(|value| are_servers(value)) {
        let note = Some("the file says `servers`; the usual key is `mcpServers`");
        return if lenient { found(Some("servers"), entries, note) } else { Err(DiscoveryError::ServersKey) };
    }
    if are_servers(&document.root) {
        let note = Some("the servers stand at the top of the file; usually they stand under `mcpServers`");
        return if lenient { found(None, root, note) } else { Err(DiscoveryError::FlatRoot) };
    }
    if source.shape == Shape::Optional { Ok(None) } else { Err(DiscoveryError::NoServers) }
}

/// Whether this looks like a map of servers: some objects, and each with a program or an address.
fn are_servers(value: &Value) -> bool {
    let Value::Object(members) = value else { return false };
    let mut entries = members.values().filter_map(Value::as_object).peekable();
    let reachable = |entry: &Map<String, Value>| {
        ["command", "cmd", "url", "serverUrl", "httpUrl"].iter().any(|key| entry.contains_key(*key))
    };
    entries.peek().is_some() && entries.all(reachable)
}

fn check_name(name: &str) -> Result<(), Flaw> {
    const ACCEPTED: &str = "a name of 1 to 200 characters without control characters";
    let found = if name.trim().is_empty() {
        "empty"
    } else if name.chars().any(char::is_control) {
        "a text with control characters"
    } else if name.chars().count() > LONGEST_NAME {
        "too long"
    } else {
        return Ok(());
    };
    Err(Flaw::new("the server's name", found, ACCEPTED))
}

/// What stands in for a server whose entry cannot be understood.
fn unusable(name: &str) -> ServerConfig {
    let transport = Transport::Stdio { command: String::new(), args: Vec::new(), env: Default::default(), cwd: None };
    ServerConfig { name: name.to_owned(), transport, call_timeout: None, description: None }
}

/// One step of a JSON pointer (RFC 6901).
fn escape(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}
