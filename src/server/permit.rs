//! By what right, and on whose account, something of a server's own is used directly.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};

use super::Bridge;
use super::handler::Runs;
use crate::access::{Decision, Ruled, View};
use crate::audit::{Account, Kind, Record};
use crate::broker::{self, CalledBy, Shared};
use crate::execution::Caller;
use crate::gateway::Granted;
use crate::upstream::ClientHandle;

/// What one request of a client may see, and where its line goes.
pub(super) struct Permit {
    pub shared: Arc<Shared>,
    pub view: Arc<View>,
    pub caller: Caller,
    /// Of the tool that is called, where the rules are asked about it again.
    pub annotations: Option<Value>,
    account: Account,
}

/// Why a use that is allowed is not made after all.
pub(super) struct Withheld {
    pub message: String,
    pub code: &'static str,
    /// What held at last.
    pub ruled: Ruled,
}

impl Bridge {
    /// What this caller may see now.
    pub(super) fn permit(&self, caller: &Caller) -> Permit {
        Permit::of(&*self.runs, caller)
    }
}

impl Permit {
    pub fn of(runs: &dyn Runs, caller: &Caller) -> Self {
        let shared = runs.shared();
        let view = shared.view(caller.who());
        let account = shared.account(caller.who());
        Self { shared, view, caller: caller.clone(), annotations: None, account }
    }

    pub fn granted(&self, ruled: &Ruled) -> Granted {
        let (account, view) = (self.account.clone(), Arc::clone(&self.view));
        Granted { account, view, decision: ruled.decision.word(), rule: ruled.rule.clone() }
    }

    /// Waits until a call may be made: the client has said yes where it is to be asked, and it is the caller's turn. What holds by then.
    pub async fn wait(
        &self,
        mut ruled: Ruled,
        client: &ClientHandle,
        (server, tool): (&str, &str),
        arguments: &Map<String, Value>,
        deadline: Instant,
    ) -> Result<Ruled, Withheld> {
        let withheld = |ruled: &Ruled, message: String, hint: Option<String>, code| Withheld {
            message: hint.map_or(message.clone(), |hint| format!("{message}; {hint}")),
            code,
            ruled: ruled.clone(),
        };
        if ruled.decision == Decision::Ask {
            let (by, caller) = (CalledBy::Client, self.view.caller());
            let asked = broker::approve(Some(client), by, caller, (server, tool), arguments, deadline).await;
            asked.map_err(|refusal| withheld(&ruled, refusal.message, refusal.hint, refusal.code))?;
            // Whoever was asked took their time, and the rules may be others by now.
            ruled = self.shared.view(caller).decide(server, tool, self.annotations.as_ref());
            if ruled.is_denied() {
                let gone = broker::withdrawn(server, tool);
                return Err(withheld(&ruled, gone.message, gone.hint, gone.code));
            }
        }
        let turn = self.shared.access().quotas().call_turn(&self.view, deadline);
        if let Some(turn) =
            turn.map_err(|error| withheld(&ruled, error.to_string(), Some(error.hint().into()), error.code()))?
        {
            sleep_until(turn).await;
        }
        Ok(ruled)
    }

    /// Records a use that is not made: who asked for it hears why, or that there is no such thing.
    pub async fn note(
        &self,
        kind: Kind,
        server: &str,
        name: &str,
        ruled: &Ruled,
        code: &str,
        passed: &Map<String, Value>,
    ) {
        let record = Record::not_made(kind, server, name, ruled.decision.word(), &ruled.rule, code);
        self.account.write(Record { passed: self.account.passed(passed), ..record }).wait().await;
    }
}
