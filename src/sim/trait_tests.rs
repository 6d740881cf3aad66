//! What each value of a persona leads to in the rule-based patient: the table of `docs/patient.md`, row by row.

use std::ops::RangeInclusive;

use crate::data::case::{Age, Fact, FactId};
use crate::sim::persona::{Culture, Emotion, Level, Persona};
use crate::sim::phrases as say;
use crate::sim::played::sentences::sentences;
use crate::sim::sample::{plain, play, script};

/// So many patients differ in nothing but the seed of their wording.
const PATIENTS: u64 = 192;
const WHEN: &str = "When did it start?";
const VERDICT: &str = "This could be pneumonia.";
const DRUG: &str = "I will prescribe amoxicillin.";
const REFERRAL: &str = "I will arrange a cardiology referral.";
const SCAN: &str = "I will order a ct scan now.";
const BLOOD: &str = "I will order a blood test now.";

/// How many of [`PATIENTS`] say what a chance of one in two, three, four, eight leads to, within five standard deviations.
const HALF: RangeInclusive<usize> = 62..=130;
const THIRD: RangeInclusive<usize> = 32..=96;
const FOURTH: RangeInclusive<usize> = 18..=78;
const EIGHTH: RangeInclusive<usize> = 1..=47;
const ALL: RangeInclusive<usize> = PATIENTS as usize..=PATIENTS as usize;
const NONE: RangeInclusive<usize> = 0..=0;

/// The replies to the last of `messages`.
fn aged(persona: &Persona, years: u32, messages: &[&str]) -> Vec<String> {
    let reply = |seed| {
        let mut script = script(persona.clone(), seed);
        script.stratum.age = Age::new(years);
        let so_far = play(&script, messages);
        assert_eq!(so_far.turns.len(), messages.len(), "{so_far:?}");
        so_far.turns.last().and_then(|turn| turn.patient.clone()).unwrap()
    };
    (0..PATIENTS).map(reply).collect()
}

fn replies(persona: &Persona, messages: &[&str]) -> Vec<String> {
    aged(persona, 61, messages)
}

/// How many of `replies` hold one of `phrases`.
fn count(replies: &[String], phrases: &[&str]) -> usize {
    replies.iter().filter(|reply| phrases.iter().any(|phrase| reply.contains(phrase))).count()
}

/// Asserts how many say one of `phrases` to the last of `messages`: with `persona`, and without its mark none.
fn marks(persona: Persona, messages: &[&str], phrases: &[&str], often: RangeInclusive<usize>) {
    let (with, without) = (replies(&persona, messages), replies(&plain(), messages));
    let found = count(&with, phrases);
    assert!(often.contains(&found), "{found} of {PATIENTS} say {phrases:?}, e.g. {:?}", with.first());
    assert_eq!(count(&without, phrases), 0, "{phrases:?} without {persona:?}");
}

#[test]
fn low_income_resists_what_is_expensive_and_asks_the_price_of_the_rest() {
    let poor = || Persona { income: Level::Low, ..plain() };
    for expensive in [SCAN, REFERRAL, "I will prescribe salbutamol."] {
        marks(poor(), &[expensive], say::TOO_EXPENSIVE, ALL);
    }
    marks(poor(), &[SCAN, "I will order a mri scan now."], say::TOO_EXPENSIVE, HALF);
    for cheap in [BLOOD, DRUG] {
        marks(poor(), &[cheap], say::COST, HALF);
        assert_eq!(count(&replies(&poor(), &[cheap]), say::TOO_EXPENSIVE), 0);
    }
}

#[test]
fn high_income_offers_to_pay_for_the_quick_way() {
    marks(Persona { income: Level::High, ..plain() }, &[SCAN], say::QUICK_WAY, THIRD);
}

#[test]
fn education_asks_for_reasons_or_for_plain_words() {
    for news in [VERDICT, DRUG] {
        marks(Persona { education: Level::High, ..plain() }, &[news], say::WHY, ALL);
    }
    let low = || Persona { education: Level::Low, ..plain() };
    marks(low(), &[VERDICT], say::PLAIN_WORDS, HALF);
    marks(low(), &["the pain car banana"], say::NOT_UNDERSTOOD_PLAIN, ALL);
}

