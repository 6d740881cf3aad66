//! The affective unit: a draft in the voice of the persona, out of the facts that were asked for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::data::case::{AgeBand, Aspect, Fact, Finding, Importance, Topic};
use crate::data::lexicon::ConceptKind;
use crate::data::utterance::{Act, Asked, Intent};
use crate::sim::draft::{Draft, Source};
use crate::sim::forbidden::names_any;
use crate::sim::heard::Scene;
use crate::sim::persona::Level;
use crate::sim::phrases as say;
use crate::sim::reveal::{Permission, asked_before, permission, told_before};
use crate::sim::saying::{asks_if_well, qualifies, sentence, without_yes};
use crate::sim::tone::is_curt;
use crate::sim::wording::Wording;

/// Drafts a reply.
pub trait Affective {
    /// What the patient would say if nobody looked over it.
    fn draft(&self, scene: &Scene<'_>) -> Draft;
}

/// A patient answers this many things in one reply; who asks for more is told so.
pub const MOST_ANSWERS: usize = 6;

/// Circumstances that everybody has in some way or other, or that it would be grave to deny.
const ALWAYS_SOMEHOW: &[&str] = &[
    "work",
    "living situation",
    "diet",
    "daily activities",
    "safety at home",
    "social support",
    "last period",
    "sleep habits",
    "fluid intake",
    "hobby",
    "school",
    "bowel habit",
];

/// The voice by rules. It looks facts up and cannot make any.
///
/// What the script has no fact about is denied weakly (`Not that I've noticed`) where a question asks whether it is
/// there, unless something wider is there (asked for migraine, a patient with a headache is not sure; a headache of the
/// mother's does not count); any other aspect of it is not known. So nothing the script does not hold ever becomes present.
#[derive(Debug, Clone, Copy, Default)]
pub struct RuleVoice;

impl Affective for RuleVoice {
    fn draft(&self, scene: &Scene<'_>) -> Draft {
        let mut speaker = Speaker::new(scene);
        if !scene.understood() {
            let hurt = scene.script.persona.feeling && is_curt(scene.message);
            speaker.pick(if hurt { say::HURT } else { speaker.wording.not_understood() });
            return speaker.draft;
        }
        speaker.open();
        if scene.does(|act| act.intent == Intent::Identity) {
            speaker.identity();
        }
        let mut order: Vec<&Asked> = scene.asked.iter().collect();
        // Who does not order things answers the last question first, now and then; yet who cannot answer a list to its end
        // begins with its first, or nobody could tell what the answers are to.
        let reverses = !scene.script.persona.judging && order.len() > 1 && speaker.chance(1, 3);
        if reverses && !(order.len() > MOST_ANSWERS && scene.asks_at_once()) {
            order.reverse();
        }
        for asked in order {
            speaker.answer(asked);
        }
        if speaker.crowded {
            speaker.pick(speaker.wording.too_much());
        }
        if scene.does(|act| act.intent == Intent::OpenQuestion) {
            speaker.unasked();
        }
        speaker.sum_up();
        speaker.close();
        speaker.draft
    }
}

/// A patient on the way through one reply.
pub(super) struct Speaker<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) wording: Wording<'a>,
    rng: ChaCha8Rng,
    pub(super) draft: Draft,
    pub(super) answers: usize,
    crowded: bool,
    /// The question at hand asks whether something is as it should be, or in one way of several.
    qualifies: bool,
    /// It asks whether something is as it should be.
    if_well: bool,
    said: Vec<usize>,
}

impl<'a> Speaker<'a> {
    fn new(scene: &'a Scene<'a>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(scene.script.seed);
        rng.set_stream(scene.turn() as u64);
        let wording = Wording::of(scene.script);
        Self {
            scene,
            wording,
            rng,
            draft: Draft::default(),
            answers: 0,
            crowded: false,
            qualifies: false,
            if_well: false,
            said: Vec::new(),
        }
    }

    /// True `of` times in `among`.
    pub(super) fn chance(&mut self, of: u64, among: u64) -> bool {
        self.rng.next_u64() % among < of
    }

