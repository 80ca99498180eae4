//! Why config files cannot be watched.

/// They are read at the start all the same, and when asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("changes of config files will not be noticed: {reason}")]
    Unwatched { reason: String },
}

impl ReloadError {
    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unwatched { .. } => "reload.unwatched",
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unwatched { .. } => "send the bridge SIGHUP after a change, or start it again",
        }
    }
}
