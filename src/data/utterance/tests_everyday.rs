//! Everyday wordings that were not understood once; each has to be right.

use super::tests::right;

const EVERYDAY: &[(&str, &str)] = &[
    ("Is your neck stiff?", "symptom:neck stiffness"),
    ("Are your joints painful?", "symptom:joint pain"),
    ("Does it sting when you wee?", "symptom:pain on passing urine"),
    ("How is your eyesight?", "symptom:blurred vision"),
    ("Is your throat sore?", "symptom:sore throat"),
    ("How are your bowels?", "symptom:bowel habit"),
    ("Any runny poo?", "symptom:diarrhoea"),
    ("Are your bowels working normally?", "symptom:bowel habit"),
    ("Any change in bowel habit?", "symptom:bowel habit"),
    ("Has your weight changed?", "symptom:weight loss"),
    ("How is your energy?", "symptom:tiredness"),
    ("How is your breathing?", "symptom:shortness of breath"),
    ("How are you sleeping?", "symptom:poor sleep"),
    ("Any tightness across the chest?", "symptom:chest pain"),
    ("Have you had any temperature?", "symptom:fever"),
    ("Have you noticed any yellowing of your eyes or skin?", "symptom:jaundice"),
    ("Do you live by yourself?", "social:living situation"),
    ("What do you do for work?", "social:work"),
    ("How often do you pass water?", "symptom:frequent urination"),
    ("How old are you?", "identity"),
    ("Could you tell me how it started?", "symptom/onset"),
    ("Is your skin itchy?", "symptom:itching"),
    ("Is it dry or itchy?", "symptom:itching/character"),
    ("Is it painful to breathe in?", "symptom:pain on breathing"),
    ("Is the pain on the left?", "symptom:pain/location"),
    ("Is the pain mild?", "symptom:pain/severity"),
    ("Does coughing make it worse?", "symptom/aggravating"),
    ("Does walking make the headache worse?", "symptom:headache/aggravating"),
    ("Does coughing make the headache worse?", "symptom:headache/aggravating"),
    ("What pills do you swallow every day?", "medication"),
    ("Do you drink?", "social:alcohol"),
    ("Do you smoke or drink?", "social:smoking | social:alcohol"),
    ("Do you drink coffee?", "social:caffeine"),
    ("How many partners have you had?", "social:sexual history"),
    ("Have you been in contact with anyone unwell?", "social:sick contacts"),
    ("Does anyone at work have the same?", "social:sick contacts"),
    ("When was your last period?", "social:last period/onset"),
    ("Are your ankles puffy?", "symptom:ankle swelling"),
    ("Were you sick at all?", "symptom:vomiting"),
    ("Is there anything you can't take?", "allergy"),
    // A value that is stated is no examination.
    ("Your temperature is 39 degrees.", "explanation:temperature"),
    ("Your blood pressure was 160 over 100.", "explanation:blood pressure"),
    ("Your pulse is now about 120.", "explanation:pulse"),
    ("Let me see whether your temperature is 39 degrees.", "examine:temperature"),
    ("I will take your temperature 2 times.", "examine:temperature"),
];

#[test]
fn everyday_wordings_are_understood() {
    assert_eq!(right(EVERYDAY), EVERYDAY.len());
}
