//! The store's promises, tested once for every back end.
//!
//! `conformance` is written over a `Backend`: how to open a store in a directory, how to look into
//! it from outside, how to make its disk full. A back end is one module here, which brings its own
//! `Backend` and includes the suite; nothing of the suite names a back end.

mod sqlite;
