//! Where names are resolved: anew for every connection.
//!
//! Push services spread their load and move by DNS, so nothing is remembered here: whoever opens a
//! connection asks, and what a name led to before does not count.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::lookup_host;

/// Says where a name leads. Cheap to clone.
#[derive(Clone, Default)]
pub struct Names(Source);

#[derive(Clone, Default)]
enum Source {
    /// Set by a test.
    Hand(Book),
    #[default]
    System,
}

/// Sets what [`Names::by_hand`] says.
#[derive(Clone)]
pub struct Book(Arc<Mutex<HashMap<String, Entry>>>);

/// A name in a book.
#[derive(Default)]
struct Entry {
    addresses: Vec<SocketAddr>,
    asked: usize,
}

impl Names {
    /// The system's resolver, with its hosts file and DNS.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// Names that lead where the book says, and no others.
    pub fn by_hand() -> (Self, Book) {
        let book = Book(Arc::default());
        (Self(Source::Hand(book.clone())), book)
    }

    /// The addresses of a name, in the resolver's order.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match &self.0 {
            Source::Hand(book) => book.look_up(host),
            Source::System => Ok(lookup_host((host, port)).await?.collect()),
        }
    }
}

impl Book {
    /// From now on the name leads to these addresses, whatever the port in the URL.
    pub fn set(&self, name: &str, addresses: &[SocketAddr]) {
        self.lock().entry(name.to_owned()).or_default().addresses = addresses.to_vec();
    }

    /// How often the name was asked for.
    pub fn asked(&self, name: &str) -> usize {
        self.lock().get(name).map_or(0, |entry| entry.asked)
    }

    fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let mut book = self.lock();
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "no such name in the book");
        let entry = book.get_mut(name).ok_or_else(unknown)?;
        entry.asked += 1;
        Ok(entry.addresses.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // Every change under the lock is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Hand(_) => "Names(by hand)",
            Source::System => "Names(system)",
        })
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").finish_non_exhaustive()
    }
}
