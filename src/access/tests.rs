use std::path::Path;

use serde_json::{Value, json};

use super::any::{rules, view};
use super::*;

fn errors(text: &str) -> Vec<(String, &'static str)> {
    let errors = read(text, Path::new("r")).err().unwrap_or_default();
    assert!(errors.iter().all(|error| !error.hint().is_empty()));
    errors.iter().map(|error| (error.to_string(), error.code())).collect()
}

/// The seed's own file: every line of it means what its comments say.
#[test]
fn the_known_shape_of_rules_is_read_as_it_is_written() {
    let rules = rules(&json!({
        "main_orchestrator": {"servers": [], "tools": ["list_servers", "get_server_tools"]},
        "researcher_agent": {"servers": ["brave-search", "fetch", "context7"], "tools": "*"},
        "frontend_agent": {
            "servers": ["context7", "playwright"],
            "tools": {"context7": "*", "playwright": ["playwright_navigate", "playwright_click"]}
        },
        "backend_agent": {"servers": ["github", "database"], "tools": "*"}
    }));
    let allows = |caller: &str, server: &str, tool: &str| View::of(&rules, caller).decide(server, tool, None).decision;
    for (caller, server, tool, decision) in [
        ("main_orchestrator", "github", "list_servers", Decision::Deny),
        ("researcher_agent", "fetch", "fetch", Decision::Allow),
        ("researcher_agent", "github", "get_issue", Decision::Deny),
        ("frontend_agent", "context7", "anything", Decision::Allow),
        ("frontend_agent", "playwright", "playwright_click", Decision::Allow),
        ("frontend_agent", "playwright", "playwright_close", Decision::Deny),
        ("stranger", "fetch", "fetch", Decision::Deny),
    ] {
        assert_eq!(allows(caller, server, tool), decision, "{caller} {server} {tool}");
    }
    let own = |caller: &str, tool: &str| !View::of(&rules, caller).decide_own(tool).is_denied();
    assert!(own("main_orchestrator", "list_servers") && !own("main_orchestrator", "run_python"));
    assert!(own("backend_agent", "run_python") && !own("stranger", "run_python"));
}

#[test]
fn deny_wins_and_the_rule_is_named() {
    let view = view(&json!({
        "servers": ["git*", "files"],
        "tools": {"git*": ["get_*", "delete_*"], "files": "*"},
        "deny": {"servers": ["gitlab"], "tools": {"github": ["delete_*"], "*": ["*_all"]}}
    }));
    for (server, tool, decision, rule) in [
        ("github", "get_issue", Decision::Allow, "a.tools.git*: get_*"),
        ("github", "delete_repo", Decision::Deny, "a.deny.tools.github: delete_*"),
        ("gitea", "delete_repo", Decision::Allow, "a.tools.git*: delete_*"),
        ("gitea", "get_all", Decision::Deny, "a.deny.tools: *_all"),
        ("github", "create", Decision::Deny, "a.tools: nothing names it"),
        ("gitlab", "get_x", Decision::Deny, "a.deny.servers: gitlab"),
        ("mail", "send", Decision::Deny, "a.servers: nothing names it"),
        ("files", "write", Decision::Allow, "a.tools.files: *"),
    ] {
        assert_eq!(view.decide(server, tool, None), Ruled { decision, rule: rule.into() }, "{server} {tool}");
    }
    assert!(view.shows_server("github") && !view.shows_server("gitlab") && !view.shows_server("mail"));
    assert!(!view.shows_all("github") && !view.shows_all("files"), "a rule about every server touches it");
}

#[test]
fn annotations_take_away_and_never_give() {
    let view = view(&json!({
        "servers": ["x"], "tools": ["a*"], "ask": ["ask_*", "aa"],
        "annotations": {"destructive": "ask", "additive": "deny", "readOnly": "allow"}
    }));
    let decide = |tool: &str, annotations: Value| view.decide("x", tool, Some(&annotations));
    assert_eq!(decide("a", json!({"readOnlyHint": true})).decision, Decision::Allow);
    assert_eq!(decide("aa", json!({"readOnlyHint": true})).rule, "a.ask: aa");
    assert_eq!(decide("b", json!({"readOnlyHint": true})).decision, Decision::Deny);
    assert_eq!(decide("a", json!({"destructiveHint": false})).rule, "a.annotations.additive: deny");
    assert_eq!(decide("a", json!({})).rule, "a.annotations.destructive: ask");
    assert_eq!(view.decide("x", "a", None).decision, Decision::Ask, "what says nothing may destroy");
    assert_eq!(decide("a", json!({"readOnlyHint": "yes"})).decision, Decision::Ask, "and so does what says it wrongly");
}

#[test]
fn resources_and_prompts_are_given_by_a_word_or_with_all_tools() {
    let whole = view(&json!({"servers": "*", "tools": "*"}));
    assert!(!whole.decide_resource("x", "FILE:///a%2e").is_denied(), "nothing is told apart");
    let part = view(&json!({"servers": "*", "tools": ["a"]}));
    assert!(part.decide_resource("x", "file:///a").is_denied() && part.decide_prompt("x", "p").is_denied());
    let named = view(&json!({
        "servers": "*", "tools": ["a"], "resources": {"x": ["file:///docs/*"]}, "prompts": ["p*"],
        "deny": {"resources": ["*secret*"], "prompts": ["pp"]}
    }));
    for (uri, shown) in [
        ("file:///docs/a", true),
        ("file:///docs/{name}", true),
        ("file:///docs/secrets", false),
        ("file:///docs/../etc/passwd", false),
        ("file:///docs/%2e%2e/etc", false),
        ("file:///docs//a", false),
        ("FILE:///docs/a", false),
        ("file:///etc", false),
    ] {
        assert_eq!(!named.decide_resource("x", uri).is_denied(), shown, "{uri}");
        assert!(named.decide_resource("y", uri).is_denied());
    }
    assert!(!named.decide_prompt("y", "p1").is_denied() && named.decide_prompt("y", "pp").is_denied());
}

