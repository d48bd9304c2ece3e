//! A disk that is nearly full: refused before anything is stored, with when to come back, and taken again once it is not.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use fs4::fs_std::FileExt;

use crate::protocol::{Answer, Protocol, Status, samples};
use crate::server::{Folder, Server, Setup};

const CHANGE_DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_disk_that_is_nearly_full_refuses_until_space_returns() {
    let folder = Folder::new();
    let filler = folder.path().join("filler");
    // Between what is free now and what is free beside the filler, with room for what else this machine writes.
    let free = fs4::available_space(folder.path()).unwrap();
    let slack = (free / 4).min(4 << 30);
    let server = Setup::default().set("hot.disk_reserve_bytes", free - slack).start().await;
    for protocol in Protocol::ALL {
        protocol.send(&server, &samples(1)).await.expect_whole();
    }

    fill(&filler, 2 * slack);
    let stored = 5 + wait_for(503, &server).await;
    for protocol in Protocol::ALL {
        let refused = protocol.send(&server, &samples(1)).await.expect(Answer::Busy);
        assert!(refused.text.contains("disk"), "{protocol:?}: {}", refused.text);
    }
    assert_eq!(server.count("true").await, stored, "queries are answered, and nothing refused is stored");
    assert_eq!(server.get("/readyz").await.0, 503);
    server.roll().await;

    std::fs::remove_file(&filler).unwrap();
    let stored = stored + wait_for(200, &server).await;
    for protocol in Protocol::ALL {
        protocol.send(&server, &samples(1)).await.expect_whole();
    }
    assert_eq!(server.count("true").await, stored + 5);
}

/// Sends until the answer is `wanted`, and returns how many events were stored on the way.
async fn wait_for(wanted: u16, server: &Server) -> u64 {
    let deadline = Instant::now() + CHANGE_DEADLINE;
    let mut stored = 0;
    loop {
        let outcome = Protocol::Ndjson.send(server, &samples(1)).await;
        stored += u64::from(outcome.status == Status::Http(200));
        if outcome.status == Status::Http(wanted) {
            return stored;
        }
        assert!(Instant::now() < deadline, "no {wanted} within {CHANGE_DEADLINE:?}: {outcome:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn fill(path: &Path, bytes: u64) {
    FileExt::allocate(&File::create(path).unwrap(), bytes).unwrap();
}
