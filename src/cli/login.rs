//! `mcp-bridge login SERVER`: the person at the browser, the bridge at the address that the browser is sent back to.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Exit, found, paint, signals};
use crate::settings::{Environment, Settings, TokenStore};
use crate::upstream::config::{ServerConfig, Transport};
use crate::upstream::{Login, LoginError, Logins, UseKeyring, logout as forget};

/// The time a person gets; codes of authorization servers do not live longer either.
const PATIENCE: Duration = Duration::from_secs(600);
/// The path that the browser is sent back to.
const CALLBACK: &str = "/callback";
/// The longest line of a request that is read; codes are shorter.
const LONGEST_LINE: u64 = 16 * 1024;

const THANKS: &str =
    "<!doctype html><title>mcp-bridge</title><p>You may close this window and go back to the terminal.";

/// Where logins are kept.
pub(super) fn logins(settings: &Settings) -> Logins {
    let keyring = match settings.token_store {
        TokenStore::Auto => UseKeyring::IfItWorks,
        TokenStore::Keyring => UseKeyring::Always,
        TokenStore::File => UseKeyring::Never,
    };
    Logins { folder: settings.state_dir.join("tokens"), keyring }
}

pub(super) async fn login(
    env: &Environment,
    settings: &Settings,
    server: &str,
    scopes: Option<&str>,
    browser: bool,
) -> Exit {
    let config = match named(env, settings, server) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let port = match &config.transport {
        Transport::Remote { access, .. } => access.oauth.callback_port.unwrap_or(0),
        Transport::Stdio { .. } => 0,
    };
    let listener = match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => listener,
        Err(error) => {
            let message =
                format!("port {port} of 127.0.0.1, where the browser is sent back to, cannot be used: {error}");
            return failed(&message, "choose another one by `oauth.callbackPort`", "cli.login", Exit::Usage);
        }
    };
    let Ok(address) = listener.local_addr() else { return Exit::Error };
    let redirect = format!("http://{address}{CALLBACK}");
    let finished = signals::until_interrupted(async {
        let login = Login::begin(&config, &redirect, &logins(settings), scopes).await?;
        eprintln!("To log in to {server}, open this address:\n\n    {}\n", login.address());
        eprintln!("On another machine, paste the address that the browser ends up at here.");
        if browser {
            open(login.address());
        }
        match tokio::time::timeout(PATIENCE, came_back(&listener, &redirect)).await {
            Ok(redirected) => login.finish(&redirected).await,
            Err(_) => Err(LoginError::Failed {
                server: server.to_owned(),
                reason: format!("nobody came back from the browser within {} minutes", PATIENCE.as_secs() / 60),
            }),
        }
    });
    match finished.await {
        None => Exit::Cancelled,
        Some(Ok(kept)) => {
            if let Some(kept) = kept {
                eprintln!("The login is kept {kept}.");
            }
            println!("{server}: logged in");
            Exit::Success
        }
        Some(Err(error)) => told(&error),
    }
}

pub(super) async fn logout(env: &Environment, settings: &Settings, server: &str) -> Exit {
    let config = match named(env, settings, server) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match forget(&config, &logins(settings)).await {
        Ok(true) => println!("{server}: logged out; the authorization server may still know the login"),
        Ok(false) => println!("{server}: there was no login"),
        Err(error) => return told(&error),
    }
    Exit::Success
}

fn named(env: &Environment, settings: &Settings, server: &str) -> Result<ServerConfig, Exit> {
    let found = found::discover_aloud(env, settings);
    let named = found.enabled().find(|found| found.config.name == server).map(|found| found.config.clone());
    named.ok_or_else(|| {
        let message = format!("there is no server {server:?} that may be used");
        failed(&message, "`mcp-bridge servers` shows every server's state", "cli.login", Exit::Usage)
    })
}

/// The address that the browser was sent to: it comes to the listener, or a person pastes it.
async fn came_back(listener: &TcpListener, redirect: &str) -> String {
    tokio::select! {
        redirected = asked(listener, redirect) => redirected,
        redirected = pasted(redirect) => redirected,
    }
}

async fn asked(listener: &TcpListener, redirect: &str) -> String {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // A browser opens connections ahead and asks for icons; whoever says nothing must not hold up the one that counts.
        let answered = tokio::time::timeout(Duration::from_secs(5), answer(stream)).await;
        if let Ok(Some(query)) = answered {
            return format!("{redirect}?{query}");
        }
    }
}

/// Answers one request; the query, if it was the one that is waited for.
async fn answer(stream: TcpStream) -> Option<String> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    tokio::io::AsyncReadExt::take(&mut stream, LONGEST_LINE).read_line(&mut line).await.ok()?;
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    let query = target.strip_prefix(CALLBACK).and_then(|rest| rest.strip_prefix('?'));
    let (status, body) = if query.is_some() { ("200 OK", THANKS) } else { ("404 Not Found", "") };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // What the browser shows in the end matters less than what it said.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
    query.map(str::to_owned)
}

async fn pasted(redirect: &str) -> String {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().starts_with(redirect) {
            return line.trim().to_owned();
        }
        eprintln!("That does not begin with {redirect}");
    }
    // Nobody can paste; the browser may still come.
    std::future::pending().await
}

/// Opens a browser if there is a way to; the address is on the screen in any case.
fn open(address: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = match cfg!(windows) {
        true => {
            let mut command = std::process::Command::new("rundll32");
            command.arg("url.dll,FileProtocolHandler");
            command
        }
        false => std::process::Command::new(program),
    };
    let _ = command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

fn told(error: &LoginError) -> Exit {
    failed(&error.to_string(), &error.hint(), error.code(), Exit::NoServer)
}

fn failed(message: &str, hint: &str, code: &str, exit: Exit) -> Exit {
    eprintln!("{}", paint::failure(message, hint, code));
    exit
}