    pub(super) fn one(&mut self, phrases: &'static [&'static str]) -> &'static str {
        let at = (self.rng.next_u64() % phrases.len().max(1) as u64) as usize;
        phrases.get(at).copied().unwrap_or_default()
    }

    /// Says one of `phrases`, which hold no facts.
    pub(super) fn pick(&mut self, phrases: &'static [&'static str]) {
        let text = self.one(phrases);
        self.draft.push(text, Source::Manner);
    }

    /// Whether an earlier reply holds one of `phrases`.
    pub(super) fn said_before(&self, phrases: &[&str]) -> bool {
        let mut replies = self.scene.so_far.turns.iter().filter_map(|turn| turn.patient.as_deref());
        replies.any(|said| phrases.iter().any(|phrase| said.contains(phrase)))
    }

    fn blank(&mut self, phrases: &'static [&'static str]) {
        let text = self.one(phrases);
        self.draft.push(text, Source::Blank);
        self.answers += 1;
    }

    /// What comes before the answers.
    fn open(&mut self) {
        let persona = &self.scene.script.persona;
        let did = |wanted: Intent| self.scene.does(|act| act.intent == wanted);
        let (kind, greeted) = (did(Intent::Empathy), did(Intent::Greeting));
        if greeted && self.scene.turn() == 0 {
            self.pick(self.wording.hello());
        } else if kind && persona.feeling {
            self.pick(say::THANKS_WARM);
        } else if kind && !self.scene.inquires() {
            self.pick(say::THANKS);
        }
        // Who talks much thinks aloud, and so do older people, who take their time.
        let aloud = if persona.verbosity == Level::High { 2 } else { 4 };
        let older = self.scene.script.stratum.age.band() == AgeBand::Older;
        let questioned =
            self.scene.does(|act| matches!(act.intent, Intent::Question(_) | Intent::OpenQuestion));
        if (persona.verbosity == Level::High || older) && questioned && self.chance(1, aloud) {
            self.pick(say::THINKING);
        }
    }

    /// Answers one act.
    fn answer(&mut self, asked: &Asked) {
        let Some(act) = self.scene.acts.get(asked.act) else { return };
        let question = self.scene.message.get(act.span.clone()).unwrap_or_default();
        (self.qualifies, self.if_well) = (qualifies(question), asks_if_well(question));
        if self.answers >= MOST_ANSWERS {
            self.crowded = true;
            return;
        }
        if matches!(act.intent, Intent::Examination | Intent::Test) {
            self.investigated(act, asked);
        } else if asked.facts.is_empty() {
            self.nothing_known(act, asked);
        } else {
            let most = match (&asked.concept, self.scene.script.persona.verbosity) {
                (Some(_), _) => MOST_ANSWERS,
                (None, Level::Low) => 2,
                (None, Level::Medium) => 3,
                (None, Level::High) => 4,
            };
            self.told(act, asked, most);
        }
    }

    /// Tells facts that were asked for; at most `most` of a whole topic, those not told before first.
    fn told(&mut self, act: &Act, asked: &Asked, most: usize) {
        let scene = self.scene;
        let facts = &scene.script.facts;
        let mut order = asked.facts.clone();
        order.sort_by_key(|&index| told_before(scene, &facts[index]));
        let mut given = 0;
        let mut held = false;
        for index in order {
            if self.has_told(index) {
                given += 1;
                continue;
            }
            if given >= most {
                break;
            }
            if self.answers >= MOST_ANSWERS {
                self.crowded = true;
                break;
            }
            match permission(scene, &facts[index], act.intent) {
                Permission::Now => {
                    // A whole topic asked again need not be told again, once there was something new.
                    if given > 0 && asked.concept.is_none() && told_before(scene, &facts[index]) {
                        continue;
                    }
                    self.fact(index);
                    given += 1;
                }
                Permission::Withheld => held = true,
                Permission::Hidden => {}
            }
        }
        if given == 0 {
            let phrases = if held { self.wording.rather_not() } else { self.wording.not_known() };
            self.blank(phrases);
        }
    }

    /// Whether this reply has the fact at `index`, or one that is told in the same words.
    pub(super) fn has_told(&self, index: usize) -> bool {
        let facts = &self.scene.script.facts;
        let said = facts[index].said.as_ref();
        self.said.contains(&index)
            || said.is_some_and(|said| self.said.iter().any(|&it| facts[it].said.as_ref() == Some(said)))
    }

    /// Tells one fact, or that it is forgotten.
    pub(super) fn fact(&mut self, index: usize) {
        let fact = &self.scene.script.facts[index];
        self.said.push(index);
        if self.forgets(fact) {
            self.blank(self.wording.forgotten());
            return;
        }
        if told_before(self.scene, fact) {
            let often = self.chance(1, 2).then_some("As I said:");
            // What answers a diagnosis may be an old worry: nobody was asked for it again.
            let diagnosed = self.scene.does(|act| matches!(act.intent, Intent::Diagnosis { .. }));
            let annoyed = self.wording.told_already().filter(|_| !diagnosed);
            if let Some(again) = annoyed.or(often) {
                // Who has said it before need not think it over.
                self.draft.pieces.pop_if(|piece| say::THINKING.contains(&piece.text.as_str()));
                self.draft.push(again, Source::Manner);
            }
        }
        let text = match (&fact.said, fact.finding) {
            (Some(said), _) if self.qualifies => sentence(without_yes(said)),
            (Some(said), _) => sentence(said),
            (None, Finding::Absent) => format!("No, no {}.", fact.concept),
            (None, Finding::Present | Finding::Unknown) => {
                self.blank(self.wording.not_known());
                return;
            }
        };
        self.draft.push(text, Source::Fact(index));
        self.answers += 1;
    }

    /// Whether a date, a dose or a name slips this patient's mind. What the case hangs on never does, nor does a worry or a wish,
    /// which nobody has to recall; and what was asked for before has come back.
    fn forgets(&mut self, fact: &Fact) -> bool {
        let exact = matches!(fact.aspect, Aspect::Onset | Aspect::Detail)
            || (fact.topic == Topic::Medication
                && fact.said.as_ref().is_some_and(|said| said.bytes().any(|byte| byte.is_ascii_digit())));
        if !exact
            || fact.topic == Topic::Concern
            || fact.importance == Importance::Essential
            || fact.finding != Finding::Present
            || asked_before(self.scene, fact)
        {
            return false;
        }
        match self.scene.script.persona.recall {
            Level::Low => self.chance(1, 2),
            Level::Medium => self.chance(1, 12),
            Level::High => false,
        }
    }

    /// Shows what an examination or a test shows.
    fn investigated(&mut self, act: &Act, asked: &Asked) {
        let what = if act.intent == Intent::Test { "Test" } else { "Examination" };
        let facts = &self.scene.script.facts;
        let mut shown = 0;
        for &index in &asked.facts {
            if permission(self.scene, &facts[index], act.intent) != Permission::Now
                || self.said.contains(&index)
            {
                continue;
            }
            if self.answers >= MOST_ANSWERS {
                self.crowded = true;
                return;
            }
            self.said.push(index);
            let (concept, text) = (&facts[index].concept, facts[index].text.trim());
            // `positive` says nothing without what was tested.
            let finding = if text.to_lowercase().contains(concept.as_str()) {
                format!("[{what}: {text}]")
            } else {
                format!("[{what}: {concept}: {text}]")
            };
            self.draft.push(finding, Source::Finding(index));
            self.answers += 1;
            shown += 1;
        }
        if shown == 0 && !asked.facts.iter().any(|index| self.said.contains(index)) {
            let concept = asked.concept.as_deref().unwrap_or_default();
            self.draft.push(format!("[{what}: nothing on record for {concept}]"), Source::Manner);
            self.answers += 1;
        }
    }

    /// Answers a question about something the script has no fact about.
    fn nothing_known(&mut self, act: &Act, asked: &Asked) {
        let scene = self.scene;
        let topic = match act.intent {
            Intent::Question(topic) => topic,
            _ => Topic::Symptom,
        };
        let Some(concept) = asked.concept.as_deref() else {
            // A whole topic the script is silent on.
            self.blank(match topic {
                Topic::Concern => say::NO_CONCERN,
                Topic::Examination | Topic::Test => self.wording.not_known(),
                _ => say::NOTHING_KNOWN,
            });
            return;
        };
        let kind = scene.lexicon.get(concept).map(|concept| concept.kind);
        // What a relative has says nothing of the patient. One who for it was unsure of every kind of that illness, and of
        // no other, would give away where the hidden one is to be looked for.
        let wider = |fact: &Fact| {
            (topic == Topic::Family || fact.topic != Topic::Family)
                && fact.finding != Finding::Absent
                && scene.lexicon.is_a(concept, &fact.concept)
        };
        if ALWAYS_SOMEHOW.contains(&concept) || self.if_well {
            // Everybody lives and eats in some way: there is no `no` to it. And a `no` to `Is your appetite good?` is a complaint.
            self.blank(say::NOTHING_SPECIAL);
            return;
        }
        let deniable = act.aspect == Aspect::Presence
            && !scene.script.facts.iter().any(wider)
            && !matches!(kind, Some(ConceptKind::Examination | ConceptKind::Test) | None);
        if !deniable {
            self.blank(self.wording.not_known());
            return;
        }
        let phrases = match topic {
            Topic::Symptom => say::NOT_NOTICED,
            Topic::Medication => say::NOT_TAKEN,
            Topic::Social => say::NOT_SO,
            _ => say::NOT_THAT_I_KNOW,
        };
        let forbidden = &scene.script.forbidden;
        let is_it = |name: &String| scene.understanding.mentions(name).iter().any(|m| m.concept == concept);
        // Who has it and does not know answers as who has it not: another answer would give the diagnosis away. Yet it is
        // no denial, which would be false.
        let hidden = forbidden.iter().any(is_it) || names_any(concept, forbidden);
        let source = if hidden { Source::Blank } else { Source::Denial(concept.to_owned()) };
        let text = self.one(phrases);
        self.draft.push(text, source);
        self.answers += 1;
    }
}
