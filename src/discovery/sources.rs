//! What a source of servers is, and which files it has. The sources themselves are rows in `clients`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::clients::{Folded, Lookup, plain};
use super::expand::Dialect;
use super::git;
use super::memory::Memory;
use super::place::{Os, Place};
use super::syntax::Syntax;
use super::{Options, Scope};
use crate::upstream::config::RemoteKind;

/// One kind of config file.
pub(super) struct Source {
    /// The name used in messages and in `source:name`.
    pub id: &'static str,
    pub scope: Scope,
    /// Precedence: of two servers with one name the one with the lower rank is used.
    pub rank: u8,
    pub spots: &'static [Spot],
    /// Only the first spot that has a file with something in it, instead of all of them.
    pub first_only: bool,
    /// Of several spots in one folder only the first that has a file, folders nearest first.
    pub one_a_folder: bool,
    pub syntax: Syntax,
    pub root: Root,
    /// The servers may be a list of objects that say their names.
    pub list: bool,
    pub shape: Shape,
    pub dialect: Dialect,
    /// What `timeout` counts.
    pub unit: Unit,
    /// What an address means that comes without a `type`.
    pub bare_url: RemoteKind,
    pub owner: Owner,
    /// What its owner spells unlike everybody else.
    pub fold: fn(&Value, &Lookup) -> Folded,
    /// Entries of one name in several files of this source are one entry, field by field; otherwise the nearest is it.
    pub layered: bool,
}

/// A path on some systems; `*` in a part of it stands for any text.
pub(super) struct Spot {
    on: &'static [Os],
    base: Base,
    path: &'static str,
}

/// Where a path begins.
#[derive(Clone, Copy)]
pub(super) enum Base {
    /// The file the user named.
    Explicit,
    Home,
    /// `XDG_CONFIG_HOME` or `~/.config`.
    Config,
    /// macOS `~/Library/Application Support`.
    Support,
    /// Windows `APPDATA`.
    Roaming,
    /// Windows `LOCALAPPDATA`.
    Local,
    /// The root of the file system: `/`, `C:\`.
    System,
    Cwd,
    /// The working folder and each one above it but the root of the file system, nearest first.
    Up,
    /// The working folder and each one above it within its repository, nearest first; with no repository the folder alone.
    Repository,
    /// The folder this variable names, or where it is not set, this one in the home folder.
    Variable(&'static str, &'static str),
    /// The file this variable names; none where it is not set.
    File(&'static str),
    /// The folder with a user's settings, of VS Code and each of its relatives.
    Editors,
    ClaudeHome,
    ClaudeState,
    ClaudeManaged,
}

/// Where in the file the servers stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// Under these keys, one within the other.
    Keys(&'static [&'static str]),
    /// `projects[<this workspace>].mcpServers`.
    Workspace,
    /// `mcp`, and below it `servers`, which may itself be a server of the older form.
    OpenCode,
}

/// What a file without servers means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The file has other uses: no servers.
    Optional,
    /// The file is about nothing else: a mistake.
    Required,
    /// Our own folders: `servers`, or a flat map of servers, is understood with a warning.
    Lenient,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Seconds,
}

/// Whose rules about approving and switching off apply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    ClaudeCode,
    Codex,
    Copilot,
    Gemini,
    /// Nobody but the bridge: project files need an answer given to the bridge itself.
    Bridge,
}

pub(super) const ANY: &[Os] = &[Os::Linux, Os::Macos, Os::Windows];
pub(super) const LINUX: &[Os] = &[Os::Linux];
pub(super) const MACOS: &[Os] = &[Os::Macos];
pub(super) const WINDOWS: &[Os] = &[Os::Windows];
pub(super) const UNIX: &[Os] = &[Os::Linux, Os::Macos];

pub(super) const MCP_SERVERS: Root = Root::Keys(&["mcpServers"]);

pub(super) const fn spot(on: &'static [Os], base: Base, path: &'static str) -> Spot {
    Spot { on, base, path }
}

