//! Variables in config text. Each client has its own dialect, so the dialect comes with the source, never globally.

use super::place::Os;
use crate::upstream::config::is_public_variable;

/// How a client writes a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Text is text: a literal `${NAME}` survives.
    None,
    /// `${NAME}` and `${NAME:-default}`. A variable set to nothing is set: its default is not used, unlike in a shell.
    Claude,
    /// Of our own folders: what Claude Code writes, and what the draft of a common format does (SEP-2633): `${env:NAME}`,
    /// `${env:NAME | value:default}`, `${input:NAME}`, `${op:…}`.
    Neutral,
    /// `$NAME`, `${NAME}`, `${NAME:-default}`, and on Windows `%NAME%`.
    Gemini,
    /// `$NAME`, `${NAME}`, `${NAME:-default}`, in `env` and `headers` only.
    Copilot,
    /// `${env:NAME}`, `${workspaceFolder}`, `${userHome}`, `${input:ID}`, `${file:PATH}`, …
    Editor,
    /// `{env:NAME}` and `{file:PATH}`.
    OpenCode,
    /// `${{ secrets.NAME }}` and `${{ inputs.NAME }}`.
    Continue,
}

/// What a variable asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'t> {
    /// A variable of the environment.
    Variable(&'t str),
    /// Something the client knows of itself: `workspaceFolder`, `/`.
    Client(&'t str),
    /// What stands in a file.
    File(&'t str),
    /// A value the client asks its user for, or keeps in a safe place.
    Private(&'t str),
}

impl Wanted<'_> {
    /// Whether nothing says that what stands for it may be shown.
    fn may_be_secret(self) -> bool {
        match self {
            Self::Variable(name) => !is_public_variable(name),
            Self::File(_) | Self::Private(_) => true,
            Self::Client(_) => false,
        }
    }
}

/// A text after expansion.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Expanded {
    pub text: String,
    /// What was neither known nor given a default: variables by their names, others as they are written.
    pub unset: Vec<String>,
    /// What only the client itself could have told.
    pub private: Vec<String>,
    /// What was filled in and may be a secret.
    pub secrets: Vec<String>,
}

/// Longer than any reference in use; without a bound, a text of nothing but openings would be read to its end from each.
const LONGEST: usize = 4096;

impl Dialect {
    /// Expands `text` once, from left to right. `known` is told the default too, which counts where it knows nothing. A value is data: what looks like a variable inside it stays as it is.
    pub fn expand(self, os: Os, text: &str, known: impl Fn(Wanted<'_>, Option<&str>) -> Option<String>) -> Expanded {
        let mut out = Expanded { text: String::with_capacity(text.len()), ..Expanded::default() };
        let mut rest = text;
        while let Some(start) = self.opening(os, rest) {
            out.text.push_str(&rest[..start]);
            let here = &rest[start..];
            let Some(reference) = self.reference(here) else {
                out.text.push_str(&here[..1]);
                rest = &here[1..];
                continue;
            };
            let written = &here[..reference.length];
            let value = known(reference.wanted, reference.default);
            out.secrets.extend(value.clone().filter(|_| reference.wanted.may_be_secret()));
            match value.or_else(|| reference.default.map(str::to_owned)) {
                Some(value) => out.text.push_str(&value),
                None => {
                    match reference.wanted {
                        Wanted::Private(name) => out.private.push(name.to_owned()),
                        Wanted::Variable(name) => out.unset.push(name.to_owned()),
                        Wanted::File(_) | Wanted::Client(_) => out.unset.push(written.to_owned()),
                    }
                    if !self.unset_is_empty() {
                        out.text.push_str(written);
                    }
                }
            }
            rest = &here[reference.length..];
        }
        out.text.push_str(rest);
        out
    }

    /// Whether variables are looked for in this field of an entry (`command`, `args[0]`, `env.NAME`, `headers.NAME`, …).
    pub fn reaches(self, field: &str) -> bool {
        self != Self::Copilot || field.starts_with("env.") || field.starts_with("headers.")
    }

    /// Whether a variable that is not set becomes nothing, and not what is written.
    pub fn unset_is_empty(self) -> bool {
        matches!(self, Self::Editor | Self::OpenCode)
    }

    /// Whether there is a variable in `text`.
    pub fn occurs(self, os: Os, text: &str) -> bool {
        let mut rest = text;
        while let Some(start) = self.opening(os, rest) {
            if self.reference(&rest[start..]).is_some() {
                return true;
            }
            rest = &rest[start + 1..];
        }
        false
    }

    /// Where the next reference might begin: at one of these characters, all of one byte.
    fn opening(self, os: Os, text: &str) -> Option<usize> {
        match self {
            Self::None => None,
            Self::OpenCode => text.find('{'),
            Self::Gemini if os == Os::Windows => text.find(['$', '%']),
            _ => text.find('$'),
        }
    }

    /// The reference at the start of `text`.
    fn reference(self, text: &str) -> Option<Reference<'_>> {
        let text = &text[..text.floor_char_boundary(LONGEST)];
        match self {
            Self::None => None,
            Self::Claude => Reference::in_braces(text),
            Self::Neutral => Reference::in_braces(text).or_else(|| Reference::schemed(text)),
            Self::Gemini => Reference::in_braces(text).or_else(|| Reference::bare(text)).or_else(|| percent(text)),
            Self::Copilot => Reference::in_braces(text).or_else(|| Reference::bare(text)),
            Self::Editor => Reference::editor(text),
            Self::OpenCode => Reference::single_brace(text),
            Self::Continue => Reference::template(text),
        }
    }
}

/// One reference at the start of a text.
struct Reference<'t> {
    wanted: Wanted<'t>,
    default: Option<&'t str>,
    /// Bytes of the whole reference.
    length: usize,
}

