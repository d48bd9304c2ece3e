//! Behind a proxy: its word about the client is believed where the operator trusts it, and nobody else's.

use reqwest::StatusCode;

use crate::server::{Server, Setup};

/// One request is allowed to each address, so that the statuses tell which addresses the server saw.
fn setup() -> Setup {
    Setup::default().set("limit.address_per_second", 1).set("limit.address_burst", 1)
}

async fn ask(server: &Server, (name, value): (&str, String)) -> StatusCode {
    let request = server.http.get(format!("{}/api/v1/status", server.url)).header(name, value);
    request.send().await.unwrap().status()
}

/// Whether two requests count as those of one client. `pair` makes new ones for each try, because a slow machine gives the
/// allowance back between the two.
async fn are_one_client(server: &Server, pair: impl Fn(usize) -> [(&'static str, String); 2]) -> bool {
    for number in 1..=10 {
        let [first, second] = pair(number);
        ask(server, first).await;
        if ask(server, second).await == StatusCode::TOO_MANY_REQUESTS {
            return true;
        }
    }
    false
}

const USUAL: &str = "x-forwarded-for";
const STANDARD: &str = "forwarded";

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart() {
    let server = setup().set("http.trusted_proxies", "127.0.0.0/8").start().await;
    let others = |number| [(USUAL, format!("6.6.6.6, 203.0.113.{number}")), (USUAL, format!("198.51.100.{number}"))];
    assert!(!are_one_client(&server, others).await);
    // What a client writes itself stands on the left, and changes nothing.
    let forged = |number: usize| {
        let client = format!("192.0.2.{number}");
        [(STANDARD, format!("for={client}")), (STANDARD, format!("for=9.9.9.{number}, for={client};proto=https"))]
    };
    assert!(are_one_client(&server, forged).await);
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let server = setup().set("http.trusted_proxies", "192.0.2.0/24").start().await;
    let pair = |number| [(USUAL, format!("203.0.113.{number}")), (STANDARD, format!("for=198.51.100.{number}"))];
    assert!(are_one_client(&server, pair).await);
}

#[tokio::test]
async fn https_at_the_proxy_is_https() {
    let server = Setup::default().set("http.trusted_proxies", "127.0.0.1").start().await;
    let secure = async |proto: &str| {
        let request = server.http.get(format!("{}/livez", server.url)).header("x-forwarded-proto", proto);
        request.send().await.unwrap().headers().contains_key("strict-transport-security")
    };
    assert!(secure("https").await);
    assert!(!secure("http").await);
}
