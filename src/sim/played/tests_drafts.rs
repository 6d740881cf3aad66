//! What a voice's model may say, what a check's labels make of it, and when the rules reply instead.

use serde_json::json;

use super::claims::{Action, Support};
use super::log::By;
use super::tests::{Actor, ONSET, WHEN, by_rules, first, played, said, voiced};
use super::*;
use crate::sim::PatientScript;
use crate::sim::forbidden::names_any;
use crate::sim::sample::{plain, script};

fn told(reply: &PlayedReply) -> Vec<&str> {
    reply.reply.turn.told.iter().map(|id| id.as_str()).collect()
}

/// A claim about the fact called `id`, as a check's model gives it.
fn claim(script: &PatientScript, sentence: usize, id: &str, support: &str, asked: bool) -> serde_json::Value {
    let fact = script.facts.iter().position(|fact| fact.id.as_str() == id).map_or(0, |index| index + 1);
    json!({"sentence": sentence, "claim": "c", "fact": fact, "support": support, "asked": asked,
        "private": false})
}

#[test]
fn a_voice_says_what_was_asked_for() {
    let script = script(plain(), 1);
    let voice = Actor::voice(&["At around 8 this morning."]);
    let patient = played(&script, voiced(&voice));
    let reply = first(&patient, WHEN);
    assert_eq!((said(&reply), told(&reply)), ("At around 8 this morning.", vec!["cp.onset"]));
    assert_eq!(reply.log.drafts[0].voice, By::Model("voice".into()));
    assert!(reply.log.drafts[0].stands && reply.log.regenerations == 0 && !reply.log.safe_reply);
    let prompt = &voice.prompts()[0];
    for holds in ["ISTJ", "(chest pain, onset) It began this morning at 8.", "Doctor: When did it start?"] {
        assert!(prompt.contains(holds), "{holds} in {prompt}");
    }
    assert!(!prompt.contains("take no initiative"), "{prompt}");
    let options = &voice.asked.borrow()[0].1;
    assert!(options.seed.is_some_and(|seed| seed < 1 << 31) && options.schema.is_some());
}

#[test]
fn leaks_are_dropped_contradictions_rewritten_and_inventions_not_known() {
    let script = script(plain(), 1);
    for (message, draft, left, action) in [
        (WHEN, "It began this morning at 8. I smoke a pack a day.", ONSET, Action::Drop),
        (WHEN, "It began this morning at 8. I drink a bottle of wine a day.", ONSET, Action::Drop),
        (WHEN, "It began two weeks ago.", ONSET, Action::Rewrite),
        ("Do you have a headache?", "Yes, I have a headache.", "I'm not sure.", Action::NotKnown),
        (
            "Do you drink alcohol?",
            "I drink a bottle of wine a day.",
            "I'd rather not go into that.",
            Action::HoldBack,
        ),
        (WHEN, "It began this morning at 8. I think it is a heart attack.", ONSET, Action::Strike),
    ] {
        let voice = Actor::voice(&[draft]);
        let patient = played(&script, voiced(&voice));
        let reply = first(&patient, message);
        assert_eq!(said(&reply), left, "{draft}");
        let draft = &reply.log.drafts[0];
        assert!(draft.claims.iter().any(|claim| claim.action == action), "{draft:?}");
        assert_eq!((reply.reply.corrected, reply.log.regenerations), (1, 0), "{draft:?}");
    }
}

#[test]
fn after_two_regenerations_the_rules_reply() {
    let script = script(plain(), 1);
    let voice =
        Actor::voice(&["It is a heart attack.", "Myocardial infarction!", "I told you: a heart attack."]);
    let patient = played(&script, voiced(&voice));
    let reply = first(&patient, WHEN);
    assert_eq!(said(&reply), by_rules(&script, WHEN));
    assert_eq!(told(&reply), ["cp.onset"]);
    assert!(reply.log.safe_reply && reply.log.drafts.iter().all(|draft| !draft.stands));
    assert_eq!((reply.log.regenerations, reply.log.drafts.len()), (2, 3));
    let asked = voice.asked.borrow();
    assert_eq!(asked.iter().map(|(messages, _)| messages.len()).collect::<Vec<_>>(), [1, 3, 5]);
    // Not even its own words are shown to the voice again with the diagnosis in them.
    for message in asked.iter().flat_map(|(messages, _)| messages) {
        assert!(!names_any(&message.content, &script.forbidden), "{}", message.content);
    }
    assert!(asked[1].0[2].content.contains("names an illness"), "{:?}", asked[1].0[2]);
    let seeds: std::collections::BTreeSet<_> = asked.iter().map(|(_, options)| options.seed).collect();
    assert_eq!(seeds.len(), 3);
}