/// What most rows have in common.
pub(super) const ROW: Source = Source {
    id: "",
    scope: Scope::User,
    rank: u8::MAX,
    spots: &[],
    first_only: false,
    one_a_folder: false,
    syntax: Syntax::Json,
    root: MCP_SERVERS,
    list: false,
    shape: Shape::Optional,
    dialect: Dialect::None,
    unit: Unit::Milliseconds,
    bare_url: RemoteKind::Unstated,
    owner: Owner::Bridge,
    fold: plain,
    layered: false,
};

/// The folders in which relatives of VS Code keep what is the user's.
const EDITORS: &[&str] = &[
    "Code",
    "Code - Insiders",
    "Code - OSS",
    "VSCodium",
    "VSCodium - Insiders",
    "Cursor",
    "Windsurf",
    "Windsurf - Next",
    "Trae",
    "Kiro",
    "Antigravity",
    "Positron",
];

/// More files than anyone keeps in a folder of servers; a folder beyond this is something else.
pub(super) const MAX_FILES: usize = 500;

/// A file that may hold servers.
pub(super) struct Spotted {
    pub path: PathBuf,
    /// The folder its path began in: of a project's file, the project.
    pub base: PathBuf,
}

/// The files a source may have, in order of precedence. Globbed ones exist; the others may not.
#[derive(Default)]
pub(super) struct Files {
    pub paths: Vec<Spotted>,
    /// A folder that held more than [`MAX_FILES`].
    pub overfull: Option<PathBuf>,
    /// Folders whose names cannot be had, and why.
    pub unreadable: Vec<(PathBuf, io::ErrorKind)>,
}

/// A file that is empty now counts if it is remembered.
pub(super) fn files(source: &Source, place: &Place, options: &Options, memory: &Memory) -> Files {
    let mut files = paths(source.spots, place, options);
    if source.first_only {
        files.paths = first_with_content(files.paths, memory).into_iter().collect();
    }
    if source.one_a_folder {
        // The longer path is the nearer folder, and sorting keeps the order of the spots.
        files.paths.sort_by_key(|file| std::cmp::Reverse(file.base.as_os_str().len()));
        files.paths.retain(|file| file.path.exists());
        files.paths.dedup_by(|file, before| file.base == before.base);
    }
    files
}

/// The first of these that has something in it, or had when it was read before.
pub(super) fn first_file(spots: &[Spot], place: &Place, memory: &Memory) -> Option<PathBuf> {
    first_with_content(paths(spots, place, &Options::default()).paths, memory).map(|file| file.path)
}

/// Where these spots are, whether a file is there or not.
pub(super) fn spots(spots: &[Spot], place: &Place) -> Vec<PathBuf> {
    paths(spots, place, &Options::default()).paths.into_iter().map(|file| file.path).collect()
}

fn first_with_content(files: Vec<Spotted>, memory: &Memory) -> Option<Spotted> {
    let counts = |path: &Path| path.metadata().is_ok_and(|meta| meta.len() > 0 || memory.knows(path));
    // With none of that, one that is there and cannot even be looked at: it has something to say.
    let broken = |path: &Path| path.metadata().is_err() && path.symlink_metadata().is_ok();
    let at =
        files.iter().position(|file| counts(&file.path)).or_else(|| files.iter().position(|file| broken(&file.path)));
    at.and_then(|at| files.into_iter().nth(at))
}

fn paths(spots: &[Spot], place: &Place, options: &Options) -> Files {
    let mut files = Files::default();
    for spot in spots.iter().filter(|spot| spot.on.contains(&place.os)) {
        for base in bases(spot.base, place, options) {
            let mut matches = expand_stars(base.clone(), Path::new(spot.path), &mut files.unreadable);
            if matches.len() > MAX_FILES {
                files.overfull = matches[0].parent().map(Path::to_owned);
                matches.truncate(MAX_FILES);
            }
            files.paths.extend(matches.into_iter().map(|path| Spotted { path, base: base.clone() }));
        }
    }
    files
}

