//! The bytes of an attachment's object: a header in JSON, then the file.
//!
//! ```text
//!  0        4         8               12
//!  +--------+---------+---------------+-------------------+-----------
//!  | "TPHA" | version | length of the | header, an object | the file
//!  |        | u32 = 1 | header, u32   | in JSON           |
//!  +--------+---------+---------------+-------------------+-----------
//! ```

use bytes::Bytes;
use hashbrown::HashMap;
use object_store::PutPayload;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::Xxh3;

use super::{Attachment, NewAttachment};
use crate::error::{Error, Result};

const MAGIC: &[u8; 4] = b"TPHA";
const VERSION: u32 = 1;
const FIXED_BYTES: usize = 12;
/// Longer names, types and kinds are cut.
const WORD_BYTES_MAX: usize = 255;
/// No header is longer, even where each letter of its words is escaped.
pub(super) const HEAD_BYTES_MAX: u64 = 8 << 10;

#[derive(Serialize, Deserialize)]
struct Header {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    size: u64,
    sha256: String,
    received_at: i64,
}

/// Each file with its id and the digest of its bytes. The same file twice in one request is two files.
pub(super) fn digest(files: Vec<NewAttachment>) -> Vec<(NewAttachment, String, [u8; 32])> {
    let mut times = HashMap::<u128, u32>::new();
    let digested = files.into_iter().map(|file| {
        let sha256: [u8; 32] = Sha256::digest(&file.bytes).into();
        let mut hasher = Xxh3::new();
        for part in [
            &file.event_id,
            file.name.as_bytes(),
            file.content_type.as_deref().unwrap_or_default().as_bytes(),
            file.kind.as_bytes(),
            &sha256,
        ] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let time = times.entry(hasher.digest128()).or_default();
        hasher.update(&time.to_be_bytes());
        *time += 1;
        let id = format!("{:032x}", hasher.digest128());
        (file, id, sha256)
    });
    digested.collect()
}

/// The object of a file.
pub(super) fn write(file: &NewAttachment, sha256: &[u8; 32], received_at: i64) -> PutPayload {
    let cut = |word: &str| word[..word.floor_char_boundary(WORD_BYTES_MAX)].to_owned();
    let header = Header {
        name: cut(&file.name),
        content_type: file.content_type.as_deref().map(cut),
        kind: cut(&file.kind),
        size: file.bytes.len() as u64,
        sha256: hex::encode(sha256),
        received_at,
    };
    let json = serde_json::to_vec(&header).unwrap_or_default();
    let mut head = Vec::with_capacity(FIXED_BYTES + json.len());
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&VERSION.to_be_bytes());
    head.extend_from_slice(&(json.len() as u32).to_be_bytes());
    head.extend_from_slice(&json);
    [Bytes::from(head), file.bytes.clone()].into_iter().collect()
}

/// Reads the header at the beginning of an object.
///
/// # Errors
/// `Corrupt` where there is none, or one of a later version.
pub(super) fn head(bytes: &[u8], id: String, path: Path) -> Result<Attachment> {
    let damaged = |what: &str| Error::corrupt(format!("the attachment `{path}` of the lake {what}"));
    let header = header(bytes).map_err(&damaged)?;
    let mut sha256 = [0; 32];
    hex::decode_to_slice(&header.sha256, &mut sha256).map_err(|_| damaged("has a header without a digest"))?;
    let Header { name, content_type, kind, size, received_at, .. } = header;
    Ok(Attachment { id, name, content_type, kind, size, sha256, received_at, path })
}

/// The file in an object, after a look whether it is the one that was found.
///
/// # Errors
/// `Corrupt` where it is not.
pub(super) fn read(whole: &Bytes, attachment: &Attachment) -> Result<Bytes> {
    let damaged = |what: &str| Error::corrupt(format!("the attachment `{}` of the lake {what}", attachment.path));
    header(whole).map_err(&damaged)?;
    let file = whole.slice(FIXED_BYTES + length(whole).unwrap_or_default()..);
    if Sha256::digest(&file)[..] == attachment.sha256 {
        return Ok(file);
    }
    Err(damaged("is damaged: its digest does not match"))
}

fn header(bytes: &[u8]) -> std::result::Result<Header, &'static str> {
    let damaged = "is damaged: it does not begin with a header";
    if bytes.get(..4) != Some(MAGIC) {
        return Err(damaged);
    }
    let version = bytes.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    if version.is_some_and(|version| version > VERSION) {
        return Err("was written by a later version of Tephra");
    }
    let json = length(bytes).and_then(|length| bytes.get(FIXED_BYTES..FIXED_BYTES.checked_add(length)?));
    serde_json::from_slice(json.ok_or(damaged)?).map_err(|_| damaged)
}

fn length(bytes: &[u8]) -> Option<usize> {
    Some(u32::from_be_bytes(bytes.get(8..FIXED_BYTES)?.try_into().ok()?) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> NewAttachment {
        NewAttachment {
            event_id: [7; 16],
            name: name.to_owned(),
            content_type: Some("text/plain".to_owned()),
            kind: "event.attachment".to_owned(),
            bytes: Bytes::from_static(b"file"),
        }
    }

    #[test]
    fn an_object_says_what_it_holds() {
        for name in ["a.txt".to_owned(), "\"\\".repeat(200), "日".repeat(200)] {
            let (file, id, sha256) = digest(vec![file(&name)]).remove(0);
            let whole: Bytes = write(&file, &sha256, 5).into();
            assert!(whole.len() as u64 - 4 < HEAD_BYTES_MAX, "{name}");
            let found = head(&whole[..whole.len() - 4], id, Path::from("x")).unwrap();
            assert!(name.starts_with(&found.name) && found.name.len() > name.len().min(255) - 3, "{}", found.name);
            assert_eq!((found.size, found.received_at, found.kind.as_str()), (4, 5, "event.attachment"));
            assert_eq!(read(&whole, &found).unwrap(), "file");
            let mut rotten = whole.to_vec();
            rotten[whole.len() - 1] ^= 1;
            assert!(read(&rotten.into(), &found).unwrap_err().to_string().contains("digest"));
        }
    }

    #[test]
    fn what_is_no_object_of_ours_is_damaged() {
        for bytes in [&b""[..], b"TPHA", b"TPHA\0\0\0\x01\0\0\0\x09{}", b"PK\x03\x04 something else"] {
            assert!(head(bytes, "id".to_owned(), Path::from("x")).is_err(), "{bytes:?}");
        }
        let later = head(b"TPHA\0\0\0\x02\0\0\0\x02{}", "id".to_owned(), Path::from("x")).unwrap_err();
        assert!(later.to_string().contains("later version"), "{later}");
    }

    #[test]
    fn ids_are_of_name_and_bytes_and_of_the_place_among_equals() {
        let ids = |names: &[&str]| -> Vec<String> {
            digest(names.iter().map(|name| file(name)).collect()).into_iter().map(|(_, id, _)| id).collect()
        };
        let first = ids(&["a", "b", "a"]);
        assert_eq!(first, ids(&["a", "b", "a"]));
        assert!(first[0] != first[1] && first[0] != first[2]);
        assert_eq!(first[0].len(), 32);
    }
}
