//! From text to values, with errors that name the variable, the value and what is accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::environment::Environment;
use super::error::{Name, SettingsError};
use super::variables::variable;

/// Ten years: beyond it arithmetic on instants could overflow, and nobody means it.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;

/// Less is rounded up to it: a clock cannot tell it from nothing.
const SHORTEST: Duration = Duration::from_millis(1);

fn value<'a>(env: &'a Environment, name: &'static str) -> &'a str {
    env.get(name).map_or(variable(name).default, str::trim)
}

fn invalid(env: &Environment, name: &'static str) -> SettingsError {
    let value = env.written(name).map(|written| written.text.as_str()).or_else(|| env.get(name));
    let name = Name::new(env, name);
    SettingsError::Invalid { value: value.unwrap_or_default().to_owned(), accepts: name.accepts(), name }
}

pub(super) fn text(env: &Environment, name: &'static str) -> Result<String, SettingsError> {
    let text = value(env, name);
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(invalid(env, name));
    }
    Ok(text.to_owned())
}

/// A path, from the working folder where it is relative.
pub(super) fn path(env: &Environment, name: &'static str) -> Option<std::path::PathBuf> {
    let text = env.get(name).filter(|text| !text.is_empty())?;
    std::path::absolute(text).ok()
}

/// A name that is shown and written down, if there is one.
pub(super) fn name(env: &Environment, name: &'static str) -> Result<Option<String>, SettingsError> {
    let Some(text) = env.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    // As `access` takes them.
    let is_name = !text.trim().is_empty() && text.chars().count() <= 100 && !text.chars().any(char::is_control);
    if is_name { Ok(Some(text.to_owned())) } else { Err(invalid(env, name)) }
}

pub(super) fn choice<T: Copy>(
    env: &Environment,
    name: &'static str,
    options: &[(&str, T)],
) -> Result<T, SettingsError> {
    let wanted = value(env, name).to_ascii_lowercase();
    options.iter().find(|(word, _)| *word == wanted).map(|(_, v)| *v).ok_or_else(|| invalid(env, name))
}

pub(super) fn flag(env: &Environment, name: &'static str) -> Result<bool, SettingsError> {
    match value(env, name).to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" | "" => Ok(false),
        _ => Err(invalid(env, name)),
    }
}

/// A list of nothing but these words.
pub(super) fn names(env: &Environment, name: &'static str, known: &[&str]) -> Result<Vec<String>, SettingsError> {
    let listed = list(env, name);
    if listed.iter().all(|word| known.contains(&word.as_str())) { Ok(listed) } else { Err(invalid(env, name)) }
}

