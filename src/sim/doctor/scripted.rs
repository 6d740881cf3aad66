//! A doctor who knows the case and acts well or badly on purpose.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::data::case::{Case, FactId, Importance, StepKind, Topic};
use crate::data::consultation::Consultation;
use crate::data::distress::voices_distress;

use super::Doctor;
use super::agenda::{Item, Want, agenda, phase};
use super::phrases::{
    EMERGENCY, EMPATHY, GREETINGS, LINKS, PLANLESS, SAFETY_NETS, STRAYS, URGENT_SAFETY_NETS, VAGUE_PLANS,
    asking, diagnoses, steps,
};
use super::quality::{DoctorQuality, pick, unit};
use super::routine;

/// Questions a doctor asks where not more is essential.
const USUAL: usize = 8;
/// Further questions of a doctor who asks one more at a time.
const MORE: usize = 4;
/// Questions at a time, by lot: half of the doctors ask one, the fewest three.
const AT_A_TIME: [usize; 6] = [1, 1, 1, 2, 2, 3];
/// Steps of a plan that fit into one message.
const STEPS: usize = 4;

/// A doctor who knows the case. How well they act on it is their [`DoctorQuality`]; which words they use is drawn.
///
/// What they do next follows from what was said so far as a pupil could see it too: the complaint first, then symptoms
/// that go with it, then history, medication and allergies, then examination and tests, then diagnosis and plan. The
/// case only decides which of these matter, which is what training has to teach.
#[derive(Debug, Clone)]
pub struct ScriptedDoctor {
    quality: DoctorQuality,
    turn_limit: usize,
    items: Vec<Item>,
    /// Questions that belong together and are asked in one message, at most.
    at_a_time: usize,
    /// What is left of the form of a doctor who asks everybody the same, the next message last.
    routine: Option<Vec<Vec<Want>>>,
    asked: Vec<(Want, u8)>,
    diagnosis: String,
    plan: Vec<String>,
    emergency: bool,
    red_flags: Vec<FactId>,
    strays: Vec<String>,
    rng: ChaCha8Rng,
}

impl ScriptedDoctor {
    /// A doctor for `case`, who speaks at most `turn_limit` times.
    pub fn new(case: &Case, quality: DoctorQuality, turn_limit: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let forgets = unit(&mut rng) < quality.forgets_allergies;
        let mut items = agenda(case);
        items.retain(|item| {
            let share = match item.importance {
                Importance::Essential => quality.thorough,
                _ => quality.thorough * quality.thorough,
            };
            if item.want == Want::Topic(Topic::Allergy) { !forgets } else { unit(&mut rng) < share }
        });
        let at_a_time = pick(&mut rng, &AT_A_TIME).copied().unwrap_or(1);
        fit(&mut items, turn_limit.saturating_sub(1), USUAL + MORE * (at_a_time - 1));
        let routine = quality.routine > 0.0 && unit(&mut rng) < quality.routine;
        let routine = routine.then(|| routine::form().into_iter().rev().collect());
        let wrong = unit(&mut rng) < quality.wrong;
        let other = pick(&mut rng, &case.truth.differentials).filter(|_| wrong);
        let planless = unit(&mut rng) < quality.planless;
        let plan = if planless {
            pick(&mut rng, PLANLESS).map(|text| (*text).to_owned()).into_iter().collect()
        } else if other.is_some() {
            pick(&mut rng, VAGUE_PLANS).map(|text| (*text).to_owned()).into_iter().collect()
        } else {
            plan(case, &mut rng)
        };
        let strays = STRAYS
            .iter()
            .filter(|stray| case.facts.iter().all(|fact| fact.concept != **stray))
            .map(|stray| (*stray).to_owned())
            .collect();
        Self {
            quality,
            turn_limit,
            items,
            at_a_time,
            routine,
            asked: Vec::new(),
            diagnosis: other.unwrap_or(&case.truth.diagnosis).clone(),
            plan,
            emergency: case.truth.is_emergency() && !wrong && !planless,
            red_flags: case.truth.red_flags.clone(),
            strays,
            rng,
        }
    }

    fn chance(&mut self, p: f64) -> bool {
        unit(&mut self.rng) < p
    }

    fn say(&mut self, options: &[String]) -> String {
        pick(&mut self.rng, options).cloned().unwrap_or_default()
    }

    fn phrase(&mut self, options: &[&str]) -> String {
        pick(&mut self.rng, options).map(|text| (*text).to_owned()).unwrap_or_default()
    }

    /// What is still to be found out: not told, and not asked before unless it is told on trust only.
    fn pending(&self, so_far: &Consultation) -> Vec<Item> {
        let told = |item: &Item| {
            !item.facts.is_empty()
                && item.facts.iter().all(|fact| so_far.turns.iter().any(|turn| turn.told.contains(fact)))
        };
        let tries = |want: &Want| self.asked.iter().find(|asked| asked.0 == *want).map_or(0, |asked| asked.1);
        self.items
            .iter()
            .filter(|item| !told(item) && tries(&item.want) < if item.on_trust { 2 } else { 1 })
            .cloned()
            .collect()
    }

    /// Whether the patient should be in hospital by now: a red flag is known, and what is left to be found out takes an
    /// examination or is not essential.
    fn hurries(&self, so_far: &Consultation, pending: &[Item]) -> bool {
        let told = |id: &FactId| so_far.turns.iter().any(|turn| turn.told.contains(id));
        let asks = |item: &Item| item.importance == Importance::Essential && phase(&item.want) < 3;
        self.emergency && self.red_flags.iter().any(told) && !pending.iter().any(asks)
    }