impl<'t> Reference<'t> {
    fn new(wanted: Wanted<'t>, length: usize) -> Self {
        Self { wanted, default: None, length }
    }

    /// `${NAME}` or `${NAME:-default}`.
    fn in_braces(text: &'t str) -> Option<Self> {
        let (body, length) = between(text, "${", "}")?;
        let (name, default) = match body.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (body, None),
        };
        is_name(name).then_some(Self { wanted: Wanted::Variable(name), default, length })
    }

    /// `$NAME`.
    fn bare(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix('$')?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..end];
        is_name(name).then(|| Self::new(Wanted::Variable(name), end + 1))
    }

    /// `${env:NAME}`, `${env:NAME | value:default}`, `${input:NAME}`, `${op:…}`.
    fn schemed(text: &'t str) -> Option<Self> {
        let (body, length) = between(text, "${", "}")?;
        let (first, fallback) = match body.split_once('|') {
            Some((first, fallback)) => (first.trim(), Some(fallback.trim())),
            None => (body.trim(), None),
        };
        let (scheme, name) = first.split_once(':')?;
        let wanted = match scheme {
            "env" if is_name(name) => Wanted::Variable(name),
            "input" | "op" => Wanted::Private(first),
            _ => return None,
        };
        let default = match fallback {
            Some(fallback) => Some(fallback.strip_prefix("value:")?),
            None => None,
        };
        Some(Self { wanted, default, length })
    }

    /// `${env:NAME}`, `${file:PATH}`, `${input:ID}`, and the words an editor knows.
    fn editor(text: &'t str) -> Option<Self> {
        let (body, length) = between(text, "${", "}")?;
        let wanted = match body.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Wanted::Variable(name),
            Some(("file", path)) => Wanted::File(path),
            Some(("input" | "config" | "command" | "prompt", _)) => Wanted::Private(body),
            // Folders of several roots: `${workspaceFolder:name}`.
            Some(("workspaceFolder", _)) => Wanted::Private(body),
            Some(_) => return None,
            None if EDITOR_WORDS.contains(&body) => Wanted::Client(body),
            None => return None,
        };
        Some(Self::new(wanted, length))
    }

    /// `{env:NAME}` and `{file:PATH}`.
    fn single_brace(text: &'t str) -> Option<Self> {
        let (body, length) = between(text, "{", "}")?;
        match body.split_once(':')? {
            ("env", name) if !name.is_empty() => Some(Self::new(Wanted::Variable(name), length)),
            ("file", path) if !path.is_empty() => Some(Self::new(Wanted::File(path), length)),
            _ => None,
        }
    }

    /// `${{ secrets.NAME }}` and `${{ inputs.NAME }}`.
    fn template(text: &'t str) -> Option<Self> {
        let (body, length) = between(text, "${{", "}}")?;
        let body = body.trim();
        let (kind, _) = body.split_once('.')?;
        ["secrets", "inputs"].contains(&kind).then(|| Self::new(Wanted::Private(body), length))
    }
}