#[test]
fn a_second_draft_may_stand() {
    let script = script(plain(), 1);
    let voice = Actor::voice(&["I smoke a pack a day.", ONSET]);
    let patient = played(&script, voiced(&voice));
    let reply = first(&patient, WHEN);
    assert_eq!((said(&reply), reply.log.regenerations, reply.log.safe_reply), (ONSET, 1, false));
    assert!(voice.asked.borrow()[1].0[2].content.contains("\"I smoke a pack a day.\" was not asked for."));
}

#[test]
fn a_check_labels_and_the_rules_act() {
    let script = script(plain(), 1);
    let voice = || Actor::voice(&["A puff now and then. Since breakfast."]);
    for (first_claim, second_claim, left, ids) in [
        // Believed: the rules did not hear the first asked for, the model did.
        (
            ("smoke", "supported", true),
            ("cp.onset", "supported", true),
            "A puff now and then. Since breakfast.",
            vec!["smoke", "cp.onset"],
        ),
        (
            ("smoke", "supported", false),
            ("cp.onset", "supported", false),
            "Since breakfast.",
            vec!["cp.onset"],
        ),
        (
            ("smoke", "contradicted", true),
            ("cp.onset", "contradicted", true),
            "I smoke a pack a day. It began this morning at 8.",
            vec!["smoke", "cp.onset"],
        ),
        (
            ("none", "unsupported", true),
            ("cp.onset", "supported", true),
            "I'm not sure. Since breakfast.",
            vec!["cp.onset"],
        ),
        // Not believed: what is never told, and what the patient cannot know.
        (
            ("secret", "supported", true),
            ("cp.onset", "supported", true),
            "I'd rather not go into that. Since breakfast.",
            vec!["cp.onset"],
        ),
        (("ecg", "supported", false), ("cp.onset", "supported", true), "Since breakfast.", vec!["cp.onset"]),
    ] {
        let (voice, check) = (
            voice(),
            Actor::check(&[json!([
                claim(&script, 1, first_claim.0, first_claim.1, first_claim.2),
                claim(&script, 2, second_claim.0, second_claim.1, second_claim.2),
            ])]),
        );
        let units = Units { check: Unit::Model(&check), ..voiced(&voice) };
        let patient = played(&script, units);
        let reply = first(&patient, WHEN);
        assert_eq!((said(&reply), told(&reply)), (left, ids), "{first_claim:?} {second_claim:?}");
        assert_eq!(reply.log.drafts[0].check, By::Model("check".into()));
        assert_eq!(reply.log.drafts[0].claims.len(), 2);
        let asked = &reply.reply.turn.asked;
        assert!(reply.reply.turn.told.iter().all(|id| asked.contains(id)), "{asked:?}");
    }
}

#[test]
fn no_verdict_lets_the_diagnosis_through_or_everything_at_once() {
    let script = script(plain(), 1);
    let draft = "It began this morning at 8. It is a myocardial infarction.";
    let voice = Actor::voice(&[draft]);
    let check = Actor::check(&[json!([claim(&script, 2, "cp.onset", "supported", true)])]);
    let patient = played(&script, Units { check: Unit::Model(&check), ..voiced(&voice) });
    let reply = first(&patient, WHEN);
    assert_eq!(said(&reply), ONSET);
    let struck = reply.log.drafts[0].claims.iter().find(|claim| claim.action == Action::Strike).unwrap();
    assert_eq!((struck.sentence, struck.support), (1, None));
    assert!(!names_any(&check.prompts()[0], &script.forbidden));

    let voice = Actor::voice(&["I smoke a pack a day."; 3]);
    let check = Actor::check(&std::array::from_fn::<_, 3, _>(|_| {
        json!([claim(&script, 1, "smoke", "supported", true)])
    }));
    let patient = played(&script, Units { check: Unit::Model(&check), ..voiced(&voice) });
    let reply = first(&patient, "Tell me more.");
    assert!(reply.log.safe_reply, "{reply:?}");
    assert_eq!(said(&reply), by_rules(&script, "Tell me more."));
}

