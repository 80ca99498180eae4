//! One server's tools, and everything the bridge says about them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::repeats::Repeats;
use super::tool::{CompiledTool, ToolDefinition};
use super::{alias, stub};
use crate::nearest;

/// How much of a tool's documentation is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Name,
    /// Signature and first sentence.
    Summary,
    /// Signature, whole description, parameters.
    Full,
}

impl Detail {
    /// From the word a program passes as `detail`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "name" => Some(Self::Name),
            "summary" => Some(Self::Summary),
            "full" => Some(Self::Full),
            _ => None,
        }
    }

    /// The documentation of one tool in this size.
    pub fn doc(self, tool: &CompiledTool) -> Map<String, Value> {
        match self {
            Self::Name => stub::name_doc(tool),
            Self::Summary => stub::summary_doc(tool),
            Self::Full => stub::full_doc(tool),
        }
    }
}

/// What a server offers. Made when its tools are listed, never changed; a caller's view is another one, by [`Self::retain`].
#[derive(Clone, Debug)]
pub struct ServerCatalog {
    pub name: String,
    /// Programs write `mcp_<alias>`.
    pub alias: String,
    pub description: Option<String>,
    /// What the server itself says about how to use it.
    pub instructions: Option<String>,
    tools: Vec<Arc<CompiledTool>>,
    /// Names and aliases of tools, to their positions.
    known: HashMap<String, usize>,
}

impl ServerCatalog {
    /// Of several tools with one name, the first is kept: a call could only ever reach one of them.
    pub fn new(
        name: impl Into<String>,
        alias: impl Into<String>,
        description: Option<String>,
        instructions: Option<String>,
        mut definitions: Vec<ToolDefinition>,
    ) -> Self {
        let mut seen = std::collections::HashSet::new();
        definitions.retain(|definition| seen.insert(definition.name.clone()));
        let names: Vec<&str> = definitions.iter().map(|definition| definition.name.as_str()).collect();
        let aliases = alias::assign(&names);
        let tools = definitions
            .into_iter()
            .zip(aliases)
            .map(|(definition, alias)| Arc::new(CompiledTool::new(definition, alias)))
            .collect();
        Self::of(name.into(), alias.into(), description, instructions, tools)
    }

    fn of(
        name: String,
        alias: String,
        description: Option<String>,
        instructions: Option<String>,
        tools: Vec<Arc<CompiledTool>>,
    ) -> Self {
        let mut known = HashMap::new();
        for (at, tool) in tools.iter().enumerate() {
            known.insert(tool.alias.clone(), at);
            known.insert(tool.definition.name.clone(), at);
        }
        Self { name, alias, description, instructions, tools, known }
    }

    /// The same server with only the tools that `keep` accepts. Aliases stay what they were.
    pub fn retain(&self, keep: impl Fn(&ToolDefinition) -> bool) -> Self {
        let tools = self.tools.iter().filter(|tool| keep(&tool.definition)).map(Arc::clone).collect();
        let (name, alias) = (self.name.clone(), self.alias.clone());
        Self::of(name, alias, self.description.clone(), self.instructions.clone(), tools)
    }

    /// In the order the server lists them.
    pub fn tools(&self) -> &[Arc<CompiledTool>] {
        &self.tools
    }

    /// The tool of this name or alias; `""` means the only tool of a server that has one.
    pub fn tool(&self, asked: &str) -> Option<&Arc<CompiledTool>> {
        match (asked, self.tools.as_slice()) {
            ("", [only]) => Some(only),
            _ => self.known.get(asked).and_then(|at| self.tools.get(*at)),
        }
    }

    /// The tool of exactly this original name.
    pub fn tool_by_name(&self, name: &str) -> Option<&Arc<CompiledTool>> {
        self.tool(name).filter(|tool| tool.definition.name == name)
    }

    /// The alias of the tool that was probably meant.
    pub fn nearest_tool(&self, asked: &str) -> Option<&str> {
        nearest::nearest(asked, self.tools.iter().map(|tool| tool.alias.as_str()))
    }

    /// `{name, alias, description, state, loaded, tools}`; `tools` is their number.
    pub fn metadata(&self, state: &str, loaded: bool) -> Value {
        json!({
            "name": self.name, "alias": self.alias, "description": self.description, "state": state, "loaded": loaded,
            "tools": self.tools.len(),
        })
    }

    /// `{name, alias, description, instructions, tools}`, each tool with its schemas as the server wrote them.
    pub fn describe(&self) -> Value {
        let tools: Vec<Value> = self.tools.iter().map(|tool| described(tool)).collect();
        json!({
            "name": self.name, "alias": self.alias, "description": self.description,
            "instructions": self.instructions, "tools": tools,
        })
    }

    /// `{name, alias, signature, description}` of each tool; the description is its first sentence.
    pub fn list_tools(&self) -> Value {
        self.tools
            .iter()
            .map(|tool| {
                json!({
                    "name": tool.definition.name, "alias": tool.alias, "signature": tool.signature(),
                    "description": stub::first_sentence(tool),
                })
            })
            .collect()
    }

    /// The docs of one tool, or of all; none if there is no such tool. Full docs of all say each long line once.
    pub fn docs(&self, tool: Option<&str>, detail: Detail) -> Option<Vec<Value>> {
        if let Some(asked) = tool {
            return self.tool(asked).map(|tool| vec![Value::Object(detail.doc(tool))]);
        }
        let mut repeats = Repeats::default();
        let docs = self.tools.iter().map(|tool| {
            let mut doc = detail.doc(tool);
            if detail == Detail::Full {
                repeats.shorten(&tool.alias, &mut doc);
            }
            Value::Object(doc)
        });
        Some(docs.collect())
    }
}

fn described(tool: &CompiledTool) -> Value {
    let mut description = json!({
        "name": tool.definition.name, "alias": tool.alias, "description": stub::description(tool),
        "signature": tool.signature(), "input_schema": tool.definition.input_schema,
    });
    if let Some(output) = &tool.definition.output_schema {
        description["output_schema"] = output.clone();
    }
    description
}

/// What a program reads first: which servers are there, how to find a tool, how to call it. Stays short however many
/// servers there are. `names` are the aliases of all servers the program may use; `loaded`, the catalogs read so far.
pub fn capability_summary(names: &[&str], loaded: &[Arc<ServerCatalog>]) -> String {
    /// Server names shown before the rest is only counted.
    const SHOWN: usize = 20;
    if names.is_empty() {
        return "No MCP servers are configured. Plain Python works.".to_owned();
    }
    let mut shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|alias| match loaded.iter().find(|server| server.alias == *alias) {
            Some(server) => format!("mcp_{alias} ({} tools)", server.tools().len()),
            None => format!("mcp_{alias}"),
        })
        .collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more: await runtime.list_servers()", names.len() - SHOWN));
    }
    let example = loaded.iter().find_map(|server| Some((server, server.tools().first()?)));
    let call = match example {
        Some((server, tool)) => format!("await mcp_{}.{}", server.alias, tool.signature()),
        None => format!("await mcp_{}.tool(argument=value)", names[0]),
    };
    format!(
        "{} MCP servers: {}.\nFind tools: await runtime.search_tool_docs('what you need'). \
         One server's: await runtime.query_tool_docs('{}').\nCall: {call}",
        names.len(),
        shown.join(", "),
        names[0],
    )
}
