//! Several servers as one model: which of them is asked, and what becomes of those that fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use osler::chat::servers::{NoServer, Servers, ServersError, ServersSettings};
use osler::chat::{Asked, ConversationKey};

use super::*;
use crate::farm::Farm;

/// No server.
const NOBODY: usize = usize::MAX;

pub(super) fn together(
    urls: &[String],
    concurrent: usize,
    settings: ServersSettings,
) -> (Servers<Quick>, Quick) {
    let clock = Quick::new();
    let client = |url: &String| {
        let limits = Limits { concurrent, ..Limits::default() };
        Client::with_clock(ClientSettings { limits, ..super::settings(url) }, clock.clone()).unwrap()
    };
    let clients = urls.iter().map(client).collect();
    (Servers::with_clock(clients, settings, clock.clone()).unwrap(), clock)
}

/// Servers whose requests stay where their conversation is.
pub(super) fn loyal() -> ServersSettings {
    ServersSettings { load_factor: 100.0, ..ServersSettings::default() }
}

/// A request of the conversation about `talk`.
pub(super) fn about(talk: &str) -> Asked {
    let messages = vec![Message::system(talk), Message::user("Where does it hurt?")];
    let options =
        ChatOptions { conversation: Some(ConversationKey::of(&messages[..1])), ..ChatOptions::default() };
    Asked { messages, options }
}

pub(super) fn talk(servers: &Servers<Quick>, talk: &str) -> Result<Reply, ChatError> {
    let Asked { messages, options } = about(talk);
    servers.reply(&messages, &options, &mut ())
}

