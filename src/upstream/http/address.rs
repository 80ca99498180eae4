//! Where a remote server is: an address on the network, or a path within a Unix socket.

use std::path::PathBuf;

use reqwest::Url;

/// Checked, and in the form the HTTP client takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Address {
    /// With `http` or `https`, also for a WebSocket; the host is `localhost` behind a Unix socket.
    pub(in crate::upstream) url: Url,
    pub(in crate::upstream) socket: Option<PathBuf>,
    /// The address was one of a WebSocket (`ws`, `wss`).
    pub(in crate::upstream) websocket: bool,
}

impl Address {
    /// Reads an address as a person writes it; the error is the end of the sentence "the address ...".
    pub(in crate::upstream) fn parse(text: &str) -> Result<Self, String> {
        // As nginx and `ws` of Node write it: the path of the socket, a colon, the path of the request.
        for (scheme, websocket) in [("unix://", false), ("ws+unix://", true)] {
            let Some(rest) = text.strip_prefix(scheme) else { continue };
            let (socket, path) = rest.split_once(':').unwrap_or((rest, "/mcp"));
            return Ok(Self { websocket, ..Self::within(PathBuf::from(socket), path)? });
        }
        if let Some(rest) = text.strip_prefix("http+unix://") {
            let (socket, path) = rest.find('/').map_or((rest, "/mcp"), |at| rest.split_at(at));
            return Self::within(PathBuf::from(decoded(socket)?), path);
        }
        let url: Url = text.parse().map_err(|error| format!("is not one ({error})"))?;
        let (scheme, websocket) = match url.scheme() {
            "http" => ("http", false),
            "https" => ("https", false),
            "ws" => ("http", true),
            "wss" => ("https", true),
            other => {
                return Err(format!(
                    "begins with `{other}:`; accepted: http, https, ws, wss, unix, http+unix, ws+unix"
                ));
            }
        };
        // `Url` does not change a scheme into one of another kind, so the text is read anew.
        let url = match websocket {
            true => format!("{scheme}{}", &url.as_str()[url.scheme().len()..]).parse().map_err(|_| "is not one")?,
            false => url,
        };
        Ok(Self { url, socket: None, websocket })
    }

    fn within(socket: PathBuf, path: &str) -> Result<Self, String> {
        if !socket.is_absolute() {
            return Err("names a Unix socket without its whole path".into());
        }
        let url = format!("http://localhost{path}").parse().map_err(|error| format!("is not one ({error})"))?;
        Ok(Self { url, socket: Some(socket), websocket: false })
    }

    /// Whether it stays on this machine; a proxy has no business there.
    pub(in crate::upstream) fn is_local(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        self.socket.is_some() || host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }

    /// The parts that may be shown.
    pub(in crate::upstream) fn shown(&self) -> String {
        match &self.socket {
            Some(socket) => format!("unix:{}", socket.display()),
            None => self.url.origin().ascii_serialization(),
        }
    }
}

/// `%2F` and the like, as the form `http+unix` needs it for the slashes of the socket's path.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("has a `%` without two hexadecimal digits")?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 behind its `%`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, Option<String>, bool) {
        let address = Address::parse(text).expect(text);
        (address.url.into(), address.socket.map(|path| path.display().to_string()), address.websocket)
    }

    #[test]
    fn every_form_is_read() {
        let socket = || Some("/run/x.sock".to_owned());
        for (text, wanted) in [
            ("https://h:8443/mcp?a=b", ("https://h:8443/mcp?a=b".to_owned(), None, false)),
            ("ws://h/x", ("http://h/x".to_owned(), None, true)),
            ("wss://h/x", ("https://h/x".to_owned(), None, true)),
            ("unix:///run/x.sock", ("http://localhost/mcp".to_owned(), socket(), false)),
            ("unix:///run/x.sock:/a/b", ("http://localhost/a/b".to_owned(), socket(), false)),
            ("http+unix://%2Frun%2fx.sock/sse", ("http://localhost/sse".to_owned(), socket(), false)),
            ("ws+unix:///run/x.sock:/a", ("http://localhost/a".to_owned(), socket(), true)),
        ] {
            assert_eq!(parts(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_said() {
        for text in ["", "/mcp", "ftp://h", "unix://x.sock", "http+unix://%2/mcp", "http+unix://%ff/mcp", "https://"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn local_is_local() {
        for (text, local) in [
            ("http://127.0.0.1:1/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("unix:///x", true),
            ("http://127.0.0.1.example.com/", false),
            ("https://example.com", false),
        ] {
            assert_eq!(Address::parse(text).expect(text).is_local(), local, "{text}");
        }
    }
}
