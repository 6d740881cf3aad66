//! What the patient actor knows.

use serde_json::Value;

use crate::data::case::{Aspect, Finding, Importance, Reveal, Sex, Topic};
use crate::data::import::concept::{Concepts, plain_name};
use crate::data::import::draft::Draft;
use crate::data::import::filing::told;
use crate::data::import::sentence::{aspect, says_nothing, sentences};
use crate::data::import::voice::{first_person, i_have};
use crate::data::import::{Context, ImportAccount};
use crate::data::lexicon::ConceptKind;

use super::denial::{OTHER, negatives, parts};

/// Turns the actor's sections into facts; returns the complaint, as written.
pub(super) fn facts(
    actor: &Value,
    sex: Sex,
    context: &Context<'_>,
    account: &mut ImportAccount,
    drafts: &mut Vec<Draft>,
) -> Option<String> {
    let concepts = &context.concepts;
    let map = actor.as_object()?;
    let symptoms = actor.get("Symptoms").unwrap_or(&Value::Null);
    let mut complaint = texts(symptoms.get("Primary_Symptom").unwrap_or(&Value::Null)).into_iter().next();
    if let Some(complaint) = &complaint {
        drafts.extend(opening(complaint, concepts));
    }
    // Details are about the complaint unless they name something else.
    let main = drafts.first().map(|draft| draft.concept.clone());
    for (key, value) in map {
        let field = format!("Patient_Actor.{key} (texts)");
        let texts = texts(value);
        let all = super::leaves(value);
        let mut mapped = 0;
        for text in &texts {
            let before = drafts.len();
            match key.as_str() {
                // Age and sex are in the stratum.
                "Demographics" => {
                    mapped += 1;
                    continue;
                }
                "Symptoms" => {
                    if complaint.as_deref() == Some(text.as_str()) {
                        mapped += 1;
                        continue;
                    }
                    let own = told(text).flat_map(|part| one(part, main.as_deref(), sex, concepts));
                    let said = spoken(text, sex);
                    let own = own.map(|draft| if draft.text == *text { draft.said(&said) } else { draft });
                    push(own.collect(), context, drafts);
                }
                "History" => {
                    story(text, main.as_deref(), sex, context, drafts);
                    if complaint.is_none() {
                        complaint = sentences(text).first().map(|sentence| (*sentence).to_owned());
                    }
                }
                "Review_of_Systems" => story(text, main.as_deref(), sex, context, drafts),
                _ => background(key, text, sex, context, drafts),
            }
            mapped += u64::from(drafts.len() > before);
        }
        (0..mapped).for_each(|_| account.field_mapped(&field));
        (mapped..all).for_each(|_| account.field_skipped(&field, "empty, or says that nothing is known"));
    }
    complaint
}

/// All texts of a value in order; a keyed one carries its key: `Smoking: ten a day`.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.chars().any(char::is_alphanumeric) => vec![text.trim().to_owned()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(flag) => vec![if *flag { "yes".to_owned() } else { "no".to_owned() }],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| {
                let plain = matches!(key.as_str(), "Primary_Symptom" | "Secondary_Symptoms");
                let label = key.replace('_', " ");
                texts(value)
                    .into_iter()
                    .map(move |text| if plain { text } else { format!("{label}: {text}") })
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The sentences of a text that tell something.
fn told(text: &str) -> impl Iterator<Item = &str> {
    sentences(text).into_iter().filter(|sentence| !says_nothing(sentence))
}

/// The lexicon's name of a symptom, or its words.
fn symptom(text: &str, concepts: &Concepts) -> String {
    concepts.name(text, &[ConceptKind::Symptom, ConceptKind::Condition])
}

/// The complaint, under all symptoms it names and the aspect it tells of.
fn opening(complaint: &str, concepts: &Concepts) -> Vec<Draft> {
    let named = concepts.within(complaint, &[ConceptKind::Symptom]);
    let mut names: Vec<String> = named.into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        names.push(symptom(complaint, concepts));
    }
    let tells = aspect(complaint);
    let mut drafts = Vec::new();
    for name in names {
        let draft = Draft::new(Topic::Symptom, name, complaint).said(i_have(complaint));
        let draft = draft.reveal(Reveal::Opening).importance(Importance::Essential);
        if tells != Aspect::Presence {
            drafts.push(draft.clone().aspect(tells));
        }
        drafts.push(draft);
    }
    drafts
}

/// How a patient says one of the symptoms on a list, which are names more often than sentences.
fn spoken(text: &str, sex: Sex) -> String {
    const VERBS: [&str; 16] = [
        "is", "are", "was", "were", "has", "had", "worsen", "worsens", "improve", "improves", "began",
        "started", "resolved", "reports", "shows", "denies",
    ];
    let verb = |word: &str| VERBS.contains(&word.to_lowercase().as_str());
    let sentence = text.starts_with("Not ") || text.split(' ').any(verb);
    if sentence { first_person(text, sex) } else { i_have(text) }
}

