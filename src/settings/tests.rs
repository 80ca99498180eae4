use std::time::Duration;

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::read(&pairs.iter().copied().collect())
}

#[test]
fn every_default_is_valid_and_every_variable_is_read() {
    let settings = read(&[]).expect("defaults");
    assert_eq!(settings.image, "python:3.14-slim");
    assert_eq!(settings.timeout, Duration::from_secs(30));
    assert_eq!(settings.memory, 512 << 20);
    // A nonsense value in any variable that has a syntax must stop the start: so each one is really read.
    for variable in VARIABLES {
        if variable.is_path() {
            continue;
        }
        let error = read(&[(variable.name, "\u{1}=?")]).expect_err(variable.name);
        assert_eq!(error.code(), "settings.invalid");
        assert!(error.to_string().contains(variable.name), "{error}");
        assert!(error.to_string().contains(variable.accepts), "{error}");
    }
}

#[test]
fn the_guides_values_are_accepted() {
    for (name, value) in [
        ("MCP_BRIDGE_RUNTIME", "podman"),
        ("MCP_BRIDGE_IMAGE", "python:3.11-slim"),
        ("MCP_BRIDGE_TIMEOUT", "30"),
        ("MCP_BRIDGE_TIMEOUT", "30s"),
        ("MCP_BRIDGE_MAX_TIMEOUT", "120"),
        ("MCP_BRIDGE_MEMORY", "1g"),
        ("MCP_BRIDGE_PIDS", "256"),
        ("MCP_BRIDGE_CPUS", "2.0"),
        ("MCP_BRIDGE_CONTAINER_USER", "1000:1000"),
        ("MCP_BRIDGE_RUNTIME_IDLE_TIMEOUT", "300"),
    ] {
        read(&[(name, value)]).unwrap_or_else(|e| panic!("{name}={value}: {e}"));
    }
}

#[test]
fn levels_of_other_loggings_are_known() {
    for (value, level) in [("warning", "warn"), ("CRITICAL", "error"), ("fatal", "error"), ("INFO", "info")] {
        assert_eq!(read(&[("MCP_BRIDGE_LOG_LEVEL", value)]).expect(value).log_level, level);
    }
}

#[test]
fn a_maximum_below_the_default_lowers_the_default() {
    let settings = read(&[("MCP_BRIDGE_MAX_TIMEOUT", "10")]).unwrap();
    assert_eq!(settings.timeout, Duration::from_secs(10));
    let error = read(&[("MCP_BRIDGE_MAX_TIMEOUT", "10"), ("MCP_BRIDGE_TIMEOUT", "20")]).unwrap_err();
    assert_eq!(error.code(), "settings.contradiction");
}

#[test]
fn the_pool_is_as_large_as_it_is_told() {
    let settings =
        read(&[("MCP_BRIDGE_POOL_IDLE", "5m"), ("MCP_BRIDGE_POOL_LAUNCHES", "2"), ("MCP_BRIDGE_POOL_MEMORY", "1g")]);
    let settings = settings.expect("good values");
    assert_eq!(
        (settings.pool_idle, settings.pool_launches, settings.pool_memory),
        (Duration::from_secs(300), 2, 1 << 30)
    );
    for (name, value) in [("MCP_BRIDGE_POOL_LAUNCHES", "65"), ("MCP_BRIDGE_POOL_MEMORY", "0")] {
        assert_eq!(read(&[(name, value)]).expect_err(name).code(), "settings.invalid");
    }
}

#[test]
fn a_misspelt_variable_is_named_with_the_nearest() {
    let error = read(&[("MCP_BRIDGE_MEMROY", "1g")]).unwrap_err();
    assert!(error.to_string().contains("MCP_BRIDGE_MEMROY"));
    assert!(error.hint().contains("MCP_BRIDGE_MEMORY"), "{}", error.hint());
}

