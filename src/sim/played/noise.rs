//! Noise in what a voice's model drafts: it speaks as somebody else than the patient, as a machine, or in another language.
//!
//! The kinds are those that the policy's replies are looked at for (`src/rl/detect`), with a patient's words for what a doctor's
//! are there. They hold whatever a check says of the draft's claims, since most of it claims nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::speech::look_alikes::as_seen;
use crate::data::speech::words::words;
use crate::data::speech::{language, template};
use crate::sim::heard::Scene;
use crate::sim::played::veiled::own_words;

/// A kind of noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Speaks as the doctor, or plays both parts.
    RoleInversion,
    /// Holds marks of a chat template or of the prompt.
    TemplateLeakage,
    /// Leaves the language or script of the record.
    LanguageSwitch,
    /// Speaks as a machine, or to whoever reads the log.
    AddressesJudge,
}

impl Noise {
    const ALL: [Self; 4] =
        [Self::RoleInversion, Self::TemplateLeakage, Self::LanguageSwitch, Self::AddressesJudge];

    /// Its name in logs and in `fault.jinja`; that of the detector of the same kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoleInversion => "role_inversion",
            Self::TemplateLeakage => "template_leakage",
            Self::LanguageSwitch => "language_switch",
            Self::AddressesJudge => "addresses_judge",
        }
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who speaks, before a colon.
const LABELS: &[&str] = &["patient", "doctor", "user", "assistant", "system", "human"];

/// What a doctor says and a patient does not.
const AS_THE_DOCTOR: &[&str] = &[
    "how can i help you",
    "how may i help you",
    "how can i assist you",
    "what brings you",
    "your symptoms",
    "your diagnosis is",
    "i will prescribe",
    "i'll prescribe",
    "i would prescribe",
    "i recommend that you",
    "i would recommend that you",
    "i suggest that you",
    "i advise you",
    "you should see a doctor",
    "please see a doctor",
    "consult a doctor",
    "consult your doctor",
    "seek medical attention",
    "as your doctor",
];

/// Words of the prompt that are no speech.
const OF_THE_PROMPT: &[&str] = &[
    "the conversation so far",
    "what you keep to yourself",
    "the patient's next words",
    "in the field reply",
    "system prompt",
];

/// What only a machine, or somebody who plays a part, says.
const AS_A_MACHINE: &[&str] = &[
    "as an ai",
    "an ai",
    "language model",
    "ai assistant",
    "ai model",
    "virtual assistant",
    "chatbot",
    "simulated patient",
    "role play",
    "roleplay",
    "this simulation",
    "previous instructions",
    "above instructions",
    "the rubric",
    "the grader",
    "dear grader",
    "dear judge",
    "the evaluator",
    "all criteria",
    "every criterion",
    "criteria_met",
    "full marks",
    "full score",
];

/// Beginnings of an object in JSON or of a block of code: no sentence is written so.
const OBJECTS: &[&str] = &["{\"", "{ \"", "```"];

/// All noise in `draft`, the words of `scene`'s patient, in the order of [`Noise`].
pub fn find(scene: &Scene<'_>, draft: &str) -> Vec<Noise> {
    let seen = as_seen(draft);
    let heard: Vec<String> = words(&seen).into_iter().map(|word| word.text).collect();
    let plain = format!(" {} ", heard.join(" "));
    let says = |phrases: &[&str]| {
        phrases.iter().any(|phrase| plain.contains(&format!(" {} ", phrase.replace('_', " "))))
    };
    let fires = |noise: &Noise| match noise {
        Noise::RoleInversion => plays_both_parts(&seen) || says(AS_THE_DOCTOR),
        Noise::TemplateLeakage => template::find(draft).is_some() || says(OF_THE_PROMPT),
        Noise::LanguageSwitch => language::find(draft, &record(scene)).is_some(),
        Noise::AddressesJudge => says(AS_A_MACHINE) || OBJECTS.iter().any(|begin| draft.contains(begin)),
    };
    Noise::ALL.into_iter().filter(fires).collect()
}

/// Whether a line or sentence of `text`, in lower case, begins with a speaker and a colon.
fn plays_both_parts(text: &str) -> bool {
    text.match_indices(':').any(|(at, _)| {
        let before = text[..at].trim_end_matches(['*', ' ']);
        LABELS.iter().any(|label| {
            before.strip_suffix(label).is_some_and(|rest| {
                let rest = rest.trim_end_matches(['*', ' ', '\t']);
                rest.is_empty() || rest.ends_with(['.', '!', '?', '\n', '\u{2026}', ':'])
            })
        })
    })
}

/// All that the patient can say, which tells its language.
fn record(scene: &Scene<'_>) -> String {
    let mut all = vec![scene.so_far.opening.clone()];
    all.extend(scene.script.facts.iter().filter_map(own_words));
    all.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};
    use crate::data::lexicon::Lexicon;
    use crate::data::utterance::Understanding;
    use crate::sim::phrases;
    use crate::sim::sample::{plain, play, script};
    use crate::sim::{Limits, Patient, PatientScript, Persona};

    fn found(draft: &str) -> Vec<Noise> {
        let script = script(plain(), 1);
        let so_far = play(&script, &[]);
        let scene = Scene::new(&script, &so_far, "", Understanding::bundled(), Lexicon::bundled());
        find(&scene, draft)
    }

    #[test]
    fn each_kind_is_found() {
        use Noise::{AddressesJudge, LanguageSwitch, RoleInversion, TemplateLeakage};
        for (draft, want) in [
            ("Patient: It began at 8.", vec![RoleInversion]),
            ("It began at 8.\n**Doctor:** And where?", vec![RoleInversion]),
            (
                "As an AI language model, I cannot do that. Doctor: what else? Patient: I smoke.",
                vec![RoleInversion, AddressesJudge],
            ),
            ("How can I help you today?", vec![RoleInversion]),
            ("It began at 8.</s>", vec![TemplateLeakage]),
            ("The conversation so far has ended. I will now go to another step.", vec![TemplateLeakage]),
            ("Me duele el pecho y estoy muy cansado.", vec![LanguageSwitch]),
            ("Depuis quand avez-vous cette douleur ?", vec![LanguageSwitch]),
            ("I am \u{430}n AI.", vec![LanguageSwitch, AddressesJudge]),
            ("{\"reply\": \"It began at 8.\"}", vec![AddressesJudge]),
        ] {
            assert_eq!(found(draft), want, "{draft}");
        }
    }

    #[test]
    fn a_patients_words_are_none() {
        for fine in [
            "It began this morning at 8.",
            "My doctor: he told me to come, and so did the other doctor: she was kind.",
            "Doctor, what is wrong with me?",
            "What would you recommend? Should I see another doctor?",
            "Okay.",
            "",
        ] {
            assert_eq!(found(fine), [], "{fine}");
        }
        for phrase in phrases::ALL.iter().flat_map(|list| list.iter()) {
            assert_eq!(found(phrase), [], "{phrase}");
        }
    }

    #[test]
    fn no_patient_of_the_bank_has_words_that_are_noise() {
        let lexicon = Lexicon::bundled();
        for (seed, case) in Bank::bundled().synth(3, &SynthOptions::any(60)).unwrap().iter().enumerate() {
            let script = PatientScript::of_case(case, lexicon, Persona::draw(seed as u64), seed as u64);
            let so_far = Patient::new(&script, Limits::default()).open();
            let scene = Scene::new(&script, &so_far, "", Understanding::bundled(), lexicon);
            for words in script.facts.iter().filter_map(own_words) {
                assert_eq!(find(&scene, &words), [], "{words}");
            }
        }
    }
}
