//! What an entry says about keeping calls to its server alive: `retry`, `circuit_breaker` and their like. Times are in seconds.

use std::time::Duration;

use serde_json::{Map, Value};

use super::entry::Flaw;
use super::words::{kind, nearest, shown};
use crate::upstream::config::Overrides;

/// The keys of an entry that are read here.
pub(super) const KEYS: &[&str] =
    &["retry", "circuit_breaker", "health_check_interval", "concurrency", "max_result_size", "rate_limit"];

/// A day, in seconds: longer than any wait that is meant, and short enough to be added to any clock.
const LONGEST: f64 = 86_400.0;
/// More than any server works on at a time.
const MOST: u64 = 100_000;

/// Reads them; a wrong type or value is a flaw of the entry, and a key that is not known a warning.
pub(super) fn overrides(members: &Map<String, Value>, warnings: &mut Vec<String>) -> Result<Overrides, Flaw> {
    let top = Group { name: None, members };
    let nothing = Map::new();
    let inner = |name: &'static str| match members.get(name) {
        None | Some(Value::Null) => Ok(Group { name: Some(name), members: &nothing }),
        Some(Value::Object(members)) => Ok(Group { name: Some(name), members }),
        Some(other) => Err(Flaw::new(name, kind(other), "an object, such as {} for what holds for all servers")),
    };
    let retry = inner("retry")?;
    let breaker = inner("circuit_breaker")?;
    retry.unknown(&["max_attempts", "wait_min", "wait_max", "exponential_base"], warnings);
    breaker.unknown(&["failure_threshold", "recovery_timeout", "half_open_max_calls"], warnings);

    let read = Overrides {
        max_attempts: retry.whole("max_attempts", 1, "a whole number from 1, the first attempt included")?,
        wait_min: retry.seconds("wait_min")?,
        wait_max: retry.seconds("wait_max")?,
        exponential_base: retry.number("exponential_base", 1.0..=1000.0, "a number from 1 to 1000")?,
        failure_threshold: breaker.whole("failure_threshold", 0, "a whole number; 0 switches the breaker off")?,
        recovery_timeout: breaker.seconds("recovery_timeout")?,
        half_open_max_calls: breaker.whole("half_open_max_calls", 1, "a whole number from 1")?,
        health_check_interval: top.seconds("health_check_interval")?,
        concurrency: top.whole("concurrency", 1, "a whole number from 1")?,
        max_result_size: top.bytes("max_result_size")?,
        rate_limit: top.number("rate_limit", 0.001..=1e6, "calls a second, a number from 0.001")?,
    };
    if let (Some(least), Some(most)) = (read.wait_min, read.wait_max)
        && least > most
    {
        return Err(Flaw::new("retry.wait_min", "more than `retry.wait_max`", "a number of seconds, at most wait_max"));
    }
    Ok(read)
}

/// An object of settings, by the name under which it stands in the entry.
struct Group<'m> {
    name: Option<&'static str>,
    members: &'m Map<String, Value>,
}

