//! What holds of all rules.

use proptest::prelude::*;

use super::any::{deny, either, entry, hints, name, view};
use super::{Decision, Ruled};

/// How much a decision gives.
fn width(ruled: &Ruled) -> u8 {
    match ruled.decision {
        Decision::Deny => 0,
        Decision::Ask => 1,
        Decision::Allow => 2,
    }
}

proptest! {
    #[test]
    fn adding_a_deny_never_widens_access(
        entry in entry(), more in deny(), server in name(), used in name(), hints in hints(),
    ) {
        let mut after = entry.clone();
        after["deny"] = either(&entry["deny"], &more);
        let (before, after) = (view(&entry), view(&after));
        let hints = hints.as_ref();
        prop_assert!(width(&after.decide(&server, &used, hints)) <= width(&before.decide(&server, &used, hints)));
        prop_assert!(width(&after.decide_resource(&server, &used)) <= width(&before.decide_resource(&server, &used)));
        prop_assert!(width(&after.decide_prompt(&server, &used)) <= width(&before.decide_prompt(&server, &used)));
        prop_assert!(width(&after.decide_own(&used)) <= width(&before.decide_own(&used)));
        prop_assert!(after.shows_server(&server) <= before.shows_server(&server));
        prop_assert!(after.shows_all(&server) <= before.shows_all(&server));
    }

    /// What is added is denied.
    #[test]
    fn a_deny_that_names_something_denies_it(
        entry in entry(), server in name(), used in name(), hints in hints(), part in 0..4_usize,
    ) {
        let part = ["servers", "tools", "resources", "prompts"][part];
        let more = match part {
            "servers" => serde_json::json!({part: [server]}),
            _ => serde_json::json!({part: {&server: [used]}}),
        };
        let mut after = entry.clone();
        after["deny"] = either(&entry["deny"], &more);
        let after = view(&after);
        let denied = [
            ("tools", after.decide(&server, &used, hints.as_ref())),
            ("resources", after.decide_resource(&server, &used)),
            ("prompts", after.decide_prompt(&server, &used)),
        ];
        for (kind, ruled) in denied {
            prop_assert!(ruled.is_denied() || (part != "servers" && part != kind), "{kind} {ruled:?}");
        }
    }

    /// What may be used is in a server that is shown; of a server that is shown whole, nothing is denied.
    #[test]
    fn what_is_shown_and_what_may_be_used_never_disagree(
        entry in entry(), server in name(), used in name(), hints in hints(),
    ) {
        let view = view(&entry);
        let ruled = [
            view.decide(&server, &used, hints.as_ref()),
            view.decide_resource(&server, &used),
            view.decide_prompt(&server, &used),
        ];
        prop_assert!(ruled.iter().all(Ruled::is_denied) || view.shows_server(&server), "{ruled:?}");
        prop_assert!(!view.shows_all(&server) || !ruled.iter().any(Ruled::is_denied), "{ruled:?}");
    }
}
