//! The first request of a conversation goes alone, so that the others find at the server what it has read.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use osler::chat::Asked;
use osler::chat::servers::{Servers, ServersSettings, Warming};

use super::servers::{about, loyal, talk, together};
use super::*;
use crate::farm::{Arrivals, Farm};

/// Tells each time that it is asked whether to stop.
struct Looks {
    number: usize,
    looks: Sender<usize>,
    /// Stops it at this look.
    stop: Option<usize>,
}

impl Listener for Looks {
    fn hear(&mut self, _: Part<'_>) {}

    fn stopped(&mut self) -> bool {
        let _ = self.looks.send(self.number);
        self.stop = self.stop.map(|it| it.saturating_sub(1));
        self.stop == Some(0)
    }
}

/// Waits until each of so many requests has looked around three times, so that it waits for something.
fn all_wait(looks: &Receiver<usize>, count: usize) {
    let mut counts = vec![0; count];
    while counts.iter().any(|it| *it < 3) {
        counts[looks.recv_timeout(scripted::PATIENCE).unwrap()] += 1;
    }
}

fn looking(servers: &Servers<Quick>, mut looks: Looks) -> Result<Reply, ChatError> {
    let Asked { messages, options } = about("a");
    servers.reply(&messages, &options, &mut looks)
}

#[test]
fn the_first_of_a_conversation_goes_alone_until_it_is_heard() {
    let (farm, arrivals) = Farm::held(2);
    let (servers, _) = together(&farm.urls, 8, loyal());
    let (sender, looks) = mpsc::channel();
    thread::scope(|scope| {
        let Asked { messages, options } = about("a");
        let options = ChatOptions { stream: true, ..options };
        let first = scope.spawn({
            let servers = &servers;
            move || servers.reply(&messages, &options, &mut ())
        });
        let mut arrival = arrivals.next();
        let others: Vec<_> = (0..5)
            .map(|number| {
                let looks = Looks { number, looks: sender.clone(), stop: None };
                let servers = &servers;
                scope.spawn(move || looking(servers, looks))
            })
            .collect();
        all_wait(&looks, 5);
        assert!(arrivals.none(), "another has gone before the first was heard");
        let part = chunk(delta(json!({"content": "He"}), json!(null)).as_bytes());
        arrival.write(&[chunked_head("text/event-stream"), part].concat());
        // All of them, before any is answered.
        let held: Vec<_> = (0..5).map(|_| arrivals.next()).collect();
        assert!(held.iter().all(|it| it.server == arrival.server));
        held.into_iter().for_each(|it| it.say(&saying("Here.")));
        for other in others {
            assert_eq!(other.join().unwrap().unwrap().message.content, "Here.");
        }
        let end = chunk(delta(json!({"content": "re."}), json!("stop")).as_bytes());
        arrival.say(&[end, chunk(b"")].concat());
        assert_eq!(first.join().unwrap().unwrap().message.content, "Here.");
    });
}

/// A first request that is not answered, and another that waits for it.
fn behind_a_first(
    servers: &Servers<Quick>,
    arrivals: &Arrivals,
    stop: Option<usize>,
    then: impl FnOnce(),
) -> Result<Reply, ChatError> {
    let (sender, looks) = mpsc::channel();
    thread::scope(|scope| {
        let first = scope.spawn(|| talk(servers, "a"));
        let arrival = arrivals.next();
        let second = scope.spawn(move || looking(servers, Looks { number: 0, looks: sender, stop }));
        all_wait(&looks, 1);
        then();
        let result = second.join().unwrap();
        arrival.say(&saying("Here."));
        first.join().unwrap().unwrap();
        result
    })
}

#[test]
fn a_wait_for_the_first_ends() {
    let (farm, arrivals) = Farm::held(2);
    let warming = Warming { longest_wait: Duration::from_secs(30), ..Warming::default() };
    let (servers, clock) = together(&farm.urls, 8, ServersSettings { warming, ..loyal() });
    let result = behind_a_first(&servers, &arrivals, None, || {
        assert!(arrivals.none());
        clock.sleep(Duration::from_secs(30));
        arrivals.next().say(&saying("Since Monday."));
    });
    assert_eq!(result.unwrap().message.content, "Since Monday.");
    assert_eq!(servers.servers().iter().map(|it| it.queue_seconds).sum::<f64>(), 30.0);

    let (farm, arrivals) = Farm::held(2);
    let (servers, _) = together(&farm.urls, 8, loyal());
    let result = behind_a_first(&servers, &arrivals, Some(4), || {});
    assert!(matches!(result, Err(ChatError::Stopped)));
    assert_eq!(farm.went().len(), 1);
}
