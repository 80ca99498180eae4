//! The scan itself: every source, every file, every entry; then one list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::clients::{self, CLIENTS, EXPLICIT, Records};
use super::error::DiscoveryError;
use super::file::{Document, Shelf};
use super::layers::Layer;
use super::locate::{Entry, locate};
use super::memory::{EntryKey, Memory};
use super::merge::{Candidate, merge};
use super::place::Place;
use super::sources::{self, MAX_FILES, Shape, Source};
use super::{Discovery, FileRead, Looked, Options, Origin, Problem, Scope};
use crate::chain::{self, Chain};

/// Reads every config file there is and says which servers are in them. Never fails: what cannot be read is a problem in the
/// result, and costs nothing else.
pub fn discover(place: &Place, options: &Options) -> Discovery {
    scan(place, options, Memory::default())
}

/// The same once more: what is spoiled, a file or an entry of one, counts as it was `before`, and the problem says so. What is gone
/// is gone.
pub fn discover_again(place: &Place, options: &Options, before: &Discovery) -> Discovery {
    scan(place, options, before.memory.clone())
}

fn scan(place: &Place, options: &Options, memory: Memory) -> Discovery {
    // A bridge that was started by a bridge would start another; allowed or not, that has an end.
    let above = place.var(chain::VARIABLE).map(Chain::read).unwrap_or_default();
    if !above.is_empty() && (!options.allow_self || above.depth() >= chain::DEEPEST) {
        let error = if options.allow_self { DiscoveryError::TooManyBridges } else { DiscoveryError::Chained };
        return Discovery { problems: vec![Problem::new(None, None, &error)], ..Discovery::default() };
    }
    let mut shelf = Shelf::remembering(memory);
    let chosen = |word: &str| options.chooses(word);
    let records = Records::read(place, options, &mut shelf, chosen);
    let mut scan = Scan {
        place,
        options,
        records,
        shelf,
        seen: BTreeSet::new(),
        candidates: Vec::new(),
        files: Vec::new(),
        good: BTreeMap::new(),
    };
    let rows = CLIENTS.iter().filter(|client| chosen(client.word)).flat_map(|client| client.sources);
    let rows: Vec<&Source> = EXPLICIT.iter().chain(rows).collect();
    // Project files go last, so that a link in a project to the user's own file does not make it the project's.
    let (mut files, folders) = sources::looked_at(rows.iter().copied(), place, options);
    let (project, own): (Vec<&Source>, Vec<&Source>) = rows.iter().partition(|row| row.scope == Scope::Project);
    own.into_iter().chain(project).filter(|row| !row.layered).for_each(|source| scan.source(source));
    let layered: Vec<&Source> = rows.into_iter().filter(|row| row.layered).collect();
    layered.chunk_by(|one, next| one.id == next.id).for_each(|rows| scan.layered(rows));
    if chosen("claude") {
        clients::extensions(&mut scan);
        clients::plugins(&mut scan);
    }
    files.extend(scan.shelf.tried());
    let looked = Looked { files, folders };
    let memory = Memory { files: scan.shelf.remembered(), entries: scan.good, trusted: options.trusted.clone() };
    Discovery { found: merge(scan.candidates), problems: scan.shelf.problems, files: scan.files, looked, memory }
}

pub(super) struct Scan<'a> {
    pub place: &'a Place,
    pub options: &'a Options,
    pub records: Records,
    pub shelf: Shelf,
    /// Files by their canonical path, and where in them servers were read.
    seen: BTreeSet<(PathBuf, Vec<String>)>,
    candidates: Vec<Candidate>,
    files: Vec<FileRead>,
    /// Every entry that can be understood, for the next scan.
    pub good: BTreeMap<EntryKey, Value>,
}

