//! What clients have written down about servers outside their entries: approvals, refusals, what is switched off.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::CLIENTS;
use crate::discovery::Options;
use crate::discovery::claude_code::Record;
use crate::discovery::file::Shelf;
use crate::discovery::git;
use crate::discovery::place::Place;
use crate::discovery::sources::{self, Base, Owner, Spot, spot};
use crate::discovery::syntax::Syntax;

/// What the owner of a project's file said about a server in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::discovery) enum Answer {
    Approved,
    Refused,
    NotAsked,
}

/// The records of every client that is looked at.
#[derive(Default)]
pub(in crate::discovery) struct Records {
    pub claude: Record,
    /// This project is one that Codex was told to trust.
    codex_trusts: bool,
    copilot_trusts: bool,
    copilot_off: BTreeSet<String>,
    gemini_excluded: BTreeSet<String>,
    /// Each list that says which servers alone are allowed.
    gemini_allowed: Vec<BTreeSet<String>>,
}

impl Records {
    /// Reads the records of the clients that `chosen` names, for the workspace of `place.cwd`.
    pub fn read(place: &Place, options: &Options, shelf: &mut Shelf, chosen: impl Fn(&str) -> bool) -> Self {
        let mut records = Self::default();
        if chosen("claude") {
            records.claude = Record::read(place, shelf);
        }
        if chosen("codex") {
            records.codex(place, shelf);
        }
        if chosen("copilot") {
            records.copilot(place, shelf);
        }
        if chosen("gemini") {
            records.gemini(place, options, shelf);
        }
        records
    }

    /// `[projects."<folder>"] trust_level = "trusted"` in the user's own file.
    fn codex(&mut self, place: &Place, shelf: &mut Shelf) {
        const USER: &[Spot] = &[spot(sources::ANY, Base::Variable("CODEX_HOME", ".codex"), "config.toml")];
        let file = sources::first_file(USER, place, &shelf.memory);
        let Some(document) = file.and_then(|file| shelf.open(&file, Syntax::Toml)) else { return };
        let here = workspaces(place);
        let projects = document.root.get("projects").and_then(Value::as_object).into_iter().flatten();
        self.codex_trusts = projects
            .filter(|(_, project)| project.get("trust_level").and_then(Value::as_str) == Some("trusted"))
            .any(|(folder, _)| here.iter().any(|place| place == Path::new(folder)));
    }

    fn copilot(&mut self, place: &Place, shelf: &mut Shelf) {
        const HOME: Base = Base::Variable("COPILOT_HOME", ".copilot");
        let settings = sources::first_file(&[spot(sources::ANY, HOME, "settings.json")], place, &shelf.memory);
        if let Some(document) = settings.and_then(|file| shelf.open(&file, Syntax::Jsonc)) {
            self.copilot_off = texts(document.root.get("disabledMcpServers")).collect();
        }
        let config = sources::first_file(&[spot(sources::ANY, HOME, "config.json")], place, &shelf.memory);
        let Some(document) = config.and_then(|file| shelf.open(&file, Syntax::Jsonc)) else { return };
        let folders: Vec<PathBuf> = ["trusted_folders", "trustedFolders"]
            .iter()
            .flat_map(|key| texts(document.root.get(*key)).map(PathBuf::from).collect::<Vec<_>>())
            .collect();
        let cwd = place.cwd.canonicalize().unwrap_or_else(|_| place.cwd.clone());
        // An empty or relative path would contain everything.
        self.copilot_trusts = folders
            .iter()
            .any(|folder| folder.is_absolute() && (cwd.starts_with(folder) || place.cwd.starts_with(folder)));
    }

    /// `mcp.excluded` and `mcp.allowed` of every settings file. Each only takes away, so also a project's own counts.
    fn gemini(&mut self, place: &Place, options: &Options, shelf: &mut Shelf) {
        let rows = CLIENTS.iter().filter(|client| client.word == "gemini").flat_map(|client| client.sources);
        for source in rows {
            for file in sources::files(source, place, options, &shelf.memory).paths {
                let Some(document) = shelf.open(&file.path, source.syntax) else { continue };
                let Some(mcp) = document.root.get("mcp") else { continue };
                self.gemini_excluded.extend(texts(mcp.get("excluded")));
                if mcp.get("allowed").is_some_and(Value::is_array) {
                    self.gemini_allowed.push(texts(mcp.get("allowed")).collect());
                }
            }
        }
    }

    /// What was said about the server `name` of a project's file.
    pub fn answer(&self, owner: Owner, name: &str) -> Answer {
        let approved = match owner {
            Owner::ClaudeCode => return self.claude.answer(name),
            Owner::Codex => self.codex_trusts,
            Owner::Copilot => self.copilot_trusts,
            Owner::Gemini | Owner::Bridge => false,
        };
        if approved { Answer::Approved } else { Answer::NotAsked }
    }

    /// Why the user has switched the server off, wherever it is defined.
    pub fn off(&self, owner: Owner, name: &str) -> Option<&'static str> {
        match owner {
            Owner::ClaudeCode if self.claude.is_off(name) => Some("switched off in Claude Code for this workspace"),
            Owner::Copilot if self.copilot_off.contains(name) => {
                Some("switched off in Copilot CLI's settings (`disabledMcpServers`)")
            }
            Owner::Gemini if self.gemini_excluded.contains(name) => {
                Some("switched off in Gemini CLI's settings (`mcp.excluded`)")
            }
            Owner::Gemini if !self.gemini_allowed.iter().all(|allowed| allowed.contains(name)) => {
                Some("not among the servers that Gemini CLI's settings allow (`mcp.allowed`)")
            }
            _ => None,
        }
    }
}

/// The folders under which a client may have noted this workspace.
fn workspaces(place: &Place) -> Vec<PathBuf> {
    let cwd = place.cwd.canonicalize().ok();
    let roots = [git::nearest_root(&place.cwd), git::canonical_root(&place.cwd)];
    roots.into_iter().flatten().chain(cwd).chain([place.cwd.clone()]).collect()
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}
