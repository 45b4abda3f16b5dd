//! How much there is of everything: the part of [`Store`] for whoever watches over the process.

use domain::Time;

use crate::model::{Standing, Written};
use crate::{Error, Store};

impl Store {
    /// What is there at `now`, counted.
    ///
    /// # Errors
    /// [`Error::Database`] when the database cannot be read, [`Error::Closed`] at the end.
    pub async fn standing(&self, now: Time) -> Result<Standing, Error> {
        self.sqlite().standing(now).await
    }

    /// What the writer has done since the store was opened.
    pub fn written(&self) -> Written {
        self.sqlite().written()
    }
}
