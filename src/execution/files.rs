//! The `files` of a call: what its shapes mean, and whether they fit into a sandbox.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::request::{RequestError, wrong};
use crate::output::FileReport;
use crate::uploads::{Content, FileName, Given, Upload, UploadError, named_by};

/// Where a program finds its files: its working folder.
pub(super) const WORKSPACE: &str = "/workspace";

/// What a file takes at least of a tmpfs, and in whole numbers of: a page.
const PAGE: u64 = 4096;

/// Padding is left out by some and asked for by none.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const SHAPES: &str =
    "{name, text}, {name, blob} in base64, an embedded resource, or a resource_link to a file of an earlier run";

/// Reads `files`: a list of files, or a lone one.
///
/// # Errors
/// The first file of a wrong shape or name.
pub(super) fn read_files(value: Option<&Value>) -> Result<Vec<Given>, RequestError> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(file)) => Ok(vec![read_file("files", file)?]),
        Some(Value::Array(files)) => {
            let read = files.iter().enumerate().map(|(index, file)| match file {
                Value::Object(file) => read_file(&format!("files[{index}]"), file),
                other => Err(wrong(&format!("files[{index}]"), Some(other), SHAPES, HINT)),
            });
            read.collect()
        }
        other => Err(wrong("files", other, &format!("a list; each is {SHAPES}"), HINT)),
    }
}

const HINT: &str = "send {\"name\": \"data.csv\", \"text\": \"…\"}";

/// One file. MCP's own content blocks hold the parts one level deeper, or under a URI; members that only describe are passed over.
fn read_file(field: &str, file: &Map<String, Value>) -> Result<Given, RequestError> {
    let inner = match file.get("resource") {
        Some(Value::Object(resource)) => resource,
        Some(other) => return Err(wrong(&format!("{field}.resource"), Some(other), "an object with `uri`", HINT)),
        None => file,
    };
    let text = |holder: &Map<String, Value>, key: &str| match holder.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        other => Err(wrong(&format!("{field}.{key}"), other, "a string", HINT)),
    };
    let uri = text(inner, "uri")?;
    let content = match (text(inner, "text")?, text(inner, "blob")?, &uri) {
        (Some(text), None, _) => Content::Bytes(text.into_bytes().into()),
        (None, Some(blob), _) => match BASE64.decode(blob.as_bytes()) {
            Ok(bytes) => Content::Bytes(bytes.into()),
            Err(error) => return Err(unusable(field, format!("`blob` is not base64: {error}"))),
        },
        (None, None, Some(uri)) if file.get("resource").is_none() => Content::Link(uri.clone()),
        (Some(_), Some(_), _) => return Err(unusable(field, "it has both `text` and `blob`".into())),
        _ => return Err(unusable(field, "it has neither `text` nor `blob`".into())),
    };
    let name = text(file, "name")?.or_else(|| uri.as_deref().map(named_by));
    let name = name.ok_or_else(|| unusable(field, "it has no `name`".into()))?;
    Ok(Given { name: FileName::new(&name)?, content })
}

fn unusable(field: &str, found: String) -> RequestError {
    RequestError::Argument { field: field.to_owned(), found, accepted: SHAPES.to_owned(), hint: HINT.to_owned() }
}

/// Whether a sandbox with a workspace of this size, and nothing in it yet, has room.
///
/// # Errors
/// It has not.
pub(super) fn fit(files: &[Upload], workspace: u64) -> Result<(), UploadError> {
    let bytes: u64 = files.iter().map(|file| (file.content.len() as u64).max(1).next_multiple_of(PAGE)).sum();
    if bytes <= workspace { Ok(()) } else { Err(UploadError::Workspace { bytes, workspace }) }
}

