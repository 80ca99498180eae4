//! `mcp-bridge install` and `uninstall`: the bridge's own entry in a client's file.

use std::io::{IsTerminal, Write};

use super::{Exit, found, paint};
use crate::discovery::install::{Change, InstallError, Plan, TARGETS, Target};
use crate::settings::Environment;

pub(super) fn install(env: &Environment, client: Option<&str>, yes: bool) -> Exit {
    let Some(client) = client else { return list(env) };
    // A system that does not tell us where we are (no /proc) gets the name that a person would write.
    let program = std::env::current_exe().unwrap_or_else(|_| "mcp-bridge".into());
    change(env, client, &Change::Add { program }, yes)
}

pub(super) fn uninstall(env: &Environment, client: &str, yes: bool) -> Exit {
    change(env, client, &Change::Remove, yes)
}

fn list(env: &Environment) -> Exit {
    let place = found::place(env);
    for target in TARGETS {
        let Some(file) = target.file(&place) else { continue };
        let state = match target.plan(&place, &Change::Remove) {
            Ok(Some(_)) => "installed",
            Ok(None) if file.exists() => "not installed",
            Ok(None) => "no file yet",
            Err(InstallError::ByHand { .. }) => "installed",
            Err(InstallError::Foreign { .. }) => "not installed (another program has the name)",
            Err(_) => "file cannot be used",
        };
        println!("{:15} {}  {}", target.word, state, paint::dim(&format!("{}: {}", target.title, file.display())));
    }
    Exit::Success
}

fn change(env: &Environment, client: &str, change: &Change, yes: bool) -> Exit {
    match try_change(env, client, change, yes) {
        Ok(()) => Exit::Success,
        Err(error) => {
            eprintln!("{}", paint::failure(&error.to_string(), &error.hint(), error.code()));
            Exit::Usage
        }
    }
}

fn try_change(env: &Environment, client: &str, change: &Change, yes: bool) -> Result<(), InstallError> {
    let target = find(client)?;
    let Some(plan) = target.plan(&found::place(env), change)? else {
        println!("Nothing to do: {} already is as it should be.", target.title);
        return Ok(());
    };
    show(&plan, change);
    if !yes && !confirmed()? {
        println!("Nothing was changed.");
        return Ok(());
    }
    if let Some(copy) = plan.apply()? {
        println!("The file as it was: {}", copy.display());
    }
    let next = if matches!(change, Change::Add { .. }) {
        "restart it, and approve the server if it asks"
    } else {
        "restart it"
    };
    println!("{}: done; {next}.", target.title);
    Ok(())
}

fn find(client: &str) -> Result<&'static Target, InstallError> {
    // Of the two that are Claude's, the one whose name people leave out.
    let word = if client == "claude" { "claude-code" } else { client };
    TARGETS
        .iter()
        .find(|target| target.word == word)
        .ok_or_else(|| InstallError::UnknownClient { asked: client.chars().take(64).collect() })
}

/// The change itself; the rest of the file stays, and may hold secrets.
fn show(plan: &Plan, change: &Change) {
    let file = plan.file.display();
    match change {
        Change::Add { .. } => {
            println!("To {file}, under `{}`:\n", plan.key);
            plan.entry.lines().for_each(|line| println!("  + {line}"));
        }
        Change::Remove => {
            println!("From {file}, under `{}`:\n", plan.key);
            println!("  - mcp-bridge");
        }
    }
    println!("\nEverything else in it stays as it is, comments too.");
}

fn confirmed() -> Result<bool, InstallError> {
    if !std::io::stdin().is_terminal() {
        return Err(InstallError::NotConfirmed);
    }
    print!("Write it? [y/N] ");
    // Without the question on the screen there is no answer to it.
    std::io::stdout().flush().map_err(|_| InstallError::NotConfirmed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|_| InstallError::NotConfirmed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
