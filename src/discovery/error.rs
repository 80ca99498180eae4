//! What can go wrong while configuration is read; each with a stable code and one thing to do.
//!
//! No variant carries a value out of a file: names of fields and kinds of values only, because values may be secrets.

use std::io;

/// Why a file, an entry or an answer could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    #[error("the file cannot be read: {kind}")]
    Unreadable { kind: io::ErrorKind },
    #[error("this is a symbolic link that leads nowhere")]
    Dangling,
    #[error("a regular file is wanted; this is a directory, a device or a pipe")]
    NotAFile,
    #[error("the file is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the text is not UTF-8")]
    NotUtf8,
    #[error("this is not {syntax}: {message}")]
    Syntax { syntax: &'static str, message: String },
    #[error(
        "there are comments or trailing commas in it; its owner takes JSON to the letter and refuses the whole file"
    )]
    NotStrict,
    #[error("values are nested deeper than {limit} levels")]
    TooDeep { limit: usize },
    #[error("`{field}` should be an object; found {found}")]
    WrongRoot { field: String, found: &'static str },
    #[error("the file had something in it and is empty now")]
    Emptied,
    #[error("there is no `mcpServers` object in the file")]
    NoServers,
    #[error("the servers stand under `{found}`; they are read under `{wanted}`")]
    ServersKey { found: String, wanted: String },
    #[error("the servers stand at the top of the file; this client reads them under `mcpServers`")]
    FlatRoot,
    #[error("server `{name}`: {flaw}")]
    Entry { name: String, flaw: String },
    #[error("the folder cannot be read: {kind}")]
    FolderUnreadable { kind: io::ErrorKind },
    #[error("the folder holds more than {limit} config files; the rest are not read")]
    TooManyFiles { limit: usize },
    #[error("there is no such file")]
    ExplicitMissing,
    #[error("there is no such file")]
    ConfigMissing,
    #[error("`{name}` stands twice in one object; only the last one counts")]
    Twice { name: String },
    #[error("this bridge was started by another mcp-bridge, so it looks for no servers of its own")]
    Chained,
    #[error("{} bridges have started each other in a row, so this one looks for no servers", crate::chain::DEEPEST)]
    TooManyBridges,
    #[error("answers about project servers cannot be stored: {kind}")]
    TrustUnwritable { kind: io::ErrorKind },
    #[error("the file of answers about project servers is not in a form this version knows")]
    TrustUnknown,
    #[error("the file of answers about project servers can be written by other users")]
    TrustExposed,
    #[error("an answer can be kept only for a file whose path is Unicode text")]
    TrustPath,
}

impl DiscoveryError {
    /// A name that stays the same between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "discovery.unreadable",
            Self::Dangling => "discovery.dangling",
            Self::NotAFile => "discovery.not_a_file",
            Self::TooLarge { .. } => "discovery.too_large",
            Self::NotUtf8 => "discovery.not_utf8",
            Self::Syntax { .. } => "discovery.syntax",
            Self::NotStrict => "discovery.not_strict",
            Self::TooDeep { .. } => "discovery.too_deep",
            Self::WrongRoot { .. } => "discovery.wrong_root",
            Self::Emptied => "discovery.emptied",
            Self::NoServers => "discovery.no_servers",
            Self::ServersKey { .. } => "discovery.servers_key",
            Self::FlatRoot => "discovery.flat_root",
            Self::Entry { .. } => "discovery.entry",
            Self::FolderUnreadable { .. } => "discovery.folder_unreadable",
            Self::TooManyFiles { .. } => "discovery.too_many_files",
            Self::ExplicitMissing | Self::ConfigMissing => "discovery.explicit_missing",
            Self::Twice { .. } => "discovery.twice",
            Self::Chained => "discovery.chained",
            Self::TooManyBridges => "discovery.too_many_bridges",
            Self::TrustUnwritable { .. } => "discovery.trust_unwritable",
            Self::TrustUnknown => "discovery.trust_unknown",
            Self::TrustExposed => "discovery.trust_exposed",
            Self::TrustPath => "discovery.trust_path",
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "make the file readable for the user who runs mcp-bridge",
            Self::Dangling => "make the file that it leads to, or remove the link",
            Self::NotAFile => "put a JSON file in its place, or remove it",
            Self::TooLarge { .. } => "split the file, or take what is not about servers out of it",
            Self::NotUtf8 => "save the file as UTF-8",
            Self::Syntax { syntax: "JSON", .. } => {
                "correct the JSON; comments and trailing commas are not allowed here"
            }
            Self::Syntax { .. } => "correct the line that is named",
            Self::NotStrict => "take comments and trailing commas out of the file",
            Self::TooDeep { .. } => "take the deeply nested value out of the file",
            Self::WrongRoot { .. } => r#"write it as {"name": {"command": "..."}}"#,
            Self::Emptied => "write what belongs there, or remove the file",
            Self::NoServers | Self::FlatRoot => r#"put the servers into {"mcpServers": { ... }}"#,
            Self::ServersKey { found, wanted } => return format!("rename the key `{found}` to `{wanted}`"),
            Self::Entry { .. } => "correct the entry; the other servers of the file are used meanwhile",
            Self::FolderUnreadable { .. } => "make the folder readable for the user who runs mcp-bridge, or remove it",
            Self::TooManyFiles { .. } => "put several servers into one file",
            Self::ExplicitMissing => {
                "correct the path where it is named: on the command line, or in MCP_SERVERS_CONFIG"
            }
            Self::ConfigMissing => {
                "correct the path, or write the file: `mcp-bridge init FILE` makes one to begin with"
            }
            Self::Twice { .. } => "rename one of them, or take it out",
            Self::Chained => "remove mcp-bridge from the inner list, or set MCP_BRIDGE_ALLOW_SELF_SERVER=1",
            Self::TooManyBridges => "take mcp-bridge out of the config files that the inner bridges read",
            Self::TrustUnwritable { .. } => "make MCP_BRIDGE_STATE_DIR a folder that can be written to",
            Self::TrustUnknown => "remove trust.json from the state folder and approve the servers again",
            Self::TrustExposed => "run `chmod 600` on trust.json in the state folder after checking what it says",
            Self::TrustPath => "move the project to a folder whose name is Unicode text",
        }
        .into()
    }
}