#[test]
fn each_culture_takes_a_proposal_in_its_own_way() {
    let of = |culture| Persona { culture, ..plain() };
    let disagree = |culture| count(&replies(&of(culture), &[DRUG]), say::DISAGREE);
    assert!(THIRD.contains(&disagree(Culture::Equal)));
    for other in [Culture::Deferential, Culture::Family, Culture::HomeCare] {
        assert_eq!(disagree(other), 0, "{other:?}");
    }
    marks(of(Culture::Deferential), &[DRUG], say::NOTED_DEFERENTIAL, ALL);
    for large in [VERDICT, DRUG, REFERRAL] {
        marks(of(Culture::Family), &[large], say::ASK_AT_HOME, HALF);
    }
    marks(of(Culture::HomeCare), &[DRUG], say::BY_ITSELF, HALF);
    // Who was taught not to ask why asks for no proof, however educated.
    let taught = Persona { education: Level::High, ..of(Culture::Deferential) };
    assert_eq!(count(&replies(&taught, &[VERDICT]), say::WHY), 0);
    marks(taught, &[VERDICT], say::EXPLAIN, ALL);
}

#[test]
fn each_emotion_has_its_words() {
    let of = |emotion| Persona { emotion, ..plain() };
    let later = ["Any fever?", "Any cough?", "Do you smoke?", WHEN];
    marks(of(Emotion::Afraid), &[WHEN], say::AFRAID, EIGHTH);
    marks(of(Emotion::Afraid), &[VERDICT], say::REASSURE, ALL);
    marks(of(Emotion::Afraid), &[BLOOD], say::REASSURE, THIRD);
    marks(of(Emotion::Irritable), &later, say::IRRITABLE, EIGHTH);
    marks(of(Emotion::Irritable), &["Any fever?", "Do you have a fever?"], &[say::TOLD_ALREADY], ALL);
    marks(of(Emotion::Irritable), &["the pain car banana"], say::NOT_UNDERSTOOD_IRRITABLE, ALL);
    marks(of(Emotion::Downcast), &[WHEN], say::DOWNCAST, EIGHTH);
    marks(
        Persona { culture: Culture::HomeCare, ..of(Emotion::Downcast) },
        &[DRUG],
        say::NOTED_DOWNCAST,
        HALF,
    );
}

/// What else is said to news goes before it; `docs/patient.md` has the order.
#[test]
fn the_afraid_look_for_reassurance_where_nothing_else_is_said() {
    let afraid = || Persona { emotion: Emotion::Afraid, ..plain() };
    for (other, phrases) in [
        (Persona { education: Level::High, ..afraid() }, say::WHY),
        (Persona { extravert: true, ..afraid() }, say::PLAN),
    ] {
        let replies = replies(&other, &[VERDICT]);
        let counted = (count(&replies, phrases), count(&replies, say::REASSURE));
        assert_eq!(counted, (PATIENTS as usize, 0), "{other:?}");
    }
    for (other, phrases) in [
        (Persona { education: Level::Low, ..afraid() }, say::PLAIN_WORDS),
        (Persona { culture: Culture::Family, ..afraid() }, say::ASK_AT_HOME),
    ] {
        let replies = replies(&other, &[VERDICT]);
        let (said, reassured) = (count(&replies, phrases), count(&replies, say::REASSURE));
        assert!(
            HALF.contains(&said) && said + reassured == PATIENTS as usize,
            "{said} {reassured} {other:?}"
        );
    }
}

#[test]
fn verbosity_says_how_often_a_mood_is_voiced() {
    let voiced = |verbosity| {
        let persona = Persona { emotion: Emotion::Afraid, verbosity, ..plain() };
        count(&replies(&persona, &[WHEN]), say::AFRAID)
    };
    let [low, high] = [Level::Low, Level::High].map(voiced);
    assert!(0 < low && low < high, "{low} {high}");
}

#[test]
fn verbosity_says_how_many_facts_of_a_topic_are_told() {
    let told = |verbosity| {
        let mut script = script(Persona { verbosity, ..plain() }, 1);
        let first = script.facts.iter().find(|fact| fact.id.as_str() == "metformin").unwrap().clone();
        for drug in ["ramipril", "omeprazole", "atorvastatin", "levothyroxine"] {
            let (id, said) = (FactId(drug.into()), Some(format!("I take {drug}.")));
            script.facts.push(Fact { id, concept: drug.into(), said, ..first.clone() });
        }
        play(&script, &["Do you take any medication?"]).turns[0].told.len()
    };
    assert_eq!([Level::Low, Level::Medium, Level::High].map(told), [2, 3, 4]);
}

