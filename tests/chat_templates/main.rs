//! Chat templates against recordings of transformers, and against templates that mean harm.
//!
//! The recordings are made by `tests/fixtures/make_chat_expected.py`. With `OSLER_QWEN_TOKENIZER_DIR` (Qwen3),
//! `OSLER_QWEN2_5_TOKENIZER_DIR` and `OSLER_SMOLLM2_GGUF` set, the published templates themselves are
//! rendered too; where to get them is said in that script.

mod bounds;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use osler::chat::Message;
use osler::data::{
    BuiltinTemplate, ChatTemplate, RenderOptions, TemplateError, TemplateLimits, ThinkingMode,
};
use osler::model::weights::GgufFile;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Conversation {
    name: String,
    messages: Vec<Message>,
    add_generation_prompt: bool,
    thinking: String,
    tools: Vec<Value>,
}

impl Conversation {
    fn options(&self) -> RenderOptions {
        RenderOptions {
            add_generation_prompt: self.add_generation_prompt,
            thinking: match self.thinking.as_str() {
                "on" => ThinkingMode::On,
                "off" => ThinkingMode::Off,
                _ => ThinkingMode::Auto,
            },
            tools: self.tools.clone(),
            ..RenderOptions::default()
        }
    }
}

fn fixture<T: for<'d> Deserialize<'d>>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn conversations() -> Vec<Conversation> {
    fixture("chat_conversations.json")
}

fn expected(model: &str) -> BTreeMap<String, String> {
    fixture::<BTreeMap<String, BTreeMap<String, String>>>("chat_expected.json").remove(model).unwrap()
}

fn check(template: &ChatTemplate, model: &str) {
    let (conversations, expected) = (conversations(), expected(model));
    assert!(conversations.len() >= 24 && conversations.len() == expected.len());
    for conversation in &conversations {
        let text = template.render(&conversation.messages, &conversation.options());
        let text = text.unwrap_or_else(|error| panic!("{model}, {}: {error}", conversation.name));
        assert_eq!(text, expected[&conversation.name], "{model}, {}", conversation.name);
    }
}

#[test]
fn builtins_equal_the_published_templates() {
    for (template, model) in [
        (BuiltinTemplate::Qwen2_5, "qwen2_5"),
        (BuiltinTemplate::Qwen3, "qwen3"),
        (BuiltinTemplate::SmolLm2, "smollm2"),
    ] {
        check(&ChatTemplate::builtin(template).unwrap(), model);
        // The same text under the bounds that foreign templates get.
        check(&ChatTemplate::new(template.source()).unwrap(), model);
    }
}

#[test]
fn published_templates_render_as_in_transformers() {
    for (variable, model) in [
        ("OSLER_QWEN_TOKENIZER_DIR", "qwen3"),
        ("OSLER_QWEN2_5_TOKENIZER_DIR", "qwen2_5"),
        ("OSLER_SMOLLM2_GGUF", "smollm2"),
    ] {
        let Some(path) = std::env::var_os(variable) else {
            println!("skipped: the published {model} template is not at hand, {variable} is not set");
            continue;
        };
        let path = Path::new(&path);
        let source = if path.is_dir() {
            let config: Value =
                serde_json::from_slice(&fs::read(path.join("tokenizer_config.json")).unwrap()).unwrap();
            config["chat_template"].as_str().unwrap().to_owned()
        } else {
            let vocabulary = GgufFile::open(path).unwrap().vocabulary().unwrap().unwrap();
            vocabulary.chat_template.unwrap()
        };
        check(&ChatTemplate::new(&source).unwrap(), model);
    }
}