fn list(env: &Environment, name: &'static str) -> Vec<String> {
    value(env, name).split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// A value that `read` understands.
pub(super) fn one<T>(env: &Environment, name: &'static str, read: fn(&str) -> Option<T>) -> Result<T, SettingsError> {
    read(value(env, name)).ok_or_else(|| invalid(env, name))
}

/// The same, or none where it is unset or empty.
pub(super) fn optional<T>(
    env: &Environment,
    name: &'static str,
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, SettingsError> {
    if value(env, name).is_empty() { Ok(None) } else { one(env, name, read).map(Some) }
}

/// A list of values that `read` understands.
pub(super) fn each<T>(
    env: &Environment,
    name: &'static str,
    read: fn(&str) -> Option<T>,
) -> Result<Vec<T>, SettingsError> {
    list(env, name).iter().map(|text| read(text)).collect::<Option<_>>().ok_or_else(|| invalid(env, name))
}

/// Names with a word for each, such as `github=gh,gitlab=gl`. No word is given twice.
pub(super) fn pairs(env: &Environment, name: &'static str) -> Result<BTreeMap<String, String>, SettingsError> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let pair = |text: &String| {
        let (of, word) = text.split_once('=').map(|(of, word)| (of.trim(), word.trim()))?;
        (!of.is_empty() && word.chars().all(good)).then(|| (of.to_owned(), word.to_owned()))
    };
    let listed = list(env, name);
    let pairs: BTreeMap<String, String> = listed.iter().filter_map(pair).collect();
    let words: BTreeSet<&String> = pairs.values().collect();
    if pairs.len() == listed.len() && words.len() == pairs.len() { Ok(pairs) } else { Err(invalid(env, name)) }
}

pub(super) fn number<T>(env: &Environment, name: &'static str, range: RangeInclusive<T>) -> Result<T, SettingsError>
where
    T: std::str::FromStr + PartialOrd,
{
    value(env, name).parse().ok().filter(|n| range.contains(n)).ok_or_else(|| invalid(env, name))
}

pub(super) fn cpus(env: &Environment, name: &'static str) -> Result<f64, SettingsError> {
    // 0.01 is the engines' own floor; 4096 more processors than any host has.
    value(env, name)
        .parse::<f64>()
        .ok()
        .filter(|n| n.is_finite() && *n >= 0.01 && *n <= 4096.0)
        .ok_or_else(|| invalid(env, name))
}

pub(super) fn user(env: &Environment, name: &'static str) -> Result<String, SettingsError> {
    let text = value(env, name);
    let nonzero = |part: &str| part.parse::<u32>().is_ok_and(|id| id != 0);
    match text.split_once(':') {
        Some((uid, gid)) if nonzero(uid) && nonzero(gid) => Ok(text.to_owned()),
        _ => Err(invalid(env, name)),
    }
}

pub(super) fn log_level(env: &Environment, name: &'static str) -> Result<String, SettingsError> {
    let text = value(env, name).to_ascii_lowercase();
    // Levels in the words of Python's logging, as other gateways have them.
    let text = match text.as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        _ => text,
    };
    // A filter takes any lone word for the name of a module; a misspelt level would silence nearly everything.
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    if text.split(',').any(|part| !part.contains('=') && !LEVELS.contains(&part.trim())) {
        return Err(invalid(env, name));
    }
    text.parse::<tracing_subscriber::filter::Targets>().map(|_| text).map_err(|_| invalid(env, name))
}

pub(super) fn duration(env: &Environment, name: &'static str) -> Result<Duration, SettingsError> {
    parse_seconds(value(env, name)).ok_or_else(|| invalid(env, name))
}

/// A time span, or none for `0` and `off`.
pub(super) fn duration_or_off(env: &Environment, name: &'static str) -> Result<Option<Duration>, SettingsError> {
    match value(env, name).to_ascii_lowercase().as_str() {
        "0" | "off" => Ok(None),
        text => parse_seconds(text).map(Some).ok_or_else(|| invalid(env, name)),
    }
}

/// A number in this range.
pub(super) fn decimal(env: &Environment, name: &'static str, range: RangeInclusive<f64>) -> Result<f64, SettingsError> {
    value(env, name).parse().ok().filter(|n| range.contains(n)).ok_or_else(|| invalid(env, name))
}

/// A number in this range, or none for `off`.
pub(super) fn decimal_or_off(
    env: &Environment,
    name: &'static str,
    range: RangeInclusive<f64>,
) -> Result<Option<f64>, SettingsError> {
    match value(env, name) {
        off if off.eq_ignore_ascii_case("off") => Ok(None),
        _ => decimal(env, name, range).map(Some),
    }
}

pub(super) fn bytes_at_least(env: &Environment, name: &'static str, floor: u64) -> Result<u64, SettingsError> {
    parse_bytes(value(env, name)).filter(|n| *n >= floor).ok_or_else(|| invalid(env, name))
}

fn split_unit(text: &str) -> Option<(f64, String)> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number = text[..at].trim().parse::<f64>().ok().filter(|n| n.is_finite())?;
    Some((number, text[at..].trim().to_ascii_lowercase()))
}

/// A positive time span: `30`, `30s`, `1.5m`, `250ms`, `1h`.
pub fn parse_seconds(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text.trim())?;
    let scale = match unit.as_str() {
        "ms" => 0.001,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        _ => return None,
    };
    let seconds = number * scale;
    (seconds > 0.0 && seconds <= LONGEST).then(|| Duration::from_secs_f64(seconds).max(SHORTEST))
}

/// A size: `512m`, `1g`, `1.5GiB`, `100kB`, plain bytes. Units are powers of 1024, as container engines read them.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text.trim())?;
    let shift = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let bytes = number * f64::from(1u32 << 10).powi(shift / 10);
    // Engines take a signed 64-bit number.
    (bytes >= 1.0 && bytes < i64::MAX as f64).then_some(bytes as u64)
}

/// A run's `timeout` argument in seconds, as the deadline to use: clamped to `max`, with a note when it was.
///
/// `None` where it is no positive finite number.
pub fn clamp_timeout(asked: f64, max: Duration) -> Option<(Duration, Option<String>)> {
    if !asked.is_finite() || asked <= 0.0 {
        return None;
    }
    if asked > max.as_secs_f64() {
        let note = format!(
            "timeout {asked} s is above the maximum and was cut to {} s (MCP_BRIDGE_MAX_TIMEOUT)",
            max.as_secs_f64()
        );
        return Some((max, Some(note)));
    }
    Some((Duration::from_secs_f64(asked).max(SHORTEST), None))
}
