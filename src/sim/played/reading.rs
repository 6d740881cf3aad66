//! A draft's claims by rules: what stands in for the model that labels them.

use crate::data::case::{Aspect, Fact, Finding, Reveal, Topic};
use crate::data::lexicon::ConceptKind;
use crate::data::utterance::Intent;
use crate::sim::circumstances;
use crate::sim::disguise::gives_away;
use crate::sim::heard::Scene;
use crate::sim::played::claims::{Label, Support, asked_for};
use crate::sim::played::veiled::own_words;
use crate::sim::reveal::told_before;
use crate::sim::sides::sides;

/// Words of amounts and times that a patient can only have from somewhere.
const SPECIFIC: [&str; 41] = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "twenty",
    "dozen",
    "hundred",
    "minute",
    "minutes",
    "hour",
    "hours",
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "years",
    "yesterday",
    "tonight",
    "morning",
    "evening",
    "night",
    "nights",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "weekend",
    "christmas",
];

/// What agrees, what denies, and what may stand before either.
const YES: [&str; 5] = ["yes", "yeah", "yep", "yup", "aye"];
const NO: [&str; 4] = ["no", "nope", "nah", "never"];
const BEFORE_AN_ANSWER: [&str; 8] = ["well", "oh", "um", "uh", "er", "hm", "hmm", "doctor"];

/// Words too common to tell one fact from another.
const COMMON: [&str; 29] = [
    "that",
    "this",
    "have",
    "been",
    "with",
    "from",
    "when",
    "then",
    "them",
    "they",
    "there",
    "what",
    "like",
    "just",
    "some",
    "very",
    "much",
    "more",
    "about",
    "also",
    "really",
    "does",
    "your",
    "sometimes",
    "quite",
    "think",
    "know",
    "feel",
    "make",
];

/// The labels of one sentence, number `sentence`, as far as words can tell:
///
/// - it makes each claim whose own words it holds, and each fact that shares most of its words with it;
/// - each symptom, illness, drug (and private habit) that it names is supported, contradicted or unsupported by the script's
///   facts about that; a denial of what the doctor asked for and the script is silent on is supported;
/// - so is what it says of its speaker's own life: smoking, work, marriage ([`circumstances::told`]);
/// - a side of the body that is not the script's is contradicted;
/// - a number, date or time that neither the script nor anybody in the consultation has said is unsupported;
/// - `yes` or `no` that nothing else was read from answers whether the one thing is there that was asked for.
///
/// What it does not see: a wrong detail in common words (`at the back` for `in the middle`).
pub fn labels(scene: &Scene<'_>, sentence: usize, text: &str) -> Vec<Label> {
    let mut reader = Reader { scene, sentence, text, rest: text.to_lowercase(), labels: Vec::new() };
    reader.quotations();
    reader.places();
    reader.life();
    reader.mentions();
    reader.likenesses();
    reader.amounts();
    reader.yes_or_no();
    reader.labels
}

/// The [`labels`] of all sentences of a draft. What names the diagnosis is struck without.
pub(super) fn draft_labels(scene: &Scene<'_>, pieces: &[String]) -> Vec<Label> {
    let pieces = pieces.iter().enumerate();
    pieces
        .filter(|(_, piece)| !gives_away(scene, piece))
        .flat_map(|(number, piece)| labels(scene, number, piece))
        .collect()
}

struct Reader<'a> {
    scene: &'a Scene<'a>,
    sentence: usize,
    text: &'a str,
    /// What is left of the text in lower case, once the script's own words are taken out.
    rest: String,
    labels: Vec<Label>,
}

