//! A program with the Sentry SDK: `tephra-sdk-rust send DSN` reports one thing of each kind and prints their ids as JSON;
//! `tephra-sdk-rust drive DSN` does what it is told line by line (`message TEXT`, `large`) and prints the id of each.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use sentry::protocol::{Event, User, Value};
use sentry::{Breadcrumb, ClientOptions, Hub, Level};

const FLUSH: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct DeclinedError {
    order: u32,
}

impl fmt::Display for DeclinedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "card of order {} was declined", self.order)
    }
}

impl Error for DeclinedError {}

#[derive(Debug)]
struct CheckoutError {
    cause: DeclinedError,
}

impl fmt::Display for CheckoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("could not check out")
    }
}

impl Error for CheckoutError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (mode, dsn) = (args.next().expect("a mode"), args.next().expect("a DSN"));
    let mut options = ClientOptions::default();
    options.dsn = Some(dsn.parse().expect("a DSN"));
    options.release = Some("shop@2.7.1".into());
    options.environment = Some("production".into());
    options.server_name = Some("web-3".into());
    options.attach_stacktrace = true;
    let _guard = sentry::init(options);
    sentry::configure_scope(|scope| {
        let user = User { id: Some("u-42".into()), email: Some("ada@example.com".into()), ..User::default() };
        scope.set_user(Some(user));
        scope.set_tag("region", "eu");
    });
    sentry::add_breadcrumb(Breadcrumb {
        category: Some("cart".into()),
        message: Some("cart 17 opened".into()),
        ..Breadcrumb::default()
    });
    if mode == "send" {
        let ids = serde_json::json!({
            "exception": sentry::capture_error(&DeclinedError { order: 1009 }).simple().to_string(),
            "message": sentry::capture_message("stock is low", Level::Warning).simple().to_string(),
            "chained": sentry::capture_error(&CheckoutError { cause: DeclinedError { order: 1009 } }).simple().to_string(),
        });
        flush();
        println!("{ids}");
        return;
    }
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        let (word, text) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let mut event =
            Event { message: Some(if text.is_empty() { word } else { text }.into()), level: Level::Error, ..Event::default() };
        if word == "large" {
            event.extra.insert("noise".into(), Value::from("0123456789abcdef".repeat(25_000)));
        }
        let id = sentry::capture_event(event).simple().to_string();
        flush();
        println!("{id}");
        std::io::stdout().flush().expect("somebody reads");
    }
}

fn flush() {
    if let Some(client) = Hub::current().client() {
        client.flush(Some(FLUSH));
    }
}
