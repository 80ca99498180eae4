//! Why a run did not get its session.

use std::time::Duration;

use super::SessionName;

/// A session that was not to be had. Nothing of it has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unentered {
    #[error("session \"{name}\" was not begun: sessions are turned off")]
    Off { name: SessionName },
    /// `own`: the caller's other sessions with the seconds since their last run, the one idle longest first.
    #[error("session \"{name}\" was not begun: there are {most} sessions{} already, the most that may be", scope(*of_caller))]
    Full { name: SessionName, of_caller: bool, most: usize, own: Vec<(SessionName, u64)>, idle: Duration },
    #[error("session \"{name}\" is busy: one program runs in it and {waiting} wait")]
    Crowded { name: SessionName, waiting: usize },
    #[error("session \"{name}\" was busy for all of this call's {} s", patience.as_secs_f64())]
    Late { name: SessionName, patience: Duration },
    /// The bridge ends.
    #[error("the bridge is stopping")]
    Closed,
}

impl Unentered {
    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Off { .. } => "execution.sessions_off",
            Self::Full { .. } => "execution.sessions_full",
            Self::Crowded { .. } | Self::Late { .. } => "execution.session_busy",
            Self::Closed => "execution.stopping",
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Off { .. } => "leave `session` out, or set MCP_BRIDGE_SESSIONS to more than 0".into(),
            Self::Full { own, idle, .. } if own.is_empty() => {
                let idle = idle.as_secs_f64();
                format!("try again when one has ended ({idle} s after its last run), or raise MCP_BRIDGE_SESSIONS")
            }
            Self::Full { own, .. } => {
                let listed: Vec<_> = own.iter().map(|(name, idle)| format!("\"{name}\" (idle {idle} s)")).collect();
                format!("go on in one of {}; with `reset` it begins anew, empty", listed.join(", "))
            }
            Self::Crowded { .. } | Self::Late { .. } => {
                "await the run that goes on, or use another session for what is to run beside it".into()
            }
            Self::Closed => "start it again".into(),
        }
    }
}

fn scope(of_caller: bool) -> &'static str {
    if of_caller { " of this caller" } else { "" }
}
