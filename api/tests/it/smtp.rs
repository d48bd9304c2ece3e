//! A mail server of a few lines: takes every mail and shows it to the test.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

/// A mail as it came.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) recipients: Vec<String>,
    /// Head and body.
    pub(crate) text: String,
}

/// A mail server.
pub(crate) struct Smtp {
    pub(crate) address: SocketAddr,
    mails: Mutex<mpsc::UnboundedReceiver<Received>>,
}

impl Smtp {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mails) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, sender.clone()));
            }
        });
        Self { address, mails: Mutex::new(mails) }
    }

    /// The next mail.
    pub(crate) async fn next(&self) -> Received {
        let mut mails = self.mails.lock().await;
        tokio::time::timeout(Duration::from_secs(30), mails.recv()).await.expect("no mail came").unwrap()
    }
}

async fn converse(stream: TcpStream, mails: mpsc::UnboundedSender<Received>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await?;
    let mut recipients = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let answer = match line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => "250 test\r\n",
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                recipients.push(address.to_owned());
                "250 ok\r\n"
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    text.push_str(&line);
                    text.push_str("\r\n");
                }
                let _ = mails.send(Received { recipients: std::mem::take(&mut recipients), text });
                "250 taken\r\n"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "250 ok\r\n",
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
