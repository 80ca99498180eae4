//! Every place where servers are looked for, as data. A client with the same file format is one more row.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::expand::Dialect;
use super::place::{Os, Place};
use super::{Options, Scope};

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
    pub root: Root,
    pub shape: Shape,
    pub dialect: Dialect,
    pub owner: Owner,
}

/// A path on some systems; `*` in a part of it stands for any text.
pub(super) struct Spot {
    on: &'static [Os],
    base: Base,
    path: &'static str,
}

/// Where a path begins.
#[derive(Clone, Copy)]
enum Base {
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
    Cwd,
    /// The working folder and each one above it but the root of the file system, nearest first.
    Up,
    ClaudeHome,
    ClaudeState,
    ClaudeManaged,
}

/// Where in the file the servers stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// `mcpServers`.
    Top,
    /// `projects[<this workspace>].mcpServers`.
    Workspace,
}

/// What a file without `mcpServers` means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The file has other uses: no servers.
    Optional,
    /// The file is about nothing else: a mistake.
    Required,
    /// Our own folders: `servers`, or a flat map of servers, is understood with a warning.
    Lenient,
}

/// Whose rules about approving and switching off apply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    ClaudeCode,
    /// Nobody but the bridge: project files need an answer given to the bridge itself.
    Bridge,
}

const ANY: &[Os] = &[Os::Linux, Os::Macos, Os::Windows];
const LINUX: &[Os] = &[Os::Linux];
const MACOS: &[Os] = &[Os::Macos];
const WINDOWS: &[Os] = &[Os::Windows];

const fn spot(on: &'static [Os], base: Base, path: &'static str) -> Spot {
    Spot { on, base, path }
}

/// What most rows have in common.
const ROW: Source = Source {
    id: "",
    scope: Scope::User,
    rank: u8::MAX,
    spots: &[],
    first_only: false,
    root: Root::Top,
    shape: Shape::Optional,
    dialect: Dialect::None,
    owner: Owner::Bridge,
};

/// In order of rank: what the user named, our own folders, what is about this project, the user's clients.
pub(super) static SOURCES: &[Source] = &[
    Source {
        id: "explicit",
        scope: Scope::Explicit,
        rank: 0,
        spots: &[spot(ANY, Base::Explicit, "")],
        shape: Shape::Lenient,
        dialect: Dialect::Claude,
        ..ROW
    },
    Source {
        id: "mcp-folder",
        rank: 10,
        spots: &[spot(ANY, Base::Home, "MCPs/*.json"), spot(ANY, Base::Config, "mcp/servers/*.json")],
        shape: Shape::Lenient,
        dialect: Dialect::Claude,
        ..ROW
    },
    Source {
        id: "claude-code",
        scope: Scope::Managed,
        rank: 20,
        spots: &[spot(ANY, Base::ClaudeManaged, "managed-mcp.json")],
        owner: Owner::ClaudeCode,
        ..ROW
    },
    Source {
        id: "claude-code",
        scope: Scope::Local,
        rank: 30,
        spots: CLAUDE_CODE_USER,
        first_only: true,
        root: Root::Workspace,
        dialect: Dialect::Claude,
        owner: Owner::ClaudeCode,
        ..ROW
    },
    Source {
        id: "claude-code",
        scope: Scope::Project,
        rank: 40,
        spots: &[spot(ANY, Base::Up, ".mcp.json")],
        shape: Shape::Required,
        dialect: Dialect::Claude,
        owner: Owner::ClaudeCode,
        ..ROW
    },
    Source {
        id: "mcp-folder",
        scope: Scope::Project,
        rank: 50,
        spots: &[spot(ANY, Base::Cwd, "mcp-servers/*.json")],
        shape: Shape::Lenient,
        dialect: Dialect::Claude,
        ..ROW
    },
    Source {
        id: "claude-code-file",
        scope: Scope::Project,
        rank: 51,
        spots: &[spot(ANY, Base::Cwd, "claude_code_config.json")],
        shape: Shape::Required,
        dialect: Dialect::Claude,
        ..ROW
    },
    Source {
        id: "claude-desktop-file",
        scope: Scope::Project,
        rank: 52,
        spots: &[spot(ANY, Base::Cwd, "claude_desktop_config.json")],
        ..ROW
    },
    Source {
        id: "claude-code",
        rank: 60,
        spots: CLAUDE_CODE_USER,
        first_only: true,
        dialect: Dialect::Claude,
        owner: Owner::ClaudeCode,
        ..ROW
    },
    Source {
        id: "claude-code-file",
        rank: 61,
        spots: &[
            spot(MACOS, Base::Support, "Claude Code/claude_code_config.json"),
            spot(MACOS, Base::Support, "Claude/claude_code_config.json"),
        ],
        dialect: Dialect::Claude,
        ..ROW
    },
    Source {
        id: "claude-desktop",
        rank: 90,
        spots: &[
            spot(MACOS, Base::Support, "Claude/claude_desktop_config.json"),
            spot(WINDOWS, Base::Roaming, "Claude/claude_desktop_config.json"),
            spot(WINDOWS, Base::Local, "Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json"),
            // Builds for Linux disagree about the folder's name.
            spot(LINUX, Base::Config, "Claude/claude_desktop_config.json"),
            spot(LINUX, Base::Home, ".config/Claude/claude_desktop_config.json"),
            spot(LINUX, Base::Home, ".config/claude/claude_desktop_config.json"),
        ],
        ..ROW
    },
];

