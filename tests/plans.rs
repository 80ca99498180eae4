//! What is planned for one sandbox: golden plans, and the order that makes the walls hold.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::path::PathBuf;

use mcp_bridge::sandbox::embedded::nursery::plan::{child, own, parent};
use mcp_bridge::sandbox::embedded::nursery::{Call, Kernel};
use mcp_bridge::sandbox::embedded::plan::{Facts, plan};
use mcp_bridge::sandbox::embedded::root::{Bind, Link, Root};
use mcp_bridge::sandbox::embedded::seccomp::Filter;
use mcp_bridge::sandbox::embedded::step::{OLD_ROOT, Plan, Resource, Step};
use mcp_bridge::sandbox::{Limits, SandboxSpec};

fn spec() -> SandboxSpec {
    SandboxSpec {
        run: "7-0".into(),
        image: "python:3.14-slim".into(),
        command: ["python3", "-c", "print(1)"].map(String::from).into(),
        env: vec![("PATH".into(), "/usr/bin".into())],
        limits: Limits {
            memory: 512 << 20,
            pids: 128,
            cpus: 1.0,
            user: "65534:65534".into(),
            tmp: 64 << 20,
            workspace: 128 << 20,
            open_files: 256,
        },
        boot: bytes::Bytes::new(),
    }
}

fn root() -> Root {
    let bind = |path: &str| Bind { source: path.into(), target: path.into() };
    Root {
        binds: vec![bind("/usr/bin/python3.11"), bind("/usr/lib/python3.11")],
        links: vec![Link { path: "/lib".into(), target: "usr/lib".into() }],
        python: "/usr/bin/python3.11".into(),
        env: vec![("PATH".into(), "/the/image's".into()), ("LANG".into(), "C.UTF-8".into())],
    }
}

fn as_root() -> Facts {
    Facts { privileged: true, sandbox_id: 1_879_050_000, uptime: Some(4242), ..Facts::default() }
}

fn as_user() -> Facts {
    Facts { uid: 1001, gid: 1002, affinity: Some(vec![1]), watch_memory: true, ..Facts::default() }
}

fn filter() -> Filter {
    Filter(Vec::new())
}

fn planned(facts: &Facts) -> Plan {
    plan(&spec(), &root(), facts, &filter()).expect("a plan")
}

/// `MCP_BRIDGE_TEST_BLESS=1` writes what is planned now; the difference is for people to read.
fn golden(name: &str, plan: &impl serde::Serialize) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans").join(name);
    let text = serde_json::to_string_pretty(plan).expect("text") + "\n";
    if std::env::var_os("MCP_BRIDGE_TEST_BLESS").is_some() {
        std::fs::write(&file, &text).expect("written");
    }
    let expected = std::fs::read_to_string(&file).expect("a golden plan");
    assert_eq!(text, expected, "{name}: run with MCP_BRIDGE_TEST_BLESS=1 and read the difference");
}

#[test]
fn a_plan_is_what_it_was() {
    golden("root.json", &planned(&as_root()));
    golden("user.json", &planned(&as_user()));
}

fn kernel() -> Kernel {
    let all = u64::MAX;
    Kernel { landlock: 6, last_capability: 40, most_processes: all, most_signals: all, most_open_files: all }
}

fn forked(facts: &Facts) -> (Plan, Vec<Call>) {
    let plan = planned(facts);
    let shared = child(&plan, &spec().limits.user, &kernel()).expect("a child");
    let own = own(&plan, &kernel()).expect("calls");
    (parent(&plan, &Filter(Vec::new())), [own, shared.calls].concat())
}

// The numbers of calls are those of one architecture.
#[cfg(target_arch = "x86_64")]
#[test]
fn what_is_forked_is_what_it_was() {
    for (name, facts) in [("root", as_root()), ("user", as_user())] {
        let (parent, calls) = forked(&facts);
        golden(&format!("{name}-parent.json"), &parent);
        // A call a line.
        let line = |call: &Call| serde_json::to_string(call).expect("text");
        golden(&format!("{name}-child.json"), &calls.iter().map(line).collect::<Vec<_>>());
    }
}

/// Nothing of a sandbox is lost on the way: a step is the parent's, or the child's, or both's.
#[test]
fn every_step_is_done_by_the_parent_or_by_the_child() {
    let group = Step::Enter("/sys/fs/cgroup/x/cgroup.procs".into());
    for facts in [as_root(), as_user()] {
        let (parent, calls) = forked(&facts);
        for step in planned(&facts).init.iter().filter(|step| **step != group) {
            let name = step.to_string();
            // A child has data of its parent's, which the limit on its own data makes room for.
            let wider = |other: &Step| match (step, other) {
                (Step::Limit { resource: Resource::Data, value: own }, Step::Limit { resource, value }) => {
                    *resource == Resource::Data && (own + 1..=own + (64 << 20)).contains(value)
                }
                _ => false,
            };
            let by_parent = parent.init.contains(step)
                || parent.init.iter().any(wider)
                || matches!(step, Step::Unshare(_) | Step::Exec { .. });
            let by_child = calls.iter().any(|call| call.what == name);
            assert!(by_parent || by_child, "{name}");
            // What a parent has given up for itself, a new user namespace gives back to the child.
            let again =
                ["drop capabilities", "seccomp", "landlock", "new session", "mount /proc", "die with the keeper"];
            assert!(by_child || !again.contains(&name.as_str()), "{name}");
        }
    }
}

