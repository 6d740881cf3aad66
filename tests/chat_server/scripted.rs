//! A server on loopback that does what a script says, one connection after the other.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Longest wait of a test for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What is done with one connection, once the request has been read.
pub enum Act {
    /// Writes each piece by itself, then hangs up.
    Say(Vec<Vec<u8>>),
    /// Writes this, then says nothing until the test is over.
    Hang(Vec<u8>),
    /// Writes the first, then the second again and again, until the other side hangs up.
    Flood(Vec<u8>, Vec<u8>),
    /// Hangs up without reading the request.
    Drop,
}

/// A request as it arrived.
#[derive(Debug)]
pub struct Received {
    /// Its first line and headers, as they were sent.
    pub head: String,
    pub body: Value,
}

pub struct Scripted {
    pub url: String,
    requests: Receiver<Received>,
    /// Bytes that each flood wrote.
    floods: Receiver<usize>,
    /// Dropped with the test, which ends the hanging.
    _over: Sender<()>,
}

impl Scripted {
    pub fn new(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (to_requests, requests) = mpsc::channel();
        let (to_floods, floods) = mpsc::channel();
        let (over, until) = mpsc::channel();
        thread::spawn(move || {
            for act in acts {
                let Ok((stream, _)) = listener.accept() else { return };
                // The other side may hang up at any moment, which is what some tests are about.
                let _ = perform(act, stream, &to_requests, &to_floods, &until);
            }
        });
        Self { url, requests, floods, _over: over }
    }

    /// One that answers with the same bytes in one piece, for each of `answers`.
    pub fn saying(answers: Vec<Vec<u8>>) -> Self {
        Self::new(answers.into_iter().map(|answer| Act::Say(vec![answer])).collect())
    }

    /// The next request.
    pub fn request(&self) -> Received {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }

    /// Requests that have arrived and were not asked for yet.
    pub fn requests(&self) -> Vec<Received> {
        self.requests.try_iter().collect()
    }

    /// How much the next flood wrote.
    pub fn flood(&self) -> usize {
        self.floods.recv_timeout(PATIENCE).unwrap()
    }
}

fn perform(
    act: Act,
    mut stream: TcpStream,
    requests: &Sender<Received>,
    floods: &Sender<usize>,
    until: &Receiver<()>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    if matches!(act, Act::Drop) {
        return Ok(());
    }
    let _ = requests.send(read(&mut stream)?);
    match act {
        Act::Say(pieces) => pieces.iter().try_for_each(|piece| stream.write_all(piece)),
        Act::Hang(bytes) => {
            stream.write_all(&bytes)?;
            let _ = until.recv();
            Ok(())
        }
        Act::Flood(first, again) => {
            let mut written = 0;
            let mut write = |bytes: &[u8]| stream.write_all(bytes).map(|()| written += bytes.len());
            let mut result = write(&first);
            while result.is_ok() {
                result = write(&again);
            }
            let _ = floods.send(written);
            Ok(())
        }
        Act::Drop => Ok(()),
    }
}

/// Reads a request with a content length, or without a body, which is then null.
pub fn read(stream: &mut TcpStream) -> io::Result<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, &mut bytes)?;
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
        .map_or(0, |it| it.trim().parse::<usize>().unwrap());
    while bytes.len() < end + length {
        more(stream, &mut bytes)?;
    }
    let body = if length == 0 { Value::Null } else { serde_json::from_slice(&bytes[end..]).unwrap() };
    Ok(Received { head, body })
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 4096];
    match stream.read(&mut piece)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            bytes.extend_from_slice(&piece[..count]);
            Ok(())
        }
    }
}

/// A whole answer with a content length.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// The head of an answer in chunks, of this type.
pub fn chunked_head(content_type: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n")
        .into_bytes()
}

/// One chunk.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Events as an answer whose every piece is a chunk, written by itself.
pub fn events(pieces: &[&[u8]]) -> Act {
    let pieces = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| chunk(piece));
    Act::Say([chunked_head("text/event-stream")].into_iter().chain(pieces).chain([chunk(b"")]).collect())
}
