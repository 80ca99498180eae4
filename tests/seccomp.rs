//! Real Pythons under the filter of system calls: what they need works, and what is refused fails by the right name.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mcp_bridge::sandbox::embedded::seccomp::{Architecture, Filter, Memory, Policy, Verdict, filter};
use serde_json::{Value, json};

/// `MCP_BRIDGE_TEST_PYTHON` names interpreters, divided by colons; without it, `python3` is taken from `PATH`.
fn pythons() -> Vec<PathBuf> {
    match std::env::var_os("MCP_BRIDGE_TEST_PYTHON") {
        Some(list) => std::env::split_paths(&list).collect(),
        None => vec!["python3".into()],
    }
}

/// Runs a command under a filter. Only a thread of its own takes it on, and what that thread starts inherits it.
fn under(filter: &'static Filter, mut command: Command) -> Output {
    let program: Vec<seccompiler::sock_filter> =
        filter.0.iter().map(|i| seccompiler::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    let confined = std::thread::spawn(move || {
        seccompiler::apply_filter(&program).expect("the kernel takes the filter");
        command.stdin(Stdio::null()).output().expect("the interpreter starts")
    });
    confined.join().expect("the thread ends")
}

/// What `refused.py` is told: numbers of this machine's calls, by what becomes of them.
fn knowledge(memory: Memory) -> Value {
    let here = Architecture::HERE.expect("a filter for this machine");
    let policy = Policy::ours();
    let number = |call: &String| policy.numbers[call].on(here).map(|number| (call.clone(), json!(number)));
    let of = |verdict: Verdict| {
        policy
            .groups(memory)
            .filter(move |group| group.verdict == verdict)
            .flat_map(|group| &group.calls)
            .filter_map(number)
    };
    let named: Vec<u32> = policy.numbers.values().filter_map(|number| number.on(here)).collect();
    // The kernel lets `uretprobe` and `uprobe` of x86_64 past every filter; whoever calls them by hand dies of SIGILL.
    let probes = if here == Architecture::X86_64 { 335..337 } else { 0..0 };
    let nameless = (0..600)
        .filter(|number| !named.contains(number) && !probes.contains(number))
        .map(|number| (number.to_string(), json!(number)));
    json!({
        "counted": memory == Memory::Counted,
        "refused": Value::Object(of(Verdict::Refuse).collect()),
        "unknown": Value::Object(of(Verdict::Unknown).chain(nameless).collect()),
        "numbers": Value::Object(of(Verdict::Allow).collect()),
    })
}

/// One case on every Python, with and without memory that is counted: it ends well and prints `ok`.
fn check(case: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/seccomp").join(format!("{case}.py"));
    for python in pythons() {
        for memory in Memory::ALL {
            let mut command = Command::new(&python);
            command.arg("-I").arg(&path).arg(knowledge(memory).to_string());
            let output = under(filter(memory).expect("a filter"), command);
            assert!(
                output.status.success() && output.stdout == b"ok\n",
                "{case} on {} ({memory:?}): {}\n{}\n{}",
                python.display(),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

macro_rules! cases {
    ($($case:ident: $file:literal),* $(,)?) => {
        $(#[test] fn $case() { check($file); })*

        #[test]
        fn every_case_is_run() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/seccomp");
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .expect("cases")
                .map(|entry| entry.expect("entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
                .collect();
            files.sort();
            let mut run = vec![$($file),*];
            run.sort_unstable();
            assert_eq!(files, run);
        }
    };
}

cases! {
    threads_work: "threads",
    processes_can_be_started: "processes",
    asyncio_works: "asyncio_",
    multiprocessing_works: "multiprocessing_",
    files_can_be_used: "files",
    waiting_works: "waiting",
    signals_and_limits_work: "signals",
    the_standard_library_works: "libraries",
    what_is_refused_fails_by_name: "refused",
}
