//! The part of the table of settings that is about HTTP.

use super::variables::{DURATION, OUTPUT, Variable};

pub(super) const HTTP: &[Variable] = &[
    Variable {
        name: "MCP_BRIDGE_HTTP",
        default: "127.0.0.1:8000",
        accepts: "an address and a port, or a port of 127.0.0.1",
        help: "Where `mcp-bridge start` listens.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_AUTH",
        default: "auto",
        accepts: "auto, required or off",
        help: "Whether callers over HTTP must say who they are; auto: as soon as there is a token or JWTs are configured. Without it only loopback addresses are listened at.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_HOSTS",
        default: "",
        accepts: "names without ports, with commas between",
        help: "What else the bridge is called in the `Host` of requests, beside its own address and localhost.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_ORIGINS",
        default: "",
        accepts: "origins such as https://app.example.com, or null, with commas between",
        help: "Pages that may use the bridge from a browser, beside those on localhost.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_URL",
        default: "",
        accepts: "an http or https URL without a path",
        help: "What clients call the bridge from outside, for the metadata that leads them to the authorization server. Default: where it listens.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_TLS_CERT",
        default: "",
        accepts: "a path",
        help: "Certificate chain in PEM form; with it the bridge speaks HTTPS.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_TLS_KEY",
        default: "",
        accepts: "a path",
        help: "The key of that certificate, in PEM form.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_JWT_ISSUER",
        default: "",
        accepts: "the URL of an authorization server",
        help: "Whose JWTs let callers in (`iss`). Needs the audience and the keys.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_JWT_AUDIENCE",
        default: "",
        accepts: "one word",
        help: "For whom the JWTs must be (`aud`).",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_JWT_KEYS",
        default: "",
        accepts: "a URL or a path",
        help: "What JWTs are checked with: the URL of a JWKS, or a file with a JWKS, a public key in PEM form, or a secret of 32 bytes or more.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_BODY",
        default: "48m",
        accepts: OUTPUT,
        help: "Largest body of a request, and message of a WebSocket.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_CONNECTIONS",
        default: "2048",
        accepts: "a whole number from 1 to 1000000",
        help: "Connections at the same time; further ones are closed.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_CONNECTIONS_PER_ADDRESS",
        default: "",
        accepts: "a whole number from 1 to 1000000",
        help: "Of these, from one address, or one /64 network of IPv6. Default: half of them. Behind a proxy all come from its address.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_SESSIONS",
        default: "1024",
        accepts: "a whole number from 1 to 1000000",
        help: "MCP sessions at the same time. Beyond it one ends that was unused longest: of the caller who has the most, or the newcomer's own.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_SESSION_IDLE",
        default: "30m",
        accepts: DURATION,
        help: "How long an MCP session may be unused before it ends.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_RATE",
        default: "off",
        accepts: "requests a second, a number from 0.001 to 1000000; or off",
        help: "Requests a second from one address; further ones are refused with 429.",
    },
    Variable {
        name: "MCP_BRIDGE_HTTP_GRACE",
        default: "10",
        accepts: DURATION,
        help: "How long requests under way may go on after SIGTERM.",
    },
];
