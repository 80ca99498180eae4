//! Variables in config text. Each client has its own dialect, so the dialect comes with the source, never globally.

/// How a client writes a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `${NAME}` and `${NAME:-default}`. A variable set to nothing is set: its default is not used, unlike in a shell.
    Claude,
    /// Text is text: a literal `${NAME}` survives.
    None,
}

/// A text after expansion.
#[derive(Clone, PartialEq, Eq)]
pub struct Expanded {
    pub text: String,
    /// Variables that were neither set nor given a default; they stand in `text` as they were written.
    pub unset: Vec<String>,
}

impl Dialect {
    /// Expands `text` once, from left to right. A value is data: what looks like a variable inside it stays as it is.
    pub fn expand<'v>(self, text: &str, var: impl Fn(&str) -> Option<&'v str>) -> Expanded {
        let mut out = Expanded { text: String::with_capacity(text.len()), unset: Vec::new() };
        let mut rest = text;
        while self == Self::Claude
            && let Some(start) = rest.find("${")
        {
            out.text.push_str(&rest[..start]);
            let here = &rest[start..];
            let Some(reference) = Reference::parse(here) else {
                out.text.push_str("${");
                rest = &here[2..];
                continue;
            };
            match var(reference.name).or(reference.default) {
                Some(value) => out.text.push_str(value),
                None => {
                    out.unset.push(reference.name.to_owned());
                    out.text.push_str(&here[..reference.length]);
                }
            }
            rest = &here[reference.length..];
        }
        out.text.push_str(rest);
        out
    }
}

/// `${NAME}` or `${NAME:-default}` at the start of a text.
struct Reference<'t> {
    name: &'t str,
    default: Option<&'t str>,
    /// Bytes from `$` to `}`.
    length: usize,
}

impl<'t> Reference<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let body = text.strip_prefix("${")?;
        let end = body.find('}')?;
        let body = &body[..end];
        let (name, default) = match body.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (body, None),
        };
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let goes_well = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (starts_well && goes_well).then_some(Self { name, default, length: end + 3 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expand(text: &str) -> (String, Vec<String>) {
        let out = Dialect::Claude.expand(text, |name| match name {
            "SET" => Some("value"),
            "EMPTY" => Some(""),
            "TRICK" => Some("${SET}"),
            "OPEN" => Some("${"),
            _ => None,
        });
        (out.text, out.unset)
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
            assert_eq!(expand(text), (want.to_owned(), vec![]), "{text}");
        }
    }

    #[test]
    fn an_unset_variable_stays_and_is_named() {
        assert_eq!(expand("x ${GONE} y"), ("x ${GONE} y".into(), vec!["GONE".into()]));
    }

    #[test]
    fn a_value_is_data() {
        assert_eq!(expand("${TRICK}").0, "${SET}");
        assert_eq!(expand("${OPEN}SET}").0, "${SET}");
    }

    #[test]
    fn no_dialect_leaves_text_alone() {
        let out = Dialect::None.expand("${SET}", |_| Some("value"));
        assert_eq!((out.text.as_str(), out.unset.len()), ("${SET}", 0));
    }

    proptest! {
        #[test]
        fn never_panics(text in r"[\$\{\}:\-A-Z_é ]{0,40}", value in any::<String>()) {
            Dialect::Claude.expand(&text, |_| Some(value.as_str()));
        }

        /// Expansion of pieces side by side is the pieces expanded: nothing is read a second time, whatever a value holds.
        #[test]
        fn expands_once(pieces in prop::collection::vec((r"[a-z /.]{0,6}", r"[A-Z]{1,4}"), 0..6), value in r"[\$\{\}A-Z:\-]{0,12}") {
            let text: String = pieces.iter().map(|(plain, name)| format!("{plain}${{{name}}}")).collect();
            let want: String = pieces.iter().map(|(plain, _)| format!("{plain}{value}")).collect();
            prop_assert_eq!(Dialect::Claude.expand(&text, |_| Some(value.as_str())).text, want);
        }
    }
}
