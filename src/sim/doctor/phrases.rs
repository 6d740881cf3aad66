//! What scripted doctors say: short plain sentences with a slot for a concept.
//!
//! There are few enough of them that a model of a few million parameters learns them, and several for each purpose, so
//! that it learns the purpose and not the sentence.

use crate::data::case::{Aspect, PlanStep, StepKind, Topic};

use super::agenda::Want;

/// First words of a first message.
pub(super) const GREETINGS: &[&str] = &["Hello.", "Good morning.", "Hello, I am your doctor today."];

/// Asks for the story.
pub(super) const OPEN: &[&str] = &[
    "Can you tell me more about it?",
    "Please tell me more about that.",
    "Tell me more about what happened.",
];

/// Answers distress.
pub(super) const EMPATHY: &[&str] = &[
    "I am sorry to hear that.",
    "That must be worrying.",
    "I understand that this is hard for you.",
    "I can see that this worries you.",
    "I am sorry you are going through this.",
];

/// Before a question that follows another.
pub(super) const LINKS: &[&str] = &["Thank you.", "I see.", "All right.", "Okay."];

/// What to watch for.
pub(super) const SAFETY_NETS: &[&str] = &[
    "Please come back if it gets worse.",
    "Come back if you do not feel better.",
    "Please call us if anything gets worse.",
    "See a doctor at once if it gets worse.",
];

/// What to watch for on the way to hospital.
pub(super) const URGENT_SAFETY_NETS: &[&str] =
    &["Call an ambulance if it gets worse.", "Call for help at once if it gets worse."];

/// Sends a patient to hospital.
pub(super) const EMERGENCY: &[&str] = &[
    "You need to go to the emergency department now.",
    "Please go to the emergency department right away.",
    "This is an emergency, and I am calling an ambulance now.",
];

/// Ends without a plan.
pub(super) const PLANLESS: &[&str] =
    &["That is all for today. Goodbye.", "There is nothing more to do. Goodbye.", "Goodbye."];

/// A plan for anything.
pub(super) const VAGUE_PLANS: &[&str] = &[
    "Please rest and drink plenty of fluids.",
    "I advise you to rest.",
    "Please take it easy and get some rest.",
];

const DIAGNOSES: &[&str] = &[
    "I think you have {}.",
    "This is most likely {}.",
    "You probably have {}.",
    "The most likely diagnosis is {}.",
];

/// Symptoms that poor doctors ask for whatever the complaint.
pub(super) const STRAYS: &[&str] =
    &["ear pain", "itching", "knee pain", "sneezing", "hair loss", "eye pain", "blocked nose"];

/// The sentences that ask for `want`, with the concept filled in.
pub fn questions(want: &Want) -> Vec<String> {
    match want {
        Want::Complaint(aspect) => owned(complaint(*aspect)),
        Want::Symptom(concept) => filled(
            &["Do you have any {}?", "Have you had any {}?", "Have you noticed any {}?", "Any {}?"],
            concept,
        ),
        Want::Detail(concept, aspect) => filled(detail(*aspect), concept),
        Want::Topic(Topic::History) => owned(&[
            "Do you have any other illnesses?",
            "Have you had any illnesses in the past?",
            "Do you have any medical conditions?",
        ]),
        Want::Topic(Topic::Medication) => owned(&[
            "Do you take any medicines?",
            "What medicines do you take?",
            "Are you taking any medication?",
        ]),
        Want::Topic(Topic::Allergy) => {
            owned(&["Do you have any allergies?", "Are you allergic to anything?", "Any allergies?"])
        }
        Want::Topic(Topic::Family) => owned(&[
            "Are there any illnesses in your family?",
            "Does anyone in your family have a similar illness?",
            "Do any illnesses run in your family?",
        ]),
        Want::Topic(Topic::Concern) => owned(&[
            "Is there anything that worries you about this?",
            "What worries you most?",
            "What are you most worried about?",
        ]),
        Want::Topic(Topic::Examination) => owned(&["I would like to examine you now."]),
        Want::Topic(Topic::Test) => owned(&["I would like to do some tests."]),
        Want::Topic(Topic::Social) => owned(&["Can you tell me about your life at home?"]),
        Want::Topic(Topic::Symptom) => owned(&["Do you have any other symptoms?", "Is there anything else?"]),
        Want::Illness(concept) => filled(&["Have you ever had {}?", "Do you have a history of {}?"], concept),
        Want::Relative(concept) => {
            filled(&["Does anyone in your family have {}?", "Is there any {} in your family?"], concept)
        }
        Want::Circumstance(concept) => circumstance(concept),
        Want::Examine(concept) => examine(concept),
        Want::Test(concept) => {
            let named = with_article(concept);
            filled(&["I would like to arrange {}.", "I will order {} now.", "Let us do {}."], &named)
        }
    }
}

