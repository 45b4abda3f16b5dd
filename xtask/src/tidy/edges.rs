//! Who may import whom: every direct dependency of every crate of ours, with its reason.
//!
//! A dependency that is not here fails, and so does a row that nothing uses any more. To add one:
//! the line in the crate's `Cargo.toml` and the row here, in a commit of its own that says why.
//! Only direct dependencies count: what a crate may *name* is what shapes it.

pub(crate) mod check;
pub(crate) mod table;
