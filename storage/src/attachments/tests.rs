use object_store::memory::InMemory;

use super::*;
use crate::cold::durable::DurableLocal;
use object_store::prefix::PrefixStore;

const DAY_US: i64 = 86_400_000_000;
const NOW: i64 = 20_000 * DAY_US + 5;
const SHOP: ProjectId = ProjectId(1);

fn file(event: u8, name: &str, bytes: &'static [u8]) -> NewAttachment {
    NewAttachment {
        event_id: [event; 16],
        name: name.to_owned(),
        content_type: None,
        kind: "event.attachment".to_owned(),
        bytes: Bytes::from_static(bytes),
    }
}

fn local(directory: &std::path::Path) -> Attachments {
    let prefix = Path::from_absolute_path(directory).unwrap();
    Attachments::new(Arc::new(PrefixStore::new(DurableLocal::new(), prefix)), Some(directory.to_owned()))
}

async fn both(check: impl AsyncFn(Attachments)) {
    check(Attachments::new(Arc::new(InMemory::new()), None)).await;
    let directory = tempfile::tempdir().unwrap();
    check(local(&directory.path().canonicalize().unwrap())).await;
}

async fn names(attachments: &Attachments, event: u8) -> Vec<String> {
    let listed = attachments.list(SHOP, &[event; 16]).await.unwrap();
    listed.into_iter().map(|attachment| attachment.name).collect()
}

#[tokio::test]
async fn what_is_kept_is_read_back_by_its_event_alone() {
    both(async |attachments| {
        assert!(names(&attachments, 1).await.is_empty());
        let files = vec![file(1, "b.txt", b"two"), file(1, "a.txt", b"one"), file(2, "c.txt", b"")];
        let kept = attachments.keep(SHOP, 90, NOW, files, 10).await.unwrap();
        assert_eq!(kept, Kept { stored: 3, bytes: 6, known: 0, surplus: 0 });
        assert_eq!(names(&attachments, 1).await, ["a.txt", "b.txt"]);
        assert_eq!(names(&attachments, 2).await, ["c.txt"]);
        assert!(attachments.list(ProjectId(11), &[1; 16]).await.unwrap().is_empty());
        for one in attachments.list(SHOP, &[1; 16]).await.unwrap() {
            let found = attachments.find(SHOP, &[1; 16], &one.id).await.unwrap().unwrap();
            assert_eq!(found, one);
            let bytes = attachments.read(&found).await.unwrap().unwrap();
            assert_eq!((bytes.len() as u64, found.received_at), (found.size, NOW));
            assert!(attachments.find(SHOP, &[2; 16], &one.id).await.unwrap().is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_that_comes_again_adds_nothing_and_an_event_holds_so_many() {
    both(async |attachments| {
        let files = || vec![file(1, "a", b"same"), file(1, "a", b"same"), file(1, "b", b"other")];
        assert_eq!(attachments.keep(SHOP, 90, NOW, files(), 3).await.unwrap().stored, 3);
        for later in [0, DAY_US] {
            let kept = attachments.keep(SHOP, 90, NOW + later, files(), 3).await.unwrap();
            assert_eq!((kept.stored, kept.known, kept.surplus), (0, 3, 0));
        }
        let more = vec![file(1, "c", b""), file(2, "c", b"")];
        let kept = attachments.keep(SHOP, 90, NOW, more, 3).await.unwrap();
        assert_eq!((kept.stored, kept.surplus), (1, 1));
        assert_eq!(names(&attachments, 1).await, ["a", "a", "b"]);
    })
    .await;
}

#[tokio::test]
async fn files_go_when_their_term_ends_and_not_before() {
    both(async |attachments| {
        attachments.keep(SHOP, 30, NOW, vec![file(1, "short", b"x")], 9).await.unwrap();
        attachments.keep(SHOP, 90, NOW, vec![file(1, "long", b"x")], 9).await.unwrap();
        assert_eq!(names(&attachments, 1).await, ["long", "short"]);
        assert_eq!(attachments.expire(NOW + 30 * DAY_US, 0).await.unwrap(), 0);
        assert_eq!(attachments.expire(NOW + 31 * DAY_US, 0).await.unwrap(), 1);
        assert_eq!(names(&attachments, 1).await, ["long"]);
        // Once a day is enough.
        assert_eq!(attachments.expire(NOW + 31 * DAY_US, 0).await.unwrap(), 0);
        assert_eq!(attachments.expire(NOW + 200 * DAY_US, 0).await.unwrap(), 1);
        assert!(names(&attachments, 1).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_damaged_file_is_told_of_and_an_unfinished_one_is_swept() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let attachments = local(&root);
    attachments.keep(SHOP, 90, NOW, vec![file(1, "a", b"whole")], 9).await.unwrap();
    let found = attachments.list(SHOP, &[1; 16]).await.unwrap().remove(0);
    let path = root.join(found.path.as_ref());
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(attachments.read(&found).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let unfinished = path.with_file_name("half#123");
    std::fs::write(&unfinished, "half").unwrap();
    assert_eq!(names(&attachments, 1).await, ["a"]);
    attachments.expire(NOW, i64::MAX / 1000).await.unwrap();
    assert!(!unfinished.exists() && path.exists());
}
