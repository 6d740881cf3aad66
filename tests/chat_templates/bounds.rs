//! Templates that mean harm, and damaged ones, end within their bounds; long conversations are within them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use osler::chat::Message;
use osler::data::{
    BuiltinTemplate, ChatTemplate, RenderOptions, TemplateError, TemplateLimits, ThinkingMode,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::{conversations, error};

/// Every one of these ends the process, hangs it, or fills its memory if the engine alone runs it.
#[test]
fn hostile_templates_are_stopped() {
    let doubling = |end: &str| format!("{}{end}", "{% set x = [x, x] %}".repeat(60));
    for source in [
        // Recursion in the compiler.
        format!("{{{{ 1{} }}}}", "+1".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(100_000)),
        format!("{{{{ x{} }}}}", ".a".repeat(2_040)),
        format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(20_000)),
        format!("{{{{ {} }}}}", "(".repeat(4_000)),
        "{% if x %}".repeat(20_000),
        // Recursion in values, which can be endless.
        "{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = [n.x] %}{% endfor %}".into(),
        "{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = {'a': n.x} %}{% endfor %}{{ n.x }}".into(),
        "{% set n = namespace() %}{% set n.x = n %}{{ n ~ '' }}".into(),
        "{% set n = namespace() %}{% set n.x = [n] %}{{ n ~ '' }}".into(),
        "{% set n = namespace() %}{% set m = namespace(x=n) %}{{ m ~ '' }}".into(),
        "{% macro f(a) %}{{ f([a, a]) }}{% endmacro %}{{ f(1) }}".into(),
        // Values that are small to build and endless to visit.
        doubling("{{ x }}"),
        doubling("{{ x ~ '' }}"),
        doubling("{{ x == x[0] }}"),
        doubling("{{ {x: 1} }}"),
        doubling("{{ x | tojson }}"),
        format!("{}{}", "{% for a in [[a, a]] %}".repeat(60), "{% endfor %}".repeat(60)),
        // Work and output without end.
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}".into(),
        "{% for i in range(99999) %}{% for j in range(99999) %}abcdefgh{% endfor %}{% endfor %}".into(),
        "{{ 'a' * 1000000000 }}".into(),
        "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}".into(),
        "{{ '{:>1000000000}'.format(1) }}".into(),
        "{{ ('a' * 3000000).replace('', 'a' * 3000000) }}".into(),
        "{{ ('a' * 3000000).join(['a'] * 30000) }}".into(),
        "{{ '%1000000000d' | format(1) }}".into(),
        "{{ (['a' * 100000] * 100000) | join }}".into(),
        "{{ 'a' | indent(1000000000) }}".into(),
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".into(),
    ] {
        let error = error(&source);
        println!("{:<60.60} {error:.100}", source);
    }
}

#[test]
fn output_and_deadline_are_bounded() {
    let limits = TemplateLimits { output: 1000, ..TemplateLimits::default() };
    let template = ChatTemplate::with_limits("{{ 'a' * 5000 }}", limits).unwrap();
    let text = template.render(&[Message::user("hi")], &RenderOptions::default());
    assert!(matches!(text, Err(TemplateError::OutputTooLarge { .. })));
    let limits = TemplateLimits { fuel: 200_000, deadline: Duration::from_millis(30), ..limits };
    let slow = "{% set a = 'a' * 1500000 %}{% set b = 'a' * 1500000 %}{% for i in range(20000) %}{% if a == b %}{% endif %}{% endfor %}";
    let template = ChatTemplate::with_limits(slow, limits).unwrap();
    let text = template.render(&[Message::user("hi")], &RenderOptions::default());
    assert!(matches!(text, Err(TemplateError::Deadline { what: "rendered", .. })), "{text:?}");
}

/// Pieces that a mutation may put in.
const WORDS: [&str; 24] = [
    "{%",
    "%}",
    "{{",
    "}}",
    "{#",
    "#}",
    "-",
    "if",
    "else",
    "endif",
    "for",
    "endfor",
    "set",
    "macro",
    "endmacro",
    "in",
    "messages",
    "namespace",
    "[",
    "]",
    "(",
    ")",
    "'",
    "\u{1F600}",
];