/// The files for the report.
pub(super) fn reported(files: &[Upload]) -> Vec<FileReport> {
    let report = |file: &Upload| FileReport {
        name: file.name.to_string(),
        bytes: file.content.len() as u64,
        uri: file.uri.clone(),
    };
    files.iter().map(report).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Vec<(String, Content)>, RequestError> {
        let named = |given: Given| (given.name.to_string(), given.content);
        Ok(read_files(Some(&value))?.into_iter().map(named).collect())
    }

    #[test]
    fn each_shape_is_a_file() {
        let bytes = |text: &'static [u8]| Content::Bytes(text.into());
        let link = "mcp-bridge://uploads/ba7816bf8f01cfea414140de5dae2223";
        let files = json!([
            {"name": "a.txt", "text": "é"},
            {"name": "b.bin", "blob": "AP8="},
            {"name": "c.bin", "blob": "AP8"},
            {"type": "resource", "resource": {"uri": "file:///home/me/d%20d.csv", "mimeType": "text/csv", "text": "x"}},
            {"type": "resource", "resource": {"uri": "file:///x", "blob": ""}, "name": "e"},
            {"type": "resource_link", "uri": link, "name": "f.txt", "size": 3},
        ]);
        let expected = [
            ("a.txt", bytes("é".as_bytes())),
            ("b.bin", bytes(b"\0\xff")),
            ("c.bin", bytes(b"\0\xff")),
            ("d d.csv", bytes(b"x")),
            ("e", bytes(b"")),
            ("f.txt", Content::Link(link.into())),
        ];
        assert_eq!(read(files).unwrap(), expected.map(|(name, content)| (name.to_owned(), content)));
        // A lone one is what was meant.
        assert_eq!(read(json!({"name": "a", "text": ""})).unwrap().len(), 1);
        assert!(read_files(None).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_file_is_named_with_what_is_accepted() {
        for (files, said) in [
            (json!("a.txt"), "files: it is the string \"a.txt\"; accepted is a list"),
            (json!([{"name": "a", "text": "x"}, "b"]), "files[1]: it is the string"),
            (json!([{"name": "a"}]), "files[0]: it has neither `text` nor `blob`"),
            (json!([{"name": "a", "text": "x", "blob": "eA=="}]), "files[0]: it has both"),
            (json!([{"name": "a", "blob": "x!"}]), "files[0]: `blob` is not base64"),
            (json!([{"text": "x"}]), "files[0]: it has no `name`"),
            (json!([{"name": 7, "text": "x"}]), "files[0].name: it is 7"),
            (json!([{"name": "a", "text": ["x"]}]), "files[0].text: it is a list"),
            (json!([{"resource": "x"}]), "files[0].resource: it is the string"),
            (json!([{"resource": {"uri": "file:///etc/passwd"}}]), "files[0]: it has neither"),
            (json!([{"name": "../a", "text": "x"}]), "a file cannot be called \"../a\""),
        ] {
            let error = read(files).unwrap_err();
            assert!(error.to_string().starts_with(said), "{error}");
            assert!(!error.hint().is_empty());
        }
    }

    #[test]
    fn what_fits_is_counted_in_pages() {
        let file =
            |bytes: usize| Upload { name: FileName::new("a").unwrap(), content: vec![0; bytes].into(), uri: None };
        assert!(fit(&[file(4096), file(0)], 8192).is_ok());
        assert_eq!(fit(&[file(4097), file(0)], 8192).unwrap_err().code(), "uploads.workspace");
    }

    proptest! {
        #[test]
        fn any_strings_are_read_or_refused_without_panic(
            name in any::<Option<String>>(), text in any::<Option<String>>(), blob in any::<Option<String>>(), uri in any::<Option<String>>(), deep in any::<bool>(),
        ) {
            let mut file = json!({"text": text, "blob": blob, "uri": uri});
            if deep { file = json!({"type": "resource", "resource": file}); }
            file["name"] = json!(name);
            if let Ok(files) = read(json!([file])) {
                prop_assert!(!files[0].0.contains(['/', '\\', '\0']) && files[0].0 != "..");
            }
        }
    }
}
