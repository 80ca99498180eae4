//! What a program can make the bridge hold: little, whatever it writes.

use serde_json::json;

use crate::support::{Client, Home, every_engine};

/// Largest resident size the process ever had, in kB.
fn peak(client: &Client) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.child.id())).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

every_engine!(output_without_end_is_cut_and_counted_exactly_in_bounded_memory, |engine| {
    let home = Home::on(engine).env("MCP_BRIDGE_OUTPUT_FLOOD", "1g");
    let mut client = home.serve();
    client.python("1");
    let before = peak(&client);
    let code = "import os\nline = b'x' * 99 + b'\\n'\nblock = line * 10_000\n\
                def put(fd):\n    for _ in range(200):\n        left = memoryview(block)\n        while left: left = left[os.write(fd, left):]\n\
                put(1)\nput(2)\n'done'";
    let report = client.report(json!({"code": code, "timeout": 90}));
    assert_eq!((&report["status"], &report["result"]), (&json!("success"), &json!("done")), "{:#}", report["error"]);
    for stream in ["stdout", "stderr"] {
        assert_eq!(report["truncated"][stream]["total"], 200_000_000, "{}", report["truncated"]);
        let kept = report["truncated"][stream]["kept"].as_u64().expect("a number");
        // The default, 100 k, in binary thousands.
        assert!(kept <= 102_400 && kept > 90_000, "{kept}");
        let text = report[stream].as_str().expect("text");
        assert!(text.contains("of 2000000 lines]"), "{}", &text[..text.len().min(300)]);
        assert!(text.len() < 103_000, "{}", text.len());
    }
    // 400 MB went through; a few buffers and the kept text are all that may have been held.
    let grown = peak(&client).saturating_sub(before);
    assert!(grown < 40_000, "the bridge grew by {grown} kB");
});

every_engine!(two_hundred_megabytes_are_ended_at_the_default_limit, |engine| {
    let home = Home::on(engine);
    let mut client = home.serve();
    let code = "import os\nblock = b'x' * 1_000_000\nfor fd in [1, 2] * 100:\n    left = memoryview(block)\n    while left: left = left[os.write(fd, left):]";
    let report = client.report(json!({"code": code, "timeout": 90}));
    assert_eq!((&report["status"], &report["verdict"]["kind"]), (&json!("limit"), &json!("output")), "{report:#}");
    let message = report["verdict"]["message"].as_str().expect("a message");
    assert!(message.contains("128 MiB"), "{message}");
    client.python("1");
});
