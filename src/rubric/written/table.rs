//! Criteria beside replies that seem to meet them, or seem not to. No verdict may be wrong; where the second one is given, it is the verdict.

use super::*;
use crate::rubric::criterion::Verdict;

fn judged(criterion: &str, text: &str) -> Judgement {
    WrittenJudge::bundled().judge(criterion, text).judgement
}

#[test]
fn what_says_the_opposite_or_refuses_does_not_meet() {
    for (criterion, text) in [
        // Opposites.
        (
            "States that aspirin increases the risk of bleeding from the stomach.",
            "Aspirin decreases the risk of bleeding from the stomach.",
        ),
        (
            "States that smoking increases the risk of stroke and lung cancer.",
            "Smoking decreases the risk of stroke and of lung cancer.",
        ),
        (
            "States that smoking raises the risk of stroke and lung cancer.",
            "Smoking lowers the risk of stroke and of lung cancer.",
        ),
        (
            "Advises to see a doctor if the blood pressure is above 140/90.",
            "See a doctor if your blood pressure is below 140/90.",
        ),
        (
            "Recommends elevation and compression of the left leg with a bandage.",
            "Elevation and compression with a bandage help your right leg.",
        ),
        (
            "States that paracetamol is safe in pregnancy at the usual dose and while breastfeeding.",
            "Paracetamol is unsafe in pregnancy at the usual dose, and while breastfeeding.",
        ),
        (
            "Advises to seek medical help for a temperature above 38 degrees.",
            "Seek medical help for a temperature below 38 degrees.",
        ),
        (
            "Recommends taking the tablets with a large breakfast and plenty water.",
            "Take the tablets without a large breakfast and with plenty of water.",
        ),
        // Refusals.
        (
            "Recommends aspirin 300 mg for the chest pain.",
            "Aspirin 300 mg is contraindicated for the chest pain.",
        ),
        (
            "Recommends aspirin 300 mg for the chest pain.",
            "Aspirin 300 mg for your chest pain would be dangerous.",
        ),
        (
            "Recommends an ECG, a troponin test and aspirin.",
            "An ECG, a troponin test and aspirin are hardly needed.",
        ),
        ("Recommends an ECG, a troponin test and aspirin.", "We skip the ECG, the troponin and the aspirin."),
        (
            "Recommends an ECG, a troponin test and aspirin.",
            "The ECG, the troponin and the aspirin are all pointless.",
        ),
        (
            "Recommends an ECG, a troponin test and aspirin.",
            "You could have an ECG, a troponin and aspirin. They are all pointless.",
        ),
        (
            "Recommends an ECG, a troponin test and aspirin.",
            "An ECG, a troponin test and aspirin are not needed.",
        ),
        (
            "Recommends an ECG, a troponin test and aspirin.",
            "Avoid the following:\n- an ECG, a troponin test and aspirin",
        ),
        (
            "States that vaccines cause autism in young children.",
            "It is a myth that vaccines cause autism in young children.",
        ),
        ("Recommends ibuprofen 400 mg with food.", "You should stop taking ibuprofen 400 mg with food."),
        (
            "Recommends calling an ambulance for chest pain and sweating.",
            "Calling an ambulance for chest pain and sweating wastes money.",
        ),
        (
            "Recommends physiotherapy and exercises for the back pain.",
            "Would physiotherapy and exercises for the back pain help? Not at all.",
        ),
        (
            "Recommends ibuprofen 400 mg with food.",
            "My neighbour said \"take ibuprofen 400 mg with food\" to everybody.",
        ),
        // Numbers.
        (
            "Recommends amoxicillin 500 mg three times a day.",
            "Take ibuprofen 500 mg and amoxicillin 250 mg three times a day.",
        ),
        ("Recommends amoxicillin 500 mg.", "Take ibuprofen 500 mg and amoxicillin 250 mg."),
        ("Recommends amoxicillin 500 mg.", "Take 500 mg ibuprofen, 250 mg amoxicillin."),
        (
            "States that fasting glucose of 7.0 mmol/L means diabetes.",
            "Fasting glucose of 7.0 mg/dL means diabetes.",
        ),
        ("Recommends ibuprofen for 3 days with food.", "Take ibuprofen for 3 weeks with food."),
        // Questions.
        (
            "Asks about fever, cough and chest pain.",
            "You told me of fever, cough and chest pain, is that not nice?",
        ),
        (
            "Asks about fever, cough and chest pain.",
            "Fever, cough and chest pain are common, is that not nice?",
        ),
        // Short ones.
        ("Recommends calling 911.", "Call 911 if it becomes worse."),
        ("Recommends calling 911.", "Do not call 911."),
        ("Recommends calling 911.", "Should you call 911?"),
        ("Recommends calling 911.", "The people who answer when you call 911 are nice."),
        ("Recommends aspirin every morning.", "Take aspirin."),
        ("Recommends paracetamol 500 mg.", "Do not take paracetamol 500 mg."),
    ] {
        let it = judged(criterion, text);
        assert_ne!(it.verdict, Verdict::Met, "{criterion}\n{text}");
        assert_ne!(it.reason, "is not in English", "{text}");
    }
}

