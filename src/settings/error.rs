//! What can be wrong with a setting.

use std::fmt;

use super::environment::{Environment, Written, WrittenIn};
use super::keys::key_of;
use super::variables::{VARIABLES, variable};

/// A setting, as whoever wrote its value calls it: by the variable, a flag, or a key of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub variable: &'static str,
    pub written: Option<Box<WrittenIn>>,
}

impl Name {
    pub(super) fn new(env: &Environment, variable: &'static str) -> Self {
        Self { variable, written: env.written(variable).map(|Written { place, .. }| Box::new(place.clone())) }
    }

    /// One that nobody wrote, as it would be written beside this one.
    pub(super) fn beside(&self, variable: &'static str) -> Self {
        let written = match self.written.as_deref() {
            Some(WrittenIn::Key { file, .. }) => {
                Some(Box::new(WrittenIn::Key { name: key_of(variable), file: file.clone(), line: None }))
            }
            _ => None,
        };
        Self { variable, written }
    }

    /// What is accepted by this name: a part of an address is none.
    pub(super) fn accepts(&self) -> &'static str {
        match self.written.as_deref() {
            Some(WrittenIn::Flag("--host")) => HOST,
            Some(WrittenIn::Key { name, .. }) if name == "host" => HOST,
            Some(WrittenIn::Key { name, .. }) if name == "port" => "a whole number from 0 to 65535",
            Some(WrittenIn::Key { name, .. }) if name == "json_logs" => "true or false",
            _ => variable(self.variable).accepts,
        }
    }

    fn example(&self) -> Option<String> {
        let default = VARIABLES.iter().find(|known| known.name == self.variable).map_or("", |known| known.default);
        match self.written.as_deref() {
            _ if default.is_empty() || self.accepts() != variable(self.variable).accepts => None,
            None => Some(format!("{}={default}", self.variable)),
            Some(WrittenIn::Flag(flag)) => Some(format!("{flag} {default}")),
            Some(WrittenIn::Key { name, .. }) => Some(format!("\"{name}\": \"{default}\"")),
        }
    }

    fn removed(&self) -> &'static str {
        match self.written.as_deref() {
            None => "unset it",
            Some(WrittenIn::Flag(_)) => "leave it out",
            Some(WrittenIn::Key { .. }) => "take it out",
        }
    }
}

const HOST: &str = "an address or a name, without a port";

/// `MCP_BRIDGE_HTTP_AUTH`, `--auth`, or `` `auth` ``.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.written.as_deref() {
            None => f.write_str(self.variable),
            Some(WrittenIn::Flag(flag)) => f.write_str(flag),
            Some(WrittenIn::Key { name, .. }) => write!(f, "`{name}`"),
        }
    }
}

/// A setting that stops the start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("{name} is {value:?}, which is not {accepts}")]
    Invalid { name: Name, value: String, accepts: &'static str },
    #[error("{name} is {value}, above {other}, which is {other_value}")]
    Contradiction { name: Name, value: String, other: Name, other_value: String },
    #[error("{name} is set, and {lacks} is not")]
    Lacks { name: Name, lacks: Name },
    #[error("{variable} is set, but there is no such setting")]
    Unknown { variable: String },
}

impl SettingsError {
    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "settings.invalid",
            Self::Contradiction { .. } => "settings.contradiction",
            Self::Lacks { .. } => "settings.lacks",
            Self::Unknown { .. } => "settings.unknown",
        }
    }

    /// The setting that is to be corrected.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Invalid { name, .. } | Self::Contradiction { name, .. } | Self::Lacks { name, .. } => Some(name),
            Self::Unknown { .. } => None,
        }
    }

    /// Its variable.
    pub fn variable(&self) -> &str {
        match self {
            Self::Unknown { variable } => variable,
            _ => self.name().map_or("", |name| name.variable),
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Invalid { name, .. } => match (name.example(), name.removed()) {
                (Some(example), removed) => {
                    format!("set it to such a value, e.g. {example} (the default), or {removed}")
                }
                (None, removed) => format!("correct {name}, or {removed}"),
            },
            Self::Contradiction { name, other, .. } => format!("lower {name} or raise {other}"),
            Self::Lacks { name, lacks } => format!("set {lacks} too, or take {name} away"),
            Self::Unknown { variable } => match crate::nearest::nearest(variable, VARIABLES.iter().map(|v| v.name)) {
                Some(near) => format!("did you mean {near}? `mcp-bridge settings` lists them all"),
                None => "unset it; `mcp-bridge settings` lists them all".to_owned(),
            },
        }
    }
}
