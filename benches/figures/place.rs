//! Where programs run: an engine, or the embedded sandbox as somebody and in one of its two ways.

use std::process::Command;

use super::bridge::{Bridge, Home};
use super::cold::IMAGE;
use super::engine::Engine;
use super::plain::PATH;
use super::user::User;

#[derive(Clone)]
pub enum Place {
    Engine(Engine),
    Embedded { user: User, fork: bool },
}

impl Place {
    /// Engines that have the image of the tests, then the embedded sandbox in all ways.
    pub fn all() -> Vec<Self> {
        let embedded = User::all().into_iter().flat_map(|user| [true, false].map(|fork| Self::Embedded { user, fork }));
        Self::engines().into_iter().chain(embedded).collect()
    }

    /// The same with the embedded sandbox as it is by default: forked.
    pub fn usual() -> Vec<Self> {
        let embedded = User::all().into_iter().map(|user| Self::Embedded { user, fork: true });
        Self::engines().into_iter().chain(embedded).collect()
    }

    /// The same with the embedded sandbox once: where who it runs as makes no difference.
    pub fn one_of_each() -> Vec<Self> {
        let embedded = User::all().into_iter().take(1).map(|user| Self::Embedded { user, fork: true });
        Self::engines().into_iter().chain(embedded).collect()
    }

    fn engines() -> Vec<Self> {
        let has = |engine: &Engine| {
            let has = engine.has(IMAGE);
            if !has {
                eprintln!("left out: {}, which does not have {IMAGE}; .ci/images builds it", engine.name);
            }
            has
        };
        Engine::all().into_iter().filter(has).map(Self::Engine).collect()
    }

    pub fn name(&self) -> String {
        match self {
            Self::Engine(engine) => engine.name.into(),
            Self::Embedded { user, fork: true } => format!("embedded, {}", user.name),
            Self::Embedded { user, fork: false } => format!("embedded, {}, not forked", user.name),
        }
    }

    pub fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Engine(engine) => Some(engine),
            Self::Embedded { .. } => None,
        }
    }

    pub fn user(&self) -> Option<User> {
        match self {
            Self::Engine(_) => None,
            Self::Embedded { user, .. } => Some(*user),
        }
    }

    /// A bridge that runs programs here, with these settings beside the defaults.
    pub fn serve(&self, home: Home, settings: &[(&str, &str)]) -> Bridge {
        self.serve_image(home, IMAGE, settings)
    }

    /// The same with another image, where images matter.
    pub fn serve_image(&self, home: Home, image: &str, settings: &[(&str, &str)]) -> Bridge {
        let home = match self.user() {
            Some(user) => home.of(user),
            None => home,
        };
        let mut command = self.command(&home, image, &["serve"]);
        Bridge::start(home, command.envs(settings.iter().copied()))
    }

    /// `mcp-bridge WORDS` that runs programs here.
    pub fn command(&self, home: &Home, image: &str, words: &[&str]) -> Command {
        let mut command = home.command(words);
        match self {
            Self::Engine(engine) => {
                let variable = if engine.name == "docker" { "DOCKER_HOST" } else { "CONTAINER_HOST" };
                command.env("MCP_BRIDGE_RUNTIME", engine.name).env(variable, &engine.endpoint);
                command.env("MCP_BRIDGE_IMAGE", image);
            }
            Self::Embedded { user, fork } => {
                // The default image, which was never pulled here, stands for the host's Python.
                command.env("MCP_BRIDGE_RUNTIME", "embedded").env("PATH", PATH);
                command.env("MCP_BRIDGE_FORK", if *fork { "always" } else { "off" });
                user.runs(&mut command);
            }
        }
        command
    }
}
