//! Names of images, made whole as Docker does: pure.

use oci_client::Reference;

use super::digest::Digest;
use super::fault::Fault;

/// An image's whole name, e.g. `docker.io/library/python:3.14-slim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(Reference);

impl Name {
    /// # Errors
    /// Text that is no name of an image.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let unclear =
            |reason: &dyn std::fmt::Display| Fault::Name { name: text.to_owned(), reason: reason.to_string() };
        let parse = |text: &str| text.parse::<Reference>().map_err(|error| unclear(&error));
        // The library knows no addresses in brackets.
        if text.starts_with('[') {
            let (host, rest) = text.split_once('/').ok_or_else(|| unclear(&"nothing follows the host"))?;
            let address = host.split_once(']').filter(|(address, port)| {
                address[1..].parse::<std::net::Ipv6Addr>().is_ok()
                    && (port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()))
            });
            address.ok_or_else(|| unclear(&"the host in brackets is no address"))?;
            let rest = parse(&format!("localhost/{rest}"))?;
            let (host, repository) = (host.to_owned(), rest.repository().to_owned());
            return Ok(Self(match (rest.tag().map(str::to_owned), rest.digest().map(str::to_owned)) {
                (Some(tag), Some(digest)) => Reference::with_tag_and_digest(host, repository, tag, digest),
                (_, Some(digest)) => Reference::with_digest(host, repository, digest),
                (tag, None) => Reference::with_tag(host, repository, tag.unwrap_or_else(|| "latest".into())),
            }));
        }
        let name = parse(text)?;
        if let Some(digest) = name.digest() {
            Digest::parse(digest).map_err(|_| unclear(&"its digest is no whole SHA-256"))?;
        }
        Ok(Self(name))
    }

    pub fn reference(&self) -> &Reference {
        &self.0
    }

    /// The digest that the name itself asks for.
    pub fn digest(&self) -> Option<Digest> {
        self.0.digest().and_then(|digest| Digest::parse(digest).ok())
    }

    pub fn whole(&self) -> String {
        self.0.whole()
    }

    /// Whether its registry is this machine: spoken to without TLS, as engines do.
    pub fn is_local(&self) -> bool {
        let registry = self.0.resolve_registry();
        let host = match registry.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map_or(rest, |(host, _)| host),
            None => registry.split_once(':').map_or(registry, |(host, _)| host),
        };
        matches!(host, "localhost" | "127.0.0.1" | "::1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_whole() {
        for (text, expected) in [
            ("python", "docker.io/library/python:latest"),
            ("python:3.14-slim", "docker.io/library/python:3.14-slim"),
            ("docker.io/python:3.14-slim", "docker.io/library/python:3.14-slim"),
            ("index.docker.io/library/python", "docker.io/library/python:latest"),
            ("me/tool", "docker.io/me/tool:latest"),
            ("ghcr.io/a/b/c:1", "ghcr.io/a/b/c:1"),
            ("localhost/a", "localhost/a:latest"),
            ("box:5000/a", "box:5000/a:latest"),
            ("[::1]:5000/a:2", "[::1]:5000/a:2"),
        ] {
            assert_eq!(Name::parse(text).expect("a name").whole(), expected, "{text}");
        }
        let pinned = format!("python@sha256:{}", "a".repeat(64));
        let name = Name::parse(&pinned).expect("a name");
        assert_eq!(name.whole(), format!("docker.io/library/{pinned}"));
        assert!(name.digest().is_some());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let short = format!("python@sha256:{}", "a".repeat(40));
        for text in
            ["", "Python", "a b", "../etc", "a/../b", "/a", "a:", "a@b", "[::1]", "[::1]:x/a", "[x]/a", "[/a", &short]
        {
            assert!(matches!(Name::parse(text), Err(Fault::Name { .. })), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for (text, local) in [
            ("localhost/a", true),
            ("localhost:5000/a", true),
            ("127.0.0.1:5000/a", true),
            ("[::1]:5000/a", true),
            ("[::2]:5000/a", false),
            ("127.0.0.1.example.org/a", false),
            ("localhost.example.org:80/a", false),
            ("10.0.0.1:5000/a", false),
            ("python", false),
        ] {
            assert_eq!(Name::parse(text).expect("a name").is_local(), local, "{text}");
        }
    }
}