#[test]
fn a_sentence_without_labels_is_read_by_the_rules() {
    let script = script(plain(), 1);
    let voice = Actor::voice(&["It began this morning at 8. I smoke a pack a day."]);
    let check = Actor::check(&[json!([claim(&script, 1, "cp.onset", "supported", true)])]);
    let patient = played(&script, Units { check: Unit::Model(&check), ..voiced(&voice) });
    assert_eq!(said(&first(&patient, WHEN)), ONSET);
    // A model may check what rules wrote.
    let check = Actor::check(&[json!([])]);
    let patient = played(&script, Units { check: Unit::Model(&check), ..Units::rules() });
    let reply = first(&patient, WHEN);
    assert_eq!((said(&reply), told(&reply)), (ONSET, vec!["cp.onset"]));
    assert_eq!(reply.log.drafts[0].claims[0].support, Some(Support::Supported));
}

#[test]
fn findings_come_from_the_record() {
    let script = script(plain(), 1);
    let voice = Actor::voice(&["All right."]);
    let patient = played(&script, voiced(&voice));
    let reply = first(&patient, "Let's do an ECG.");
    assert_eq!(said(&reply), "All right. [Test: electrocardiogram: ECG shows ___]");
    assert_eq!(told(&reply), ["ecg"]);
}

#[test]
fn the_doctors_words_for_the_diagnosis_do_not_reach_the_voice() {
    let script = script(plain(), 1);
    for illness in ["a heart attack", "appendicitis"] {
        let voice = Actor::voice(&["Not that I know of."]);
        let patient = played(&script, voiced(&voice));
        first(&patient, &format!("Do you have {illness}?"));
        assert!(voice.prompts()[0].contains("Doctor: Do you have that illness?"), "{:?}", voice.prompts());
    }
}

#[test]
fn a_draft_that_answers_nothing_is_asked_for_again() {
    let script = script(plain(), 1);
    let idle = "The weather was fine and nobody came. If you answer it.";
    for (message, draft) in [
        (WHEN, idle),
        (WHEN, "Thank you, doctor."),
        (WHEN, "I don't remember."),
        (WHEN, "Me duele."),
        ("Do you smoke?", "That is a long story."),
    ] {
        let voice = Actor::voice(&[draft; 3]);
        let patient = played(&script, voiced(&voice));
        let reply = first(&patient, message);
        assert_eq!((reply.log.regenerations, reply.log.safe_reply), (2, true), "{draft}: {reply:?}");
        assert_eq!(said(&reply), by_rules(&script, message), "{draft}");
        assert!(voice.asked.borrow()[1].0[2].content.contains("It does not answer the doctor."), "{draft}");
    }
    // What has no answer on the record, or none that may be told now, needs none.
    for message in ["Do you have a headache?", "Do you drink alcohol?", "Hm!"] {
        let voice = Actor::voice(&["I'd rather wait and see."]);
        assert_eq!(first(&played(&script, voiced(&voice)), message).log.regenerations, 0, "{message}");
    }
    // Nor does one whose answer may have slipped this patient's mind.
    let forgetful = PatientScript {
        persona: crate::sim::Persona { recall: crate::sim::Level::Low, ..plain() },
        ..script.clone()
    };
    let voice = Actor::voice(&["I don't remember exactly."]);
    assert_eq!(said(&first(&played(&forgetful, voiced(&voice)), WHEN)), "I don't remember exactly.");
}

#[test]
fn yes_and_no_are_answers() {
    let script = script(plain(), 1);
    for (message, draft, left, ids) in [
        ("Do you smoke?", "Yes, I do.", "Yes, I do.", vec!["smoke"]),
        ("Do you smoke?", "Yes, I smoke.", "Yes, I smoke.", vec!["smoke"]),
        ("Do you smoke?", "Well, no.", "I smoke a pack a day.", vec!["smoke"]),
        ("Do you have a fever?", "No.", "No.", vec!["fever"]),
        ("Do you drink alcohol?", "No.", "I'd rather not go into that.", vec![]),
    ] {
        let voice = Actor::voice(&[draft]);
        let reply = first(&played(&script, voiced(&voice)), message);
        assert_eq!((said(&reply), told(&reply)), (left, ids), "{message} {draft}");
    }
}

