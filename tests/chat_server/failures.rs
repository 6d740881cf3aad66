//! Servers that fail in every way.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::farm::Farm;

#[test]
fn what_may_pass_is_asked_again_after_growing_waits() {
    let whole = saying("Here.");
    let server = Scripted::new(vec![
        Act::Say(vec![answer(
            "429 Too Many Requests",
            "Retry-After: 7\r\n",
            "{\"error\": {\"message\": \"slow down\"}}",
        )]),
        Act::Say(vec![answer("500 Internal Server Error", "", "oh no")]),
        Act::Drop,
        Act::Say(vec![whole[..whole.len() - 20].to_vec()]),
        Act::Say(vec![whole]),
    ]);
    let (client, clock) = client(&server);
    assert_eq!(asked(&client).unwrap().message.content, "Here.");
    // 7 was asked for; then 1, 2 and 4 as the waits double from a half.
    assert_eq!(clock.waited(), Duration::from_secs(14));
    let bodies: Vec<Value> = server.requests().into_iter().map(|it| it.body).collect();
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]) && bodies.len() == 4, "{bodies:?}");
}

#[test]
fn it_gives_up_and_says_where_how_often_and_what() {
    let server = Scripted::saying(vec![answer("503 Busy", "", "{\"error\": \"loading model\"}"); 5]);
    let (client, _) = client(&server);
    let error = server_error(asked(&client));
    assert_eq!((error.tries, server.requests().len()), (5, 5));
    assert_eq!(
        error.to_string(),
        format!("{}/chat/completions (asked 5 times): status 503: loading model", server.url)
    );
    // Nobody listens there any more.
    let error = server_error(asked(&client));
    assert!(matches!(error.failure, Failure::Connection { .. }), "{error}");
}

#[test]
fn a_server_that_asks_for_too_long_a_wait_is_left() {
    let server = Scripted::saying(vec![answer("429 Too Many Requests", "Retry-After: 3600\r\n", "")]);
    let (client, clock) = client(&server);
    let error = server_error(asked(&client));
    assert!(error.to_string().contains("(it asks to wait 3600s)"), "{error}");
    assert_eq!((error.tries, clock.waited()), (1, Duration::ZERO));
}

