//! What a person types. The one place where the parts are put together ([`bridge`]).
//!
//! Each command is a file. Must hold no logic that another command needs: that belongs to the folders below. Called by `main`.

mod audit;
mod backends;
mod bridge;
mod call;
mod config;
mod doctor;
mod exit;
mod file_in;
mod follow;
mod found;
mod guard;
mod health;
mod image;
mod import;
mod init;
mod install;
mod login;
mod paint;
mod policy;
mod probe;
mod run;
mod runtime;
mod serve;
mod servers;
#[cfg(unix)]
mod sessions;
mod settings;
mod signals;
mod start;
mod sweep;
mod sweeper;
mod token;
mod tools;
mod trust;
mod validate;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::discovery::{GatewayFile, Problem};
use crate::settings::{Environment, Settings};
pub use exit::Exit;

/// One MCP tool, run_python: model-written Python in a real sandbox, with every MCP server you have as an object.
#[derive(Parser, Debug)]
#[command(name = "mcp-bridge", version, about, long_about = None, max_term_width = 100,
    after_help = "Every setting is an environment variable: `mcp-bridge settings` lists them with their values.\n\
                  Without a command and with stdin not a terminal, `serve` is meant.")]
struct Cli {
    /// Use the servers of this file and no others, and its keys, as `start` does [default: MCP_BRIDGE_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve an MCP client over stdin and stdout
    Serve {
        /// What the client is offered: run_python, the servers' own tools, both, or both while they are few [default: MCP_BRIDGE_EXPOSE]
        #[arg(long, value_name = "code|tools|both|auto")]
        expose: Option<String>,
    },
    /// Serve MCP clients over HTTP: /mcp (Streamable HTTP), /sse, /ws, and REST at /tools, /health and /metrics
    Start(start::StartArgs),
    /// Make, show or take back the tokens that let callers in over HTTP
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Write a file to begin with, for `start --config`
    Init {
        /// A file that does not exist yet [default: mcp-bridge.json]
        file: Option<PathBuf>,
    },
    /// Show every problem of a file for `start --config`, with its place
    Validate {
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what an MCP server speaks and offers: at an address, or one of `mcp-bridge servers`
    Probe {
        /// http://..., https://... (/sse too), ws://..., wss://..., or a name
        target: String,
        /// Sent as `Authorization: Bearer TOKEN`
        #[arg(long, value_name = "TOKEN")]
        bearer_token: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Call one tool; what the server tells meanwhile goes to stderr
    Call(call::CallArgs),
    /// Ask a bridge over HTTP how it is; the exit code says whether it takes requests
    Health {
        /// A port of this machine, host:port, or its URL [default: where `start` would listen]
        target: Option<String>,
    },
    /// Run one Python program without a client
    ///
    /// What the program prints goes to stdout and stderr as it is; the value of its last expression follows on stdout.
    #[command(after_help = exit::HELP)]
    Run(RunArgs),
    /// Show the MCP servers that were discovered, from which files, what is off and why, and how running bridges fare with them
    Servers {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the tools of one server as a program sees them
    Tools {
        /// Name or alias of the server
        server: String,
        /// Whole descriptions and parameters
        #[arg(long)]
        full: bool,
        /// As JSON, schemas included
        #[arg(long)]
        json: bool,
    },
    /// Check the sandbox, its limits, image or Python, and config files; each line says what to do
    Doctor,
    /// Pull, load, build or show the image for sandboxes
    #[command(subcommand)]
    Image(ImageCommand),
    /// Allow servers from a project's own files to be started (without names: show what waits)
    Trust {
        /// Names of servers, as `mcp-bridge servers` shows them
        servers: Vec<String>,
        /// Take the answer back
        #[arg(long)]
        revoke: bool,
    },
    /// Add the bridge to a client's file, shown first and asked about (without a client: show which there are)
    Install {
        /// As `mcp-bridge install` alone lists them
        client: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Take the bridge out of a client's file
    Uninstall {
        client: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Write the servers that were found in clients' files into one file of the bridge's own
    Import {
        /// A file that does not exist yet [default: imported.json in ~/.config/mcp/servers]
        file: Option<PathBuf>,
    },
    /// Log in to a remote server (OAuth): prints the address to open, and opens it where it can
    Login {
        /// Name of the server, as `mcp-bridge servers` shows it
        server: String,
        /// Only print the address
        #[arg(long)]
        no_browser: bool,
        /// What to ask for, separated by blanks, in place of what the server names
        #[arg(long)]
        scopes: Option<String>,
    },
    /// Forget the login to a remote server
    Logout {
        /// Name of the server
        server: String,
    },
    /// Show the sessions of running bridges, or end one
    #[cfg(unix)]
    #[command(args_conflicts_with_subcommands = true)]
    Sessions {
        #[command(subcommand)]
        command: Option<SessionsCommand>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what the access rules make of a use, or check their file
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Check the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show every setting, its value and what is accepted
    Settings,
}

#[derive(Args, Debug)]
struct RunArgs {
    /// File with the program; `-` reads stdin
    #[arg(required_unless_present = "code", conflicts_with = "code")]
    file: Option<PathBuf>,
    /// The program itself
    #[arg(short, long)]
    code: Option<String>,
    /// Load only this server (may be given several times)
    #[arg(short, long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// Seconds until the program is ended
    #[arg(short, long, value_name = "S")]
    timeout: Option<f64>,
    /// A file that the program finds in its working folder, under its own name or this one (may be given several times)
    #[arg(short, long = "file-in", value_name = "PATH[=NAME]")]
    files: Vec<String>,
    /// Print the whole report, as a client would get it
    #[arg(long)]
    report: bool,
}

#[cfg(unix)]
#[derive(Subcommand, Debug)]
enum SessionsCommand {
    /// End a session, and the run that has it; the next run of that name is told
    End {
        name: String,
        /// Process number of the bridge, where several have a session of this name
        #[arg(long, value_name = "PID")]
        bridge: Option<u32>,
    },
}

#[derive(Subcommand, Debug)]
enum PolicyCommand {
    /// Say whether a caller may use a tool, and by which rule; the exit code is 0 for allow and ask, and 1 for deny
    Test(Use),
    /// Check the file of rules; each problem with its line and column
    Check {
        /// [default: MCP_BRIDGE_ACCESS]
        file: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
struct Use {
    /// A name as tokens, MCP_BRIDGE_CLIENT or agent_id give it
    caller: String,
    /// Name of the server; `mcp-bridge` for the bridge's own tools
    server: String,
    /// Name of the tool, as the server calls it
    #[arg(value_name = "TOOL")]
    name: String,
    /// TOOL is the URI of a resource
    #[arg(long, conflicts_with = "prompt")]
    resource: bool,
    /// TOOL is the name of a prompt
    #[arg(long)]
    prompt: bool,
}

#[derive(Subcommand, Debug)]
enum AuditCommand {
    /// Find every line that was changed, added or removed since it was written
    Verify {
        /// [default: MCP_BRIDGE_AUDIT]
        file: Option<PathBuf>,
    },
}

#[derive(Subcommand, Debug)]
enum ImageCommand {
    /// Pull an image (default: MCP_BRIDGE_IMAGE): into the engine, or with no engine into the bridge's own folder
    Pull { image: Option<String> },
    /// Build an image from a Containerfile, or from a root file system in a tar file (Podman, Docker)
    Build {
        /// A Containerfile (its folder is the context), a folder that holds one, or a .tar file; without it, python:3.14-slim
        /// with its standard library compiled
        source: Option<PathBuf>,
        /// Name for the image
        #[arg(short, long, default_value = "localhost/mcp-bridge:latest")]
        tag: String,
    },
    /// Load an image from what `docker save` or `podman save` wrote, or from an OCI layout (embedded runtime)
    Load {
        /// A .tar file, gzipped or not, or a folder
        file: PathBuf,
        /// Name for the image, where the file has none or another is wanted
        #[arg(short, long)]
        name: Option<String>,
    },
    /// Show what runs use: the image, where it is, or what stands in for it
    Path,
    /// Remove images that nothing uses: prepared ones whose base image is gone, and those that have lost their name
    Prune,
}

/// Reads the command line and does what it says; the exit code is documented in [`exit`].
pub fn main() -> Exit {
    #[cfg(target_os = "linux")]
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| crate::sandbox::embedded::KEEPERS.iter().any(|kind| first == *kind))
    {
        // Before anything else: a keeper has no settings, no log and no second thread.
        return if crate::sandbox::embedded::keep() { Exit::Success } else { Exit::Error };
    }
    if std::env::args_os().nth(1).is_some_and(|first| first == sweeper::SWEEPER) {
        // Before there is a second thread or a log: most sweepers are dismissed without having done anything.
        return sweep::main();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            // Printing fails only when nobody reads.
            let _ = error.print();
            return code;
        }
    };
    let command = match cli.command {
        Some(command) => command,
        None if !std::io::stdin().is_terminal() => Command::Serve { expose: None },
        None => {
            let _ = <Cli as clap::CommandFactory>::command().print_help();
            return Exit::Usage;
        }
    };
    let env = match environment(&command, cli.config) {
        Ok(env) => env,
        Err(problem) => {
            eprintln!("{}", paint::problem(&problem));
            return Exit::Usage;
        }
    };
    let settings = match Settings::read(&env) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{}", paint::setting(&error));
            return Exit::Usage;
        }
    };
    // What a file says for the bridge is not meant for the other commands.
    let is_said = env.clone().without_file().get("MCP_BRIDGE_LOG_LEVEL").is_some();
    let level = match command {
        // A person at a terminal asked for one thing: only what went wrong belongs beside it.
        Command::Serve { .. } | Command::Start(_) => settings.log_level.clone(),
        // Why one server cannot be had is their whole answer, and told as such.
        Command::Probe { .. } | Command::Call(_) | Command::Tools { .. } if !is_said => "error".to_owned(),
        _ if is_said => settings.log_level.clone(),
        _ => "warn".to_owned(),
    };
    crate::telemetry::init(&level, settings.log_format == crate::settings::LogFormat::Json);
    let runtime = match runtime::start() {
        Ok(runtime) => runtime,
        Err(reason) => {
            let message = format!("the bridge needs descriptors and threads to wait for events with: {reason}");
            let hint = "raise the limits on open files and threads (ulimit -n, ulimit -u)";
            eprintln!("{}", paint::failure(&message, hint, "cli.runtime"));
            return Exit::NoSandbox;
        }
    };
    let exit = runtime.block_on(async {
        match command {
            Command::Serve { .. } => serve::serve(env, settings).await,
            Command::Start(_) => start::start(env, settings).await,
            Command::Token(command) => token::token(&settings, command),
            Command::Init { file } => init::init(file),
            Command::Validate { file, json } => validate::validate(env, &file, json),
            Command::Probe { target, bearer_token, json } => {
                probe::probe(&env, &settings, &target, bearer_token, json).await
            }
            Command::Call(args) => call::call(env, settings, args).await,
            Command::Health { target } => health::health(&settings, target.as_deref()).await,
            Command::Run(args) => run::run(env, settings, args).await,
            Command::Servers { json } => servers::servers(&env, &settings, json).await,
            Command::Tools { server, full, json } => tools::tools(env, settings, &server, full, json).await,
            Command::Doctor => doctor::doctor(&env, &settings).await,
            Command::Image(command) => image::image(&env, &settings, command).await,
            Command::Install { client, yes } => install::install(&env, client.as_deref(), yes),
            Command::Uninstall { client, yes } => install::uninstall(&env, &client, yes),
            Command::Import { file } => import::import(&env, &settings, file),
            Command::Trust { servers, revoke } => trust::trust(&env, &settings, &servers, revoke),
            Command::Login { server, no_browser, scopes } => {
                login::login(&env, &settings, &server, scopes.as_deref(), !no_browser).await
            }
            Command::Logout { server } => login::logout(&env, &settings, &server).await,
            #[cfg(unix)]
            Command::Sessions { command, json } => sessions::sessions(&settings, command, json).await,
            Command::Policy(command) => policy::policy(env, settings, command).await,
            Command::Audit(AuditCommand::Verify { file }) => audit::verify(&settings, file),
            Command::Settings => settings::settings(&env),
        }
    });
    // A blocking read of a terminal cannot be cancelled; it must not hold the exit.
    runtime.shutdown_background();
    exit
}

/// The environment, with what the file and this command's flags put in its place.
fn environment(command: &Command, config: Option<PathBuf>) -> Result<Environment, Box<Problem>> {
    let env = Environment::of_process();
    let named = match command {
        // They are about a file of their own.
        Command::Init { .. } | Command::Validate { .. } => None,
        Command::Start(args) => config::file(&env, args.config.clone().or(config)),
        _ => config::file(&env, config),
    };
    let env = match named {
        Some(file) => config::with_file(env, &file, &GatewayFile::read(&file)?.keys),
        None => env,
    };
    Ok(match command {
        Command::Start(args) => args.over(env),
        Command::Serve { expose: Some(expose) } => env.with_flag("MCP_BRIDGE_EXPOSE", "--expose", expose),
        _ => env,
    })
}
