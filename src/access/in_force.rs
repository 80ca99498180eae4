//! The rules in force, and what they say of servers that are not there.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::quota::Quotas;
use super::rules::Rules;
use super::view::View;

/// The rules in force, if there are any, and what was used under them. One a bridge; runs keep the view they began with.
#[derive(Debug)]
pub struct Access {
    rules: watch::Sender<Option<Arc<Rules>>>,
    quotas: Arc<Quotas>,
}

impl Access {
    /// `None`: there are no rules, and everybody may do everything.
    pub fn new(rules: Option<Rules>) -> Self {
        Self { rules: watch::Sender::new(rules.map(Arc::new)), quotas: Arc::default() }
    }

    /// What a caller that asks now may see and use.
    pub fn view(&self, caller: &str) -> Arc<View> {
        Arc::new(match &*self.rules.borrow() {
            None => View::of_everything(caller),
            Some(rules) => View::of(rules, caller),
        })
    }

    /// From now on these rules count; who listens is told. Whether they are others than before.
    pub fn replace(&self, rules: Rules) -> bool {
        self.rules.send_if_modified(|now| {
            let differs = now.as_deref() != Some(&rules);
            if differs {
                *now = Some(Arc::new(rules));
            }
            differs
        })
    }

    /// Told of every change of the rules: what a client was shown may be there no more, or may be more now.
    pub fn changes(&self) -> watch::Receiver<Option<Arc<Rules>>> {
        self.rules.subscribe()
    }

    /// The rules themselves.
    pub fn rules(&self) -> Option<Arc<Rules>> {
        self.rules.borrow().clone()
    }

    pub fn quotas(&self) -> &Arc<Quotas> {
        &self.quotas
    }
}

/// A rule that names a server which is not there. It counts for nobody until one of that name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The entry it stands in.
    pub caller: String,
    pub server: String,
    /// The name of the server that is called so in programs.
    pub alias_of: Option<String>,
    pub nearest: Option<String>,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caller, server, alias_of, nearest } = self;
        match (alias_of, nearest) {
            (Some(name), _) => write!(
                f,
                "the rules of {caller:?} name server {server:?}, which is an alias: rules go by names, and its name is {name:?}"
            ),
            (None, Some(near)) => {
                write!(f, "the rules of {caller:?} name server {server:?}, which is not there; did you mean {near:?}?")
            }
            (None, None) => write!(f, "the rules of {caller:?} name server {server:?}, which is not there"),
        }
    }
}

/// Every rule that names a server which is not among `names`; `resolve` gives the name that an alias stands for.
pub fn strangers<'a>(rules: &Rules, names: &[String], resolve: impl Fn(&str) -> Option<&'a str>) -> Vec<Stranger> {
    let is_there = |server: &str| names.iter().any(|name| name == server);
    let stranger = |(caller, server): (&str, &str)| Stranger {
        caller: caller.to_owned(),
        server: server.to_owned(),
        alias_of: resolve(server).map(str::to_owned),
        nearest: crate::nearest::nearest(server, names.iter().map(String::as_str)).map(str::to_owned),
    };
    rules.named_servers().into_iter().filter(|(_, server)| !is_there(server)).map(stranger).collect()
}