/// `%NAME%`.
fn percent(text: &str) -> Option<Reference<'_>> {
    let (name, length) = between(text, "%", "%")?;
    is_name(name).then(|| Reference::new(Wanted::Variable(name), length))
}

/// What VS Code and Cursor fill in by themselves.
const EDITOR_WORDS: &[&str] =
    &["userHome", "workspaceFolder", "workspaceFolderBasename", "workspaceRoot", "cwd", "pathSeparator", "/"];

/// What stands between `open` and `close` at the start of `text`, and the length of it all.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<(&'t str, usize)> {
    let body = text.strip_prefix(open)?;
    let end = body.find(close)?;
    Some((&body[..end], open.len() + end + close.len()))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(wanted: Wanted<'_>, _: Option<&str>) -> Option<String> {
        let value = match wanted {
            Wanted::Variable("SET") => "value",
            Wanted::Variable("EMPTY") => "",
            Wanted::Variable("TRICK") => "${SET}$SET{env:SET}${env:SET}%SET%${{ secrets.SET }}",
            Wanted::Variable("OPEN") => "${",
            Wanted::Client("userHome") => "/home/me",
            Wanted::File("/f") => "content",
            Wanted::Private("input:kept") => "default",
            Wanted::Private("secrets.SET") => "secret",
            _ => return None,
        };
        Some(value.into())
    }

    fn expand(dialect: Dialect, text: &str) -> String {
        dialect.expand(Os::Linux, text, known).text
    }

    #[test]
    fn variables_and_defaults() {
        for (text, want) in [
            ("${SET}", "value"),
            ("a ${SET}/${SET} z", "a value/value z"),
            ("${GONE:-d}", "d"),
            ("${GONE:-}", ""),
            ("${SET:-d}", "value"),
            ("${EMPTY:-d}", ""),
            ("${GONE:-a:-b}", "a:-b"),
            ("$SET ~ %SET% {env:SET}", "$SET ~ %SET% {env:SET}"),
            ("${SET", "${SET"),
            ("${}", "${}"),
            ("${1SET}", "${1SET}"),
            ("${SE T}", "${SE T}"),
            ("${env:SET}", "${env:SET}"),
            ("${SET-d}", "${SET-d}"),
            ("$${SET}", "$value"),
            ("${a ${SET}}", "${a value}"),
        ] {
            assert_eq!(expand(Dialect::Claude, text), want, "{text}");
        }
    }

    #[test]
    fn each_dialect_knows_its_own_signs_and_no_others() {
        let text = "$SET ${SET} ${env:SET} {env:SET} ${{ secrets.SET }}";
        for (dialect, want) in [
            (Dialect::None, text),
            (Dialect::Claude, "$SET value ${env:SET} {env:SET} ${{ secrets.SET }}"),
            (Dialect::Neutral, "$SET value value {env:SET} ${{ secrets.SET }}"),
            (Dialect::Gemini, "value value ${env:SET} {env:SET} ${{ secrets.SET }}"),
            (Dialect::Copilot, "value value ${env:SET} {env:SET} ${{ secrets.SET }}"),
            (Dialect::Editor, "$SET ${SET} value {env:SET} ${{ secrets.SET }}"),
            (Dialect::OpenCode, "$SET ${SET} $value value ${{ secrets.SET }}"),
            (Dialect::Continue, "$SET ${SET} ${env:SET} {env:SET} secret"),
        ] {
            assert_eq!(expand(dialect, text), want, "{dialect:?}");
            assert_eq!(dialect.occurs(Os::Linux, text), dialect != Dialect::None, "{dialect:?}");
        }
    }

    #[test]
    fn percent_signs_are_variables_on_windows_only() {
        let on = |os| Dialect::Gemini.expand(os, "100% %SET% %GONE%", known);
        assert_eq!(on(Os::Windows).text, "100% value %GONE%");
        assert_eq!(on(Os::Windows).unset, ["GONE"]);
        assert_eq!(on(Os::Linux).text, "100% %SET% %GONE%");
    }

    #[test]
    fn the_draft_of_a_common_format() {
        for (text, want) in [
            ("${env:GONE | value:a b}", "a b"),
            ("${env:SET|value:a}", "value"),
            ("${env:GONE | nonsense}", "${env:GONE | nonsense}"),
            ("${input:kept}", "default"),
        ] {
            assert_eq!(expand(Dialect::Neutral, text), want, "{text}");
        }
        assert_eq!(Dialect::Neutral.expand(Os::Linux, "${op:vault/x}", known).private, ["op:vault/x"]);
    }

    #[test]
    fn what_editors_know_and_what_they_ask_for() {
        assert_eq!(
            expand(Dialect::Editor, "${userHome}/x ${file:/f} ${input:kept} ${unheard}"),
            "/home/me/x content default ${unheard}"
        );
        let out = Dialect::Editor.expand(Os::Linux, "${input:key}${env:GONE}${file:/gone}${config:a.b}", known);
        assert_eq!(out.text, "", "an editor leaves nothing of what is not set");
        assert_eq!(out.private, ["input:key", "config:a.b"]);
        assert_eq!(out.unset, ["GONE", "${file:/gone}"]);
    }

    #[test]
    fn an_unset_variable_stays_and_is_named() {
        let out = Dialect::Claude.expand(Os::Linux, "x ${GONE} y", known);
        assert_eq!((out.text.as_str(), out.unset), ("x ${GONE} y", vec!["GONE".to_owned()]));
    }

    #[test]
    fn a_value_is_data() {
        let trick = known(Wanted::Variable("TRICK"), None).unwrap();
        for (dialect, text) in [
            (Dialect::Claude, "${TRICK}"),
            (Dialect::Neutral, "${env:TRICK}"),
            (Dialect::Gemini, "$TRICK"),
            (Dialect::Editor, "${env:TRICK}"),
            (Dialect::OpenCode, "{env:TRICK}"),
        ] {
            assert_eq!(expand(dialect, text), trick, "{dialect:?}");
        }
        assert_eq!(expand(Dialect::Claude, "${OPEN}SET}"), "${SET}");
    }

    #[test]
    fn a_text_of_openings_is_read_once() {
        // Read to its end from each opening, this would take a while.
        let text = "${".repeat(50_000);
        for dialect in [Dialect::Claude, Dialect::Gemini, Dialect::Editor, Dialect::OpenCode, Dialect::Continue] {
            assert_eq!(expand(dialect, &text).len(), text.len());
        }
    }

    const ALL: [Dialect; 8] = [
        Dialect::None,
        Dialect::Claude,
        Dialect::Neutral,
        Dialect::Gemini,
        Dialect::Copilot,
        Dialect::Editor,
        Dialect::OpenCode,
        Dialect::Continue,
    ];

    proptest! {
        #[test]
        fn never_panics(text in r"[\$\{\}:\-%|A-Z_éa-z\. ]{0,40}", value in any::<String>()) {
            for dialect in ALL {
                for os in [Os::Linux, Os::Windows] {
                    let out = dialect.expand(os, &text, |_, _| Some(value.clone()));
                    prop_assert!(out.unset.is_empty() && out.private.is_empty());
                    let changed = dialect.expand(os, &text, |_, _| None);
                    prop_assert_eq!(dialect.occurs(os, &text), !changed.unset.is_empty() || !changed.private.is_empty() || changed.text != text);
                }
            }
        }

        /// Expansion of pieces side by side is the pieces expanded: nothing is read a second time, whatever a value holds.
        #[test]
        fn expands_once(pieces in prop::collection::vec((r"[a-z /.]{0,6}", r"[A-Z]{1,4}"), 0..6), value in r"[\$\{\}A-Z:\-]{0,12}") {
            let text: String = pieces.iter().map(|(plain, name)| format!("{plain}${{{name}}}")).collect();
            let want: String = pieces.iter().map(|(plain, _)| format!("{plain}{value}")).collect();
            prop_assert_eq!(Dialect::Claude.expand(Os::Linux, &text, |_, _| Some(value.clone())).text, want);
        }
    }
}