/// One entry with all that is known of it from outside.
#[derive(Clone)]
pub(super) struct Written<'d> {
    pub name: &'d str,
    pub value: &'d Value,
    pub origin: Origin,
    /// Further files whose fields are in it.
    pub also: Vec<Origin>,
    /// The folder that its owner would call the workspace.
    pub project: &'d Path,
    /// Variables that only this entry knows.
    pub vars: &'d BTreeMap<String, String>,
    /// Why it is switched off, where that is written outside of it.
    pub off: Option<String>,
    /// What is missing and cannot be had here.
    pub needs: Vec<String>,
    pub rank: (u8, usize),
}

impl Scan<'_> {
    fn source(&mut self, source: &Source) {
        for (order, file) in self.files_of(source).into_iter().enumerate() {
            match self.open(source, &file.path) {
                Some(document) => self.file(source, order, &file, &document),
                None if source.scope == Scope::Explicit && !file.path.exists() && !file.path.is_symlink() => {
                    self.problem(&file.path, None, &DiscoveryError::ExplicitMissing);
                }
                None => {}
            }
        }
    }

    fn files_of(&mut self, source: &Source) -> Vec<sources::Spotted> {
        let files = sources::files(source, self.place, self.options, &self.shelf.memory);
        if let Some(folder) = files.overfull {
            self.problem(&folder, None, &DiscoveryError::TooManyFiles { limit: MAX_FILES });
        }
        for (folder, kind) in files.unreadable {
            self.problem(&folder, None, &DiscoveryError::FolderUnreadable { kind });
        }
        files.paths
    }

    pub fn problem(&mut self, file: &Path, line: Option<usize>, error: &DiscoveryError) {
        self.shelf.problems.push(Problem::new(Some(file), line, error));
    }

    /// The document at `path`, if servers can be looked for in it.
    fn open(&mut self, source: &Source, path: &Path) -> Option<Rc<Document>> {
        let document = self.shelf.open(path, source.syntax)?;
        let workspace = self.records.claude.workspace.as_deref();
        match locate(source, &document, workspace) {
            Ok(_) => Some(document),
            Err(error) => {
                let key = if let DiscoveryError::ServersKey { found, .. } = &error { found } else { "mcpServers" };
                let line = document.lines(&[]).get(key).copied();
                let fits = |last: &Document| locate(source, last, workspace).is_ok();
                self.shelf.spoiled(path, source.syntax, line, &error, fits)
            }
        }
    }

    /// The servers of a document, unless they were read before under another name of the file.
    fn entries<'d>(
        &mut self,
        source: &Source,
        path: &Path,
        document: &'d Document,
    ) -> Option<(Vec<Entry<'d>>, Option<&'static str>)> {
        let servers = locate(source, document, self.records.claude.workspace.as_deref()).ok().flatten()?;
        let holder = servers.entries.first().map(|entry| entry.holder.clone()).unwrap_or_default();
        if !self.seen.insert((document.canonical.clone(), holder)) {
            return None;
        }
        let count = servers.entries.len();
        self.files.push(FileRead { path: path.to_owned(), source: source.id, scope: source.scope, servers: count });
        Some((servers.entries, servers.note))
    }

    fn file(&mut self, source: &Source, order: usize, file: &sources::Spotted, document: &Document) {
        let Some((entries, note)) = self.entries(source, &file.path, document) else { return };
        let project = if source.scope == Scope::Project { &file.base } else { &self.place.cwd }.clone();
        let origins = Origins::new(source, document);
        let shared =
            document.root.get("description").and_then(Value::as_str).filter(|_| source.shape == Shape::Lenient);
        for entry in entries {
            let vars = answers(document, &entry.holder);
            let written = Written {
                name: &entry.name,
                value: entry.value,
                origin: origins.of(&entry),
                also: Vec::new(),
                project: &project,
                vars: &vars,
                off: None,
                needs: Vec::new(),
                rank: (source.rank, order),
            };
            let Some(mut candidate) = self.judge(source, written) else { continue };
            let found = &mut candidate.found;
            if found.config.description.is_none() {
                found.config.description = shared.map(str::to_owned);
            }
            found.warnings.extend(note.map(str::to_owned));
            self.candidates.push(candidate);
        }
    }

    /// Sources whose files are one configuration, from the highest layer to the lowest.
    ///
    /// A project's layers need an approval, so their entries are candidates of their own, made of all layers; beside them
    /// stands what the user's own layers say.
    fn layered(&mut self, rows: &[&Source]) {
        let mut layers: Vec<(usize, Layer)> = Vec::new();
        // The user's own files first, as elsewhere: what is reached as a project's too stays the user's.
        let (project, own): (Vec<_>, Vec<_>) =
            rows.iter().enumerate().partition(|(_, row)| row.scope == Scope::Project);
        for (height, source) in own.into_iter().chain(project) {
            for file in self.files_of(source) {
                let Some(document) = self.open(source, &file.path) else { continue };
                let Some((entries, _)) = self.entries(source, &file.path, &document) else { continue };
                let origins = Origins::new(source, &document);
                let entries =
                    entries.into_iter().map(|entry| (entry.name.clone(), entry.value.clone(), origins.of(&entry)));
                let entries = entries.collect();
                let layer = Layer { source_rank: source.rank, scope: source.scope, base: file.base.clone(), entries };
                layers.push((height, layer));
            }
        }
        layers.sort_by_key(|(height, _)| *height);
        let layers: Vec<Layer> = layers.into_iter().map(|(_, layer)| layer).collect();
        for merged in super::layers::merged(&layers) {
            let project = merged.project.clone().unwrap_or_else(|| self.place.cwd.clone());
            let Some(source) = rows.iter().find(|row| row.scope == merged.origin.scope) else { continue };
            let written = Written {
                name: &merged.name,
                value: &merged.value,
                origin: merged.origin,
                also: merged.also,
                project: &project,
                vars: &BTreeMap::new(),
                off: None,
                needs: Vec::new(),
                rank: (merged.rank, 0),
            };
            self.add(source, written);
        }
    }

    /// Judges an entry and keeps it.
    pub fn add(&mut self, source: &Source, written: Written<'_>) {
        let candidate = self.judge(source, written);
        self.candidates.extend(candidate);
    }

    pub fn read_file(&mut self, path: &Path, source: &'static str, scope: Scope, servers: usize) {
        self.files.push(FileRead { path: path.to_owned(), source, scope, servers });
    }
}

