//! `mcp-bridge token`: who may call a bridge over HTTP.

use std::time::{Duration, SystemTime};

use clap::Subcommand;

use super::{Exit, paint};
use crate::server::http::{TokenError, TokenFile};
use crate::settings::{Settings, parse_seconds};

#[derive(Subcommand, Debug)]
pub(super) enum TokenCommand {
    /// Make a token; it is shown once. Its name is who calls, in logs and rules: token:NAME
    Add {
        name: String,
        /// How long it is good: 90s, 12h, 30d (without it: until it is removed)
        #[arg(long, value_name = "TIME", value_parser = span)]
        expires: Option<Duration>,
    },
    /// Show the names of the tokens
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a token back; what was opened with it ends
    #[command(visible_alias = "revoke")]
    Remove { name: String },
}

/// Where they are kept.
pub(super) fn file(settings: &Settings) -> TokenFile {
    TokenFile::at(&settings.state_dir.join("http-tokens.json"))
}

pub(super) fn token(settings: &Settings, command: TokenCommand) -> Exit {
    let file = file(settings);
    let done = match command {
        TokenCommand::Add { name, expires } => file.add(&name, expires).map(|token| {
            // Alone on stdout, for scripts.
            println!("{}", token.expose());
            eprintln!(
                "This is shown once. Clients send it as `Authorization: Bearer ...`; running bridges know it already."
            );
        }),
        TokenCommand::List { json } => list(&file, json),
        TokenCommand::Remove { name } => file.remove(&name).map(|()| println!("{name}: removed")),
    };
    match done {
        Ok(()) => Exit::Success,
        Err(error) => {
            eprintln!("{}", paint::failure(&error.to_string(), &error.hint(), error.code()));
            Exit::Usage
        }
    }
}

fn list(file: &TokenFile, as_json: bool) -> Result<(), TokenError> {
    let now = SystemTime::now();
    let left = |expires: SystemTime| expires.duration_since(now).ok();
    let listed = file.list()?;
    if as_json {
        let all: Vec<_> = listed
            .iter()
            .map(|token| {
                let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
                serde_json::json!({
                    "name": token.name, "caller": format!("token:{}", token.name), "created": seconds(token.created),
                    "expires": token.expires.map(seconds), "expired": token.expires.is_some_and(|at| left(at).is_none()),
                })
            })
            .collect();
        println!("{:#}", serde_json::json!({"tokens": all}));
        return Ok(());
    }
    if listed.is_empty() {
        println!("There are no tokens: `mcp-bridge token add NAME` makes one.");
    }
    for token in listed {
        let until = match token.expires.map(left) {
            None => "good until it is removed".to_owned(),
            Some(None) => "expired".to_owned(),
            Some(Some(left)) => format!("good for {}", words(left)),
        };
        println!("{}  {}", token.name, paint::dim(&until));
    }
    Ok(())
}

/// The largest unit of which there is more than one.
fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// As other spans, and days.
fn span(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').map(|number| format!("{}h", number.trim().parse::<f64>().unwrap_or(0.0) * 24.0));
    parse_seconds(days.as_deref().unwrap_or(text))
        .filter(|span| *span >= Duration::from_secs(1))
        .ok_or_else(|| "wanted is a time of a second or more: a number with s, m, h or d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units() {
        for (text, seconds) in [("3s", 3), ("90", 90), ("2m", 120), ("1h", 3600), ("30d", 2_592_000), ("1.5d", 129_600)]
        {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "d", "-1d", "0", "500ms", "1w", "nand"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
