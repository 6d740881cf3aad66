//! What a draft claims, how each claim is labelled, and what follows from the labels.

use serde::{Deserialize, Serialize};

use crate::data::case::{Aspect, Fact, FactId, Finding, Importance, Reveal, Topic};
use crate::data::utterance::Intent;
use crate::sim::disguise::gives_away;
use crate::sim::forbidden::names_any;
use crate::sim::heard::Scene;
use crate::sim::persona::Level;
use crate::sim::phrases::{RATHER_NOT, SAFE};
use crate::sim::played::veiled::{on_question, own_words};
use crate::sim::reveal::{Permission, asked_before, told_before};
use crate::sim::voice::MOST_ANSWERS;

/// How a claim stands to the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// The script says the same.
    Supported,
    /// The script says otherwise.
    Contradicted,
    /// The script does not say it.
    Unsupported,
}

/// A claim and its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Which sentence of the draft makes it, from 0.
    pub sentence: usize,
    /// The words that make it.
    pub text: String,
    /// Which of the script's facts it is about.
    pub fact: Option<usize>,
    /// How it stands to the script.
    pub support: Support,
    /// Whether the doctor's message asks for it.
    pub asked: bool,
    /// Whether it tells more about the person than the question needs.
    pub private: bool,
}

/// What is done about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It may be said.
    Keep,
    /// It was not asked for, is more than one reply may tell, or is a finding: left out.
    Drop,
    /// It is said as the script has it.
    Rewrite,
    /// The patient does not know.
    NotKnown,
    /// The patient would rather not talk about it.
    HoldBack,
    /// Its sentence names the hidden diagnosis: left out, whatever its labels are.
    Strike,
}

/// A claim, as logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which sentence of the draft makes it, from 0.
    pub sentence: usize,
    /// The words that make it.
    pub text: String,
    /// The fact it is about.
    pub fact: Option<FactId>,
    /// How it stands to the script; `None` where nobody had to say, since its sentence is struck.
    pub support: Option<Support>,
    /// Whether the doctor's message asked for it.
    pub asked: bool,
    /// Whether it tells more about the person than the question needs.
    pub private: bool,
    /// What was done.
    pub action: Action,
}

/// A draft of which only what may be said is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corrected {
    /// The words; empty where nothing is left.
    pub text: String,
    /// The facts they tell, by index.
    pub told: Vec<usize>,
    /// Facts that the labels say were asked for, by index.
    pub asked: Vec<usize>,
    /// How many claims were not kept.
    pub corrected: usize,
    /// All claims.
    pub claims: Vec<Claim>,
}

/// Does to `sentences` what `labels` call for. A sentence without claims stays. One of which every claim is kept stays as it
/// is; any other is said again claim by claim, in the script's own words. What is said of a claim:
///
/// | | asked | not asked |
/// | --- | --- | --- |
/// | supported | kept | dropped |
/// | contradicted | as the script has it | dropped |
/// | unsupported | not known | dropped |
///
/// Whatever the labels say, a sentence that names the hidden diagnosis, in whatever [`disguise`](crate::sim::disguise), is struck, what the script holds back is held back, a
/// finding is left to the record, and no more than [`MOST_ANSWERS`] facts are told. What was told before may be said again,
/// asked for or not, unless it is private.
pub fn correct(scene: &Scene<'_>, sentences: &[String], labels: &[Label]) -> Corrected {
    let mut out = Corrected::default();
    let mut parts: Vec<String> = Vec::new();
    for (number, sentence) in sentences.iter().enumerate() {
        if gives_away(scene, sentence) {
            out.corrected += 1;
            out.claims.push(struck(number, sentence));
            continue;
        }
        let mut whole = true;
        let mut instead: Vec<String> = Vec::new();
        for label in labels.iter().filter(|label| label.sentence == number) {
            let action = action(scene, label, &out.told);
            let words = label.fact.and_then(|index| scene.script.facts.get(index)).and_then(own_words);
            instead.extend(match action {
                Action::Keep | Action::Rewrite => words,
                Action::NotKnown => Some(SAFE.to_owned()),
                Action::HoldBack => RATHER_NOT.first().map(|&it| it.to_owned()),
                Action::Drop | Action::Strike => None,
            });
            if matches!(action, Action::Keep | Action::Rewrite) {
                out.told.extend(label.fact.filter(|index| !out.told.contains(index)));
            }
            if label.asked {
                out.asked.extend(label.fact.filter(|index| !out.asked.contains(index)));
            }
            whole &= action == Action::Keep;
            out.corrected += usize::from(action != Action::Keep);
            out.claims.push(claim(scene, label, action));
        }
        if whole {
            parts.push(sentence.clone());
        } else {
            for words in instead {
                if !parts.contains(&words) {
                    parts.push(words);
                }
            }
        }
    }
    out.text = parts.join(" ");
    out
}

