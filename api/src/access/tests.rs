use std::path::Path;
use std::sync::Arc;

use tephra_storage::SystemClock;
use tephra_storage::meta::{Actor, MetaSettings, keys};

use super::*;

fn urls(port: u16) -> Urls {
    Urls { http: format!("http://127.0.0.1:{port}"), grpc: "http://127.0.0.1:4317".to_owned() }
}

async fn open(dir: &Path, port: u16) -> (Access, Option<FirstRun>) {
    let mut settings = Settings::default();
    settings.storage.data_dir = dir.to_owned();
    settings.http.public_url.0 = urls(port).http;
    let meta = Meta::open(&MetaSettings::default(), dir, Arc::new(SystemClock)).await.unwrap();
    Access::open(meta, &settings, &urls(port)).await.unwrap()
}

fn shown(secret: &Option<Secret>) -> String {
    secret.as_ref().unwrap().show().to_owned()
}

#[tokio::test]
async fn the_first_start_makes_an_owner_and_later_ones_keep_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let (access, first) = open(dir.path(), 1).await;
    let first = first.unwrap();
    let key = format!("bearer  {}", shown(&first.key));
    assert_eq!(access.ingest(Some(&key)).unwrap().project, ProjectId(1));
    let owner = access.meta.user_by_email("Owner@localhost").await.unwrap().unwrap();
    assert!(owner.password_once && owner.role == crate::roles::Role::Owner);
    let token = access.meta.tokens(Some(&owner.id)).await.unwrap().remove(0);
    assert_eq!(token.hash, hex::encode(hash(&shown(&first.token))));

    let (again, none) = open(dir.path(), 2).await;
    assert!(none.is_none());
    assert_eq!(again.ingest(Some(&key)).unwrap().project, ProjectId(1));
    let file = read_first_run(dir.path()).unwrap().unwrap();
    assert_eq!(file["TEPHRA_URL"], "http://127.0.0.1:2");
    assert_eq!(file["TEPHRA_KEY"], shown(&first.key));
    assert_eq!(file["TEPHRA_PASSWORD"], first.password);
    assert_eq!(file["TEPHRA_DSN"], format!("http://{}@127.0.0.1:2/1", shown(&first.key)));
}

#[tokio::test]
async fn an_older_list_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (key, token) = (Secret::make(KeyKind::Ingest), Secret::make(KeyKind::Token));
    let entry = |kind: &str, secret: &Secret| {
        serde_json::json!({
            "id": secret.id(), "kind": kind, "projects": [1], "hash": hex::encode(hash(secret.show())),
            "created_at": "2026-01-01T00:00:00Z",
        })
    };
    let list = serde_json::json!({
        "version": 1, "projects": [{ "id": 1, "name": "default" }],
        "entries": [entry("ingest", &key), entry("token", &token)],
    });
    std::fs::write(dir.path().join("access.json"), list.to_string()).unwrap();
    let old = format!("TEPHRA_URL=x\nTEPHRA_KEY={}\nTEPHRA_TOKEN={}\n", key.show(), token.show());
    std::fs::write(dir.path().join(FIRST_RUN_FILE), old).unwrap();

    let (access, first) = open(dir.path(), 1).await;
    assert!(first.unwrap().key.is_none());
    assert_eq!(access.ingest(Some(&format!("Bearer {}", key.show()))).unwrap().project, ProjectId(1));
    let kept = access.meta.token(token.id()).await.unwrap().unwrap();
    assert_eq!(kept.hash, hex::encode(hash(token.show())));
    let file = read_first_run(dir.path()).unwrap().unwrap();
    assert_eq!((file["TEPHRA_KEY"].as_str(), file["TEPHRA_TOKEN"].as_str()), (key.show(), token.show()));
    assert!(file.contains_key("TEPHRA_PASSWORD"));
}

#[tokio::test]
async fn a_damaged_first_run_file_stops_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let (_, first) = open(dir.path(), 1).await;
    std::fs::write(dir.path().join(FIRST_RUN_FILE), [0xff, 0x00]).unwrap();
    let (access, none) = open(dir.path(), 2).await;
    assert!(none.is_none());
    assert!(access.ingest(Some(&format!("Bearer {}", shown(&first.unwrap().key)))).is_ok());
}

#[tokio::test]
async fn a_revoked_key_is_gone_at_once_and_its_use_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let (access, first) = open(dir.path(), 1).await;
    let text = format!("Bearer {}", shown(&first.unwrap().key));
    access.ingest(Some(&text)).unwrap();
    access.note_use().await.unwrap();
    let key = access.meta.keys(Some(ProjectId(1))).await.unwrap().remove(0);
    assert!(key.used_at_us.is_some());

    let mut tx = access.meta.begin().await.unwrap();
    keys::revoke(&mut tx, &Actor::system(), &key).await.unwrap();
    tx.commit().await.unwrap();
    access.changed().await.unwrap();
    assert_eq!(access.ingest(Some(&text)).unwrap_err().kind, Kind::Unauthenticated);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (access, first) = open(dir.path(), 1).await;
    let first = first.unwrap();
    let token = format!("Bearer {}", shown(&first.token));
    assert_eq!(access.ingest(Some(&token)).unwrap_err().kind, Kind::Denied);
    let mut typo = shown(&first.key);
    let last = typo.pop().unwrap();
    typo.push(if last == 'a' { 'b' } else { 'a' });
    let check = |header: Option<&str>, expected: &str| {
        let answer = access.ingest(header).unwrap_err();
        assert_eq!(answer.kind, Kind::Unauthenticated);
        assert!(answer.message.contains(expected), "{}", answer.message);
    };
    check(None, "there is none");
    check(Some("Basic abc"), "not of the form");
    check(Some("Bearer hello"), "begins with");
    check(Some(&format!("Bearer {typo}")), "checksum");
    check(Some(&format!("Bearer {}", Secret::make(KeyKind::Ingest).show())), "unknown");
}