    fn note(&mut self, want: &Want) {
        match self.asked.iter_mut().find(|asked| asked.0 == *want) {
            Some(asked) => asked.1 += 1,
            None => self.asked.push((want.clone(), 1)),
        }
    }

    fn ask(&mut self, wants: &[Want]) -> String {
        for want in wants {
            self.note(want);
        }
        asking(wants, |wordings| self.say(wordings))
    }

    fn conclude(&mut self) -> String {
        let diagnosis = self.say(&diagnoses(&self.diagnosis.clone()));
        let mut said = vec![diagnosis];
        if self.emergency && !self.plan.iter().any(|step| EMERGENCY.contains(&step.as_str())) {
            let emergency = self.phrase(EMERGENCY);
            said.push(emergency);
        }
        said.extend(self.plan.iter().cloned());
        let parts = if self.emergency { URGENT_SAFETY_NETS } else { SAFETY_NETS };
        let has_net = said.iter().any(|step| SAFETY_NETS.contains(&step.as_str()));
        if !has_net && said.len() > 2 || self.plan.iter().any(|step| VAGUE_PLANS.contains(&step.as_str())) {
            let net = self.phrase(parts);
            said.push(net);
        }
        said.join(" ")
    }

    /// The question part of the next message; `None` when it is time to conclude.
    fn question(&mut self, so_far: &Consultation) -> Option<String> {
        let turn = so_far.turns.len();
        let left = self.turn_limit.saturating_sub(turn + 1);
        let pending = self.pending(so_far);
        let quality = self.quality;
        // All slips are drawn each time, so that one more or less does not move the others.
        let (repeats, early) = (self.chance(quality.repeats), self.chance(quality.early));
        let (crowds, strays) = (self.chance(quality.crowds), self.chance(quality.strays));
        let done = self.routine.as_ref().map_or(pending.is_empty(), Vec::is_empty);
        if left == 0 || done || (early && turn > 0) || self.hurries(so_far, &pending) {
            return None;
        }
        if repeats && turn > 0 {
            let before: Vec<Want> = self.asked.iter().map(|asked| asked.0.clone()).collect();
            if let Some(want) = pick(&mut self.rng, &before).cloned() {
                return Some(self.ask(&[want]));
            }
        }
        if strays && let Some(stray) = pick(&mut self.rng, &self.strays).cloned() {
            self.strays.retain(|other| *other != stray);
            return Some(self.ask(&[Want::Symptom(stray)]));
        }
        if let Some(messages) = &mut self.routine {
            let wants = messages.pop()?;
            for want in &wants {
                self.note(want);
            }
            return Some(routine::message(&wants));
        }
        // Who has much to ask and little time left asks two things at once.
        let needed = if crowds { 5 } else { pending.len().div_ceil(left).min(2) };
        // Questions at once belong to one part of the consultation where that can be, or the patient loses the thread.
        let part = pending.first().map(|item| phase(&item.want));
        let together = |(at, item): &(usize, &Item)| *at < needed || Some(phase(&item.want)) == part;
        let wants: Vec<Want> = pending
            .iter()
            .take(needed.max(self.at_a_time))
            .enumerate()
            .take_while(together)
            .map(|(_, item)| item.want.clone())
            .collect();
        Some(self.ask(&wants))
    }
}

impl Doctor for ScriptedDoctor {
    fn speak(&mut self, so_far: &Consultation) -> String {
        let heard = so_far.turns.last().and_then(|turn| turn.patient.as_deref()).unwrap_or(&so_far.opening);
        let warm = !self.chance(self.quality.cold);
        let first = so_far.turns.is_empty();
        let polite = self.chance(0.3);
        let Some(question) = self.question(so_far) else { return self.conclude() };
        let mut said = Vec::new();
        if first && polite {
            said.push(self.phrase(GREETINGS));
        }
        if warm && voices_distress(heard) {
            said.push(self.phrase(EMPATHY));
        } else if !first && polite {
            said.push(self.phrase(LINKS));
        }
        said.push(question);
        said.join(" ")
    }
}

/// The first steps of the plan, one of each wording.
fn plan(case: &Case, rng: &mut ChaCha8Rng) -> Vec<String> {
    let emergency = |concept: &str| matches!(concept, "ambulance" | "emergency department");
    let mut said: Vec<String> = Vec::new();
    let mut sent = false;
    for step in case.truth.plan.iter().take(STEPS) {
        // Tests are done before the conclusion, since a patient waits for their results; in an emergency only they are
        // left to the hospital.
        if step.kind == StepKind::Investigation && !case.truth.is_emergency() {
            continue;
        }
        // One sentence sends the patient to hospital, whatever it is called.
        if emergency(&step.concept) && (sent || !case.truth.is_emergency() && step.kind != StepKind::Referral)
        {
            continue;
        }
        sent |= emergency(&step.concept);
        if let Some(text) = pick(rng, &steps(step))
            && !said.contains(text)
        {
            said.push(text.clone());
        }
    }
    said
}

/// Leaves out what is not worth its place, the least important and latest first: beyond the essential, only as much
/// as makes up `usual` questions, and never more than `messages` messages of two questions hold.
fn fit(items: &mut Vec<Item>, messages: usize, usual: usize) {
    let keep = |item: &Item| item.want == Want::Topic(Topic::Allergy);
    let excess = |items: &[Item]| {
        let least = items.iter().filter(|item| !keep(item)).map(|item| item.importance).min();
        let at = items.iter().rposition(|item| !keep(item) && Some(item.importance) == least);
        at.filter(|_| {
            least < Some(Importance::Essential) && items.len() > usual || items.len() > messages * 2
        })
    };
    while let Some(at) = excess(items) {
        items.remove(at);
    }
}
