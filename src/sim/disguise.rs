//! Names of the hidden diagnosis in disguise: with letters that look alike, marks inside a word, a slip of one letter, or said
//! as what they mean.
//!
//! [`forbidden`](crate::sim::forbidden) finds names as they are written. Words that rules put together have no others; a model's may.

use crate::data::speech::look_alikes::as_seen;
use crate::sim::forbidden::names_any;
use crate::sim::heard::Scene;
use crate::sim::played::veiled::own_words;

/// A word of so many letters or more may have one letter wrong and is still that word; shorter ones have too many neighbours.
const LONG: usize = 8;
/// A name of so many letters or more is recognised when it is taken apart (`append icitis`); of fewer, other words come to it by chance.
const APART: usize = 6;

/// Names that mean an inflammation, by how their word ends, with the first letters of words for what is inflamed.
const INFLAMED: &[(&str, &[&str])] = &[
    ("appendicitis", &["appendix"]),
    ("arthritis", &["joint"]),
    ("balanitis", &["foreskin", "glans"]),
    ("bronchiolitis", &["bronchi", "airway"]),
    ("bronchitis", &["bronch", "airway"]),
    ("bursitis", &["bursa"]),
    ("carditis", &["heart"]),
    ("cholangitis", &["bile duct"]),
    ("cholecystitis", &["gallbladder", "gall bladder"]),
    ("colitis", &["colon", "bowel", "gut"]),
    ("conjunctivitis", &["eye", "conjunctiva"]),
    ("cystitis", &["bladder"]),
    ("dermatitis", &["skin"]),
    ("diverticulitis", &["diverticul", "bowel", "colon"]),
    ("encephalitis", &["brain"]),
    ("enteritis", &["bowel", "gut", "intestin"]),
    ("epididymitis", &["epididym", "testicle"]),
    ("epiglottitis", &["epiglottis"]),
    ("esophagitis", &["gullet", "esophagus", "oesophagus"]),
    ("gastritis", &["stomach"]),
    ("gingivitis", &["gum"]),
    ("hepatitis", &["liver"]),
    ("iritis", &["iris", "eye"]),
    ("labyrinthitis", &["inner ear"]),
    ("laryngitis", &["larynx", "voice box"]),
    ("mastitis", &["breast"]),
    ("mastoiditis", &["mastoid"]),
    ("meningitis", &["meninges", "lining of my brain", "brain"]),
    ("myositis", &["muscle"]),
    ("nephritis", &["kidney"]),
    ("neuritis", &["nerve"]),
    ("orchitis", &["testicle"]),
    ("osteomyelitis", &["bone"]),
    ("otitis", &["ear"]),
    ("pancreatitis", &["pancreas"]),
    ("parotitis", &["parotid"]),
    ("peritonitis", &["peritoneum"]),
    ("pharyngitis", &["pharynx", "throat"]),
    ("phlebitis", &["vein"]),
    ("prostatitis", &["prostate"]),
    ("rhinitis", &["nose", "nasal"]),
    ("sinusitis", &["sinus"]),
    ("synovitis", &["joint"]),
    ("tendinitis", &["tendon"]),
    ("tendonitis", &["tendon"]),
    ("thyroiditis", &["thyroid"]),
    ("tonsillitis", &["tonsil"]),
    ("urethritis", &["urethra"]),
    ("uveitis", &["uvea", "eye"]),
    ("vaginitis", &["vagina"]),
    ("vasculitis", &["blood vessel"]),
];