#[derive(Clone, Debug)]
enum Mutation {
    Byte(prop::sample::Index, u8),
    Delete(prop::sample::Index, usize),
    Line(prop::sample::Index, prop::sample::Index),
    Word(prop::sample::Index, usize),
    Swap(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(i, b)| Mutation::Byte(i, b)),
        (at(), 1usize..40).prop_map(|(i, n)| Mutation::Delete(i, n)),
        (at(), at()).prop_map(|(i, j)| Mutation::Line(i, j)),
        (at(), 0..WORDS.len()).prop_map(|(i, w)| Mutation::Word(i, w)),
        (0..WORDS.len(), 0..WORDS.len()).prop_map(|(a, b)| Mutation::Swap(a, b)),
    ]
}

fn mutate(source: &str, mutations: &[Mutation]) -> String {
    let mut bytes = source.as_bytes().to_vec();
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        match mutation {
            Mutation::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Mutation::Delete(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Mutation::Line(from, to) => {
                let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                let line = lines[from.index(lines.len())].clone();
                let to = to.index(lines.len());
                lines[to] = line;
                bytes = lines.join(&b'\n');
            }
            Mutation::Word(at, word) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, WORDS[*word].bytes());
            }
            Mutation::Swap(from, to) => {
                bytes = String::from_utf8_lossy(&bytes).replace(WORDS[*from], WORDS[*to]).into_bytes();
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Damaged templates: each renders or gives a typed error, in bounded time. Two tests, so that they run side by side.
fn damaged_templates(seed: u8) {
    const CASES: u32 = 5_000;
    let sources = [
        BuiltinTemplate::ChatMl,
        BuiltinTemplate::Qwen2_5,
        BuiltinTemplate::Qwen3,
        BuiltinTemplate::SmolLm2,
        BuiltinTemplate::BaichuanM2,
    ]
    .map(BuiltinTemplate::source);
    let conversations = conversations();
    let limits = TemplateLimits { fuel: 20_000, output: 1 << 16, deadline: Duration::from_secs(5) };
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let (rendered, slowest, started) = (Cell::new(0), Cell::new(Duration::ZERO), Instant::now());
    let strategy = (0..sources.len(), prop::collection::vec(mutation(), 1..5), 0..conversations.len());
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |(source, mutations, conversation)| {
            let (text, conversation) = (mutate(sources[source], &mutations), &conversations[conversation]);
            let one = Instant::now();
            let result = ChatTemplate::with_limits(&text, limits)
                .and_then(|template| template.render(&conversation.messages, &conversation.options()));
            slowest.set(one.elapsed().max(slowest.get()));
            match result {
                Ok(_) => rendered.set(rendered.get() + 1),
                Err(error @ (TemplateError::Worker { .. } | TemplateError::Deadline { .. })) => {
                    return Err(TestCaseError::fail(format!("{error}\n{text}")));
                }
                Err(_) => {}
            }
            Ok(())
        })
        .unwrap();
    let (rendered, slowest) = (rendered.get(), slowest.get());
    println!("{rendered} of {CASES} rendered, slowest {slowest:?}, in all {:?}", started.elapsed());
}

#[test]
fn damaged_templates_never_panic_one() {
    damaged_templates(1);
}

#[test]
fn damaged_templates_never_panic_two() {
    damaged_templates(2);
}

/// The bounds are for templates, not for people who have much to say.
#[test]
fn long_conversations_are_within_the_limits() {
    let turns = |count: usize, text: &str| -> Vec<Message> {
        let pair = || [Message::user(text), Message::assistant(text).with_thinking(text)];
        let mut messages: Vec<Message> = (0..count).flat_map(|_| pair()).collect();
        messages.push(Message::user(text));
        messages
    };
    let tool = json!({"type": "function", "function": {"name": "f", "description": "d".repeat(2000)}});
    for template in [BuiltinTemplate::Qwen2_5, BuiltinTemplate::Qwen3, BuiltinTemplate::SmolLm2] {
        let template = ChatTemplate::new(template.source()).unwrap();
        for messages in
            [turns(1000, "short"), turns(100, &"word ".repeat(1000)), turns(1, &"x".repeat(4 << 20))]
        {
            let tools = vec![tool.clone(); 50];
            let options = RenderOptions { tools, ..RenderOptions::prompt(ThinkingMode::On) };
            template.render(&messages, &options).unwrap();
        }
    }
}