/// What is told in prose, sentence by sentence.
fn story(text: &str, main: Option<&str>, sex: Sex, context: &Context<'_>, drafts: &mut Vec<Draft>) {
    for part in told(text).flat_map(parts) {
        push(one(&part, main, sex, &context.concepts), context, drafts);
    }
}

/// What a sentence tells, under all it names: symptoms, and the history behind them.
fn one(text: &str, main: Option<&str>, sex: Sex, concepts: &Concepts) -> Vec<Draft> {
    let lower = text.to_lowercase();
    let by_words = told::topic_by_words(&lower, text, concepts);
    if let Some(topic @ (Topic::Family | Topic::Allergy)) = by_words {
        return told::background(topic, text, sex, concepts);
    }
    // No list of two things that are not there.
    if lower.starts_with("no family or personal") || lower.starts_with("no personal or family") {
        let both = [Topic::Family, Topic::History];
        return both.into_iter().flat_map(|topic| told::background(topic, text, sex, concepts)).collect();
    }
    let denials = negatives(text, sex, concepts);
    if !denials.is_empty() {
        return denials;
    }
    let topic = by_words.or_else(|| told::topic_by_concept(&lower, text, concepts));
    let mut filed = Vec::new();
    if topic.is_none() || !concepts.within(text, &[ConceptKind::Symptom]).is_empty() {
        filed = told::symptoms(text, main, sex, concepts);
        for draft in filed.iter_mut().filter(|draft| draft.reveal == Reveal::Opening) {
            draft.concept = OTHER.to_owned();
        }
    }
    filed.extend(topic.map(|topic| told::background(topic, text, sex, concepts)).unwrap_or_default());
    filed
}

/// Everything that is not the present illness: under the topic of its section, and where its words settle another under
/// that too.
fn background(key: &str, text: &str, sex: Sex, context: &Context<'_>, drafts: &mut Vec<Draft>) {
    let concepts = &context.concepts;
    let lower = key.to_lowercase();
    let section = match () {
        () if lower.contains("medication") || lower.contains("drug") => Topic::Medication,
        () if lower.contains("allerg") => Topic::Allergy,
        () if lower.contains("family") => Topic::Family,
        () if ["social", "occupation", "travel", "sexual", "lifestyle"].iter().any(|w| lower.contains(w)) => {
            Topic::Social
        }
        () if lower.contains("concern") => Topic::Concern,
        () => Topic::History,
    };
    for sentence in told(text) {
        let other = told::topic_by_words(&sentence.to_lowercase(), sentence, concepts);
        let other = other.filter(|topic| *topic != section);
        let mut filed =
            other.map(|topic| told::background(topic, sentence, sex, concepts)).unwrap_or_default();
        if !matches!(other, Some(Topic::Family | Topic::Allergy)) {
            let own = told::background(section, sentence, sex, concepts);
            // The section says no more than the words where it names nothing and denies nothing.
            let bare = |draft: &Draft| {
                draft.finding == Finding::Present && told::whole(draft.topic) == draft.concept
            };
            let told = !filed.is_empty();
            filed.extend(own.into_iter().filter(|draft| !(told && bare(draft))));
        }
        let brief = section == Topic::Medication && sentence.split(' ').count() <= 4;
        for draft in &mut filed {
            if let Some(said) = short(section, draft.finding, sentence, brief, concepts) {
                draft.said = Some(said);
            }
            // A drug that the lexicon does not know goes by its own name.
            if brief && draft.finding == Finding::Present && draft.concept == told::whole(Topic::Medication) {
                draft.concept = plain_name(sentence);
            }
        }
        push(filed, context, drafts);
    }
}

/// The patient's words for a name without a sentence: `Aspirin`, `Hypertension.`; `None` for a sentence.
fn short(section: Topic, finding: Finding, text: &str, brief: bool, concepts: &Concepts) -> Option<String> {
    let plain = plain_name(text);
    let word = !plain.contains(' ');
    match section {
        Topic::Medication if brief && finding == Finding::Present => Some(format!("I take {plain}.")),
        // `Unremarkable.`, `Noncontributory.`
        Topic::History
            if word && (plain.starts_with("un") || plain.starts_with("non")) && plain != "none" =>
        {
            Some(format!("My medical history is {plain}."))
        }
        Topic::History if finding == Finding::Present => {
            let name = word || concepts.exact(&plain, &[ConceptKind::Condition]).is_some();
            name.then(|| i_have(text))
        }
        _ => None,
    }
}

