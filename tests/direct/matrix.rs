//! Every pairing of eras over every pairing of transports: all that passes between one client and one server.

use crate::ask::a_servers_question_reaches_the_client_and_its_answer_the_server;
use crate::eras::{Era, Talker, capabilities};
use crate::news::{
    a_cancelled_call_is_cancelled_at_the_server, log_lines_reach_the_client_from_the_level_it_asked_for,
    progress_comes_in_order_under_the_clients_token_and_before_the_answer, what_changed_is_announced_and_read_anew,
};
use crate::pass::{
    arguments_and_meta_arrive_and_what_belongs_to_the_clients_hop_does_not,
    prompts_resources_templates_and_completions_pass, results_keep_fields_and_content_that_nobody_knows,
};
use crate::support::Home;
use crate::ways::{Transport, with_server};

/// Of what passes between this client and a server of this era.
type Check = fn(&mut Talker, Era);

/// The last one changes what is listed.
const CHECKS: [(&str, Check); 8] = [
    ("results", results_keep_fields_and_content_that_nobody_knows),
    ("arguments", arguments_and_meta_arrive_and_what_belongs_to_the_clients_hop_does_not),
    ("prompts and resources", prompts_resources_templates_and_completions_pass),
    ("progress", progress_comes_in_order_under_the_clients_token_and_before_the_answer),
    ("log lines", log_lines_reach_the_client_from_the_level_it_asked_for),
    ("questions", a_servers_question_reaches_the_client_and_its_answer_the_server),
    ("cancellation", a_cancelled_call_is_cancelled_at_the_server),
    ("changes", what_changed_is_announced_and_read_anew),
];

fn every_pairing(way: Transport, servers_way: Transport) {
    for (client, server) in Era::BOTH.into_iter().flat_map(|client| Era::BOTH.map(|server| (client, server))) {
        let home = Home::new().env("MCP_BRIDGE_EXPOSE", "tools");
        let (home, _server) = with_server(home, "wide", "wide.py", server, servers_way);
        let mut talker = Talker::over(way, client, &home, capabilities());
        for (what, check) in CHECKS {
            // The last line before a failure says where it was.
            eprintln!("client {client:?} {way:?}, server {server:?} {servers_way:?}: {what}");
            check(&mut talker, server);
        }
    }
}

#[test]
fn over_stdio() {
    every_pairing(Transport::Stdio, Transport::Stdio);
}

#[test]
fn over_stdio_to_servers_over_http() {
    every_pairing(Transport::Stdio, Transport::Http);
}

#[test]
fn over_http_to_servers_over_stdio() {
    every_pairing(Transport::Http, Transport::Stdio);
}

#[test]
fn over_http() {
    every_pairing(Transport::Http, Transport::Http);
}
