//! In a build without the feature `s3` there is no bucket: what would be done with one cannot happen.

use std::{path::Path, time::Duration};

use super::{BucketSettings, Listed};
use crate::Error;

/// None exists.
#[derive(Debug)]
pub(crate) enum Bucket {}

impl Bucket {
    pub(crate) fn open(settings: &BucketSettings) -> Result<Bucket, Error> {
        Err(Error::NoBucketSupport { bucket: settings.address.location().to_owned(), feature: "s3" })
    }

    pub(crate) fn location(&self) -> &str {
        match *self {}
    }

    pub(crate) async fn put(&self, _name: &str, _bytes: &[u8]) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) async fn put_file(&self, _name: &str, _file: &Path) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) async fn fetch(
        &self,
        _name: &str,
        _take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        match *self {}
    }

    pub(crate) async fn size(&self, _name: &str) -> Result<Option<u64>, Error> {
        match *self {}
    }

    pub(crate) async fn old(
        &self,
        _folder: &str,
        _age: Duration,
        _most: usize,
        _wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Listed>, Error> {
        match *self {}
    }

    pub(crate) async fn remove(&self, _names: &[String]) -> Result<(), Error> {
        match *self {}
    }
}
