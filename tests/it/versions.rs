//! Every Python that is promised, as PID 1 of a real sandbox: one program that leans on what differs between versions.

use serde_json::json;

use crate::support::{Engine, Home, every_engine};

/// Image tags of `.ci/images`, with the version that the program must see.
const VERSIONS: [(&str, [u32; 2]); 5] =
    [("3.9", [3, 9]), ("3.11", [3, 11]), ("3.13", [3, 13]), ("3.14", [3, 14]), ("3.13-nopyc", [3, 13])];

/// Top-level await, a loop inside the loop, calls from threads, gather, cancelled calls, fork, subprocess output in order.
const PROGRAM: &str = r#"
import os, subprocess, sys, time
from dataclasses import dataclass
from mcp.servers.stub import echo

@dataclass
class Row:
    n: int

async def nested():
    first = await echo(n=1)
    return first.arguments.n + (await mcp_stub.echo(n=2)).arguments["n"]

seen = {"nested": asyncio.run(nested())}
seen["gather"] = sum(r.arguments.n for r in await asyncio.gather(*[echo(n=i) for i in range(200)]))
seen["thread"] = await asyncio.get_running_loop().run_in_executor(None, lambda: list(runtime.list_servers_sync()))
try:
    await asyncio.wait_for(mcp_stub.never(), 0.05)
except asyncio.TimeoutError:
    seen["cancelled"] = True
seen["dataclass"] = (await echo(row=Row(7))).arguments.row.n
pid = os.fork()
if pid == 0:
    os._exit(3)
seen["fork"] = os.WEXITSTATUS(os.waitpid(pid, 0)[1]) if hasattr(os, "WEXITSTATUS") else 3
print("one")
subprocess.run([sys.executable, "-c", "print('two')"])
print("three")
try:
    await mcp_stub.says_no()
except runtime.ToolError as error:
    seen["error"] = str(error)
seen["python"] = list(sys.version_info[:2])
seen
"#;

every_engine!(every_promised_python_runs_the_whole_guest, |engine: &Engine| {
    for (tag, version) in VERSIONS {
        let image = format!("localhost/mcp-bridge-test:{tag}");
        let home = Home::on(engine).env("MCP_BRIDGE_IMAGE", &image).stub(
            "stub",
            &json!({
                "tools": ["echo", "never", "says_no"],
                "calls": {"never": {"silent": true}, "says_no": {"is_error": "no"}},
            }),
        );
        if engine.is_embedded() && !loaded(&home, &image) {
            return;
        }
        let mut client = home.serve();
        let report = client.python(PROGRAM);
        let expected = json!({
            "nested": 3, "gather": 19900, "thread": ["stub"], "cancelled": true, "dataclass": 7, "fork": 3, "error": "no",
            "python": version,
        });
        assert_eq!(report["result"], expected, "{tag}: {report:#}");
        assert_eq!(report["stdout"], "one\ntwo\nthree\n", "{tag}");
        let file = json!({"name": "größe.txt", "text": "é"});
        let given = client.report(json!({"code": "[open(path).read() for path in runtime.files()]", "files": [file]}));
        assert_eq!(given["result"], json!(["é"]), "{tag}: {given:#}");
        // Its own lines, none of ours, whatever the version's way of drawing them.
        let failed = client.report(json!({"code": "def f():\n    return 1 / 0\n\nf()"}));
        let traceback = failed["error"]["traceback"].as_str().expect("a traceback");
        assert!(traceback.contains("line 4") && traceback.contains("line 2, in f"), "{tag}: {traceback}");
        assert!(!traceback.contains("mcp-bridge"), "{tag}: {traceback}");
        let pid = client.child.id();
        client.close_stdin();
        client.ends_within(std::time::Duration::from_secs(30));
        engine.assert_clean(pid);
    }
});

/// Puts an image that Docker has into the store of the bridge, as a person without an engine would: from a file.
fn loaded(home: &Home, image: &str) -> bool {
    let Some(docker) = Engine::get("docker") else { return false };
    let file = home.path().join("image.tar");
    docker.docker(&["save", "--output", &file.to_string_lossy(), image]);
    home.finish(&["image", "load", &file.to_string_lossy()]).exits(0);
    std::fs::remove_file(file).expect("removed");
    true
}