/// The older file, where there is one, is read instead of the newer.
pub(super) const CLAUDE_CODE_USER: &[Spot] =
    &[spot(ANY, Base::ClaudeHome, ".config.json"), spot(ANY, Base::ClaudeState, ".claude.json")];

/// More files than anyone keeps in a folder of servers; a folder beyond this is something else.
pub(super) const MAX_FILES: usize = 500;

/// The files a source may have, in order of precedence. Globbed ones exist; the others may not.
pub(super) struct Files {
    pub paths: Vec<PathBuf>,
    /// A folder that held more than [`MAX_FILES`].
    pub overfull: Option<PathBuf>,
}

pub(super) fn files(source: &Source, place: &Place, options: &Options) -> Files {
    let mut files = paths(source.spots, place, options);
    if source.first_only {
        files.paths = first_with_content(files.paths).into_iter().collect();
    }
    files
}

/// Claude Code's own state file, whether it exists or not.
pub(super) fn claude_code_user_file(place: &Place) -> Option<PathBuf> {
    first_with_content(paths(CLAUDE_CODE_USER, place, &Options::default()).paths)
}

fn first_with_content(paths: Vec<PathBuf>) -> Option<PathBuf> {
    paths.into_iter().find(|path| path.metadata().is_ok_and(|meta| meta.len() > 0))
}

fn paths(spots: &[Spot], place: &Place, options: &Options) -> Files {
    let mut files = Files { paths: Vec::new(), overfull: None };
    for spot in spots.iter().filter(|spot| spot.on.contains(&place.os)) {
        for base in bases(spot.base, place, options) {
            let mut matches = expand_stars(base, Path::new(spot.path));
            if matches.len() > MAX_FILES {
                files.overfull = matches[0].parent().map(Path::to_owned);
                matches.truncate(MAX_FILES);
            }
            files.paths.append(&mut matches);
        }
    }
    files
}

fn bases(base: Base, place: &Place, options: &Options) -> Vec<PathBuf> {
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
        Base::Cwd => vec![place.cwd.clone()],
        Base::Up => place.cwd.ancestors().filter(|dir| dir.parent().is_some()).map(Path::to_owned).collect(),
        Base::ClaudeHome => vec![place.claude_home()],
        Base::ClaudeState => vec![place.claude_base()],
        Base::ClaudeManaged => vec![place.claude_managed()],
    }
}

/// `base` joined with `path`, where a part with a `*` becomes every name that fits, in alphabetical order.
fn expand_stars(base: PathBuf, path: &Path) -> Vec<PathBuf> {
    let mut found = vec![base];
    for part in path.components() {
        let Component::Normal(part) = part else { continue };
        found = match part.to_str().and_then(|part| part.split_once('*')) {
            Some((start, end)) => found.iter().flat_map(|dir| names(dir, start, end)).collect(),
            None => found.into_iter().map(|dir| dir.join(part)).collect(),
        };
    }
    found
}

fn names(dir: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let fits = |name: &str| {
        let rest = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        rest.is_some() && !name.starts_with('.')
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(fits)).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
