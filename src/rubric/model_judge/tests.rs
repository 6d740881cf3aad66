use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::chat::{ChatError, Listener, Reply, Usage};
use crate::data::bank::{Bank, SynthOptions};
use crate::data::consultation::Turn;
use crate::rubric::criterion::{Axis, Criterion, Provenance};

/// Answers by the first of its rules whose words are in the last message, each rule's answers in turn, the last one for ever.
struct Scripted {
    rules: Vec<(&'static str, Vec<Result<&'static str, ()>>)>,
    said: Mutex<BTreeMap<&'static str, usize>>,
    asked: Mutex<Vec<Asked>>,
    constrains: AtomicBool,
    batches: Mutex<Vec<usize>>,
}

impl Scripted {
    fn new(rules: &[(&'static str, &[Result<&'static str, ()>])]) -> Self {
        Self {
            rules: rules.iter().map(|(words, answers)| (*words, answers.to_vec())).collect(),
            said: Mutex::default(),
            asked: Mutex::default(),
            constrains: AtomicBool::new(true),
            batches: Mutex::default(),
        }
    }
}

impl ChatModel for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn constrains(&self) -> bool {
        self.constrains.load(Ordering::Relaxed)
    }

    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        _: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        self.asked.lock().unwrap().push(Asked { messages: messages.to_vec(), options: options.clone() });
        if options.schema.is_some() && self.rules.is_empty() {
            self.constrains.store(false, Ordering::Relaxed);
            return Err(ChatError::Stopped);
        }
        // The question, which stands before what was wrong with earlier replies.
        let question = &messages[1].content;
        let (words, answers) = self.rules.iter().find(|(words, _)| question.contains(words)).unwrap();
        let mut said = self.said.lock().unwrap();
        let count = said.entry(words).or_default();
        let answer = answers[(*count).min(answers.len() - 1)];
        *count += 1;
        let usage = Some(Usage { prompt_tokens: 100, completion_tokens: 10, cached_tokens: 60 });
        answer
            .map(|text| Reply { message: Message::assistant(text), finish: Finish::Stop, usage })
            .map_err(|()| ChatError::Stopped)
    }

    fn replies(&self, asked: &[Asked]) -> Vec<Result<Reply, ChatError>> {
        self.batches.lock().unwrap().push(asked.len());
        asked.iter().map(|it| self.reply(&it.messages, &it.options, &mut ())).collect()
    }
}

const GOOD: &str = r#"{"explanation": "It does.", "evidence": "Rest today", "acceptable": true}"#;
const NOT_GOOD: &str = r#"{"explanation": "It does not.", "evidence": "", "acceptable": false}"#;
const BAD: &str = r#"{"explanation": "It is.", "evidence": "go away", "unacceptable": true}"#;
const NOT_BAD: &str = r#"{"explanation": "It is not.", "evidence": "never said", "unacceptable": false}"#;

fn sheet(items: &[(&str, bool)]) -> Sheet {
    let exhibit = Exhibit::completion(&[Message::user("What now?")], "Rest today. Go away!");
    let items = items.iter().map(|(text, good)| Item { text: (*text).into(), good: *good }).collect();
    Sheet { exhibit, items }
}

fn report(settings: ModelJudgeSettings, model: &Scripted) -> ModelJudge<'_, Scripted> {
    ModelJudge::new(model, Protocol::report(), settings).unwrap()
}

fn verdicts(opinions: &[Opinion]) -> Vec<Verdict> {
    opinions.iter().map(|opinion| opinion.judgement.verdict).collect()
}

use Verdict::{Met, NotJudged, NotMet};