#[test]
fn what_says_it_in_other_numbers_or_words_is_not_missed() {
    for (criterion, text) in [
        (
            "Advises to seek medical help for a temperature above 38 degrees.",
            "Seek medical help for a temperature above 100.4 F.",
        ),
        ("Asks about fever, cough and chest pain.", "Any temperature. Any coughing. Any pains in the chest."),
        (
            "Asks about fever, cough and chest pain.",
            "Do you have a fever? Do you cough? Does your chest hurt, is there chest pain?",
        ),
        ("Recommends paracetamol 500 mg with food.", "Take paracetamol 0.5 g with food."),
        (
            "Recommends ibuprofen 400 mg with food for 3 days.",
            "Take 400 mg of ibuprofen with food for 72 hours.",
        ),
        (
            "Recommends ibuprofen 400 mg with food for three days.",
            "Take ibuprofen 400 mg with food for 3 days.",
        ),
        ("Recommends vitamin D 50 micrograms with food.", "Take vitamin D 50 \u{b5}g with food."),
        ("Recommends vitamin D 0.05 mg with food.", "Take vitamin D 50 mcg with food."),
        ("Recommends ibuprofen with food for 2 weeks.", "Take ibuprofen with food for 14 days."),
        ("Recommends amoxicillin 500 mg.", "Take ibuprofen 250 mg and amoxicillin 500 mg."),
        (
            "States that smoking increases the risk of stroke and lung cancer.",
            "Smoking increases your risk of stroke and of lung cancer.",
        ),
        ("Recommends calling 911.", "Call 911 right now."),
        ("Recommends calling 911.", "You should call 911."),
        ("Mentions aspirin.", "We have given aspirin."),
    ] {
        assert_eq!(judged(criterion, text).verdict, Verdict::Met, "{criterion}\n{text}");
    }
}

#[test]
fn what_cannot_be_known_is_not_called_missing() {
    for (criterion, text) in [
        ("States that fasting glucose of 7.0 mmol/L means diabetes.", "A value of 126 mg/dl means that."),
        ("Asks about fever, cough and chest pain.", "Any weakness. Any pain."),
        ("Asks about fever, cough and chest pain.", "How long have you had the cough"),
        ("Recommends calling 911.", "Go to the hospital."),
        ("Recommends paracetamol 500 mg.", "Do not take paracetamol 500 mg."),
    ] {
        assert_eq!(judged(criterion, text).verdict, Verdict::NotJudged, "{criterion}\n{text}");
    }
}

#[test]
fn short_texts_in_english_are_english_and_others_are_not() {
    let judge = WrittenJudge::bundled();
    for text in
        ["Do not take paracetamol 500 mg.", "Call 911 right now.", "Take aspirin.", "Paracetamol 500 mg", ""]
    {
        assert!(judge.is_english(text), "{text}");
    }
    for text in ["No tome paracetamol 500 mg.", "Nehmen Sie Paracetamol 500 mg.", "Prenez du paracetamol."] {
        assert!(!judge.is_english(text), "{text}");
    }
}