/// Origins of the entries of one document; lines are looked up once for each place that holds some.
struct Origins<'d> {
    source: &'d Source,
    document: &'d Document,
    lines: std::cell::RefCell<BTreeMap<Vec<String>, BTreeMap<String, usize>>>,
}

impl<'d> Origins<'d> {
    fn new(source: &'d Source, document: &'d Document) -> Self {
        Self { source, document, lines: Default::default() }
    }

    fn of(&self, entry: &Entry<'_>) -> Origin {
        let mut known = self.lines.borrow_mut();
        let lines = known.entry(entry.holder.clone()).or_insert_with(|| self.document.lines(&entry.holder));
        Origin {
            source: self.source.id,
            scope: self.source.scope,
            file: self.document.canonical.clone(),
            pointer: entry.holder.iter().chain([&entry.key]).map(|key| escape(key)).collect(),
            line: lines.get(&entry.key).copied(),
        }
    }
}

/// Values an editor would ask for and that have a default: `inputs` beside the servers, by `input:<id>`.
fn answers(document: &Document, holder: &[String]) -> BTreeMap<String, String> {
    let above = &holder[..holder.len().saturating_sub(1)];
    let place = above.iter().try_fold(&document.root, |value, key| value.get(key));
    let inputs = place.and_then(|place| place.get("inputs")).and_then(Value::as_array);
    let answer = |input: &Value| {
        Some((format!("input:{}", input.get("id")?.as_str()?), input.get("default")?.as_str()?.to_owned()))
    };
    inputs.into_iter().flatten().filter_map(answer).collect()
}

/// One step of a JSON pointer (RFC 6901).
fn escape(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}
