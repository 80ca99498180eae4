//! Files of variables (`.env`), which some editors let an entry name. Pure: text in, names and values out.

/// The variables of a file, in its order: `NAME=value`, `export NAME=value`, quotes around a value, `#` before a remark.
///
/// Lines of another form are left out, as editors do. Nothing is filled in within a value.
pub(super) fn variables(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(variable).collect()
}

fn variable(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    is_name.then(|| (name.to_owned(), value_of(value.trim())))
}

fn value_of(written: &str) -> String {
    let Some(quote) = written.chars().next().filter(|c| "\"'`".contains(*c)) else {
        // Without quotes, a remark begins after a blank.
        return written.split(" #").next().unwrap_or_default().trim_end().to_owned();
    };
    let inner = &written[1..];
    match inner.rfind(quote) {
        Some(end) if quote == '"' => inner[..end].replace("\\n", "\n"),
        Some(end) => inner[..end].to_owned(),
        None => written.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_the_usual_forms() {
        let text = "# keys\nA=1\n export B = two words # remark\nC=\"a # b\\nc\"\nD='x'\nE=\nF=a=b\nnot a line\n=x\nG=\"open\n";
        let pairs = variables(text);
        let said: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            said,
            [("A", "1"), ("B", "two words"), ("C", "a # b\nc"), ("D", "x"), ("E", ""), ("F", "a=b"), ("G", "\"open")]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>(), name in "[A-Z]{1,5}", value in "[a-z0-9:/]{0,8}") {
            variables(&text);
            prop_assert_eq!(variables(&format!("{name}={value}")), vec![(name, value)]);
        }
    }
}
