//! Which test tries which promise: every promise has at least one.

use mcp_bridge::sandbox::Promise;

use crate::{ending, limits, streams, walls};

/// Tests are named as values, so that the compiler finds one that has gone.
const TRIED: &[(Promise, &[&str])] = &[
    (
        Promise::CleanEnvironment,
        &[
            walls::the_environment_is_what_was_given_and_what_the_image_sets::TEST,
            walls::nothing_is_open_but_the_three_streams::TEST,
        ],
    ),
    (
        Promise::NoNetwork,
        &[walls::no_network_of_any_family::TEST, walls::nobody_outside_reaches_a_listener_inside::TEST],
    ),
    (Promise::ReadOnlyRoot, &[walls::only_the_writable_folders_can_be_written_and_they_end_at_their_size::TEST]),
    (
        Promise::BoundedDisk,
        &[
            walls::only_the_writable_folders_can_be_written_and_they_end_at_their_size::TEST,
            limits::shared_memory_ends_at_its_size::TEST,
            ending::what_was_written_is_gone_with_the_run::TEST,
        ],
    ),
    (Promise::OtherUser, &[walls::a_program_is_nobody_inside_and_not_root_outside::TEST]),
    (Promise::NoCapabilities, &[walls::no_rights_and_none_to_be_gained::TEST, walls::the_kernels_doors_are_shut::TEST]),
    (Promise::NoNewPrivileges, &[walls::no_rights_and_none_to_be_gained::TEST]),
    (Promise::Seccomp, &[walls::no_rights_and_none_to_be_gained::TEST, walls::the_kernels_doors_are_shut::TEST]),
    (
        Promise::Memory,
        &[
            limits::memory_ends_at_its_limit::TEST,
            limits::memory_of_all_processes_together_ends_at_the_limit::TEST,
            limits::files_in_the_writable_folders_count_as_memory::TEST,
        ],
    ),
    // Where the machine has swap, only a sandbox that may not use it ends at the limit.
    (Promise::Swap, &[limits::memory_ends_at_its_limit::TEST]),
    (
        Promise::Pids,
        &[
            limits::a_fork_bomb_meets_the_process_limit_and_nothing_of_it_is_left::TEST,
            limits::threads_count_as_processes::TEST,
        ],
    ),
    (Promise::Cpus, &[limits::processor_time_ends_at_its_limit::TEST]),
    (Promise::OpenFiles, &[limits::open_files_end_at_their_limit::TEST]),
    (
        Promise::ChildrenEnd,
        &[
            ending::children_that_hide_end_with_the_run::TEST,
            ending::destroy_leaves_nothing_of_a_program_that_never_ends::TEST,
            ending::dropping_a_sandbox_leaves_nothing::TEST,
            ending::killed_from_outside_it_leaves_nothing::TEST,
        ],
    ),
    (
        Promise::NothingLeft,
        &[
            ending::giving_up_a_launch_half_way_leaves_nothing::TEST,
            ending::hanging_up_is_noticed_inside_and_cleaned_up_after::TEST,
            ending::many_at_once_are_kept_apart::TEST,
            ending::what_was_written_is_gone_with_the_run::TEST,
        ],
    ),
];

/// What `execution` relies on beside the promises.
const BESIDE: &[&str] = &[
    streams::a_half_close_arrives_and_the_answer_still_comes_back::TEST,
    streams::two_hundred_megabytes_go_in_exactly::TEST,
    streams::two_hundred_megabytes_come_out_of_each_stream_exactly::TEST,
];

#[test]
fn every_promise_is_tried() {
    for promise in Promise::ALL {
        let tests = TRIED.iter().filter(|(of, _)| *of == promise).count();
        assert_eq!(tests, 1, "{} has {tests} rows in the table", promise.name());
    }
    assert!(TRIED.iter().all(|(_, tests)| !tests.is_empty()));
    assert!(TRIED.iter().all(|(_, tests)| tests.iter().all(|test| !BESIDE.contains(test))));
}
