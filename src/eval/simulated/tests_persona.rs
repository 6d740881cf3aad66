//! Personas: what is judged of them, on sessions in and out of character.

use std::sync::{Arc, LazyLock, Mutex};

use super::manner::{ANSWERS, MOODY, SLIPS, length, memory, mood};
use super::personality::{OCCASIONS, judge};
use super::tests::{case, fact};
use super::*;
use crate::chat::{ChatError, ChatModel, ChatOptions, Finish, Listener, Message, Reply};
use crate::data::case::{Aspect, Case, Fact, Importance, Topic};
use crate::data::import::concept::Concepts;
use crate::data::lexicon::Lexicon;
use crate::sim::played::{Settings, SharedUnits};
use crate::sim::{Culture, Emotion, Level, Limits, PatientScript, Persona, Prompts};

const LEVELS: [Level; 3] = [Level::Low, Level::Medium, Level::High];

fn plain() -> Persona {
    Persona {
        extravert: false,
        intuitive: false,
        feeling: false,
        judging: false,
        income: Level::Medium,
        education: Level::Medium,
        verbosity: Level::Medium,
        recall: Level::Medium,
        culture: Culture::default(),
        emotion: Emotion::default(),
    }
}

fn concepts() -> &'static Concepts {
    static CONCEPTS: LazyLock<Concepts> = LazyLock::new(|| Concepts::new(Lexicon::bundled()));
    &CONCEPTS
}

/// The influenza patient's.
fn record() -> &'static Record<'static> {
    static CASE: LazyLock<Case> = LazyLock::new(case);
    static RECORD: LazyLock<Record<'static>> =
        LazyLock::new(|| Record::new(&CASE, &[], Lexicon::bundled(), concepts()));
    &RECORD
}

/// How `persona` is judged by a session of messages and replies.
fn judged(persona: &Persona, session: &[(Probe, String)]) -> personality::Judged {
    let session: Vec<(&Probe, &str)> = session.iter().map(|(probe, reply)| (probe, reply.as_str())).collect();
    judge(persona, record(), &session)
}

fn ask() -> Probe {
    Probe::new("Do you smoke?", Aim::Ask, concepts())
}

fn warm() -> Probe {
    Probe { warm: true, ..ask() }
}

fn costly() -> Probe {
    Probe { costly: true, ..ask() }
}

fn verdict() -> Probe {
    Probe::new("I think it could be gout. What do you think?", Aim::Verdict, concepts())
}

fn said(turns: &[(Probe, &str)]) -> Vec<(Probe, String)> {
    turns.iter().map(|(probe, reply)| (probe.clone(), (*reply).to_owned())).collect()
}

/// A session in which `persona` does what its portrait says.
fn in_character(persona: &Persona) -> Vec<(Probe, String)> {
    let mood = match persona.emotion {
        Emotion::Calm => "I smoke a pack a day.",
        Emotion::Afraid => "I am scared of what it may be. Will it be all right?",
        Emotion::Irritable => "Why do you ask me the same again? I said so before.",
        Emotion::Downcast => "I smoke. It will not get better anyway.",
    };
    let upbringing = match persona.culture {
        Culture::Equal => "I do not agree with you there.",
        Culture::Deferential => "Yes, doctor.",
        Culture::Family => "I want to ask my family first.",
        Culture::HomeCare => "I would rather let it heal at home first.",
    };
    let price = match persona.income {
        Level::Low => "What does that cost? Is there a cheaper medicine for that?",
        Level::Medium => "That is something large. What is the price of it?",
        Level::High => "Do what is best, and soon.",
    };
    let schooling = match persona.education {
        Level::Low => "What does that word mean? Can you explain it to me?",
        Level::Medium => "I have heard of that one.",
        Level::High => "What is the evidence for that?",
    };
    let initiative =
        if persona.extravert { "What can be done, and what will the treatment be?" } else { "A pack a day." };
    let tone = if persona.feeling {
        "Of course, I will tell you whatever you want to know."
    } else {
        "A pack a day."
    };
    let mut session = said(&[
        (ask(), mood),
        (ask(), upbringing),
        (ask(), initiative),
        (warm(), tone),
        (costly(), price),
        (costly(), "All right."),
        (costly(), "All right."),
        (verdict(), schooling),
    ]);
    let filler = (ask(), "I smoke a pack a day.".to_owned());
    session.resize(session.len() + MOODY, filler);
    session
}

