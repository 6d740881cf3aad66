//! Whether a message is in words that somebody without medical training understands.

use std::ops::Range;

use super::reading::Reading;
use super::text::{Word, plain, sentences, words};
use crate::data::lexicon::Lexicon;

/// Endings of medical words, as in `cholecystitis`, `dyspnoea` and `echocardiogram`.
const ENDINGS: &[&str] = &[
    "itis", "osis", "emia", "aemic", "uria", "pnoea", "pnea", "ectomy", "oscopy", "opathy", "ography",
    "iogram", "algia", "plegia", "phagia", "edema", "megaly", "cardia",
];
/// Words with such an ending that people know.
const KNOWN: &[&str] = &[
    "anaemia",
    "anemia",
    "appendicitis",
    "arthritis",
    "bronchitis",
    "cirrhosis",
    "diagnosis",
    "hepatitis",
    "leukaemia",
    "leukemia",
    "meningitis",
    "osteoporosis",
    "photography",
    "prognosis",
    "sinusitis",
    "tonsillitis",
    "tuberculosis",
];
/// Medical words with other endings. Names of drugs are not among them: patients read them on the box.
const TECHNICAL: &[&str] = &[
    "aetiology",
    "afebrile",
    "analgesia",
    "analgesic",
    "aneurysm",
    "anticoagulant",
    "anticoagulation",
    "antipyretic",
    "arrhythmia",
    "auscultate",
    "auscultation",
    "bilateral",
    "biliary",
    "cardiac",
    "comorbidities",
    "comorbidity",
    "contraindicated",
    "contraindication",
    "coronary",
    "creatinine",
    "distal",
    "diuretic",
    "duodenal",
    "electrolytes",
    "embolism",
    "embolus",
    "emesis",
    "endometrial",
    "epididymis",
    "erythema",
    "etiology",
    "exacerbation",
    "febrile",
    "ferritin",
    "fibrillation",
    "gastric",
    "haemorrhage",
    "hemorrhage",
    "hba1c",
    "hepatic",
    "hyperplasia",
    "hypertension",
    "hypotension",
    "idiopathic",
    "infarction",
    "intravenous",
    "ischaemic",
    "ischemic",
    "lesion",
    "lithotripsy",
    "lumbar",
    "malignancy",
    "malignant",
    "melaena",
    "meniscus",
    "myocardial",
    "natriuretic",
    "neuropathic",
    "oesophageal",
    "oximetry",
    "palpate",
    "palpation",
    "paraesthesia",
    "paresthesia",
    "paroxysmal",
    "peritonsillar",
    "pneumothorax",
    "prophylaxis",
    "proximal",
    "pruritus",
    "pulmonary",
    "renal",
    "respiratory",
    "sonography",
    "spirometry",
    "subarachnoid",
    "subcutaneous",
    "sublingual",
    "syncope",
    "torsion",
    "troponin",
    "unilateral",
    "ureteric",
    "urticaria",
    "vestibular",
];

/// The first medical word of `message` that is not explained: by other words for the same (`a myocardial infarction, which is a heart
/// attack`), by saying so (`that means ..`), or as a name (`the heart attack is called ..`).
pub(super) fn unexplained(lexicon: &Lexicon, reading: &Reading, message: &str) -> Option<Range<usize>> {
    let sentences = sentences(message);
    let text = |at: usize| sentences.get(at).and_then(|span| message.get(span.clone())).unwrap_or_default();
    (0..sentences.len()).find_map(|at| {
        let (start, sentence, next) = (sentences.get(at)?.start, text(at), text(at + 1));
        let words = words(sentence);
        let hard = (0..words.len()).find(|place| {
            words.get(*place).is_some_and(|word| {
                is_technical(&word.text)
                    && !is_explained(sentence, &words, *place, next)
                    && !is_said_otherwise(lexicon, reading, &word.text)
            })
        })?;
        let span = &words.get(hard)?.span;
        Some(start + span.start..start + span.end)
    })
}

fn is_technical(word: &str) -> bool {
    let single = word.strip_suffix('s').unwrap_or(word);
    let listed = |word: &str| TECHNICAL.contains(&word);
    let ends =
        |word: &str| ENDINGS.iter().any(|ending| word.len() > ending.len() + 2 && word.ends_with(ending));
    !KNOWN.contains(&word) && (listed(word) || listed(single) || ends(word) || ends(single))
}

/// Whether the words around the one at `at` explain it.
fn is_explained(sentence: &str, words: &[Word], at: usize, next: &str) -> bool {
    let before: Vec<&str> = words.iter().take(at).rev().take(3).map(|word| word.text.as_str()).collect();
    if before.iter().any(|word| matches!(*word, "called" | "call" | "named" | "termed")) {
        return true;
    }
    let end = words.get(at).map_or(0, |word| word.span.end);
    let after = format!(" {} ", plain(sentence.get(end..).unwrap_or_default()));
    let said =
        [" that is ", " which is ", " means ", " meaning ", " in other words ", " a kind of ", " or simply "];
    let goes_on = format!("{} ", plain(next));
    let begins = ["that means ", "this means ", "it means ", "that is ", "this is ", "in other words "];
    said.iter().any(|words| after.contains(words)) || begins.iter().any(|words| goes_on.starts_with(words))
}

/// Whether the message has plain words for the concept that `word` belongs to.
fn is_said_otherwise(lexicon: &Lexicon, reading: &Reading, word: &str) -> bool {
    let said = format!(" {} ", reading.plain);
    let mut concepts = reading.acts.iter().filter_map(|act| lexicon.get(act.concept.as_deref()?));
    concepts.any(|concept| {
        let names: Vec<String> =
            concept.phrases.iter().chain([&concept.name]).map(|phrase| plain(phrase)).collect();
        let is_technical = |name: &String| name.split(' ').any(is_technical);
        names.iter().any(|name| name.split(' ').any(|part| part == word))
            && names.iter().any(|name| !is_technical(name) && said.contains(&format!(" {name} ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};
    use crate::rubric::reading::Language;

    fn hard(message: &str) -> Option<String> {
        let case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
        let reading = Reading::new(Language::bundled(), &case, &[], message);
        unexplained(Lexicon::bundled(), &reading, message).map(|span| message[span].to_owned())
    }

    #[test]
    fn medical_words_are_found_unless_they_are_explained() {
        for (message, word) in [
            ("Do you have any dyspnoea?", "dyspnoea"),
            ("I will palpate your belly. You may have cholecystitis.", "palpate"),
            ("This is a myocardial infarction.", "myocardial"),
            ("We need troponin and spirometry.", "troponin"),
        ] {
            assert_eq!(hard(message).as_deref(), Some(word), "{message}");
        }
        for message in [
            "When did the pain start?",
            "Do you have arthritis or bronchitis?",
            "This is a myocardial infarction, a heart attack.",
            "You may have cholecystitis, which is an inflamed gallbladder.",
            "You have hypertension. That means your blood pressure is high.",
            "The blood test is called troponin.",
            "My diagnosis is gout. Take naproxen.",
        ] {
            assert_eq!(hard(message), None, "{message}");
        }
    }
}
