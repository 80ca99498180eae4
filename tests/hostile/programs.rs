//! The programs in `tests/cases/hostile`: more than their share, forged frames, endings of every kind.

use serde_json::json;

use crate::support::every_engine;
use crate::{case, ground};

every_engine!(every_hostile_program_gets_its_verdict_and_leaves_nothing, |engine| {
    let script = json!({"tools": ["echo", "size"], "calls": {"size": {"size": 1_000_000}}});
    let home = ground::small(engine).stub("stub", &script);
    ground::run(engine, &home, &case::wanted("hostile"), "");
});
