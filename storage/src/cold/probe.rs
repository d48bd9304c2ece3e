//! Asks an object store, before anything is entrusted to it, for the one promise that commits rest on.
//!
//! Two writers must not both create one key. Some servers accept the condition and overwrite all the same; two commits
//! of one version would then both be answered as won, and one would be lost.

use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::error::{Error, ErrorKind, Result};

/// Creates one key twice.
///
/// # Errors
/// `Invalid` where the store lets both through; `Busy` where it cannot be reached.
pub(crate) async fn conditional_puts(store: &dyn ObjectStore) -> Result<()> {
    let key = Path::from(format!("_probe/{}", uuid::Uuid::new_v4().simple()));
    let create = |content: &'static str| store.put_opts(&key, PutPayload::from(content), PutMode::Create.into());
    let unreachable =
        |error| Error::caused(ErrorKind::Busy, format!("could not write to the object store `{store}`"), error);
    create("first").await.map_err(unreachable)?;
    let second = create("second").await;
    let content = match store.get(&key).await {
        Ok(found) => found.bytes().await.map_err(unreachable)?,
        Err(error) => return Err(unreachable(error)),
    };
    if let Err(error) = store.delete(&key).await {
        tracing::warn!(%error, %key, "could not delete the probe's key");
    }
    match second {
        Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) if content == "first" => Ok(()),
        Err(error) if content == "first" => Err(unreachable(error)),
        _ => Err(Error::invalid(format!(
            "the object store `{store}` let a key be created twice: it ignores conditional puts (`If-None-Match: *`), so \
             commits could overwrite each other; use a store that honours them"
        ))),
    }
}