#[test]
fn a_negative_item_is_met_where_what_it_describes_is_there() {
    let model = Scripted::new(&[
        ("[5] Advises", &[Ok(GOOD)]),
        ("[3] Asks", &[Ok(NOT_GOOD)]),
        ("[-4] Is rude", &[Ok(BAD)]),
        ("[-2] Is long", &[Ok(NOT_BAD)]),
    ]);
    let judge = report(ModelJudgeSettings::REPORT, &model);
    let sheet =
        sheet(&[("[5] Advises", true), ("[3] Asks", true), ("[-4] Is rude", false), ("[-2] Is long", false)]);
    let opinions = judge.judge(std::slice::from_ref(&sheet)).remove(0);
    assert_eq!(verdicts(&opinions), [Met, NotMet, Met, NotMet]);
    // `Rest today. Go away!`: what was quoted and said, and what was quoted and not said.
    let evidence: Vec<_> = opinions.iter().map(|opinion| opinion.judgement.evidence).collect();
    assert_eq!(evidence, [Some((0, 10)), None, Some((12, 19)), None]);
    assert_eq!(opinions[0].judgement.reason, "It does.");
    let asked = model.asked.lock().unwrap();
    assert!(asked.iter().all(|it| it.options.conversation == asked[0].options.conversation));
    assert!(asked.iter().all(|it| it.messages[0] == asked[0].messages[0]));
    assert_eq!(*model.batches.lock().unwrap(), [4]);
    let tally = judge.tally();
    assert_eq!((tally.items, tally.judged, tally.requests, tally.saved), (4, 4, 4, 0));
    assert_eq!((tally.cached_ratio(), tally.disagreement()), (Some(0.6), None));
}

