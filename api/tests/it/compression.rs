//! Answers in the encodings that a client accepts, and rows that arrive while the query still runs.

use std::io::{Read, Write};
use std::time::Duration;

use futures::StreamExt;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, VARY};

use crate::protocol::{Protocol, samples};
use crate::server::Server;

async fn ask(server: &Server, sql: &str, encoding: &str) -> reqwest::Response {
    let request = server.http.post(format!("{}/api/v1/sql", server.url)).bearer_auth(&server.token);
    let request = request.header(ACCEPT, "application/x-ndjson").header(ACCEPT_ENCODING, encoding);
    request.body(sql.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn answers_come_in_what_the_client_accepts() {
    let server = Server::start().await;
    Protocol::Ndjson.send(&server, &samples(500)).await.expect_whole();
    let sql = "SELECT * FROM events ORDER BY message";
    let plain = ask(&server, sql, "identity").await;
    assert!(!plain.headers().contains_key(CONTENT_ENCODING));
    let plain = plain.bytes().await.unwrap();
    for encoding in ["gzip", "zstd", "br"] {
        let answer = ask(&server, sql, encoding).await;
        assert_eq!(answer.headers()[CONTENT_ENCODING], encoding);
        assert!(answer.headers().get_all(VARY).iter().any(|value| value == "accept-encoding"), "{encoding}");
        let body = answer.bytes().await.unwrap();
        assert!(body.len() * 4 < plain.len(), "{encoding}: {} of {}", body.len(), plain.len());
        let mut text = Vec::new();
        match encoding {
            "gzip" => drop(flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut text).unwrap()),
            "zstd" => drop(zstd::Decoder::new(&body[..]).unwrap().read_to_end(&mut text).unwrap()),
            _ => continue,
        }
        assert!(text == plain, "{encoding}");
    }
    let get = async |path: &str, encoding: &str| {
        let request = server.http.get(format!("{}{path}", server.url)).header(ACCEPT_ENCODING, encoding);
        request.send().await.unwrap().headers().get(CONTENT_ENCODING).cloned()
    };
    assert_eq!(get("/metrics", "identity").await, None);
    assert_eq!(get("/metrics", "gzip").await.unwrap(), "gzip");
    assert_eq!(get("/livez", "gzip").await, None, "three bytes are not worth it");
}

/// The first row is there at once, the second one after longer than any test waits.
#[tokio::test]
async fn rows_are_sent_while_the_query_runs() {
    let server = Server::start().await;
    Protocol::Ndjson.send(&server, &samples(300)).await.expect_whole();
    let sql = "SELECT 7 AS n UNION ALL
               SELECT count(*) FROM events a, events b, events c, events d WHERE a.message < d.message";
    for encoding in ["identity", "gzip", "zstd"] {
        let answer = ask(&server, sql, encoding).await;
        let (mut parts, mut decoder) = (answer.bytes_stream(), Decoder::new(encoding));
        let first = async {
            while decoder.text() != "{\"n\":7}\n" {
                decoder.write(&parts.next().await.unwrap().unwrap());
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), first).await;
        assert!(waited.is_ok(), "{encoding}: no row before the end");
    }
}

/// Decodes what has come so far.
enum Decoder {
    Plain(Vec<u8>),
    Gzip(Box<flate2::write::GzDecoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
}

impl Decoder {
    fn new(encoding: &str) -> Self {
        match encoding {
            "gzip" => Self::Gzip(Box::new(flate2::write::GzDecoder::new(Vec::new()))),
            "zstd" => Self::Zstd(zstd::stream::write::Decoder::new(Vec::new()).unwrap()),
            _ => Self::Plain(Vec::new()),
        }
    }

    fn write(&mut self, part: &[u8]) {
        match self {
            Self::Plain(text) => text.extend_from_slice(part),
            Self::Gzip(decoder) => decoder.write_all(part).and_then(|()| decoder.flush()).unwrap(),
            Self::Zstd(decoder) => decoder.write_all(part).and_then(|()| decoder.flush()).unwrap(),
        }
    }

    fn text(&self) -> String {
        let bytes = match self {
            Self::Plain(text) => text,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
        };
        String::from_utf8(bytes.clone()).unwrap()
    }
}
