//! A report as text for the model.

use std::fmt::Write as _;

use serde_json::Value;

use super::report::{Report, Status};

/// The form of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// TOON in a code block, or JSON in one where that is clearly shorter.
    #[default]
    Toon,
    /// Plain text: a status line, then what was printed and returned.
    Compact,
    /// JSON in a code block.
    Json,
}

/// Above this many bytes of JSON, TOON is not tried: it takes 45 times as long to write (0.1 s for this much).
const MAX_TOON: usize = 1_000_000;

/// Renders every report; nothing is left out that the report holds.
pub fn render(report: &Report, mode: Mode) -> String {
    match mode {
        Mode::Compact => compact(report),
        Mode::Json => block("json", &report.to_value().to_string()),
        Mode::Toon => {
            let value = report.to_value();
            let json = value.to_string();
            match toon(&value, json.len()) {
                Some(toon) => block("toon", &toon),
                None => block("json", &json),
            }
        }
    }
}

/// One value on its own, without a fence: for a person at a terminal.
pub fn render_value(value: &Value, mode: Mode) -> String {
    let json = value.to_string();
    match (mode, value) {
        (_, Value::String(text)) => text.clone(),
        (Mode::Toon, value) => toon(value, json.len()).unwrap_or(json),
        _ => json,
    }
}

/// The whole document as TOON, unless it cannot be (nested too deep, too large) or JSON saves a reader more than a tenth:
/// TOON is half of JSON on rows of equal shape and half as much again on nested data. The fence tells which it is.
fn toon(value: &Value, json_len: usize) -> Option<String> {
    if json_len > MAX_TOON {
        return None;
    }
    toon_format::encode_default(value).ok().filter(|toon| toon.len() * 10 <= json_len * 11)
}

/// A code block whose fence is longer than any run of backticks inside.
fn block(language: &str, body: &str) -> String {
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{body}\n{fence}")
}

fn compact(report: &Report) -> String {
    let mut text = format!("{} in {} ms", report.status.word(), report.duration_ms);
    if let Some(calls) = &report.calls {
        let _ = write!(text, "; {} tool calls, {} failed", calls.count, calls.failed);
    }
    if !report.servers.is_empty() {
        let _ = write!(text, "; servers: {}", report.servers.join(", "));
    }
    if let Some(session) = &report.session {
        let _ = write!(text, "; session {}, run {}", session.name, session.run);
    }
    if !report.files.is_empty() {
        let named = report.files.iter().map(|file| match &file.uri {
            Some(uri) => format!("{} ({} bytes, {uri})", file.name, file.bytes),
            None => format!("{} ({} bytes)", file.name, file.bytes),
        });
        section(&mut text, "files", &named.collect::<Vec<_>>().join(", "));
    }
    if let Some(verdict) = &report.verdict {
        section(&mut text, "verdict", &verdict.message);
        section(&mut text, "hint", &verdict.hint);
    }
    section(&mut text, "stdout", &report.stdout);
    section(&mut text, "stderr", &report.stderr);
    if let Some(result) = &report.result {
        let label = if report.result_is_repr { "result (repr)" } else { "result" };
        match result {
            Value::String(result) if report.result_is_repr => section(&mut text, label, result),
            result => section(&mut text, label, &result.to_string()),
        }
    }
    if let Some(error) = &report.error {
        let code = error.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
        section(&mut text, "error", &format!("{}: {}{code}", error.kind, error.message));
        section(&mut text, "traceback", &error.traceback);
        section(&mut text, "hint", &error.hint);
    }
    for failure in report.calls.iter().flat_map(|calls| &calls.failures) {
        let times = if failure.times > 1 { format!(" ({} times)", failure.times) } else { String::new() };
        section(&mut text, "failed call", &format!("{}.{}: {}{times}", failure.server, failure.tool, failure.reason));
    }
    for note in &report.notes {
        section(&mut text, "note", note);
    }
    for (stream, cut) in
        report.truncated.iter().flat_map(|cut| [("stdout", cut.stdout), ("stderr", cut.stderr), ("result", cut.result)])
    {
        if let Some(cut) = cut {
            section(&mut text, "cut", &format!("{stream}: {} of {} bytes kept", cut.kept, cut.total));
        }
    }
    if report.status == Status::Success && text.lines().count() == 1 {
        text.push_str("; no output");
    }
    text
}