fn no_server(result: Result<Reply, ChatError>) -> Box<NoServer> {
    match result {
        Err(ChatError::NoServer(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_of_one_conversation_go_to_one_server() {
    let farm = Farm::answering(3, |_, _| saying("Here."));
    let (first, _) = together(&farm.urls, 4, ServersSettings::default());
    let turned: Vec<String> = farm.urls.iter().rev().cloned().collect();
    let (second, _) = together(&turned, 4, ServersSettings::default());
    let mut counts = [0; 3];
    for number in 0..64 {
        for servers in [&first, &first, &second] {
            talk(servers, &number.to_string()).unwrap();
        }
        let went = farm.went();
        assert_eq!(went, [went[0]; 3]);
        counts[went[0]] += 1;
    }
    // That one of them has none of 64 conversations has a chance of 2e-11.
    assert!(counts.iter().all(|it| *it > 0), "{counts:?}");
    let figures = first.servers();
    for ((figures, url), count) in figures.iter().zip(&farm.urls).zip(counts) {
        assert_eq!((&figures.url, figures.requests, figures.failures), (url, 2 * count, 0));
        assert_eq!((figures.spills, figures.usage.prompt_tokens), (0, 18 * count));
    }
}

#[test]
fn a_server_with_too_many_requests_passes_them_on() {
    for (concurrent, settings, expected) in [
        // 1.25 times the mean of 0, 1, 2 and 3 requests and the one that comes, rounded up: 1, 2, 2, 3.
        (4, ServersSettings::default(), &[true, true, false, true][..]),
        (1, loyal(), &[true, false]),
    ] {
        let (farm, arrivals) = Farm::held(2);
        let (servers, _) = together(&farm.urls, concurrent, settings);
        let home = thread::scope(|scope| {
            let first = scope.spawn(|| talk(&servers, "a"));
            let arrival = arrivals.next();
            let home = arrival.server;
            arrival.say(&saying("Here."));
            first.join().unwrap().unwrap();
            let mut held = Vec::new();
            let threads: Vec<_> = expected
                .iter()
                .map(|_| {
                    let thread = scope.spawn(|| talk(&servers, "a"));
                    held.push(arrivals.next());
                    thread
                })
                .collect();
            let went: Vec<bool> = held.iter().map(|it| it.server == home).collect();
            assert_eq!(went, expected);
            held.into_iter().for_each(|it| it.say(&saying("Here.")));
            for thread in threads {
                thread.join().unwrap().unwrap();
            }
            home
        });
        let spills: Vec<u64> = servers.servers().iter().map(|it| it.spills).collect();
        assert_eq!((spills[home], spills[1 - home]), (1, 0));
    }
}

#[test]
fn a_server_that_dies_is_left_alone_and_comes_back() {
    let dead = Arc::new(AtomicUsize::new(NOBODY));
    let told = Arc::clone(&dead);
    let farm = Farm::answering(2, move |server, _| {
        let whole = saying("Here.");
        let end = if told.load(Ordering::SeqCst) == server { whole.len() - 20 } else { whole.len() };
        whole[..end].to_vec()
    });
    let (servers, clock) = together(&farm.urls, 4, ServersSettings::default());
    let went = || {
        assert_eq!(talk(&servers, "a").unwrap().message.content, "Here.");
        farm.went()
    };
    let home = went()[0];
    let other = 1 - home;
    dead.store(home, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(went(), [home, other]);
    }
    assert_eq!(went(), [other], "it failed three times in a row");
    // A trial after a second that fails, and the next two seconds later.
    clock.sleep(Duration::from_secs(1));
    assert_eq!(went(), [home, other]);
    clock.sleep(Duration::from_secs(1));
    assert_eq!(went(), [other]);
    dead.store(NOBODY, Ordering::SeqCst);
    clock.sleep(Duration::from_secs(1));
    for _ in 0..2 {
        assert_eq!(went(), [home]);
    }
    assert_eq!(clock.waited(), Duration::from_secs(3), "nobody waited to be passed on");
    let figures = servers.servers();
    let counts = |it: usize| (figures[it].requests, figures[it].failures, figures[it].spills);
    assert_eq!((counts(home), counts(other)), ((7, 4, 0), (6, 0, 0)));
}

#[test]
fn a_server_that_never_answers_is_left_alone() {
    let (hung, farm) =
        (Scripted::new(vec![Act::Hang(Vec::new())]), Farm::answering(1, |_, _| saying("Here.")));
    let clock = Quick::new();
    let client = |url: &str| Client::with_clock(doubtful(url, 150, 150), clock.clone()).unwrap();
    let clients = vec![client(&hung.url), client(&farm.urls[0])];
    let servers = Servers::with_clock(clients, ServersSettings::default(), clock.clone()).unwrap();
    // Requests of no conversation go round, so that each begins at the first.
    for requests in [1, 2, 3, 3, 3] {
        assert_eq!(asked(&servers).unwrap().message.content, "Here.");
        let figures = &servers.servers()[0];
        assert_eq!((figures.requests, figures.failures), (requests, requests));
    }
    assert_eq!(farm.went().len(), 5);
}

#[test]
fn what_was_heard_or_asked_for_wrongly_is_not_asked_of_another() {
    let half = chunk(delta(json!({"content": "Ça"}), json!(null)).as_bytes());
    let cut = [chunked_head("text/event-stream"), half].concat();
    let farm = Farm::answering(2, move |_, _| cut.clone());
    let (servers, _) = together(&farm.urls, 4, ServersSettings::default());
    let mut ear = Ear::default();
    let error = server_error(ask(&servers, &streamed(), &mut ear));
    assert!(matches!(error.failure, Failure::Truncated { .. }), "{error}");
    assert_eq!((ear.answer.as_str(), farm.went().len()), ("Ça", 1));

    let farm = Farm::answering(2, |_, _| answer("400 Bad Request", "", "too long"));
    let (servers, _) = together(&farm.urls, 4, ServersSettings::default());
    for _ in 0..5 {
        assert!(matches!(failure(asked(&servers)), Failure::Status { status: 400, .. }));
        assert_eq!(farm.went().len(), 1);
    }
}

#[test]
fn where_nobody_answers_each_server_is_named() {
    // Ports of old services, which nobody listens at.
    let urls = ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"].map(str::to_owned);
    let (servers, clock) = together(&urls, 4, ServersSettings::default());
    let error = no_server(talk(&servers, "a"));
    for (it, url) in error.servers.iter().zip(&urls) {
        assert_eq!((&it.url, it.tries, it.out), (url, 5, Some(Duration::from_secs(4))));
        assert!(matches!(it.failure, Some(Failure::Connection { .. })), "{it}");
        let text = error.to_string();
        assert!(text.contains(&format!("{url} (asked 5 times): no connection")), "{text}");
    }
    // 0.5, 1, 2 and 4 s between five rounds; they are out for 1, 2 and at last 4 s from the third on.
    assert_eq!(clock.waited(), Duration::from_millis(7_500));
    let error = no_server(talk(&servers, "b"));
    assert!(error.servers.iter().all(|it| it.tries == 0 && it.failure.is_some()), "{error}");
    assert_eq!(clock.waited(), Duration::from_millis(7_500), "it failed at once");
}

#[test]
fn servers_that_ask_for_a_rest_get_it() {
    let counts = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let farm = Farm::answering(2, move |server, _| match counts[server].fetch_add(1, Ordering::SeqCst) {
        0 => answer("429 Too Many Requests", "Retry-After: 7\r\n", ""),
        _ => saying("Here."),
    });
    let (servers, clock) = together(&farm.urls, 4, ServersSettings::default());
    talk(&servers, "a").unwrap();
    let went = farm.went();
    assert_eq!((went.len(), went[2]), (3, went[0]));
    assert_ne!(went[0], went[1]);
    assert_eq!(clock.waited(), Duration::from_secs(7));
}

/// Conversations that each say their number.
fn numbers(count: usize) -> Vec<Asked> {
    let number = |it: usize| Asked { messages: vec![Message::user(it.to_string())], ..Asked::default() };
    (0..count).map(number).collect()
}

fn contents(replies: Vec<Result<Reply, ChatError>>) -> Vec<String> {
    replies.into_iter().map(|it| it.unwrap().message.content).collect()
}

#[test]
fn many_are_answered_at_once_and_in_order() {
    let expected: Vec<String> = (0..20).map(|it| it.to_string()).collect();
    let (farm, arrivals) = Farm::held(2);
    let (servers, _) = together(&farm.urls, 4, ServersSettings::default());
    let replies = thread::scope(|scope| {
        let replies = scope.spawn(|| servers.replies(&numbers(20)));
        // Four at each of the two, before any is answered; the last of them first.
        let held: Vec<_> = (0..8).map(|_| arrivals.next()).collect();
        assert_eq!(held.iter().filter(|it| it.server == 0).count(), 4);
        let answered = held.into_iter().rev().chain((8..20).map(|_| arrivals.next()));
        answered.for_each(|it| {
            let said = it.said();
            it.say(&saying(&said));
        });
        replies.join().unwrap()
    });
    assert_eq!(contents(replies), expected);

    let (farm, arrivals) = Farm::held(1);
    let clock = Quick::new();
    let client = Client::with_clock(settings(&farm.urls[0]), clock).unwrap();
    let replies = thread::scope(|scope| {
        let replies = scope.spawn(|| client.replies(&numbers(6)));
        let held: Vec<_> = (0..4).map(|_| arrivals.next()).collect();
        let answered = held.into_iter().rev().chain((4..6).map(|_| arrivals.next()));
        answered.for_each(|it| {
            let said = it.said();
            it.say(&saying(&said));
        });
        replies.join().unwrap()
    });
    assert_eq!(contents(replies), expected[..6]);
}

#[test]
fn one_that_fails_takes_no_other_with_it() {
    let farm = Farm::answering(2, |_, said| match said {
        "7" => answer("400 Bad Request", "", "no"),
        said => saying(said),
    });
    let (servers, _) = together(&farm.urls, 4, ServersSettings::default());
    for (number, reply) in servers.replies(&numbers(20)).into_iter().enumerate() {
        match number {
            7 => assert!(matches!(failure(reply), Failure::Status { status: 400, .. })),
            _ => assert_eq!(reply.unwrap().message.content, number.to_string()),
        }
    }
    assert_eq!(farm.went().len(), 20);
}

#[test]
fn a_kept_reply_is_found_whichever_server_gave_it() {
    let folder = tempfile::tempdir().unwrap();
    let farm = Farm::answering(3, |_, _| saying("Here."));
    let kept = || {
        let client = |url: &String| {
            let settings = ClientSettings { cache: Some(folder.path().to_owned()), ..settings(url) };
            Client::with_clock(settings, Quick::new()).unwrap()
        };
        let clients = farm.urls.iter().map(client).collect();
        Servers::with_clock(clients, ServersSettings::default(), Quick::new()).unwrap()
    };
    talk(&kept(), "a").unwrap();
    assert_eq!(farm.went().len(), 1);
    // Whose conversation it is is no part of the request, so that it could have been any server's.
    let Asked { messages, .. } = about("a");
    let reply = kept().reply(&messages, &ChatOptions::default(), &mut ()).unwrap();
    assert_eq!((reply.message.content.as_str(), farm.went().len()), ("Here.", 0));
}

#[test]
fn cached_tokens_are_added_up() {
    let farm = Farm::answering(1, |_, said| {
        let mut said = completion(said);
        said["usage"]["prompt_tokens_details"] = json!({"cached_tokens": 6});
        answer("200 OK", "Content-Type: application/json\r\n", &said.to_string())
    });
    let (servers, _) = together(&farm.urls, 4, ServersSettings::default());
    assert_eq!(servers.servers()[0].cached_ratio, None);
    assert_eq!(talk(&servers, "a").unwrap().usage.unwrap().cached_tokens, 6);
    talk(&servers, "b").unwrap();
    let figures = &servers.servers()[0];
    assert_eq!((figures.usage.cached_tokens, figures.cached_ratio), (12, Some(12.0 / 18.0)));
}

#[test]
fn servers_that_do_not_go_together_are_refused() {
    let made = |names: &[(&str, &str)]| {
        let client = |(url, model): &(&str, &str)| {
            let url = format!("http://127.0.0.1:1/{url}").parse().unwrap();
            Client::new(ClientSettings::new(url, *model)).unwrap()
        };
        Servers::new(names.iter().map(client).collect(), ServersSettings::default()).err()
    };
    assert_eq!(made(&[]), Some(ServersError::None));
    assert_eq!(made(&[("a", "m"), ("b", "m")]), None);
    assert!(matches!(made(&[("a", "m"), ("a", "m")]), Some(ServersError::Twice { .. })));
    assert!(matches!(made(&[("a", "m"), ("b", "n")]), Some(ServersError::Models { .. })));
}
