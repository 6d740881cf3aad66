//! Answers, whole, streamed and as JSON.

use osler::train::config::{Role, Roles};

use super::*;

#[test]
fn a_whole_answer_and_what_was_sent_for_it() {
    let server = Scripted::saying(vec![saying("Here.")]);
    let (client, _) = client(&server);
    let mut ear = Ear::default();
    let options = ChatOptions { temperature: Some(0.7), max_tokens: Some(5), ..ChatOptions::default() };
    let reply = ask(&client, &options, &mut ear).unwrap();
    assert_eq!((reply.message, reply.finish), (Message::assistant("Here."), Finish::Stop));
    assert_eq!((ear.answer.as_str(), ear.parts), ("Here.", 1));
    let request = server.request();
    assert!(request.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", request.head);
    assert!(!request.head.to_lowercase().contains("authorization"), "{}", request.head);
    assert_eq!(
        request.body,
        json!({"model": "tiny", "messages": [{"role": "user", "content": "Where does it hurt?"}],
            "max_tokens": 5, "temperature": 0.7, "stream": false})
    );
}

#[test]
fn a_server_gets_the_limit_of_a_reply_in_the_field_that_it_knows() {
    let server = Scripted::saying(vec![saying("Here.")]);
    let token_limit_field = TokenLimitField::MaxCompletionTokens;
    let settings = ClientSettings { token_limit_field, ..settings(&server.url) };
    let client = Client::with_clock(settings, Quick::new()).unwrap();
    let options = ChatOptions { max_tokens: Some(5), ..ChatOptions::default() };
    ask(&client, &options, &mut Ear::default()).unwrap();
    let body = server.request().body;
    assert_eq!(body["max_completion_tokens"], 5);
    assert!(body.get("max_tokens").is_none(), "{body}");
}

#[test]
fn a_file_of_models_says_which_field_that_is() {
    for (said, field) in [("", "max_tokens"), ("max_completion_tokens", "max_completion_tokens")] {
        let server = Scripted::saying(vec![saying("Here.")]);
        let named = if said.is_empty() { String::new() } else { format!("token_limit_field = {said:?}\n") };
        let url = &server.url;
        let file = format!("[models.m]\nserver = {url:?}\nmodel = \"tiny\"\n{named}[roles]\njudge = \"m\"\n");
        let roles = Roles::parse(&file, Path::new("models.toml")).unwrap();
        let opened = roles.open(&mut |_, _, _| {}).unwrap();
        let options = ChatOptions { max_tokens: Some(5), ..ChatOptions::default() };
        let judge = opened.model(Role::Judge).unwrap();
        judge.reply(&[Message::user("Met?")], &options, &mut ()).unwrap();
        let body = server.request().body;
        let limits: Vec<&str> =
            ["max_tokens", "max_completion_tokens"].into_iter().filter(|it| body.get(it).is_some()).collect();
        assert_eq!((limits, &body[field]), (vec![field], &json!(5)));
    }
}

#[test]
fn a_stream_is_the_same_however_it_is_cut() {
    let text = stream();
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    let cuts = (0..=text.len()).map(|cut| [&text.as_bytes()[..cut], &text.as_bytes()[cut..]]);
    let acts = [events(&bytes)].into_iter().chain(cuts.map(|pieces| events(&pieces))).collect();
    let server = Scripted::new(acts);
    let (client, _) = client(&server);
    for _ in 0..text.len() + 2 {
        let mut ear = Ear::default();
        let result = ask(&client, &streamed(), &mut ear);
        check_stream(result, &ear);
        assert_eq!(ear.parts, 3);
    }
    let request = server.request();
    assert_eq!(request.body["stream"], true);
    assert!(request.head.to_lowercase().contains("accept: text/event-stream"), "{}", request.head);
}

#[test]
fn a_stream_may_have_other_line_ends_comments_and_no_last_empty_line() {
    let text = format!(": hello\n\n{}", stream()).replace('\n', "\r\n");
    let server = Scripted::new(vec![
        events(&[text.as_bytes(), b": after\r\n"]),
        events(&[text.trim_end().as_bytes()]),
    ]);
    let (client, _) = client(&server);
    for _ in 0..2 {
        let mut ear = Ear::default();
        let result = ask(&client, &streamed(), &mut ear);
        check_stream(result, &ear);
    }
}

#[test]
fn a_server_that_does_not_stream_is_read_all_the_same() {
    let server = Scripted::saying(vec![saying("Here.")]);
    let (client, _) = client(&server);
    let mut ear = Ear::default();
    assert_eq!(ask(&client, &streamed(), &mut ear).unwrap().message.content, "Here.");
    assert_eq!(ear.answer, "Here.");
}

#[test]
fn a_schema_goes_to_servers_that_hold_replies_to_it() {
    let server = Scripted::saying(vec![saying("{\"met\": true}")]);
    let (client, _) = client(&server);
    let found = structured::ask(&client, &[Message::user("Met?")], &verdict(), 2, &mut ()).unwrap();
    assert_eq!(found.value, json!({"met": true}));
    let body = server.request().body;
    assert_eq!(body["response_format"]["json_schema"]["name"], "verdict");
    assert_eq!(body["messages"], json!([{"role": "user", "content": "Met?"}]));
}

#[test]
fn other_servers_are_told_in_words_and_asked_again() {
    let unknown =
        answer("400 Bad Request", "", "{\"error\": {\"message\": \"unknown field response_format\"}}");
    let server = Scripted::saying(vec![
        unknown,
        saying("Yes!"),
        saying("{\"met\": 1}"),
        saying("{\"met\": false}"),
        saying("{\"met\": true}"),
    ]);
    let (client, _) = client(&server);
    let met = || structured::ask(&client, &[Message::user("Met?")], &verdict(), 2, &mut ());
    assert_eq!(met().unwrap().value, json!({"met": false}));
    // It is not tried again.
    assert_eq!(met().unwrap().value, json!({"met": true}));
    let bodies: Vec<Value> = server.requests().into_iter().map(|it| it.body).collect();
    assert_eq!(bodies.len(), 5);
    assert!(bodies[0].get("response_format").is_some());
    for body in &bodies[1..] {
        assert!(body.get("response_format").is_none());
        assert!(body["messages"][0]["content"].as_str().unwrap().contains("\"required\":[\"met\"]"));
    }
    assert_eq!(bodies[3]["messages"].as_array().unwrap().len(), 5);
    assert_eq!(client.figures().no_schemas.as_deref(), Some("unknown field response_format"));
}

#[test]
fn an_error_of_one_request_turns_no_schema_off() {
    let long = "{\"error\": {\"message\": \"the conversation is too long: it asks for proper grammar\"}}";
    let server = Scripted::saying(vec![answer("400 Bad Request", "", long), saying("{\"met\": true}")]);
    let (client, _) = client(&server);
    let met = || structured::ask(&client, &[Message::user("Met?")], &verdict(), 0, &mut ());
    assert!(matches!(failure(met().map(|it| it.reply)), Failure::Status { status: 400, .. }));
    assert_eq!(met().unwrap().value, json!({"met": true}));
    let bodies: Vec<Value> = server.requests().into_iter().map(|it| it.body).collect();
    assert!(bodies.len() == 2 && bodies.iter().all(|body| body.get("response_format").is_some()));
    assert_eq!(client.figures().no_schemas, None);
}

#[test]
fn a_server_that_can_make_no_grammar_of_a_schema_is_told_in_words() {
    let message = "{\"error\": {\"message\": \"Failed to initialize samplers: failed to parse grammar\"}}";
    let server = Scripted::saying(vec![answer("400 Bad Request", "", message), saying("{\"met\": true}")]);
    let (client, _) = client(&server);
    let found = structured::ask(&client, &[Message::user("Met?")], &verdict(), 0, &mut ()).unwrap();
    assert_eq!(found.value, json!({"met": true}));
    let bodies: Vec<Value> = server.requests().into_iter().map(|it| it.body).collect();
    assert!(bodies[0].get("response_format").is_some() && bodies[1].get("response_format").is_none());
}

#[test]
fn what_a_server_sends_in_parts_is_heard_whole_by_whoever_asks_for_no_parts() {
    let text = stream();
    let server = Scripted::new(vec![events(&[text.as_bytes()]), events(&[text.as_bytes()])]);
    let settings = ClientSettings { stream: true, ..settings(&server.url) };
    let client = Client::with_clock(settings, Quick::new()).unwrap();
    for (options, parts) in [(ChatOptions::default(), 2), (streamed(), 3)] {
        let mut ear = Ear::default();
        let result = ask(&client, &options, &mut ear);
        check_stream(result, &ear);
        // Thinking and answer, or each piece of them.
        assert_eq!(ear.parts, parts);
        assert_eq!(server.request().body["stream"], true);
    }
}

#[test]
fn a_reply_that_never_matches_is_an_error() {
    let server = Scripted::saying(vec![saying("{}"); 3]);
    let (client, _) = client(&server);
    let error = structured::ask(&client, &[Message::user("Met?")], &verdict(), 2, &mut ()).unwrap_err();
    assert!(matches!(&error, ChatError::NotAsAsked { asked: 3, .. }), "{error}");
    assert!(error.to_string().contains("`met`"), "{error}");
}
