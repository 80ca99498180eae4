//! Docker and Podman through the Engine API.