#[test]
fn another_server_is_not_followed_to() {
    let moved = answer("307 Temporary Redirect", "Location: http://elsewhere.invalid/v1\r\n", "");
    let server = Scripted::saying(vec![moved]);
    let error = failure(asked(&client(&server).0));
    match error {
        Failure::Status { status: 307, message, .. } => {
            assert!(message.contains("http://elsewhere.invalid/v1"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_silence_ends() {
    let begun = Instant::now();
    let half = chunk(delta(json!({"content": "Ça"}), json!(null)).as_bytes());
    let head = chunked_head("text/event-stream");
    let hang = |bytes: &[&[u8]]| Scripted::new(vec![Act::Hang(bytes.concat())]);
    let timed_out = |wait, after| Failure::TimedOut { wait, after: Duration::from_millis(after) };

    let silent = hang(&[]);
    assert_eq!(failure(asked(&impatient(&silent, 300, 5_000))), timed_out(Wait::Total, 300));
    assert_eq!(silent.requests().len(), 1, "a server that is too slow is not asked again");
    let server = hang(&[&head, &half]);
    let mut ear = Ear::default();
    let result = ask(&impatient(&server, 15_000, 300), &streamed(), &mut ear);
    assert_eq!(failure(result), timed_out(Wait::Bytes, 300));
    assert_eq!(ear.answer, "Ça");
    let server = hang(&[b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\""]);
    assert_eq!(failure(asked(&impatient(&server, 15_000, 300))), timed_out(Wait::Bytes, 300));
    let server = hang(&[b"HTTP/1.1 200"]);
    assert_eq!(failure(asked(&impatient(&server, 300, 5_000))), timed_out(Wait::Total, 300));
    // Something comes again and again, and the whole takes too long.
    let server = Scripted::new(vec![Act::Flood(head, chunk(b": beat\n\n"))]);
    let result = ask(&impatient(&server, 300, 5_000), &streamed(), &mut Ear::default());
    assert_eq!(failure(result), timed_out(Wait::Total, 300));
    assert!(begun.elapsed() < scripted::PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_accepts_and_never_answers_is_found_before_the_whole_time_is_over() {
    let hung = || Scripted::new(vec![Act::Hang(Vec::new())]);
    let after = Duration::from_millis(300);
    let late = Failure::TimedOut { wait: Wait::FirstByte, after };
    for (by_settings, options) in [(false, streamed()), (true, ChatOptions::default())] {
        let server = hung();
        let settings = ClientSettings { stream: by_settings, ..doubtful(&server.url, 300, 10_000) };
        let client = Client::with_clock(settings, Quick::new()).unwrap();
        let error = server_error(ask(&client, &options, &mut Ear::default()));
        assert_eq!((error.tries, error.failure), (1, late.clone()));
    }
    let server = hung();
    let client = Client::with_clock(doubtful(&server.url, 300, 200), Quick::new()).unwrap();
    let error = server_error(asked(&client));
    let problem = "that took longer than 200ms".to_owned();
    assert_eq!((error.tries, error.failure), (1, Failure::NoSign { after, problem }));
    assert_eq!(server.requests().len(), 1);
    // Nobody is kept from stopping it while it is asked whether it is there.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let probed = Arc::new(AtomicBool::new(false));
    let probes = Arc::clone(&probed);
    let (_over, until) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _request = listener.accept();
        let _probe = listener.accept();
        probes.store(true, Ordering::SeqCst);
        let _ = until.recv();
    });
    let client = Client::with_clock(doubtful(&url, 1, 10_000), Quick::new()).unwrap();
    struct Probed(Arc<AtomicBool>);
    impl Listener for Probed {
        fn hear(&mut self, _: Part<'_>) {}
        fn stopped(&mut self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }
    let begun = Instant::now();
    let stopped = client.reply(&[Message::user("Hi")], &ChatOptions::default(), &mut Probed(probed));
    assert!(matches!(stopped, Err(ChatError::Stopped)), "{stopped:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn asking_whether_a_server_is_there_ends_with_the_request() {
    let server = Scripted::new(vec![Act::Hang(Vec::new())]);
    let settings = doubtful(&server.url, 200, 20_000);
    let timeouts = Timeouts { total: Duration::from_millis(500), ..settings.timeouts };
    let client = Client::with_clock(ClientSettings { timeouts, ..settings }, Quick::new()).unwrap();
    let begun = Instant::now();
    let late = Failure::TimedOut { wait: Wait::Total, after: Duration::from_millis(500) };
    assert_eq!(failure(asked(&client)), late);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_is_there_may_take_its_time_for_a_whole_answer() {
    let (farm, arrivals) = Farm::held(1);
    let client = Client::with_clock(doubtful(&farm.urls[0], 100, 15_000), Quick::new()).unwrap();
    let reply = thread::scope(|scope| {
        let reply = scope.spawn(|| asked(&client));
        let held = arrivals.next();
        farm.probed(3);
        held.say(&saying("Here."));
        reply.join().unwrap()
    });
    assert_eq!(reply.unwrap().message.content, "Here.");
    // Asking whether it is there is no request.
    assert_eq!((client.figures().requests, client.figures().failures, farm.went().len()), (1, 0, 1));
}

#[test]
fn the_listener_stops_it_at_any_moment() {
    let part = chunk(delta(json!({"content": "Ça fait"}), json!(null)).as_bytes());
    let server = Scripted::new(vec![Act::Hang([chunked_head("text/event-stream"), part].concat())]);
    let (patient, _) = client(&server);
    let mut ear = Ear { enough: Some(1), ..Ear::default() };
    let reply = ask(&patient, &streamed(), &mut ear).unwrap();
    assert_eq!((reply.message.content.as_str(), reply.finish), ("Ça fait", Finish::Stopped));

    let server = Scripted::new(vec![Act::Hang(Vec::new())]);
    let (patient, _) = client(&server);
    let mut ear = Ear { stop: true, ..Ear::default() };
    assert!(matches!(ask(&patient, &streamed(), &mut ear), Err(ChatError::Stopped)));
    // Also between two tries.
    let server = Scripted::saying(vec![answer("500 Oh", "", "")]);
    let clock = Quick::new();
    struct Second(u32);
    impl Listener for Second {
        fn hear(&mut self, _: Part<'_>) {}
        fn stopped(&mut self) -> bool {
            self.0 += 1;
            self.0 > 30
        }
    }
    let waits = Retries {
        first_wait: Duration::from_secs(1000),
        longest_wait: Duration::from_secs(1000),
        ..Retries::default()
    };
    let slow = ClientSettings { retries: waits, ..settings(&server.url) };
    let slow = Client::with_clock(slow, clock.clone()).unwrap();
    let result = slow.reply(&[Message::user("Hi")], &ChatOptions::default(), &mut Second(0));
    assert!(matches!(result, Err(ChatError::Stopped)));
    assert!(clock.waited() < Duration::from_secs(100));
}

#[test]
fn nonsense_is_told_apart_and_never_an_answer() {
    let said = |body: &str| {
        let server = Scripted::saying(vec![answer("200 OK", "Content-Type: application/json\r\n", body)]);
        let retries = Retries { most: 0, ..Retries::default() };
        let client =
            Client::with_clock(ClientSettings { retries, ..settings(&server.url) }, Quick::new()).unwrap();
        failure(asked(&client))
    };
    assert!(
        matches!(said("<html>Welcome</html>"), Failure::NotJson { found, .. } if found.contains("Welcome"))
    );
    assert!(matches!(said(""), Failure::Truncated { .. }));
    let whole = completion("Here.").to_string();
    assert!(matches!(said(&whole[..whole.len() / 2]), Failure::Truncated { .. }));
    assert!(matches!(said("{\"choices\": [{\"message\": {\"content\": [1]}}]}"),
        Failure::Malformed { field, .. } if field == "choices[0].message.content"));
    assert!(matches!(said("{\"id\": 1}"), Failure::Malformed { .. }));
    assert!(matches!(said("{\"choices\": []}"), Failure::Malformed { .. }));
    assert_eq!(
        said("{\"error\": {\"message\": \"no GPU\"}}"),
        Failure::Reported { message: "no GPU".into() }
    );
    let nothing = json!({"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}).to_string();
    assert!(matches!(said(&nothing), Failure::NothingSaid { .. }));
    let server = Scripted::saying(vec![b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()]);
    assert!(matches!(
        failure(asked(&client(&server).0)),
        Failure::Protocol { .. } | Failure::Connection { .. }
    ));
}

#[test]
fn an_answer_without_end_is_left_at_the_limit() {
    // 50 MB are announced, or no length at all; a body in one line, or a stream.
    let heads = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n{\"a\": \"".to_vec(), ChatOptions::default()),
        (b"HTTP/1.1 200 OK\r\n\r\n{\"a\": \"".to_vec(), ChatOptions::default()),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ".to_vec(), streamed()),
    ];
    for (head, options) in heads {
        let server = Scripted::new(vec![Act::Flood(head, vec![b'x'; 1 << 16])]);
        let (client, _) = client(&server);
        let error = failure(ask(&client, &options, &mut Ear::default()));
        assert_eq!(error, Failure::TooLarge { limit: 8 << 20 });
        // What was on its way when it was left: buffers of the system, and a few pieces.
        let written = server.flood();
        assert!((7 << 20..32 << 20).contains(&written), "{written}");
    }
}

#[test]
fn a_stream_that_breaks_is_no_answer_and_is_not_said_twice() {
    let half = delta(json!({"content": "Ça"}), json!(null));
    let error = data(json!({"error": {"message": "out of memory"}}));
    let cut = [chunked_head("text/event-stream"), chunk(half.as_bytes())].concat();
    let server = Scripted::new(vec![
        events(&[half.as_bytes(), error.as_bytes()]),
        Act::Say(vec![cut]),
        events(&[half.as_bytes()]),
    ]);
    let (client, _) = client(&server);
    let broken = || {
        let mut ear = Ear::default();
        let error = server_error(ask(&client, &streamed(), &mut ear));
        assert_eq!((ear.answer.as_str(), error.tries), ("Ça", 1));
        error.failure
    };
    assert_eq!(broken(), Failure::Reported { message: "out of memory".into() });
    assert!(matches!(broken(), Failure::Truncated { .. }));
    assert!(matches!(broken(), Failure::Truncated { .. }));
    // Nothing was heard yet, so it is asked again.
    let early = chunked_head("text/event-stream");
    let server = Scripted::new(vec![Act::Say(vec![early]), events(&[stream().as_bytes()])]);
    let mut ear = Ear::default();
    let result = ask(&super::client(&server).0, &streamed(), &mut ear);
    check_stream(result, &ear);
}
