//! The judge, by the report's templates and by HealthBench's grader.

use osler::chat::Message;
use osler::chat::client::{Client, ClientSettings};
use osler::rubric::model_judge::{
    Exhibit, GraderTemplate, Item, ModelJudge, ModelJudgeSettings, Protocol, Sheet, Votes,
};
use osler::rubric::{Axis, Criterion, Judgement, Provenance, Reward, Verdict, healthbench};
use serde_json::json;

use super::faults::said;
use super::{Unit, stands};
use crate::farm::Farm;
use crate::scripted::{Scripted, answer};
use crate::{Quick, settings};

/// A template of the same places as HealthBench's grader, whose text is no part of osler.
pub const GRADER: &str = "Does the last message of this conversation meet the rubric item?\n\n# Conversation\n<<conversation>>\n\n\
    # Rubric item\n<<rubric_item>>\n\nReply with JSON: \"explanation\", a text, and \"criteria_met\", true or false.";

pub fn grader() -> Protocol {
    Protocol::HealthBench(GraderTemplate::parse(GRADER, "t").unwrap())
}

pub fn exhibit() -> Exhibit {
    Exhibit::completion(&[Message::user("My knee hurts after a long run. What now?")], "Rest today. Go away!")
}

/// One item, judged once.
struct Judged {
    protocol: Protocol,
    settings: ModelJudgeSettings,
}

impl Judged {
    fn is_report(&self) -> bool {
        matches!(self.protocol, Protocol::Report(_))
    }
}

impl Unit for Judged {
    fn right(&self) -> String {
        if self.is_report() {
            return json!({"explanation": "It does.", "evidence": "Rest today", "acceptable": true})
                .to_string();
        }
        "```json\n{\"explanation\": \"It says \\\"Rest today\\\".\", \"criteria_met\": true}\n```".to_owned()
    }

    fn again(&self) -> usize {
        self.settings.again
    }

    fn wrong(&self) -> Vec<(String, &'static str)> {
        let wrong = if self.is_report() {
            let verdict = |name: &str, verdict| json!({"explanation": "x", "evidence": "", name: verdict});
            let mut more = verdict("acceptable", json!(true));
            more["confidence"] = json!(1);
            vec![
                (verdict("acceptable", json!("yes")), "$.acceptable"),
                (verdict("acceptable", json!(0)), "$.acceptable"),
                (verdict("acceptable", json!(null)), "$.acceptable"),
                // The answer to the other template's question.
                (verdict("unacceptable", json!(false)), "`acceptable`"),
                (json!({"acceptable": false}), "`explanation`"),
                (more, "$.confidence"),
                (
                    json!({"explanation": "x".repeat(801), "evidence": "", "acceptable": false}),
                    "$.explanation",
                ),
                (json!([false]), "legal is object"),
            ]
        } else {
            vec![
                (json!({"criteria_met": "false"}), "criteria_met is \"false\""),
                (json!({"criteria_met": 0}), "criteria_met is 0"),
                (json!({"criteria_met": null}), "criteria_met is null"),
                (json!({"criteria_met": "partially"}), "criteria_met is \"partially\""),
                (json!({"explanation": "It does not.", "met": false}), "criteria_met is missing"),
                (json!([false]), "criteria_met is missing"),
            ]
        };
        wrong.into_iter().map(|(said, words)| (said.to_string(), words)).collect()
    }

    fn ask(&self, client: &Client<Quick>) -> Result<(), String> {
        let judge = ModelJudge::new(client, self.protocol.clone(), self.settings).unwrap();
        let items = vec![Item { text: "[5] Advises rest.".into(), good: true }];
        let opinion = judge.judge(&[Sheet { exhibit: exhibit(), items }]).remove(0).remove(0);
        let (judgement, tally) = (opinion.judgement, judge.tally());
        match judgement.verdict {
            Verdict::Met => {
                assert_eq!(opinion.votes, Votes { met: 1, not_met: 0, not_judged: 0 });
                assert_eq!((tally.items, tally.judged), (1, 1));
                assert_eq!(judgement.evidence, Some((0, 10)));
                Ok(())
            }
            Verdict::NotMet => panic!("nobody said that it is not met: {judgement:?}"),
            Verdict::NotJudged => {
                assert_eq!(opinion.votes, Votes { met: 0, not_met: 0, not_judged: 1 });
                assert_eq!((tally.items, tally.judged), (1, 0));
                assert_eq!((judgement.evidence, judgement.turn), (None, None));
                Err(judgement.reason)
            }
        }
    }
}

#[test]
fn a_judge_by_the_reports_templates_stands_it() {
    stands(&Judged { protocol: Protocol::report(), settings: ModelJudgeSettings::REPORT });
}

