//! One plan becomes two: what a parent does once for all its children, and what each child does for itself. Pure.
//!
//! The parent has a sandbox's root, namespaces and user, and nothing that is one run's own: no folder to write, no group, no
//! limit that counts. It may make namespaces and mounts, by its filter and because landlock is not upon it. All that is left
//! out here is done by the child, which begins with every capability of a user namespace of its own and ends with none.

use serde::{Deserialize, Serialize};

use super::super::plan::identity;
use super::super::seccomp::Filter;
use super::super::step::{Namespace, Plan, Resource, Step};
use super::super::{init, plan};
use super::call::{Call, Kernel, calls, close_the_rest};
use crate::sandbox::{NURSERY, SandboxError};

/// What is the same for all children: how they are born, and the calls that make them sandboxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Child {
    /// Numbers of clone(2) and clone3(2) on this machine.
    pub clone: i64,
    pub clone3: i64,
    /// The namespaces it is born in.
    pub flags: u64,
    pub calls: Vec<Call>,
}

/// Born in all at once: the user namespace owns the others, so that no right of the parent's is needed, and what is mounted
/// already is locked.
const BORN_IN: [Namespace; 6] =
    [Namespace::User, Namespace::Pid, Namespace::Mount, Namespace::Net, Namespace::Ipc, Namespace::Uts];
/// Standard descriptors, and the socket to the keeper.
const DESCRIPTORS: u32 = 4;

/// Bytes that a child has of its parent, at most: a Python with all its imports, and room to spare. They count towards the limit
/// on each process's data and hardly towards the watched sum, where every child has a share; and it is the sum that must be met
/// first, because it ends a program that one refused allocation after another does not.
const INHERITED: u64 = 64 << 20;

/// The parent's part of a sandbox's plan. `filter` is the one for parents.
pub fn parent(sandbox: &Plan, filter: &Filter) -> Plan {
    Plan {
        groups: Vec::new(),
        keeper: sandbox.keeper.clone(),
        init: sandbox.init.iter().filter_map(|step| of_the_parent(step, filter)).collect(),
        watch: None,
    }
}

fn of_the_parent(step: &Step, filter: &Filter) -> Option<Step> {
    Some(match step {
        Step::Enter(_) | Step::Tmpfs { .. } | Step::Landlock { .. } | Step::Affinity(_) => return None,
        Step::Limit { resource, .. } if of_a_child(*resource) => return None,
        Step::Limit { resource: Resource::Data, value } => {
            Step::Limit { resource: Resource::Data, value: value.saturating_add(INHERITED) }
        }
        // Groups are named from the outside, so that a child can be born in one.
        Step::Unshare(names) => {
            Step::Unshare(names.iter().copied().filter(|name| *name != Namespace::Cgroup).collect())
        }
        Step::Seccomp(_) => Step::Seccomp(filter.clone()),
        Step::Exec { program, arguments, environment, .. } => Step::Exec {
            program: program.clone(),
            arguments: arguments.iter().cloned().chain([NURSERY.to_owned()]).collect(),
            environment: environment.clone(),
            descriptors: DESCRIPTORS,
        },
        other => other.clone(),
    })
}

/// Processes and signals are counted for all of a user together, the children's included; and a parent has a descriptor or two
/// for each child. Every other limit is for each process alone, and is handed down.
fn of_a_child(resource: Resource) -> bool {
    matches!(resource, Resource::Processes | Resource::Signals | Resource::OpenFiles)
}

/// Every child's part.
///
/// # Errors
/// [`SandboxError::Refused`] when the user of the limits is not two numbers.
pub fn child(sandbox: &Plan, user: &str, kernel: &Kernel) -> Result<Child, SandboxError> {
    let user = plan::ids(user)?;
    let theirs = |wanted: fn(&Step) -> bool| sandbox.init.iter().filter(move |step| wanted(step)).cloned();
    // By now it is in its groups.
    let mut steps = vec![Step::Unshare(vec![Namespace::Cgroup])];
    steps.extend(identity(user, user));
    steps.extend(theirs(|step| matches!(step, Step::Tmpfs { .. })));
    // Over the parent's, which shows no process of this namespace.
    steps.extend(theirs(|step| matches!(step, Step::Proc)));
    steps.extend(theirs(|step| matches!(step, Step::Session)));
    steps.extend(theirs(|step| matches!(step, Step::Limit { resource, .. } if of_a_child(*resource))));
    steps.extend(theirs(|step| {
        matches!(
            step,
            Step::NoCapabilities
                | Step::DieWithKeeper
                | Step::WorkingFolder(_)
                | Step::Landlock { .. }
                | Step::Seccomp(_)
        )
    }));
    let mut all = vec![close_the_rest()];
    for step in &steps {
        all.extend(calls(step, kernel)?);
    }
    let flags = BORN_IN.iter().fold(0, |all, name| all | init::flag(*name).bits() as u32 as u64);
    Ok(Child { clone: libc::SYS_clone, clone3: libc::SYS_clone3, flags, calls: all })
}

/// What one child does before all others' calls: it goes to its processors.
///
/// # Errors
/// None today; those of [`calls`].
pub fn own(sandbox: &Plan, kernel: &Kernel) -> Result<Vec<Call>, SandboxError> {
    let steps = sandbox.init.iter().filter(|step| matches!(step, Step::Affinity(_)));
    let calls: Result<Vec<Vec<Call>>, _> = steps.map(|step| calls(step, kernel)).collect();
    Ok(calls?.concat())
}
