//! One entry: what it means, and whether it may be used.

use serde_json::Value;

use super::clients::{Answer, Folded, Lookup};
use super::entry::{self, Flaw};
use super::error::DiscoveryError;
use super::expand::Dialect;
use super::memory::EntryKey;
use super::merge::Candidate;
use super::oauth;
use super::scan::{Scan, Written};
use super::settle::{Scene, Settled, settle};
use super::sources::{Owner, Source, Unit};
use super::trust::Fingerprint;
use super::words::shown;
use super::{Found, Origin, Problem, Scope, State, import, itself};
use crate::upstream::config::{Era, RemoteKind, Secret, ServerConfig, Transport};

/// Longer than any name in use; such a name is a mistake, and it would be repeated in every listing.
const LONGEST_NAME: usize = 200;

impl Scan<'_> {
    /// The entry as a candidate; `None` for what is no server at all. One that cannot be understood counts as it last was, if it was
    /// there before.
    pub(super) fn judge(&mut self, source: &Source, written: Written<'_>) -> Option<Candidate> {
        let key = EntryKey { source: source.id, file: written.origin.file.clone(), name: written.name.to_owned() };
        let flaws = match self.understand(source, &written) {
            Ok(candidate) => {
                self.good.insert(key, written.value.clone());
                return candidate;
            }
            Err(flaw) => self.and_further(source, &written, flaw),
        };
        let last = self.shelf.memory.entries.get(&key).cloned();
        let last = last.and_then(|value| {
            let candidate = self.understand(source, &Written { value: &value, ..written.clone() }).ok()?;
            self.good.insert(key, value);
            Some(candidate)
        });
        for flaw in &flaws {
            let error = DiscoveryError::Entry { name: shown(written.name), flaw: flaw.to_string() };
            let (file, line) = (Some(written.origin.file.as_path()), written.origin.line);
            let pointer = Some(format!("{}{}", written.origin.pointer, flaw.pointer()));
            self.shelf.problems.push(Problem { pointer, kept: last.is_some(), ..Problem::new(file, line, &error) });
        }
        last.unwrap_or_else(|| Some(Self::invalid(written, &flaws)))
    }

    /// A flaw, and what else is wrong: what a flaw is about is taken out, and the rest looked at again.
    fn and_further(&self, source: &Source, written: &Written<'_>, first: Flaw) -> Vec<Flaw> {
        let (mut value, mut flaws) = (written.value.clone(), vec![first]);
        while let Some(last) = flaws.last()
            && entry::without(&mut value, last.member())
            && let Err(flaw) = self.understand(source, &Written { value: &value, ..written.clone() })
            && flaws.iter().all(|known| known.member() != flaw.member())
        {
            flaws.push(flaw);
        }
        flaws
    }

    fn understand(&self, source: &Source, written: &Written<'_>) -> Result<Option<Candidate>, Flaw> {
        let fingerprint = Fingerprint::of(written.name, written.value);
        let refusal = self.refusal(source, written.name, &written.origin, &fingerprint);
        let lookup = Lookup::new(self.place, refusal.is_none(), self.options.as_written);
        let unsayable =
            self.options.as_written.then(|| import::unsayable(written.value, source.dialect, self.place.os));
        let (config, verdict, warnings) = match (source.fold)(written.value, &lookup) {
            Folded::Builtin => return Ok(None),
            Folded::Foreign(reason) => {
                (unusable(written.name), Verdict::unclaimed(State::NeedsInput { reason }), Vec::new())
            }
            Folded::Entry { entry, mut needs, warnings, off } => {
                check_name(written.name)?;
                needs.extend(written.needs.iter().cloned());
                let off = written.off.clone().or(off);
                self.weigh(source, written, Meaning { entry, needs, warnings, off, refusal })?
            }
        };
        let found = Found {
            config,
            name: written.name.to_owned(),
            aliases: Vec::new(),
            origin: written.origin.clone(),
            also: written.also.clone(),
            state: verdict.state,
            warnings,
            unsayable: unsayable.flatten(),
            fingerprint,
        };
        Ok(Some(Candidate { found, rank: written.rank, claims: verdict.claims }))
    }

    fn invalid(written: Written<'_>, flaws: &[Flaw]) -> Candidate {
        let reasons: Vec<String> = flaws.iter().map(Flaw::to_string).collect();
        let found = Found {
            config: unusable(written.name),
            name: written.name.to_owned(),
            aliases: Vec::new(),
            fingerprint: Fingerprint::of(written.name, written.value),
            origin: written.origin,
            also: written.also,
            state: State::Invalid { reason: reasons.join("; ") },
            warnings: Vec::new(),
            unsayable: None,
        };
        Candidate { found, rank: written.rank, claims: false }
    }

    fn weigh(
        &self,
        source: &Source,
        written: &Written<'_>,
        meaning: Meaning,
    ) -> Result<(ServerConfig, Verdict, Vec<String>), Flaw> {
        let Meaning { mut entry, mut needs, mut warnings, off, refusal } = meaning;
        let env_file = match (source.dialect, entry.as_object_mut()) {
            (Dialect::Editor, Some(members)) => members.remove("envFile"),
            _ => None,
        };
        oauth::fold(&mut entry);
        if source.unit == Unit::Seconds {
            to_milliseconds(&mut entry);
        }
        let mut entry = entry::parse(&entry)?;
        warnings.append(&mut entry.warnings);
        if entry.untyped_url && source.owner == Owner::ClaudeCode {
            warnings.push("Claude Code skips an entry that has `url` and no `type`; add \"type\": \"http\"".into());
        }
        if let Transport::Remote { kind: kind @ RemoteKind::Unstated, .. } = &mut entry.transport {
            *kind = source.bare_url;
        }
        // Nothing of an unapproved file is filled in: a repository could send any variable to any address that way.
        let scene = Scene {
            place: self.place,
            dialect: source.dialect,
            as_written: self.options.as_written,
            fill: refusal.is_none() || source.dialect == Dialect::None,
            folder: written.origin.file.parent().unwrap_or(&self.place.cwd),
            project: written.project,
            vars: written.vars,
        };
        let Settled { mut transport, needs: missing, warnings: more, expanded } = settle(entry.transport, &scene)?;
        if let (Some(file), Transport::Stdio { env, .. }) = (env_file.as_ref().and_then(Value::as_str), &mut transport)
        {
            match scene.variables(file) {
                // What the entry says itself comes before what the file says.
                Some(variables) => variables.into_iter().for_each(|(name, value)| {
                    env.entry(name).or_insert_with(|| Secret::new(value));
                }),
                None => warnings.push("`envFile` cannot be read".into()),
            }
        }
        needs.extend(missing);
        warnings.extend(more);

        let itself = itself::recognise(written.name, &transport, self.place).filter(|_| !self.options.allow_self);
        if itself::gathers(&transport, self.place) {
            warnings.push("it serves other servers, some of which may stand here under their own names too".into());
        }
        let verdict = if let Some(reason) = itself {
            Verdict::unclaimed(State::Blocked { reason: reason.into() })
        } else if let Some(state) = refusal {
            Verdict::unclaimed(state)
        } else if entry.switched_off {
            Verdict::claimed(State::Disabled { reason: "switched off in its entry".into() })
        } else if let Some(reason) = off {
            Verdict::claimed(State::Disabled { reason })
        } else if let Some(reason) = self.records.off(source.owner, written.name) {
            Verdict::claimed(State::Disabled { reason: reason.into() })
        } else if !needs.is_empty() {
            Verdict::claimed(State::NeedsInput { reason: needs.join("; ") })
        } else {
            Verdict::claimed(State::Enabled)
        };
        let config = ServerConfig {
            name: written.name.to_owned(),
            transport,
            call_timeout: entry.call_timeout,
            description: entry.description,
            era: entry.era,
            survival: entry.survival,
            expanded,
        };
        Ok((config, verdict, warnings))
    }

    /// Why this entry may not be used, whatever it says: nobody approved it, or somebody forbade it.
    fn refusal(&self, source: &Source, name: &str, origin: &Origin, fingerprint: &Fingerprint) -> Option<State> {
        let managed = self.records.claude.managed.as_ref();
        if let Some(managed) = managed.filter(|_| source.owner == Owner::ClaudeCode && source.scope != Scope::Managed) {
            let reason = format!("Claude Code uses only the servers of {}", managed.display());
            return Some(State::Disabled { reason });
        }
        // An answer given to the bridge about this very entry comes before what was told to anyone else.
        if source.scope != Scope::Project || self.options.trusted.holds(&origin.file, fingerprint) {
            return None;
        }
        match self.records.answer(source.owner, name) {
            Answer::Refused => Some(State::Disabled { reason: "refused in Claude Code".into() }),
            Answer::Approved => None,
            Answer::NotAsked if self.options.trust_project => None,
            Answer::NotAsked => Some(State::PendingApproval {
                reason: "it comes from the project's own files; approve it with `mcp-bridge trust`, or set MCP_BRIDGE_TRUST_PROJECT=1"
                    .into(),
            }),
        }
    }
}