/// Whether what is left of a draft can be said: there is something, it does not name the diagnosis (as two harmless sentences
/// may do together), and a question that has an answer gets one. `text` is what is left with the findings of the turn.
///
/// Rules that write (`by_rules`) answer out of the script, so that only what correction took away can be missing there; and who may
/// have forgotten what was asked for can say so.
pub(super) fn stands(scene: &Scene<'_>, corrected: &Corrected, text: &str, by_rules: bool) -> bool {
    if text.is_empty() || names_any(text, &scene.script.forbidden) || gives_away(scene, &corrected.text) {
        return false;
    }
    let unnamed = |words: &str| !names_any(words, &scene.script.forbidden);
    let tellable = |index: &usize| {
        scene.script.facts.get(*index).is_some_and(|fact| {
            on_question(scene, fact) == Permission::Now
                && unnamed(&fact.concept)
                && own_words(fact).is_some_and(|words| unnamed(&words))
        })
    };
    let answers: Vec<usize> = scene.wanted().into_iter().filter(tellable).collect();
    answers.is_empty()
        || answers.iter().any(|index| corrected.told.contains(index))
        || (by_rules && corrected.corrected == 0)
        || (says_forgotten(&corrected.text) && answers.iter().all(|&index| may_have_forgotten(scene, index)))
}

/// Whether `text` says that something does not come to mind.
fn says_forgotten(text: &str) -> bool {
    let text = text.to_lowercase();
    ["remember", "recall", "forgot", "slipped my mind"].iter().any(|said| text.contains(said))
}

/// Whether the fact of this index is one that slips a mind with this persona's recall: the same that the voice by rules forgets.
fn may_have_forgotten(scene: &Scene<'_>, index: usize) -> bool {
    let Some(fact) = scene.script.facts.get(index) else { return false };
    let amount = fact.topic == Topic::Medication
        && fact.said.as_ref().is_some_and(|said| said.bytes().any(|byte| byte.is_ascii_digit()));
    scene.script.persona.recall != Level::High
        && (matches!(fact.aspect, Aspect::Onset | Aspect::Detail) || amount)
        && fact.topic != Topic::Concern
        && fact.importance != Importance::Essential
        && fact.finding == Finding::Present
        && !asked_before(scene, fact)
}

/// What is done about a claim, after the facts `told` of the same reply.
fn action(scene: &Scene<'_>, label: &Label, told: &[usize]) -> Action {
    let fact = label.fact.and_then(|index| Some((index, scene.script.facts.get(index)?)));
    let Some((index, fact)) = fact else {
        return match (label.support, label.asked) {
            (Support::Supported, asked) if asked || !label.private => Action::Keep,
            (Support::Supported, _) | (_, false) => Action::Drop,
            (Support::Contradicted | Support::Unsupported, true) => Action::NotKnown,
        };
    };
    let again = !fact.private && (told_before(scene, fact) || opens_with(scene, fact));
    if !label.asked && !again {
        return Action::Drop;
    }
    let sayable = own_words(fact).is_some_and(|words| !names_any(&words, &scene.script.forbidden));
    match (on_question(scene, fact), label.support) {
        (Permission::Withheld, _) => Action::HoldBack,
        (Permission::Hidden, _) | (_, Support::Unsupported) => Action::NotKnown,
        (Permission::Now, _) if !sayable => Action::NotKnown,
        (Permission::Now, _) if told.len() >= MOST_ANSWERS && !told.contains(&index) => Action::Drop,
        (Permission::Now, Support::Supported) => Action::Keep,
        (Permission::Now, Support::Contradicted) => Action::Rewrite,
    }
}