#[test]
fn noise_is_named_and_other_words_are_asked_for() {
    let script = script(plain(), 1);
    let noisy = "As an AI language model, I cannot do that. Doctor: what else? Patient: I smoke.";
    let voice = Actor::voice(&[noisy, "Me duele el pecho y estoy muy cansado.", ONSET]);
    let reply = first(&played(&script, voiced(&voice)), WHEN);
    assert_eq!((said(&reply), reply.log.regenerations, reply.log.safe_reply), (ONSET, 2, false));
    let found: Vec<_> = reply.log.drafts.iter().map(|draft| draft.noise.clone()).collect();
    assert_eq!(
        found,
        [vec![Noise::RoleInversion, Noise::AddressesJudge], vec![Noise::LanguageSwitch], vec![]]
    );
    assert!(serde_json::to_string(&reply.log).unwrap().contains("[\"role_inversion\",\"addresses_judge\"]"));
    let asked = voice.asked.borrow();
    assert!(asked[1].0[2].content.contains("It takes the doctor's part"), "{:?}", asked[1].0);
    assert!(asked[1].0[2].content.contains("It speaks as a machine"), "{:?}", asked[1].0);

    // Beside an answer it is noise too, and no check is asked about it.
    let voice = Actor::voice(&["It began this morning at 8.<|im_end|>"; 3]);
    let check = Actor::check(&[]);
    let patient = played(&script, Units { check: Unit::Model(&check), ..voiced(&voice) });
    let reply = first(&patient, WHEN);
    assert!(reply.log.safe_reply && check.asked.borrow().is_empty());
    assert_eq!(said(&reply), by_rules(&script, WHEN));
}

#[test]
fn disguises_lives_and_sides_are_seen() {
    let mut script = script(plain(), 1);
    script.forbidden = vec!["appendicitis".into()];
    let at = script.facts.iter().position(|fact| fact.id.as_str() == "cp.location").unwrap();
    script.facts[at].said = Some("It is on the right.".into());
    for (message, more, action) in [
        (WHEN, "It is append-icitis.", Action::Strike),
        (WHEN, "I have appendicits.", Action::Strike),
        (WHEN, "My appendix is inflamed.", Action::Strike),
        (WHEN, "It's the inflammation of the appendix.", Action::Strike),
        (WHEN, "I smoke.", Action::Drop),
        (WHEN, "I am divorced.", Action::Drop),
        (WHEN, "It is on the left.", Action::Keep),
    ] {
        let voice = Actor::voice(&[format!("{ONSET} {more}").as_str()]);
        let reply = first(&played(&script, voiced(&voice)), message);
        let claims = &reply.log.drafts[0].claims;
        if action == Action::Keep {
            // The left arm is on the record, and nobody asked where it is.
            assert!(claims.iter().all(|claim| claim.support != Some(Support::Contradicted)), "{claims:?}");
            continue;
        }
        assert_eq!(said(&reply), ONSET, "{more}");
        assert!(claims.iter().any(|claim| claim.sentence == 1 && claim.action == action), "{claims:?}");
    }
    // A letter of another script is noise already.
    let voice = Actor::voice(&["It is \u{430}ppendicitis.", ONSET]);
    assert_eq!(said(&first(&played(&script, voiced(&voice)), WHEN)), ONSET);
    // The other side, whoever checks.
    let place = "Where is the pain?";
    let supported = json!([claim_in(&script, "cp.location", "It is on the left.")]);
    for check in [None, Some(Actor::check(&[supported]))] {
        let voice = Actor::voice(&["It is on the left."]);
        let units =
            Units { check: check.as_ref().map_or(Unit::Rules, |it| Unit::Model(it)), ..voiced(&voice) };
        let reply = first(&played(&script, units), place);
        assert_eq!((said(&reply), told(&reply)), ("It is on the right.", vec!["cp.location"]), "{reply:?}");
    }
}

/// The first sentence as a claim about the fact called `id` that a check's model supports, in its own words.
fn claim_in(script: &PatientScript, id: &str, text: &str) -> serde_json::Value {
    let mut claim = claim(script, 1, id, "supported", true);
    claim["claim"] = json!(text);
    claim
}