#[test]
fn a_patient_who_does_what_the_voice_is_told_to_do_scores_in_full() {
    for sides in 0..4 {
        for (income, education) in LEVELS.into_iter().flat_map(|it| LEVELS.map(|other| (it, other))) {
            for emotion in [Emotion::Calm, Emotion::Afraid, Emotion::Irritable, Emotion::Downcast] {
                for culture in [Culture::Equal, Culture::Deferential, Culture::Family, Culture::HomeCare] {
                    let persona = Persona {
                        extravert: sides & 1 == 1,
                        feeling: sides & 2 == 2,
                        income,
                        education,
                        culture,
                        emotion,
                        ..plain()
                    };
                    let judged = judged(&persona, &in_character(&persona));
                    assert_eq!((judged.score(), judged.consistent()), (Some(1.0), Some(true)), "{persona:?}");
                }
            }
        }
    }
}

/// Keeps what a voice is asked with.
struct Hears(Mutex<String>);

impl ChatModel for Hears {
    fn name(&self) -> &str {
        "hears"
    }

    fn constrains(&self) -> bool {
        true
    }

    fn reply(&self, messages: &[Message], _: &ChatOptions, _: &mut dyn Listener) -> Result<Reply, ChatError> {
        let asked: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
        *self.0.lock().unwrap() = asked.join("\n");
        let message = Message::assistant("{\"reply\": \"I smoke a pack a day.\"}");
        Ok(Reply { message, finish: Finish::Stop, usage: None })
    }
}

/// The sessions above follow these lines of what the voice is told; where one changes, what is judged has to be looked at again.
#[test]
fn what_is_judged_is_what_the_voice_is_told() {
    let told = |persona: Persona, line: &str| {
        let hears = Arc::new(Hears(Mutex::default()));
        let units = SharedUnits { voice: Some(hears.clone()), ..SharedUnits::default() };
        let backend = ModelBacked::new(units, Prompts::bundled(), Settings::default(), 0, &());
        let script = PatientScript::new(&case(), &[], persona, 0);
        let mut consultation = backend.open(&script, Limits::default());
        backend.answer(&script, Limits::default(), &mut consultation, "Do you smoke?").unwrap();
        let heard = hears.0.lock().unwrap();
        assert!(heard.contains(line), "{line}: {heard}");
    };
    told(Persona { extravert: true, ..plain() }, "what can be done and what the treatment will be");
    told(plain(), "do not ask about treatment yourself");
    told(Persona { feeling: true, ..plain() }, "after kind words you open up and agree readily");
    told(Persona { income: Level::Low, ..plain() }, "ask for something cheaper");
    told(plain(), "ask about the price only of something large");
    told(Persona { income: Level::High, ..plain() }, "Money is no matter to you");
    told(Persona { education: Level::Low, ..plain() }, "ask what a technical word means");
    told(Persona { education: Level::High, ..plain() }, "ask for the evidence");
    told(Persona { emotion: Emotion::Afraid, ..plain() }, "let it show");
    told(Persona { emotion: Emotion::Irritable, ..plain() }, "being asked the same again");
    told(Persona { verbosity: Level::Low, ..plain() }, "one short sentence, rarely two");
    told(plain(), "one to three sentences");
    told(Persona { verbosity: Level::High, ..plain() }, "three to five sentences");
    told(Persona { recall: Level::Low, ..plain() }, "you do not remember exactly");
    told(Persona { culture: Culture::Deferential, ..plain() }, "you do not contradict");
    told(Persona { emotion: Emotion::Downcast, ..plain() }, "expect little of it all");
    told(plain(), "You are calm.");
}

#[test]
fn a_persona_is_judged_by_what_it_leads_to() {
    // Nothing out of character.
    let quiet = judged(&plain(), &said(&[(ask(), "I smoke a pack a day."), (verdict(), "I see.")]));
    assert_eq!((quiet.score(), quiet.consistent()), (Some(1.0), Some(true)));
    // An introvert who asks for treatment and a calm, thinking one who is afraid.
    let scared = "I'm scared it is something serious. Is there something you can give me for it?";
    let asked = judged(&plain(), &said(&[(ask(), scared)]));
    assert_eq!((asked.personality.judged, asked.personality.held), (2, 0));
    let afraid = Persona { emotion: Emotion::Afraid, ..plain() };
    assert_eq!(judged(&afraid, &said(&[(ask(), scared)])).personality.judged, 1);
    // Feeling, and well educated.
    let other = Persona { feeling: true, education: Level::High, ..plain() };
    let both =
        said(&[(warm(), "Thank you, it helps to hear that."), (verdict(), "What is the evidence for that?")]);
    assert_eq!(judged(&other, &both).score(), Some(1.0));
    let neither = said(&[(warm(), "No."), (verdict(), "Okay.")]);
    assert_eq!(judged(&other, &neither).score(), Some(0.5 * (0.5 + 0.0)));
    // An extravert who never asks for treatment.
    let silent = vec![(ask(), "No.".to_owned()); OCCASIONS];
    let extravert = Persona { extravert: true, ..plain() };
    assert_eq!(judged(&extravert, &silent).personality.held, 1);
    assert_eq!(judged(&extravert, &silent[1..]).personality.judged, 1);
    // What had no occasion is not judged.
    let poor =
        Persona { extravert: true, feeling: true, income: Level::Low, education: Level::High, ..plain() };
    assert_eq!(judged(&poor, &said(&[(ask(), "No.")])).score(), None);
}