impl Reader<'_> {
    fn add(&mut self, fact: Option<usize>, support: Support, asked: bool) {
        if fact.is_some() && self.labels.iter().any(|label| label.fact == fact) {
            return;
        }
        let private = fact.is_some_and(|index| self.scene.script.facts[index].private);
        let (sentence, text) = (self.sentence, self.text.to_owned());
        self.labels.push(Label { sentence, text, fact, support, asked, private });
    }

    /// Facts whose own words the sentence holds; of fewer than two words, others may hold them by chance.
    fn quotations(&mut self) {
        let scene = self.scene;
        for (index, fact) in scene.script.facts.iter().enumerate() {
            let own = fact.said.as_deref().unwrap_or_default().trim().trim_end_matches('.').to_lowercase();
            if !own.contains(' ') {
                continue;
            }
            if let Some(at) = self.rest.find(&own) {
                // A full stop keeps what stood around the quotation apart.
                self.rest.replace_range(at..at + own.len(), ".");
                self.add(Some(index), Support::Supported, asked_for(scene, index));
            }
        }
    }

    /// A side that the script does not have: of what was asked for, where that has a place; else of anything that has a side.
    fn places(&mut self) {
        let scene = self.scene;
        let facts = &scene.script.facts;
        let [side] = sides(&self.rest)[..] else { return };
        let own = |index: &usize| own_words(&facts[*index]).map(|own| sides(&own)).unwrap_or_default();
        let has_place = |index: &usize| {
            matches!(facts[*index].aspect, Aspect::Location | Aspect::Radiation) || !own(index).is_empty()
        };
        let told =
            |index: &usize| facts[*index].finding == Finding::Present && own_words(&facts[*index]).is_some();
        let mut about: Vec<usize> = scene.wanted().into_iter().filter(told).filter(has_place).collect();
        if about.is_empty() {
            about = (0..facts.len()).filter(told).filter(|index| !own(index).is_empty()).collect();
        }
        if let Some(&index) = about.first()
            && !about.iter().any(|index| own(index).contains(&side))
        {
            self.add(Some(index), Support::Contradicted, asked_for(scene, index));
        }
    }

    /// What the rest of the sentence says of its speaker's life.
    fn life(&mut self) {
        let scene = self.scene;
        let facts = &scene.script.facts;
        for told in circumstances::told(scene, &self.rest) {
            let related = |index: &usize| match &told.concept {
                Some(concept) => is_about(scene, &facts[*index], concept),
                None => own_words(&facts[*index])
                    .is_some_and(|own| words(&own.to_lowercase()).any(|word| word == told.word)),
            };
            let mut related: Vec<usize> = (0..facts.len()).filter(related).collect();
            related.sort_by_key(|&index| (!asked_for(scene, index), facts[index].aspect != Aspect::Presence));
            let agrees = |&index: &usize| (facts[index].finding == Finding::Absent) == told.negated;
            let agreeing = related.iter().copied().find(agrees);
            let asked = match &told.concept {
                Some(concept) => is_named(scene, concept),
                None => scene.does(|act| act.intent == Intent::Question(Topic::Social)),
            };
            match agreeing.or(related.first().copied()) {
                Some(index) => {
                    let support = if agreeing.is_some() { Support::Supported } else { Support::Contradicted };
                    self.add(Some(index), support, asked_for(scene, index));
                }
                None if told.negated && asked => self.add(None, Support::Supported, true),
                None => self.add(None, Support::Unsupported, asked),
            }
        }
    }

    /// What the rest of the sentence names.
    fn mentions(&mut self) {
        let scene = self.scene;
        let facts = &scene.script.facts;
        let question = self.text.trim_end().ends_with('?');
        for mention in scene.understanding.mentions(&self.rest) {
            // That something is there is said by naming it; what it is like is not.
            let mut related: Vec<usize> =
                (0..facts.len()).filter(|&index| is_about(scene, &facts[index], &mention.concept)).collect();
            related.sort_by_key(|&index| (facts[index].aspect != Aspect::Presence, !asked_for(scene, index)));
            let clinical = matches!(
                mention.kind,
                ConceptKind::Symptom | ConceptKind::Condition | ConceptKind::Substance
            );
            let personal = mention.kind == ConceptKind::Circumstance
                && related.iter().any(|&index| is_personal(&facts[index]) || asked_for(scene, index))
                // Read already.
                && (question || !circumstances::is_of_a_life(&mention.concept));
            let doctors = is_named(scene, &mention.concept);
            // A question about what the doctor has named, and circumstances that are named in passing, tell nothing.
            if (question && doctors) || !(clinical || personal) {
                continue;
            }
            let agrees = |&index: &usize| (facts[index].finding == Finding::Absent) == mention.negated;
            let agreeing = related.iter().copied().find(agrees);
            match agreeing.or(related.first().copied()) {
                Some(index) => {
                    let support = if agreeing.is_some() { Support::Supported } else { Support::Contradicted };
                    self.add(Some(index), support, asked_for(scene, index));
                }
                None if mention.negated && doctors => self.add(None, Support::Supported, true),
                None => self.add(None, Support::Unsupported, doctors),
            }
        }
    }

    /// Facts that share most of their words with the rest of the sentence, two at least.
    fn likenesses(&mut self) {
        let scene = self.scene;
        let said = content(scene, &self.rest);
        for (index, fact) in scene.script.facts.iter().enumerate() {
            let own = own_words(fact).map(|words| content(scene, &words)).unwrap_or_default();
            let shared = own.iter().filter(|word| said.contains(word)).count();
            if shared >= 2 && shared * 3 >= own.len() * 2 {
                self.add(Some(index), Support::Supported, asked_for(scene, index));
            }
        }
    }

    /// Amounts and times that come from nowhere. Where the doctor asked for one fact that has such an amount, it is another.
    fn amounts(&mut self) {
        let scene = self.scene;
        if !words(&self.rest).any(|word| is_specific(word) && !was_said(scene, word)) {
            return;
        }
        let labelled = |index: &usize| self.labels.iter().any(|label| label.fact == Some(*index));
        let meant: Vec<usize> = scene
            .wanted()
            .into_iter()
            .filter(|index| !labelled(index))
            .filter(|&index| {
                own_words(&scene.script.facts[index])
                    .is_some_and(|own| words(&own.to_lowercase()).any(is_specific))
            })
            .collect();
        match meant[..] {
            [index] => self.add(Some(index), Support::Contradicted, true),
            _ => self.add(None, Support::Unsupported, scene.inquires()),
        }
    }

    /// `Yes` or `no` to a question that names one thing.
    fn yes_or_no(&mut self) {
        let scene = self.scene;
        if !self.labels.is_empty() {
            return;
        }
        let text = self.rest.clone();
        let said = words(&text).find(|word| !BEFORE_AN_ANSWER.contains(word)).unwrap_or_default();
        let yes = YES.contains(&said);
        let [index] = scene.wanted()[..] else { return };
        let fact = &scene.script.facts[index];
        let named = scene.asked.iter().any(|it| it.concept.is_some() && it.facts.contains(&index));
        let clear = fact.aspect == Aspect::Presence && fact.finding != Finding::Unknown;
        if (yes || NO.contains(&said)) && named && clear && own_words(fact).is_some() {
            let agrees = (fact.finding == Finding::Present) == yes;
            let support = if agrees { Support::Supported } else { Support::Contradicted };
            self.add(Some(index), support, true);
        }
    }
}