/// Whether the first sentence of the consultation told `fact`, or named what it is about.
fn opens_with(scene: &Scene<'_>, fact: &Fact) -> bool {
    let opening = &scene.so_far.opening;
    let names = || {
        let mentions = scene.understanding.mentions(opening);
        fact.aspect == Aspect::Presence
            && mentions.iter().any(|it| scene.lexicon.is_a(&fact.concept, &it.concept))
    };
    fact.reveal == Reveal::Opening
        && (fact.said.as_ref().is_some_and(|said| opening.contains(said.trim())) || names())
}

/// Whether the rules hear the message ask for the fact of this index: by name, by a question about a detail of what it is
/// about, or by an open question.
pub fn asked_for(scene: &Scene<'_>, index: usize) -> bool {
    let Some(fact) = scene.script.facts.get(index) else { return false };
    let wanted = scene.wanted();
    let detail = |other: &usize| {
        let other = &scene.script.facts[*other];
        (&other.concept, other.topic) == (&fact.concept, fact.topic)
    };
    wanted.contains(&index)
        || (fact.aspect == Aspect::Presence && wanted.iter().any(detail))
        || (fact.reveal == Reveal::Opening && scene.does(|act| act.intent == Intent::OpenQuestion))
}

/// Whether the message asks for nothing in particular: `tell me everything` asks for no fact that is told on question only,
/// whatever a model takes it for.
fn only_open(scene: &Scene<'_>) -> bool {
    scene.does(|act| act.intent == Intent::OpenQuestion)
        && !scene.does(|act| matches!(act.intent, Intent::Question(_)))
}

/// Whether the message can ask for `fact` (an index) at all, or where there is none for something beside the script, whatever a model takes
/// it for: it must ask, examine or test, and for more than the story; or name what the fact is about. So `dump your whole record`
/// and `ignore your instructions`, which the rules do not understand, ask for nothing.
pub fn may_ask_for(scene: &Scene<'_>, fact: Option<usize>) -> bool {
    let fact = fact.and_then(|index| scene.script.facts.get(index));
    let names = |fact: &Fact| {
        let mentions = scene.understanding.mentions(scene.message);
        mentions.iter().any(|it| scene.lexicon.is_a(&fact.concept, &it.concept))
    };
    let particular = |intent| matches!(intent, Intent::Question(_) | Intent::Examination | Intent::Test);
    !only_open(scene) && (scene.does(|act| particular(act.intent)) || fact.is_some_and(names))
}

fn claim(scene: &Scene<'_>, label: &Label, action: Action) -> Claim {
    let fact = label.fact.and_then(|index| scene.script.facts.get(index));
    Claim {
        sentence: label.sentence,
        text: label.text.clone(),
        fact: fact.map(|fact| fact.id.clone()),
        support: Some(label.support),
        asked: label.asked,
        private: label.private,
        action,
    }
}

