//! An error says where it is in the statement and what may help.

use tephra_query::ErrorKind;

use crate::lab::{Lab, Placed};

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_placed_and_hinted_at() {
    let lab = Lab::with(Placed::Hot, 30).await;
    for (sql, message, position, hint) in [
        ("SELECT servce FROM events", "no column `servce`", Some((1, 8)), Some("did you mean `service`?")),
        ("SELECT level\nFROM evnts", "no table `evnts`", Some((2, 6)), Some("did you mean `events`?")),
        ("SELECT 1 FROM zzzzzzzzz", "no table `zzzzzzzzz`", Some((1, 15)), Some("the tables are `events`, `files`")),
        ("SELECT counts(*) FROM events", "invalid function 'counts'", Some((1, 8)), Some("did you mean `count`?")),
    ] {
        let error = lab.error(sql).await;
        assert_eq!(error.kind, ErrorKind::Invalid, "{sql}: {error:?}");
        assert_eq!((error.message.as_str(), error.position), (message, position), "{sql}: {error:?}");
        assert_eq!(error.hint.as_deref(), hint, "{sql}: {error:?}");
    }
    let error = lab.error("SELECT level FROM events WHERE ORDER BY 1").await;
    assert_eq!(error.position.map(|at| at.0), Some(1), "{error:?}");
    for sql in ["SELECT level FROM events GROUP BY service", "SELECT CAST(message AS INT) FROM events", "SELECT 1 / 0"]
    {
        let error = lab.error(sql).await;
        assert_eq!(error.kind, ErrorKind::Invalid, "{sql}: {error:?}");
        assert!(!error.message.contains("Error"), "{sql}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_named() {
    let lab = Lab::with(Placed::Cold, 3_000).await;
    let mut damaged = Vec::new();
    let mut folders = vec![lab.path().join("lake")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                let mut bytes = std::fs::read(&path).unwrap();
                let middle = bytes.len() / 3;
                bytes[middle] ^= 1;
                std::fs::write(&path, bytes).unwrap();
                damaged.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    assert!(!damaged.is_empty());
    let error = lab.error("SELECT * FROM events").await;
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error:?}");
    assert!(damaged.iter().any(|name| error.message.contains(name.as_str())), "{error:?}");
}
