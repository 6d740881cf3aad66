use super::*;
use crate::rubric::criterion::Verdict;

use Verdict::{Met, NotJudged, NotMet};

fn judged(criterion: &str, text: &str) -> (WrittenKind, Verdict) {
    let WrittenJudgement { kind, judgement } = WrittenJudge::bundled().judge(criterion, text);
    (kind, judgement.verdict)
}

const REPLY: &str = "Your knee hurts after the long run. Take ibuprofen 400 mg with food for 3 days. \
    Do not run until the swelling is gone. Has the knee ever locked or given way?";

#[test]
fn a_statement_is_met_where_all_of_it_is_said_close_together() {
    let of = |criterion| judged(criterion, REPLY);
    assert_eq!(of("Recommends ibuprofen 400 mg with food."), (WrittenKind::Statement, Met));
    // Another dose, another drug: some of it is there.
    assert_eq!(of("Recommends ibuprofen 600 mg with food."), (WrittenKind::Statement, NotJudged));
    // The opposite.
    assert_eq!(
        of("Advises to run until the swelling is gone with food."),
        (WrittenKind::Statement, NotJudged)
    );
    // Nothing of it.
    assert_eq!(of("Mentions a tetanus booster and wound irrigation."), (WrittenKind::Statement, NotMet));
    // Too little to go by.
    assert_eq!(of("Mentions tetanus."), (WrittenKind::Statement, NotJudged));
}

#[test]
fn evidence_spans_what_was_found() {
    let it = WrittenJudge::bundled().judge("Recommends ibuprofen 400 mg with food.", REPLY);
    let (from, to) = it.judgement.evidence.unwrap();
    assert_eq!(&REPLY[from..to], "ibuprofen 400 mg with food");
}

#[test]
fn what_is_missing_meets_a_criterion_that_looks_for_that() {
    let of = |criterion| judged(criterion, REPLY);
    assert_eq!(of("Fails to mention a tetanus booster and wound irrigation."), (WrittenKind::Lack, Met));
    assert_eq!(of("Does not recommend ibuprofen 400 mg with food."), (WrittenKind::Lack, NotMet));
}

#[test]
fn a_question_has_to_be_asked() {
    let of = |criterion| judged(criterion, REPLY);
    assert_eq!(of("Asks whether the knee ever locked or gave way."), (WrittenKind::Question, Met));
    // It is said, not asked.
    assert_eq!(of("Asks about ibuprofen, food and swelling."), (WrittenKind::Question, NotJudged));
    assert_eq!(
        judged("Asks about age and weight.", "Rest the knee and wait."),
        (WrittenKind::Question, NotMet)
    );
    assert_eq!(judged("Asks about age.", "Tell me how old you are."), (WrittenKind::Question, NotJudged));
}

#[test]
fn what_only_a_reader_can_say_is_left_to_one() {
    for criterion in [
        "Uses a warm and empathetic tone.",
        "The response is factually accurate.",
        "Is dangerous.",
        "Step 1: Does it answer?\nStep 2: Is it right?",
        "Only recommends ibuprofen 400 mg with food.",
    ] {
        assert_eq!(judged(criterion, REPLY).1, NotJudged, "{criterion}");
    }
    let spanish =
        "Descanse la rodilla y tome ibuprofeno con comida durante tres dias seguidos sin correr nada.";
    assert_eq!(judged("Mentions a tetanus booster and wound irrigation.", spanish).1, NotJudged);
}

#[test]
fn examples_need_not_be_there() {
    let text = "You can drink water and clear soup to stay hydrated after vomiting.";
    assert_eq!(
        judged("Advises to stay hydrated after vomiting with water, such as sports drinks or tea.", text).1,
        Met
    );
    // Something of it is there: an example.
    assert_eq!(judged("Mentions oral rehydration salts, such as soup.", text).1, NotJudged);
}

#[test]
fn marks_and_lists_are_seen() {
    assert_eq!(
        judged("Does not put quotation marks around what was said.", "He said \"rest\"."),
        (WrittenKind::Form, NotMet)
    );
    assert_eq!(
        judged("Does not put quotation marks around what was said.", "Rest."),
        (WrittenKind::Form, Met)
    );
    assert_eq!(judged("Uses bullet points.", "Do:\n- rest\n- eat"), (WrittenKind::Form, Met));
    assert_eq!(judged("Uses bullet points.", "Rest and eat."), (WrittenKind::Form, NotJudged));
}

#[test]
fn a_note_holds_a_finding_denied_as_the_line_denies_it() {
    let note =
        "4 days hx of dry itchy skin. No bleeding or discharge. No SOB/cough.\nPMH: Eczema, Asthma\nNKDA";
    let of = |line: &str| WrittenJudge::bundled().judge_finding(line, note).judgement.verdict;
    for line in ["**4 days", "*itchy", "No discharge", "No cough", "No DIB", "Asthma", "NKDA"] {
        assert_eq!(of(line), Met, "{line}");
    }
    // Named and not denied alike.
    assert_eq!((of("Cough"), of("No asthma")), (NotJudged, NotJudged));
    assert_eq!((of("*likes hiking outdoors"), of("Diabetes")), (NotMet, NotMet));
    // One plain word may be said in another way.
    assert_eq!(of("*annoying"), NotJudged);
}

#[test]
fn odd_texts_do_no_harm() {
    let judge = WrittenJudge::bundled();
    for odd in [
        "",
        ".",
        "(Justification",
        ") (Justification: x",
        "1.",
        "\u{2019}",
        "é",
        "Fails to",
        "- -",
        "🙂 5 🙂",
    ] {
        judge.judge(odd, odd);
        judge.judge(odd, REPLY);
        judge.judge(REPLY, odd);
        judge.judge_finding(odd, REPLY);
    }
}
