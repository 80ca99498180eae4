//! `runtime-py` inside the binary: the loader for the command line and the boot block for the pipe.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value};

/// Text after `python3 -c`: reads the boot block from fd 0 and executes it.
const LOADER: &str = include_str!("../../runtime-py/mcp_bridge_guest/loader.py");
const BOOT: &str = include_str!("../../runtime-py/mcp_bridge_guest/boot.py");

macro_rules! module {
    ($name:literal) => {
        (concat!("mcp_bridge_guest.", $name), include_str!(concat!("../../runtime-py/mcp_bridge_guest/", $name, ".py")))
    };
}

/// Every module of the guest; a test holds this list to the folder.
const MODULES: &[(&str, &str)] = &[
    ("mcp_bridge_guest", include_str!("../../runtime-py/mcp_bridge_guest/__init__.py")),
    module!("calls"),
    module!("channel"),
    module!("content"),
    module!("counters"),
    module!("descriptors"),
    module!("errors"),
    module!("files"),
    module!("frames"),
    module!("hints"),
    module!("modules"),
    module!("nested_loop"),
    module!("nursery"),
    module!("plain"),
    module!("program"),
    module!("proxies"),
    module!("records"),
    module!("report"),
    module!("runtime_api"),
    module!("split"),
    module!("streams"),
    module!("supervisor"),
    module!("worker"),
];

/// The command of PID 1. `-I`: nothing of the environment or the working directory is imported; `-B`: the root is read-only;
/// `-u`: a crash before the guest runs is not lost in a buffer.
pub fn command() -> Vec<String> {
    ["python3", "-I", "-B", "-u", "-c", LOADER].map(str::to_owned).into()
}

/// The first bytes on the guest's input: length and Python source.
pub fn boot_block() -> Bytes {
    static BLOCK: LazyLock<Bytes> = LazyLock::new(|| {
        let sources: Map<String, Value> = MODULES.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        let source = format!("SOURCES = {}\n{BOOT}", Value::Object(sources));
        let mut block = Vec::with_capacity(4 + source.len());
        block.extend_from_slice(&(source.len() as u32).to_be_bytes());
        block.extend_from_slice(source.as_bytes());
        block.into()
    });
    BLOCK.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_guest_is_in_the_bundle() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/runtime-py/mcp_bridge_guest");
        let mut expected: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".py").map(str::to_owned))
            .filter(|name| name != "loader" && name != "boot")
            .map(|name| if name == "__init__" { "mcp_bridge_guest".into() } else { format!("mcp_bridge_guest.{name}") })
            .collect();
        let mut bundled: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
        expected.sort();
        bundled.sort_unstable();
        assert_eq!(bundled, expected);
    }
}
