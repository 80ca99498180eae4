//! One client's session: what it hears beside its own requests. Lists that changed, resources it subscribed to, log lines.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures::future::BoxFuture;
use rmcp::service::{RequestContext, SubscriptionSink};
use rmcp::{Peer, RoleServer};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::converse::{notify, text};
use super::error::ServerError;
use super::handler::Runs;
use super::line::{Question, able};
use super::logs::Level;
use super::task_news::{self, is_wanted};
use super::tasks::Tasks;
use super::watch::{Resource, Watch};
use crate::execution::Caller;
use crate::upstream::{Client, ClientError, ClientHandle, Listener, News, Party};

/// News that wait for a client; what does not fit is dropped. Lists are read again whole, so the next one says the same.
const WAITING: usize = 256;

/// Resources that one client may watch. Editors watch what is open in them, which is tens; and each is kept here and at its server.
const MOST_WATCHED: usize = 1000;

/// Of one connection.
#[derive(Default)]
pub struct Session {
    state: Mutex<State>,
    /// Servers were told what the client can be asked.
    met: AtomicBool,
    /// Where news go, once the client is there.
    news: OnceLock<mpsc::Sender<Heard>>,
}

#[derive(Default)]
struct State {
    level: Option<Level>,
    /// What a client of the older era subscribed to.
    watching: Watching,
    /// Streams of a client of the newer era, each with what it is to tell of.
    streams: Vec<(SubscriptionSink, Watching)>,
    /// The way to a client of the newer era, as long as it listens.
    peer: Option<Peer<RoleServer>>,
    /// What a client of the older era said that it can, and the way to it.
    client: Option<(Value, Peer<RoleServer>)>,
}

/// Resources that a client hears of.
type Watching = HashMap<Resource, Watch>;

impl State {
    /// # Errors
    /// There is no room for so many watched resources more.
    fn has_room(&self, more: usize) -> Result<(), ServerError> {
        let streams = self.streams.iter().map(|(_, watching)| watching.len());
        let watched = self.watching.len() + streams.sum::<usize>();
        if watched + more > MOST_WATCHED { Err(ServerError::TooManyWatched { most: MOST_WATCHED }) } else { Ok(()) }
    }
}

enum Heard {
    Note(String, Option<String>),
    Question(Question),
}

impl Session {
    /// A client of the older era is there: it hears from now on.
    pub(super) fn begins(self: &Arc<Self>, context_peer: &Peer<RoleServer>) {
        let capabilities = context_peer.peer_info().map(|info| serde_json::to_value(&info.capabilities));
        let capabilities = capabilities.and_then(Result::ok).unwrap_or_default();
        self.state().client = Some((capabilities, context_peer.clone()));
        self.listen();
    }

    pub(super) fn is_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }

    pub(super) fn meet(&self) {
        self.met.store(true, Ordering::Relaxed);
    }

    /// Begins to pass news on, once.
    fn listen(self: &Arc<Self>) {
        let mut ours = None;
        self.news.get_or_init(|| {
            let (news, heard) = mpsc::channel(WAITING);
            ours = Some(heard);
            news
        });
        let Some(mut heard) = ours else { return };
        let session = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(heard) = heard.recv().await {
                let Some(session) = session.upgrade() else { return };
                session.pass_on(heard).await;
            }
        });
    }

    /// # Errors
    /// The client would watch more than it may.
    pub(super) fn has_room(&self, more: usize) -> Result<(), ServerError> {
        self.state().has_room(more)
    }

    /// By this way the streams of a client of the newer era are told.
    pub(super) fn speaks_to(&self, peer: &Peer<RoleServer>) {
        self.state().peer = Some(peer.clone());
    }

    /// A subscription of a client of the newer era, until it ends.
    ///
    /// # Errors
    /// The client would watch more than it may.
    pub(super) async fn streams(
        self: &Arc<Self>,
        sink: SubscriptionSink,
        watching: Watching,
        ended: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        self.listen();
        let id = sink.id().clone();
        {
            let mut state = self.state();
            state.has_room(watching.len())?;
            state.streams.push((sink, watching));
        }
        ended.await;
        self.state().streams.retain(|(stream, _)| *stream.id() != id);
        Ok(())
    }

    pub(super) fn level(&self) -> Option<Level> {
        self.state().level
    }

    pub(super) fn set_level(&self, level: Level) {
        self.state().level = Some(level);
    }

    /// # Errors
    /// The client would watch more than it may.
    pub(super) fn subscribe(&self, resource: Resource, watch: Watch) -> Result<Option<Watch>, ServerError> {
        let mut state = self.state();
        if !state.watching.contains_key(&resource) {
            state.has_room(1)?;
        }
        Ok(state.watching.insert(resource, watch))
    }

    pub(super) fn unsubscribe(&self, resource: &Resource) {
        self.state().watching.remove(resource);
    }

    /// The same by the URI that the client knows, which may not be there for it any more. Whether it was watched.
    pub(super) fn unsubscribe_from(&self, shown: &str) -> bool {
        let watching = &mut self.state().watching;
        let before = watching.len();
        watching.retain(|_, watch| watch.shown != shown);
        watching.len() < before
    }

    /// The URI under which the client knows a resource that it watches.
    fn knows(&self, server: &str, uri: &str) -> Option<String> {
        let (state, resource) = (self.state(), (server.to_owned(), uri.to_owned()));
        let all = std::iter::once(&state.watching).chain(state.streams.iter().map(|(_, watching)| watching));
        let mut found = all.filter_map(|watching| watching.get(&resource));
        found.next().map(|watch| watch.shown.clone())
    }

    async fn pass_on(&self, heard: Heard) {
        let (client, streams, listens) = {
            let state = self.state();
            let streams: Vec<_> = state.streams.iter().map(|(stream, _)| stream.clone()).collect();
            (state.client.clone(), streams, state.peer.clone())
        };
        match heard {
            Heard::Note(method, params) => {
                for stream in streams {
                    // One that did not ask for this, or ended, does not get it.
                    let _ = match method.as_str() {
                        "notifications/tools/list_changed" => stream.notify_tool_list_changed().await,
                        "notifications/prompts/list_changed" => stream.notify_prompt_list_changed().await,
                        "notifications/resources/list_changed" => stream.notify_resource_list_changed().await,
                        "notifications/resources/updated" => {
                            stream.notify_resource_updated(updated(params.as_deref()).unwrap_or_default()).await
                        }
                        task_news::METHOD => {
                            let wanted = params.as_deref().filter(|said| is_wanted(stream.accepted(), said));
                            if let (Some(peer), Some(said)) = (&listens, wanted) {
                                notify(peer, &method, task_news::on_stream(said, stream.id())).await;
                            }
                            Ok(())
                        }
                        _ => Ok(()),
                    };
                }
                if let Some((_, peer)) = client {
                    notify(&peer, &method, params).await;
                }
            }
            Heard::Question(question) => match client {
                Some((_, peer)) => drop(tokio::spawn(super::converse::ask(peer, question))),
                None => drop(question.reply.send(Err(ClientError::Gone))),
            },
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, heard: Heard) {
        if let Some(news) = self.news.get() {
            // Dropped where the client does not read.
            let _ = news.try_send(heard);
        }
    }
}

