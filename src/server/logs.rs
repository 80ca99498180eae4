//! Levels of log lines, as `logging/setLevel` and `_meta` name them (RFC 5424).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// A level; greater is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(u8);

impl Level {
    pub fn named(name: &str) -> Option<Self> {
        LEVELS.iter().position(|level| *level == name).and_then(|at| u8::try_from(at).ok()).map(Self)
    }

    pub fn name(self) -> &'static str {
        LEVELS.get(usize::from(self.0)).copied().unwrap_or("debug")
    }

    /// Of the params of a `notifications/message`. A line without one that is known is let through wherever all are.
    pub fn of(log: Option<&RawValue>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Log<'a> {
            #[serde(borrow)]
            level: Cow<'a, str>,
        }
        Self::named(&serde_json::from_str::<Log>(log?.get()).ok()?.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_none_is_below_all() {
        assert!(Level::named("error") > Level::named("warning") && Level::named("debug") > None);
        assert_eq!(Level::named("warning").map(Level::name), Some("warning"));
        assert_eq!(Level::named("loud"), None);
    }
}
