//! Where discovery happens: folders, operating system and environment, all given as data.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Operating systems whose places differ. A value, not a `cfg`, so that each can be tried on any machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    Linux,
    Macos,
    Windows,
}

impl Os {
    /// The one this program was built for; other Unixes keep their files where Linux does.
    pub fn current() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Macos
        } else {
            Self::Linux
        }
    }
}

/// What discovery knows about the machine and the user. Nothing else is consulted: no environment, no registry.
#[derive(Clone)]
pub struct Place {
    pub home: PathBuf,
    /// Where the client started the bridge: project files are looked for here and above.
    pub cwd: PathBuf,
    pub os: Os,
    /// What system-wide paths start with: `/`, or `C:\` on Windows.
    pub root: PathBuf,
    /// `XDG_CONFIG_HOME`; ignored when relative, as the XDG text demands.
    pub xdg_config_home: Option<PathBuf>,
    /// `CLAUDE_CONFIG_DIR`.
    pub claude_config_dir: Option<PathBuf>,
    /// `APPDATA`; below `home` when `None`.
    pub appdata: Option<PathBuf>,
    /// `LOCALAPPDATA`; below `home` when `None`.
    pub localappdata: Option<PathBuf>,
    /// The environment, for `${VAR}` in entries and for the loop marker.
    pub vars: BTreeMap<String, String>,
    /// The running executable, to recognise itself by.
    pub own_exe: Option<PathBuf>,
}

impl Place {
    /// A place with no variables and the usual folders.
    pub fn new(home: impl Into<PathBuf>, cwd: impl Into<PathBuf>, os: Os) -> Self {
        Self {
            home: home.into(),
            cwd: cwd.into(),
            os,
            root: PathBuf::from(if os == Os::Windows { "C:\\" } else { "/" }),
            xdg_config_home: None,
            claude_config_dir: None,
            appdata: None,
            localappdata: None,
            vars: BTreeMap::new(),
            own_exe: None,
        }
    }

    /// The folder of files with servers that are nobody's but the user's.
    pub fn own_servers(&self) -> PathBuf {
        self.config_dir().join("mcp").join("servers")
    }

    /// The user's configuration folder by the XDG rule, which the neutral folders follow on every system.
    pub(super) fn config_dir(&self) -> PathBuf {
        match &self.xdg_config_home {
            Some(dir) if dir.is_absolute() => dir.clone(),
            _ => self.home.join(".config"),
        }
    }

    pub(super) fn roaming(&self) -> PathBuf {
        self.appdata.clone().unwrap_or_else(|| self.home.join("AppData").join("Roaming"))
    }

    pub(super) fn local(&self) -> PathBuf {
        self.localappdata.clone().unwrap_or_else(|| self.home.join("AppData").join("Local"))
    }

    /// The folder that holds Claude Code's settings.
    pub(super) fn claude_home(&self) -> PathBuf {
        self.claude_config_dir.clone().unwrap_or_else(|| self.home.join(".claude"))
    }

    /// The folder that holds `.claude.json`: beside the settings folder, unless that was moved.
    pub(super) fn claude_base(&self) -> PathBuf {
        self.claude_config_dir.clone().unwrap_or_else(|| self.home.clone())
    }

    /// The folder of files an administrator installs for Claude Code.
    pub(super) fn claude_managed(&self) -> PathBuf {
        self.root.join(match self.os {
            Os::Linux => "etc/claude-code",
            Os::Macos => "Library/Application Support/ClaudeCode",
            Os::Windows => "Program Files/ClaudeCode",
        })
    }

    /// A variable of the environment; names ignore case on Windows.
    pub(super) fn var(&self, name: &str) -> Option<&str> {
        let exact = self.vars.get(name);
        let found = match self.os {
            Os::Windows => {
                exact.or_else(|| self.vars.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v))
            }
            Os::Linux | Os::Macos => exact,
        };
        found.map(String::as_str)
    }

    /// `text` as a path: `~` is the home folder, and a relative path is taken from `base`.
    pub(super) fn path(&self, text: &str, base: &Path) -> PathBuf {
        if text == "~" {
            return self.home.clone();
        }
        let separator = |c| c == '/' || (c == '\\' && self.os == Os::Windows);
        match text.strip_prefix('~').and_then(|rest| rest.strip_prefix(separator)) {
            Some(rest) => self.home.join(rest),
            None => base.join(text),
        }
    }

    /// The file that `command` starts: itself if it is a path, else the first match on `PATH`.
    pub(super) fn program(&self, command: &str, base: &Path) -> Option<PathBuf> {
        let is_path = command.contains('/') || (self.os == Os::Windows && command.contains('\\'));
        if is_path {
            return Some(self.path(command, base)).filter(|path| path.is_file());
        }
        let (between, endings): (char, &[&str]) = match self.os {
            Os::Windows => (';', &["", ".exe", ".cmd", ".bat"]),
            Os::Linux | Os::Macos => (':', &[""]),
        };
        let folders = self.var("PATH")?.split(between).filter(|folder| !folder.is_empty());
        folders
            .flat_map(|folder| endings.iter().map(move |ending| Path::new(folder).join(format!("{command}{ending}"))))
            .find(|path| path.is_file())
    }
}

/// The environment is full of secrets, so only the number of variables is shown.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("home", &self.home)
            .field("cwd", &self.cwd)
            .field("os", &self.os)
            .field("vars", &self.vars.len())
            .finish_non_exhaustive()
    }
}