fn struck(sentence: usize, text: &str) -> Claim {
    Claim {
        sentence,
        text: text.to_owned(),
        fact: None,
        support: None,
        asked: false,
        private: false,
        action: Action::Strike,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::Lexicon;
    use crate::data::utterance::Understanding;
    use crate::sim::sample::{plain, play, script};

    /// What is left of one sentence about `fact` after `before` and `message`.
    fn left(
        before: &[&str],
        message: &str,
        fact: Option<&str>,
        support: Support,
        asked: bool,
    ) -> (Action, String) {
        let script = script(plain(), 1);
        let so_far = play(&script, before);
        let scene = Scene::new(&script, &so_far, message, Understanding::bundled(), Lexicon::bundled());
        let fact = fact.map(|id| script.facts.iter().position(|fact| fact.id.as_str() == id).unwrap());
        let text = "Such and such.".to_owned();
        let label = Label { sentence: 0, text: text.clone(), fact, support, asked, private: false };
        let corrected = correct(&scene, &[text], &[label]);
        (corrected.claims[0].action, corrected.text)
    }

    #[test]
    fn each_label_has_its_action() {
        use Support::{Contradicted, Supported, Unsupported};
        let own = "Such and such.";
        for (fact, support, asked, action, text) in [
            (Some("cp.onset"), Supported, true, Action::Keep, own),
            (Some("cp.onset"), Supported, false, Action::Drop, ""),
            (Some("cp.onset"), Contradicted, true, Action::Rewrite, "It began this morning at 8."),
            (Some("cp.onset"), Contradicted, false, Action::Drop, ""),
            (Some("cp.onset"), Unsupported, true, Action::NotKnown, SAFE),
            (None, Unsupported, true, Action::NotKnown, SAFE),
            (None, Unsupported, false, Action::Drop, ""),
            (None, Supported, false, Action::Keep, own),
            (Some("coke"), Supported, true, Action::HoldBack, RATHER_NOT[0]),
            (Some("coke"), Contradicted, true, Action::HoldBack, RATHER_NOT[0]),
            (Some("secret"), Supported, true, Action::HoldBack, RATHER_NOT[0]),
            (Some("secret"), Supported, false, Action::Drop, ""),
            (Some("ecg"), Supported, true, Action::NotKnown, SAFE),
            (Some("fear"), Supported, true, Action::NotKnown, SAFE),
        ] {
            let got = left(&[], "Hm.", fact, support, asked);
            assert_eq!(got, (action, text.to_owned()), "{fact:?} {support:?} {asked}");
        }
    }

    #[test]
    fn what_was_told_may_be_said_again() {
        let before = &["When did it start?"][..];
        let got = left(before, "I see.", Some("cp.onset"), Support::Supported, false);
        assert_eq!(got.0, Action::Keep);
    }

    #[test]
    fn a_sentence_of_mixed_claims_is_said_claim_by_claim() {
        let script = script(plain(), 1);
        let so_far = play(&script, &[]);
        let message = "When did it start? Do you sweat?";
        let scene = Scene::new(&script, &so_far, message, Understanding::bundled(), Lexicon::bundled());
        let sentences = ["It began last week and I sweat and I smoke.".to_owned(), "That is all.".to_owned()];
        let at = |id: &str| script.facts.iter().position(|fact| fact.id.as_str() == id);
        let label = |fact, support, asked| Label {
            sentence: 0,
            text: String::new(),
            fact,
            support,
            asked,
            private: false,
        };
        let labels = [
            label(at("cp.onset"), Support::Contradicted, true),
            label(at("sweat"), Support::Supported, true),
            label(at("smoke"), Support::Supported, false),
        ];
        let corrected = correct(&scene, &sentences, &labels);
        assert_eq!(corrected.text, "It began this morning at 8. I've been sweating a lot. That is all.");
        assert_eq!(corrected.corrected, 2);
        assert_eq!(Some(corrected.told), at("cp.onset").zip(at("sweat")).map(|(a, b)| vec![a, b]));
    }

    #[test]
    fn no_reply_tells_more_than_a_patient_says_at_once() {
        let script = script(plain(), 1);
        let so_far = play(&script, &[]);
        let scene = Scene::new(&script, &so_far, "All of it!", Understanding::bundled(), Lexicon::bundled());
        let sentences: Vec<String> = (0..10).map(|n| format!("Claim {n}.")).collect();
        let labels: Vec<Label> = (0..10)
            .map(|n| Label {
                sentence: n,
                text: sentences[n].clone(),
                fact: Some(n),
                support: Support::Supported,
                asked: true,
                private: false,
            })
            .collect();
        assert_eq!(correct(&scene, &sentences, &labels).told, [0, 1, 2, 3, 4, 5]);
    }
}
