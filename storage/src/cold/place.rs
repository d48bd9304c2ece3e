//! Finds the object store that the settings name, and where in it the table lies.

use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore};
use url::Url;

use crate::cold::durable::DurableLocal;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::ColdSettings;

/// The table's name below the lake's place.
const TABLE: &str = "events";
/// Where copies of the metadata lie below the lake's place.
const META: &str = "meta";
/// Where files that came with events lie below the lake's place.
const ATTACHMENTS: &str = "attachments";

/// Where the table lies.
pub(crate) struct Place {
    /// The store that `url`'s path is looked up in.
    pub(crate) root: Arc<dyn ObjectStore>,
    /// The same store, rooted at the table.
    pub(crate) table: Arc<dyn ObjectStore>,
    /// The same store, rooted at the copies of the metadata.
    pub(crate) meta: Arc<dyn ObjectStore>,
    /// The same store, rooted at the files that came with events.
    pub(crate) attachments: Arc<dyn ObjectStore>,
    /// The table's address, with a slash at its end.
    pub(crate) url: Url,
    /// The table's directory, where it is a local one.
    pub(crate) directory: Option<PathBuf>,
    /// That of the files that came with events.
    pub(crate) attachments_directory: Option<PathBuf>,
}

impl Place {
    /// The place that the settings name; a local directory is made.
    pub(crate) fn open(data_dir: &FsPath, settings: &ColdSettings) -> Result<Self> {
        if settings.url.is_empty() {
            return Self::local(&data_dir.join("lake"));
        }
        let invalid = |why: String| Error::invalid(format!("`cold.url` is `{}`: {why}", settings.url));
        let url = Url::parse(&settings.url).map_err(|error| invalid(error.to_string()))?;
        match url.scheme() {
            "file" => {
                let path = url.to_file_path().map_err(|()| invalid("not an absolute path".into()))?;
                Self::local(&path)
            }
            "s3" => Self::s3(&url, settings),
            other => Err(invalid(format!("`{other}` is not supported; use `file:///…` or `s3://bucket/prefix`"))),
        }
    }

    /// A place in a store of the caller's own.
    pub(crate) fn within(store: Arc<dyn ObjectStore>) -> Result<Self> {
        Self::below(store, "memory:///", &Path::default())
    }

    fn local(directory: &FsPath) -> Result<Self> {
        let failed =
            |error| Error::caused(ErrorKind::Internal, format!("could not make `{}`", directory.display()), error);
        std::fs::create_dir_all(directory.join(TABLE)).map_err(failed)?;
        let directory = directory.canonicalize().map_err(failed)?;
        let prefix = Path::from_absolute_path(&directory)
            .map_err(|error| Error::caused(ErrorKind::Invalid, "the lake's directory has an unusable name", error))?;
        let place = Self::below(Arc::new(DurableLocal::new()), "file:///", &prefix)?;
        let attachments_directory = Some(directory.join(ATTACHMENTS));
        Ok(Self { directory: Some(directory.join(TABLE)), attachments_directory, ..place })
    }

    fn s3(url: &Url, settings: &ColdSettings) -> Result<Self> {
        let bucket = url.host_str().unwrap_or_default();
        let s3 = &settings.s3;
        let region = if s3.region.is_empty() { "us-east-1" } else { &s3.region };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_client_options(ClientOptions::new().with_allow_http(s3.allow_http))
            .with_conditional_put(S3ConditionalPut::ETagMatch);
        if !s3.endpoint.is_empty() {
            builder = builder.with_endpoint(&s3.endpoint);
        }
        if !s3.access_key_id.is_empty() {
            builder = builder.with_access_key_id(&s3.access_key_id).with_secret_access_key(&s3.secret_access_key);
        }
        let store = builder
            .build()
            .map_err(|error| Error::caused(ErrorKind::Invalid, format!("could not use `{}`", settings.url), error))?;
        let prefix = Path::from_url_path(url.path())
            .map_err(|error| Error::caused(ErrorKind::Invalid, format!("could not use `{}`", settings.url), error))?;
        Self::below(Arc::new(store), &format!("s3://{bucket}/"), &prefix)
    }

    fn below(root: Arc<dyn ObjectStore>, base: &str, prefix: &Path) -> Result<Self> {
        let path = prefix.clone().join(TABLE);
        let url = Url::parse(&format!("{base}{path}/"))
            .map_err(|error| Error::caused(ErrorKind::Invalid, "the lake has an unusable address", error))?;
        let meta = Arc::new(PrefixStore::new(root.clone(), prefix.clone().join(META)));
        let attachments = Arc::new(PrefixStore::new(root.clone(), prefix.clone().join(ATTACHMENTS)));
        let table = Arc::new(PrefixStore::new(root.clone(), path));
        Ok(Self { table, meta, attachments, root, url, directory: None, attachments_directory: None })
    }
}