#[test]
fn each_age_has_its_words() {
    let said = |years, message, phrases| count(&aged(&plain(), years, &[message]), phrases);
    let (all, none) = (PATIENTS as usize, 0);
    assert!(FOURTH.contains(&said(80, WHEN, say::THINKING)));
    assert_eq!(said(61, WHEN, say::THINKING), none);
    let nonsense = "the pain car banana";
    assert_eq!(said(80, nonsense, say::NOT_UNDERSTOOD_OLDER), all);
    assert_eq!(said(61, nonsense, say::NOT_UNDERSTOOD), all);
    let unknown = "What was your blood pressure?";
    for years in [8, 15, 25] {
        assert_eq!(said(years, unknown, say::NOT_KNOWN_CASUAL), all, "{years}");
        assert_eq!(said(years, "Hello.", say::HELLO_CASUAL), all, "{years}");
    }
    assert_eq!((said(61, unknown, say::NOT_KNOWN), said(80, unknown, say::NOT_KNOWN)), (all, all));
    assert_eq!((said(61, "Hello.", say::HELLO), said(80, "Hello.", say::HELLO_FORMAL)), (all, all));
    assert_eq!(said(15, "Do you use any recreational drugs?", say::RATHER_NOT_ADOLESCENT), all);
    let forgetful = Persona { recall: Level::Low, ..plain() };
    let dose = aged(&forgetful, 80, &["What dose of metformin do you take?"]);
    assert!(HALF.contains(&count(&dose, say::FORGOTTEN_OLDER)));
}

#[test]
fn extraverts_ask_about_treatment_before_long_and_introverts_never() {
    let messages = [
        "Any fever?",
        "Any cough?",
        WHEN,
        "Where is the pain?",
        "Do you smoke?",
        "Any sweating?",
        "Do you take any medication?",
        "Are you allergic to penicillin?",
        "Do you have a headache?",
    ];
    for (years, phrases) in [(25, say::TREATMENT_YOUNG), (61, say::TREATMENT_MIDDLE), (80, say::TREATMENT)] {
        for (extravert, asks) in [(true, true), (false, false)] {
            for seed in 0..40 {
                let mut script = script(Persona { extravert, ..plain() }, seed);
                script.stratum.age = Age::new(years);
                let so_far = play(&script, &messages);
                assert_eq!(so_far.turns.len(), messages.len(), "{so_far:?}");
                let said = so_far.patients_words();
                assert_eq!(phrases.iter().any(|phrase| said.contains(phrase)), asks, "{said}");
            }
        }
    }
    let outgoing = |judging| Persona { extravert: true, judging, ..plain() };
    marks(outgoing(true), &[VERDICT], say::PLAN, ALL);
    marks(outgoing(false), &[VERDICT], say::WHAT_TO_DO, ALL);
}

#[test]
fn the_other_sides_of_the_type_show_in_words_and_order() {
    let two = "Do you smoke? When did it start?";
    marks(Persona { intuitive: true, ..plain() }, &[two], say::ALL_IN_ALL, HALF);
    let at_the_end = ["What brings you in?", "Have you been sweating?", "Anything else?"];
    marks(Persona { intuitive: true, ..plain() }, &at_the_end, say::ALL_SAID_WHOLE, ALL);
    assert_eq!(count(&replies(&plain(), &at_the_end), say::ALL_SAID), PATIENTS as usize);
    marks(Persona { feeling: true, ..plain() }, &[WHEN], say::UNEASY, EIGHTH);
    marks(Persona { feeling: true, ..plain() }, &["Just answer me."], say::HURT, ALL);
    let last_first = |judging| {
        let replies = replies(&Persona { judging, ..plain() }, &[two]);
        replies.iter().filter(|reply| reply.starts_with("It began")).count()
    };
    assert!(THIRD.contains(&last_first(false)) && NONE.contains(&last_first(true)));
}

#[test]
fn an_answer_gets_at_most_one_sentence_before_and_one_after() {
    for seed in 0..400 {
        let mut script = script(Persona::draw(seed), seed);
        script.stratum.age = Age::new((seed % 90) as u32);
        let so_far = play(&script, &["Any fever?", "Any cough?", "Do you smoke?", "Any sweating?", WHEN]);
        for turn in &so_far.turns {
            let reply = turn.patient.as_deref().unwrap_or_default();
            assert!((1..=3).contains(&sentences(reply).len()), "{reply}");
        }
    }
}
