//! Safety nets: messages that are some, and messages that only have the words of one.

use std::collections::BTreeSet;

use super::reading::Language;
use super::safety_net::safety_net;
use crate::data::bank::{Bank, SynthOptions};

fn is_net(message: &str) -> bool {
    safety_net(Language::bundled(), message).is_some()
}

#[test]
fn advice_for_the_case_that_things_go_wrong_is_one() {
    for message in [
        "Please come back if it gets worse.",
        "Come back if you do not feel better.",
        "Please call us if anything gets worse.",
        "See a doctor at once if it gets worse.",
        "Call an ambulance if it gets worse.",
        "Call for help at once if it gets worse.",
        "Please rest, and come back if it gets worse.",
        "Please return if it does not go away.",
        "If something new comes up, come back to see me.",
        "If it gets worse you should call us.",
        "If you get chest pain, call an ambulance.",
        "Ring us straight away if you start vomiting.",
        "You should go to the emergency department if the pain spreads to your arm.",
        "Should it get worse, contact your doctor.",
        "Unless it improves in two days, see your doctor.",
        "Don't hesitate to call if the fever lasts.",
        "You need to seek help when you cannot drink.",
        "I want to see you again if it has not improved in a week.",
        "I advise you to rest and come back if it gets worse.",
        "Come back at once for a fever.",
        "It is a cold. Take paracetamol and come back if you cannot swallow.",
        "Come back when you like, or if it gets worse.",
        "Call us if you want to die, or feel worse.",
        "Come back if you have to stay in bed because it is worse.",
    ] {
        assert!(is_net(message), "{message}");
    }
}

#[test]
fn what_only_has_the_words_of_one_is_none() {
    for message in [
        "Let me see if I can find out.",
        "Do not come back if it gets worse.",
        "You do not need to call if it gets worse.",
        "There is no need to come back if it gets worse.",
        "Never call an ambulance if it gets worse.",
        "Call nobody if it gets worse.",
        "Come back when you like.",
        "Come back if it gets better.",
        "Come back if it does not get worse.",
        "Come back for your results.",
        "Come back in two weeks.",
        "I will see if I can help.",
        "I will examine you and see you when the results are back.",
        "When you come back, I will listen to your chest.",
        "We call it a cold if it lasts a week.",
        "Stay at home even if it gets worse.",
        "Come back when you like, even if it gets worse stay at home.",
        "Come back when you like, but if it gets worse stay at home.",
        "Come back whenever you want; even when it gets worse there is time.",
        "Come back if it gets better, not if it gets worse.",
        "Call us when you please, it will get worse anyway.",
        "I see you when I can.",
        "Should I call you if it gets worse?",
        "If I see that it is bad, I will help.",
        "",
    ] {
        assert!(!is_net(message), "{message}");
    }
}

#[test]
fn the_banks_safety_nets_are_some() {
    let cases = Bank::bundled().synth(3, &SynthOptions::any(400)).unwrap();
    let steps = cases.iter().flat_map(|case| &case.truth.plan);
    let texts: BTreeSet<&str> =
        steps.filter(|step| step.concept == "return if worse").map(|step| step.text.as_str()).collect();
    assert!(texts.len() > 10, "{texts:?}");
    let missed: Vec<&&str> = texts.iter().filter(|text| !is_net(text)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