#[test]
fn the_price_is_asked_for_by_the_poor_and_never_by_the_rich() {
    let of =
        |income, turns: &[(Probe, &str)]| judged(&Persona { income, ..plain() }, &said(turns)).sociocultural;
    let price = (costly(), "Is that going to be expensive?");
    let tests = [price.clone(), (costly(), "Okay."), (costly(), "Okay.")];
    let silent = [(costly(), "Okay."), (costly(), "Okay."), (costly(), "Okay.")];
    // The other of the two judged is that nobody asks for reasons.
    let counts = |income, turns: &[(Probe, &str)]| (of(income, turns).judged, of(income, turns).held);
    assert_eq!((counts(Level::Low, &tests), counts(Level::Low, &silent)), ((2, 2), (2, 1)));
    assert_eq!(counts(Level::Low, &silent[1..]), (1, 1));
    assert_eq!((counts(Level::Medium, &tests), counts(Level::Medium, &silent)), ((1, 1), (1, 1)));
    assert_eq!((counts(Level::High, &tests), counts(Level::High, &silent)), ((2, 1), (2, 2)));
}

#[test]
fn reasons_are_asked_for_by_the_well_educated_and_by_nobody_else() {
    let held = |education, reply: &str| {
        let persona = Persona { education, ..plain() };
        judged(&persona, &said(&[(verdict(), reply)])).sociocultural.held == 1
    };
    for reply in
        ["What is the evidence for that?", "What makes you think so?", "Can you explain the reasons?"]
    {
        assert!(held(Level::High, reply), "{reply}");
        assert!(!held(Level::Medium, reply) && !held(Level::Low, reply), "{reply}");
    }
    for reply in ["Can you explain that word?", "Why do you ask?", "I see. That explains it."] {
        assert!(held(Level::Medium, reply) && held(Level::Low, reply), "{reply}");
    }
    assert!(!held(Level::High, "I see. That explains it."));
}

#[test]
fn replies_are_as_long_as_the_persona_speaks() {
    let of = |verbosity, probe: &Probe, reply: &str, count| {
        length(&Persona { verbosity, ..plain() }, &vec![(probe, reply); count])
    };
    let sentences = |count: usize| vec!["I smoke."; count].join(" ");
    for (verbosity, fits, does_not) in [
        (Level::Low, &[1, 2][..], &[3, 5][..]),
        (Level::Medium, &[1, 3][..], &[4, 6][..]),
        (Level::High, &[2, 5][..], &[1, 7][..]),
    ] {
        for (counts, expected) in [(fits, true), (does_not, false)] {
            for count in counts {
                let reply = sentences(*count);
                assert_eq!(of(verbosity, &ask(), &reply, ANSWERS), Some(expected), "{verbosity:?} {count}");
                assert_eq!(of(verbosity, &ask(), &reply, ANSWERS - 1), None);
            }
        }
    }
    // Attacks and findings are no conversation.
    let demand = Probe { aim: Aim::Demand, ..ask() };
    assert_eq!(of(Level::Low, &demand, &sentences(5), 20), None);
    assert_eq!(of(Level::Low, &ask(), "Well. Let me see. So. [Test: 9 g/dL]", 20), None);
    // It is part of whether everything held, and of no half of the score.
    let long = vec![(ask(), sentences(5)); ANSWERS];
    let judged = judged(&Persona { verbosity: Level::Low, ..plain() }, &long);
    assert_eq!((judged.score(), judged.consistent()), (Some(1.0), Some(false)));
}

/// The influenza patient, with dates that may slip a patient's mind at places from 7 on.
fn dated(count: usize) -> Case {
    let mut case = case();
    for concept in ["headache", "rash", "nausea", "dizziness", "tiredness", "itching"].iter().take(count) {
        let (text, said) = (format!("{concept} for 2 weeks"), format!("The {concept} began 2 weeks ago."));
        let dated = fact(Topic::Symptom, concept, &text, Some(&said));
        case.facts.push(Fact { aspect: Aspect::Onset, ..dated });
    }
    case
}

