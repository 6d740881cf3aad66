//! Keys, replies on disk and the pace of requests.

use super::*;

fn key(folder: &Path) -> ApiKey {
    let file = folder.join("key");
    fs::write(&file, "sk-very-secret\n").unwrap();
    ApiKey::from_file(&file).unwrap()
}

#[test]
fn a_key_goes_into_the_header_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let wrong = answer("401 Unauthorized", "", "{\"error\": {\"message\": \"sk-very-secret is no key\"}}");
    let server = Scripted::saying(vec![wrong, saying("Here.")]);
    let settings =
        ClientSettings { key: Some(key(folder.path())), cache: Some(cache.clone()), ..settings(&server.url) };
    let client = Client::with_clock(settings.clone(), Quick::new()).unwrap();
    let error = server_error(asked(&client));
    assert_eq!(
        error.failure,
        Failure::Status { status: 401, message: "[key] is no key".into(), retry_after: None }
    );
    assert_eq!(error.tries, 1);
    asked(&client).unwrap();
    let request = server.request();
    assert!(request.head.contains("Bearer sk-very-secret\r\n"), "{}", request.head);
    assert!(!request.body.to_string().contains("secret"));
    for shown in [format!("{settings:?}"), format!("{error:?} {error}")] {
        assert!(!shown.contains("secret"), "{shown}");
    }
    for entry in fs::read_dir(&cache).unwrap() {
        assert!(!fs::read_to_string(entry.unwrap().path()).unwrap().contains("secret"));
    }
}

#[test]
fn the_same_request_is_answered_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let text = stream();
    let server = Scripted::new(vec![
        events(&[text.as_bytes()]),
        Act::Say(vec![saying("Other.")]),
        Act::Say(vec![answer("400 Bad", "", "no")]),
        events(&[text.as_bytes()]),
    ]);
    let kept = || {
        let settings = ClientSettings { cache: Some(folder.path().to_owned()), ..settings(&server.url) };
        Client::with_clock(settings, Quick::new()).unwrap()
    };
    for requests in [1, 0] {
        let mut ear = Ear::default();
        let result = ask(&kept(), &streamed(), &mut ear);
        check_stream(result, &ear);
        assert_eq!(server.requests().len(), requests);
    }
    let other = ChatOptions { seed: Some(1), ..ChatOptions::default() };
    assert_eq!(ask(&kept(), &other, &mut Ear::default()).unwrap().message.content, "Other.");
    // What came in parts is the reply to whoever wants it whole, too.
    assert_eq!(asked(&kept()).unwrap().message.content, "Ça fait mal 🤒");
    assert_eq!(server.requests().len(), 1, "for the other seed");
    // What failed is not kept.
    let another = ChatOptions { seed: Some(2), ..ChatOptions::default() };
    assert!(ask(&kept(), &another, &mut Ear::default()).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    // A damaged entry is asked for anew, and is sound again.
    for entry in fs::read_dir(folder.path()).unwrap() {
        fs::write(entry.unwrap().path(), "{\"form\": 1").unwrap();
    }
    server.requests();
    for requests in [1, 0] {
        let mut ear = Ear::default();
        let result = ask(&kept(), &streamed(), &mut ear);
        check_stream(result, &ear);
        assert_eq!(server.requests().len(), requests);
    }
}

#[test]
fn requests_keep_their_pace() {
    let server = Scripted::saying(vec![saying("Here."); 3]);
    let clock = Quick::new();
    let limits = Limits { requests_per_minute: Some(1), ..Limits::default() };
    let client =
        Client::with_clock(ClientSettings { limits, ..settings(&server.url) }, clock.clone()).unwrap();
    for minutes in 0..3 {
        asked(&client).unwrap();
        assert_eq!(clock.waited(), Duration::from_secs(60 * minutes));
    }
    // Tokens as the server counts them, 13 a request; three estimates of 23 would be too many.
    let server = Scripted::saying(vec![saying("Here."); 3]);
    let clock = Quick::new();
    let limits = Limits { tokens_per_minute: Some(60), ..Limits::default() };
    let client =
        Client::with_clock(ClientSettings { limits, ..settings(&server.url) }, clock.clone()).unwrap();
    for _ in 0..3 {
        asked(&client).unwrap();
    }
    assert_eq!(clock.waited(), Duration::ZERO);
}

#[test]
fn a_reply_that_was_refused_is_asked_for_again_the_next_time() {
    for in_words in [false, true] {
        let unknown = answer("400 Bad", "", "{\"error\": {\"message\": \"unknown field response_format\"}}");
        let mut answers = vec![saying("Yes!"), saying("{\"met\": 1}"), saying("{\"met\": true}")];
        if in_words {
            // Each client has to be told anew.
            answers = answers.into_iter().flat_map(|it| [unknown.clone(), it]).collect();
            answers.push(unknown);
        }
        let (server, folder) = (Scripted::saying(answers), tempfile::tempdir().unwrap());
        let met = || {
            let settings = ClientSettings { cache: Some(folder.path().to_owned()), ..settings(&server.url) };
            let client = Client::with_clock(settings, Quick::new()).unwrap();
            structured::ask(&client, &[Message::user("Met?")], &verdict(), 0, &mut ()).map(|it| it.value)
        };
        for _ in 0..2 {
            assert!(matches!(met(), Err(ChatError::NotAsAsked { asked: 1, .. })));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        // What was taken is kept.
        for _ in 0..2 {
            assert_eq!(met().unwrap(), json!({"met": true}));
        }
        assert_eq!(server.requests().len(), if in_words { 7 } else { 3 });
    }
}

#[test]
fn what_was_cut_off_is_kept_only_as_words() {
    let mut cut = completion("It hurts in my");
    cut["choices"][0]["finish_reason"] = json!("length");
    let cut = answer("200 OK", "Content-Type: application/json\r\n", &cut.to_string());
    let (server, folder) = (Scripted::saying(vec![cut; 3]), tempfile::tempdir().unwrap());
    let asked = |options: &ChatOptions| {
        let settings = ClientSettings { cache: Some(folder.path().to_owned()), ..settings(&server.url) };
        let client = Client::with_clock(settings, Quick::new()).unwrap();
        assert_eq!(ask(&client, options, &mut Ear::default()).unwrap().finish, Finish::Length);
        server.requests().len()
    };
    let words = ChatOptions::default();
    assert_eq!([&words, &words, &verdict(), &verdict()].map(asked), [1, 0, 1, 1]);
}