#[test]
fn who_has_no_entry_meets_the_default_or_nothing() {
    let with = rules(&json!({"default": {"servers": ["time"], "tools": "*"}, "b": {"servers": [], "tools": []}}));
    assert!(View::of(&with, "anybody").shows_server("time") && !View::of(&with, "b").shows_server("time"));
    assert_eq!(View::of(&with, "anybody").account(), "default");
    let nobody = View::of(&rules(&json!({})), "x");
    assert!(!nobody.shows_server("time") && nobody.decide("time", "now", None).is_denied());
    assert!(!nobody.is_of_everything() && View::of_everything("x").is_of_everything());
}

#[test]
fn every_problem_is_told_with_its_place() {
    let text = "{\"access_rules\": {\n  \"a\": {\"server\": [], \"tools\": 7},\n  \"deny\": {},\n  \"b\": {\"servers\": [\"x\", 3], \"tools\": \"all\"},\n  \
        \"a\": {}, \"c\": {\"servers\": [], \"tools\": [], \"limits\": {\"memory\": \"1k\", \"runs\": -1}}\n}, \"extra\": 1}";
    let found = errors(text);
    let codes: Vec<(&str, &str)> =
        found.iter().map(|(text, code)| (text.split(' ').next().unwrap_or(""), *code)).collect();
    assert_eq!(
        codes,
        [
            ("r:2:3:", "access.missing"),
            ("r:2:9:", "access.unknown_key"),
            ("r:2:32:", "access.value"),
            ("r:3:3:", "access.reserved_name"),
            ("r:4:26:", "access.value"),
            ("r:4:39:", "access.value"),
            ("r:5:3:", "access.duplicate"),
            ("r:5:67:", "access.value"),
            ("r:5:81:", "access.value"),
            ("r:6:4:", "access.unknown_key"),
        ],
        "{found:#?}"
    );
    assert!(found[3].0.contains("\"deny\" cannot be the name of a caller: it is a word of the format"), "{found:#?}");
}

#[test]
fn a_file_that_is_no_file_of_rules_is_refused() {
    for (text, code) in [
        ("", "access.missing"),
        ("{}", "access.missing"),
        ("[]", "access.value"),
        ("{\"access_rules\": []}", "access.value"),
        ("{\"access_rules\": {", "access.syntax"),
        ("{\"mcpServers\": {}}", "access.missing"),
        ("{\"access_rules\": {\"*\": {\"servers\": \"*\", \"tools\": \"*\"}}}", "access.reserved_name"),
        ("{\"access_rules\": {\"\": {\"servers\": \"*\", \"tools\": \"*\"}}}", "access.reserved_name"),
    ] {
        assert_eq!(errors(text).first().map(|(_, code)| *code), Some(code), "{text}");
    }
    assert!(errors("\u{feff}{\"access_rules\": {}} // nobody").is_empty());
    let folder = tempfile::tempdir().expect("folder");
    #[cfg(unix)]
    nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    for no_file in ["missing", "pipe", "."] {
        let errors = load(&folder.path().join(no_file)).expect_err("no file");
        assert_eq!(errors[0].code(), "access.unreadable", "{no_file}");
    }
}

#[test]
fn a_rule_that_names_an_alias_or_nobody_is_told() {
    let rules = rules(&json!({"a": {"servers": ["my_files", "git", "g*"], "tools": {"gti": "*", "mcp-bridge": "*"}}}));
    let names = ["git".to_owned(), "my-files".to_owned()];
    let told = strangers(&rules, &names, |asked| (asked == "my_files").then_some("my-files"));
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("\"gti\"") && told[0].ends_with("did you mean \"git\"?"), "{told:?}");
    assert!(told[1].contains("alias") && told[1].ends_with("its name is \"my-files\""), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn quotas_are_shared_by_those_who_share_an_entry_and_come_back() {
    let limits = json!({"runs": 1, "runs_per_minute": 2, "calls_per_minute": 3});
    let rules = rules(&json!({"default": {"servers": "*", "tools": "*", "limits": limits}}));
    let (one, other) = (View::of(&rules, "one"), View::of(&rules, "other"));
    let quotas = std::sync::Arc::new(Quotas::default());
    let running = quotas.begin_run(&one).expect("a first").expect("counted");
    assert_eq!(quotas.begin_run(&other).expect_err("a second").code(), "access.runs");
    drop(running);
    drop(quotas.begin_run(&other).expect("a minute's worth at once"));
    for _ in 0..2 {
        let error = quotas.begin_run(&one).expect_err("too soon");
        assert_eq!((error.code(), error.to_string().ends_with("in 30 s")), ("access.run_rate", true), "{error}");
        tokio::time::advance(std::time::Duration::from_secs(30)).await;
        drop(quotas.begin_run(&other).expect("it came back"));
    }
    let now = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(quotas.call_turn(&one, now), Ok(Some(now)));
    }
    assert_eq!(quotas.call_turn(&one, now).expect_err("its turn is later").code(), "access.call_rate");
    assert_eq!(quotas.call_turn(&View::of_everything("x"), now), Ok(None));
}