/// Whether `text` names the diagnosis that `scene`'s patient hides, as it is written or in disguise. What the patient's own
/// words on the record say may be said: nobody is given away by it who was not before.
pub fn gives_away(scene: &Scene<'_>, text: &str) -> bool {
    let names = &scene.script.forbidden;
    if names_any(text, names) {
        return true;
    }
    let (seen, names) = (as_seen(text), names.iter().map(|name| as_seen(name)).collect::<Vec<_>>());
    let whole = without_marks(&seen);
    if names_any(&seen, &names) || names_any(&whole, &names) {
        return true;
    }
    let (apart, joined) = (words(&seen), words(&whole));
    let open = |passage: &[&str]| is_on_record(scene, passage);
    names.iter().map(|name| words(name)).filter(|name| !name.is_empty()).any(|name| {
        is_taken_apart(&apart, &name, &open)
            || is_misspelled(scene, &joined, &name, &open)
            || is_paraphrased(&apart, &name, &open)
    })
}

/// Runs of letters and digits.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

/// `text` in letters, digits and spaces alone: `append-icitis` is one word.
fn without_marks(text: &str) -> String {
    let joined = |word: &str| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    text.split_whitespace().map(joined).collect::<Vec<_>>().join(" ")
}

/// Whether the patient's own texts on the record, with the first sentence, hold every word of `passage`.
fn is_on_record(scene: &Scene<'_>, passage: &[&str]) -> bool {
    let sayable = |text: &String| !names_any(text, &scene.script.forbidden);
    let mut own: Vec<String> = scene.script.facts.iter().filter_map(own_words).filter(sayable).collect();
    own.push(scene.so_far.opening.clone());
    let own = as_seen(&own.join("\n"));
    let own = words(&own);
    passage.iter().all(|word| own.contains(word))
}

/// Whether several of `words` in a row are `name` when written without the spaces.
fn is_taken_apart(words: &[&str], name: &[&str], open: &dyn Fn(&[&str]) -> bool) -> bool {
    let name = name.concat();
    if name.len() < APART {
        return false;
    }
    (0..words.len()).any(|from| {
        let mut said = String::new();
        for (more, word) in words[from..].iter().enumerate() {
            said.push_str(word);
            if !said.starts_with(&name) && !name.starts_with(&said) {
                return false;
            }
            if more > 0 && is_plural(&said, &name) && !open(&words[from..=from + more]) {
                return true;
            }
        }
        false
    })
}

/// Whether `words` hold `name` with a letter wrong in a long word of it, and what is there instead is no other word that the lexicon
/// or the record knows.
fn is_misspelled(scene: &Scene<'_>, words: &[&str], name: &[&str], open: &dyn Fn(&[&str]) -> bool) -> bool {
    let slip = |word: &str, want: &str| {
        !is_plural(word, want) && is_slip(word, want) && !open(&[word]) && !is_in_lexicon(scene, word)
    };
    words
        .windows(name.len())
        .any(|run| run.iter().zip(name).all(|(word, want)| is_plural(word, want) || slip(word, want)))
}

/// Whether `words` say of the organ that `name` means that it is inflamed.
fn is_paraphrased(words: &[&str], name: &[&str], open: &dyn Fn(&[&str]) -> bool) -> bool {
    let inflamed: Vec<&&str> = words.iter().filter(|word| word.starts_with("inflam")).collect();
    let meant = INFLAMED.iter().filter(|(ending, _)| name.iter().any(|word| word.ends_with(ending)));
    let mut organs = meant.flat_map(|(_, organs)| organs.iter());
    !inflamed.is_empty()
        && organs.any(|organ| {
            let organ = self::words(organ);
            words.windows(organ.len()).any(|run| {
                let named = run.iter().zip(&organ).all(|(word, want)| is_organ(word, want));
                named && inflamed.iter().any(|word| !open(&[run, &[**word][..]].concat()))
            })
        })
}

/// Short words of organs are whole words (`ear` is not `early`), of long ones the beginning tells.
fn is_organ(word: &str, organ: &str) -> bool {
    is_plural(word, organ) || (organ.len() > 4 && word.starts_with(organ))
}

fn is_plural(word: &str, want: &str) -> bool {
    word.strip_prefix(want).is_some_and(|rest| matches!(rest, "" | "s" | "es"))
}