#[test]
fn a_judge_by_healthbenchs_grader_stands_it() {
    stands(&Judged { protocol: grader(), settings: ModelJudgeSettings::HEALTHBENCH });
}

/// A verdict as each protocol has it.
fn verdict(schema: &str, met: bool) -> String {
    match schema {
        "positive_item" => json!({"explanation": "x", "evidence": "", "acceptable": met}),
        "negative_item" => json!({"explanation": "x", "evidence": "", "unacceptable": met}),
        _ => json!({"explanation": "x", "criteria_met": met}),
    }
    .to_string()
}

#[test]
fn what_was_not_judged_is_in_no_sum() {
    let criterion = |text: &str, points| Criterion {
        text: text.into(),
        points,
        axis: Axis::Treatment,
        provenance: Provenance::Written,
        check: None,
    };
    // Met, not met, avoided; and four that nobody judges.
    let criteria = [
        criterion("Rests.", 5),
        criterion("Cools.", 2),
        criterion("Cuts.", -3),
        criterion("Babbles.", 10),
        criterion("Breaks.", -4),
        criterion("Waits.", 6),
        criterion("Ends.", -10),
    ];
    for protocol in [Protocol::report(), grader()] {
        for streamed in [false, true] {
            let farm = Farm::playing(move |schema, asked| {
                let answered = |met| said(&verdict(schema, met), "stop", streamed);
                match asked {
                    it if it.contains("[5] Rests.") => answered(true),
                    it if it.contains("[2] Cools.") || it.contains("[-3] Cuts.") => answered(false),
                    it if it.contains("[-4] Breaks.") => answer("500 Internal Server Error", "", "oh no"),
                    it if it.contains("[6] Waits.") => {
                        answer("429 Too Many Requests", "Retry-After: 3600\r\n", "")
                    }
                    it if it.contains("[-10] Ends.") => {
                        let whole = answered(true);
                        whole[..whole.len() / 2].to_vec()
                    }
                    // The first answer about babbling, and each one after what was wrong with it.
                    _ => said("Who can tell?", "stop", streamed),
                }
            });
            let settings = ClientSettings { stream: streamed, ..settings(&farm.urls[0]) };
            let client = Client::with_clock(settings, Quick::new()).unwrap();
            let judge = ModelJudge::new(&client, protocol.clone(), ModelJudgeSettings::REPORT).unwrap();
            let sheet = Sheet { exhibit: exhibit(), items: criteria.iter().map(Item::from).collect() };
            let opinions = judge.judge(&[sheet]).remove(0);
            let judgements: Vec<Judgement> = opinions.into_iter().map(|it| it.judgement).collect();
            use Verdict::{Met, NotJudged, NotMet};
            let verdicts: Vec<Verdict> = judgements.iter().map(|it| it.verdict).collect();
            assert_eq!(verdicts, [Met, NotMet, NotMet, NotJudged, NotJudged, NotJudged, NotJudged]);
            assert!(judgements.iter().all(|it| !it.reason.is_empty()), "{judgements:?}");
            let reward = Reward::of(&criteria, &judgements).unwrap();
            // The 5 of what is met and the 3 of what was avoided, of 5, 2 and 3.
            assert_eq!((reward.value, reward.judged, reward.not_judged), (8.0 / 10.0, 3, 4));
            // 5 of 5 and 2; the mistake that was not made costs nothing.
            assert_eq!(healthbench(&criteria, &judgements), Ok(Some(5.0 / 7.0)));
            let tally = judge.tally();
            assert_eq!((tally.items, tally.judged), (7, 3));
        }
    }
}

#[test]
fn a_verdict_that_nobody_could_read_is_asked_for_again_by_the_next_run() {
    let right = |protocol| Judged { protocol, settings: ModelJudgeSettings::REPORT }.right();
    for (protocol, right) in [(Protocol::report(), right(Protocol::report())), (grader(), right(grader()))] {
        let asks = ModelJudgeSettings::REPORT.again + 1;
        let mut answers = vec![said("Who can tell?", "stop", false); asks];
        answers.push(said(&right, "stop", false));
        let (server, folder) = (Scripted::saying(answers), tempfile::tempdir().unwrap());
        let run = || {
            let settings = ClientSettings { cache: Some(folder.path().to_owned()), ..settings(&server.url) };
            let unit = Judged { protocol: protocol.clone(), settings: ModelJudgeSettings::REPORT };
            let judged = unit.ask(&Client::with_clock(settings, Quick::new()).unwrap());
            (judged.is_ok(), server.requests().len())
        };
        assert_eq!(run(), (false, asks));
        // The same seeds, and another answer; what was judged then is kept.
        assert_eq!([run(), run()], [(true, 1), (true, 0)]);
    }
}