#[test]
fn a_child_ends_with_less_than_it_began_with() {
    let (_, calls) = forked(&as_user());
    let at = |what: &str| calls.iter().position(|call| call.what == what).unwrap_or_else(|| panic!("{what}"));
    let last = |what: &str| calls.iter().rposition(|call| call.what == what).unwrap_or_else(|| panic!("{what}"));
    assert_eq!(at("close what the parent had open"), at("choose processors") + 1, "before anything is opened");
    for mounted in ["tmpfs /tmp", "tmpfs /workspace", "tmpfs /dev/shm", "mount /proc"] {
        assert!(at(mounted) < at("drop capabilities"), "{mounted}");
    }
    let order = ["drop capabilities", "die with the keeper", "landlock", "seccomp"].map(last);
    assert!(order.is_sorted() && order[3] == calls.len() - 1, "{order:?}");
}

#[test]
fn a_plan_survives_the_socket() {
    for facts in [as_root(), as_user()] {
        let plan = planned(&facts);
        let text = serde_json::to_vec(&plan).expect("text");
        assert_eq!(serde_json::from_slice::<Plan>(&text).expect("a plan"), plan);
    }
}

fn position(plan: &Plan, wanted: impl Fn(&Step) -> bool) -> usize {
    plan.init.iter().position(wanted).expect("the step is there")
}

#[test]
fn the_order_is_the_one_that_holds() {
    for facts in [as_root(), as_user()] {
        let plan = planned(&facts);
        let at = |wanted: fn(&Step) -> bool| position(&plan, wanted);
        let forget = at(|step| matches!(step, Step::Forget));
        // Nothing of the host is reached after the old root is gone, and nothing is mounted after capabilities are.
        for (number, step) in plan.init.iter().enumerate() {
            let needs_the_host = matches!(step, Step::Bind { .. } | Step::Pivot { .. });
            let needs_rights = matches!(step, Step::Tmpfs { .. } | Step::Proc | Step::ReadOnly | Step::HostName(_));
            assert!(!needs_the_host || number < forget, "{step}");
            assert!(!needs_rights || number < at(|step| matches!(step, Step::NoCapabilities)), "{step}");
        }
        let ending = ["die", "no new", "working", "landlock", "seccomp", "exec"];
        let last: Vec<String> = plan.init.iter().rev().take(ending.len()).map(Step::to_string).collect();
        for (step, wanted) in last.iter().rev().zip(ending) {
            assert!(step.starts_with(wanted), "{last:?}");
        }
    }
}

#[test]
fn every_namespace_is_left() {
    for facts in [as_root(), Facts { uptime: Some(1), ..as_user() }] {
        let plan = planned(&facts);
        let left: HashSet<String> = plan
            .keeper
            .iter()
            .chain(&plan.init)
            .filter_map(|step| if let Step::Unshare(names) = step { Some(names) } else { None })
            .flatten()
            .map(|name| format!("{name:?}"))
            .collect();
        let all = ["Cgroup", "Ipc", "Mount", "Net", "Pid", "Time", "User", "Uts"];
        assert_eq!(left, all.map(String::from).into());
    }
}

#[test]
fn nobody_is_root_on_either_side() {
    for facts in [as_root(), as_user()] {
        let plan = planned(&facts);
        let maps: Vec<&str> = plan
            .keeper
            .iter()
            .chain(&plan.init)
            .filter_map(|step| match step {
                Step::Write { path, text } if path.to_string_lossy().ends_with("id_map") => Some(text.trim()),
                _ => None,
            })
            .collect();
        assert_eq!(maps.len(), 2);
        for map in maps {
            let [inside, outside, count] = map.split(' ').collect::<Vec<_>>()[..] else { panic!("{map}") };
            assert!(inside == "65534" && outside != "0" && count == "1", "{map}");
        }
    }
}

#[test]
fn a_root_with_an_etc_of_its_own_keeps_it() {
    let mut root = root();
    root.binds.push(Bind { source: "/images/x/etc".into(), target: "/etc".into() });
    let plan = plan(&spec(), &root, &as_root(), &filter()).expect("a plan");
    assert!(!plan.init.iter().any(|step| matches!(step, Step::File { .. })), "it is read-only by then");
}

#[test]
fn the_runs_environment_wins() {
    let Some(Step::Exec { environment, arguments, program, .. }) = planned(&as_root()).init.pop() else {
        panic!("exec")
    };
    assert_eq!(environment, [("LANG".into(), "C.UTF-8".into()), ("PATH".into(), "/usr/bin".into())]);
    assert_eq!(arguments[0], "/usr/bin/python3.11");
    assert_eq!(program, PathBuf::from("/usr/bin/python3.11"));
}

#[test]
fn names_of_users_are_refused() {
    for user in ["nobody:nogroup", "65534", "", ":", "1:-1"] {
        let mut spec = spec();
        spec.limits.user = user.into();
        let refused = plan(&spec, &root(), &as_root(), &filter()).expect_err(user);
        assert_eq!(refused.code(), "sandbox.refused");
    }
}

#[test]
fn steps_say_nothing_that_is_secret() {
    let mut spec = spec();
    spec.env.push(("TOKEN".into(), "hunter2".into()));
    let plan = plan(&spec, &root(), &as_root(), &filter()).expect("a plan");
    assert!(!plan.init.iter().any(|step| step.to_string().contains("hunter2")));
    assert!(plan.init.iter().all(|step| !step.to_string().contains(OLD_ROOT)), "people know their own paths");
}