#[test]
fn what_was_not_judged_is_not_judged() {
    let model = Scripted::new(&[
        ("[1] fails", &[Err(())]),
        ("[2] babbles", &[Ok("I think it is fine.")]),
        ("[3] is half", &[Ok(r#"{"explanation": "It"#)]),
        ("[4] is wrong", &[Ok(r#"{"explanation": "x", "evidence": "", "acceptable": "yes"}"#)]),
        ("[5] comes round", &[Ok("Well."), Ok(GOOD)]),
    ]);
    let judge = report(ModelJudgeSettings::REPORT, &model);
    let items: Vec<(&str, bool)> =
        ["[1] fails", "[2] babbles", "[3] is half", "[4] is wrong", "[5] comes round"]
            .map(|it| (it, true))
            .to_vec();
    let opinions = judge.judge(&[sheet(&items)]).remove(0);
    assert_eq!(verdicts(&opinions), [NotJudged, NotJudged, NotJudged, NotJudged, Met]);
    assert!(opinions[0].judgement.reason.contains("stopped"), "{opinions:?}");
    assert!(opinions[1].judgement.reason.starts_with("asked 3 times"), "{opinions:?}");
    // All at first; then those that could not be read.
    assert_eq!(*model.batches.lock().unwrap(), [5, 4, 3]);
    let asked = model.asked.lock().unwrap();
    let last = &asked.last().unwrap().messages;
    assert_eq!(last.len(), 6, "the question, and two replies with what was wrong with them");
    assert!(last[5].content.contains("$.acceptable"), "{last:?}");
    let tally = judge.tally();
    assert_eq!((tally.items, tally.judged, tally.requests, tally.failed), (5, 1, 12, 1));
}

#[test]
fn healthbench_asks_the_same_again_with_another_seed() {
    let model = Scripted::new(&[("[2] Says so", &[Ok("{}"), Ok("```json\n{\"criteria_met\": true}\n```")])]);
    let settings = ModelJudgeSettings { seed: 7, ..ModelJudgeSettings::HEALTHBENCH };
    let grader = GraderTemplate::parse("Mark <<conversation>> by\n<<rubric_item>>", "t").unwrap();
    let judge = ModelJudge::new(&model, Protocol::HealthBench(grader), settings).unwrap();
    let opinions = judge.judge(&[sheet(&[("[2] Says so", true)])]).remove(0);
    assert_eq!(verdicts(&opinions), [Met]);
    let asked = model.asked.lock().unwrap();
    assert_eq!(asked[0].messages, asked[1].messages);
    assert_eq!((asked[0].options.seed, asked[1].options.seed), (Some(7), Some(8)));
    assert_eq!((asked[0].options.temperature, asked[0].options.max_tokens), (Some(0.5), Some(2048)));
    assert!(asked[0].options.schema.is_none());
}

#[test]
fn the_majority_decides_and_disagreement_is_counted() {
    let model = Scripted::new(&[
        ("[1] a", &[Ok(GOOD), Ok(NOT_GOOD), Ok(GOOD)]),
        ("[2] b", &[Ok(NOT_GOOD), Err(()), Ok(NOT_GOOD)]),
        ("[3] c", &[Ok(GOOD), Err(()), Err(())]),
        ("[4] d", &[Ok(GOOD), Ok(NOT_GOOD), Err(())]),
    ]);
    let settings = ModelJudgeSettings { votes: 3, temperature: 0.7, seed: 100, ..ModelJudgeSettings::REPORT };
    let judge = report(settings, &model);
    let items = ["[1] a", "[2] b", "[3] c", "[4] d"].map(|it| (it, true));
    let opinions = judge.judge(&[sheet(&items)]).remove(0);
    assert_eq!(verdicts(&opinions), [Met, NotMet, NotJudged, NotJudged]);
    assert_eq!(opinions[0].votes, Votes { met: 2, not_met: 1, not_judged: 0 });
    assert!(opinions[3].judgement.reason.starts_with("1 votes for met, 1 against, 1 failed"), "{opinions:?}");
    // Two items of the three that were judged more than once.
    assert_eq!(judge.tally().disagreement(), Some(2.0 / 3.0));
    let seeds: Vec<_> =
        model.asked.lock().unwrap().iter().take(3).map(|it| it.options.seed.unwrap()).collect();
    assert_eq!(seeds, [100, 103, 106]);
    let all_the_same = ModelJudgeSettings { votes: 3, ..ModelJudgeSettings::REPORT };
    assert_eq!(all_the_same.check().unwrap_err().name, "temperature");
}

#[test]
fn the_same_question_is_asked_once() {
    let model = Scripted::new(&[("[1] a", &[Ok(GOOD), Ok(NOT_GOOD)])]);
    let judge = report(ModelJudgeSettings::REPORT, &model);
    let sheet = sheet(&[("[1] a", true)]);
    let opinions = judge.judge(&[sheet.clone(), sheet]);
    assert_eq!(opinions[0], opinions[1]);
    assert_eq!((judge.tally().requests, judge.tally().saved), (1, 1));
}

#[test]
fn a_server_that_knows_no_schemas_is_told_in_words_and_this_was_no_try() {
    let model = Scripted::new(&[]);
    let settings = ModelJudgeSettings { again: 0, ..ModelJudgeSettings::REPORT };
    let judge = report(settings, &model);
    // Without rules the model answers nothing and refuses schemas.
    let opinions = judge.judge(&[sheet(&[("[1] a", true)])]).remove(0);
    assert_eq!(verdicts(&opinions), [NotJudged]);
    let asked = model.asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert!(!asked[0].messages[1].content.contains("JSON schema"), "{asked:?}");
    assert!(asked[1].messages[1].content.contains("JSON schema"), "{asked:?}");
}

#[test]
fn nothing_is_asked_once_it_is_stopped() {
    let model = Scripted::new(&[("[1] a", &[Ok("no JSON")])]);
    let stop = AtomicBool::new(false);
    let stopped = || stop.swap(true, Ordering::Relaxed);
    let judge = report(ModelJudgeSettings::REPORT, &model).stopped_by(&stopped);
    let opinions = judge.judge(&[sheet(&[("[1] a", true)])]).remove(0);
    assert_eq!((verdicts(&opinions), opinions[0].judgement.reason.as_str()), (vec![NotJudged], "stopped"));
    assert_eq!(model.asked.lock().unwrap().len(), 1);
}

#[test]
fn it_judges_replies_and_consultations_as_any_judge() {
    let model = Scripted::new(&[("[5] Advises", &[Ok(GOOD)]), ("[-4] Is rude", &[Ok(NOT_BAD)])]);
    let judge: &dyn Judge = &report(ModelJudgeSettings::REPORT, &model);
    let case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
    let criterion = |text: &str, points| Criterion {
        text: text.into(),
        points,
        axis: Axis::Treatment,
        provenance: Provenance::Written,
        check: None,
    };
    let criteria = vec![criterion("Advises", 5), criterion("Is rude", -4)];
    let rubric = Rubric { scope: Scope::Reply, criteria };
    let turn = |doctor: &str| Turn {
        doctor: doctor.into(),
        patient: Some("Yes.".into()),
        told: Vec::new(),
        asked: Vec::new(),
        understood: true,
    };
    let said = Consultation {
        case_id: case.id.clone(),
        opening: "I am ill.".into(),
        found: None,
        turns: vec![turn("Any fever?"), turn("Rest today.")],
        ending: None,
    };
    let replies = ["Rest today.".to_owned(), " ... ".to_owned(), "Eat well.".to_owned()];
    let judged = judge.judge_replies(&case, &said, &replies, &rubric);
    let verdicts: Vec<Vec<Verdict>> =
        judged.iter().map(|of_reply| of_reply.iter().map(|it| it.verdict).collect()).collect();
    assert_eq!(verdicts, [[Met, NotMet], [NotMet, NotJudged], [Met, NotMet]]);
    assert_eq!(judged[0][0].evidence, Some((0, 10)));
    // The quote is not in the third reply.
    assert_eq!((judged[2][0].evidence, judged[0][0].turn), (None, None));
    let whole = judge.judge_consultation(&case, &said, &rubric);
    assert_eq!((whole[0].turn, whole[0].evidence), (Some(1), Some((0, 10))));
    let asked = model.asked.lock().unwrap();
    assert_eq!(asked.len(), 6, "nobody is asked about a silent reply");
    let keys: Vec<_> = asked.iter().map(|it| it.options.conversation.unwrap()).collect();
    assert!(keys[..4].iter().all(|key| *key == keys[0]), "replies to one conversation go together");
    assert_ne!(keys[4], keys[0]);
    assert!(
        asked[0].messages[1]
            .content
            .contains("patient:\n    I am ill.\n\ndoctor:\n    Any fever?\n\npatient:\n    Yes.")
    );
    assert!(asked[5].messages[0].content.contains("All of the doctor's messages"));
}

/// Is cut off within its JSON.
struct CutOff;

impl ChatModel for CutOff {
    fn name(&self) -> &str {
        "cut off"
    }

    fn constrains(&self) -> bool {
        true
    }

    fn reply(&self, _: &[Message], _: &ChatOptions, _: &mut dyn Listener) -> Result<Reply, ChatError> {
        let message = Message::assistant("{\"explanation\": \"It");
        Ok(Reply { message, finish: Finish::Length, usage: None })
    }
}

#[test]
fn that_a_reply_was_cut_off_is_said_once() {
    let settings = ModelJudgeSettings { again: 0, ..ModelJudgeSettings::REPORT };
    let grader = GraderTemplate::parse("Mark <<conversation>> by\n<<rubric_item>>", "t").unwrap();
    for protocol in [Protocol::report(), Protocol::HealthBench(grader)] {
        let judge = ModelJudge::new(&CutOff, protocol, settings).unwrap();
        let opinions = judge.judge(&[sheet(&[("[1] a", true)])]).remove(0);
        let reason = &opinions[0].judgement.reason;
        assert_eq!(reason.matches("cut off at the limit of tokens").count(), 1, "{reason}");
    }
}