/// A session as servers know it: held by the bridge, and gone with the connection.
pub(super) struct Ear {
    pub session: Arc<Session>,
    pub runs: Arc<dyn Runs>,
    pub caller: Caller,
    pub tasks: Arc<Tasks>,
    /// Whether the client is offered anything of the servers' own.
    pub hears: bool,
}

impl Listener for Ear {
    fn hear(&self, server: &str, news: &News) {
        let view = self.runs.shared().view(self.caller.who());
        if !self.hears || !view.shows_server(server) {
            return;
        }
        let (method, params) = match news {
            News::ToolsChanged => ("notifications/tools/list_changed", None),
            News::PromptsChanged => ("notifications/prompts/list_changed", None),
            News::ResourcesChanged => ("notifications/resources/list_changed", None),
            News::ResourceUpdated { uri } => {
                // The rules may be others than when it was subscribed to.
                let is_there = !view.decide_resource(server, uri).is_denied();
                let Some(shown) = self.session.knows(server, uri).filter(|_| is_there) else { return };
                ("notifications/resources/updated", Some(json!({"uri": shown}).to_string()))
            }
            News::Task { id, params } => {
                let Some(said) = self.of_task(server, id, params) else { return };
                (task_news::METHOD, Some(said))
            }
            News::Log(params) => {
                // They may be about anything of the server's.
                if !view.shows_all(server) || Level::of(Some(params)) < self.session.level() {
                    return;
                }
                ("notifications/message", text(Some(params.clone())))
            }
        };
        self.session.push(Heard::Note(method.to_owned(), params));
    }

    fn lists_changed(&self) {
        let lists = ["tools", "prompts", "resources"].into_iter().filter(|_| self.hears);
        for list in lists {
            self.session.push(Heard::Note(format!("notifications/{list}/list_changed"), None));
        }
    }

    fn client(&self, server: &str) -> Option<ClientHandle> {
        self.session.state().client.as_ref()?;
        if !self.runs.shared().view(self.caller.who()).shows_server(server) {
            return None;
        }
        Some(ClientHandle(Arc::new(Whole { session: Arc::clone(&self.session), hears: self.hears })))
    }
}

impl Ear {
    /// What a server says of a task of this client's, whose tool is still there for it.
    fn of_task(&self, server: &str, id: &str, said: &RawValue) -> Option<String> {
        let (shown, task) = self.tasks.passed.shown(server, id)?;
        let view = self.runs.shared().view(task.caller.who());
        if view.decide(server, &task.tool, None).is_denied() {
            return None;
        }
        task.is_said(said);
        task_news::renamed(said, &shown)
    }
}

/// The client of a session, outside of any request.
struct Whole {
    session: Arc<Session>,
    hears: bool,
}

impl Client for Whole {
    fn capabilities(&self) -> Value {
        self.session.state().client.as_ref().map(|(capabilities, _)| capabilities.clone()).unwrap_or_default()
    }

    fn request<'a>(
        &'a self,
        method: &'a str,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<Box<RawValue>, ClientError>> {
        Box::pin(async move {
            let method = method.to_owned();
            if !able(&self.capabilities(), &method) {
                return Err(ClientError::Unable { method });
            }
            let (reply, answer) = tokio::sync::oneshot::channel();
            self.session.push(Heard::Question(Question { method, params, reply }));
            answer.await.unwrap_or(Err(ClientError::Gone))
        })
    }

    fn party(&self) -> Party {
        Party::Session(Arc::as_ptr(&self.session).addr())
    }

    fn notify(&self, method: &str, params: Option<Box<RawValue>>) {
        if self.hears {
            self.session.push(Heard::Note(method.to_owned(), text(params)));
        }
    }
}

/// The resource that was updated.
fn updated(params: Option<&str>) -> Option<String> {
    #[derive(Deserialize)]
    struct Updated {
        uri: String,
    }
    serde_json::from_str::<Updated>(params?).ok().map(|updated| updated.uri)
}

/// The level of log lines that a request of the newer era asks for.
pub(super) fn asked_level(context: &RequestContext<RoleServer>) -> Option<Level> {
    context.meta.get("io.modelcontextprotocol/logLevel").and_then(Value::as_str).and_then(Level::named)
}
