//! What the client's era wants of every result, where the server was of another one: 2026-07-28 has `resultType`, and says how long
//! lists may be kept; before, there was neither. Only the fields at the top are looked at, and what is inside them stays as it is.

use rmcp::model::ClientRequest;
use serde_json::value::RawValue;

use super::fields::Fields;

/// Results that clients of the newer era may keep for a while.
pub(super) fn is_cacheable(request: &ClientRequest) -> bool {
    matches!(
        request,
        ClientRequest::ListToolsRequest(_)
            | ClientRequest::ListPromptsRequest(_)
            | ClientRequest::ListResourcesRequest(_)
            | ClientRequest::ListResourceTemplatesRequest(_)
            | ClientRequest::ReadResourceRequest(_)
    )
}

const KIND: &str = r#""resultType""#;
const COMPLETE: &str = r#""complete""#;
/// Nothing was said of how long it may be kept.
const UNSAID: [(&str, &str); 2] = [(r#""ttlMs""#, "0"), (r#""cacheScope""#, r#""private""#)];

/// A result as a client of this era gets it.
pub(super) fn for_era(result: Box<RawValue>, stateless: bool, cacheable: bool) -> String {
    let result = Box::<str>::from(result);
    // Most are without it, and then there is nothing to take out.
    if !stateless && memchr::memmem::find(result.as_bytes(), KIND.as_bytes()).is_none() {
        return result.into();
    }
    let Some(Fields(mut fields)) = Fields::of(&result) else { return result.into() };
    let kind = fields.iter().find(|(key, _)| *key == KIND).map(|(_, kind)| *kind);
    let is_complete = kind.is_none_or(|kind| kind == COMPLETE);
    if !stateless {
        if !is_complete {
            return result.into();
        }
        fields.retain(|(key, _)| *key != KIND && UNSAID.iter().all(|(unsaid, _)| key != unsaid));
        return Fields(fields).object();
    }
    let wanted = [(KIND, COMPLETE)].into_iter().chain(UNSAID.into_iter().filter(|_| cacheable && is_complete));
    let missing: Vec<_> = wanted.filter(|(name, _)| fields.iter().all(|(key, _)| key != name)).collect();
    if missing.is_empty() {
        return result.into();
    }
    fields.extend(missing);
    Fields(fields).object()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(text: &str, stateless: bool, cacheable: bool) -> String {
        for_era(RawValue::from_string(text.to_owned()).expect("JSON"), stateless, cacheable)
    }

    #[test]
    fn a_result_is_dressed_for_the_clients_era() {
        let new = r#"{"tools":[],"resultType":"complete"}"#;
        let kept = r#"{"tools":[],"resultType":"complete","ttlMs":5,"cacheScope":"public"}"#;
        assert_eq!([new, kept].map(|it| dressed(it, false, true)), [r#"{"tools":[]}"#, r#"{"tools":[]}"#]);
        let unsaid = r#"{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#;
        assert_eq!(dressed(new, true, true), unsaid);
        assert_eq!(dressed(kept, true, true), kept);
        assert_eq!(dressed(r#"{"x":1}"#, true, false), r#"{"x":1,"resultType":"complete"}"#);
        assert_eq!(dressed("{}", true, false), r#"{"resultType":"complete"}"#);
        let asks = r#"{"resultType":"input_required"}"#;
        assert_eq!([true, false].map(|stateless| dressed(asks, stateless, true)), [asks, asks]);
    }

    #[test]
    fn nothing_else_is_touched() {
        let odd = r#""a":1e400,"\ud800":"\udfff","a":{ "a" : -0.0 },"n":18446744073709551617"#;
        assert_eq!(dressed(&format!("{{{odd}}}"), false, true), format!("{{{odd}}}"));
        assert_eq!(dressed(&format!(r#"{{ "resultType" : "complete", {odd} }}"#), false, true), format!("{{{odd}}}"));
        assert_eq!(dressed(&format!("{{{odd}}}"), true, false), format!(r#"{{{odd},"resultType":"complete"}}"#));
    }
}
