//! Which test holds which lesson.

use std::fs;

use crate::support::repo;

/// A lesson, and the tests that hold it: `file name`.
const LESSONS: &[(&str, &[&str])] = &[
    // Ending.
    (
        "a timeout ends the container",
        &["tests/hostile/programs.rs every_hostile_program_gets_its_verdict_and_leaves_nothing"],
    ),
    ("a cancel ends the container", &["tests/it/lifecycle.rs a_cancelled_run_ends_and_its_call_with_it"]),
    ("SIGTERM and SIGINT end everything", &["tests/it/lifecycle.rs a_signal_ends_everything_while_a_program_runs"]),
    ("SIGKILL leaves nothing", &["tests/it/lifecycle.rs sigkill_leaves_nothing_that_runs"]),
    (
        "a closed stdin ends everything",
        &["tests/it/lifecycle.rs the_end_of_stdin_ends_everything_while_a_program_runs"],
    ),
    (
        "a server that hangs at initialize",
        &[
            "tests/upstream.rs a_server_that_stays_silent_is_given_up_and_leaves_nothing",
            "tests/peers/starts.rs starts_over_stdio",
            "tests/peers/starts.rs starts_over_http",
            "tests/peers/starts.rs starts_over_sse",
            "tests/peers/starts.rs starts_over_websocket",
            "tests/http/slow.rs a_server_that_still_starts_is_left_out_of_the_list_and_announced_when_it_is_there",
            LESSON,
        ],
    ),
    (
        "a server that crashes is started again, with its last words",
        &["tests/upstream.rs a_crash_fails_the_calls_on_their_way_and_the_next_use_starts_again", LESSON],
    ),
    (
        "initialize answered with an error leaks nothing",
        &[
            "tests/upstream.rs a_handshake_that_fails_says_how",
            "tests/peers/left.rs calls_without_an_answer_hold_nothing",
            LESSON,
        ],
    ),
    ("five first calls start one server", &["tests/upstream.rs many_first_uses_start_a_server_once", LESSON]),
    // Bytes.
    (
        "no line limit",
        &[
            "tests/upstream.rs large_results_arrive_and_larger_ones_fail_by_name",
            "tests/peers/calls.rs large_answers",
            "runtime-py/tests/test_calls.py test_large_arguments_and_results",
            LESSON,
        ],
    ),
    (
        "an oversized print keeps what came before",
        &[LESSON, "src/output/cut.rs a_long_stream_keeps_its_first_and_last_lines"],
    ),
    (
        "output is bounded",
        &[
            "tests/hostile/flood.rs output_without_end_is_cut_and_counted_exactly_in_bounded_memory",
            "tests/guest.rs a_flood_is_stopped",
        ],
    ),
    ("300 tools fit", &["tests/it/protocol.rs one_tool_the_same_for_no_server_and_a_thousand"]),
    ("a lone surrogate", &["runtime-py/tests/test_program.py test_output_in_order_whoever_writes", LESSON]),
    (
        "output that looks like a frame is output",
        &[
            "tests/guest.rs protocol_looking_bytes_on_fd_1_are_only_printed",
            "runtime-py/tests/test_lifecycle.py test_forged_frames_are_only_output",
            LESSON,
        ],
    ),
    ("blank lines and order", &["runtime-py/tests/test_program.py test_output_in_order_whoever_writes", LESSON]),
    // Meaning.
    ("positional arguments", &[LESSON, "runtime-py/tests/test_calls.py test_a_call_carries_what_was_given"]),
    ("calls in gather run together", &["tests/upstream.rs calls_run_at_the_same_time", LESSON]),
    ("a deadline is no argument", &["src/catalog/alias.rs a_parameter_never_takes_the_deadline_keyword", LESSON]),
    ("isError raises", &["runtime-py/tests/test_calls.py test_a_tool_that_says_no_raises", LESSON]),
    (
        "results are objects",
        &[
            "runtime-py/tests/test_calls.py test_records_are_dicts",
            "runtime-py/tests/test_calls.py test_results",
            LESSON,
        ],
    ),
    ("the last expression's value", &["runtime-py/tests/test_program.py test_values", LESSON]),
    ("main guard, asyncio.run, input()", &["runtime-py/tests/test_guide.py test_guide", LESSON]),
    ("exit codes are told", &["tests/it/lifecycle.rs exit_codes_tell_how_a_program_ended", LESSON]),
    (
        "the reason is told where it is known",
        &["runtime-py/tests/test_lifecycle.py test_endings_without_a_report_are_told_truly", LESSON],
    ),
    (
        "tracebacks hold no frame of ours",
        &["runtime-py/tests/test_program.py test_a_runtime_error_shows_the_programs_frames_only", LESSON],
    ),
    ("saved tools have a source", &["tests/hostile/lessons.rs a_saved_tool_is_there_for_the_next_program"]),
    // Names.
    ("aliases do not depend on order", &["src/catalog/alias.rs aliases_are_unique_identifiers_whatever_the_order"]),
    ("get_item beside get-item", &["src/catalog/alias.rs an_identifier_keeps_itself_beside_look_alikes", LESSON]),
    ("__class__ and list_tools", &["runtime-py/tests/test_calls.py test_no_tool_name_clashes_with_the_proxy", LESSON]),
    ("camelCase", &["src/catalog/alias.rs usual_names_become_what_a_reader_expects", LESSON]),
    // Catalog.
    ("every page is read", &["tests/upstream.rs all_pages_are_read_and_a_list_without_an_end_is_cut", LESSON]),
    (
        "schemas, titles, annotations are kept",
        &["tests/upstream.rs a_server_starts_on_first_use_and_its_tools_keep_every_field", LESSON],
    ),
    ("search finds what was meant", &["src/catalog/words.rs forms_of_a_word_meet", LESSON]),
    ("docs have a short form", &["src/catalog/tests.rs docs_cost_far_less_than_schemas", LESSON]),
    // Config.
    ("one wrong shape hides nothing", &["src/discovery/tests/entries.rs one_bad_entry_costs_nothing_else"]),
    (
        "url servers are used",
        &[
            "src/discovery/tests/entries.rs spellings_of_a_remote_server",
            "tests/remote_servers.rs both_lines_of_the_python_sdk_over_every_transport",
        ],
    ),
    ("a fix on disk is seen while running", &["tests/reload.rs files_that_appear_change_are_replaced_and_go"]),
    ("variables are filled in", &["src/discovery/expand.rs variables_and_defaults"]),
    ("disabled is off", &["src/discovery/tests/entries.rs switched_off"]),
    ("documented values work", &["src/settings/tests.rs the_guides_values_are_accepted"]),
    ("a maximum below the default", &["src/settings/tests.rs a_maximum_below_the_default_lowers_the_default"]),
    (
        "strangers' commands wait",
        &[
            "src/discovery/tests/folders.rs project_files_of_no_client_wait_for_the_bridges_own_approval",
            "src/discovery/tests/claude_code.rs where_an_approval_counts",
        ],
    ),
    // Asked for again and again.
    ("partial results are kept", &[LESSON]),
    ("errors that code can catch", &["tests/guest.rs refusals_are_exceptions_with_hints", LESSON]),
    (
        "an audit line per nested call",
        &[
            "tests/audit.rs every_call_leaves_one_audit_line_without_values",
            "tests/hostile/lessons.rs every_call_of_a_program_leaves_an_audit_line_without_its_values",
        ],
    ),
    ("what happened before a failure", &[LESSON]),
    (
        "a read-only gate and approval inside loops",
        &[
            "tests/it/access.rs a_real_servers_own_words_decide_where_rules_go_by_them",
            "tests/access.rs a_call_that_is_to_be_asked_about_waits_for_the_users_yes",
            "tests/access.rs questions_come_one_at_a_time",
            "tests/access/late.rs a_question_that_nobody_answers_is_given_up_at_the_deadline",
            "tests/it/tasks.rs a_rule_that_asks_asks_the_client_of_a_task",
        ],
    ),
    (
        "results that are typed",
        &[
            "tests/upstream.rs a_server_starts_on_first_use_and_its_tools_keep_every_field",
            "runtime-py/tests/test_calls.py test_results",
            LESSON,
        ],
    ),
    (
        "state across calls",
        &[
            "tests/it/sessions.rs variables_imports_files_and_functions_last",
            "tests/it/files.rs a_file_of_a_session_stays_until_another_takes_its_place",
            "tests/hostile/lessons.rs a_saved_tool_is_there_for_the_next_program",
        ],
    ),
    (
        "warm start",
        &[
            "tests/it/prepared.rs a_run_uses_a_sandbox_that_was_waiting_and_another_takes_its_place",
            "tests/it/prepared.rs one_that_was_killed_while_it_waited_costs_no_run",
        ],
    ),
    (
        "remote servers with OAuth",
        &[
            "tests/login.rs a_login_lasts_is_renewed_and_ends",
            "tests/login.rs a_refusal_is_told_and_keeps_nothing",
            "tests/remote/logins.rs a_refused_token_is_renewed_and_none_is_ever_quoted",
        ],
    ),
    (
        "reload",
        &[
            "tests/reload.rs files_that_appear_change_are_replaced_and_go",
            "tests/it/reload.rs servers_come_and_go_and_a_bad_file_counts_as_it_was",
            "tests/it/access.rs rules_are_followed_and_a_bad_file_changes_nothing",
        ],
    ),
];

/// The programs of `lessons.rs`.
const LESSON: &str = "tests/hostile/lessons.rs what_went_wrong_elsewhere_goes_right_here";

/// Not yet: retrieving the rest of a cut result, images out of a program, saying data once.
#[test]
fn every_lesson_has_tests_that_exist() {
    let mut faults = Vec::new();
    for (lesson, tests) in LESSONS {
        assert!(!tests.is_empty(), "{lesson}");
        for test in *tests {
            let (file, name) = test.split_once(' ').expect("file and name");
            let text = fs::read_to_string(repo().join(file)).unwrap_or_default();
            let there = ["fn ", "def ", "every_engine!(", "every_engine!([embedded] "].iter().any(|before| {
                text.match_indices(&format!("{before}{name}"))
                    .any(|(at, found)| !text[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            });
            if !there {
                faults.push(format!("{lesson}: there is no {name} in {file}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
