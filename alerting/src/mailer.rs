//! Sends one mail by SMTP.
//!
//! Addresses and subjects are typed values, encoded by the library, so that no line break in a name or a subject becomes a
//! header. A password is never sent without TLS unless the operator asks for that.

use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::error::{Error, Result};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A mail as it is written.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    /// The address of a person.
    pub recipient: &'a str,
    /// One line.
    pub subject: &'a str,
    /// Plain text.
    pub body: &'a str,
}

/// A way to the mail server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// A way to the server at `url` for mails from `from`. `smtp://` begins TLS by STARTTLS and insists on it unless the
    /// address ends in `?tls=none`; `smtps://` is TLS from the first byte. Certificates in `authorities` (PEM) may vouch for it
    /// beside the well-known ones.
    ///
    /// # Errors
    /// `Server` or `Address` where one of them is none.
    pub fn new(url: &str, from: &str, authorities: Option<&[u8]>) -> Result<Self> {
        let from = from.parse().map_err(|_| Error::Address("mail.from"))?;
        let address = insist_on_tls(url);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&address).map_err(Error::Server)?;
        if let Some(pem) = authorities {
            let trust = trust(&address, pem)?;
            if address.starts_with("smtps://") {
                builder = builder.tls(Tls::Wrapper(trust));
            } else if address.contains("tls=") {
                builder = builder.tls(Tls::Required(trust));
            }
        }
        Ok(Self { transport: builder.timeout(Some(TIMEOUT)).build(), from })
    }

    /// Hands one mail to the server.
    ///
    /// # Errors
    /// `Address` or `Message` where it can never be sent, `Send` where the server did not take it now.
    pub async fn send(&self, letter: Letter<'_>) -> Result<()> {
        let message = self.message(letter)?;
        self.transport.send(message).await.map(drop).map_err(Error::Send)
    }

    fn message(&self, letter: Letter<'_>) -> Result<Message> {
        let recipient = letter.recipient.parse().map_err(|_| Error::Address("recipient"))?;
        let subject: String = letter.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.body.to_owned())
            .map_err(Error::Message)
    }
}

/// Whom to believe, for the host of an address.
fn trust(address: &str, pem: &[u8]) -> Result<TlsParameters> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, _)) => host,
        None => host.split(':').next().unwrap_or(host),
    };
    let certificate = Certificate::from_pem(pem).map_err(Error::Server)?;
    TlsParameters::builder(host.to_owned()).add_root_certificate(certificate).build().map_err(Error::Server)
}

/// The address as the library writes it, for which `smtp://` alone is no TLS.
fn insist_on_tls(url: &str) -> String {
    match url.strip_suffix("?tls=none") {
        Some(plain) => plain.to_owned(),
        None if url.starts_with("smtp://") && !url.contains("tls=") => {
            format!("{url}{}tls=required", if url.contains('?') { '&' } else { '?' })
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_left_out_only_where_it_is_said() {
        assert_eq!(insist_on_tls("smtp://u:p@h:587"), "smtp://u:p@h:587?tls=required");
        assert_eq!(insist_on_tls("smtp://h:25?tls=none"), "smtp://h:25");
        assert_eq!(insist_on_tls("smtps://h"), "smtps://h");
    }

    #[tokio::test]
    async fn no_line_break_becomes_a_header() {
        let mailer = Mailer::new("smtp://127.0.0.1:1?tls=none", "Tephra <a@example.com>", None).unwrap();
        let letter =
            Letter { recipient: "b@example.com", subject: "Hello\r\nBcc: c@example.com", body: "line\n.\nline" };
        let text = String::from_utf8(mailer.message(letter).unwrap().formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{head}");
        for recipient in ["b@example.com\r\nBcc: c@example.com", "nobody", "b@example.com, c@example.com"] {
            assert!(matches!(mailer.message(Letter { recipient, ..letter }), Err(Error::Address(_))), "{recipient}");
        }
    }

    #[test]
    fn wrong_addresses_are_refused_at_the_start() {
        assert!(matches!(Mailer::new("smtp://h", "nobody", None), Err(Error::Address("mail.from"))));
        assert!(matches!(Mailer::new("http://h", "a@example.com", None), Err(Error::Server(_))));
    }
}
