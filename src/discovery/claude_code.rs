//! What Claude Code has written down about servers outside their entries: approvals, refusals, what is switched off.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::clients::{Answer, USER_FILES};
use super::file::Shelf;
use super::git;
use super::place::{Os, Place};
use super::sources;
use super::syntax::Syntax;

/// Claude Code's answers for one workspace.
#[derive(Default)]
pub(super) struct Record {
    /// The key of this workspace in `projects` of the user file, as it is written there.
    pub workspace: Option<String>,
    /// The administrator's file, which excludes every other one by being there.
    pub managed: Option<PathBuf>,
    /// The user accepted the trust question for this workspace.
    trusted: bool,
    approved: BTreeSet<String>,
    approves_all: bool,
    /// In their normal spelling.
    refused: BTreeSet<String>,
    switched_off: BTreeSet<String>,
    /// Plugins, as `name@marketplace`, and whether they are switched on.
    pub plugins: BTreeMap<String, bool>,
}

impl Record {
    /// Reads the record for the workspace of `place.cwd`.
    pub fn read(place: &Place, shelf: &mut Shelf) -> Self {
        let root = git::canonical_root(&place.cwd);
        let mut record = Self::default();
        let managed = place.claude_managed();
        record.managed = Some(managed.join("managed-mcp.json")).filter(|file| file.exists());

        let user_file = sources::first_file(USER_FILES, place, &shelf.memory);
        if let Some(document) = user_file.and_then(|file| shelf.open(&file, Syntax::Json))
            && let Some(Value::Object(projects)) = document.root.get("projects")
            && let Some((key, project)) = projects.iter().find(|(key, _)| is_workspace(key, root.as_deref(), place))
        {
            record.workspace = Some(key.clone());
            record.trusted = project.get("hasTrustDialogAccepted") == Some(&Value::Bool(true));
            record.switched_off = names(project, "disabledMcpServers").collect();
            record.take(project, true);
        }
        for folder in [place.claude_home().join("settings.json"), managed.join("managed-settings.json")] {
            record.take_file(&folder, true, shelf);
        }
        // Both files lie where a repository can put them, so a yes in them needs a workspace the user trusts. A no never does.
        let folders: BTreeSet<PathBuf> = [Some(place.cwd.clone()), root].into_iter().flatten().collect();
        for file in folders
            .iter()
            .flat_map(|dir| ["settings.json", "settings.local.json"].map(|name| dir.join(".claude").join(name)))
        {
            record.take_file(&file, record.trusted, shelf);
        }
        record
    }

    fn take_file(&mut self, file: &Path, yes_counts: bool, shelf: &mut Shelf) {
        if let Some(document) = shelf.open(file, Syntax::Json) {
            self.take(&document.root, yes_counts);
        }
    }

    fn take(&mut self, settings: &Value, yes_counts: bool) {
        self.refused.extend(names(settings, "disabledMcpjsonServers").map(|name| normal(&name)));
        for (plugin, on) in settings.get("enabledPlugins").and_then(Value::as_object).into_iter().flatten() {
            let on = *on != Value::Bool(false);
            if yes_counts || !on {
                self.plugins.insert(plugin.clone(), on);
            }
        }
        if yes_counts {
            self.approved.extend(names(settings, "enabledMcpjsonServers"));
            self.approves_all |= settings.get("enableAllProjectMcpServers") == Some(&Value::Bool(true));
        }
    }

    /// What was said about the server `name` of a project's `.mcp.json`. A refusal wins.
    pub fn answer(&self, name: &str) -> Answer {
        if self.refused.contains(&normal(name)) {
            Answer::Refused
        } else if self.approves_all || self.approved.contains(name) {
            Answer::Approved
        } else {
            Answer::NotAsked
        }
    }

    /// Whether the user switched the server off for this workspace, wherever it is defined.
    pub fn is_off(&self, name: &str) -> bool {
        self.switched_off.contains(name)
    }
}

/// Whether a key of `projects` means this workspace: the repository's root, or with no repository the exact folder.
fn is_workspace(key: &str, root: Option<&Path>, place: &Place) -> bool {
    let same = |path: &Path| plain(&path.to_string_lossy(), place.os) == plain(key, place.os);
    match root {
        Some(root) => same(root),
        None => same(&place.cwd) || place.cwd.canonicalize().is_ok_and(|cwd| same(&cwd)),
    }
}

/// A path as a key writes it: on Windows with `/`, without the long-path prefix, and ignoring case.
fn plain(path: &str, os: Os) -> String {
    match os {
        Os::Windows => path.strip_prefix(r"\\?\").unwrap_or(path).replace('\\', "/").to_lowercase(),
        Os::Linux | Os::Macos => path.to_owned(),
    }
}

fn names(settings: &Value, key: &str) -> impl Iterator<Item = String> {
    let list = settings.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

/// The spelling under which refusals are compared: whatever could not stand in a tool name is `_`.
fn normal(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}
