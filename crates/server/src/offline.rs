//! What can be done to a data folder while no server runs on it.

use domain::{AppId, KeyScopes};
use store::Store;

use crate::clock::Clock;
use crate::config::Config;
use crate::secret::{KeyKind, KeyText};

/// The name that an app's first key gets.
const FIRST_KEY: &str = "first";

/// Makes an app with its first key, straight in the store.
///
/// # Errors
/// The store's: above all [`store::Error::InUse`] when a server runs on the folder, which must then
/// be asked instead.
pub async fn create_app_offline(
    config: &Config,
    name: &str,
) -> Result<(AppId, KeyText), store::Error> {
    let now = Clock::system().now();
    let store = Store::open(&store::Options::new(&config.data_dir))?;
    let app = store.add_app(name.to_owned(), now).await?;
    let key = KeyText::generate(KeyKind::App);
    store
        .add_key(app.id, FIRST_KEY.to_owned(), KeyScopes::ALL, *key.hash().as_bytes(), now)
        .await?;
    store.close();
    Ok((app.id, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_app_and_its_key_are_in_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::defaults().unwrap();
        config.data_dir = folder.path().to_owned();
        let (app, key) = create_app_offline(&config, "clinic").await.unwrap();
        let store = Store::open(&store::Options::new(folder.path())).unwrap();
        assert_eq!(store.app(app).await.unwrap().unwrap().name, "clinic");
        let found = store.key_by_hash(*key.hash().as_bytes()).await.unwrap();
        assert_eq!(found.unwrap().app, app);
        let error = create_app_offline(&config, "second").await.unwrap_err();
        assert!(matches!(error, store::Error::InUse { .. }), "{error}");
        store.close();
    }
}