/// `label: line`, or the label on its own line where the body has several; nothing for an empty body.
fn section(text: &mut String, label: &str, body: &str) {
    let body = body.strip_suffix('\n').unwrap_or(body);
    if body.is_empty() {
        return;
    }
    let separator = if body.contains('\n') { '\n' } else { ' ' };
    let _ = write!(text, "\n{label}:{separator}{body}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::report::tests::complete;
    use super::*;

    fn with_result(result: Value) -> Report {
        Report { result: Some(result), ..Report::new(Status::Success) }
    }

    /// The language of the only block, and what stands in it.
    fn opened(text: &str) -> (String, String) {
        let first = text.lines().next().unwrap();
        let fence: String = first.chars().take_while(|c| *c == '`').collect();
        let body = text[first.len() + 1..].strip_suffix(&format!("\n{fence}")).unwrap().to_owned();
        assert!(!body.contains(&fence), "the fence occurs in the body");
        (first[fence.len()..].to_owned(), body)
    }

    #[test]
    fn toon_carries_every_field() {
        let report = complete();
        let (language, body) = opened(&render(&report, Mode::Toon));
        assert_eq!(language, "toon");
        let back: Value = toon_format::decode_default(&body).unwrap();
        assert_eq!(back, report.to_value());
    }

    #[test]
    fn rows_of_equal_shape_are_a_table() {
        let text = render(&with_result(json!([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])), Mode::Toon);
        assert_eq!(text, "```toon\nstatus: success\nresult[2]{id,name}:\n  1,a\n  2,b\nduration_ms: 0\n```");
    }

    #[test]
    fn nested_data_is_json_and_says_so() {
        let nested: Vec<Value> =
            (0..30).map(|n| json!({"a": {"b": [{"c": n, "d": [{"e": [[n], {"f": n}]}]}, [n, [n]]]}})).collect();
        let report = with_result(json!(nested));
        let (language, body) = opened(&render(&report, Mode::Toon));
        assert_eq!(language, "json");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), report.to_value());
    }

    #[test]
    fn what_toon_cannot_hold_is_json() {
        let mut deep = json!("x".repeat(2_000));
        for _ in 0..300 {
            deep = json!({"d": deep});
        }
        assert!(render(&with_result(deep), Mode::Toon).starts_with("```json\n"));
    }

    #[test]
    fn json_is_the_structured_content() {
        let report = complete();
        let (language, body) = opened(&render(&report, Mode::Json));
        assert_eq!((language.as_str(), serde_json::from_str::<Value>(&body).unwrap()), ("json", report.to_value()));
    }

    #[test]
    fn fences_in_the_output_do_not_end_the_block() {
        let report = Report { stdout: "````\nout\n```".into(), ..Report::new(Status::Success) };
        for mode in [Mode::Toon, Mode::Json] {
            let text = render(&report, mode);
            assert!(text.starts_with("`````"), "{text}");
            opened(&text);
        }
    }

    #[test]
    fn compact_is_what_a_person_would_write() {
        let report = Report { stdout: "hello\n".into(), duration_ms: 5, ..with_result(json!({"n": 1})) };
        assert_eq!(render(&report, Mode::Compact), "success in 5 ms\nstdout: hello\nresult: {\"n\":1}");
        assert_eq!(render(&Report::new(Status::Success), Mode::Compact), "success in 0 ms; no output");
        let text = render(&complete(), Mode::Compact);
        for part in [
            "error in 12 ms; 3 tool calls, 1 failed; servers: git; session analysis, run 2",
            "\nstdout:\none\ntwo\n",
            "\nerror: ZeroDivisionError: division by zero [run.example]\ntraceback:\nTraceback",
            "\nhint: divide by something",
            "\nfailed call: git.log: no",
            "\nnote: 1 call was never awaited",
            "\ncut: stdout: 1 of 2 bytes kept",
        ] {
            assert!(text.contains(part), "{part:?} is missing in {text}");
        }
    }

    proptest! {
        #[test]
        fn any_output_survives_toon_and_json(stdout in "(\\PC|[`\n\t\"\\\\:,-]){0,60}") {
            let report = Report { stdout, ..Report::new(Status::Success) };
            for mode in [Mode::Toon, Mode::Json] {
                let (language, body) = opened(&render(&report, mode));
                let back: Value = match language.as_str() {
                    "toon" => toon_format::decode_default(&body).unwrap(),
                    _ => serde_json::from_str(&body).unwrap(),
                };
                prop_assert_eq!(back, report.to_value());
            }
        }
    }
}
