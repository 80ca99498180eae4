//! What can be wrong with a setting.

use super::variables::VARIABLES;

/// A setting that stops the start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("{variable} is {value:?}, which is not {accepts}")]
    Invalid { variable: &'static str, value: String, accepts: String },
    #[error("{variable} is {value}, above {other}, which is {other_value}")]
    Contradiction { variable: &'static str, value: String, other: &'static str, other_value: String },
    #[error("{variable} is set, and {lacks} is not")]
    Lacks { variable: &'static str, lacks: &'static str },
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

    /// The one thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Invalid { variable, .. } => {
                let default = VARIABLES.iter().find(|v| v.name == *variable).map_or("", |v| v.default);
                if default.is_empty() {
                    format!("correct or unset {variable}")
                } else {
                    format!("set it to such a value, e.g. {variable}={default} (the default), or unset it")
                }
            }
            Self::Contradiction { variable, other, .. } => format!("lower {variable} or raise {other}"),
            Self::Lacks { variable, lacks } => format!("set {lacks} too, or unset {variable}"),
            Self::Unknown { variable } => match crate::nearest::nearest(variable, VARIABLES.iter().map(|v| v.name)) {
                Some(near) => format!("did you mean {near}? `mcp-bridge settings` lists them all"),
                None => "unset it; `mcp-bridge settings` lists them all".to_owned(),
            },
        }
    }
}