fn is_in_lexicon(scene: &Scene<'_>, word: &str) -> bool {
    let mut concepts = scene.lexicon.iter();
    concepts.any(|concept| {
        let mut names = std::iter::once(&concept.name).chain(&concept.phrases);
        names.any(|name| words(&as_seen(name)).contains(&word))
    })
}

/// Whether `word` is `want`, a long word, but for one letter that is missing, too many, another, or has changed places with the next.
fn is_slip(word: &str, want: &str) -> bool {
    let [word, want] = [word, want].map(|text| text.chars().collect::<Vec<char>>());
    if want.len() < LONG || word.len() + 1 < LONG || !word.iter().chain(&want).all(|c| c.is_alphabetic()) {
        return false;
    }
    let same = word.iter().zip(&want).take_while(|(one, other)| one == other).count();
    let (word, want) = (&word[same..], &want[same..]);
    match (word, want) {
        ([], []) => false,
        ([_, rest @ ..], _) if rest == want => true,
        (_, [_, rest @ ..]) if rest == word => true,
        ([_, rest @ ..], [_, other @ ..]) if rest == other => true,
        ([one, two, rest @ ..], [first, second, other @ ..]) => {
            (one, two) == (second, first) && rest == other
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::Lexicon;
    use crate::data::utterance::Understanding;
    use crate::sim::sample::{plain, play, script};

    fn gives(names: &[&str], own: Option<&str>, text: &str) -> bool {
        let mut script = script(plain(), 1);
        script.forbidden = names.iter().map(|it| (*it).to_owned()).collect();
        if let Some(own) = own {
            script.facts[0].said = Some(own.to_owned());
        }
        let so_far = play(&script, &[]);
        let scene = Scene::new(&script, &so_far, "", Understanding::bundled(), Lexicon::bundled());
        gives_away(&scene, text)
    }

    #[test]
    fn a_disguised_name_is_a_name() {
        for (name, text) in [
            ("appendicitis", "It is append-icitis."),
            ("appendicitis", "I have appendicits."),
            ("appendicitis", "I have appendicitsi."),
            ("appendicitis", "It is \u{430}ppendicitis."),
            ("appendicitis", "It is append icitis."),
            ("appendicitis", "My appendix is inflamed."),
            ("appendicitis", "It's the inflammation of the appendix."),
            ("stable angina", "I have stable an-gina."),
            ("stable angina", "It is stable-angina, or stable-an-gina."),
            ("myocardial infarction", "A myocardial infraction, I think."),
            ("acute cholecystitis", "My gall bladder is inflamed."),
            ("otitis media", "It is an inflammation of the middle ear."),
        ] {
            assert!(gives(&[name], None, text), "{name}: {text}");
        }
    }

    #[test]
    fn innocent_words_stay() {
        for (name, text) in [
            ("appendicitis", "My stomach is inflamed."),
            ("appendicitis", "It appended itself."),
            ("type 1 diabetes", "I have type 2 diabetes."),
            ("hepatitis a", "I had a hepatitis b jab."),
            ("otitis media", "It came on early, and the skin is inflamed."),
            ("hypertension", "I have low blood pressure, hypotension they call it."),
            ("concussion", "There was some confusion."),
            ("asthma", "As the mat was wet I fell."),
            ("gout", "I go out a lot."),
            ("bronchitis", "I had bronchiolitis as a child."),
            // One letter off, and a word of its own.
            ("contusion", "There was some confusion."),
        ] {
            assert!(!gives(&[name], None, text), "{name}: {text}");
        }
    }

    #[test]
    fn what_the_record_has_the_patient_say_is_no_disguise() {
        let own = Some("My big joint is hot and inflamed.");
        assert!(!gives(&["gouty arthritis"], own, "The joint is inflamed."));
        assert!(gives(&["gouty arthritis"], None, "The joint is inflamed."));
        assert!(!gives(&["fracture"], Some("I fractured it as a boy."), "I fractured it."));
        assert!(gives(&["fracture"], Some("I fractured it as a boy."), "It is a fracture."));
    }
}
