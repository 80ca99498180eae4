//! The one provider of cryptography. rustls wants it chosen before its first use, and several folders make clients.

use std::sync::Once;

/// Sees to it that one is chosen.
pub(crate) fn ready() {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(|| {
        // A program that uses this as a library may have chosen another already: any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
