//! Why a Python call could not become a tool call; each with a stable code and one thing to do.

/// A call whose arguments do not fit the tool. Nothing was sent.
///
/// Messages name parameters as Python spells them and never repeat a long value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BindError {
    #[error("{tool} takes at most {accepted} positional arguments, {found} were given")]
    TooManyPositional { tool: String, accepted: usize, found: usize, signature: String },
    #[error("{tool} got {parameter} twice: by position and by keyword")]
    GivenTwice { tool: String, parameter: String, signature: String },
    #[error("{tool} has no parameter {keyword}")]
    UnknownParameter { tool: String, keyword: String, nearest: Option<String>, signature: String },
    #[error("{tool} needs {}", .missing.join(", "))]
    Missing { tool: String, missing: Vec<String>, signature: String },
    #[error("{tool}: {}", .problems.join("; "))]
    WrongValue { tool: String, problems: Vec<String>, signature: String },
    #[error("{tool}: {keyword} must be a number of seconds above 0, found {found}")]
    BadDeadline { tool: String, keyword: String, found: String },
}

impl BindError {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooManyPositional { .. } => "catalog.too_many_arguments",
            Self::GivenTwice { .. } => "catalog.argument_twice",
            Self::UnknownParameter { .. } => "catalog.unknown_parameter",
            Self::Missing { .. } => "catalog.missing_argument",
            Self::WrongValue { .. } => "catalog.wrong_argument",
            Self::BadDeadline { .. } => "catalog.bad_deadline",
        }
    }

    /// The same for who writes no Python; none where the tool's own schema says it best.
    pub fn plain_hint(&self) -> Option<String> {
        match self {
            Self::UnknownParameter { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest}?")),
            Self::BadDeadline { .. } => Some("pass seconds, for example 30".into()),
            _ => None,
        }
    }

    /// One thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownParameter { nearest: Some(nearest), signature, .. } => {
                format!("did you mean {nearest}? {signature}")
            }
            Self::TooManyPositional { signature, .. }
            | Self::GivenTwice { signature, .. }
            | Self::UnknownParameter { signature, .. }
            | Self::Missing { signature, .. }
            | Self::WrongValue { signature, .. } => format!("call it as {signature}"),
            Self::BadDeadline { keyword, .. } => format!("pass seconds, for example {keyword}=30"),
        }
    }
}
