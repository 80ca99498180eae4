//! left