/// Adds what one sentence tells, under each name and aspect once, and not under a wider name beside a narrower one: a
/// question for that finds it, and would hear it twice.
fn push(filed: Vec<Draft>, context: &Context<'_>, drafts: &mut Vec<Draft>) {
    let same = |a: &Draft, b: &Draft| a.text == b.text && a.aspect == b.aspect;
    let family = |draft: &Draft| matches!(draft.topic, Topic::Family | Topic::Allergy);
    for (at, draft) in filed.iter().enumerate() {
        let again = filed.iter().take(at).any(|it| same(it, draft) && it.concept == draft.concept);
        let narrower = filed.iter().any(|it| {
            same(it, draft)
                && it.concept != draft.concept
                && family(it) == family(draft)
                && context.lexicon.is_a(&it.concept, &draft.concept)
        });
        if !again && !narrower {
            drafts.push(draft.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::Lexicon;

    fn read(actor: &Value) -> Vec<Draft> {
        let lexicon = Lexicon::bundled();
        let context = Context { lexicon, concepts: Concepts::new(lexicon) };
        let mut drafts = Vec::new();
        facts(actor, Sex::Other, &context, &mut ImportAccount::default(), &mut drafts);
        drafts
    }

    fn of<'a>(drafts: &'a [Draft], concept: &str) -> Vec<&'a Draft> {
        drafts.iter().filter(|draft| draft.concept == concept).collect()
    }

    #[test]
    fn a_sentence_is_filed_under_all_it_names() {
        let drafts = read(&serde_json::json!({
            "Symptoms": {
                "Primary_Symptom": "Cough and fever",
                "Secondary_Symptoms": ["Breaking objects", "Cough worsens at night", "Not painful"]
            },
            "Social_History": "Non-smoker, drinks wine occasionally.",
            "Past_Medical_History": ["Hypertension", "Unremarkable."],
            "Current_Medications": ["Aspirin", "Emtricitabine"]
        }));
        for name in ["cough", "fever"] {
            let found = of(&drafts, name);
            let complaint = found.iter().find(|draft| draft.text == "Cough and fever").unwrap();
            assert_eq!((complaint.reveal, complaint.topic), (Reveal::Opening, Topic::Symptom), "{name}");
        }
        let worse = of(&drafts, "cough").into_iter().find(|draft| draft.aspect == Aspect::Aggravating);
        assert_eq!(worse.unwrap().said.as_deref(), Some("Cough worsens at night."));
        let other = of(&drafts, OTHER);
        assert!(other.iter().all(|draft| draft.reveal == Reveal::Opening));
        let said: Vec<Option<&str>> = other.iter().map(|draft| draft.said.as_deref()).collect();
        assert_eq!(said, [Some("I have breaking objects."), Some("Not painful.")]);
        for name in ["smoking", "alcohol"] {
            let found = of(&drafts, name);
            assert_eq!((found.len(), found[0].topic), (1, Topic::Social), "{name}");
        }
        for (name, said) in [
            ("hypertension", "I have hypertension."),
            ("past illness", "My medical history is unremarkable."),
            ("aspirin", "I take aspirin."),
            ("emtricitabine", "I take emtricitabine."),
        ] {
            assert_eq!(of(&drafts, name)[0].said.as_deref(), Some(said), "{name}");
        }
    }

    #[test]
    fn denials_are_parted_and_what_has_no_name_is_told_with_the_story() {
        let drafts = read(&serde_json::json!({
            "Symptoms": {"Primary_Symptom": "Cough"},
            "Review_of_Systems":
                "Reports nausea but denies fever, changes in bowel or urinary habits, or vomiting. She denies any recent travel."
        }));
        let nausea = of(&drafts, "nausea");
        assert_eq!((nausea.len(), nausea[0].finding), (1, Finding::Present));
        assert_eq!(nausea[0].text, "Reports nausea.");
        for name in ["fever", "vomiting", "travel"] {
            let found = of(&drafts, name);
            assert_eq!((found.len(), found[0].finding), (1, Finding::Absent), "{name}");
        }
        assert_eq!(of(&drafts, "travel")[0].topic, Topic::Social);
        let other = of(&drafts, OTHER);
        assert_eq!(other.len(), 1);
        assert_eq!(other[0].text, "no changes in bowel or urinary habits");
        assert_eq!((other[0].finding, other[0].reveal), (Finding::Absent, Reveal::Opening));
    }

    #[test]
    fn what_is_known_of_relatives_is_not_the_patients() {
        let drafts = read(&serde_json::json!({
            "Symptoms": {"Primary_Symptom": "Cough"},
            "History": "Family history includes asthma. No family or personal history of serious illness."
        }));
        let told: Vec<(Topic, Finding)> =
            drafts.iter().skip(1).map(|draft| (draft.topic, draft.finding)).collect();
        assert_eq!(
            told,
            [
                (Topic::Family, Finding::Present),
                (Topic::Family, Finding::Absent),
                (Topic::History, Finding::Absent)
            ]
        );
        assert_eq!(drafts[1].concept, "asthma");
    }
}
