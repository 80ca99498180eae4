//! sockets_only