#[test]
fn sizes_and_times_have_units() {
    for (text, bytes) in [("512m", 512 << 20), ("1g", 1 << 30), ("1.5GiB", 3 << 29), ("100kB", 102_400), ("7", 7)] {
        assert_eq!(parse_bytes(text), Some(bytes), "{text}");
    }
    for text in ["", "m", "-1m", "1x", "nan", "inf", "1e400"] {
        assert_eq!(parse_bytes(text), None, "{text}");
        assert_eq!(parse_seconds(text).filter(|_| text != "m"), None, "{text}");
    }
    assert_eq!(parse_seconds("1.5m"), Some(Duration::from_secs(90)));
    assert_eq!(parse_seconds("250ms"), Some(Duration::from_millis(250)));
}

#[test]
fn root_is_no_user() {
    for user in ["0:0", "0:1000", "1000:0", "nobody", "1000"] {
        assert!(read(&[("MCP_BRIDGE_CONTAINER_USER", user)]).is_err(), "{user}");
    }
}

#[test]
fn a_timeout_argument_is_clamped_and_said() {
    let max = Duration::from_secs(120);
    assert_eq!(clamp_timeout(5.0, max), Some((Duration::from_secs(5), None)));
    let (deadline, note) = clamp_timeout(1e300, max).unwrap();
    assert_eq!(deadline, max);
    assert!(note.unwrap().contains("MCP_BRIDGE_MAX_TIMEOUT"));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(clamp_timeout(bad, max), None);
    }
}

#[test]
fn only_promises_that_can_be_given_up_are_accepted() {
    let allowed = |text| read(&[("MCP_BRIDGE_ALLOW_DEGRADED", text)]).map(|settings| settings.allow_degraded);
    assert_eq!(allowed(" swap, cpus"), Ok(vec!["swap".to_owned(), "cpus".to_owned()]));
    assert_eq!(allowed(""), Ok(vec![]));
    for text in ["network", "swap cpus", "Swap", "swap;cpus"] {
        assert_eq!(allowed(text).map_err(|error| error.code()), Err("settings.invalid"), "{text}");
    }
}

/// The number that follows a word.
fn bound(accepts: &str, word: &str) -> Option<f64> {
    let rest = accepts.split_once(word)?.1;
    rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()
}

#[test]
fn what_is_accepted_is_told_with_its_bounds() {
    let mut checked = [0; 3];
    for Variable { name, accepts, .. } in VARIABLES {
        let takes = |value: &str| read(&[(name, value)]).is_ok();
        if let Some(least) = accepts.contains("number from").then(|| bound(accepts, " from ")).flatten() {
            checked[0] += 1;
            let below = if least < 1.0 { least / 2.0 } else { least - 1.0 };
            assert!(takes(&least.to_string()), "{name}: {least} is {accepts}");
            assert!(least == 0.0 || !takes(&below.to_string()), "{name}: {below} is not {accepts}");
            match bound(accepts, " to ") {
                Some(most) => {
                    assert!(takes(&most.to_string()), "{name}: {most} is {accepts}");
                    assert!(!takes(&(most + 1.0).to_string()), "{name}: {} is not {accepts}", most + 1.0);
                }
                None => assert!(takes("1000000000"), "{name}: a billion is {accepts}"),
            }
        }
        if accepts.contains("a number of bytes") {
            checked[1] += 1;
            let least = accepts.split_once(" or more").and_then(|(least, _)| parse_bytes(least)).unwrap_or(1);
            assert!(takes(&least.to_string()) && !takes(&(least - 1).to_string()), "{name}: {accepts}");
        }
        if accepts.starts_with("seconds") {
            checked[2] += 1;
            assert!(takes("1ms"), "{name}: {accepts}");
            assert_eq!(takes("0"), accepts.contains("0 or off"), "{name}: 0, and {accepts}");
        }
    }
    assert!(checked.iter().sum::<usize>() > 40 && checked.iter().all(|count| *count > 8), "{checked:?}");
}