/// Asks for several symptoms in one sentence.
pub(super) fn several(concepts: &[&str]) -> Option<String> {
    let (last, rest) = concepts.split_last()?;
    let listed = if rest.is_empty() { (*last).to_owned() } else { format!("{} or {last}", rest.join(", ")) };
    Some(format!("Do you have any {listed}?"))
}

/// A message that asks for all of `wants`; `choose` picks among the wordings of one.
pub(super) fn asking(wants: &[Want], mut choose: impl FnMut(&[String]) -> String) -> String {
    let symptoms: Vec<&str> = wants
        .iter()
        .filter_map(|want| if let Want::Symptom(concept) = want { Some(concept.as_str()) } else { None })
        .collect();
    if wants.len() > 1
        && symptoms.len() == wants.len()
        && let Some(question) = several(&symptoms)
    {
        return question;
    }
    wants.iter().map(|want| choose(&questions(want))).collect::<Vec<_>>().join(" ")
}

/// The sentences that name a diagnosis.
pub(super) fn diagnoses(condition: &str) -> Vec<String> {
    filled(DIAGNOSES, condition)
}

/// The sentences that take a step of a plan.
pub(super) fn steps(step: &PlanStep) -> Vec<String> {
    let concept = step.concept.as_str();
    match (step.kind, concept) {
        (_, "emergency department" | "ambulance") => owned(EMERGENCY),
        (StepKind::Drug, _) => {
            filled(&["Please take {}.", "I will prescribe {}.", "I will give you {}."], concept)
        }
        (StepKind::Investigation, _) => {
            filled(&["We need {}.", "I will arrange {}.", "I will order {}."], &with_article(concept))
        }
        (StepKind::Procedure, _) => {
            filled(&["You will need {}.", "You may need {}."], &with_article(concept))
        }
        (StepKind::Referral, "hospital admission") => owned(&[
            "You need to be admitted to hospital now.",
            "I will arrange a hospital admission right away.",
        ]),
        (StepKind::Referral, _) => filled(&["I will arrange {}.", "You need {}."], &with_article(concept)),
        (StepKind::Advice, "return if worse") => owned(SAFETY_NETS),
        (StepKind::Advice, _) => {
            filled(&["My advice is {}.", "I advise {}.", "Please remember: {}."], concept)
        }
    }
}

fn complaint(aspect: Aspect) -> &'static [&'static str] {
    match aspect {
        Aspect::Presence | Aspect::Detail => OPEN,
        Aspect::Onset => &[
            "When did it start?",
            "When did this begin?",
            "How did it start?",
            "When did you first notice it?",
        ],
        Aspect::Course => {
            &["How has it changed since then?", "Does it come and go?", "How long does it last?"]
        }
        Aspect::Character => &["What is it like?", "What does it feel like?", "Can you describe it?"],
        Aspect::Severity => &["How bad is it?", "How severe is it?", "How bad is it from one to ten?"],
        Aspect::Location => &["Where is it?", "Where do you feel it?", "Where exactly is it?"],
        Aspect::Radiation => &["Does it spread anywhere?", "Does it move anywhere else?"],
        Aspect::Aggravating => &["What makes it worse?", "Does anything make it worse?"],
        Aspect::Relieving => {
            &["What makes it better?", "Does anything make it better?", "Does anything help?"]
        }
    }
}