/// What an entry says, once its owner's spelling is undone.
struct Meaning {
    entry: Value,
    needs: Vec<String>,
    warnings: Vec<String>,
    off: Option<String>,
    refusal: Option<State>,
}

struct Verdict {
    state: State,
    claims: bool,
}

impl Verdict {
    fn claimed(state: State) -> Self {
        Self { state, claims: true }
    }

    fn unclaimed(state: State) -> Self {
        Self { state, claims: false }
    }
}

fn check_name(name: &str) -> Result<(), Flaw> {
    const ACCEPTED: &str = "a name of 1 to 200 characters without control characters";
    let found = if name.trim().is_empty() {
        "empty"
    } else if name.chars().any(char::is_control) {
        "a text with control characters"
    } else if name.chars().count() > LONGEST_NAME {
        "too long"
    } else {
        return Ok(());
    };
    Err(Flaw::new("the server's name", found, ACCEPTED))
}

/// Makes seconds of a `timeout` the milliseconds that everybody else writes.
fn to_milliseconds(entry: &mut Value) {
    if let Some(timeout) = entry.get_mut("timeout")
        && let Some(seconds) = timeout.as_f64()
    {
        *timeout = (seconds * 1000.0).into();
    }
}

/// What stands in for a server whose entry cannot be understood.
fn unusable(name: &str) -> ServerConfig {
    let transport = Transport::Stdio { command: String::new(), args: Vec::new(), env: Default::default(), cwd: None };
    ServerConfig {
        name: name.to_owned(),
        transport,
        call_timeout: None,
        description: None,
        era: Era::Any,
        survival: Default::default(),
        expanded: Vec::new(),
    }
}
