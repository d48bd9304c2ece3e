//! Mails go out by a real mail server: TLS by STARTTLS or at once, with a login, and never without TLS.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::person::Person;
use crate::python;
use crate::server::{Folder, Server, Setup};

const DEADLINE: Duration = Duration::from_secs(60);

/// aiosmtpd with a certificate that its client must be told to trust.
struct MailServer {
    child: Child,
    port: u16,
    said: Receiver<Value>,
    folder: Folder,
}

impl MailServer {
    fn start(mode: &str) -> Self {
        let folder = Folder::new();
        let of = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("certificate.pem"), of.cert.pem()).unwrap();
        std::fs::write(path("key.pem"), of.signing_key.serialize_pem()).unwrap();
        let mut command = python::command("smtp_server.py", &[&path("certificate.pem"), &path("key.pem"), mode]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("the mail server does not start").unwrap().parse().unwrap();
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = say.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, said, folder }
    }

    /// The next login or mail.
    fn next(&self) -> Value {
        self.said.recv_timeout(DEADLINE).expect("the mail server hears nothing")
    }

    fn setup(&self, url: &str) -> Setup {
        let authority = self.folder.path().join("certificate.pem");
        let url = url.replace("PORT", &self.port.to_string());
        Setup::default().set("mail.url", url).set("mail.ca_certificate", authority.to_str().unwrap())
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets the server send a mail: a password that was changed is told.
async fn mail(server: &Server) {
    Person::owner(server).await;
}

#[tokio::test]
async fn a_mail_goes_out_by_starttls_and_login() {
    let mails = MailServer::start("starttls");
    let server = mails.setup("smtp://tephra%40example.com:frost%2Fin%40may@localhost:PORT");
    let server = server.set("mail.from", "Tephra <tephra@example.com>").set("owner.email", "owner@example.com").start();
    let server = server.await;
    mail(&server).await;
    assert_eq!(mails.next(), json!({ "login": true, "tls": true }));
    let mail = mails.next();
    assert_eq!((&mail["tls"], &mail["login"]), (&json!(true), &json!(true)), "{mail}");
    assert_eq!((&mail["from"], &mail["to"]), (&json!("tephra@example.com"), &json!(["owner@example.com"])));
    assert!(mail["text"].as_str().unwrap().contains("was changed"), "{mail}");
    assert!(!server.log().contains("frost"), "{}", server.log());
}

#[tokio::test]
async fn a_mail_goes_out_by_tls_at_once() {
    let mails = MailServer::start("smtps");
    let server = mails.setup("smtps://tephra%40example.com:frost%2Fin%40may@localhost:PORT");
    let server = server.set("owner.email", "owner@example.com").start().await;
    mail(&server).await;
    assert_eq!(mails.next(), json!({ "login": true, "tls": true }));
    assert_eq!(mails.next()["to"], json!(["owner@example.com"]));
}

/// Neither the mail nor the password is shown to a server that nobody vouches for.
#[tokio::test]
async fn a_stranger_gets_neither_mail_nor_password() {
    let mails = MailServer::start("starttls");
    let url = format!("smtp://tephra%40example.com:frost%2Fin%40may@localhost:{}", mails.port);
    let server = Setup::default().set("mail.url", url).start().await;
    mail(&server).await;
    let deadline = std::time::Instant::now() + DEADLINE;
    while !server.log().to_lowercase().contains("certificate") {
        assert!(std::time::Instant::now() < deadline, "the log does not say why: {}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(mails.said.try_recv().is_err(), "the server heard something");
}
