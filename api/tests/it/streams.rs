//! `AppendStream`: one answer per batch, in order, each with what became of its events.

use crate::native::{self, AppendRequest, AppendResponse, Event, REFUSED_TOO_LARGE, Resource, Stack, Tag};
use crate::protocol::now_us;
use crate::server::{Server, Setup};

fn event(message: impl Into<Vec<u8>>) -> Event {
    Event {
        event_id: uuid::Uuid::new_v4().as_bytes().to_vec(),
        timestamp_us: now_us(),
        level: 5,
        message: message.into(),
        ..Default::default()
    }
}

fn batch(batch_id: u64, events: Vec<Event>) -> AppendRequest {
    AppendRequest { batch_id, events, ..Default::default() }
}

async fn answers(server: &Server, batches: Vec<AppendRequest>) -> Vec<AppendResponse> {
    let stream = native::append_stream(&server.grpc, &server.key, tokio_stream::iter(batches)).await;
    let mut stream = stream.unwrap_or_else(|status| panic!("{status}"));
    let mut answers = Vec::new();
    while let Some(answer) = stream.message().await.unwrap_or_else(|status| panic!("{status}")) {
        answers.push(answer);
    }
    answers
}

#[tokio::test]
async fn each_batch_is_answered_in_order() {
    let server = Server::start().await;
    let batches: Vec<_> = (0..200).map(|id| batch(id, vec![event("one"), event("two")])).collect();
    let answers = answers(&server, batches).await;
    assert_eq!(answers.iter().map(|answer| answer.batch_id).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    assert!(answers.iter().all(|answer| answer.accepted == 2 && answer.refusal.is_none()));
    assert_eq!(server.count("true").await, 400);
}

#[tokio::test]
async fn an_answer_names_duplicates_and_rejected_events_by_index() {
    let server = Setup::default().set("ingest.event_bytes_max", 4096).start().await;
    let known = event("known");
    let mixed = vec![event("new"), known.clone(), event("x".repeat(8192)), event("new too")];
    let answers = answers(&server, vec![batch(1, vec![known]), batch(2, mixed)]).await;
    assert_eq!((answers[0].accepted, answers[1].accepted), (1, 2));
    assert_eq!(answers[1].duplicates, [1]);
    assert_eq!(answers[1].rejected.len(), 1);
    assert_eq!(answers[1].rejected[0].index, 2);
    assert!(answers[1].rejected[0].reason.contains("4096"), "{}", answers[1].rejected[0].reason);
    assert_eq!(server.count("true").await, 3);
}

#[tokio::test]
async fn a_batch_that_is_refused_leaves_the_stream_open() {
    let server = Setup::default().set("ingest.request_bytes_max", 64 << 10).start().await;
    let large = batch(2, (0..40).map(|_| event("x".repeat(4000))).collect());
    let answers = answers(&server, vec![batch(1, vec![event("a")]), large, batch(3, vec![event("b")])]).await;
    assert_eq!(answers.len(), 3);
    let refusal = answers[1].refusal.as_ref().unwrap_or_else(|| panic!("not refused: {:?}", answers[1]));
    assert_eq!(refusal.kind, REFUSED_TOO_LARGE, "{}", refusal.reason);
    assert_eq!((answers[0].accepted, answers[1].accepted, answers[2].accepted), (1, 0, 1));
    assert_eq!(server.count("true").await, 2);
}

#[tokio::test]
async fn what_a_batch_shares_is_on_every_event_and_an_events_own_wins() {
    let server = Server::start().await;
    let tag = |name: &str, value: &str| Tag { name: name.into(), value: value.into() };
    let shared = Resource { service: "api".into(), environment: "prod".into(), tags: vec![tag("region", "eu")] };
    let own = Resource { service: "worker".into(), tags: vec![tag("region", "us")], ..Default::default() };
    let thrown = Event { exception_type: "Boom".into(), stack: 1, tags: vec![tag("shard", "7")], ..event("thrown") };
    let request = AppendRequest {
        batch_id: 1,
        resource: Some(shared),
        stacks: vec![Stack { text: "at main (main.c:1)".into() }],
        events: vec![thrown, Event { resource: Some(own), ..event("moved") }],
    };
    assert_eq!(answers(&server, vec![request]).await[0].accepted, 2);
    let rows = server.rows("SELECT * FROM events ORDER BY message DESC").await;
    let (thrown, moved) = (&rows[0], &rows[1]);
    assert_eq!((&thrown["service"], &thrown["environment"]), (&"api".into(), &"prod".into()));
    assert_eq!((&thrown["kind"], &thrown["exception_type"]), (&"error".into(), &"Boom".into()));
    assert_eq!(thrown["stack"], "at main (main.c:1)");
    assert_eq!(thrown["tags"], serde_json::json!({ "region": "eu", "shard": "7" }));
    assert_eq!((&moved["service"], &moved["environment"]), (&"worker".into(), &"prod".into()));
    assert_eq!(moved["tags"]["region"], "us");
}

#[tokio::test]
async fn a_stream_without_a_key_is_refused() {
    let server = Server::start().await;
    let status =
        match native::append_stream(&server.grpc, "nothing", tokio_stream::iter([batch(1, vec![event("a")])])).await {
            Err(status) => status,
            Ok(mut stream) => stream.message().await.expect_err("a stream without a key was answered"),
        };
    assert_eq!(status.code(), tonic::Code::Unauthenticated);
    assert_eq!(server.count("true").await, 0);
}
