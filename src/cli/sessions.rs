//! `mcp-bridge sessions`: the sessions of this user's running bridges, and the end of one.

use serde_json::json;

use super::{Exit, SessionsCommand, paint};
use crate::control::{Address, Answer, ControlError, Question, Session, addresses, ask};
use crate::execution::SessionName;
use crate::settings::Settings;

pub(super) async fn sessions(settings: &Settings, command: Option<SessionsCommand>, as_json: bool) -> Exit {
    match command {
        None => list(settings, as_json).await,
        Some(SessionsCommand::End { name, bridge }) => end(settings, &name, bridge).await,
    }
}

async fn list(settings: &Settings, as_json: bool) -> Exit {
    let (mut sessions, mut exit) = (Vec::new(), Exit::Success);
    for address in addresses(&settings.state_dir) {
        match ask(&address, &Question::List).await {
            Ok(answers) => sessions.extend(answers.into_iter().flatten().filter_map(|it| shown(it, &address))),
            Err(error) => exit = unanswered(&error),
        }
    }
    if as_json {
        let sessions: Vec<_> = sessions.iter().map(|(bridge, session)| as_value(*bridge, session)).collect();
        println!("{:#}", json!({"sessions": sessions}));
    } else if sessions.is_empty() && exit == Exit::Success {
        println!("No bridge of this user has a session. A run with `session` begins one.");
    } else {
        for (bridge, session) in &sessions {
            println!("{}", line(*bridge, session));
        }
    }
    exit
}

async fn end(settings: &Settings, name: &str, bridge: Option<u32>) -> Exit {
    let mut exit = Exit::Success;
    let mut having = Vec::new();
    for address in addresses(&settings.state_dir) {
        if bridge.is_some_and(|bridge| bridge != address.bridge) {
            continue;
        }
        match ask(&address, &Question::List).await {
            Ok(answers)
                if answers.iter().flatten().any(|it| matches!(it, Answer::Session(it) if it.session == name)) =>
            {
                having.push(address);
            }
            Ok(_) => {}
            Err(error) => exit = unanswered(&error),
        }
    }
    let [address] = &having[..] else {
        let bridges: Vec<String> = having.iter().map(|address| address.bridge.to_string()).collect();
        let (message, hint) = if having.is_empty() {
            (format!("there is no session {name:?}"), "`mcp-bridge sessions` lists them".to_owned())
        } else {
            (
                format!("bridges {} have a session {name:?}", bridges.join(", ")),
                format!("name one: --bridge {}", bridges[0]),
            )
        };
        eprintln!("{}", paint::failure(&message, &hint, "cli.sessions"));
        return Exit::Usage;
    };
    match ask(address, &Question::End { session: name.to_owned() }).await {
        // It may have ended by itself in between.
        Ok(_) => println!("{name}: ended"),
        Err(error) => exit = unanswered(&error),
    }
    exit
}

fn unanswered(error: &ControlError) -> Exit {
    eprintln!("{}", paint::failure(&error.to_string(), error.hint(), error.code()));
    Exit::Error
}

/// A session as it may be shown: what listens at a socket need not be a bridge, and a terminal obeys what it is shown.
fn shown(answer: Answer, address: &Address) -> Option<(u32, Session)> {
    let Answer::Session(session) = answer else { return None };
    let plain = session.session.parse::<SessionName>().is_ok() && !session.caller.chars().any(char::is_control);
    plain.then_some((address.bridge, session))
}

fn as_value(bridge: u32, session: &Session) -> serde_json::Value {
    json!({
        "name": session.session,
        "state": state(session),
        "runs": session.runs,
        "age_s": session.age_s,
        "idle_s": session.idle_s,
        "memory": session.memory,
        "caller": session.caller,
        "bridge": bridge,
    })
}

fn state(session: &Session) -> &'static str {
    if session.idle_s.is_some() { "idle" } else { "running" }
}

fn line(bridge: u32, session: &Session) -> String {
    let idle = session.idle_s.map(|idle| format!(" for {}", span(idle))).unwrap_or_default();
    let memory = session.memory.map(|bytes| format!(", {} MiB", bytes >> 20)).unwrap_or_default();
    let runs = if session.runs == 1 { "1 run".to_owned() } else { format!("{} runs", session.runs) };
    let origin = paint::dim(&format!("bridge {bridge}"));
    format!("{}  [{}{idle}]  {runs} in {}{memory}  {origin}", session.session, state(session), span(session.age_s))
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s >= 3600.0 => format!("{:.1} h", s / 3600.0),
        s if s >= 60.0 => format!("{:.0} min", s / 60.0),
        s => format!("{s:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(idle_s: Option<f64>) -> Session {
        let memory = idle_s.map(|_| 31 << 20);
        Session { session: "a".into(), caller: "stdio".into(), age_s: 754.0, idle_s, runs: 2, memory }
    }

    #[test]
    fn a_line_says_what_a_person_asks() {
        assert_eq!(line(7, &session(Some(40.2))), "a  [idle for 40 s]  2 runs in 13 min, 31 MiB  bridge 7");
        assert_eq!(line(7, &Session { runs: 1, ..session(None) }), "a  [running]  1 run in 13 min  bridge 7");
    }
}