fn detail(aspect: Aspect) -> &'static [&'static str] {
    match aspect {
        Aspect::Presence | Aspect::Detail => &["Can you tell me more about the {}?"],
        Aspect::Onset => &["When did the {} start?", "When did the {} begin?"],
        Aspect::Course => &["How has the {} changed?", "How long does the {} last?"],
        Aspect::Character => &["What is the {} like?", "Can you describe the {}?"],
        Aspect::Severity => &["How bad is the {}?", "How severe is the {}?"],
        Aspect::Location => &["Where is the {}?", "Where exactly is the {}?"],
        Aspect::Radiation => &["Does the {} spread anywhere?"],
        Aspect::Aggravating => &["What makes the {} worse?"],
        Aspect::Relieving => &["What makes the {} better?"],
    }
}

fn circumstance(concept: &str) -> Vec<String> {
    let fixed: &[&str] = match concept {
        "smoking" => &["Do you smoke?", "Have you ever smoked?"],
        "alcohol" => &["Do you drink alcohol?", "How much alcohol do you drink?"],
        "recreational drug use" => &["Do you use any recreational drugs?"],
        "work" => &["What is your work?", "What do you do for work?"],
        "travel" => &["Have you travelled recently?", "Any recent travel?"],
        "sick contacts" => &["Have you had any sick contacts?", "Any sick contacts?"],
        "exercise" => &["Do you exercise?", "How much exercise do you do?"],
        "living situation" => &["Who do you live with?", "Do you live alone?"],
        "last period" => &["When was your last period?"],
        "pets" => &["Do you have any pets?"],
        "recent surgery" => &["Have you had any recent surgery?"],
        "stress" => &["Have you been under any stress?"],
        "driving" => &["Do you drive?"],
        _ => &[],
    };
    if fixed.is_empty() {
        filled(&["Can you tell me about your {}?", "I would like to ask about your {}."], concept)
    } else {
        owned(fixed)
    }
}

fn examine(concept: &str) -> Vec<String> {
    let act = ["examination", "test", "raise"].iter().any(|end| concept.ends_with(end));
    if act {
        filled(&["I would like to do {} now.", "Let me do {}."], &with_article(concept))
    } else {
        filled(&["Let me check your {}.", "I would like to check your {}."], concept)
    }
}

/// Concepts that stand without an article.
const BARE: &[&str] = &[
    "troponin",
    "natriuretic peptide",
    "lipase",
    "uric acid",
    "rheumatoid factor",
    "blood glucose",
    "hba1c",
    "spirometry",
    "prostate specific antigen",
    "home blood pressure monitoring",
    "surgery",
    "gallbladder removal",
    "appendix removal",
    "talking therapy",
    "physiotherapy",
    "intravenous fluids",
    "cardioversion",
    "radioiodine treatment",
    "wound care",
    "pulmonary rehabilitation",
    "light therapy",
    "contact tracing",
    "oxygen",
    "thrombolysis",
];

/// `an electrocardiogram`, `a chest x-ray`, `troponin`.
fn with_article(concept: &str) -> String {
    let silent = ["hour"].iter().any(|start| concept.starts_with(start));
    let vowel = concept.starts_with(['a', 'e', 'i', 'o']) || (concept.starts_with("ultra") || silent);
    if BARE.contains(&concept) || concept.ends_with('s') {
        concept.to_owned()
    } else if vowel {
        format!("an {concept}")
    } else {
        format!("a {concept}")
    }
}

fn filled(templates: &[&str], concept: &str) -> Vec<String> {
    templates.iter().map(|template| template.replace("{}", concept)).collect()
}

fn owned(templates: &[&str]) -> Vec<String> {
    templates.iter().map(|template| (*template).to_owned()).collect()
}
