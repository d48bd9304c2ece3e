//! How Tephra reaches people: mails, out of an outbox in the metadata.
//!
//! A mail is written in the transaction of what it tells of and sent from there, at least once: a crash between sending and
//! noting sends it again. Without a mail server nothing is sent, and the mails expire.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod mailer;
mod outbox;

pub use error::{Error, Result};
pub use mailer::{Letter, Mailer};
pub use outbox::Outbox;