fn bases(base: Base, place: &Place, options: &Options) -> Vec<PathBuf> {
    let named = |variable: &str| place.var(variable).filter(|value| !value.is_empty());
    match base {
        Base::Explicit => {
            let from_cwd = |file: &PathBuf| match file.to_str() {
                Some(text) => place.path(text, &place.cwd),
                None => place.cwd.join(file),
            };
            options.servers_config.iter().map(from_cwd).collect()
        }
        Base::Home => vec![place.home.clone()],
        Base::Config => vec![place.config_dir()],
        Base::Support => vec![place.home.join("Library").join("Application Support")],
        Base::Roaming => vec![place.roaming()],
        Base::Local => vec![place.local()],
        Base::System => vec![place.root.clone()],
        Base::Cwd => vec![place.cwd.clone()],
        Base::Up => place.cwd.ancestors().filter(|dir| dir.parent().is_some()).map(Path::to_owned).collect(),
        Base::Repository => repository(&place.cwd),
        Base::Variable(variable, fallback) => {
            vec![named(variable).map_or_else(|| place.home.join(fallback), |folder| place.path(folder, &place.cwd))]
        }
        Base::File(variable) => named(variable).map(|file| place.path(file, &place.cwd)).into_iter().collect(),
        Base::Editors => {
            let above = match place.os {
                Os::Linux => place.config_dir(),
                Os::Macos => place.home.join("Library").join("Application Support"),
                Os::Windows => place.roaming(),
            };
            EDITORS.iter().map(|editor| above.join(editor).join("User")).collect()
        }
        Base::ClaudeHome => vec![place.claude_home()],
        Base::ClaudeState => vec![place.claude_base()],
        Base::ClaudeManaged => vec![place.claude_managed()],
    }
}

/// Where the files of these sources lie, or would if there were any.
pub(super) fn looked_at<'s>(
    rows: impl IntoIterator<Item = &'s Source>,
    place: &Place,
    options: &Options,
) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for spot in rows.into_iter().flat_map(|row| row.spots).filter(|spot| spot.on.contains(&place.os)) {
        for base in bases(spot.base, place, options) {
            match spot.path.split_once('*') {
                Some((before, _)) => {
                    folders.insert(base.join(before.rsplit_once('/').map_or("", |(folder, _)| folder)))
                }
                None if spot.path.is_empty() => files.insert(base),
                None => files.insert(base.join(spot.path)),
            };
        }
    }
    (files, folders)
}

fn repository(cwd: &Path) -> Vec<PathBuf> {
    match git::nearest_root(cwd) {
        Some(root) => {
            let within = cwd.ancestors().take_while(|dir| dir.starts_with(&root));
            within.map(Path::to_owned).collect()
        }
        None => vec![cwd.to_owned()],
    }
}

/// `base` joined with `path`, where a part with a `*` becomes every name that fits, in alphabetical order.
fn expand_stars(base: PathBuf, path: &Path, unreadable: &mut Vec<(PathBuf, io::ErrorKind)>) -> Vec<PathBuf> {
    let mut found = vec![base];
    for part in path.components() {
        let Component::Normal(part) = part else { continue };
        found = match part.to_str().and_then(|part| part.split_once('*')) {
            Some((start, end)) => {
                let mut all = Vec::new();
                for folder in &found {
                    match names(folder, start, end) {
                        Ok(names) => all.extend(names),
                        Err(error) => unreadable.push((folder.clone(), error.kind())),
                    }
                }
                all
            }
            None => found.into_iter().map(|dir| dir.join(part)).collect(),
        };
    }
    found
}

/// What lies in a folder and has a name of this form, in alphabetical order; nothing where there is no folder.
pub(super) fn names(dir: &Path, start: &str, end: &str) -> io::Result<Vec<PathBuf>> {
    let fits = |name: &str| {
        let rest = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        rest.is_some() && !name.starts_with('.')
    };
    let entries = match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?.flatten(),
    };
    let mut paths: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(fits)).map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
