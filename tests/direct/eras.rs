//! Clients of both eras: the older one shakes hands, the newer one says everything with each request.

use std::sync::mpsc::channel;

use serde_json::{Value, json};

use crate::exact;
use crate::support::{Client, Home, repo};
use crate::ways::{Transport, listen};
use crate::web::Web;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Era {
    Older,
    Newer,
}

impl Era {
    pub const BOTH: [Self; 2] = [Self::Older, Self::Newer];

    pub fn word(self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::Newer => "newer",
        }
    }
}

/// A home with `wide.py` of this era under a name.
pub fn with_wide(home: Home, era: Era, name: &str) -> Home {
    let script = repo().join("tests/direct/wide.py");
    home.server(name, &json!({"command": "python3", "args": [script, era.word(), name]}))
}

/// A home with one, whose bridge offers tools.
pub fn wide(era: Era) -> Home {
    with_wide(Home::new().env("MCP_BRIDGE_EXPOSE", "tools"), era, "wide")
}

pub fn fixture_entry(era: Era) -> Value {
    let script = repo().join("tests/support/fixture_server.py");
    let year = if era == Era::Older { "2025" } else { "2026" };
    json!({"command": "python3", "args": [script, "--era", year], "env": {"PYTHONDONTWRITEBYTECODE": "1"}})
}

/// What a client says that it can.
pub fn capabilities() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {"listChanged": true}})
}

/// A client of one era on a bridge, over either transport.
pub struct Talker {
    pub client: Client,
    pub era: Era,
    capabilities: Value,
}

impl Talker {
    pub fn new(era: Era, home: &Home) -> Self {
        Self::able(era, home, capabilities())
    }

    pub fn able(era: Era, home: &Home, capabilities: Value) -> Self {
        Self::over(Transport::Stdio, era, home, capabilities)
    }

    pub fn over(transport: Transport, era: Era, home: &Home, capabilities: Value) -> Self {
        let mut client = match transport {
            Transport::Stdio => Client::start_raw(home.command(&["serve"])),
            Transport::Http => {
                let ((bridge, port, log), (sender, lines)) = (listen(home, &[]), channel());
                Client::over(bridge, Web::new(port, sender), lines, log)
            }
        };
        if era == Era::Older {
            client.initialize_with(capabilities.clone());
        }
        Self { client, era, capabilities }
    }

    fn dressed(&self, mut params: Value) -> Value {
        if self.era == Era::Newer {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "1"});
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        }
        params
    }

    pub fn send(&mut self, method: &str, params: Value) -> u64 {
        let params = self.dressed(params);
        self.client.send(method, params)
    }

    /// A request whose empty `arguments` become these.
    pub fn send_written(&mut self, method: &str, params: Value, arguments: &str) -> u64 {
        let params = exact::written(&self.dressed(params), arguments);
        self.client.send_text(method, &params)
    }

    #[track_caller]
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let params = self.dressed(params);
        let mut result = self.client.request(method, params);
        // What the newer era adds to every result is looked at once, here.
        if self.era == Era::Newer {
            assert_eq!(result["resultType"], "complete", "{result}");
            let fields = result.as_object_mut().expect("an object");
            ["resultType", "ttlMs", "cacheScope"].iter().for_each(|key| drop(fields.remove(*key)));
        }
        assert!(result.get("resultType").is_none() && result.get("ttlMs").is_none(), "{result}");
        result
    }

    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Calls a tool, and answers what the server asks meanwhile by `answer`, which gets method and params.
    #[track_caller]
    pub fn call_answering(&mut self, params: Value, mut answer: impl FnMut(&str, &Value) -> Value) -> Value {
        let mut again = params.clone();
        let mut id = self.send("tools/call", again.clone());
        loop {
            if self.era == Era::Older {
                match self.client.question_or_response(id) {
                    Ok(response) => return response,
                    Err(question) => {
                        let method = question["method"].as_str().expect("a method");
                        let result = answer(method, &question["params"]);
                        self.client
                            .send_line(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result}).to_string());
                    }
                }
                continue;
            }
            let response = self.client.response(id);
            let result = &response["result"];
            if result["resultType"] != "input_required" {
                return response;
            }
            let requests = result["inputRequests"].as_object().expect("questions").clone();
            let answers = requests.into_iter().map(|(key, question)| {
                let result = answer(question["method"].as_str().expect("a method"), &question["params"]);
                (key, result)
            });
            again["inputResponses"] = Value::Object(answers.collect());
            again["requestState"] = result["requestState"].clone();
            id = self.send("tools/call", again.clone());
        }
    }
}
