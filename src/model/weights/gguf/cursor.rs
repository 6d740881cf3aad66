//! Reads numbers and strings off a GGUF image, never past its end.

use std::path::PathBuf;

use super::super::{FileImage, WeightsError};

/// A position in an image.
pub(super) struct Cursor<'a> {
    image: &'a FileImage,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(image: &'a FileImage) -> Self {
        Self { image, at: 0 }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.image.path.clone()
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    pub(super) fn left(&self) -> u64 {
        (self.image.bytes.len() - self.at) as u64
    }

    /// The next `count` bytes, which hold `what`.
    pub(super) fn take(&mut self, count: u64, what: &dyn Fn() -> String) -> Result<&'a [u8], WeightsError> {
        let end = usize::try_from(count).ok().and_then(|count| self.at.checked_add(count));
        let Some(taken) = end.and_then(|end| self.image.bytes.get(self.at..end)) else {
            return Err(WeightsError::CutShort {
                file: self.file(),
                what: what(),
                at: self.at as u64,
                needed: count,
                left: self.left(),
            });
        };
        self.at += taken.len();
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub(super) fn array<const N: usize>(
        &mut self,
        what: &dyn Fn() -> String,
    ) -> Result<[u8; N], WeightsError> {
        let taken = self.take(N as u64, what)?;
        let mut array = [0; N];
        array.copy_from_slice(taken);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: &dyn Fn() -> String) -> Result<u32, WeightsError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &dyn Fn() -> String) -> Result<u64, WeightsError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A string: its length in bytes (u64), then UTF-8.
    pub(super) fn string(&mut self, what: &dyn Fn() -> String) -> Result<&'a str, WeightsError> {
        let length = self.u64(what)?;
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes).map_err(|error| WeightsError::GgufKey {
            file: self.file(),
            key: what(),
            found: format!("bytes that are not UTF-8 from byte {}", error.valid_up_to()),
            legal: "UTF-8 text".to_owned(),
        })
    }

    /// A count of things that take at least `least` bytes each, refused where the file has no room for them.
    pub(super) fn count(&mut self, least: u64, what: &dyn Fn() -> String) -> Result<usize, WeightsError> {
        let found = self.u64(what)?;
        let most = self.left() / least;
        match usize::try_from(found) {
            Ok(count) if found <= most => Ok(count),
            _ => Err(WeightsError::GgufCount { file: self.file(), what: what(), found, most }),
        }
    }
}
