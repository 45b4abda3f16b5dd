//! Writes objects that leave out what is not given.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// An object that is being written, field by field.
pub(super) struct Fields<S: Serializer>(S::SerializeMap);

impl<S: Serializer> Fields<S> {
    /// An object without fields.
    pub(super) fn start(serializer: S) -> Result<Self, S::Error> {
        serializer.serialize_map(None).map(Self)
    }

    /// A field, if it is given.
    pub(super) fn some(
        &mut self,
        name: &'static str,
        value: Option<impl Serialize>,
    ) -> Result<(), S::Error> {
        value.map_or(Ok(()), |value| self.0.serialize_entry(name, &value))
    }

    /// A switch, if it is on; off is Google's default for all of them.
    pub(super) fn on(&mut self, name: &'static str, on: bool) -> Result<(), S::Error> {
        self.some(name, on.then_some(true))
    }

    /// A list, if there is anything on it.
    pub(super) fn list(
        &mut self,
        name: &'static str,
        list: &[impl Serialize],
    ) -> Result<(), S::Error> {
        self.some(name, Some(list).filter(|list| !list.is_empty()))
    }

    /// A map of texts, if there is anything in it.
    pub(super) fn map(
        &mut self,
        name: &'static str,
        map: &BTreeMap<String, String>,
    ) -> Result<(), S::Error> {
        self.some(name, Some(map).filter(|map| !map.is_empty()))
    }

    /// The object is whole.
    pub(super) fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}