#[test]
fn chatml_is_smollm2_without_its_system_message() {
    let (plain, smol) = (BuiltinTemplate::ChatMl, BuiltinTemplate::SmolLm2);
    let (plain, smol) = (ChatTemplate::builtin(plain).unwrap(), ChatTemplate::builtin(smol).unwrap());
    let options = RenderOptions::prompt(ThinkingMode::Auto);
    let led = [Message::system("s"), Message::user("u")];
    assert_eq!(plain.render(&led, &options).unwrap(), smol.render(&led, &options).unwrap());
    assert_eq!(
        plain.render(&[Message::user("u")], &options).unwrap(),
        "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n"
    );
}

#[test]
fn baichuan_m2_opens_the_answer_by_thinking_mode() {
    let template = ChatTemplate::builtin(BuiltinTemplate::BaichuanM2).unwrap();
    let end = |thinking| {
        let text = template.render(&[Message::user("u")], &RenderOptions::prompt(thinking)).unwrap();
        text.strip_prefix("<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n").unwrap().to_owned()
    };
    assert_eq!(end(ThinkingMode::On), "<think>\n");
    assert_eq!(end(ThinkingMode::Off), "<think>\n\n</think>\n\n");
    assert_eq!(end(ThinkingMode::Auto), "");
    // But for that, it writes what Qwen3 writes.
    for conversation in conversations() {
        let options = RenderOptions { thinking: ThinkingMode::Auto, ..conversation.options() };
        let text = template.render(&conversation.messages, &options).unwrap();
        let qwen3 = ChatTemplate::builtin(BuiltinTemplate::Qwen3).unwrap();
        assert_eq!(text, qwen3.render(&conversation.messages, &options).unwrap(), "{}", conversation.name);
    }
}

#[track_caller]
fn renders(source: &str, text: &str) {
    let options = RenderOptions {
        variables: json!({"x": {"b": 1, "a": ["é<", null, true, 1.5]}, "n": 3}).as_object().unwrap().clone(),
        now: Some(UNIX_EPOCH + Duration::from_secs(1_709_210_096)),
        add_generation_prompt: true,
        ..RenderOptions::default()
    };
    let template = ChatTemplate::new(source).unwrap();
    let template = template.with_special_tokens([("bos_token".to_owned(), "<s>".to_owned())]);
    let messages = [Message::user(" hi there "), Message::assistant("yes").with_thinking("hm")];
    assert_eq!(template.render(&messages, &options).unwrap(), text, "{source}");
}

