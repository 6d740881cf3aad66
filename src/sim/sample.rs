//! A small case for tests.

use crate::data::case::{
    Age, Aspect, Fact, FactId, Finding, Importance, Prevalence, Reveal, Severity, Sex, Specialty, Stratum,
    Topic,
};
use crate::data::consultation::Consultation;
use crate::sim::gate::Limits;
use crate::sim::patient::Patient;
use crate::sim::persona::{Culture, Emotion, Level, Persona};
use crate::sim::script::PatientScript;

/// A fact in a few words.
fn fact(
    id: &str,
    topic: Topic,
    concept: &str,
    aspect: Aspect,
    finding: Finding,
    said: &str,
    reveal: Reveal,
) -> Fact {
    let shown = matches!(reveal, Reveal::OnExamination | Reveal::OnTest);
    Fact {
        id: FactId(id.into()),
        topic,
        concept: concept.into(),
        aspect,
        finding,
        text: if shown { said.into() } else { format!("chart: {said}") },
        said: (!shown).then(|| said.into()),
        reveal,
        importance: Importance::Useful,
        private: reveal == Reveal::OnTrust,
    }
}

/// A man with a heart attack.
pub(super) fn script(persona: Persona, seed: u64) -> PatientScript {
    use Aspect::{Detail, Location, Onset, Presence, Radiation};
    use Finding::{Absent, Present, Unknown};
    use Reveal::{Never, OnExamination, OnQuestion, OnTest, OnTrust, Opening};
    use Topic::{Allergy, Concern, Examination, Family, History, Medication, Social, Symptom, Test};
    let facts = vec![
        fact("cp", Symptom, "chest pain", Presence, Present, "My chest hurts.", Opening),
        fact("cp.onset", Symptom, "chest pain", Onset, Present, "It began this morning at 8.", OnQuestion),
        fact("cp.location", Symptom, "chest pain", Location, Present, "Right in the middle.", OnQuestion),
        fact(
            "cp.radiation",
            Symptom,
            "chest pain",
            Radiation,
            Present,
            "It goes into my left arm.",
            OnQuestion,
        ),
        fact("sweat", Symptom, "sweating", Presence, Present, "I've been sweating a lot.", OnQuestion),
        fact("fever", Symptom, "fever", Presence, Absent, "No, no fever.", OnQuestion),
        fact("cough", Symptom, "cough", Presence, Absent, "No, I'm not coughing.", OnQuestion),
        fact("dm", History, "type 2 diabetes", Presence, Present, "I have sugar trouble.", OnQuestion),
        fact("metformin", Medication, "metformin", Presence, Present, "I take metformin.", OnQuestion),
        fact("metformin.dose", Medication, "metformin", Detail, Present, "500 mg twice a day.", OnQuestion),
        fact("pen", Allergy, "penicillin", Presence, Present, "Penicillin gives me a rash.", OnQuestion),
        fact("fam", Family, "heart disease", Presence, Unknown, "I don't know about my father.", OnQuestion),
        fact(
            "coke",
            Social,
            "recreational drug use",
            Presence,
            Present,
            "I took cocaine last night.",
            OnTrust,
        ),
        fact("smoke", Social, "smoking", Presence, Present, "I smoke a pack a day.", OnQuestion),
        fact("fear", Concern, "worry", Presence, Present, "My brother died of a heart attack.", OnQuestion),
        fact("secret", Social, "alcohol", Presence, Present, "I drink a bottle of wine a day.", Never),
        fact("bp", Examination, "blood pressure", Presence, Present, "blood pressure 150/90", OnExamination),
        fact("ecg", Test, "electrocardiogram", Presence, Present, "ECG shows myocardial infarction", OnTest),
    ];
    PatientScript {
        case_id: "mi-1".into(),
        stratum: Stratum {
            specialty: Specialty("cardiology".into()),
            age: Age::new(61),
            sex: Sex::Male,
            severity: Severity::Severe,
            prevalence: Prevalence::Common,
            comorbidities: Vec::new(),
        },
        opening: "My chest really hurts.".into(),
        facts,
        forbidden: vec!["myocardial infarction".into(), "heart attack".into()],
        persona,
        seed,
    }
}

/// A persona of no marked trait, who forgets nothing.
pub(super) fn plain() -> Persona {
    Persona {
        extravert: false,
        intuitive: false,
        feeling: false,
        judging: true,
        income: Level::Medium,
        education: Level::Medium,
        verbosity: Level::Medium,
        recall: Level::High,
        culture: Culture::default(),
        emotion: Emotion::default(),
    }
}

/// What follows from `messages`.
pub(super) fn play(script: &PatientScript, messages: &[&str]) -> Consultation {
    let patient = Patient::new(script, Limits::default());
    let mut consultation = patient.open();
    for message in messages {
        patient.answer(&mut consultation, message);
    }
    consultation
}

/// The facts told in a turn.
pub(super) fn told(consultation: &Consultation, turn: usize) -> Vec<&str> {
    consultation.turns[turn].told.iter().map(FactId::as_str).collect()
}