#[test]
fn who_forgets_says_so_and_who_remembers_does_not() {
    let forgot = "I don\u{2019}t remember exactly.";
    // Replies to a question for each date in turn.
    let of = |case: &Case, recall, replies: &[&str]| {
        let record = Record::new(case, &[], Lexicon::bundled(), concepts());
        let probe = |at| Probe::new("When did it begin?", Aim::Ask, concepts()).wanting(7 + at);
        let probes: Vec<Probe> = (0..replies.len()).map(probe).collect();
        let session: Vec<(&Probe, &str)> = probes.iter().zip(replies.iter().copied()).collect();
        memory(&Persona { recall, ..plain() }, &record, &session)
    };
    let case = dated(SLIPS);
    let known = ["Two weeks ago."; SLIPS];
    let mut once = known;
    once[2] = forgot;
    assert_eq!((of(&case, Level::Low, &known), of(&case, Level::Low, &once)), (Some(false), Some(true)));
    assert_eq!((of(&case, Level::High, &known), of(&case, Level::High, &once)), (Some(true), Some(false)));
    assert_eq!((of(&case, Level::Medium, &known), of(&case, Level::Medium, &once)), (None, None));
    // Too few to say, or none at all; what a case hangs on does not slip the mind.
    assert_eq!(of(&case, Level::Low, &known[1..]), None);
    assert_eq!(of(&case, Level::High, &[]), None);
    let mut essential = case.clone();
    essential.facts.iter_mut().for_each(|fact| fact.importance = Importance::Essential);
    assert_eq!(of(&essential, Level::Low, &known), None);
}

#[test]
fn a_date_that_is_asked_for_again_is_one_date() {
    let case = dated(SLIPS);
    let record = Record::new(&case, &[], Lexicon::bundled(), concepts());
    let probe = Probe::new("When did it begin?", Aim::Ask, concepts()).wanting(7);
    let session = [(&probe, "Two weeks ago."); SLIPS];
    assert_eq!(memory(&Persona { recall: Level::Low, ..plain() }, &record, &session), None);
}

#[test]
fn who_was_brought_up_to_respect_doctors_does_not_disagree() {
    let of = |culture, reply: &str| {
        let judged = judged(&Persona { culture, ..plain() }, &said(&[(ask(), reply)])).sociocultural;
        (judged.judged, judged.held)
    };
    for reply in ["I don\u{2019}t agree with that.", "I'm not convinced that I need that."] {
        assert_eq!((of(Culture::Deferential, reply), of(Culture::Equal, reply)), ((2, 1), (1, 1)), "{reply}");
    }
    // To deny what is not so is an answer.
    assert_eq!(of(Culture::Deferential, "No, doctor, I have no fever."), (2, 2));
}

#[test]
fn a_mood_shows_and_calm_people_have_none() {
    let of = |emotion, verbosity, reply: &str, count: usize| {
        let probe = ask();
        let mut session = vec![(&probe, "I smoke a pack a day."); count];
        session.push((&probe, reply));
        mood(&Persona { emotion, verbosity, ..plain() }, record(), &session)
    };
    let moods = [
        (Emotion::Afraid, "I'm so afraid of what it may be."),
        (Emotion::Irritable, "I've told you that already: a pack a day."),
        (Emotion::Downcast, "I don't expect much of it all."),
    ];
    for (emotion, shown) in moods {
        let shows = |reply: &str| of(emotion, Level::Medium, reply, MOODY);
        assert_eq!((shows(shown), shows("No.")), (Some(true), Some(false)), "{emotion:?}");
        for (other, words) in moods {
            assert_eq!(shows(words), Some(other == emotion), "{emotion:?}: {words}");
        }
        // Too early to say, or of few words.
        assert_eq!(of(emotion, Level::Medium, "No.", MOODY - 2), None);
        assert_eq!(of(emotion, Level::Low, "No.", MOODY), None);
    }
    let calm = |reply: &str| of(Emotion::Calm, Level::Medium, reply, 1);
    assert_eq!((calm("As I said: I smoke."), calm("I'm a bit scared.")), (Some(true), Some(true)));
    assert_eq!((calm("Can we get on with it?"), calm("It is no use.")), (Some(false), Some(false)));
    // A worry of the record's is an answer.
    let mut case = case();
    let said = "I am afraid that it is the lungs.";
    case.facts.push(fact(Topic::Concern, "fear", "Patient fears for the lungs.", Some(said)));
    let record = Record::new(&case, &[], Lexicon::bundled(), concepts());
    let session = vec![(ask(), said); MOODY];
    let session: Vec<(&Probe, &str)> = session.iter().map(|(probe, reply)| (probe, *reply)).collect();
    let afraid = Persona { emotion: Emotion::Afraid, ..plain() };
    assert_eq!(mood(&afraid, &record, &session), Some(false));
}