/// Each expectation was checked against Jinja2 3.1.6 with transformers' settings.
#[test]
fn jinja_as_transformers_sets_it_up() {
    // White space: trim_blocks, lstrip_blocks, one trailing newline dropped.
    renders("a\n  {% if true %}\nb\n  {% endif %}\nc\n\n", "a\nb\nc\n");
    renders("{{ 'a' }}\n{{- 'b' -}}\n c\n", "abc");
    // Values as Python writes them.
    renders(
        "{{ x }} {{ none }} {{ true }} {{ nothing }}",
        "{'b': 1, 'a': ['é<', None, True, 1.5]} None True ",
    );
    renders("{{ x | tojson }}", r#"{"b": 1, "a": ["é<", null, true, 1.5]}"#);
    renders(
        "{{ x | tojson(indent=2) }}",
        "{\n  \"b\": 1,\n  \"a\": [\n    \"é<\",\n    null,\n    true,\n    1.5\n  ]\n}",
    );
    renders(
        "{{ x | tojson(sort_keys=true, ensure_ascii=true, separators=(',', ':')) }}",
        r#"{"a":["\u00e9<",null,true,1.5],"b":1}"#,
    );
    renders(
        "{{ [1e16, 1e-5, 0.1, 100.0, {}, [], 'a\"\\n'] | tojson }}",
        r#"[1e+16, 1e-05, 0.1, 100.0, {}, [], "a\"\n"]"#,
    );
    renders("{{ ['it\\'s', 'a\\n'] }}", "[\"it's\", 'a\\n']");
    // Python's methods.
    renders(
        "{{ messages[0].content.strip() }}|{{ messages[0]['content'].split() }}",
        "hi there|['hi', 'there']",
    );
    renders("{{ '\\n\\nab\\n'.lstrip('\\n').rstrip('\\n') }}{{ 'abc'[-1] }}{{ 'abc'[::-1] }}", "abccba");
    renders(
        "{% for k, v in x.items() %}{{ k }}{{ loop.index0 }}{% endfor %}{{ x.get('z', 'none') }}",
        "b0a1none",
    );
    renders(
        "{{ 'a,b,c'.split(',', 1)[-1] }}{{ 'AbC'.lower() }}{{ 'x'.startswith(('y', 'x')) }}",
        "b,cabcTrue",
    );
    renders(
        "{{ x.a is sequence }}{{ 'a' is sequence }}{{ x is mapping }}{{ 'a' is string }}",
        "TrueTrueTrueTrue",
    );
    // Messages, variables, loops.
    renders(
        "{{ bos_token }}{{ eos_token is defined }}{{ tools is none }}{{ enable_thinking is defined }}",
        "<s>FalseTrueFalse",
    );
    renders("{{ messages[::-1] | map(attribute='role') | join('+') }}", "assistant+user");
    renders(
        "{{ messages[1].reasoning_content }}{{ messages[1].thinking }}{{ messages[0].thinking is defined }}",
        "hmhmFalse",
    );
    renders(
        "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% elif i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "013",
    );
    renders(
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
        "2",
    );
    renders("{% macro f(a, b='-') %}{{ a ~ b }}{% endmacro %}{{ f(1) }}{{ f(2, b='+') }}", "1-2+");
    renders(
        "{% for m in messages %}{%- generation %}\n {{ m.role }}\n{% endgeneration %}{% endfor %}",
        " user\n assistant\n",
    );
    renders("{% set a, b = 1, 2 %}{{ a + b }}{% set c %}x{{ n }}{% endset %}{{ c }}", "3x3");
    renders(
        "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ n if n > 2 else 0 }}",
        "13",
    );
    renders(
        "{{ strftime_now('%d %B %Y, %A %H:%M:%S, day %j, %b %-d') }}",
        "29 February 2024, Thursday 12:34:56, day 060, Feb 29",
    );
    renders("a\r\n{%- if true %}\r\nb{% endif %}", "ab");
}

fn error(source: &str) -> TemplateError {
    let limits = TemplateLimits { deadline: Duration::from_secs(5), ..TemplateLimits::default() };
    let rendered = ChatTemplate::with_limits(source, limits)
        .and_then(|template| template.render(&[Message::user("hi")], &RenderOptions::default()));
    match rendered {
        Ok(text) => panic!("{source:.80} rendered {} bytes", text.len()),
        Err(error) => error,
    }
}

#[test]
fn errors_name_the_line() {
    assert!(matches!(error("\n{% if %}"), TemplateError::Syntax { line: 2, .. }));
    assert!(matches!(error("{% if true %}\n"), TemplateError::Syntax { .. }));
    assert!(matches!(
        error("\n\n{{ messages[0].content.frobnicate() }}"),
        TemplateError::Render { line: 3, .. }
    ));
    assert!(matches!(error("\n{{ nothing.at.all }}"), TemplateError::Render { line: 2, .. }));
    assert!(matches!(error("{{ nothing | tojson }}"), TemplateError::Render { line: 1, .. }));
    assert!(matches!(error("{{ strftime_now('%Q') }}"), TemplateError::Render { line: 1, .. }));
    match error("a\n{{ raise_exception('only ' ~ 'users') }}") {
        TemplateError::Raised { line: 2, message } => assert_eq!(message, "only users"),
        other => panic!("{other}"),
    }
    let template = ChatTemplate::builtin(BuiltinTemplate::ChatMl).unwrap();
    assert!(matches!(template.render(&[], &RenderOptions::default()), Err(TemplateError::NoMessages)));
    let odd = template.render_json(&[json!("hi")], &RenderOptions::default());
    assert!(matches!(odd, Err(TemplateError::Input { .. })));
}