/// Whether the doctor's message names `concept`, something wider or something narrower.
fn is_named(scene: &Scene<'_>, concept: &str) -> bool {
    let same = |other: &str| scene.lexicon.is_a(concept, other) || scene.lexicon.is_a(other, concept);
    scene.understanding.mentions(scene.message).iter().any(|other| same(&other.concept))
}

/// Whether a word (lower case) is an amount or a time.
fn is_specific(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit()) || SPECIFIC.contains(&word)
}

/// Whether a word (lower case) was said in the consultation, or is a fact's that may be told now.
fn was_said(scene: &Scene<'_>, word: &str) -> bool {
    let holds = |text: &str| words(text).any(|it| it.eq_ignore_ascii_case(word));
    let so_far = scene.so_far;
    holds(scene.message)
        || holds(&so_far.opening)
        || so_far.turns.iter().any(|it| holds(&it.doctor) || it.patient.as_deref().is_some_and(holds))
        || scene.script.facts.iter().enumerate().any(|(index, fact)| {
            own_words(fact).is_some_and(|own| holds(&own) || holds(&fact.text))
                && (asked_for(scene, index) || told_before(scene, fact))
        })
}

/// Whether `fact` can bear on `concept`: about the same, or something narrower, or a wider thing that is absent.
fn is_about(scene: &Scene<'_>, fact: &Fact, concept: &str) -> bool {
    own_words(fact).is_some()
        && (scene.lexicon.is_a(&fact.concept, concept)
            || (fact.finding == Finding::Absent && scene.lexicon.is_a(concept, &fact.concept)))
}

/// Whether a fact is nobody's business unless it is asked for.
fn is_personal(fact: &Fact) -> bool {
    fact.private || matches!(fact.reveal, Reveal::OnTrust | Reveal::Never)
}

/// The words of `text` that tell it from other texts, in the form in which the rules compare words.
fn content(scene: &Scene<'_>, text: &str) -> Vec<String> {
    let telling = |word: &&str| {
        (word.len() > 3 || word.bytes().any(|it| it.is_ascii_digit())) && !COMMON.contains(word)
    };
    let normal = scene.understanding.normal_form(text);
    let mut all: Vec<String> = normal.split(' ').filter(telling).map(str::to_owned).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::Lexicon;
    use crate::data::utterance::Understanding;
    use crate::sim::sample::{plain, play, script};

    /// What is read from `text` in answer to `message`: fact, support, asked.
    fn read(message: &str, text: &str) -> Vec<(Option<String>, Support, bool)> {
        let script = script(plain(), 1);
        let so_far = play(&script, &[]);
        let scene = Scene::new(&script, &so_far, message, Understanding::bundled(), Lexicon::bundled());
        let id = |index: usize| script.facts[index].id.as_str().to_owned();
        labels(&scene, 0, text).into_iter().map(|it| (it.fact.map(id), it.support, it.asked)).collect()
    }

    #[test]
    fn claims_are_read_from_words() {
        use Support::{Contradicted, Supported, Unsupported};
        let fact = |id: &str| Some(id.to_owned());
        for (message, text, want) in [
            ("When did it start?", "It began this morning at 8.", vec![(fact("cp.onset"), Supported, true)]),
            ("When did it start?", "At around 8 this morning.", vec![(fact("cp.onset"), Supported, true)]),
            ("When did it start?", "It began two weeks ago.", vec![(fact("cp.onset"), Contradicted, true)]),
            ("When did it start?", "I take metformin.", vec![(fact("metformin"), Supported, false)]),
            ("Do you have a fever?", "Yes, I have a fever.", vec![(fact("fever"), Contradicted, true)]),
            ("Do you have a headache?", "I have a headache.", vec![(None, Unsupported, true)]),
            ("Do you have a headache?", "I have no headache.", vec![(None, Supported, true)]),
            ("When did it start?", "I have a headache.", vec![(None, Unsupported, false)]),
            ("When did it start?", "Thank you, doctor.", vec![]),
            (
                "When did it start?",
                "I drink a bottle of wine a day.",
                vec![(fact("secret"), Supported, false)],
            ),
        ] {
            assert_eq!(read(message, text), want, "{message} {text}");
        }
    }
}
