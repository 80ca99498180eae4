//! URIs that can be compared letter by letter.
//!
//! RFC 3986 lets one resource be spelt in many ways, and servers read some of them alike (`%2e%2e/`, `//`, `FILE:`). A rule compares
//! letters, so a URI that could be spelt otherwise (and `ü` in two characters is `ü` in one, to many a file system) is not there for a caller whose rules tell resources apart.

use unicode_normalization::is_nfc;
use url::{Position, Url};

/// Whether this is the one plain spelling: scheme and host in lower case, no percent-encoding, no user, no default port, no fragment,
/// no `.`, `..` or empty segment inside the path, no white space, control characters or
/// backslashes, and letters composed (NFC).
pub(super) fn is_plain(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let scheme_is_plain = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    let letters_are_plain = !rest.contains(|c: char| c.is_control() || c.is_whitespace() || "%\\#".contains(c));
    if !scheme_is_plain || !letters_are_plain || !is_nfc(uri) {
        return false;
    }
    let Some(rest) = rest.strip_prefix("//") else {
        // `file:/x` is `file:///x`.
        return scheme != "file" && has_plain_segments(rest);
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // Clients of HTTP read by the URL standard, which has one spelling of each host.
    if matches!(scheme, "http" | "https" | "ws" | "wss") && !is_normal(uri) {
        return false;
    }
    // `file://localhost/x` is `file:///x`, and a file has no query.
    let file_is_plain = scheme != "file" || (authority.is_empty() && !path.contains('?'));
    file_is_plain && is_plain_authority(scheme, authority) && has_plain_segments(path)
}

/// Whether the URL standard writes it so up to the path, and has a path: `https://h` is `https://h/`, `http://127.1/` and
/// `http://2130706433/` are `http://127.0.0.1/`.
fn is_normal(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    uri.strip_prefix(&url[..Position::BeforePath]).is_some_and(|rest| rest.starts_with('/'))
}

fn is_plain_authority(scheme: &str, authority: &str) -> bool {
    let default_port = match scheme {
        "http" | "ws" => Some("80"),
        "https" | "wss" => Some("443"),
        _ => None,
    };
    // The colons of an IPv6 address stand inside brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_is_plain =
        port.is_none_or(|port| !port.is_empty() && Some(port) != default_port && !port.starts_with('0'));
    let host_is_plain = !host.ends_with('.') && !host.contains(|c: char| c == '@' || c.is_uppercase());
    port_is_plain && host_is_plain
}

/// A last segment may be empty: a path that ends in `/` is another one.
fn has_plain_segments(rest: &str) -> bool {
    let path = rest.split('?').next().unwrap_or_default();
    let mut segments: Vec<&str> = path.split('/').collect();
    if segments.first() == Some(&"") {
        segments.remove(0);
    }
    let last = segments.len().saturating_sub(1);
    segments
        .iter()
        .enumerate()
        .all(|(at, segment)| !matches!(*segment, "." | "..") && (at == last || !segment.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_of_each_is_plain() {
        for plain in [
            "file:///docs/a.txt",
            "file:///docs/",
            "file:///",
            "https://example.com/",
            "https://example.com/a?b=c/../d",
            "https://xn--bcher-kva.example/{id}",
            "wss://192.0.2.1/x",
            "http://[::1]:8000/x",
            "memo:insights",
            "urn:isbn:1",
            "notes://日記/ü",
            "test://static/resource/{id}",
        ] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            "FILE:///docs/a.txt",
            "File:///x",
            "file:/docs/a",
            "file://localhost/docs/a",
            "file:////docs",
            "file:///docs//a",
            "file:///docs/./a",
            "file:///docs/../etc",
            "file:///docs/..",
            "file:///docs/%2e%2e/etc",
            "file:///docs/a%20b",
            "file:///docs/a#x",
            "file:///docs/a?x",
            "file:///docs\\a",
            "file:///docs/a b",
            "file:///docs/a\u{a0}",
            "https://example.com",
            "https://example.com?a",
            "https://bücher.example/",
            "https:///example.com/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "ws://[0:0:0:0:0:0:0:1]/",
            "https://Example.com/",
            "https://example.com./",
            "https://example.com:443/",
            "https://example.com:/",
            "http://example.com:080/",
            "https://me@example.com/",
            "memo:a/../b",
            "no scheme",
            "notes://u\u{308}",
            "",
            "1x:y",
            ":x",
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
