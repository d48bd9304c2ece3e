//! What goes wrong with mails. No message holds an address, a text or a password.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What goes wrong with mails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the mail server is none.
    #[error("the address of the mail server is not of the form `smtp://user:password@host:port` or `smtps://…`")]
    Server(#[source] lettre::transport::smtp::Error),
    /// An address of a person or of the sender is none.
    #[error("`{0}` is not an email address")]
    Address(&'static str),
    /// The mail cannot be put together.
    #[error("could not put a mail together")]
    Message(#[source] lettre::error::Error),
    /// The server did not take it.
    #[error("could not send a mail: {0}")]
    Send(#[source] lettre::transport::smtp::Error),
}
