//! HTTP that is spoken where TLS should be: whoever mistook the scheme is told so.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, sink},
    net::TcpStream,
};

const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    cache-control: no-store\r\n\
    connection: close\r\n\
    content-length: 47\r\n\r\n\
    this address takes TLS alone; ask by https://\r\n";

/// How long, and how much, is heard of what nobody answers: a connection that is closed before it was read
/// may take the answer with it.
const LISTENS: Duration = Duration::from_secs(1);
const HEARS: u64 = 64 * 1024;

/// Whether what comes first is a method of HTTP. TLS begins with the number of a record, which is no letter.
pub(crate) async fn is_spoken(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let came = stream.peek(&mut first).await?;
    Ok(came == 1 && first[0].is_ascii_uppercase())
}

/// Says what is spoken here, and ends.
pub(crate) async fn refuse(mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    tracing::info!(%peer, "HTTP was spoken to an address that takes TLS alone; who asks must use https");
    stream.write_all(ANSWER).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(HEARS);
    let _ = tokio::time::timeout(LISTENS, tokio::io::copy(&mut rest, &mut sink())).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_length_that_it_says() {
        let answer = str::from_utf8(ANSWER).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let length = format!("content-length: {}", body.len());
        assert!(head.ends_with(&length), "{length}");
    }
}