impl Group<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.members.get(key).filter(|value| !value.is_null())
    }

    fn path(&self, key: &str) -> String {
        self.name.map_or_else(|| key.to_owned(), |name| format!("{name}.{key}"))
    }

    /// A number of this kind; one outside the range is described, never shown.
    fn take<T>(
        &self,
        key: &str,
        accepted: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Flaw> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let found = if value.is_number() { "a number out of range" } else { kind(value) };
        read(value).map(Some).ok_or_else(|| Flaw::new(self.path(key), found, accepted))
    }

    fn whole<T: TryFrom<u64>>(&self, key: &str, least: u64, accepted: &'static str) -> Result<Option<T>, Flaw> {
        self.take(key, accepted, |value| {
            // `3.0` is how some writers spell 3.
            let whole = |number: f64| (number.fract() == 0.0 && number >= 0.0).then_some(number as u64);
            let number = value.as_u64().or_else(|| value.as_f64().and_then(whole))?;
            T::try_from(number).ok().filter(|_| (least..=MOST).contains(&number))
        })
    }

    fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
        accepted: &'static str,
    ) -> Result<Option<f64>, Flaw> {
        self.take(key, accepted, |value| value.as_f64().filter(|number| range.contains(number)))
    }

    fn seconds(&self, key: &str) -> Result<Option<Duration>, Flaw> {
        let seconds = self.number(key, 0.0..=LONGEST, "a number of seconds, at most a day (86400)")?;
        Ok(seconds.map(Duration::from_secs_f64))
    }

    fn bytes(&self, key: &str) -> Result<Option<usize>, Flaw> {
        self.take(key, "a number of bytes from 1024", |value| {
            value.as_u64().filter(|bytes| *bytes >= 1024).and_then(|bytes| usize::try_from(bytes).ok())
        })
    }

    fn unknown(&self, known: &[&str], warnings: &mut Vec<String>) {
        /// Enough to see what is wrong.
        const NAMED: usize = 8;
        for key in self.members.keys().filter(|key| !known.contains(&key.as_str())).take(NAMED) {
            let near = nearest(key, known).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
            warnings.push(format!("unknown key: `{}`{near}", self.path(&shown(key))));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(entry: Value) -> Result<(Overrides, Vec<String>), Flaw> {
        let Value::Object(members) = entry else { panic!("not an object") };
        let mut warnings = Vec::new();
        overrides(&members, &mut warnings).map(|read| (read, warnings))
    }

    #[test]
    fn everything_is_read_in_seconds() {
        let (read, warnings) = read(json!({
            "retry": {"max_attempts": 3, "wait_min": 1.0, "wait_max": 10.0, "exponential_base": 2.0},
            "circuit_breaker": {"failure_threshold": 5.0, "recovery_timeout": 60.0, "half_open_max_calls": 1},
            "health_check_interval": 0.5, "concurrency": 2, "max_result_size": 4096, "rate_limit": 10
        }))
        .expect("an entry");
        let seconds = Duration::from_secs_f64;
        let want = Overrides {
            max_attempts: Some(3),
            wait_min: Some(seconds(1.0)),
            wait_max: Some(seconds(10.0)),
            exponential_base: Some(2.0),
            failure_threshold: Some(5),
            recovery_timeout: Some(seconds(60.0)),
            half_open_max_calls: Some(1),
            health_check_interval: Some(seconds(0.5)),
            concurrency: Some(2),
            max_result_size: Some(4096),
            rate_limit: Some(10.0),
        };
        assert_eq!((read, warnings), (want, Vec::new()));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest() {
        let (read, warnings) = read(json!({"retry": {"max_attempt": 2, "colour": 1}})).expect("an entry");
        assert_eq!(read, Overrides::default());
        let want = ["unknown key: `retry.max_attempt` (did you mean `max_attempts`?)", "unknown key: `retry.colour`"];
        assert_eq!(warnings, want);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
        for (entry, flaw) in [
            (
                json!({"retry": 3}),
                "`retry` is a number; accepted: an object, such as {} for what holds for all servers",
            ),
            (
                json!({"retry": {"max_attempts": 0}}),
                "`retry.max_attempts` is a number out of range; accepted: a whole number from 1, the first attempt included",
            ),
            (
                json!({"retry": {"wait_min": "1s"}}),
                "`retry.wait_min` is a string; accepted: a number of seconds, at most a day (86400)",
            ),
            (
                json!({"retry": {"wait_min": 5, "wait_max": 1}}),
                "`retry.wait_min` is more than `retry.wait_max`; accepted: a number of seconds, at most wait_max",
            ),
            (
                json!({"circuit_breaker": {"failure_threshold": 1.5}}),
                "`circuit_breaker.failure_threshold` is a number out of range; accepted: a whole number; 0 switches the breaker off",
            ),
            (json!({"concurrency": -1}), "`concurrency` is a number out of range; accepted: a whole number from 1"),
            (
                json!({"rate_limit": 0}),
                "`rate_limit` is a number out of range; accepted: calls a second, a number from 0.001",
            ),
            (
                json!({"max_result_size": true}),
                "`max_result_size` is true or false; accepted: a number of bytes from 1024",
            ),
        ] {
            assert_eq!(read(entry).expect_err(flaw).to_string(), flaw);
        }
    }
}
