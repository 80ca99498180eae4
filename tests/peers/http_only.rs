//! http_only
