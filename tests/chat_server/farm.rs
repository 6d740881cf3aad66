//! Several servers on loopback that answer many requests at a time, as a test decides.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::Value;

use crate::scripted::{PATIENCE, Received, answer, read};

/// Servers of one model.
pub struct Farm {
    pub urls: Vec<String>,
    /// Which server got which request, in the order in which they arrived.
    log: Arc<Mutex<Vec<usize>>>,
    probes: Arc<Probes>,
}

/// How often any of the servers was asked for its models.
#[derive(Default)]
struct Probes {
    count: Mutex<usize>,
    more: Condvar,
}

/// A request that has arrived and is not yet answered.
pub struct Arrival {
    /// Where.
    pub server: usize,
    pub body: Value,
    stream: TcpStream,
}

impl Arrival {
    /// What its last message says.
    pub fn said(&self) -> String {
        let messages = self.body["messages"].as_array().unwrap();
        messages.last().unwrap()["content"].as_str().unwrap().to_owned()
    }

    /// Writes a part of the answer. The other side may be gone.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Answers and hangs up.
    pub fn say(mut self, bytes: &[u8]) {
        self.write(bytes);
    }
}

impl Farm {
    /// So many servers, of which each gives its requests to `take`, each on a thread of its own. Whoever asks for the models is told at once.
    fn new(count: usize, take: impl Fn(Arrival) + Send + Sync + 'static) -> Self {
        let (take, log) = (Arc::new(take), Arc::<Mutex<Vec<usize>>>::default());
        let probes = Arc::<Probes>::default();
        let serve = |server| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/v1", listener.local_addr().unwrap());
            let (take, log, probes) = (Arc::clone(&take), Arc::clone(&log), Arc::clone(&probes));
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let (take, log, probes) = (Arc::clone(&take), Arc::clone(&log), Arc::clone(&probes));
                    thread::spawn(move || match arrived(server, stream) {
                        Ok(arrival) if arrival.body.is_null() => {
                            *probes.count.lock().unwrap() += 1;
                            probes.more.notify_all();
                            arrival.say(&answer("200 OK", "", "{\"data\": []}"));
                        }
                        Ok(arrival) => {
                            log.lock().unwrap().push(server);
                            take(arrival);
                        }
                        Err(_) => {}
                    });
                }
            });
            url
        };
        Self { urls: (0..count).map(serve).collect(), log, probes }
    }

    /// Servers that answer at once, as `answer` says for the server and the last message.
    pub fn answering(count: usize, answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::new(count, move |arrival| {
            let bytes = answer(arrival.server, &arrival.said());
            arrival.say(&bytes);
        })
    }

    /// One server that answers at once, as `answer` says for the name of the schema that is asked for (empty without one) and the last message.
    pub fn playing(answer: impl Fn(&str, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::new(1, move |arrival| {
            let name = arrival.body["response_format"]["json_schema"]["name"].as_str().unwrap_or_default();
            let bytes = answer(name, &arrival.said());
            arrival.say(&bytes);
        })
    }

    /// Servers whose requests wait until the test answers them.
    pub fn held(count: usize) -> (Self, Arrivals) {
        let (sender, arrivals) = mpsc::channel();
        let farm = Self::new(count, move |arrival| {
            // The test may be over.
            let _ = sender.send(arrival);
        });
        (farm, Arrivals(arrivals))
    }

    /// The servers that got requests since this was last asked, in order.
    pub fn went(&self) -> Vec<usize> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// Waits until any were asked for their models so many times.
    pub fn probed(&self, times: usize) {
        let Probes { count, more } = &*self.probes;
        let wait = more.wait_timeout_while(count.lock().unwrap(), PATIENCE, |count| *count < times);
        let (count, waited) = wait.unwrap();
        assert!(!waited.timed_out(), "asked for the models {count} times, {times} are expected");
    }
}

fn arrived(server: usize, stream: io::Result<TcpStream>) -> io::Result<Arrival> {
    let mut stream = stream?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let Received { head, body } = read(&mut stream)?;
    assert!(!body.is_null() || head.starts_with("GET /v1/models HTTP/1.1\r\n"), "{head}");
    Ok(Arrival { server, body, stream })
}

/// Requests in the order in which they arrived.
pub struct Arrivals(Receiver<Arrival>);

impl Arrivals {
    /// The next one.
    pub fn next(&self) -> Arrival {
        self.0.recv_timeout(PATIENCE).unwrap()
    }

    /// Whether none is there.
    pub fn none(&self) -> bool {
        self.0.try_recv().is_err()
    }
}
